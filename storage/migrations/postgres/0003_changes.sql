-- What commands changed: every change, and the newest of each object. Passwords are not kept here.

CREATE TABLE changes (
    version bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    change bytea NOT NULL,
    PRIMARY KEY (version, kind, id)
);
CREATE INDEX changes_by_object ON changes (kind, id, version);

CREATE TABLE objects (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    is_gone boolean NOT NULL,
    change bytea NOT NULL,
    PRIMARY KEY (kind, id)
);
