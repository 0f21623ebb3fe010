-- What a station shows over minutes rather than seconds. NULL: it was not known.

CREATE TABLE station_figures (
    station_key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    horizon_expected INTEGER,      -- signals above the horizon, by ephemeris
    horizon_have INTEGER,
    mask_expected INTEGER,         -- above the mask
    mask_have INTEGER,
    expected_100ppm INTEGER,       -- share of those above the mask over the window
    usable_100ppm INTEGER,         -- share of usable epochs
    usable_systems TEXT NOT NULL,  -- RINEX letters
    slips_a_million INTEGER,       -- observations
    cn0_loss_cdb INTEGER,
    roti_100utecu_min INTEGER,
    clock_step_ms INTEGER,         -- the last one
    clock_step_at_us INTEGER,
    east_mm INTEGER,
    north_mm INTEGER,
    up_mm INTEGER,
    east_sd_mm INTEGER,
    north_sd_mm INTEGER,
    up_sd_mm INTEGER,
    PRIMARY KEY (station_key, time_us)
) WITHOUT ROWID;
