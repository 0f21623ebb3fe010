-- name: put_change
INSERT INTO changes (version, kind, id, at_us, change) VALUES (%(version)s, %(kind)s, %(id)s, %(at_us)s, %(change)s)
ON CONFLICT DO NOTHING;

-- name: put_object
INSERT INTO objects (kind, id, version, is_gone, change) VALUES (%(kind)s, %(id)s, %(version)s, %(is_gone)s, %(change)s)
ON CONFLICT (kind, id) DO UPDATE
SET version = excluded.version, is_gone = excluded.is_gone, change = excluded.change
WHERE excluded.version > objects.version;

-- name: objects
SELECT change FROM objects ORDER BY version;

-- name: objects_of
SELECT change FROM objects WHERE kind = %(kind)s AND id > %(after)s AND NOT is_gone ORDER BY id LIMIT %(limit)s;

-- name: object
SELECT change FROM objects WHERE kind = %(kind)s AND id = %(id)s;

-- name: changes
SELECT change, version, kind, id FROM changes
WHERE (version, kind, id) < (%(version)s::bigint, %(before_kind)s::text, %(before_id)s::text)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(id)s::text IS NULL OR id = %(id)s)
ORDER BY version DESC, kind DESC, id DESC LIMIT %(limit)s;

-- name: drop_station
UPDATE stations SET definition = NULL, registered = NULL, registered_datum = NULL WHERE id = %(id)s;

-- name: drop_thing
DELETE FROM things WHERE id = %(id)s;

-- name: drop_datastream
UPDATE datastreams SET definition = NULL WHERE id = %(id)s;

-- name: drop_property
DELETE FROM observed_properties WHERE id = %(id)s;

-- name: drop_sensor
DELETE FROM sensors WHERE id = %(id)s;

-- name: put_source_change
INSERT INTO source_changes (station_id, at_us, why, change) VALUES (%(station_id)s, %(at_us)s, %(why)s, %(change)s)
ON CONFLICT DO NOTHING;

-- name: drop_source_changes
DELETE FROM source_changes WHERE station_id = %(station_id)s AND at_us < %(before_us)s;

-- name: source_changes
SELECT change FROM source_changes
WHERE station_id = %(station_id)s AND (at_us, why) < (%(at_us)s::bigint, %(why)s::text)
ORDER BY at_us DESC, why DESC LIMIT %(limit)s;
