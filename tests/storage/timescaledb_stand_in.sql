-- Stands in for TimescaleDB in tests: the functions and views that this program uses, named and used as in its
-- manual (2.x). A hypertable is a plain table here, of which it is written down which chunks it would have;
-- "any" becomes bigint, a chunk is a text and not a table. ALTER TABLE ... SET (timescaledb.compress) cannot be
-- had without the library: see stand_in.compress.

CREATE SCHEMA stand_in;
CREATE SCHEMA timescaledb_information;

INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 9990001, 'timescaledb', 10, oid, false, '2.11.0' FROM pg_namespace WHERE nspname = 'public';

CREATE TABLE stand_in.hypertables (
    relation regclass PRIMARY KEY,
    time_column name NOT NULL,
    length_us bigint NOT NULL CHECK (length_us > 0),
    now_function regproc,
    segment_by text,
    order_by text,
    compress_after_us bigint
);
CREATE TABLE stand_in.chunks (
    relation regclass NOT NULL,
    begin_us bigint NOT NULL,
    end_us bigint NOT NULL,
    PRIMARY KEY (relation, begin_us)
);

CREATE VIEW timescaledb_information.hypertables AS
SELECT n.nspname AS hypertable_schema, c.relname AS hypertable_name, h.segment_by IS NOT NULL AS compression_enabled
FROM stand_in.hypertables AS h JOIN pg_class AS c ON c.oid = h.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace;

CREATE VIEW timescaledb_information.chunks AS
SELECT h.hypertable_schema, h.hypertable_name, c.begin_us::text AS chunk_name, c.begin_us AS range_start_integer,
    c.end_us AS range_end_integer, false AS is_compressed
FROM timescaledb_information.hypertables AS h
JOIN stand_in.chunks AS c ON c.relation = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass;

CREATE FUNCTION stand_in.make_chunks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    t bigint;
    length_us bigint;
    first_us bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM stand_in.chunks WHERE relation = TG_RELID;
        RETURN NULL;
    END IF;
    length_us := (SELECT h.length_us FROM stand_in.hypertables AS h WHERE h.relation = TG_RELID);
    LOOP
        EXECUTE format(
            'SELECT min(%1$I) FROM new_rows AS r WHERE NOT EXISTS (SELECT FROM stand_in.chunks AS c '
            'WHERE c.relation = %2$s AND r.%1$I >= c.begin_us AND r.%1$I < c.end_us)', TG_ARGV[0], TG_RELID
        ) INTO t;
        EXIT WHEN t IS NULL;
        first_us := floor(t::numeric / length_us) * length_us;
        -- a new chunk gives way to those that are there
        INSERT INTO stand_in.chunks SELECT
            TG_RELID,
            greatest(first_us, (SELECT max(end_us) FROM stand_in.chunks WHERE relation = TG_RELID AND end_us <= t)),
            least(first_us + length_us, (SELECT min(begin_us) FROM stand_in.chunks WHERE relation = TG_RELID AND begin_us > t));
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION create_hypertable(
    relation regclass, time_column_name name, partitioning_column name DEFAULT NULL, number_partitions integer DEFAULT NULL,
    associated_schema_name name DEFAULT NULL, associated_table_prefix name DEFAULT NULL,
    chunk_time_interval anyelement DEFAULT NULL::bigint, create_default_indexes boolean DEFAULT true,
    if_not_exists boolean DEFAULT false
) RETURNS TABLE (hypertable_id integer, schema_name name, table_name name, created boolean) LANGUAGE plpgsql AS $$
DECLARE
    is_filled boolean;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = relation) <> 'r' THEN
        RAISE EXCEPTION 'table "%" is already partitioned', relation;
    END IF;
    IF chunk_time_interval IS NULL OR pg_typeof(chunk_time_interval) <> 'bigint'::regtype THEN
        RAISE EXCEPTION 'integer dimensions require an explicit interval';
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO is_filled;
    IF is_filled THEN
        RAISE EXCEPTION 'table "%" is not empty', relation;
    END IF;
    IF EXISTS (
        SELECT FROM pg_index AS i WHERE i.indrelid = relation AND i.indisunique AND NOT EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = relation AND a.attname = time_column_name AND a.attnum = ANY(i.indkey)
        )
    ) THEN
        RAISE EXCEPTION 'cannot create a unique index without the column "%"', time_column_name;
    END IF;
    INSERT INTO stand_in.hypertables VALUES (relation, time_column_name, chunk_time_interval);
    EXECUTE format(
        'CREATE TRIGGER stand_in_chunks AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
        'FOR EACH STATEMENT EXECUTE FUNCTION stand_in.make_chunks(%L)', relation, time_column_name
    );
    EXECUTE format(
        'CREATE TRIGGER stand_in_truncated AFTER TRUNCATE ON %s '
        'FOR EACH STATEMENT EXECUTE FUNCTION stand_in.make_chunks()', relation
    );
    RETURN QUERY SELECT 1, 'public'::name, relation::text::name, true;
END $$;

CREATE FUNCTION set_chunk_time_interval(
    hypertable regclass, chunk_time_interval anyelement, dimension_name name DEFAULT NULL
) RETURNS void LANGUAGE sql AS
'UPDATE stand_in.hypertables SET length_us = chunk_time_interval WHERE relation = hypertable';

CREATE FUNCTION show_chunks(relation regclass, older_than bigint DEFAULT NULL, newer_than bigint DEFAULT NULL)
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s %s %s', c.relation::text, c.begin_us, c.end_us) FROM stand_in.chunks AS c
    WHERE c.relation = $1 AND (older_than IS NULL OR c.end_us <= older_than)
        AND (newer_than IS NULL OR c.begin_us >= newer_than)
$$;

CREATE FUNCTION approximate_row_count(chunk text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    part text[] := string_to_array(chunk, ' ');
    n bigint;
BEGIN
    EXECUTE format(
        'SELECT count(*) FROM %s WHERE %I >= %s AND %2$I < %4$s', part[1],
        (SELECT time_column FROM stand_in.hypertables AS h WHERE h.relation = part[1]::regclass), part[2], part[3]
    ) INTO n;
    RETURN n;
END $$;

CREATE FUNCTION drop_chunks(relation regclass, older_than bigint DEFAULT NULL, newer_than bigint DEFAULT NULL)
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    chunk text;
    part text[];
BEGIN
    IF older_than <= newer_than THEN
        RAISE EXCEPTION 'invalid time range';
    END IF;
    FOR chunk IN SELECT show_chunks($1, $2, $3) LOOP
        part := string_to_array(chunk, ' ');
        EXECUTE format(
            'DELETE FROM %s WHERE %I >= %s AND %2$I < %4$s', part[1],
            (SELECT time_column FROM stand_in.hypertables AS h WHERE h.relation = part[1]::regclass), part[2], part[3]
        );
        DELETE FROM stand_in.chunks AS c WHERE c.relation = part[1]::regclass AND c.begin_us = part[2]::bigint;
        RETURN NEXT chunk;
    END LOOP;
END $$;

CREATE FUNCTION set_integer_now_func(hypertable regclass, integer_now_func regproc, replace_if_exists boolean DEFAULT false)
RETURNS void LANGUAGE sql AS
'UPDATE stand_in.hypertables SET now_function = integer_now_func WHERE relation = hypertable';

CREATE FUNCTION stand_in.compress(hypertable regclass, segment text, ordered text) RETURNS void LANGUAGE sql AS
'UPDATE stand_in.hypertables SET segment_by = segment, order_by = ordered WHERE relation = hypertable';

CREATE FUNCTION add_compression_policy(hypertable regclass, compress_after bigint, if_not_exists boolean DEFAULT false)
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stand_in.hypertables SET compress_after_us = compress_after
    WHERE relation = hypertable AND segment_by IS NOT NULL AND now_function IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'compression not enabled on hypertable "%"', hypertable;
    END IF;
    RETURN 1;
END $$;
