-- Sums, from rows or from what is summed up already. `rollup` stands for a table of one level; a bucket begins
-- at a multiple of its length since 1970. Latencies are as they come here, and their ranks are made outside.

-- name: report_sums
SELECT
    station_key, epoch_us / %(window_us)s * %(window_us)s AS begin_us, count(*), sum(epochs),
    sum(epochs_expected), sum(observations), sum(observations_expected), count(latency_100us),
    sum(latency_100us), max(latency_100us), NULL, NULL, count(jitter_100us), sum(jitter_100us),
    count(cn0_cdbhz), sum(cn0_cdbhz), sum(slips), count(multipath_100um), sum(multipath_100um::float8 *
    multipath_100um), sum(frames), sum(bad_frames), count(score), sum(score), min(score), max(state),
    count(DISTINCT epoch_us / 1000000) FILTER (WHERE state = 0), count(DISTINCT epoch_us / 1000000) FILTER
    (WHERE state = 1), count(DISTINCT epoch_us / 1000000) FILTER (WHERE state = 2), count(DISTINCT
    epoch_us / 1000000) FILTER (WHERE state = 3), NULL, string_agg(int4send(latency_100us), ''::bytea)
FROM station_epochs
WHERE station_key = ANY(%(keys)s::integer[]) AND epoch_us >= %(start_us)s AND epoch_us < %(end_us)s
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: report_reasons
SELECT station_key, epoch_us / %(window_us)s * %(window_us)s AS begin_us, reason_codes, count(*)
FROM station_epochs
WHERE station_key = ANY(%(keys)s::integer[]) AND epoch_us >= %(start_us)s AND epoch_us < %(end_us)s
    AND reason_codes IS NOT NULL
GROUP BY 1, 2, 3;

-- name: reasons_named
SELECT name_key, names FROM names WHERE name_key = ANY(%(keys)s::integer[]);

-- name: read_station_rollup
SELECT
    station_key, begin_us, reports, epochs, epochs_expected, observations, observations_expected,
    latency_n, latency_sum_100us, latency_max_100us, latency_median_100us, latency_p95_100us, jitter_n,
    jitter_sum_100us, cn0_n, cn0_sum_cdbhz, slips, multipath_n, multipath_squares, frames, bad_frames,
    score_n, score_sum, score_min, state, good_s, unknown_s, degraded_s, bad_s, reasons, latencies
FROM rollup
WHERE station_key = ANY(%(keys)s::integer[]) AND begin_us >= %(start_us)s AND begin_us < %(end_us)s
ORDER BY station_key, begin_us;

-- name: network_states
-- One look at each station's buckets, which lie together.
SELECT r.begin_us, sum(r.good_s), sum(r.degraded_s), sum(r.bad_s), sum(r.unknown_s)
FROM stations AS s JOIN rollup AS r ON r.station_key = s.station_key
    AND r.begin_us >= %(start_us)s AND r.begin_us < %(end_us)s
GROUP BY r.begin_us ORDER BY r.begin_us;

-- name: drop_station_rollup
DELETE FROM rollup
WHERE station_key = ANY(%(keys)s::integer[]) AND begin_us >= %(start_us)s AND begin_us < %(end_us)s;

-- name: sample_sums
-- Of all samples with a value, and of those with flag 1. The largest numbers are made smaller, so that no sum is
-- beyond what a number can be. LIMIT 1 says to look each newest value up: the planner takes the groups for many
-- more than there are, and would sort all samples of the time for a join, for each thousand series anew.
WITH sums AS (
    SELECT datastream_key, time_us / %(window_us)s * %(window_us)s AS begin_us,
        count(value) FILTER (WHERE flag = 1) AS good_n,
        sum(least(greatest(value, -1e290), 1e290)) FILTER (WHERE flag = 1 AND value IS NOT NULL) AS good_sum,
        min(value) FILTER (WHERE flag = 1) AS good_min, max(value) FILTER (WHERE flag = 1) AS good_max,
        max(time_us) FILTER (WHERE flag = 1 AND value IS NOT NULL) AS good_us,
        count(value) AS any_n,
        sum(least(greatest(value, -1e290), 1e290)) FILTER (WHERE value IS NOT NULL) AS any_sum, min(value) AS any_min,
        max(value) AS any_max, max(time_us) FILTER (WHERE value IS NOT NULL) AS any_us
    FROM samples
    WHERE datastream_key = ANY(%(keys)s::integer[]) AND time_us >= %(start_us)s AND time_us < %(end_us)s
    GROUP BY 1, 2
)
SELECT s.datastream_key, s.begin_us, good_n, good_sum, good_min, good_max, g.value, any_n, any_sum, any_min,
    any_max, a.value, NULL
FROM sums AS s
LEFT JOIN LATERAL (
    SELECT value FROM samples
    WHERE datastream_key = s.datastream_key AND time_us = s.good_us
        AND time_us >= %(start_us)s AND time_us < %(end_us)s
    LIMIT 1
) AS g ON true
LEFT JOIN LATERAL (
    SELECT value FROM samples
    WHERE datastream_key = s.datastream_key AND time_us = s.any_us
        AND time_us >= %(start_us)s AND time_us < %(end_us)s
    LIMIT 1
) AS a ON true
ORDER BY 1, 2;

-- name: sample_flags
SELECT datastream_key, time_us / %(window_us)s * %(window_us)s AS begin_us, flag, count(*)
FROM samples
WHERE datastream_key = ANY(%(keys)s::integer[]) AND time_us >= %(start_us)s AND time_us < %(end_us)s
GROUP BY 1, 2, 3;

-- name: read_sample_rollup
SELECT
    datastream_key, begin_us, good_n, good_sum, good_min, good_max, good_last, any_n, any_sum, any_min,
    any_max, any_last, flags
FROM rollup
WHERE datastream_key = ANY(%(keys)s::integer[]) AND begin_us >= %(start_us)s AND begin_us < %(end_us)s
ORDER BY datastream_key, begin_us;

-- name: drop_sample_rollup
DELETE FROM rollup
WHERE datastream_key = ANY(%(keys)s::integer[]) AND begin_us >= %(start_us)s AND begin_us < %(end_us)s;

-- name: put_station_rollup
COPY rollup (
    station_key, begin_us, reports, epochs, epochs_expected, observations, observations_expected,
    latency_n, latency_sum_100us, latency_max_100us, latency_median_100us, latency_p95_100us, jitter_n,
    jitter_sum_100us, cn0_n, cn0_sum_cdbhz, slips, multipath_n, multipath_squares, frames, bad_frames,
    score_n, score_sum, score_min, state, good_s, unknown_s, degraded_s, bad_s, reasons, latencies
) FROM STDIN (FORMAT BINARY);

-- name: put_sample_rollup
COPY rollup (
    datastream_key, begin_us, good_n, good_sum, good_min, good_max, good_last, any_n, any_sum, any_min,
    any_max, any_last, flags
) FROM STDIN (FORMAT BINARY);

-- name: station_key_of
SELECT station_key FROM stations WHERE id = %(id)s;

-- name: datastream_key_of
SELECT datastream_key FROM datastreams WHERE id = %(id)s;

-- name: station_keys_after
SELECT station_key FROM stations WHERE station_key > %(after)s ORDER BY 1 LIMIT %(limit)s;

-- name: datastream_keys_after
SELECT datastream_key FROM datastreams WHERE datastream_key > %(after)s ORDER BY 1 LIMIT %(limit)s;

-- name: next_report_us
SELECT min(epoch_us) FROM station_epochs
WHERE station_key = %(key)s AND epoch_us >= %(start_us)s AND epoch_us < %(end_us)s;

-- name: next_sample_us
SELECT min(time_us) FROM samples
WHERE datastream_key = %(key)s AND time_us >= %(start_us)s AND time_us < %(end_us)s;

-- name: add_mark
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys)
VALUES (%(kind)s, %(level)s, %(begin_us)s, %(end_us)s, %(marked_at_us)s, %(keys)s);

-- name: add_work
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys)
VALUES (%(kind)s, %(level)s, %(begin_us)s, %(end_us)s, %(marked_at_us)s, NULL)
RETURNING number;

-- name: add_mark_once
-- Unless one stands that says as much.
INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys)
SELECT %(kind)s::smallint, %(level)s::smallint, %(begin_us)s::bigint, %(end_us)s::bigint, %(marked_at_us)s::bigint,
    %(keys)s::integer[]
WHERE NOT EXISTS (
    SELECT 1 FROM rollup_marks
    WHERE kind = %(kind)s AND level = %(level)s AND begin_us = %(begin_us)s AND end_us = %(end_us)s
        AND done_key = 0 AND (keys IS NULL OR keys = %(keys)s::integer[])
);

-- name: marks_of_key
SELECT level, begin_us, end_us FROM rollup_marks
WHERE kind = %(kind)s AND begin_us < %(end_us)s AND end_us > %(start_us)s
    AND done_key < %(key)s AND (keys IS NULL OR %(key)s::integer = ANY(keys));

-- name: due_mark
SELECT kind, level, begin_us, end_us FROM rollup_marks
WHERE %(now_us)s - marked_at_us >= CASE level
        WHEN 0 THEN %(minutes_us)s::bigint WHEN 1 THEN %(hours_us)s::bigint ELSE %(days_us)s::bigint END
    OR marked_at_us - %(now_us)s >= CASE level
        WHEN 0 THEN %(minutes_us)s::bigint WHEN 1 THEN %(hours_us)s::bigint ELSE %(days_us)s::bigint END
ORDER BY level, number LIMIT 1;

-- name: marks_of_span
SELECT number, keys, done_key, marked_at_us FROM rollup_marks
WHERE kind = %(kind)s AND level = %(level)s AND begin_us = %(begin_us)s AND end_us = %(end_us)s
ORDER BY number LIMIT 10000;

-- name: drop_marks
DELETE FROM rollup_marks WHERE number = ANY(%(keys)s::bigint[]);

-- name: advance_mark
UPDATE rollup_marks SET done_key = %(done_key)s WHERE number = %(number)s;

-- name: begin_mark_later
UPDATE rollup_marks SET begin_us = %(begin_us)s WHERE number = ANY(%(keys)s::bigint[]);

-- name: count_marks
SELECT level, count(*), min(marked_at_us) FROM rollup_marks GROUP BY level;

-- name: oldest_mark
SELECT min(begin_us) FROM rollup_marks WHERE kind = %(kind)s AND level <= %(level)s;

-- name: floors
SELECT kind, level, before_us FROM rollup_floors;

-- name: stored_times
-- Epochs no later than they were received, samples (none is taken a day ahead); alerts where there is neither.
SELECT
    coalesce(
        greatest(
            (SELECT max(least(epoch_us, received_at_us)) FROM station_latest),
            (SELECT max(time_us) FROM datastream_latest)
        ),
        (SELECT max(opened_at_us) FROM alerts)
    ),
    (SELECT max(before_us) FROM rollup_floors);

-- name: raise_floor
INSERT INTO rollup_floors AS known (kind, level, before_us) VALUES (%(kind)s, %(level)s, %(before_us)s)
ON CONFLICT (kind, level) DO UPDATE SET before_us = excluded.before_us
WHERE excluded.before_us > known.before_us;

-- name: expired_alerts
SELECT alert_id FROM alerts
WHERE state = 'closed' AND opened_at_us < %(before_us)s AND NOT EXISTS (
    SELECT 1 FROM deliveries AS d WHERE d.alert_id = alerts.alert_id AND d.state = 'pending'
) ORDER BY opened_at_us LIMIT 1000;

-- name: drop_alert_deliveries
DELETE FROM deliveries WHERE alert_id = %(alert_id)s;

-- name: drop_alert_transitions
DELETE FROM alert_transitions WHERE alert_id = %(alert_id)s;

-- name: drop_alert
DELETE FROM alerts WHERE alert_id = %(alert_id)s;

-- name: drop_detections
DELETE FROM detections WHERE number IN (
    SELECT number FROM detections WHERE detected_at_us < %(before_us)s ORDER BY detected_at_us LIMIT 1000
);

-- name: be_the_roller
SELECT pg_advisory_xact_lock(7203116204);
