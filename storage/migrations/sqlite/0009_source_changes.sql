-- Which source of a station was gathered since when, and why.

CREATE TABLE source_changes (
    station_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    why TEXT NOT NULL,
    change BLOB NOT NULL,
    PRIMARY KEY (station_id, at_us, why)
) WITHOUT ROWID;
