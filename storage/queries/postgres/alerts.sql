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
SELECT d.webhook_id, d.alert_id, d.number, t.transition, d.attempts, d.next_attempt_us, d.refusals
FROM deliveries AS d JOIN alert_transitions AS t USING (alert_id, number)
WHERE d.state = 'pending' AND d.next_attempt_us <= %(now_us)s
    AND (%(webhook_id)s::text IS NULL OR d.webhook_id = %(webhook_id)s)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS older
        WHERE older.state = 'pending' AND older.webhook_id = d.webhook_id AND older.alert_id = d.alert_id
            AND older.number < d.number
    )
    AND NOT EXISTS (
        SELECT 1 FROM webhooks AS w WHERE w.webhook_id = d.webhook_id AND w.state = 'disabled'
    )
ORDER BY d.at_us, d.alert_id, d.webhook_id LIMIT %(limit)s;

-- name: webhooks
SELECT webhook_id, coalesce(w.state, 'active'), coalesce(w.at_us, 0), coalesce(w.reason, ''),
    coalesce(d.pending, 0), coalesce(d.delivered, 0), coalesce(d.given_up, 0), d.oldest_us, d.delivered_at_us
FROM (SELECT webhook_id FROM webhooks UNION SELECT webhook_id FROM deliveries) AS named
LEFT JOIN webhooks AS w USING (webhook_id)
LEFT JOIN (
    SELECT webhook_id, sum(CASE WHEN state = 'pending' THEN 1 ELSE 0 END) AS pending,
        sum(CASE WHEN state = 'delivered' THEN 1 ELSE 0 END) AS delivered,
        sum(CASE WHEN state = 'given_up' THEN 1 ELSE 0 END) AS given_up,
        min(CASE WHEN state = 'pending' THEN at_us END) AS oldest_us, max(delivered_at_us) AS delivered_at_us
    FROM deliveries GROUP BY webhook_id
) AS d USING (webhook_id)
ORDER BY webhook_id;

-- name: deliveries
SELECT alert_id, number, state, attempts, at_us, next_attempt_us, delivered_at_us, error FROM deliveries
WHERE webhook_id = %(webhook_id)s AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (at_us, alert_id, number) < (%(at_us)s::bigint, %(alert_id)s::text, %(number)s::bigint)
ORDER BY at_us DESC, alert_id DESC, number DESC LIMIT %(limit)s;

-- name: commands
SELECT command, ok, message FROM commands ORDER BY at_us DESC, id DESC LIMIT %(limit)s;

-- name: commands_between
SELECT command, ok, message FROM commands WHERE at_us >= %(start_us)s AND at_us < %(end_us)s
ORDER BY at_us, id LIMIT %(limit)s;

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
