-- name: stations
SELECT s.id, s.definition, s.streamed_longitude, s.streamed_latitude, s.streamed_height_m, l.report,
    f.time_us, f.horizon_expected, f.horizon_have, f.mask_expected, f.mask_have, f.expected_100ppm,
    f.usable_100ppm, f.usable_systems, f.slips_a_million, f.cn0_loss_cdb, f.roti_100utecu_min,
    f.clock_step_ms, f.clock_step_at_us, f.east_mm, f.north_mm, f.up_mm, f.east_sd_mm, f.north_sd_mm,
    f.up_sd_mm
FROM stations AS s LEFT JOIN station_latest AS l USING (station_key)
LEFT JOIN station_figures_latest AS f USING (station_key)
WHERE s.id > :after AND (:state IS NULL OR coalesce(l.state, 1) = :state)
    AND NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )
ORDER BY s.id LIMIT :limit;

-- name: station
SELECT s.id, s.definition, s.streamed_longitude, s.streamed_latitude, s.streamed_height_m, l.report,
    f.time_us, f.horizon_expected, f.horizon_have, f.mask_expected, f.mask_have, f.expected_100ppm,
    f.usable_100ppm, f.usable_systems, f.slips_a_million, f.cn0_loss_cdb, f.roti_100utecu_min,
    f.clock_step_ms, f.clock_step_at_us, f.east_mm, f.north_mm, f.up_mm, f.east_sd_mm, f.north_sd_mm,
    f.up_sd_mm
FROM stations AS s LEFT JOIN station_latest AS l USING (station_key)
LEFT JOIN station_figures_latest AS f USING (station_key)
WHERE s.id = :id;

-- name: station_reports
SELECT e.epoch_us, e.received_at_us, e.state, e.score, n.names, e.reasons, e.epochs, e.epochs_expected,
    e.observations, e.observations_expected, e.satellites, e.latency_100us, e.jitter_100us, e.cn0_cdbhz,
    e.slips, e.multipath_100um, e.frames, e.bad_frames
FROM {SELECT epoch_us, received_at_us, state, score, reason_codes, reasons, epochs, epochs_expected,
        observations, observations_expected, satellites, latency_100us, jitter_100us, cn0_cdbhz, slips,
        multipath_100um, frames, bad_frames
    FROM EVERY station_epochs
    WHERE station_key = (SELECT station_key FROM stations WHERE id = :id)
        AND epoch_us >= :start_us AND epoch_us < :end_us} AS e
LEFT JOIN names AS n ON n.name_key = e.reason_codes
ORDER BY e.epoch_us LIMIT :limit;

-- name: station_figures
SELECT * FROM {SELECT time_us, horizon_expected, horizon_have, mask_expected, mask_have, expected_100ppm,
        usable_100ppm, usable_systems, slips_a_million, cn0_loss_cdb, roti_100utecu_min, clock_step_ms,
        clock_step_at_us, east_mm, north_mm, up_mm, east_sd_mm, north_sd_mm, up_sd_mm
    FROM EVERY station_figures
    WHERE station_key = (SELECT station_key FROM stations WHERE id = :id)
        AND time_us >= :start_us AND time_us < :end_us}
ORDER BY time_us LIMIT :limit;

-- name: station_periods
SELECT begin_us, end_us, payload
FROM station_periods
WHERE station_key = (SELECT station_key FROM stations WHERE id = :id)
    AND begin_us > :after_us AND begin_us < :end_us AND end_us > :start_us
ORDER BY begin_us LIMIT :limit;

-- name: station_places
SELECT s.id, s.definition, s.streamed_longitude, s.streamed_latitude, s.streamed_height_m
FROM stations AS s
WHERE NOT EXISTS (SELECT 1 FROM objects AS o WHERE o.kind = 'station' AND o.id = s.id AND o.is_gone)
    AND NOT EXISTS (
        SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
    )
ORDER BY s.id;
