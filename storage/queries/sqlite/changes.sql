-- name: put_change
INSERT INTO changes (version, kind, id, at_us, change) VALUES (:version, :kind, :id, :at_us, :change)
ON CONFLICT DO NOTHING;

-- name: put_object
INSERT INTO objects (kind, id, version, is_gone, change) VALUES (:kind, :id, :version, :is_gone, :change)
ON CONFLICT (kind, id) DO UPDATE
SET version = excluded.version, is_gone = excluded.is_gone, change = excluded.change
WHERE excluded.version > objects.version;

-- name: objects
SELECT change FROM objects ORDER BY version;

-- name: objects_of
SELECT change FROM objects WHERE kind = :kind AND id > :after AND NOT is_gone ORDER BY id LIMIT :limit;

-- name: object
SELECT change FROM objects WHERE kind = :kind AND id = :id;

-- name: changes
SELECT change, version, kind, id FROM changes
WHERE (version, kind, id) < (:version, :before_kind, :before_id)
    AND (:kind IS NULL OR kind = :kind) AND (:id IS NULL OR id = :id)
ORDER BY version DESC, kind DESC, id DESC LIMIT :limit;

-- name: drop_station
UPDATE stations SET definition = NULL WHERE id = :id;

-- name: drop_thing
DELETE FROM things WHERE id = :id;

-- name: drop_datastream
UPDATE datastreams SET definition = NULL WHERE id = :id;

-- name: drop_property
DELETE FROM observed_properties WHERE id = :id;

-- name: drop_sensor
DELETE FROM sensors WHERE id = :id;

-- name: put_source_change
INSERT INTO source_changes (station_id, at_us, why, change) VALUES (:station_id, :at_us, :why, :change)
ON CONFLICT DO NOTHING;

-- name: drop_source_changes
DELETE FROM source_changes WHERE station_id = :station_id AND at_us < :before_us;

-- name: source_changes
SELECT change FROM source_changes
WHERE station_id = :station_id AND (at_us, why) < (:at_us, :why)
ORDER BY at_us DESC, why DESC LIMIT :limit;
