-- name: alerts
SELECT t.transition, a.opened_at_us, a.alert_id
FROM alerts AS a JOIN alert_transitions AS t USING (alert_id, number)
WHERE (a.opened_at_us, a.alert_id) < (%(opened_at_us)s::bigint, %(alert_id)s::text)
    AND (%(state)s::text IS NULL OR a.state = %(state)s)
ORDER BY a.opened_at_us DESC, a.alert_id DESC LIMIT %(limit)s;

-- name: open_alerts
SELECT t.transition
FROM alerts AS a JOIN alert_transitions AS t USING (alert_id, number)
WHERE a.state <> 'closed'
ORDER BY a.opened_at_us DESC, a.alert_id DESC;

-- name: transitions
SELECT transition FROM alert_transitions WHERE alert_id = %(alert_id)s ORDER BY number;

-- name: detections
SELECT detection, detected_at_us, number FROM detections
WHERE (detected_at_us, number) < (%(detected_at_us)s::bigint, %(number)s::bigint)
ORDER BY detected_at_us DESC, number DESC LIMIT %(limit)s;

-- name: due_deliveries
SELECT d.webhook_id, d.alert_id, d.number, t.transition, d.attempts, d.next_attempt_us
FROM deliveries AS d JOIN alert_transitions AS t USING (alert_id, number)
WHERE d.state = 'pending' AND d.next_attempt_us <= %(now_us)s
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS older
        WHERE older.state = 'pending' AND older.webhook_id = d.webhook_id AND older.alert_id = d.alert_id
            AND older.number < d.number
    )
ORDER BY d.next_attempt_us, d.alert_id, d.webhook_id LIMIT %(limit)s;

-- name: commands
SELECT command, ok, message FROM commands ORDER BY at_us DESC, id DESC LIMIT %(limit)s;

-- name: snapshots
SELECT processor, chunk FROM snapshots ORDER BY processor, number;

-- name: journal
SELECT message FROM journal ORDER BY number;

-- name: consumed
SELECT topic, partition, next_offset FROM consumed ORDER BY topic, partition;

-- name: count_stations
SELECT coalesce(l.state, 1) AS state, count(*)
FROM stations LEFT JOIN station_latest AS l USING (station_key) GROUP BY 1;

-- name: count_alerts
SELECT level, count(*) FROM alerts WHERE state <> 'closed' GROUP BY level;

-- name: count_rest
SELECT (SELECT count(*) FROM things), (SELECT count(*) FROM datastreams WHERE definition IS NOT NULL),
    (SELECT count(*) FROM deliveries WHERE state = 'pending'),
    (SELECT count(*) FROM deliveries WHERE state = 'given_up'),
    (SELECT count(*) FROM journal),
    pg_database_size(current_database());
