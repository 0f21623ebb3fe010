-- Columns of many rows come as one row of arrays in their binary form: a row each would cost the reader more
-- than all that is done with it.

-- name: series
SELECT d.datastream_key, d.id, d.definition::text, t.definition::text
FROM datastreams AS d LEFT JOIN things AS t ON t.id = d.thing_id
WHERE d.definition IS NOT NULL
    AND (%(ids)s::text[] IS NULL OR d.id = ANY(%(ids)s::text[]))
    AND (%(things)s::text[] IS NULL OR d.thing_id = ANY(%(things)s::text[]))
    AND (%(properties)s::text[] IS NULL OR d.definition->>'property_id' = ANY(%(properties)s::text[]))
    AND (
        %(anywhere)s
        OR t.position && ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4490)
        OR t.position && ST_MakeEnvelope(%(west_2)s, %(south)s, %(east_2)s, %(north)s, 4490)
    )
ORDER BY d.id LIMIT %(limit)s;

-- name: sample_columns
SELECT array_send(array_agg(datastream_key)), array_send(array_agg(time_us)),
    array_send(array_agg(coalesce(value, 'NaN'))), array_send(array_agg(flag))
FROM (
    SELECT datastream_key, time_us, value, flag FROM samples
    WHERE datastream_key = ANY(%(keys)s::integer[]) AND time_us >= %(start_us)s AND time_us < %(end_us)s
    LIMIT %(limit)s
) AS s;

-- name: count_samples
SELECT count(*) FROM (
    SELECT 1 FROM samples
    WHERE datastream_key = ANY(%(keys)s::integer[]) AND time_us >= %(start_us)s AND time_us < %(end_us)s
    LIMIT %(limit)s
) AS s;

-- name: good_buckets
SELECT array_send(array_agg(datastream_key)), array_send(array_agg(begin_us)), array_send(array_agg(good_n)),
    array_send(array_agg(coalesce(good_sum, 'NaN'))), array_send(array_agg(coalesce(good_min, 'NaN'))),
    array_send(array_agg(coalesce(good_max, 'NaN'))), array_send(array_agg(coalesce(good_last, 'NaN'))),
    string_agg(flags, E'\n')
FROM rollup
WHERE datastream_key = ANY(%(keys)s::integer[]) AND begin_us >= %(start_us)s AND begin_us < %(end_us)s;

-- name: any_buckets
SELECT array_send(array_agg(datastream_key)), array_send(array_agg(begin_us)), array_send(array_agg(any_n)),
    array_send(array_agg(coalesce(any_sum, 'NaN'))), array_send(array_agg(coalesce(any_min, 'NaN'))),
    array_send(array_agg(coalesce(any_max, 'NaN'))), array_send(array_agg(coalesce(any_last, 'NaN'))),
    string_agg(flags, E'\n')
FROM rollup
WHERE datastream_key = ANY(%(keys)s::integer[]) AND begin_us >= %(start_us)s AND begin_us < %(end_us)s;

-- name: marks_of_keys
SELECT level, begin_us, end_us FROM rollup_marks
WHERE kind = %(kind)s AND begin_us < %(end_us)s AND end_us > %(start_us)s
    AND done_key < (SELECT max(one) FROM unnest(%(keys)s::integer[]) AS one)
    AND (keys IS NULL OR keys && %(keys)s::integer[]);

-- name: station_keys_named
SELECT station_key, id FROM stations WHERE id = ANY(%(ids)s::text[]);
