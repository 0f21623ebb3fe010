-- name: grow_object
INSERT INTO raw_objects AS o (path, length, unfinished) VALUES (%(path)s, %(length)s, true)
ON CONFLICT (path) DO UPDATE SET length = greatest(o.length, excluded.length);

-- name: put_segment
INSERT INTO raw_segments (
    station_id, slot_us, position, object_key, "offset", length, size, chunks, start_us, end_us, sha256
) SELECT %(station_id)s, %(slot_us)s, %(position)s, object_key, %(offset)s, %(length)s, %(size)s, %(chunks)s,
    %(start_us)s, %(end_us)s, %(sha256)s
FROM raw_objects WHERE path = %(path)s
ON CONFLICT (station_id, slot_us, position) DO UPDATE
SET object_key = excluded.object_key, "offset" = excluded."offset", length = excluded.length,
    size = excluded.size, chunks = excluded.chunks, start_us = excluded.start_us, end_us = excluded.end_us,
    sha256 = excluded.sha256;

-- name: open_objects
INSERT INTO raw_objects (path, unfinished)
SELECT value, true FROM jsonb_array_elements_text(%(paths)s::jsonb) AS value
ON CONFLICT (path) DO UPDATE SET unfinished = true;

-- name: close_objects
UPDATE raw_objects SET unfinished = false
WHERE path IN (SELECT value FROM jsonb_array_elements_text(%(paths)s::jsonb) AS value);

-- name: unfinished_objects
SELECT path, length FROM raw_objects WHERE unfinished ORDER BY path;

-- name: object_length
SELECT length FROM raw_objects WHERE path = %(path)s;

-- name: object_lengths
SELECT coalesce(json_object_agg(path, length), '{}')::text FROM raw_objects
WHERE path IN (SELECT value FROM jsonb_array_elements_text(%(paths)s::jsonb) AS value);

-- name: segments_of_slot
SELECT s.slot_us, s.position, o.path, s."offset", s.length, s.size, s.chunks, s.start_us,
    s.end_us, s.sha256
FROM raw_segments AS s JOIN raw_objects AS o USING (object_key)
WHERE s.station_id = %(station_id)s AND s.slot_us = %(slot_us)s
ORDER BY s.position;

-- name: segments
SELECT s.slot_us, s.position, o.path, s."offset", s.length, s.size, s.chunks, s.start_us,
    s.end_us, s.sha256
FROM raw_segments AS s JOIN raw_objects AS o USING (object_key)
WHERE s.station_id = %(station_id)s AND s.slot_us > %(start_us)s - 10000000 AND s.slot_us < %(end_us)s
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
WHERE s.station_id = %(station_id)s AND s.slot_us < %(before_us)s;

-- name: drop_segments
DELETE FROM raw_segments WHERE station_id = %(station_id)s AND slot_us < %(before_us)s;

-- name: drop_object
DELETE FROM raw_objects WHERE path = %(path)s;
