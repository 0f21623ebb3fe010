-- What is kept of rovers' sessions, and of the bases that they had. Places are as coarse as privacy has them.

CREATE TABLE kept_sessions (
    caster TEXT NOT NULL,
    number INTEGER NOT NULL,
    account TEXT NOT NULL,
    mountpoint TEXT NOT NULL,
    agent TEXT NOT NULL,
    version INTEGER NOT NULL,               -- of NTRIP
    begun_us INTEGER NOT NULL,
    at_us INTEGER NOT NULL,                 -- as of then
    is_over INTEGER NOT NULL,
    n_bytes INTEGER NOT NULL,
    n_epochs INTEGER NOT NULL,
    sentences INTEGER NOT NULL,
    fixed INTEGER NOT NULL,
    floating INTEGER NOT NULL,
    decimals INTEGER NOT NULL,              -- to which places are rounded; -1: there are none
    begin_longitude REAL,
    begin_latitude REAL,
    longitude REAL,
    latitude REAL,
    PRIMARY KEY (caster, number)
) WITHOUT ROWID;

CREATE INDEX kept_sessions_begun ON kept_sessions (begun_us, caster, number);
CREATE INDEX kept_sessions_account ON kept_sessions (account, begun_us);
CREATE INDEX kept_sessions_at ON kept_sessions (at_us);
CREATE INDEX kept_sessions_decimals ON kept_sessions (decimals);

CREATE TABLE session_legs (
    caster TEXT NOT NULL,
    number INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    base TEXT NOT NULL,                     -- empty: none
    reason TEXT NOT NULL,
    longitude REAL,
    latitude REAL,
    PRIMARY KEY (caster, number, since_us)
) WITHOUT ROWID;

CREATE INDEX session_legs_base ON session_legs (base, since_us);
