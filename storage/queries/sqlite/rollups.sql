-- Sums, from rows or from what is summed up already. `rollup` stands for a table of one level; a bucket begins
-- at a multiple of its length since 1970. Latencies are as they come here, and their ranks are made outside.

-- name: report_sums
SELECT
    station_key, epoch_us / :window_us * :window_us AS begin_us, count(*), CAST(total(epochs) AS INTEGER),
    CAST(total(epochs_expected) AS INTEGER), CAST(total(observations) AS INTEGER), CASE WHEN
    count(observations_expected) > 0 THEN CAST(total(observations_expected) AS INTEGER) END,
    count(latency_100us), CASE WHEN count(latency_100us) > 0 THEN CAST(total(latency_100us) AS INTEGER)
    END, max(latency_100us), NULL, NULL, count(jitter_100us), CASE WHEN count(jitter_100us) > 0 THEN
    CAST(total(jitter_100us) AS INTEGER) END, count(cn0_cdbhz), CASE WHEN count(cn0_cdbhz) > 0 THEN
    CAST(total(cn0_cdbhz) AS INTEGER) END, CAST(total(slips) AS INTEGER), count(multipath_100um),
    sum(CAST(multipath_100um AS REAL) * multipath_100um), CAST(total(frames) AS INTEGER),
    CAST(total(bad_frames) AS INTEGER), count(score), CASE WHEN count(score) > 0 THEN CAST(total(score) AS
    INTEGER) END, min(score), max(state), count(DISTINCT epoch_us / 1000000) FILTER (WHERE state = 0),
    count(DISTINCT epoch_us / 1000000) FILTER (WHERE state = 1), count(DISTINCT epoch_us / 1000000) FILTER
    (WHERE state = 2), count(DISTINCT epoch_us / 1000000) FILTER (WHERE state = 3), NULL,
    json_group_array(latency_100us) FILTER (WHERE latency_100us IS NOT NULL)
FROM {SELECT station_key, epoch_us, state, score, epochs, epochs_expected, observations, observations_expected,
        latency_100us, jitter_100us, cn0_cdbhz, slips, multipath_100um, frames, bad_frames
    FROM EVERY station_epochs
    WHERE station_key IN (SELECT value FROM json_each(:keys)) AND epoch_us >= :start_us AND epoch_us < :end_us}
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: report_reasons
SELECT station_key, epoch_us / :window_us * :window_us AS begin_us, reason_codes, count(*)
FROM {SELECT station_key, epoch_us, reason_codes FROM EVERY station_epochs
    WHERE station_key IN (SELECT value FROM json_each(:keys)) AND epoch_us >= :start_us AND epoch_us < :end_us
        AND reason_codes IS NOT NULL}
GROUP BY 1, 2, 3;

-- name: reasons_named
SELECT name_key, names FROM names WHERE name_key IN (SELECT value FROM json_each(:keys));

-- name: read_station_rollup
SELECT
    station_key, begin_us, reports, epochs, epochs_expected, observations, observations_expected,
    latency_n, latency_sum_100us, latency_max_100us, latency_median_100us, latency_p95_100us, jitter_n,
    jitter_sum_100us, cn0_n, cn0_sum_cdbhz, slips, multipath_n, multipath_squares, frames, bad_frames,
    score_n, score_sum, score_min, state, good_s, unknown_s, degraded_s, bad_s, reasons, latencies
FROM rollup
WHERE station_key IN (SELECT value FROM json_each(:keys)) AND begin_us >= :start_us AND begin_us < :end_us
ORDER BY station_key, begin_us;

-- name: network_states
-- One look at each station's buckets, which lie together.
SELECT r.begin_us, sum(r.good_s), sum(r.degraded_s), sum(r.bad_s), sum(r.unknown_s)
FROM stations AS s CROSS JOIN rollup AS r ON r.station_key = s.station_key
    AND r.begin_us >= :start_us AND r.begin_us < :end_us
GROUP BY r.begin_us ORDER BY r.begin_us;

-- name: drop_station_rollup
DELETE FROM rollup
WHERE station_key IN (SELECT value FROM json_each(:keys)) AND begin_us >= :start_us AND begin_us < :end_us;

-- name: sample_sums
-- Of all samples with a value, and of those with flag 1. The largest numbers are made smaller, so that no sum is
-- beyond what a number can be.
WITH sums AS (
    SELECT datastream_key, time_us / :window_us * :window_us AS begin_us,
        count(value) FILTER (WHERE flag = 1) AS good_n,
        sum(min(max(value, -1e290), 1e290)) FILTER (WHERE flag = 1) AS good_sum,
        min(value) FILTER (WHERE flag = 1) AS good_min, max(value) FILTER (WHERE flag = 1) AS good_max,
        max(time_us) FILTER (WHERE flag = 1 AND value IS NOT NULL) AS good_us,
        count(value) AS any_n, sum(min(max(value, -1e290), 1e290)) AS any_sum, min(value) AS any_min,
        max(value) AS any_max, max(time_us) FILTER (WHERE value IS NOT NULL) AS any_us
    FROM {SELECT datastream_key, time_us, value, flag FROM EVERY samples
        WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND time_us >= :start_us AND time_us < :end_us}
    GROUP BY 1, 2
)
SELECT s.datastream_key, s.begin_us, good_n, good_sum, good_min, good_max,
    (
        SELECT value FROM {SELECT value FROM EVERY samples
            WHERE datastream_key = s.datastream_key AND time_us = s.good_us
                AND time_us >= :start_us AND time_us < :end_us}
    ), any_n, any_sum, any_min, any_max,
    (
        SELECT value FROM {SELECT value FROM EVERY samples
            WHERE datastream_key = s.datastream_key AND time_us = s.any_us
                AND time_us >= :start_us AND time_us < :end_us}
    ), NULL
FROM sums AS s
ORDER BY 1, 2;

-- name: sample_flags
SELECT datastream_key, time_us / :window_us * :window_us AS begin_us, flag, count(*)
FROM {SELECT datastream_key, time_us, flag FROM EVERY samples
    WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND time_us >= :start_us AND time_us < :end_us}
GROUP BY 1, 2, 3;

-- name: read_sample_rollup
SELECT
    datastream_key, begin_us, good_n, good_sum, good_min, good_max, good_last, any_n, any_sum, any_min,
    any_max, any_last, flags
FROM rollup
WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND begin_us >= :start_us AND begin_us < :end_us
ORDER BY datastream_key, begin_us;

-- name: drop_sample_rollup
DELETE FROM rollup
WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND begin_us >= :start_us AND begin_us < :end_us;

-- name: put_station_rollup
INSERT INTO rollup (
    station_key, begin_us, reports, epochs, epochs_expected, observations, observations_expected,
    latency_n, latency_sum_100us, latency_max_100us, latency_median_100us, latency_p95_100us, jitter_n,
    jitter_sum_100us, cn0_n, cn0_sum_cdbhz, slips, multipath_n, multipath_squares, frames, bad_frames,
    score_n, score_sum, score_min, state, good_s, unknown_s, degraded_s, bad_s, reasons, latencies
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: put_sample_rollup
INSERT INTO rollup (
    datastream_key, begin_us, good_n, good_sum, good_min, good_max, good_last, any_n, any_sum, any_min,
    any_max, any_last, flags
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: station_key_of
SELECT station_key FROM stations WHERE id = :id;

-- name: datastream_key_of
SELECT datastream_key FROM datastreams WHERE id = :id;

-- name: station_keys_after
SELECT station_key FROM stations WHERE station_key > :after ORDER BY 1 LIMIT :limit;

-- name: datastream_keys_after
SELECT datastream_key FROM datastreams WHERE datastream_key > :after ORDER BY 1 LIMIT :limit;

-- name: next_report_us
SELECT min(epoch_us) FROM {SELECT min(epoch_us) AS epoch_us FROM EVERY station_epochs
    WHERE station_key = :key AND epoch_us >= :start_us AND epoch_us < :end_us};

-- name: next_sample_us
SELECT min(time_us) FROM {SELECT min(time_us) AS time_us FROM EVERY samples
    WHERE datastream_key = :key AND time_us >= :start_us AND time_us < :end_us};

-- name: add_mark
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys)
VALUES (:kind, :level, :begin_us, :end_us, :marked_at_us, :keys);

-- name: add_work
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys)
VALUES (:kind, :level, :begin_us, :end_us, :marked_at_us, NULL)
RETURNING number;

-- name: add_mark_once
-- Unless one stands that says as much.
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys)
SELECT :kind, :level, :begin_us, :end_us, :marked_at_us,
    :keys
WHERE NOT EXISTS (
    SELECT 1 FROM rollup_marks
    WHERE kind = :kind AND level = :level AND begin_us = :begin_us AND end_us = :end_us
        AND done_key = 0 AND (keys IS NULL OR keys = :keys)
);

-- name: marks_of_key
SELECT level, begin_us, end_us FROM rollup_marks
WHERE kind = :kind AND begin_us < :end_us AND end_us > :start_us
    AND done_key < :key AND (keys IS NULL OR :key IN (SELECT value FROM json_each(keys)));

-- name: due_mark
SELECT kind, level, begin_us, end_us FROM rollup_marks
WHERE :now_us - marked_at_us >= CASE level
        WHEN 0 THEN :minutes_us WHEN 1 THEN :hours_us ELSE :days_us END
    OR marked_at_us - :now_us >= CASE level
        WHEN 0 THEN :minutes_us WHEN 1 THEN :hours_us ELSE :days_us END
ORDER BY level, number LIMIT 1;

-- name: marks_of_span
SELECT number, keys, done_key, marked_at_us FROM rollup_marks
WHERE kind = :kind AND level = :level AND begin_us = :begin_us AND end_us = :end_us
ORDER BY number LIMIT 10000;

-- name: drop_marks
DELETE FROM rollup_marks WHERE number IN (SELECT value FROM json_each(:keys));

-- name: advance_mark
UPDATE rollup_marks SET done_key = :done_key WHERE number = :number;

-- name: begin_mark_later
UPDATE rollup_marks SET begin_us = :begin_us WHERE number IN (SELECT value FROM json_each(:keys));

-- name: count_marks
SELECT level, count(*), min(marked_at_us) FROM rollup_marks GROUP BY level;

-- name: oldest_mark
SELECT min(begin_us) FROM rollup_marks WHERE kind = :kind AND level <= :level;

-- name: floors
SELECT kind, level, before_us FROM rollup_floors;

-- name: stored_times
-- Epochs no later than they were received, samples (none is taken a day ahead); alerts where there is neither.
SELECT
    coalesce(
        (
            SELECT max(time_us) FROM (
                SELECT min(epoch_us, coalesce(received_at_us, epoch_us)) AS time_us FROM station_latest
                UNION ALL SELECT time_us FROM datastream_latest
            )
        ),
        (SELECT max(opened_at_us) FROM alerts)
    ),
    (SELECT max(before_us) FROM rollup_floors);

-- name: raise_floor
INSERT INTO rollup_floors AS known (kind, level, before_us) VALUES (:kind, :level, :before_us)
ON CONFLICT (kind, level) DO UPDATE SET before_us = excluded.before_us
WHERE excluded.before_us > known.before_us;

-- name: expired_alerts
SELECT alert_id FROM alerts
WHERE state = 'closed' AND opened_at_us < :before_us AND NOT EXISTS (
    SELECT 1 FROM deliveries AS d WHERE d.alert_id = alerts.alert_id AND d.state = 'pending'
) ORDER BY opened_at_us LIMIT 1000;

-- name: drop_alert_deliveries
DELETE FROM deliveries WHERE alert_id = :alert_id;

-- name: drop_alert_transitions
DELETE FROM alert_transitions WHERE alert_id = :alert_id;

-- name: drop_alert
DELETE FROM alerts WHERE alert_id = :alert_id;

-- name: drop_detections
DELETE FROM detections WHERE rowid IN (
    SELECT rowid FROM detections WHERE detected_at_us < :before_us ORDER BY detected_at_us LIMIT 1000
);

-- name: expired_rows
-- `expiring`, `owner` and `at` stand for a table and its key.
DELETE FROM expiring WHERE (owner, at) IN (
    SELECT owner, at FROM expiring WHERE owner = :key AND at < :before_us ORDER BY at LIMIT 5000
);
