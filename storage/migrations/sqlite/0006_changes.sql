-- What commands changed: every change, and the newest of each object. Passwords are not kept here.

CREATE TABLE changes (
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    change BLOB NOT NULL,
    PRIMARY KEY (version, kind, id)
) WITHOUT ROWID;
CREATE INDEX changes_by_object ON changes (kind, id, version);

CREATE TABLE objects (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    is_gone INTEGER NOT NULL,
    change BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
