-- name: things
SELECT id, definition::text FROM things WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: thing
SELECT definition::text FROM things WHERE id = %(id)s;

-- name: observed_properties
SELECT definition::text FROM observed_properties ORDER BY id;

-- name: datastreams
SELECT d.definition::text, s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN samples AS s ON s.datastream_key = l.datastream_key AND s.time_us = l.time_us
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE d.id > %(after)s AND d.definition IS NOT NULL
ORDER BY d.id LIMIT %(limit)s;

-- name: datastreams_of_thing
SELECT d.definition::text, s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN samples AS s ON s.datastream_key = l.datastream_key AND s.time_us = l.time_us
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE d.thing_id = %(thing_id)s AND d.id > %(after)s AND d.definition IS NOT NULL
ORDER BY d.id LIMIT %(limit)s;

-- name: datastream
SELECT d.definition::text, s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN samples AS s ON s.datastream_key = l.datastream_key AND s.time_us = l.time_us
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
    AND s.time_us >= %(first_us)s AND s.time_us <= %(last_us)s
    AND s.time_us IN (SELECT asked::bigint FROM json_array_elements_text(%(times)s::json) AS t (asked));

-- name: observation_windows
-- A sample counts when it has a value and, if only_good, the flag 1.
WITH windows AS (
    SELECT time_us / %(window_us)s AS bucket, avg(value) AS mean, min(value) AS min, max(value) AS max,
        sum(value) AS sum, count(value) AS count, max(CASE WHEN value IS NOT NULL THEN time_us END) AS last_us
    FROM (
        SELECT time_us, CASE WHEN flag = 1 OR NOT %(only_good)s THEN value END AS value
        FROM samples
        WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
            AND time_us >= %(start_us)s AND time_us < %(end_us)s
    ) AS counted
    GROUP BY 1
)
SELECT w.bucket, w.mean, w.min, w.max, w.sum, w.count, s.value
FROM windows AS w LEFT JOIN samples AS s ON s.time_us = w.last_us
    AND s.datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND s.time_us >= %(start_us)s AND s.time_us < %(end_us)s
ORDER BY w.bucket;

-- name: observation_flags
SELECT time_us / %(window_us)s AS bucket, flag, count(*)
FROM samples
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = %(id)s)
    AND time_us >= %(start_us)s AND time_us < %(end_us)s
GROUP BY 1, 2 ORDER BY 1, 2;
