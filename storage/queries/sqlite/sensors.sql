-- name: things
SELECT id, definition FROM things WHERE id > :after ORDER BY id LIMIT :limit;

-- name: thing
SELECT definition FROM things WHERE id = :id;

-- name: observed_properties
SELECT definition FROM observed_properties ORDER BY id;

-- name: datastreams
SELECT d.definition, coalesce(s.time_us, a.time_us), iif(s.time_us IS NULL, a.value, s.value),
    coalesce(s.flag, a.flag), n.names, coalesce(s.test_flags, a.test_flags), coalesce(s.revision, a.revision),
    coalesce(s.received_at_us, a.received_at_us)
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN samples AS s ON s.datastream_key = l.datastream_key AND s.time_us = l.time_us
LEFT JOIN arrived_samples AS a
    ON a.number = l.arrival AND a.datastream_key = l.datastream_key AND a.time_us = l.time_us
LEFT JOIN names AS n ON n.name_key = coalesce(s.tests, a.tests)
WHERE d.id > :after AND d.definition IS NOT NULL
ORDER BY d.id LIMIT :limit;

-- name: datastreams_of_thing
SELECT d.definition, coalesce(s.time_us, a.time_us), iif(s.time_us IS NULL, a.value, s.value),
    coalesce(s.flag, a.flag), n.names, coalesce(s.test_flags, a.test_flags), coalesce(s.revision, a.revision),
    coalesce(s.received_at_us, a.received_at_us)
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN samples AS s ON s.datastream_key = l.datastream_key AND s.time_us = l.time_us
LEFT JOIN arrived_samples AS a
    ON a.number = l.arrival AND a.datastream_key = l.datastream_key AND a.time_us = l.time_us
LEFT JOIN names AS n ON n.name_key = coalesce(s.tests, a.tests)
WHERE d.thing_id = :thing_id AND d.id > :after AND d.definition IS NOT NULL
ORDER BY d.id LIMIT :limit;

-- name: datastream
SELECT d.definition, coalesce(s.time_us, a.time_us), iif(s.time_us IS NULL, a.value, s.value),
    coalesce(s.flag, a.flag), n.names, coalesce(s.test_flags, a.test_flags), coalesce(s.revision, a.revision),
    coalesce(s.received_at_us, a.received_at_us)
FROM datastreams AS d LEFT JOIN datastream_latest AS l USING (datastream_key)
LEFT JOIN samples AS s ON s.datastream_key = l.datastream_key AND s.time_us = l.time_us
LEFT JOIN arrived_samples AS a
    ON a.number = l.arrival AND a.datastream_key = l.datastream_key AND a.time_us = l.time_us
LEFT JOIN names AS n ON n.name_key = coalesce(s.tests, a.tests)
WHERE d.id = :id AND d.definition IS NOT NULL;

-- name: observations
SELECT s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us
FROM {SELECT time_us, value, flag, tests, test_flags, revision, received_at_us FROM EVERY samples
    WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
        AND time_us >= :start_us AND time_us < :end_us} AS s
LEFT JOIN names AS n ON n.name_key = s.tests
ORDER BY s.time_us LIMIT :limit;

-- name: values_at
SELECT * FROM {SELECT time_us, value FROM EVERY samples
    WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
        AND time_us IN (SELECT value FROM json_each(:times)) AND time_us >= :start_us AND time_us < :end_us};

-- name: observations_within
SELECT s.time_us, s.value, s.flag, n.names, s.test_flags, s.revision, s.received_at_us,
    p.longitude, p.latitude, p.height_m
FROM sample_places AS p
JOIN {SELECT time_us, value, flag, tests, test_flags, revision, received_at_us FROM EVERY samples
    WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
        AND time_us >= :start_us AND time_us < :end_us} AS s USING (time_us)
LEFT JOIN names AS n ON n.name_key = s.tests
WHERE p.datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
    AND p.time_us >= :start_us AND p.time_us < :end_us
    AND p.latitude BETWEEN :south AND :north
    AND (p.longitude BETWEEN :west AND :east OR p.longitude BETWEEN :west_2 AND :east_2)
ORDER BY p.time_us LIMIT :limit;

-- name: places
SELECT time_us, longitude, latitude, height_m FROM sample_places
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
    AND time_us >= :start_us AND time_us <= :last_us;

-- name: waveform_lengths
SELECT time_us, length FROM sample_waves
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
    AND time_us >= :start_us AND time_us < :end_us
ORDER BY time_us LIMIT :limit;

-- name: waveforms
SELECT time_us, step_us, length, packed FROM sample_waves
WHERE datastream_key = (SELECT datastream_key FROM datastreams WHERE id = :id)
    AND time_us >= :start_us AND time_us <= :last_us
ORDER BY time_us;

-- name: series_keys
SELECT id, datastream_key FROM datastreams WHERE id IN (SELECT value FROM json_each(:ids));

-- name: received_samples
SELECT * FROM {SELECT datastream_key, time_us, value, received_at_us, revision FROM EVERY samples
    WHERE datastream_key IN (SELECT value FROM json_each(:keys))
        AND time_us >= :start_us AND time_us < :end_us
        AND received_at_us >= :received_from_us AND received_at_us < :received_before_us}
LIMIT :limit;
