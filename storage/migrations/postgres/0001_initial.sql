-- Ids are kept once and numbered; rows of the large tables carry the number. Texts are ordered by their bytes,
-- as everywhere else in the program. Times are microseconds of UTC since 1970 as bigint and not timestamptz:
-- the program counts in them, a window is a division, and no session's time zone can get in between.
-- to_timestamp(epoch_us / 1e6) shows them to a person.

CREATE TABLE stations (
    station_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    definition jsonb,                       -- NULL: known from its stream only
    streamed_at_us bigint,
    streamed geometry(PointZ, 4490),        -- what the stream says; its height is ellipsoidal
    registered geometry(PointZ, 4490),      -- what the registry says
    registered_datum text,                  -- of its height; NULL: the height is not known, and z is 0
    position geometry(PointZ, 4490) GENERATED ALWAYS AS (coalesce(registered, streamed)) STORED,
    height_datum text GENERATED ALWAYS AS (
        CASE WHEN registered IS NOT NULL THEN registered_datum
            WHEN streamed IS NOT NULL THEN 'ellipsoidal' END
    ) STORED
);
CREATE INDEX stations_by_position ON stations USING gist (position);

CREATE TABLE things (
    id text COLLATE "C" PRIMARY KEY,
    definition jsonb NOT NULL,
    position geometry(PointZ, 4490) NOT NULL,
    height_datum text                       -- NULL: the height is not known, and z is 0
);
CREATE INDEX things_by_position ON things USING gist (position);

CREATE TABLE observed_properties (
    id text COLLATE "C" PRIMARY KEY,
    definition jsonb NOT NULL
);

CREATE TABLE datastreams (
    datastream_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    thing_id text COLLATE "C",
    definition jsonb                        -- NULL: known from its samples only
);
CREATE INDEX datastreams_by_thing ON datastreams (thing_id, id);

-- Names that repeat in rows: lists of quality tests, lists of reason codes.
CREATE TABLE names (
    name_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    names text COLLATE "C" NOT NULL UNIQUE  -- JSON array of strings
);

-- The large tables are partitioned by time, so that what is too old is dropped and not deleted. Wide columns
-- stand first: no byte is lost to alignment. Each has one index, its key.

CREATE TABLE station_epochs (
    epoch_us bigint NOT NULL,
    received_at_us bigint,
    station_key integer NOT NULL,
    reason_codes integer,                   -- names.name_key; NULL: no reasons
    observations integer NOT NULL,
    observations_expected integer,
    latency_100us integer,
    jitter_100us integer,
    slips integer NOT NULL,
    multipath_100um integer,
    frames integer NOT NULL,
    bad_frames integer NOT NULL,
    cn0_cdbhz smallint,
    state smallint NOT NULL,                -- 0 good, 1 unknown, 2 degraded, 3 bad
    score smallint,
    epochs smallint NOT NULL,
    epochs_expected smallint NOT NULL,
    satellites smallint NOT NULL,
    reasons bytea,                          -- MessagePack, in the order of reason_codes
    PRIMARY KEY (station_key, epoch_us)
) PARTITION BY RANGE (epoch_us);
CREATE TABLE station_epochs_other PARTITION OF station_epochs DEFAULT;

CREATE TABLE station_figures (
    time_us bigint NOT NULL,
    clock_step_at_us bigint,
    station_key integer NOT NULL,
    horizon_expected integer,               -- signals above the horizon, by ephemeris
    horizon_have integer,
    mask_expected integer,                  -- above the mask
    mask_have integer,
    slips_a_million integer,                -- observations
    roti_100utecu_min integer,
    clock_step_ms integer,                  -- the last one
    east_mm integer,
    north_mm integer,
    up_mm integer,
    east_sd_mm integer,
    north_sd_mm integer,
    up_sd_mm integer,
    expected_100ppm smallint,               -- share of those above the mask over the window
    usable_100ppm smallint,                 -- share of usable epochs
    cn0_loss_cdb smallint,
    usable_systems text NOT NULL,           -- RINEX letters
    PRIMARY KEY (station_key, time_us)
) PARTITION BY RANGE (time_us);
CREATE TABLE station_figures_other PARTITION OF station_figures DEFAULT;

CREATE TABLE station_periods (
    begin_us bigint NOT NULL,
    end_us bigint NOT NULL,
    station_key integer NOT NULL,
    payload bytea NOT NULL,                 -- zstd of a gnss.quality.period.StationPeriod
    PRIMARY KEY (station_key, begin_us)
) PARTITION BY RANGE (begin_us);
ALTER TABLE station_periods ALTER COLUMN payload SET STORAGE EXTERNAL;  -- it is compressed
CREATE TABLE station_periods_other PARTITION OF station_periods DEFAULT;

CREATE TABLE samples (
    time_us bigint NOT NULL,
    received_at_us bigint NOT NULL,
    value double precision,                 -- NULL: the sender said that there is none
    datastream_key integer NOT NULL,
    tests integer NOT NULL,                 -- names.name_key
    revision smallint NOT NULL,
    flag smallint NOT NULL,
    test_flags bytea NOT NULL,              -- 4 bits a test, the first in the lower half of the first byte
    PRIMARY KEY (datastream_key, time_us)
) PARTITION BY RANGE (time_us);
CREATE TABLE samples_other PARTITION OF samples DEFAULT;

-- The newest of each, for pages that show all. Half of each block is left free, so that an update stays in
-- its block and touches no index.

CREATE TABLE station_latest (
    epoch_us bigint NOT NULL,
    received_at_us bigint,
    station_key integer PRIMARY KEY,
    reason_codes integer,
    observations integer NOT NULL,
    observations_expected integer,
    latency_100us integer,
    jitter_100us integer,
    slips integer NOT NULL,
    multipath_100um integer,
    frames integer NOT NULL,
    bad_frames integer NOT NULL,
    cn0_cdbhz smallint,
    state smallint NOT NULL,
    score smallint,
    epochs smallint NOT NULL,
    epochs_expected smallint NOT NULL,
    satellites smallint NOT NULL,
    reasons bytea
) WITH (fillfactor = 50);

CREATE TABLE station_figures_latest (
    time_us bigint NOT NULL,
    clock_step_at_us bigint,
    station_key integer PRIMARY KEY,
    horizon_expected integer,
    horizon_have integer,
    mask_expected integer,
    mask_have integer,
    slips_a_million integer,
    roti_100utecu_min integer,
    clock_step_ms integer,
    east_mm integer,
    north_mm integer,
    up_mm integer,
    east_sd_mm integer,
    north_sd_mm integer,
    up_sd_mm integer,
    expected_100ppm smallint,
    usable_100ppm smallint,
    cn0_loss_cdb smallint,
    usable_systems text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE datastream_latest (
    time_us bigint NOT NULL,
    datastream_key integer PRIMARY KEY
) WITH (fillfactor = 50);

-- Findings and transitions are MessagePack, exactly as they were made; what is searched stands beside it.

CREATE TABLE detections (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detector text COLLATE "C" NOT NULL,
    subject_id text COLLATE "C" NOT NULL,
    onset_us bigint NOT NULL,
    at_us bigint NOT NULL,
    phase text COLLATE "C" NOT NULL,
    historic boolean NOT NULL,
    detected_at_us bigint NOT NULL,
    detection bytea NOT NULL,
    UNIQUE (detector, subject_id, onset_us, at_us, phase)
);
CREATE INDEX detections_by_time ON detections (detected_at_us, number);

CREATE TABLE alert_transitions (
    alert_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    transition bytea NOT NULL,
    PRIMARY KEY (alert_id, number)
);

CREATE TABLE alerts (
    alert_id text COLLATE "C" PRIMARY KEY,
    number integer NOT NULL,
    state text COLLATE "C" NOT NULL,
    level text COLLATE "C" NOT NULL,
    opened_at_us bigint NOT NULL
);
CREATE INDEX alerts_by_opening ON alerts (opened_at_us, alert_id);
CREATE INDEX alerts_not_closed ON alerts (opened_at_us, alert_id) WHERE state <> 'closed';

CREATE TABLE deliveries (
    webhook_id text COLLATE "C" NOT NULL,
    alert_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_us bigint NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'pending',    -- pending, delivered, given_up
    delivered_at_us bigint,
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (webhook_id, alert_id, number)
);
CREATE INDEX deliveries_pending ON deliveries (webhook_id, alert_id, number) WHERE state = 'pending';
CREATE INDEX deliveries_given_up ON deliveries (webhook_id) WHERE state = 'given_up';

CREATE TABLE commands (
    id text COLLATE "C" PRIMARY KEY,
    at_us bigint NOT NULL,
    command bytea NOT NULL,
    ok boolean,
    message text NOT NULL DEFAULT ''
);
CREATE INDEX commands_by_time ON commands (at_us, id);

CREATE TABLE snapshots (
    processor text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    chunk bytea NOT NULL,
    PRIMARY KEY (processor, number)
);

CREATE TABLE journal (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message bytea NOT NULL
);

-- How far the messages of a broker were taken into this database.
CREATE TABLE consumed (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE raw_objects (
    object_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text COLLATE "C" NOT NULL UNIQUE,
    length bigint NOT NULL DEFAULT 0,
    unfinished boolean NOT NULL
);
CREATE INDEX raw_objects_unfinished ON raw_objects (path) WHERE unfinished;

CREATE TABLE raw_segments (
    station_id text COLLATE "C" NOT NULL,
    slot_us bigint NOT NULL,
    position bigint NOT NULL,
    start_us bigint NOT NULL,
    end_us bigint NOT NULL,
    "offset" bigint NOT NULL,
    length bigint NOT NULL,
    size bigint NOT NULL,
    object_key integer NOT NULL REFERENCES raw_objects (object_key),
    chunks integer NOT NULL,
    sha256 bytea NOT NULL,
    PRIMARY KEY (station_id, slot_us, position)
);
