-- What SensorThings calls its entities, as relations; `storage/sql/sta` puts questions around them. `kind` is 0 of
-- sites, 1 of stations. `{indicators}`, `{report}`, `{figure}` and the numbers of both are storage/sta_indicators.py.

-- name: sta_things
SELECT 0 AS kind, t.id AS key, t.id AS id, json_extract(t.definition, '$.name') AS name,
    json_extract(t.definition, '$.description') AS description,
    json_patch(coalesce(json_extract(t.definition, '$.properties'), '{}'), '{"kind":"site"}') AS properties,
    json_extract(t.definition, '$.longitude') AS longitude,
    json_extract(t.definition, '$.latitude') AS latitude, json_extract(t.definition, '$.height_m') AS height_m,
    json_extract(t.definition, '$.height_datum') AS height_datum
FROM things AS t
UNION ALL
SELECT 1, s.id, 'station~' || s.id, coalesce(json_extract(s.definition, '$.name'), s.id),
    'GNSS reference station',
    json_object(
        'kind', 'station', 'antenna', json_extract(s.definition, '$.antenna'),
        'receiver', json_extract(s.definition, '$.receiver'),
        'interval_s', json_extract(s.definition, '$.interval_s'),
        'paused', json(iif(coalesce(json_extract(s.definition, '$.paused'), 0), 'true', 'false'))
    ),
    iif(s.is_registered, json_extract(s.definition, '$.longitude'), s.streamed_longitude),
    iif(s.is_registered, json_extract(s.definition, '$.latitude'), s.streamed_latitude),
    iif(s.is_registered, json_extract(s.definition, '$.height_m'), s.streamed_height_m), 'ellipsoidal'
FROM (
    SELECT *, json_extract(definition, '$.longitude') IS NOT NULL
        AND json_extract(definition, '$.latitude') IS NOT NULL AS is_registered
    FROM stations
) AS s
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )

-- name: sta_histories
SELECT 0 AS kind, c.id AS key, c.id || '~' || c.version AS id, c.version, c.at_us
FROM changes AS c WHERE c.kind = 'thing'
UNION ALL
SELECT 1, c.id, 'station~' || c.id || '~' || c.version, c.version, c.at_us
FROM changes AS c WHERE c.kind = 'station'

-- name: sta_datastreams
SELECT 0 AS kind, d.datastream_key AS number, -1 AS indicator, d.id AS id,
    json_extract(d.definition, '$.name') AS name,
    coalesce(json_extract(d.definition, '$.description'), '') AS description,
    json_extract(d.definition, '$.unit') AS unit,
    json_extract(d.definition, '$.properties') AS properties,
    json_extract(d.definition, '$.property_id') AS property_key, d.thing_id AS thing_key,
    coalesce(nullif(json_extract(d.definition, '$.sensor_id'), ''), d.id) AS sensor_key
FROM datastreams AS d WHERE d.definition IS NOT NULL
UNION ALL
SELECT 1, s.station_key, i.number, 'station~' || s.id || '~' || i.id, i.name || ' of ' || s.id, i.description,
    i.unit, NULL, i.id, s.id, s.id
FROM stations AS s CROSS JOIN (
    SELECT column1 AS number, column2 AS id, column3 AS name, column4 AS unit, column5 AS description
    FROM ({indicators})
) AS i
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )

-- name: sta_sensors
SELECT 0 AS kind, x.id AS key, x.id AS id, json_extract(x.definition, '$.name') AS name,
    json_extract(x.definition, '$.description') AS description,
    json_extract(x.definition, '$.metadata') AS metadata,
    json_extract(x.definition, '$.encoding') AS encoding,
    json_extract(x.definition, '$.properties') AS properties
FROM sensors AS x
UNION ALL
SELECT 0, d.id, d.id,
    coalesce(nullif(json_extract(d.definition, '$.sensor.name'), ''), 'Sensor of ' || d.id),
    coalesce(json_extract(d.definition, '$.sensor.description'), ''),
    coalesce(json_extract(d.definition, '$.sensor.metadata'), ''),
    coalesce(json_extract(d.definition, '$.sensor.encoding'), 'text/plain'),
    json_extract(d.definition, '$.sensor.properties')
FROM datastreams AS d
WHERE d.definition IS NOT NULL AND coalesce(json_extract(d.definition, '$.sensor_id'), '') = ''
    AND NOT EXISTS (SELECT 1 FROM sensors AS x WHERE x.id = d.id)
UNION ALL
SELECT 1, s.id, 'station~' || s.id, 'Receiver of ' || s.id, 'GNSS receiver and antenna',
    coalesce(json_extract(s.definition, '$.receiver'), '') || ', '
        || coalesce(json_extract(s.definition, '$.antenna'), ''), 'text/plain', NULL
FROM stations AS s
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )

-- name: sta_properties
SELECT 0 AS kind, p.id AS key, p.id AS id, json_extract(p.definition, '$.name') AS name,
    json_extract(p.definition, '$.definition') AS definition,
    coalesce(json_extract(p.definition, '$.description'), '') AS description,
    json_patch(coalesce(json_extract(p.definition, '$.properties'), '{}'), json_object(
        'domain', json_extract(p.definition, '$.domain'), 'unit', json_extract(p.definition, '$.unit'),
        'span', json_extract(p.definition, '$.span'), 'user_span', json_extract(p.definition, '$.user_span'),
        'sampling_period_s', json_extract(p.definition, '$.sampling_period_s'),
        'tests', json_extract(p.definition, '$.tests')
    )) AS properties
FROM observed_properties AS p
UNION ALL
SELECT 1, i.id, 'station~' || i.id, i.name, '', i.description,
    json_object('domain', 'gnss', 'unit', i.unit)
FROM (
    SELECT column1 AS number, column2 AS id, column3 AS name, column4 AS unit, column5 AS description
    FROM ({indicators})
) AS i

-- name: sta_samples
SELECT 0 AS kind, s.datastream_key AS number, -1 AS indicator, s.time_us, s.received_at_us, s.value AS result,
    s.flag, s.tests, s.test_flags, s.revision
FROM {SELECT datastream_key, time_us, received_at_us, value, flag, tests, test_flags, revision
    FROM EVERY samples} AS s

-- name: sta_reports
SELECT 1 AS kind, e.station_key AS number, i.number AS indicator, e.epoch_us AS time_us,
    coalesce(e.received_at_us, e.epoch_us) AS received_at_us, {report} AS result,
    CASE e.state WHEN 0 THEN 1 WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END AS flag, NULL AS tests, NULL AS test_flags,
    0 AS revision
FROM (SELECT column1 AS number FROM ({indicators}) WHERE column1 IN ({reports})) AS i
CROSS JOIN {SELECT * FROM EVERY station_epochs} AS e

-- name: sta_figures
SELECT 1 AS kind, f.station_key AS number, i.number AS indicator, f.time_us, f.time_us AS received_at_us,
    {figure} AS result, 2 AS flag, NULL AS tests, NULL AS test_flags, 0 AS revision
FROM (SELECT column1 AS number FROM ({indicators}) WHERE column1 IN ({figures})) AS i
CROSS JOIN {SELECT * FROM EVERY station_figures} AS f

-- name: sta_samples_bound
SELECT l.time_us FROM datastream_latest AS l WHERE l.datastream_key = p.number

-- name: sta_reports_bound
SELECT l.epoch_us FROM station_latest AS l WHERE l.station_key = p.number

-- name: sta_figures_bound
SELECT l.time_us FROM station_figures_latest AS l WHERE l.station_key = p.number

-- name: sta_samples_estimate
SELECT coalesce(sum(any_n), 0) FROM sample_days

-- name: sta_series_estimate
SELECT coalesce(sum(any_n), 0) FROM sample_days WHERE datastream_key = :number

-- name: sta_names
SELECT name_key, names FROM names WHERE name_key IN (SELECT value FROM json_each(:keys));

-- name: sta_places
SELECT p.datastream_key, p.time_us, p.longitude, p.latitude, p.height_m
FROM json_each(:keys) AS k JOIN sample_places AS p
    ON p.datastream_key = json_extract(k.value, '$[0]') AND p.time_us = json_extract(k.value, '$[1]');

-- name: sta_changes
SELECT change FROM changes
WHERE version IN (SELECT value FROM json_each(:versions)) AND kind IN ('thing', 'station');
