-- What regions below say of their stations, sites and datastreams: the newest description of each.

CREATE TABLE descriptions (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    definition TEXT,                        -- NULL: it is gone
    is_deleted INTEGER NOT NULL,            -- gone, and not only withheld
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
