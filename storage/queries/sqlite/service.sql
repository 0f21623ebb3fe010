-- Sums over long times, by station, day or datastream. `rollup` stands for a table of one level.

-- name: marks_of_all
SELECT level, begin_us, end_us FROM rollup_marks
WHERE kind = :kind AND begin_us < :end_us AND end_us > :start_us;

-- name: station_sums
-- One look at each station's buckets, which lie together.
SELECT s.id, sum(r.reports), sum(r.epochs), sum(r.epochs_expected), sum(r.good_s), sum(r.degraded_s), sum(r.bad_s),
    sum(r.unknown_s), sum(r.latency_n), coalesce(sum(r.latency_sum_100us), 0), sum(r.frames), sum(r.bad_frames)
FROM stations AS s CROSS JOIN rollup AS r ON r.station_key = s.station_key
    AND r.begin_us >= :start_us AND r.begin_us < :end_us
GROUP BY s.station_key;

-- name: network_sums
SELECT r.begin_us / 86400000000 * 86400000000, count(DISTINCT s.station_key), sum(r.epochs), sum(r.epochs_expected)
FROM stations AS s CROSS JOIN rollup AS r ON r.station_key = s.station_key
    AND r.begin_us >= :start_us AND r.begin_us < :end_us
GROUP BY 1;

-- name: series_sums
SELECT d.datastream_key,
    sum(coalesce(r.flags ->> '$.1', 0) + coalesce(r.flags ->> '$.2', 0) + coalesce(r.flags ->> '$.3', 0)
        + coalesce(r.flags ->> '$.4', 0) + coalesce(r.flags ->> '$.9', 0)),
    sum(r.good_n), sum(coalesce(r.flags ->> '$.3', 0)), sum(coalesce(r.flags ->> '$.4', 0)),
    sum(coalesce(r.flags ->> '$.9', 0))
FROM datastreams AS d CROSS JOIN rollup AS r ON r.datastream_key = d.datastream_key
    AND r.begin_us >= :start_us AND r.begin_us < :end_us
GROUP BY d.datastream_key;

-- name: session_sums
SELECT caster, account, mountpoint,
    EXISTS (SELECT 1 FROM stations AS b WHERE b.id = s.mountpoint), count(*),
    count(*) FILTER (WHERE begun_us >= :start_us), sum(within_us),
    sum(CASE WHEN at_us > begun_us THEN CAST(n_bytes AS REAL) * within_us / (at_us - begun_us) ELSE n_bytes END),
    sum(sentences), sum(fixed)
FROM (
    SELECT *, min(at_us, :end_us) - max(begun_us, :start_us) AS within_us FROM kept_sessions
    WHERE begun_us < :end_us AND (at_us > :start_us OR begun_us >= :start_us)
) AS s
GROUP BY caster, account, mountpoint
ORDER BY 7 DESC, caster, account, mountpoint LIMIT :limit;

-- name: alert_steps
SELECT t.alert_id, t.transition FROM (
    SELECT alert_id, opened_at_us FROM alerts
    WHERE (opened_at_us, alert_id) > (:opened_at_us, :alert_id) AND opened_at_us < :end_us
    ORDER BY opened_at_us, alert_id LIMIT :limit
) AS a JOIN alert_transitions AS t USING (alert_id)
ORDER BY a.opened_at_us, a.alert_id, t.number;

-- name: calls_said
SELECT c.call_order, c.is_withdrawn,
    (SELECT json_group_array(r.state) FROM call_receipts AS r WHERE r.call_id = c.call_id)
FROM calls AS c
WHERE c.at_us >= :start_us AND c.at_us < :end_us
ORDER BY c.at_us, c.call_id LIMIT :limit;

-- name: delivery_sums
SELECT webhook_id, state, count(*), sum(attempts),
    avg(delivered_at_us - at_us) FILTER (WHERE state = 'delivered'),
    max(delivered_at_us - at_us) FILTER (WHERE state = 'delivered')
FROM deliveries WHERE at_us >= :start_us AND at_us < :end_us
GROUP BY webhook_id, state ORDER BY webhook_id, state;
