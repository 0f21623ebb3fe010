-- Since when and until when there is something. Where rows have gone, their sums say since when: days are looked
-- at first, since there are few of them.

-- name: series_extents
SELECT l.datastream_key, coalesce(
        (SELECT begin_us FROM sample_days WHERE datastream_key = l.datastream_key ORDER BY begin_us LIMIT 1),
        (SELECT begin_us FROM sample_hours WHERE datastream_key = l.datastream_key ORDER BY begin_us LIMIT 1),
        (SELECT begin_us FROM sample_minutes WHERE datastream_key = l.datastream_key ORDER BY begin_us LIMIT 1),
        (
            {FIRST time_us OF samples WHERE datastream_key = l.datastream_key}
        ),
        l.time_us
    ), l.time_us
FROM datastream_latest AS l WHERE l.datastream_key IN (SELECT value FROM json_each(:keys));

-- name: report_extents
SELECT id, begin_us, end_us FROM (
    SELECT s.id, coalesce(
        (SELECT min(begin_us) FROM station_days WHERE station_key = l.station_key),
        (SELECT min(begin_us) FROM station_hours WHERE station_key = l.station_key),
        (SELECT min(begin_us) FROM station_minutes WHERE station_key = l.station_key),
        (
            {FIRST epoch_us OF station_epochs WHERE station_key = l.station_key}
        ),
        l.epoch_us
    ) AS begin_us, l.epoch_us AS end_us
    FROM station_latest AS l JOIN stations AS s USING (station_key)
);

-- name: figure_extents
SELECT id, begin_us, end_us FROM (
    SELECT s.id, (
            {FIRST time_us OF station_figures WHERE station_key = s.station_key}
        ) AS begin_us, l.time_us AS end_us
    FROM stations AS s JOIN station_figures_latest AS l USING (station_key)
) WHERE begin_us IS NOT NULL;

-- name: period_extents
SELECT id, begin_us, end_us FROM (
    SELECT s.id, (SELECT min(begin_us) FROM station_periods WHERE station_key = s.station_key) AS begin_us,
        (
            SELECT end_us FROM station_periods WHERE station_key = s.station_key ORDER BY begin_us DESC LIMIT 1
        ) AS end_us
    FROM stations AS s
) WHERE begin_us IS NOT NULL;

-- name: alert_extent
SELECT min(opened_at_us), max(opened_at_us) FROM alerts;

-- name: revised_spans
SELECT datastream_key, min(time_us), max(time_us), count(*) FILTER (WHERE revision BETWEEN 1 AND 99),
    count(*) FILTER (WHERE revision >= 100), count(*) FILTER (WHERE revision < 0), max(received_at_us)
FROM {SELECT datastream_key, time_us, revision, received_at_us FROM EVERY samples
    WHERE datastream_key IN (SELECT value FROM json_each(:keys)) AND time_us >= :start_us AND time_us < :end_us
        AND revision <> 0}
GROUP BY time_us / :length_us, datastream_key
ORDER BY time_us / :length_us, datastream_key LIMIT :limit;
