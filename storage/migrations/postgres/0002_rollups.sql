-- Sums of reports and samples by minute, hour and day. `level` is 0, 1, 2 for them, -1 for the rows themselves;
-- `kind` is 0 for reports, 1 for samples. A bucket that a mark covers is not to be believed: it is made anew, in
-- the background, from the level below it, and until then questions read that level.

CREATE TABLE rollup_marks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind smallint NOT NULL,
    level smallint NOT NULL,
    begin_us bigint NOT NULL,
    end_us bigint NOT NULL,
    marked_at_us bigint NOT NULL,
    done_key integer NOT NULL DEFAULT 0,    -- up to this one the work is done
    keys integer[]                          -- of stations or datastreams; NULL: all
);
CREATE INDEX rollup_marks_by_span ON rollup_marks (kind, level, begin_us, end_us);

-- What lies before is no longer stored at this level, and nothing can be made of it any more.
CREATE TABLE rollup_floors (
    kind smallint NOT NULL,
    level smallint NOT NULL,
    before_us bigint NOT NULL,
    PRIMARY KEY (kind, level)
);

CREATE TABLE station_minutes (
    begin_us bigint NOT NULL,
    observations bigint NOT NULL,
    observations_expected bigint,
    latency_sum_100us bigint,
    jitter_sum_100us bigint,
    cn0_sum_cdbhz bigint,
    slips bigint NOT NULL,
    multipath_squares double precision,     -- sum of squares of 0.1 mm
    frames bigint NOT NULL,
    bad_frames bigint NOT NULL,
    score_sum bigint,
    station_key integer NOT NULL,
    reports integer NOT NULL,
    epochs integer NOT NULL,
    epochs_expected integer NOT NULL,
    latency_n integer NOT NULL,
    latency_max_100us integer,
    latency_median_100us integer,
    latency_p95_100us integer,
    jitter_n integer NOT NULL,
    cn0_n integer NOT NULL,
    multipath_n integer NOT NULL,
    score_n integer NOT NULL,
    good_s integer NOT NULL,                -- seconds with a report of this state
    unknown_s integer NOT NULL,
    degraded_s integer NOT NULL,
    bad_s integer NOT NULL,
    score_min smallint,
    state smallint NOT NULL,                -- the worst
    reasons text COLLATE "C",               -- JSON: reports by names.name_key of their codes
    latencies bytea,                        -- all of them in order, as differences (storage/sql/latencies.py)
    PRIMARY KEY (station_key, begin_us)
) PARTITION BY RANGE (begin_us);
CREATE TABLE station_minutes_other PARTITION OF station_minutes DEFAULT;
CREATE TABLE station_hours (LIKE station_minutes INCLUDING ALL) PARTITION BY RANGE (begin_us);
CREATE TABLE station_hours_other PARTITION OF station_hours DEFAULT;
CREATE TABLE station_days (LIKE station_minutes INCLUDING ALL) PARTITION BY RANGE (begin_us);
CREATE TABLE station_days_other PARTITION OF station_days DEFAULT;

CREATE TABLE sample_minutes (
    begin_us bigint NOT NULL,
    good_sum double precision,              -- good: flag 1
    good_min double precision,
    good_max double precision,
    good_last double precision,
    any_sum double precision,
    any_min double precision,
    any_max double precision,
    any_last double precision,
    datastream_key integer NOT NULL,
    good_n integer NOT NULL,
    any_n integer NOT NULL,
    flags text COLLATE "C" NOT NULL,        -- JSON: samples by overall flag
    PRIMARY KEY (datastream_key, begin_us)
) PARTITION BY RANGE (begin_us);
CREATE TABLE sample_minutes_other PARTITION OF sample_minutes DEFAULT;
CREATE TABLE sample_hours (LIKE sample_minutes INCLUDING ALL) PARTITION BY RANGE (begin_us);
CREATE TABLE sample_hours_other PARTITION OF sample_hours DEFAULT;
CREATE TABLE sample_days (LIKE sample_minutes INCLUDING ALL) PARTITION BY RANGE (begin_us);
CREATE TABLE sample_days_other PARTITION OF sample_days DEFAULT;

-- The newest report as it was made, MessagePack: a page that shows all takes it as it is. NULL: see the columns.
ALTER TABLE station_latest ADD COLUMN report bytea;
ALTER TABLE station_latest ALTER COLUMN report SET STORAGE MAIN;

-- As it was written: to make text of jsonb costs as much as all else of a list of stations.
ALTER TABLE stations ALTER COLUMN definition TYPE text USING definition::text;

-- What is stored already is to be summed up: a mark for each partition that holds something.
DO $$
DECLARE
    part record;
    first_us bigint;
    last_us bigint;
    filled boolean;
BEGIN
    FOR part IN
        SELECT c.relname::text AS name, t.kind, t.name AS parent, t.time
        FROM (VALUES (0, 'station_epochs', 'epoch_us'), (1, 'samples', 'time_us')) AS t (kind, name, time)
        JOIN pg_inherits AS i ON i.inhparent = t.name::regclass
        JOIN pg_class AS c ON c.oid = i.inhrelid
    LOOP
        IF part.name ~ '_[0-9]{8}$' THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I)', part.name) INTO filled;
            CONTINUE WHEN NOT filled;
            first_us := (to_date(right(part.name, 8), 'YYYYMMDD') - date '1970-01-01') * 86400000000::bigint;
            last_us := first_us + 86400000000;
        ELSE
            EXECUTE format(
                'SELECT min(%1$I) / 60000000 * 60000000, max(%1$I) / 60000000 * 60000000 + 60000000 FROM %2$I '
                'WHERE %1$I >= 0 AND %1$I < 7258118400000000', part.time, part.name
            ) INTO first_us, last_us;
            CONTINUE WHEN first_us IS NULL;
        END IF;
        INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us)
        VALUES (part.kind, 0, first_us, last_us, 0);
    END LOOP;
END $$;
