-- Where samples of moving platforms were taken, and waveforms; beside the samples, for those that have them.

CREATE TABLE sample_places (
    datastream_key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    longitude REAL NOT NULL,
    latitude REAL NOT NULL,
    height_m REAL,                 -- NULL: not told
    PRIMARY KEY (datastream_key, time_us)
) WITHOUT ROWID;

CREATE TABLE sample_waves (
    datastream_key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,      -- of the first value
    step_us REAL NOT NULL,
    length INTEGER NOT NULL,       -- how many values there are
    packed BLOB NOT NULL,          -- a zstd frame: i, f or d, and the values, little-endian
    PRIMARY KEY (datastream_key, time_us)
);
