-- Figures of stations over an hour, or the part of it that was judged.

CREATE TABLE station_periods (
    station_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    payload BLOB NOT NULL,         -- zstd of a gnss.quality.period.StationPeriod
    PRIMARY KEY (station_key, begin_us)
);
