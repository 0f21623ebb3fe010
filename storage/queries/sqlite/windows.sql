-- name: series
SELECT d.datastream_key, d.id, d.definition, t.definition
FROM datastreams AS d LEFT JOIN things AS t ON t.id = d.thing_id
WHERE d.definition IS NOT NULL
    AND (:ids IS NULL OR d.id IN (SELECT value FROM json_each(:ids)))
    AND (:things IS NULL OR d.thing_id IN (SELECT value FROM json_each(:things)))
    AND (
        :properties IS NULL
        OR d.definition ->> '$.property_id' IN (SELECT value FROM json_each(:properties))
    )
    AND (
        :anywhere
        OR t.definition ->> '$.latitude' BETWEEN :south AND :north
        AND (
            t.definition ->> '$.longitude' BETWEEN :west AND :east
            OR t.definition ->> '$.longitude' BETWEEN :west_2 AND :east_2
        )
    )
ORDER BY d.id LIMIT :limit;

-- name: sample_columns
SELECT * FROM {SELECT datastream_key, time_us, value, flag FROM EVERY samples
    WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND time_us >= :start_us AND time_us < :end_us}
LIMIT :limit;

-- name: count_samples
SELECT count(*) FROM (
    SELECT 1 FROM {SELECT 1 FROM EVERY samples
        WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND time_us >= :start_us AND time_us < :end_us}
    LIMIT :limit
);

-- name: good_buckets
SELECT datastream_key, begin_us, good_n, good_sum, good_min, good_max, good_last, flags FROM rollup
WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND begin_us >= :start_us AND begin_us < :end_us;

-- name: any_buckets
SELECT datastream_key, begin_us, any_n, any_sum, any_min, any_max, any_last, flags FROM rollup
WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND begin_us >= :start_us AND begin_us < :end_us;

-- name: marks_of_keys
SELECT level, begin_us, end_us FROM rollup_marks
WHERE kind = :kind AND begin_us < :end_us AND end_us > :start_us
    AND done_key < (SELECT max(value) FROM json_each(:keys))
    AND (
        keys IS NULL
        OR EXISTS (SELECT 1 FROM json_each(keys) WHERE value IN (SELECT value FROM json_each(:keys)))
    );

-- name: station_keys_named
SELECT station_key, id FROM stations WHERE id IN (SELECT value FROM json_each(:ids));
