-- Which source of a station was gathered since when, and why.

CREATE TABLE source_changes (
    station_id text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    why text COLLATE "C" NOT NULL,
    change bytea NOT NULL,
    PRIMARY KEY (station_id, at_us, why)
);
