-- name: grow_object
INSERT INTO raw_objects (path, length, unfinished) VALUES (?, ?, 1)
ON CONFLICT (path) DO UPDATE SET length = max(length, excluded.length);

-- name: put_segment
INSERT OR REPLACE INTO raw_segments (
    station_id, slot_us, position, object_key, offset, length, size, chunks, start_us, end_us, sha256
) VALUES (?, ?, ?, (SELECT object_key FROM raw_objects WHERE path = ?), ?, ?, ?, ?, ?, ?, ?);

-- name: open_objects
INSERT INTO raw_objects (path, unfinished) SELECT value, 1 FROM json_each(:paths) WHERE true
ON CONFLICT (path) DO UPDATE SET unfinished = 1;

-- name: close_objects
UPDATE raw_objects SET unfinished = 0 WHERE path IN (SELECT value FROM json_each(:paths));

-- name: unfinished_objects
SELECT path, length FROM raw_objects WHERE unfinished ORDER BY path;

-- name: object_length
SELECT length FROM raw_objects WHERE path = :path;

-- name: object_lengths
SELECT json_group_object(path, length) FROM raw_objects WHERE path IN (SELECT value FROM json_each(:paths));

-- name: segments_of_slot
SELECT s.slot_us, s.position, o.path, s.offset, s.length, s.size, s.chunks, s.start_us, s.end_us,
    s.sha256
FROM raw_segments AS s JOIN raw_objects AS o USING (object_key)
WHERE s.station_id = :station_id AND s.slot_us = :slot_us
ORDER BY s.position;

-- name: segments
SELECT s.slot_us, s.position, o.path, s.offset, s.length, s.size, s.chunks, s.start_us, s.end_us,
    s.sha256
FROM raw_segments AS s JOIN raw_objects AS o USING (object_key)
WHERE s.station_id = :station_id AND s.slot_us > :start_us - 10000000 AND s.slot_us < :end_us
ORDER BY s.slot_us, s.position;

-- name: raw_extents
WITH RECURSIVE known (station_id) AS (
    SELECT min(station_id) FROM raw_segments
    UNION ALL
    SELECT (SELECT min(s.station_id) FROM raw_segments AS s WHERE s.station_id > k.station_id)
    FROM known AS k WHERE k.station_id IS NOT NULL
)
SELECT k.station_id,
    (SELECT min(s.slot_us) FROM raw_segments AS s WHERE s.station_id = k.station_id),
    (SELECT max(s.slot_us) FROM raw_segments AS s WHERE s.station_id = k.station_id)
FROM known AS k WHERE k.station_id IS NOT NULL;

-- name: objects_before
SELECT DISTINCT o.path FROM raw_segments AS s JOIN raw_objects AS o USING (object_key)
WHERE s.station_id = :station_id AND s.slot_us < :before_us;

-- name: drop_segments
DELETE FROM raw_segments WHERE station_id = :station_id AND slot_us < :before_us;

-- name: drop_object
DELETE FROM raw_objects WHERE path = :path;
