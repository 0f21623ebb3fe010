-- Where samples of moving platforms were taken, and waveforms; beside the samples, for those that have them.

CREATE TABLE sample_places (
    time_us bigint NOT NULL,
    datastream_key integer NOT NULL,
    height_m double precision,              -- NULL: not told
    place geometry(Point, 4490) NOT NULL,
    PRIMARY KEY (datastream_key, time_us)
);
CREATE INDEX sample_places_by_place ON sample_places USING gist (place);
CREATE INDEX sample_places_by_time ON sample_places USING brin (time_us);

CREATE TABLE sample_waves (
    time_us bigint NOT NULL,                -- of the first value
    step_us double precision NOT NULL,
    datastream_key integer NOT NULL,
    length integer NOT NULL,                -- how many values there are
    packed bytea NOT NULL,                  -- a zstd frame: i, f or d, and the values, little-endian
    PRIMARY KEY (datastream_key, time_us)
);
ALTER TABLE sample_waves ALTER COLUMN packed SET STORAGE EXTERNAL;
CREATE INDEX sample_waves_by_time ON sample_waves USING brin (time_us);
