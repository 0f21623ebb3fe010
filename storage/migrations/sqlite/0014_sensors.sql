-- Sensors that are described by themselves; others are told by their datastream.

CREATE TABLE sensors (
    id TEXT PRIMARY KEY,
    definition TEXT NOT NULL
) WITHOUT ROWID;
