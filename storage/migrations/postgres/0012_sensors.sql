-- Sensors that are described by themselves; others are told by their datastream.

CREATE TABLE sensors (
    id text COLLATE "C" PRIMARY KEY,
    definition jsonb NOT NULL
);
