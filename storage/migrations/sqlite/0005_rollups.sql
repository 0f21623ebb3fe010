-- Sums of reports and samples by minute, hour and day. `level` is 0, 1, 2 for them, -1 for the rows themselves;
-- `kind` is 0 for reports, 1 for samples. A bucket that a mark covers is not to be believed: it is made anew, in
-- the background, from the level below it, and until then questions read that level.

CREATE TABLE rollup_marks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    level INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    marked_at_us INTEGER NOT NULL,
    done_key INTEGER NOT NULL DEFAULT 0,    -- up to this one the work is done
    keys TEXT                               -- JSON: of stations or datastreams; NULL: all
);
CREATE INDEX rollup_marks_by_span ON rollup_marks (kind, level, begin_us, end_us);

-- What lies before is no longer stored at this level, and nothing can be made of it any more.
CREATE TABLE rollup_floors (
    kind INTEGER NOT NULL,
    level INTEGER NOT NULL,
    before_us INTEGER NOT NULL,
    PRIMARY KEY (kind, level)
) WITHOUT ROWID;

CREATE TABLE station_minutes (
    station_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    epochs INTEGER NOT NULL,
    epochs_expected INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    observations_expected INTEGER,
    latency_n INTEGER NOT NULL,
    latency_sum_100us INTEGER,
    latency_max_100us INTEGER,
    latency_median_100us INTEGER,
    latency_p95_100us INTEGER,
    jitter_n INTEGER NOT NULL,
    jitter_sum_100us INTEGER,
    cn0_n INTEGER NOT NULL,
    cn0_sum_cdbhz INTEGER,
    slips INTEGER NOT NULL,
    multipath_n INTEGER NOT NULL,
    multipath_squares REAL,                 -- sum of squares of 0.1 mm
    frames INTEGER NOT NULL,
    bad_frames INTEGER NOT NULL,
    score_n INTEGER NOT NULL,
    score_sum INTEGER,
    score_min INTEGER,
    state INTEGER NOT NULL,                 -- the worst
    good_s INTEGER NOT NULL,                -- seconds with a report of this state
    unknown_s INTEGER NOT NULL,
    degraded_s INTEGER NOT NULL,
    bad_s INTEGER NOT NULL,
    reasons TEXT,                           -- JSON: reports by names.name_key of their codes
    latencies BLOB,                         -- all of them in order, as differences (storage/sql/latencies.py)
    PRIMARY KEY (station_key, begin_us)
) WITHOUT ROWID;

CREATE TABLE station_hours (
    station_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    epochs INTEGER NOT NULL,
    epochs_expected INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    observations_expected INTEGER,
    latency_n INTEGER NOT NULL,
    latency_sum_100us INTEGER,
    latency_max_100us INTEGER,
    latency_median_100us INTEGER,
    latency_p95_100us INTEGER,
    jitter_n INTEGER NOT NULL,
    jitter_sum_100us INTEGER,
    cn0_n INTEGER NOT NULL,
    cn0_sum_cdbhz INTEGER,
    slips INTEGER NOT NULL,
    multipath_n INTEGER NOT NULL,
    multipath_squares REAL,
    frames INTEGER NOT NULL,
    bad_frames INTEGER NOT NULL,
    score_n INTEGER NOT NULL,
    score_sum INTEGER,
    score_min INTEGER,
    state INTEGER NOT NULL,
    good_s INTEGER NOT NULL,
    unknown_s INTEGER NOT NULL,
    degraded_s INTEGER NOT NULL,
    bad_s INTEGER NOT NULL,
    reasons TEXT,
    latencies BLOB,
    PRIMARY KEY (station_key, begin_us)
) WITHOUT ROWID;

CREATE TABLE station_days (
    station_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    epochs INTEGER NOT NULL,
    epochs_expected INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    observations_expected INTEGER,
    latency_n INTEGER NOT NULL,
    latency_sum_100us INTEGER,
    latency_max_100us INTEGER,
    latency_median_100us INTEGER,
    latency_p95_100us INTEGER,
    jitter_n INTEGER NOT NULL,
    jitter_sum_100us INTEGER,
    cn0_n INTEGER NOT NULL,
    cn0_sum_cdbhz INTEGER,
    slips INTEGER NOT NULL,
    multipath_n INTEGER NOT NULL,
    multipath_squares REAL,
    frames INTEGER NOT NULL,
    bad_frames INTEGER NOT NULL,
    score_n INTEGER NOT NULL,
    score_sum INTEGER,
    score_min INTEGER,
    state INTEGER NOT NULL,
    good_s INTEGER NOT NULL,
    unknown_s INTEGER NOT NULL,
    degraded_s INTEGER NOT NULL,
    bad_s INTEGER NOT NULL,
    reasons TEXT,
    latencies BLOB,
    PRIMARY KEY (station_key, begin_us)
) WITHOUT ROWID;

CREATE TABLE sample_minutes (
    datastream_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    good_n INTEGER NOT NULL,                -- good: flag 1
    good_sum REAL,
    good_min REAL,
    good_max REAL,
    good_last REAL,
    any_n INTEGER NOT NULL,
    any_sum REAL,
    any_min REAL,
    any_max REAL,
    any_last REAL,
    flags TEXT NOT NULL,                    -- JSON: samples by overall flag
    PRIMARY KEY (datastream_key, begin_us)
) WITHOUT ROWID;

CREATE TABLE sample_hours (
    datastream_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    good_n INTEGER NOT NULL,
    good_sum REAL,
    good_min REAL,
    good_max REAL,
    good_last REAL,
    any_n INTEGER NOT NULL,
    any_sum REAL,
    any_min REAL,
    any_max REAL,
    any_last REAL,
    flags TEXT NOT NULL,
    PRIMARY KEY (datastream_key, begin_us)
) WITHOUT ROWID;

CREATE TABLE sample_days (
    datastream_key INTEGER NOT NULL,
    begin_us INTEGER NOT NULL,
    good_n INTEGER NOT NULL,
    good_sum REAL,
    good_min REAL,
    good_max REAL,
    good_last REAL,
    any_n INTEGER NOT NULL,
    any_sum REAL,
    any_min REAL,
    any_max REAL,
    any_last REAL,
    flags TEXT NOT NULL,
    PRIMARY KEY (datastream_key, begin_us)
) WITHOUT ROWID;

-- What is stored already is to be summed up.
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us)
SELECT 0, 0, first_us / 60000000 * 60000000, last_us / 60000000 * 60000000 + 60000000, 0
FROM (
    SELECT min((
        SELECT min(epoch_us) FROM station_epochs AS e WHERE e.station_key = s.station_key AND epoch_us >= 0
    )) AS first_us, max((
        SELECT max(epoch_us) FROM station_epochs AS e WHERE e.station_key = s.station_key AND epoch_us < 7258118400000000
    )) AS last_us
    FROM stations AS s
) WHERE first_us <= last_us;
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us)
SELECT 1, 0, first_us / 60000000 * 60000000, last_us / 60000000 * 60000000 + 60000000, 0
FROM (
    SELECT min((
        SELECT min(time_us) FROM samples AS e WHERE e.datastream_key = s.datastream_key AND time_us >= 0
    )) AS first_us, max((
        SELECT max(time_us) FROM samples AS e WHERE e.datastream_key = s.datastream_key AND time_us < 7258118400000000
    )) AS last_us
    FROM datastreams AS s
) WHERE first_us <= last_us;
