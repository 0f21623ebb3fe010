-- name: things
SELECT id, definition::text FROM things WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: thing
SELECT definition::text FROM things WHERE id = %(id)s;

-- name: observed_properties
SELECT definition::text FROM observed_properties ORDER BY id;

-- name: datastreams
-- `datastream_latest` says from when on the newest sample is to be looked for; without a row there is none.
SELECT d.definition::text, s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN LATERAL (
    SELECT * FROM samples AS s WHERE s.datastream_key = l.datastream_key AND s.time_us >= l.time_us
    ORDER BY s.time_us DESC LIMIT 1
) AS s ON true
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE d.id > %(after)s AND d.definition IS NOT NULL
ORDER BY d.id LIMIT %(limit)s;

-- name: datastreams_of_thing
SELECT d.definition::text, s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN LATERAL (
    SELECT * FROM samples AS s WHERE s.datastream_key = l.datastream_key AND s.time_us >= l.time_us
    ORDER BY s.time_us DESC LIMIT 1
) AS s ON true
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE d.thing_id = %(thing_id)s AND d.id > %(after)s AND d.definition IS NOT NULL
ORDER BY d.id LIMIT %(limit)s;

-- name: datastream
SELECT d.definition::text, s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN LATERAL (
    SELECT * FROM samples AS s WHERE s.datastream_key = l.datastream_key AND s.time_us >= l.time_us
    ORDER BY s.time_us DESC LIMIT 1
) AS s ON true
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE d.id = %(id)s AND d.definition IS NOT NULL;

-- name: observations
SELECT s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM samples AS s LEFT JOIN names AS n ON n.name_key = s.tests
WHERE s.datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND s.time_us >= %(start_us)s AND s.time_us < %(end_us)s
ORDER BY s.time_us LIMIT %(limit)s;

-- name: values_at
SELECT s.time_us, s.value FROM samples AS s
WHERE s.datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND s.time_us >= %(start_us)s AND s.time_us < %(end_us)s
    AND s.time_us IN (SELECT asked::bigint FROM json_array_elements_text(%(times)s::json) AS t (asked));

-- name: observations_within
SELECT s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us,
    ST_X(p.place), ST_Y(p.place), p.height_m
FROM sample_places AS p JOIN samples AS s USING (datastream_key, time_us)
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE p.datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND p.time_us >= %(start_us)s AND p.time_us < %(end_us)s
    AND (
        p.place && ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4490)
        OR p.place && ST_MakeEnvelope(%(west_2)s, %(south)s, %(east_2)s, %(north)s, 4490)
    )
ORDER BY p.time_us LIMIT %(limit)s;

-- name: places
SELECT time_us, ST_X(place), ST_Y(place), height_m FROM sample_places
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND time_us >= %(start_us)s AND time_us <= %(last_us)s;

-- name: waveform_lengths
SELECT time_us, length FROM sample_waves
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND time_us >= %(start_us)s AND time_us < %(end_us)s
ORDER BY time_us LIMIT %(limit)s;

-- name: waveforms
SELECT time_us, step_us, length, packed FROM sample_waves
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND time_us >= %(start_us)s AND time_us <= %(last_us)s
ORDER BY time_us;

-- name: series_keys
SELECT id, datastream_key FROM datastreams
WHERE id IN (SELECT asked FROM json_array_elements_text(%(ids)s::json) AS t (asked));

-- name: received_samples
SELECT datastream_key, time_us, value, received_at_us, revision FROM samples
WHERE datastream_key IN (SELECT asked::integer FROM json_array_elements_text(%(keys)s::json) AS t (asked))
    AND time_us >= %(start_us)s AND time_us < %(end_us)s
    AND received_at_us >= %(received_from_us)s AND received_at_us < %(received_before_us)s
LIMIT %(limit)s;
