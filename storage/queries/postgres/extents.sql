-- Since when and until when there is something. Where rows have gone, their sums say since when: days are looked
-- at first, since there are few of them.

-- name: series_extents
SELECT l.datastream_key, coalesce(
        (SELECT begin_us FROM sample_days WHERE datastream_key = l.datastream_key ORDER BY begin_us LIMIT 1),
        (SELECT begin_us FROM sample_hours WHERE datastream_key = l.datastream_key ORDER BY begin_us LIMIT 1),
        (SELECT begin_us FROM sample_minutes WHERE datastream_key = l.datastream_key ORDER BY begin_us LIMIT 1),
        (SELECT time_us FROM samples WHERE datastream_key = l.datastream_key ORDER BY time_us LIMIT 1),
        l.time_us
    ), l.time_us
FROM datastream_latest AS l WHERE l.datastream_key = ANY(%(keys)s::integer[]);

-- name: report_extents
SELECT s.id, coalesce(
        (SELECT begin_us FROM station_days WHERE station_key = l.station_key ORDER BY begin_us LIMIT 1),
        (SELECT begin_us FROM station_hours WHERE station_key = l.station_key ORDER BY begin_us LIMIT 1),
        (SELECT begin_us FROM station_minutes WHERE station_key = l.station_key ORDER BY begin_us LIMIT 1),
        (SELECT epoch_us FROM station_epochs WHERE station_key = l.station_key ORDER BY epoch_us LIMIT 1),
        l.epoch_us
    ), l.epoch_us
FROM station_latest AS l JOIN stations AS s USING (station_key);

-- name: figure_extents
SELECT s.id, coalesce(
        (SELECT time_us FROM station_figures WHERE station_key = l.station_key ORDER BY time_us LIMIT 1), l.time_us
    ), l.time_us
FROM station_figures_latest AS l JOIN stations AS s USING (station_key);

-- name: period_extents
SELECT s.id, a.begin_us, z.end_us FROM stations AS s
CROSS JOIN LATERAL (
    SELECT begin_us FROM station_periods WHERE station_key = s.station_key ORDER BY begin_us LIMIT 1
) AS a
CROSS JOIN LATERAL (
    SELECT end_us FROM station_periods WHERE station_key = s.station_key ORDER BY begin_us DESC LIMIT 1
) AS z;

-- name: alert_extent
SELECT min(opened_at_us), max(opened_at_us) FROM alerts;

-- name: revised_spans
SELECT datastream_key, min(time_us), max(time_us), count(*) FILTER (WHERE revision BETWEEN 1 AND 99),
    count(*) FILTER (WHERE revision >= 100), count(*) FILTER (WHERE revision < 0), max(received_at_us)
FROM samples
WHERE datastream_key = ANY(%(keys)s::integer[]) AND time_us >= %(start_us)s AND time_us < %(end_us)s
    AND revision <> 0
GROUP BY time_us / %(length_us)s, datastream_key
ORDER BY time_us / %(length_us)s, datastream_key LIMIT %(limit)s;
