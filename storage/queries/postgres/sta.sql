-- What SensorThings calls its entities, as relations; `storage/sql/sta` puts questions around them. `kind` is 0 of
-- sites, 1 of stations. `{indicators}`, `{report}`, `{figure}` and the numbers of both are storage/sta_indicators.py.

-- name: sta_things
SELECT 0 AS kind, t.id AS key, t.id AS id, (t.definition ->> 'name') COLLATE "C" AS name,
    (t.definition ->> 'description') COLLATE "C" AS description,
    coalesce(t.definition -> 'properties', '{}') || '{"kind": "site"}' AS properties,
    ST_X(t.position) AS longitude, ST_Y(t.position) AS latitude,
    (t.definition ->> 'height_m')::double precision AS height_m,
    (t.definition ->> 'height_datum') COLLATE "C" AS height_datum
FROM things AS t
UNION ALL
SELECT 1, s.id, ('station~' || s.id) COLLATE "C", coalesce(s.definition::jsonb ->> 'name', s.id) COLLATE "C",
    'GNSS reference station',
    jsonb_build_object(
        'kind', 'station', 'antenna', s.definition::jsonb -> 'antenna',
        'receiver', s.definition::jsonb -> 'receiver', 'interval_s', s.definition::jsonb -> 'interval_s',
        'paused', coalesce(s.definition::jsonb -> 'paused', 'false')
    ),
    ST_X(s.position), ST_Y(s.position),
    CASE WHEN s.height_datum IS NOT NULL THEN ST_Z(s.position) END, 'ellipsoidal'
FROM stations AS s
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )

-- name: sta_histories
SELECT 0 AS kind, c.id AS key, (c.id || '~' || c.version) COLLATE "C" AS id, c.version, c.at_us
FROM changes AS c WHERE c.kind = 'thing'
UNION ALL
SELECT 1, c.id, ('station~' || c.id || '~' || c.version) COLLATE "C", c.version, c.at_us
FROM changes AS c WHERE c.kind = 'station'

-- name: sta_datastreams
SELECT 0 AS kind, d.datastream_key AS number, -1 AS indicator, d.id AS id,
    (d.definition ->> 'name') COLLATE "C" AS name,
    coalesce(d.definition ->> 'description', '') COLLATE "C" AS description,
    (d.definition ->> 'unit') COLLATE "C" AS unit, d.definition -> 'properties' AS properties,
    (d.definition ->> 'property_id') COLLATE "C" AS property_key, d.thing_id AS thing_key,
    coalesce(nullif(d.definition ->> 'sensor_id', ''), d.id) COLLATE "C" AS sensor_key
FROM datastreams AS d WHERE d.definition IS NOT NULL
UNION ALL
SELECT 1, s.station_key, i.number, ('station~' || s.id || '~' || i.id) COLLATE "C", i.name || ' of ' || s.id,
    i.description, i.unit, NULL::jsonb, i.id, s.id, s.id
FROM stations AS s CROSS JOIN (
    SELECT column1 AS number, column2 COLLATE "C" AS id, column3 COLLATE "C" AS name, column4 AS unit,
        column5 AS description
    FROM ({indicators}) AS v
) AS i
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )

-- name: sta_sensors
SELECT 0 AS kind, x.id AS key, x.id AS id, (x.definition ->> 'name') COLLATE "C" AS name,
    (x.definition ->> 'description') COLLATE "C" AS description,
    (x.definition ->> 'metadata') COLLATE "C" AS metadata,
    (x.definition ->> 'encoding') COLLATE "C" AS encoding, x.definition -> 'properties' AS properties
FROM sensors AS x
UNION ALL
SELECT 0, d.id, d.id,
    coalesce(nullif(d.definition #>> '{sensor,name}', ''), 'Sensor of ' || d.id) COLLATE "C",
    coalesce(d.definition #>> '{sensor,description}', '') COLLATE "C",
    coalesce(d.definition #>> '{sensor,metadata}', '') COLLATE "C",
    coalesce(d.definition #>> '{sensor,encoding}', 'text/plain') COLLATE "C",
    d.definition #> '{sensor,properties}'
FROM datastreams AS d
WHERE d.definition IS NOT NULL AND coalesce(d.definition ->> 'sensor_id', '') = ''
    AND NOT EXISTS (SELECT 1 FROM sensors AS x WHERE x.id = d.id)
UNION ALL
SELECT 1, s.id, ('station~' || s.id) COLLATE "C", ('Receiver of ' || s.id) COLLATE "C",
    'GNSS receiver and antenna',
    coalesce(s.definition::jsonb ->> 'receiver', '') || ', ' || coalesce(s.definition::jsonb ->> 'antenna', ''),
    'text/plain', NULL::jsonb
FROM stations AS s
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )

-- name: sta_properties
SELECT 0 AS kind, p.id AS key, p.id AS id, (p.definition ->> 'name') COLLATE "C" AS name,
    (p.definition ->> 'definition') COLLATE "C" AS definition,
    coalesce(p.definition ->> 'description', '') COLLATE "C" AS description,
    coalesce(p.definition -> 'properties', '{}') || jsonb_strip_nulls(jsonb_build_object(
        'domain', p.definition -> 'domain', 'unit', p.definition -> 'unit', 'span', p.definition -> 'span',
        'user_span', p.definition -> 'user_span', 'sampling_period_s', p.definition -> 'sampling_period_s',
        'tests', p.definition -> 'tests'
    )) AS properties
FROM observed_properties AS p
UNION ALL
SELECT 1, i.id, ('station~' || i.id) COLLATE "C", i.name, '', i.description,
    jsonb_build_object('domain', 'gnss', 'unit', i.unit)
FROM (
    SELECT column1 AS number, column2 COLLATE "C" AS id, column3 COLLATE "C" AS name, column4 AS unit,
        column5 AS description
    FROM ({indicators}) AS v
) AS i

-- name: sta_samples
SELECT 0 AS kind, s.datastream_key AS number, -1 AS indicator, s.time_us, s.received_at_us, s.value AS result,
    s.flag, s.tests, s.test_flags, s.revision
FROM samples AS s

-- name: sta_reports
SELECT 1 AS kind, e.station_key AS number, i.number AS indicator, e.epoch_us AS time_us,
    coalesce(e.received_at_us, e.epoch_us) AS received_at_us, ({report})::double precision AS result,
    CASE e.state WHEN 0 THEN 1 WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END AS flag, NULL::integer AS tests,
    NULL::bytea AS test_flags, 0 AS revision
FROM (SELECT column1 AS number FROM ({indicators}) AS v WHERE column1 IN ({reports})) AS i
CROSS JOIN station_epochs AS e

-- name: sta_figures
SELECT 1 AS kind, f.station_key AS number, i.number AS indicator, f.time_us, f.time_us AS received_at_us,
    ({figure})::double precision AS result, 2 AS flag, NULL::integer AS tests, NULL::bytea AS test_flags,
    0 AS revision
FROM (SELECT column1 AS number FROM ({indicators}) AS v WHERE column1 IN ({figures})) AS i
CROSS JOIN station_figures AS f

-- name: sta_samples_bound
SELECT l.time_us FROM datastream_latest AS l WHERE l.datastream_key = p.number

-- name: sta_reports_bound
SELECT l.epoch_us FROM station_latest AS l WHERE l.station_key = p.number

-- name: sta_figures_bound
SELECT l.time_us FROM station_figures_latest AS l WHERE l.station_key = p.number

-- name: sta_samples_estimate
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'samples'::regclass

-- name: sta_series_estimate
SELECT coalesce(sum(any_n), 0)::bigint FROM sample_days WHERE datastream_key = %(number)s

-- name: sta_names
SELECT name_key, names FROM names
WHERE name_key IN (SELECT asked::integer FROM json_array_elements_text(%(keys)s::json) AS t (asked));

-- name: sta_places
SELECT p.datastream_key, p.time_us, ST_X(p.place), ST_Y(p.place), p.height_m
FROM json_array_elements(%(keys)s::json) AS k JOIN sample_places AS p
    ON p.datastream_key = (k.value ->> 0)::integer AND p.time_us = (k.value ->> 1)::bigint;

-- name: sta_changes
SELECT change FROM changes
WHERE version IN (SELECT asked::bigint FROM json_array_elements_text(%(versions)s::json) AS t (asked))
    AND kind IN ('thing', 'station');
