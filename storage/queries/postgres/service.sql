-- Sums over long times, by station, day or datastream. `rollup` stands for a table of one level.

-- name: marks_of_all
SELECT level, begin_us, end_us FROM rollup_marks
WHERE kind = %(kind)s AND begin_us < %(end_us)s AND end_us > %(start_us)s;

-- name: station_sums
-- One look at each station's buckets, which lie together.
SELECT s.id, r.* FROM stations AS s
CROSS JOIN LATERAL (
    SELECT sum(reports)::bigint AS reports, sum(epochs)::bigint, sum(epochs_expected)::bigint, sum(good_s)::bigint,
        sum(degraded_s)::bigint, sum(bad_s)::bigint, sum(unknown_s)::bigint, sum(latency_n)::bigint,
        coalesce(sum(latency_sum_100us), 0)::bigint, sum(frames)::bigint, sum(bad_frames)::bigint
    FROM rollup
    WHERE station_key = s.station_key AND begin_us >= %(start_us)s AND begin_us < %(end_us)s
) AS r
WHERE r.reports IS NOT NULL;

-- name: network_sums
SELECT r.begin_us / 86400000000 * 86400000000, count(DISTINCT s.station_key), sum(r.epochs)::bigint,
    sum(r.epochs_expected)::bigint
FROM stations AS s JOIN rollup AS r ON r.station_key = s.station_key
    AND r.begin_us >= %(start_us)s AND r.begin_us < %(end_us)s
GROUP BY 1;

-- name: series_sums
SELECT r.datastream_key,
    sum(coalesce(f."1", 0) + coalesce(f."2", 0) + coalesce(f."3", 0) + coalesce(f."4", 0) + coalesce(f."9", 0))::bigint,
    sum(r.good_n)::bigint, coalesce(sum(f."3"), 0)::bigint, coalesce(sum(f."4"), 0)::bigint,
    coalesce(sum(f."9"), 0)::bigint
FROM rollup AS r, json_to_record(r.flags::json) AS f ("1" bigint, "2" bigint, "3" bigint, "4" bigint, "9" bigint)
WHERE r.begin_us >= %(start_us)s AND r.begin_us < %(end_us)s
GROUP BY 1;

-- name: session_sums
SELECT caster, account, mountpoint,
    EXISTS (SELECT 1 FROM stations AS b WHERE b.id = s.mountpoint), count(*),
    count(*) FILTER (WHERE begun_us >= %(start_us)s), sum(within_us),
    sum(CASE WHEN at_us > begun_us THEN n_bytes::float8 * within_us / (at_us - begun_us) ELSE n_bytes END),
    sum(sentences), sum(fixed)
FROM (
    SELECT *, least(at_us, %(end_us)s::bigint) - greatest(begun_us, %(start_us)s::bigint) AS within_us
    FROM kept_sessions
    WHERE begun_us < %(end_us)s AND (at_us > %(start_us)s OR begun_us >= %(start_us)s)
) AS s
GROUP BY caster, account, mountpoint
ORDER BY 7 DESC, caster, account, mountpoint LIMIT %(limit)s;

-- name: alert_steps
SELECT t.alert_id, t.transition FROM (
    SELECT alert_id, opened_at_us FROM alerts
    WHERE (opened_at_us, alert_id) > (%(opened_at_us)s::bigint, %(alert_id)s::text) AND opened_at_us < %(end_us)s
    ORDER BY opened_at_us, alert_id LIMIT %(limit)s
) AS a JOIN alert_transitions AS t USING (alert_id)
ORDER BY a.opened_at_us, a.alert_id, t.number;

-- name: calls_said
SELECT c.call_order, c.is_withdrawn, ARRAY(SELECT r.state FROM call_receipts AS r WHERE r.call_id = c.call_id)
FROM calls AS c
WHERE c.at_us >= %(start_us)s AND c.at_us < %(end_us)s
ORDER BY c.at_us, c.call_id LIMIT %(limit)s;

-- name: delivery_sums
SELECT webhook_id, state, count(*), sum(attempts),
    avg(delivered_at_us - at_us) FILTER (WHERE state = 'delivered'),
    max(delivered_at_us - at_us) FILTER (WHERE state = 'delivered')
FROM deliveries WHERE at_us >= %(start_us)s AND at_us < %(end_us)s
GROUP BY webhook_id, state ORDER BY webhook_id, state;
