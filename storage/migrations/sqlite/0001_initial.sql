-- Ids are kept once and numbered; rows of the large tables carry the number. Times are microseconds of UTC.

CREATE TABLE stations (
    station_key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    definition TEXT,               -- JSON; NULL: known from its stream only
    streamed_at_us INTEGER,
    streamed_longitude REAL,
    streamed_latitude REAL,
    streamed_height_m REAL
);

CREATE TABLE things (
    id TEXT PRIMARY KEY,
    definition TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE observed_properties (
    id TEXT PRIMARY KEY,
    definition TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE datastreams (
    datastream_key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    thing_id TEXT,
    definition TEXT                -- JSON; NULL: known from its samples only
);
CREATE INDEX datastreams_by_thing ON datastreams (thing_id, id);

-- Names that repeat in rows: lists of quality tests, lists of reason codes.
CREATE TABLE names (
    name_key INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE     -- JSON array of strings
);

CREATE TABLE station_epochs (
    station_key INTEGER NOT NULL,
    epoch_us INTEGER NOT NULL,
    received_at_us INTEGER,
    state INTEGER NOT NULL,        -- 0 good, 1 unknown, 2 degraded, 3 bad
    score INTEGER,
    reason_codes INTEGER,          -- names.name_key; NULL: no reasons
    reasons BLOB,                  -- MessagePack, in the order of reason_codes
    epochs INTEGER NOT NULL,
    epochs_expected INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    observations_expected INTEGER,
    satellites INTEGER NOT NULL,
    latency_100us INTEGER,
    jitter_100us INTEGER,
    cn0_cdbhz INTEGER,
    slips INTEGER NOT NULL,
    multipath_100um INTEGER,
    frames INTEGER NOT NULL,
    bad_frames INTEGER NOT NULL,
    PRIMARY KEY (station_key, epoch_us)
) WITHOUT ROWID;

CREATE TABLE station_latest (
    station_key INTEGER PRIMARY KEY,
    epoch_us INTEGER NOT NULL,
    state INTEGER NOT NULL,
    report BLOB NOT NULL
);

CREATE TABLE samples (
    datastream_key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    value REAL,                    -- NULL: the sender said that there is none
    received_at_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    flag INTEGER NOT NULL,
    tests INTEGER NOT NULL,        -- names.name_key
    test_flags NOT NULL,           -- up to 15 tests: 4 bits each, the first lowest; more: one byte each
    PRIMARY KEY (datastream_key, time_us)
) WITHOUT ROWID;

CREATE TABLE datastream_latest (
    datastream_key INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL
);

CREATE TABLE detections (
    detector TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    onset_us INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    phase TEXT NOT NULL,
    historic INTEGER NOT NULL,
    detected_at_us INTEGER NOT NULL,
    detection BLOB NOT NULL,
    UNIQUE (detector, subject_id, onset_us, at_us, phase)
);
CREATE INDEX detections_by_time ON detections (detected_at_us);

CREATE TABLE alert_transitions (
    alert_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    transition BLOB NOT NULL,
    PRIMARY KEY (alert_id, number)
) WITHOUT ROWID;

CREATE TABLE alerts (
    alert_id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    level TEXT NOT NULL,
    opened_at_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX alerts_by_opening ON alerts (opened_at_us, alert_id);
CREATE INDEX alerts_not_closed ON alerts (opened_at_us, alert_id) WHERE state <> 'closed';

CREATE TABLE deliveries (
    webhook_id TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_us INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',    -- pending, delivered, given_up
    delivered_at_us INTEGER,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (webhook_id, alert_id, number)
) WITHOUT ROWID;
CREATE INDEX deliveries_pending ON deliveries (webhook_id, alert_id, number) WHERE state = 'pending';
CREATE INDEX deliveries_given_up ON deliveries (webhook_id) WHERE state = 'given_up';

CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL,
    command BLOB NOT NULL,
    ok INTEGER,
    message TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX commands_by_time ON commands (at_us);

CREATE TABLE snapshots (
    processor TEXT NOT NULL,
    number INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    PRIMARY KEY (processor, number)
);

CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    message BLOB NOT NULL
);

CREATE TABLE raw_objects (
    object_key INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    length INTEGER NOT NULL DEFAULT 0,
    unfinished INTEGER NOT NULL
);
CREATE INDEX raw_objects_unfinished ON raw_objects (path) WHERE unfinished;

CREATE TABLE raw_segments (
    station_id TEXT NOT NULL,
    slot_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    object_key INTEGER NOT NULL REFERENCES raw_objects (object_key),
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    size INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (station_id, slot_us, position)
) WITHOUT ROWID;
