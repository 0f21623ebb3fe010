-- name: put_station
INSERT INTO stations (id, definition, registered, registered_datum)
SELECT %(id)s, %(definition)s::text,
    ST_SetSRID(ST_MakePoint(
        (d ->> 'longitude')::float8, (d ->> 'latitude')::float8, coalesce((d ->> 'height_m')::float8, 0)
    ), 4490),
    CASE WHEN d ->> 'height_m' IS NOT NULL THEN 'ellipsoidal' END
FROM (SELECT %(definition)s::text::jsonb AS d) AS defined
ON CONFLICT (id) DO UPDATE
SET definition = excluded.definition, registered = excluded.registered,
    registered_datum = excluded.registered_datum;

-- name: put_thing
INSERT INTO things (id, definition, position, height_datum)
SELECT %(id)s, d,
    ST_SetSRID(ST_MakePoint(
        (d ->> 'longitude')::float8, (d ->> 'latitude')::float8, coalesce((d ->> 'height_m')::float8, 0)
    ), 4490),
    CASE WHEN d ->> 'height_m' IS NOT NULL THEN d ->> 'height_datum' END
FROM (SELECT %(definition)s::jsonb AS d) AS defined
ON CONFLICT (id) DO UPDATE
SET definition = excluded.definition, position = excluded.position, height_datum = excluded.height_datum;

-- name: put_property
INSERT INTO observed_properties (id, definition) VALUES (%(id)s, %(definition)s)
ON CONFLICT (id) DO UPDATE SET definition = excluded.definition;

-- name: put_sensor
INSERT INTO sensors (id, definition) VALUES (%(id)s, %(definition)s)
ON CONFLICT (id) DO UPDATE SET definition = excluded.definition;

-- name: put_datastream
INSERT INTO datastreams (id, thing_id, definition) VALUES (%(id)s, %(thing_id)s, %(definition)s)
ON CONFLICT (id) DO UPDATE SET thing_id = excluded.thing_id, definition = excluded.definition;

-- name: station_keys
SELECT id, station_key FROM stations WHERE id = ANY(%(ids)s);

-- name: add_stations
INSERT INTO stations (id) SELECT unnest(%(ids)s::text[]) ON CONFLICT (id) DO NOTHING;

-- name: datastream_keys
SELECT id, datastream_key FROM datastreams WHERE id = ANY(%(ids)s);

-- name: add_datastreams
INSERT INTO datastreams (id) SELECT unnest(%(ids)s::text[]) ON CONFLICT (id) DO NOTHING;

-- name: name_keys
SELECT names, name_key FROM names WHERE names = ANY(%(ids)s);

-- name: add_names
INSERT INTO names (names) SELECT unnest(%(ids)s::text[]) ON CONFLICT (names) DO NOTHING;

-- name: put_streamed_positions
UPDATE stations AS s
SET streamed_at_us = p.at_us, streamed = ST_SetSRID(ST_MakePoint(p.longitude, p.latitude, p.height_m), 4490)
FROM unnest(
    %(key)s::integer[], %(at_us)s::bigint[], %(longitude)s::float8[], %(latitude)s::float8[],
    %(height_m)s::float8[]
) AS p (key, at_us, longitude, latitude, height_m)
WHERE s.station_key = p.key AND (s.streamed_at_us IS NULL OR s.streamed_at_us <= p.at_us);

-- name: put_detection
-- What was found live is not made historic by the same data coming late once more.
INSERT INTO detections AS known (
    detector, subject_id, onset_us, at_us, phase, historic, detected_at_us, detection
) VALUES (
    %(detector)s, %(subject_id)s, %(onset_us)s, %(at_us)s, %(phase)s, %(historic)s, %(detected_at_us)s,
    %(detection)s
)
ON CONFLICT (detector, subject_id, onset_us, at_us, phase) DO UPDATE
SET historic = excluded.historic, detected_at_us = excluded.detected_at_us, detection = excluded.detection
WHERE excluded.historic <= known.historic;

-- name: has_transition
SELECT 1 FROM alert_transitions WHERE alert_id = %(alert_id)s AND number = %(number)s;

-- name: put_transition
INSERT INTO alert_transitions (alert_id, number, transition)
VALUES (%(alert_id)s, %(number)s, %(transition)s)
ON CONFLICT (alert_id, number) DO UPDATE SET transition = excluded.transition;

-- name: put_alert
INSERT INTO alerts AS known (alert_id, number, state, level, opened_at_us)
VALUES (%(alert_id)s, %(number)s, %(state)s, %(level)s, %(opened_at_us)s)
ON CONFLICT (alert_id) DO UPDATE
SET number = excluded.number, state = excluded.state, level = excluded.level,
    opened_at_us = excluded.opened_at_us
WHERE excluded.number >= known.number;

-- name: add_delivery
INSERT INTO deliveries (webhook_id, alert_id, number, next_attempt_us, at_us)
VALUES (%(webhook_id)s, %(alert_id)s, %(number)s, %(next_attempt_us)s, %(at_us)s)
ON CONFLICT (webhook_id, alert_id, number) DO NOTHING;

-- name: put_delivery
INSERT INTO deliveries AS known (webhook_id, alert_id, number, state, attempts, next_attempt_us, delivered_at_us, error, at_us)
VALUES (%(webhook_id)s, %(alert_id)s, %(number)s, %(state)s, %(attempts)s,
    %(next_attempt_us)s, %(delivered_at_us)s, %(error)s, %(next_attempt_us)s)
ON CONFLICT (webhook_id, alert_id, number) DO UPDATE
SET state = excluded.state, attempts = excluded.attempts, next_attempt_us = excluded.next_attempt_us,
    delivered_at_us = excluded.delivered_at_us, error = excluded.error
WHERE %(again)s OR (known.state = 'pending' AND excluded.attempts >= known.attempts);

-- name: settle_delivery
UPDATE deliveries
SET state = %(state)s, delivered_at_us = %(delivered_at_us)s, error = %(error)s, attempts = attempts + 1
WHERE webhook_id = %(webhook_id)s AND alert_id = %(alert_id)s AND number = %(number)s AND state = 'pending';

-- name: postpone_delivery
UPDATE deliveries
SET next_attempt_us = %(next_attempt_us)s, error = %(error)s, attempts = attempts + 1,
    refusals = refusals + %(refusals)s
WHERE webhook_id = %(webhook_id)s AND alert_id = %(alert_id)s AND number = %(number)s AND state = 'pending';

-- name: replay_deliveries
UPDATE deliveries
SET state = 'pending', attempts = 0, refusals = 0, next_attempt_us = %(now_us)s, delivered_at_us = NULL, error = ''
WHERE webhook_id = %(webhook_id)s AND at_us >= %(start_us)s AND at_us < %(end_us)s
    AND %(alert_id)s IN ('', alert_id) AND %(number)s IN (0, number);

-- name: put_webhook
INSERT INTO webhooks (webhook_id, state, at_us, reason)
VALUES (%(webhook_id)s, %(state)s, %(at_us)s, %(reason)s)
ON CONFLICT (webhook_id) DO UPDATE
SET state = excluded.state, at_us = excluded.at_us, reason = excluded.reason
WHERE excluded.at_us >= webhooks.at_us;

-- name: add_command
INSERT INTO commands (id, at_us, command) VALUES (%(id)s, %(at_us)s, %(command)s) ON CONFLICT (id) DO NOTHING;

-- name: answer_command
UPDATE commands SET ok = %(ok)s, message = %(message)s WHERE id = %(id)s AND ok IS NULL;

-- name: drop_snapshots
DELETE FROM snapshots;

-- name: put_snapshot
INSERT INTO snapshots (processor, number, chunk) VALUES (%(processor)s, %(number)s, %(chunk)s);

-- name: drop_journal
DELETE FROM journal;

-- name: add_journal
INSERT INTO journal (message) VALUES (%(message)s);

-- name: put_consumed
INSERT INTO consumed (topic, partition, next_offset) VALUES (%(topic)s, %(partition)s, %(next_offset)s)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset;

-- name: transaction_id
SELECT pg_current_xact_id()::text;

-- name: transaction_status
SELECT pg_xact_status(%(id)s::xid8);

-- name: put_sample_place
INSERT INTO sample_places (datastream_key, time_us, place, height_m)
VALUES (
    %(key)s, %(time_us)s, ST_SetSRID(ST_MakePoint(%(longitude)s, %(latitude)s), 4490),
    %(height_m)s::double precision
)
ON CONFLICT (datastream_key, time_us) DO NOTHING;

-- name: put_sample_wave
INSERT INTO sample_waves (datastream_key, time_us, step_us, length, packed)
VALUES (%(key)s, %(time_us)s, %(step_us)s, %(length)s, %(packed)s)
ON CONFLICT (datastream_key, time_us) DO NOTHING;

-- name: drop_sample_places
DELETE FROM sample_places WHERE time_us < %(before_us)s;

-- name: drop_sample_waves
DELETE FROM sample_waves WHERE time_us < %(before_us)s;
