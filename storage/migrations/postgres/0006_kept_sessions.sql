-- What is kept of rovers' sessions, and of the bases that they had. Places are as coarse as privacy has them.

CREATE TABLE kept_sessions (
    caster text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    mountpoint text COLLATE "C" NOT NULL,
    agent text NOT NULL,
    version smallint NOT NULL,              -- of NTRIP
    begun_us bigint NOT NULL,
    at_us bigint NOT NULL,                  -- as of then
    is_over boolean NOT NULL,
    n_bytes bigint NOT NULL,
    n_epochs bigint NOT NULL,
    sentences bigint NOT NULL,
    fixed bigint NOT NULL,
    floating bigint NOT NULL,
    decimals smallint NOT NULL,             -- to which places are rounded; -1: there are none
    begin_longitude double precision,
    begin_latitude double precision,
    longitude double precision,
    latitude double precision,
    PRIMARY KEY (caster, number)
);

CREATE INDEX kept_sessions_begun ON kept_sessions (begun_us, caster, number);
CREATE INDEX kept_sessions_account ON kept_sessions (account, begun_us);
CREATE INDEX kept_sessions_at ON kept_sessions (at_us);
CREATE INDEX kept_sessions_decimals ON kept_sessions (decimals);

CREATE TABLE session_legs (
    caster text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    since_us bigint NOT NULL,
    base text COLLATE "C" NOT NULL,         -- empty: none
    reason text NOT NULL,
    longitude double precision,
    latitude double precision,
    PRIMARY KEY (caster, number, since_us)
);

CREATE INDEX session_legs_base ON session_legs (base, since_us);
