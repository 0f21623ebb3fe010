-- Rows of large commits, one commit behind the other, until they stand in their tables: see storage/sqlite/arrivals.py.
-- A row stands here or in its table, never in both.

CREATE TABLE arrivals (
    number INTEGER PRIMARY KEY,    -- of a commit
    first_us INTEGER NOT NULL,     -- lowest and highest time of its rows
    last_us INTEGER NOT NULL
);
CREATE INDEX arrivals_by_begin ON arrivals (first_us, last_us);
CREATE INDEX arrivals_by_end ON arrivals (last_us, first_us);

CREATE TABLE arrived_epochs (
    number INTEGER NOT NULL,
    station_key INTEGER NOT NULL,
    epoch_us INTEGER NOT NULL,
    received_at_us INTEGER,
    state INTEGER NOT NULL,
    score INTEGER,
    reason_codes INTEGER,
    reasons BLOB,
    epochs INTEGER NOT NULL,
    epochs_expected INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    observations_expected INTEGER,
    satellites INTEGER NOT NULL,
    latency_100us INTEGER,
    jitter_100us INTEGER,
    cn0_cdbhz INTEGER,
    slips INTEGER NOT NULL,
    multipath_100um INTEGER,
    frames INTEGER NOT NULL,
    bad_frames INTEGER NOT NULL,
    PRIMARY KEY (number, station_key, epoch_us)
) WITHOUT ROWID;

CREATE TABLE arrived_figures (
    number INTEGER NOT NULL,
    station_key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    horizon_expected INTEGER,
    horizon_have INTEGER,
    mask_expected INTEGER,
    mask_have INTEGER,
    expected_100ppm INTEGER,
    usable_100ppm INTEGER,
    usable_systems TEXT NOT NULL,
    slips_a_million INTEGER,
    cn0_loss_cdb INTEGER,
    roti_100utecu_min INTEGER,
    clock_step_ms INTEGER,
    clock_step_at_us INTEGER,
    east_mm INTEGER,
    north_mm INTEGER,
    up_mm INTEGER,
    east_sd_mm INTEGER,
    north_sd_mm INTEGER,
    up_sd_mm INTEGER,
    PRIMARY KEY (number, station_key, time_us)
) WITHOUT ROWID;

CREATE TABLE arrived_samples (
    number INTEGER NOT NULL,
    datastream_key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    value REAL,
    received_at_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    flag INTEGER NOT NULL,
    tests INTEGER NOT NULL,
    test_flags NOT NULL,
    PRIMARY KEY (number, datastream_key, time_us)
) WITHOUT ROWID;

ALTER TABLE datastream_latest ADD COLUMN arrival INTEGER; -- arrivals.number with which it came; its row may have gone on

ALTER TABLE station_latest ADD COLUMN received_at_us INTEGER;
UPDATE station_latest SET received_at_us = (
    SELECT e.received_at_us FROM station_epochs AS e
    WHERE e.station_key = station_latest.station_key AND e.epoch_us = station_latest.epoch_us
);

-- The newest figures of each station.
CREATE TABLE station_figures_latest (
    station_key INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    horizon_expected INTEGER,
    horizon_have INTEGER,
    mask_expected INTEGER,
    mask_have INTEGER,
    expected_100ppm INTEGER,
    usable_100ppm INTEGER,
    usable_systems TEXT NOT NULL,
    slips_a_million INTEGER,
    cn0_loss_cdb INTEGER,
    roti_100utecu_min INTEGER,
    clock_step_ms INTEGER,
    clock_step_at_us INTEGER,
    east_mm INTEGER,
    north_mm INTEGER,
    up_mm INTEGER,
    east_sd_mm INTEGER,
    north_sd_mm INTEGER,
    up_sd_mm INTEGER
);
INSERT INTO station_figures_latest
SELECT f.* FROM stations AS s CROSS JOIN station_figures AS f ON f.station_key = s.station_key AND f.time_us = (
    SELECT max(time_us) FROM station_figures WHERE station_key = s.station_key
);
