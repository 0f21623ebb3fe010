-- name: put_station
INSERT INTO stations (id, definition) VALUES (:id, :definition)
ON CONFLICT (id) DO UPDATE SET definition = excluded.definition;

-- name: put_thing
INSERT OR REPLACE INTO things (id, definition) VALUES (:id, :definition);

-- name: put_property
INSERT OR REPLACE INTO observed_properties (id, definition) VALUES (:id, :definition);

-- name: put_sensor
INSERT OR REPLACE INTO sensors (id, definition) VALUES (:id, :definition);

-- name: put_datastream
INSERT INTO datastreams (id, thing_id, definition) VALUES (:id, :thing_id, :definition)
ON CONFLICT (id) DO UPDATE SET thing_id = excluded.thing_id, definition = excluded.definition;

-- name: add_station
INSERT INTO stations (id) VALUES (?) ON CONFLICT (id) DO NOTHING;

-- name: station_key
SELECT station_key FROM stations WHERE id = ?;

-- name: add_datastream
INSERT INTO datastreams (id) VALUES (?) ON CONFLICT (id) DO NOTHING;

-- name: datastream_key
SELECT datastream_key FROM datastreams WHERE id = ?;

-- name: add_names
INSERT INTO names (names) VALUES (?) ON CONFLICT (names) DO NOTHING;

-- name: name_key
SELECT name_key FROM names WHERE names = ?;

-- name: put_station_period
INSERT OR REPLACE INTO station_periods (station_key, begin_us, end_us, payload) VALUES (?, ?, ?, ?);

-- name: put_station_latest
INSERT INTO station_latest (station_key, epoch_us, state, report, received_at_us) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (station_key) DO UPDATE
SET epoch_us = excluded.epoch_us, state = excluded.state, report = excluded.report,
    received_at_us = excluded.received_at_us
WHERE excluded.epoch_us >= station_latest.epoch_us;

-- name: put_streamed_position
UPDATE stations
SET streamed_at_us = :at_us, streamed_longitude = :longitude, streamed_latitude = :latitude,
    streamed_height_m = :height_m
WHERE station_key = :key AND (streamed_at_us IS NULL OR streamed_at_us <= :at_us);

-- name: put_datastream_latest
INSERT INTO datastream_latest (datastream_key, time_us) VALUES (?, ?)
ON CONFLICT (datastream_key) DO UPDATE SET time_us = max(time_us, excluded.time_us);

-- name: put_arrived_latest
-- Of a commit whose rows wait.
INSERT INTO datastream_latest (datastream_key, time_us, arrival)
SELECT datastream_key, max(time_us), number FROM arrived_samples WHERE number = :number GROUP BY datastream_key
ON CONFLICT (datastream_key) DO UPDATE SET time_us = excluded.time_us, arrival = excluded.arrival
WHERE excluded.time_us > datastream_latest.time_us;

-- name: station_times
SELECT station_key, epoch_us FROM station_latest;

-- name: figures_times
SELECT station_key, time_us FROM station_figures_latest;

-- name: datastream_times
SELECT datastream_key, time_us FROM datastream_latest;

-- name: add_arrival
INSERT INTO arrivals (number, first_us, last_us) VALUES (?, ?, ?);

-- name: last_arrival
SELECT max(number) FROM arrivals;

-- name: drop_arrivals
DELETE FROM arrivals WHERE number <= :last;

-- name: put_detection
-- What was found live is not made historic by the same data coming late once more.
INSERT INTO detections (detector, subject_id, onset_us, at_us, phase, historic, detected_at_us, detection)
VALUES (
    :detector, :subject_id, :onset_us, :at_us, :phase, :historic, :detected_at_us, :detection
)
ON CONFLICT (detector, subject_id, onset_us, at_us, phase) DO UPDATE
SET historic = excluded.historic, detected_at_us = excluded.detected_at_us, detection = excluded.detection
WHERE excluded.historic <= historic;

-- name: has_transition
SELECT 1 FROM alert_transitions WHERE alert_id = :alert_id AND number = :number;

-- name: put_transition
INSERT OR REPLACE INTO alert_transitions (alert_id, number, transition)
VALUES (:alert_id, :number, :transition);

-- name: put_alert
INSERT INTO alerts (alert_id, number, state, level, opened_at_us)
VALUES (:alert_id, :number, :state, :level, :opened_at_us)
ON CONFLICT (alert_id) DO UPDATE
SET number = excluded.number, state = excluded.state, level = excluded.level,
    opened_at_us = excluded.opened_at_us
WHERE excluded.number >= alerts.number;

-- name: add_delivery
INSERT INTO deliveries (webhook_id, alert_id, number, next_attempt_us, at_us)
VALUES (:webhook_id, :alert_id, :number, :next_attempt_us, :at_us)
ON CONFLICT (webhook_id, alert_id, number) DO NOTHING;

-- name: put_delivery
INSERT INTO deliveries (webhook_id, alert_id, number, state, attempts, next_attempt_us, delivered_at_us, error, at_us)
VALUES (:webhook_id, :alert_id, :number, :state, :attempts,
    :next_attempt_us, :delivered_at_us, :error, :next_attempt_us)
ON CONFLICT (webhook_id, alert_id, number) DO UPDATE
SET state = excluded.state, attempts = excluded.attempts, next_attempt_us = excluded.next_attempt_us,
    delivered_at_us = excluded.delivered_at_us, error = excluded.error
WHERE :again OR (deliveries.state = 'pending' AND excluded.attempts >= deliveries.attempts);

-- name: settle_delivery
UPDATE deliveries
SET state = :state, delivered_at_us = :delivered_at_us, error = :error, attempts = attempts + 1
WHERE webhook_id = :webhook_id AND alert_id = :alert_id AND number = :number AND state = 'pending';

-- name: postpone_delivery
UPDATE deliveries
SET next_attempt_us = :next_attempt_us, error = :error, attempts = attempts + 1,
    refusals = refusals + :refusals
WHERE webhook_id = :webhook_id AND alert_id = :alert_id AND number = :number AND state = 'pending';

-- name: replay_deliveries
UPDATE deliveries
SET state = 'pending', attempts = 0, refusals = 0, next_attempt_us = :now_us, delivered_at_us = NULL, error = ''
WHERE webhook_id = :webhook_id AND at_us >= :start_us AND at_us < :end_us
    AND :alert_id IN ('', alert_id) AND :number IN (0, number);

-- name: put_webhook
INSERT INTO webhooks (webhook_id, state, at_us, reason)
VALUES (:webhook_id, :state, :at_us, :reason)
ON CONFLICT (webhook_id) DO UPDATE
SET state = excluded.state, at_us = excluded.at_us, reason = excluded.reason
WHERE excluded.at_us >= webhooks.at_us;

-- name: add_command
INSERT INTO commands (id, at_us, command) VALUES (:id, :at_us, :command) ON CONFLICT (id) DO NOTHING;

-- name: answer_command
UPDATE commands SET ok = :ok, message = :message WHERE id = :id AND ok IS NULL;

-- name: drop_snapshots
DELETE FROM snapshots;

-- name: put_snapshot
INSERT INTO snapshots (processor, number, chunk) VALUES (:processor, :number, :chunk);

-- name: drop_journal
DELETE FROM journal;

-- name: add_journal
INSERT INTO journal (message) VALUES (:message);

-- name: put_consumed
INSERT INTO consumed (topic, partition, next_offset) VALUES (:topic, :partition, :next_offset)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset;

-- name: pending
SELECT number, batch FROM pending_rows ORDER BY number LIMIT 100;

-- name: drop_pending
DELETE FROM pending_rows WHERE number <= ?;

-- name: put_sample_place
INSERT INTO sample_places (datastream_key, time_us, longitude, latitude, height_m)
VALUES (:key, :time_us, :longitude, :latitude, :height_m)
ON CONFLICT (datastream_key, time_us) DO NOTHING;

-- name: put_sample_wave
INSERT INTO sample_waves (datastream_key, time_us, step_us, length, packed)
VALUES (:key, :time_us, :step_us, :length, :packed)
ON CONFLICT (datastream_key, time_us) DO NOTHING;
