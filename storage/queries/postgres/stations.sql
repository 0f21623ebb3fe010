-- name: stations
SELECT s.id, s.definition, s.streamed, l.report, f.packed
FROM stations AS s LEFT JOIN station_latest AS l USING (station_key)
LEFT JOIN station_figures_latest AS f USING (station_key)
WHERE s.id > %(after)s AND (%(state)s::smallint IS NULL OR coalesce(l.state, 1) = %(state)s)
    AND NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )
ORDER BY s.id LIMIT %(limit)s;

-- name: station_places
SELECT s.id, s.definition, s.streamed FROM stations AS s
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )
ORDER BY s.id;

-- name: stations_within
SELECT s.id, s.definition, s.streamed, l.report, f.packed
FROM stations AS s LEFT JOIN station_latest AS l USING (station_key)
LEFT JOIN station_figures_latest AS f USING (station_key)
WHERE s.id > %(after)s
    AND ST_Covers(ST_GeomFromText(%(polygon)s, 4490), s.position)
ORDER BY s.id LIMIT %(limit)s;

-- name: station
SELECT s.id, s.definition, s.streamed, l.report, f.packed
FROM stations AS s LEFT JOIN station_latest AS l USING (station_key)
LEFT JOIN station_figures_latest AS f USING (station_key)
WHERE s.id = %(id)s;

-- name: station_reports
SELECT e.epoch_us, e.received_at_us, e.state, e.score, n.names, e.reasons, e.epochs, e.epochs_expected,
    e.observations, e.observations_expected, e.satellites, e.latency_100us, e.jitter_100us, e.cn0_cdbhz,
    e.slips, e.multipath_100um, e.frames, e.bad_frames
FROM station_epochs AS e LEFT JOIN names AS n ON n.name_key = e.reason_codes
WHERE e.station_key = (SELECT station_key FROM stations WHERE id = %(id)s)
    AND e.epoch_us >= %(start_us)s AND e.epoch_us < %(end_us)s
ORDER BY e.epoch_us LIMIT %(limit)s;

-- name: station_figures
SELECT time_us, horizon_expected, horizon_have, mask_expected, mask_have, expected_100ppm, usable_100ppm,
    usable_systems, slips_a_million, cn0_loss_cdb, roti_100utecu_min, clock_step_ms, clock_step_at_us,
    east_mm, north_mm, up_mm, east_sd_mm, north_sd_mm, up_sd_mm
FROM station_figures
WHERE station_key = (SELECT station_key FROM stations WHERE id = %(id)s)
    AND time_us >= %(start_us)s AND time_us < %(end_us)s
ORDER BY time_us LIMIT %(limit)s;

-- name: station_periods
SELECT begin_us, end_us, payload
FROM station_periods
WHERE station_key = (SELECT station_key FROM stations WHERE id = %(id)s)
    AND begin_us > %(after_us)s AND begin_us < %(end_us)s AND end_us > %(start_us)s
ORDER BY begin_us LIMIT %(limit)s;

-- name: latest_columns
SELECT s.id, l.epoch_us, l.received_at_us, l.state, l.score, n.names, l.reasons, l.epochs, l.epochs_expected,
    l.observations, l.observations_expected, l.satellites, l.latency_100us, l.jitter_100us, l.cn0_cdbhz,
    l.slips, l.multipath_100um, l.frames, l.bad_frames
FROM stations AS s JOIN station_latest AS l USING (station_key)
LEFT JOIN names AS n ON n.name_key = l.reason_codes
WHERE s.id = ANY(%(ids)s);
