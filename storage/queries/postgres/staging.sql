-- name: make_stages
-- Empty again at the end of each transaction; what is in them is not logged. No column may be so long that the
-- table gets a second one for long values: to empty that costs as much as a thousand rows. So flags are hex, and
-- the reasons of reports come as arrays.
CREATE TEMPORARY TABLE stage_reports (
    epoch_us bigint, received_at_us bigint, station_key integer, reason_codes integer,
    observations integer, observations_expected integer, latency_100us integer, jitter_100us integer,
    slips integer, multipath_100um integer, frames integer, bad_frames integer, cn0_cdbhz smallint,
    state smallint, score smallint, epochs smallint, epochs_expected smallint, satellites smallint,
    nothing smallint    -- NULL: so that rows without reasons are the same bytes as those of the table
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE stage_newest_reports (LIKE stage_reports) ON COMMIT DELETE ROWS;
ALTER TABLE stage_newest_reports DROP COLUMN nothing, ADD COLUMN report bytea;
CREATE TEMPORARY TABLE stage_figures (
    newest smallint, time_us bigint, clock_step_at_us bigint, station_key integer, horizon_expected integer,
    horizon_have integer, mask_expected integer, mask_have integer, slips_a_million integer,
    roti_100utecu_min integer, clock_step_ms integer, east_mm integer, north_mm integer, up_mm integer,
    east_sd_mm integer, north_sd_mm integer, up_sd_mm integer, expected_100ppm smallint,
    usable_100ppm smallint, cn0_loss_cdb smallint, usable_systems varchar(32)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE stage_samples (
    time_us bigint, received_at_us bigint, value double precision, datastream_key integer, tests integer,
    revision smallint, flag smallint, test_flags varchar(400)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE stage_newest_samples (time_us bigint, datastream_key integer) ON COMMIT DELETE ROWS;

-- Rows that are most probably new go straight into their table. That fails as a whole when one of them is
-- there already; then all are staged and taken from there, with a look at what is there. The name of the table
-- may be that of one of its partitions.

-- name: is_partition
SELECT relispartition FROM pg_class WHERE oid = to_regclass(%(name)s);

-- name: expect_partition
-- Ends the transaction by a division by zero where it is none.
SELECT 1 / relispartition::integer FROM pg_class WHERE oid = to_regclass(%(name)s);

-- name: copy_station_epochs
COPY station_epochs (
    epoch_us, received_at_us, station_key, reason_codes, observations, observations_expected,
    latency_100us, jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score,
    epochs, epochs_expected, satellites, reasons
) FROM STDIN (FORMAT BINARY);

-- name: copy_samples
COPY samples (time_us, received_at_us, value, datastream_key, tests, revision, flag, test_flags)
FROM STDIN (FORMAT BINARY);

-- name: stage_reports
COPY stage_reports FROM STDIN (FORMAT BINARY);

-- name: stage_newest_reports
COPY stage_newest_reports FROM STDIN (FORMAT BINARY);

-- name: stage_figures
COPY stage_figures FROM STDIN (FORMAT BINARY);

-- name: stage_samples
COPY stage_samples FROM STDIN (FORMAT BINARY);

-- name: stage_newest_samples
COPY stage_newest_samples FROM STDIN (FORMAT BINARY);

-- name: take_reports
-- With their reasons at once: an UPDATE afterwards would open every compressed chunk to look for the rows.
INSERT INTO station_epochs (
    epoch_us, received_at_us, station_key, reason_codes, observations, observations_expected,
    latency_100us, jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score,
    epochs, epochs_expected, satellites, reasons
) SELECT
    s.epoch_us, s.received_at_us, s.station_key, s.reason_codes, s.observations, s.observations_expected,
    s.latency_100us, s.jitter_100us, s.slips, s.multipath_100um, s.frames, s.bad_frames, s.cn0_cdbhz, s.state,
    s.score, s.epochs, s.epochs_expected, s.satellites, r.reasons
FROM stage_reports AS s
LEFT JOIN unnest(%(station_key)s::integer[], %(epoch_us)s::bigint[], %(reasons)s::bytea[])
    AS r (station_key, epoch_us, reasons) USING (station_key, epoch_us)
ON CONFLICT (station_key, epoch_us) DO UPDATE
SET received_at_us = excluded.received_at_us, reason_codes = excluded.reason_codes, observations =
    excluded.observations, observations_expected = excluded.observations_expected, latency_100us =
    excluded.latency_100us, jitter_100us = excluded.jitter_100us, slips = excluded.slips, multipath_100um
    = excluded.multipath_100um, frames = excluded.frames, bad_frames = excluded.bad_frames, cn0_cdbhz =
    excluded.cn0_cdbhz, state = excluded.state, score = excluded.score, epochs = excluded.epochs,
    epochs_expected = excluded.epochs_expected, satellites = excluded.satellites, reasons = excluded.reasons;

-- The newest rows are known to nearly all commits: an UPDATE first, and after it what that did not find.

-- name: renew_latest_reports
UPDATE station_latest AS known
SET epoch_us = s.epoch_us, received_at_us = s.received_at_us, reason_codes = s.reason_codes, observations =
    s.observations, observations_expected = s.observations_expected, latency_100us = s.latency_100us,
    jitter_100us = s.jitter_100us, slips = s.slips, multipath_100um = s.multipath_100um, frames =
    s.frames, bad_frames = s.bad_frames, cn0_cdbhz = s.cn0_cdbhz, state = s.state, score = s.score, epochs
    = s.epochs, epochs_expected = s.epochs_expected, satellites = s.satellites, reasons = NULL, report = s.report
FROM stage_newest_reports AS s
WHERE known.station_key = s.station_key AND s.epoch_us >= known.epoch_us;

-- name: catch_up_latest
-- What a writer that was killed had not brought yet.
INSERT INTO station_latest AS known (
    epoch_us, received_at_us, station_key, reason_codes, observations, observations_expected,
    latency_100us, jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score,
    epochs, epochs_expected, satellites, reasons
) SELECT
    e.epoch_us, e.received_at_us, e.station_key, e.reason_codes, e.observations, e.observations_expected,
    e.latency_100us, e.jitter_100us, e.slips, e.multipath_100um, e.frames, e.bad_frames, e.cn0_cdbhz,
    e.state, e.score, e.epochs, e.epochs_expected, e.satellites, e.reasons
FROM stations AS s LEFT JOIN station_latest AS l USING (station_key), LATERAL (
    SELECT * FROM station_epochs AS e
    WHERE e.station_key = s.station_key AND e.epoch_us > coalesce(l.epoch_us, -9223372036854775807)
    ORDER BY e.epoch_us DESC LIMIT 1
) AS e
ON CONFLICT (station_key) DO UPDATE
SET epoch_us = excluded.epoch_us, received_at_us = excluded.received_at_us, reason_codes =
    excluded.reason_codes, observations = excluded.observations, observations_expected =
    excluded.observations_expected, latency_100us = excluded.latency_100us, jitter_100us =
    excluded.jitter_100us, slips = excluded.slips, multipath_100um = excluded.multipath_100um, frames =
    excluded.frames, bad_frames = excluded.bad_frames, cn0_cdbhz = excluded.cn0_cdbhz, state =
    excluded.state, score = excluded.score, epochs = excluded.epochs, epochs_expected =
    excluded.epochs_expected, satellites = excluded.satellites, reasons = excluded.reasons, report = NULL
WHERE excluded.epoch_us >= known.epoch_us;

-- name: take_latest_reports
INSERT INTO station_latest AS known (
    epoch_us, received_at_us, station_key, reason_codes, observations, observations_expected,
    latency_100us, jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score,
    epochs, epochs_expected, satellites, report
) SELECT
    epoch_us, received_at_us, station_key, reason_codes, observations, observations_expected,
    latency_100us, jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score,
    epochs, epochs_expected, satellites, report
FROM stage_newest_reports AS s
WHERE NOT EXISTS (SELECT FROM station_latest AS k WHERE k.station_key = s.station_key)
ON CONFLICT (station_key) DO UPDATE
SET epoch_us = excluded.epoch_us, received_at_us = excluded.received_at_us, reason_codes =
    excluded.reason_codes, observations = excluded.observations, observations_expected =
    excluded.observations_expected, latency_100us = excluded.latency_100us, jitter_100us =
    excluded.jitter_100us, slips = excluded.slips, multipath_100um = excluded.multipath_100um, frames =
    excluded.frames, bad_frames = excluded.bad_frames, cn0_cdbhz = excluded.cn0_cdbhz, state =
    excluded.state, score = excluded.score, epochs = excluded.epochs, epochs_expected =
    excluded.epochs_expected, satellites = excluded.satellites, reasons = NULL, report = excluded.report
WHERE excluded.epoch_us >= known.epoch_us;

-- name: put_latest_reasons
UPDATE station_latest AS known SET reasons = r.reasons
FROM unnest(%(station_key)s::integer[], %(epoch_us)s::bigint[], %(reasons)s::bytea[])
    AS r (station_key, epoch_us, reasons)
WHERE known.station_key = r.station_key AND known.epoch_us = r.epoch_us;

-- name: take_figures
INSERT INTO station_figures (
    time_us, clock_step_at_us, station_key, horizon_expected, horizon_have, mask_expected, mask_have,
    slips_a_million, roti_100utecu_min, clock_step_ms, east_mm, north_mm, up_mm, east_sd_mm, north_sd_mm,
    up_sd_mm, expected_100ppm, usable_100ppm, cn0_loss_cdb, usable_systems
) SELECT time_us, clock_step_at_us, station_key, horizon_expected, horizon_have, mask_expected, mask_have,
    slips_a_million, roti_100utecu_min, clock_step_ms, east_mm, north_mm, up_mm, east_sd_mm, north_sd_mm,
    up_sd_mm, expected_100ppm, usable_100ppm, cn0_loss_cdb, usable_systems
FROM stage_figures
ON CONFLICT (station_key, time_us) DO UPDATE
SET clock_step_at_us = excluded.clock_step_at_us, horizon_expected = excluded.horizon_expected,
    horizon_have = excluded.horizon_have, mask_expected = excluded.mask_expected,
    mask_have = excluded.mask_have, slips_a_million = excluded.slips_a_million,
    roti_100utecu_min = excluded.roti_100utecu_min, clock_step_ms = excluded.clock_step_ms,
    east_mm = excluded.east_mm, north_mm = excluded.north_mm, up_mm = excluded.up_mm,
    east_sd_mm = excluded.east_sd_mm, north_sd_mm = excluded.north_sd_mm, up_sd_mm = excluded.up_sd_mm,
    expected_100ppm = excluded.expected_100ppm, usable_100ppm = excluded.usable_100ppm,
    cn0_loss_cdb = excluded.cn0_loss_cdb, usable_systems = excluded.usable_systems;

-- name: take_latest_figures
INSERT INTO station_figures_latest AS known (
    time_us, clock_step_at_us, station_key, horizon_expected, horizon_have, mask_expected, mask_have,
    slips_a_million, roti_100utecu_min, clock_step_ms, east_mm, north_mm, up_mm, east_sd_mm, north_sd_mm,
    up_sd_mm, expected_100ppm, usable_100ppm, cn0_loss_cdb, usable_systems
) SELECT time_us, clock_step_at_us, station_key, horizon_expected, horizon_have, mask_expected, mask_have,
    slips_a_million, roti_100utecu_min, clock_step_ms, east_mm, north_mm, up_mm, east_sd_mm, north_sd_mm,
    up_sd_mm, expected_100ppm, usable_100ppm, cn0_loss_cdb, usable_systems
FROM stage_figures WHERE newest = 1
ON CONFLICT (station_key) DO UPDATE
SET time_us = excluded.time_us, clock_step_at_us = excluded.clock_step_at_us,
    horizon_expected = excluded.horizon_expected, horizon_have = excluded.horizon_have,
    mask_expected = excluded.mask_expected, mask_have = excluded.mask_have,
    slips_a_million = excluded.slips_a_million, roti_100utecu_min = excluded.roti_100utecu_min,
    clock_step_ms = excluded.clock_step_ms, east_mm = excluded.east_mm, north_mm = excluded.north_mm,
    up_mm = excluded.up_mm, east_sd_mm = excluded.east_sd_mm, north_sd_mm = excluded.north_sd_mm,
    up_sd_mm = excluded.up_sd_mm, expected_100ppm = excluded.expected_100ppm,
    usable_100ppm = excluded.usable_100ppm, cn0_loss_cdb = excluded.cn0_loss_cdb,
    usable_systems = excluded.usable_systems
WHERE excluded.time_us >= known.time_us;

-- name: take_periods
INSERT INTO station_periods (begin_us, end_us, station_key, payload)
SELECT * FROM unnest(
    %(begin_us)s::bigint[], %(end_us)s::bigint[], %(station_key)s::integer[], %(payload)s::bytea[]
)
ON CONFLICT (station_key, begin_us) DO UPDATE SET end_us = excluded.end_us, payload = excluded.payload;

-- name: take_samples
INSERT INTO samples AS known (
    time_us, received_at_us, value, datastream_key, tests, revision, flag, test_flags
) SELECT time_us, received_at_us, value, datastream_key, tests, revision, flag, decode(test_flags, 'hex')
FROM stage_samples
ON CONFLICT (datastream_key, time_us) DO UPDATE
SET received_at_us = excluded.received_at_us, value = excluded.value, tests = excluded.tests,
    revision = excluded.revision, flag = excluded.flag, test_flags = excluded.test_flags
WHERE excluded.revision >= known.revision;

-- name: renew_latest_samples
-- Commits renew a bound about once an hour: the newest sample is not older.
UPDATE datastream_latest AS known SET time_us = s.time_us
FROM stage_newest_samples AS s
WHERE known.datastream_key = s.datastream_key AND s.time_us > known.time_us;

-- name: take_latest_samples
INSERT INTO datastream_latest AS known (time_us, datastream_key)
SELECT time_us, datastream_key FROM stage_newest_samples AS s
WHERE NOT EXISTS (SELECT FROM datastream_latest AS k WHERE k.datastream_key = s.datastream_key)
ON CONFLICT (datastream_key) DO UPDATE SET time_us = excluded.time_us
WHERE excluded.time_us > known.time_us;
