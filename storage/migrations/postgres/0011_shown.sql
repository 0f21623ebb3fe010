-- What other programs may ask of the database itself (docs/grafana.md): plain units, times as timestamptz, and
-- places of stations as coarse as the API tells them to everybody. Functions and not views: their bodies name
-- tables when they run, so that none of them stands in the way of a change of a table, and whoever calls them
-- needs no right on any. Whoever has USAGE on the schema may call all of them; nobody has it from the start.

CREATE SCHEMA shown;

CREATE TABLE shown.settings (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    station_decimals smallint NOT NULL DEFAULT 2 CHECK (station_decimals BETWEEN 0 AND 9)   -- of degrees
);
INSERT INTO shown.settings DEFAULT VALUES;

CREATE FUNCTION shown.us(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT (extract(epoch FROM at) * 1000000)::bigint';

CREATE FUNCTION shown.at(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT timestamptz '1970-01-01 00:00:00+00' + us * interval '1 microsecond' $$;

-- The way down to the region of an id, as `streams.regions.region_of` has it; `here`: it is of none below.
CREATE FUNCTION shown.region(id text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN strpos(id, ':') = 0 THEN 'here' ELSE regexp_replace(id, ':[^:]*$', '') END $$;

-- The first fields of a record that was packed as a MessagePack map: numbers, texts, truths, up to the first
-- field that is none of these. A text with a NUL, which PostgreSQL cannot hold, is null.
CREATE FUNCTION shown.facts(record bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    head bytea := substring(record FROM 1 FOR 8000);
    room integer := length(head);
    place integer := 1;
    mark integer;
    size integer;
    piece bytea;
    digits text;
    name text;
    value jsonb;
    found jsonb := '{}';
BEGIN
    IF room = 0 THEN
        RETURN found;
    END IF;
    mark := get_byte(head, 0);
    IF mark = 222 THEN
        place := 3;
    ELSIF mark NOT BETWEEN 128 AND 143 THEN
        RETURN found;
    END IF;
    WHILE place < room LOOP
        mark := get_byte(head, place);
        place := place + 1;
        size := CASE
            WHEN mark BETWEEN 160 AND 191 THEN mark - 160
            WHEN mark BETWEEN 217 AND 218 THEN 0
            WHEN mark BETWEEN 204 AND 207 THEN 1 << (mark - 204)
            WHEN mark BETWEEN 208 AND 211 THEN 1 << (mark - 208)
            WHEN mark < 128 OR mark >= 224 OR mark IN (192, 194, 195) THEN 0
        END;
        EXIT WHEN size IS NULL OR place + size > room OR (mark BETWEEN 217 AND 218 AND place + 2 > room);
        IF mark = 217 THEN
            size := get_byte(head, place);
            place := place + 1;
        ELSIF mark = 218 THEN
            size := get_byte(head, place) * 256 + get_byte(head, place + 1);
            place := place + 2;
        END IF;
        EXIT WHEN place + size > room;
        piece := substring(head FROM place + 1 FOR size);
        place := place + size;
        IF mark BETWEEN 160 AND 191 OR mark BETWEEN 217 AND 218 THEN
            IF position('\x00'::bytea IN piece) > 0 THEN
                value := 'null';
            ELSE
                value := to_jsonb(convert_from(piece, 'UTF8'));
            END IF;
        ELSIF mark BETWEEN 204 AND 211 THEN
            digits := CASE WHEN mark >= 208 AND get_byte(piece, 0) >= 128 THEN 'f' ELSE '0' END;
            value := to_jsonb(('x' || lpad(encode(piece, 'hex'), 16, digits))::bit(64)::bigint);
        ELSIF mark < 128 THEN
            value := to_jsonb(mark);
        ELSIF mark >= 224 THEN
            value := to_jsonb(mark - 256);
        ELSE
            value := CASE mark WHEN 192 THEN 'null'::jsonb WHEN 194 THEN 'false' ELSE 'true' END;
        END IF;
        IF name IS NULL THEN
            name := value #>> '{}';
            EXIT WHEN name IS NULL;
        ELSE
            found := found || jsonb_build_object(name, value);
            name := NULL;
        END IF;
    END LOOP;
    RETURN found;
END $$;

-- All stations as they are now.
CREATE FUNCTION shown.stations() RETURNS TABLE (
    id text, name text, region text, longitude double precision, latitude double precision, is_paused boolean,
    "time" timestamptz, state text, score integer, reasons text, completeness double precision,
    latency_s double precision, cn0_dbhz double precision, multipath_m double precision, satellites integer
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.id, coalesce(s.definition::jsonb ->> 'name', s.id), shown.region(s.id),
        round(ST_X(s.position)::numeric, o.station_decimals)::double precision,
        round(ST_Y(s.position)::numeric, o.station_decimals)::double precision,
        coalesce((s.definition::jsonb ->> 'paused')::boolean, false), shown.at(l.epoch_us),
        (ARRAY['good', 'unknown', 'degraded', 'bad'])[coalesce(l.state, 1) + 1], l.score::integer,
        coalesce((SELECT string_agg(code, ', ') FROM jsonb_array_elements_text(n.names::jsonb) AS r (code)), ''),
        l.epochs::double precision / nullif(l.epochs_expected, 0), l.latency_100us / 1e4::double precision,
        l.cn0_cdbhz / 1e2::double precision, l.multipath_100um / 1e4::double precision, l.satellites::integer
    FROM stations AS s CROSS JOIN shown.settings AS o
    LEFT JOIN station_latest AS l USING (station_key)
    LEFT JOIN names AS n ON n.name_key = l.reason_codes
    WHERE NOT EXISTS (SELECT 1 FROM objects AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_gone)
        AND NOT EXISTS (
            SELECT 1 FROM descriptions AS g WHERE g.kind = 'station' AND g.id = s.id AND g.is_deleted
        )
    ORDER BY coalesce(l.state, 1) DESC, l.score, s.id
$$;

-- Seconds of all stations of a region by state. The buckets are hours, of steps from a day on they are days.
CREATE FUNCTION shown.network(begins timestamptz, ends timestamptz, step_ms double precision) RETURNS TABLE (
    "time" timestamptz, region text, good_s bigint, degraded_s bigint, bad_s bigint, unknown_s bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(r.begin_us), shown.region(s.id), sum(r.good_s), sum(r.degraded_s), sum(r.bad_s), sum(r.unknown_s)
    FROM stations AS s JOIN (
        SELECT h.station_key, h.begin_us, h.good_s, h.degraded_s, h.bad_s, h.unknown_s FROM station_hours AS h
        WHERE step_ms < 86400000 AND h.begin_us >= shown.us(begins) AND h.begin_us < shown.us(ends)
        UNION ALL
        SELECT d.station_key, d.begin_us, d.good_s, d.degraded_s, d.bad_s, d.unknown_s FROM station_days AS d
        WHERE step_ms >= 86400000 AND d.begin_us >= shown.us(begins) AND d.begin_us < shown.us(ends)
    ) AS r USING (station_key)
    GROUP BY r.begin_us, shown.region(s.id) ORDER BY 1, 2
$$;

-- One station over time: its reports, or sums of them by minute, hour or day, as long as a step is or shorter.
CREATE FUNCTION shown.station(station text, begins timestamptz, ends timestamptz, step_ms double precision)
RETURNS TABLE (
    "time" timestamptz, score double precision, score_min integer, completeness double precision,
    signals double precision, latency_s double precision, latency_p95_s double precision, jitter_s double precision,
    cn0_dbhz double precision, slips bigint, multipath_m double precision, good_s integer, degraded_s integer,
    bad_s integer, unknown_s integer
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(e.epoch_us), e.score::double precision, e.score::integer,
        e.epochs::double precision / nullif(e.epochs_expected, 0), e.observations::double precision,
        e.latency_100us / 1e4::double precision, e.latency_100us / 1e4::double precision,
        e.jitter_100us / 1e4::double precision, e.cn0_cdbhz / 1e2::double precision, e.slips::bigint,
        e.multipath_100um / 1e4::double precision, (e.state = 0)::integer, (e.state = 2)::integer,
        (e.state = 3)::integer, (e.state = 1)::integer
    FROM station_epochs AS e
    WHERE step_ms < 60000 AND e.station_key = (SELECT s.station_key FROM stations AS s WHERE s.id = station)
        AND e.epoch_us >= shown.us(begins) AND e.epoch_us < shown.us(ends)
    UNION ALL
    SELECT shown.at(r.begin_us), r.score_sum::double precision / nullif(r.score_n, 0), r.score_min::integer,
        r.epochs::double precision / nullif(r.epochs_expected, 0),
        r.observations::double precision / nullif(r.epochs, 0),
        r.latency_sum_100us / 1e4::double precision / nullif(r.latency_n, 0),
        r.latency_p95_100us / 1e4::double precision,
        r.jitter_sum_100us / 1e4::double precision / nullif(r.jitter_n, 0),
        r.cn0_sum_cdbhz / 1e2::double precision / nullif(r.cn0_n, 0), r.slips,
        sqrt(r.multipath_squares / nullif(r.multipath_n, 0)) / 1e4, r.good_s, r.degraded_s, r.bad_s, r.unknown_s
    FROM (
        SELECT * FROM station_minutes AS m
        WHERE step_ms >= 60000 AND step_ms < 3600000
            AND m.station_key = (SELECT s.station_key FROM stations AS s WHERE s.id = station)
            AND m.begin_us >= shown.us(begins) AND m.begin_us < shown.us(ends)
        UNION ALL
        SELECT * FROM station_hours AS h
        WHERE step_ms >= 3600000 AND step_ms < 86400000
            AND h.station_key = (SELECT s.station_key FROM stations AS s WHERE s.id = station)
            AND h.begin_us >= shown.us(begins) AND h.begin_us < shown.us(ends)
        UNION ALL
        SELECT * FROM station_days AS d
        WHERE step_ms >= 86400000
            AND d.station_key = (SELECT s.station_key FROM stations AS s WHERE s.id = station)
            AND d.begin_us >= shown.us(begins) AND d.begin_us < shown.us(ends)
    ) AS r
    ORDER BY 1 LIMIT 100000
$$;

-- What is worked out of a station once a minute.
CREATE FUNCTION shown.station_figures(station text, begins timestamptz, ends timestamptz) RETURNS TABLE (
    "time" timestamptz, expected_share double precision, usable_share double precision,
    slips_a_thousand double precision, cn0_loss_db double precision, roti_tecu_min double precision,
    east_m double precision, north_m double precision, up_m double precision
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(f.time_us), f.expected_100ppm / 1e4::double precision, f.usable_100ppm / 1e4::double precision,
        f.slips_a_million / 1e3::double precision, f.cn0_loss_cdb / 1e2::double precision,
        f.roti_100utecu_min / 1e4::double precision, f.east_mm / 1e3::double precision,
        f.north_mm / 1e3::double precision, f.up_mm / 1e3::double precision
    FROM station_figures AS f
    WHERE f.station_key = (SELECT s.station_key FROM stations AS s WHERE s.id = station)
        AND f.time_us >= shown.us(begins) AND f.time_us < shown.us(ends)
    ORDER BY 1 LIMIT 100000
$$;

-- All series of sensors with what came last, and what their values may be: beyond `fail_*` none can be, beyond
-- `suspect_*` none is credible.
CREATE FUNCTION shown.datastreams() RETURNS TABLE (
    id text, name text, region text, thing_id text, thing text, longitude double precision,
    latitude double precision, property text, unit text, "time" timestamptz, value double precision,
    flag integer, fail_low double precision, suspect_low double precision, suspect_high double precision,
    fail_high double precision
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.id, d.definition ->> 'name', shown.region(d.id), d.thing_id,
        coalesce(t.definition ->> 'name', d.thing_id), ST_X(t.position), ST_Y(t.position),
        d.definition ->> 'property_id', d.definition ->> 'unit', shown.at(s.time_us), s.value, s.flag::integer,
        (g.limits #>> '{span,0}')::double precision, (g.limits #>> '{user_span,0}')::double precision,
        (g.limits #>> '{user_span,1}')::double precision, (g.limits #>> '{span,1}')::double precision
    FROM datastreams AS d LEFT JOIN things AS t ON t.id = d.thing_id
    LEFT JOIN observed_properties AS p ON p.id = d.definition ->> 'property_id'
    LEFT JOIN datastream_latest AS l USING (datastream_key)
    LEFT JOIN LATERAL (
        SELECT s.time_us, s.value, s.flag FROM samples AS s
        WHERE s.datastream_key = l.datastream_key AND s.time_us >= l.time_us
        ORDER BY s.time_us DESC LIMIT 1
    ) AS s ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.definition #>> '{tests,gross_range,off}' = 'true' THEN NULL ELSE
            jsonb_strip_nulls(jsonb_build_object(
                'span', p.definition -> 'span', 'user_span', p.definition -> 'user_span'
            ))
            || coalesce(p.definition #> '{tests,gross_range}', '{}')
            || coalesce(d.definition #> '{tests,gross_range}', '{}')
        END AS limits
    ) AS g
    WHERE d.definition IS NOT NULL
    ORDER BY d.id
$$;

-- One series over time: samples by their flag (1 pass, 2 not evaluated, 3 suspect, 4 fail), or sums by minute,
-- hour or day: then `good` is the mean of those with flag 1, and all others stand in `low` and `high` alone.
CREATE FUNCTION shown.samples(datastream text, begins timestamptz, ends timestamptz, step_ms double precision)
RETURNS TABLE (
    "time" timestamptz, good double precision, unevaluated double precision, suspect double precision,
    failed double precision, low double precision, high double precision
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(v.time_us), CASE WHEN v.flag = 1 THEN v.value END, CASE WHEN v.flag = 2 THEN v.value END,
        CASE WHEN v.flag = 3 THEN v.value END, CASE WHEN v.flag = 4 THEN v.value END, v.value, v.value
    FROM samples AS v
    WHERE step_ms < 60000
        AND v.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
        AND v.time_us >= shown.us(begins) AND v.time_us < shown.us(ends)
    UNION ALL
    SELECT shown.at(r.begin_us), r.good_sum / nullif(r.good_n, 0), NULL, NULL, NULL, r.any_min, r.any_max
    FROM (
        SELECT m.begin_us, m.good_sum, m.good_n, m.any_min, m.any_max FROM sample_minutes AS m
        WHERE step_ms >= 60000 AND step_ms < 3600000
            AND m.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
            AND m.begin_us >= shown.us(begins) AND m.begin_us < shown.us(ends)
        UNION ALL
        SELECT h.begin_us, h.good_sum, h.good_n, h.any_min, h.any_max FROM sample_hours AS h
        WHERE step_ms >= 3600000 AND step_ms < 86400000
            AND h.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
            AND h.begin_us >= shown.us(begins) AND h.begin_us < shown.us(ends)
        UNION ALL
        SELECT y.begin_us, y.good_sum, y.good_n, y.any_min, y.any_max FROM sample_days AS y
        WHERE step_ms >= 86400000
            AND y.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
            AND y.begin_us >= shown.us(begins) AND y.begin_us < shown.us(ends)
    ) AS r
    ORDER BY 1 LIMIT 100000
$$;

-- How many samples of a series got which flag: by minute, by hour for steps from ten minutes on, then by day.
CREATE FUNCTION shown.flags(datastream text, begins timestamptz, ends timestamptz, step_ms double precision)
RETURNS TABLE (
    "time" timestamptz, passed integer, unevaluated integer, suspect integer, failed integer, missing integer
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(r.begin_us), coalesce((f ->> '1')::integer, 0), coalesce((f ->> '2')::integer, 0),
        coalesce((f ->> '3')::integer, 0), coalesce((f ->> '4')::integer, 0), coalesce((f ->> '9')::integer, 0)
    FROM (
        SELECT m.begin_us, m.flags FROM sample_minutes AS m
        WHERE step_ms < 600000
            AND m.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
            AND m.begin_us >= shown.us(begins) AND m.begin_us < shown.us(ends)
        UNION ALL
        SELECT h.begin_us, h.flags FROM sample_hours AS h
        WHERE step_ms >= 600000 AND step_ms < 86400000
            AND h.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
            AND h.begin_us >= shown.us(begins) AND h.begin_us < shown.us(ends)
        UNION ALL
        SELECT y.begin_us, y.flags FROM sample_days AS y
        WHERE step_ms >= 86400000
            AND y.datastream_key = (SELECT d.datastream_key FROM datastreams AS d WHERE d.id = datastream)
            AND y.begin_us >= shown.us(begins) AND y.begin_us < shown.us(ends)
    ) AS r CROSS JOIN LATERAL (SELECT r.flags::jsonb) AS j (f)
    ORDER BY 1 LIMIT 100000
$$;

-- What detectors found, the newest last.
CREATE FUNCTION shown.detections(begins timestamptz, ends timestamptz) RETURNS TABLE (
    "time" timestamptz, detector text, subject_id text, region text, phase text, is_historic boolean,
    onset timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT * FROM (
        SELECT shown.at(d.at_us), d.detector, d.subject_id, shown.region(d.subject_id), d.phase, d.historic,
            shown.at(d.onset_us)
        FROM detections AS d
        WHERE d.detected_at_us >= shown.us(begins) AND d.detected_at_us < shown.us(ends)
        ORDER BY d.detected_at_us DESC LIMIT 2000
    ) AS newest ORDER BY 1
$$;

-- Alerts that were opened in the time, and all that are not closed; the newest first. `answered` is when somebody
-- acknowledged one for the first time.
CREATE FUNCTION shown.alerts(begins timestamptz, ends timestamptz) RETURNS TABLE (
    "time" timestamptz, alert_id text, region text, level text, state text, rule text, subject_id text,
    title text, onset timestamptz, answered timestamptz, ended timestamptz, answer_s double precision
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(a.opened_at_us), a.alert_id, shown.region(a.alert_id), a.level, a.state, f ->> 'rule',
        f ->> 'subject_id', f ->> 'title', shown.at((f ->> 'onset_us')::bigint), shown.at(n.answered_us),
        shown.at((f ->> 'ended_at_us')::bigint), (n.answered_us - a.opened_at_us) / 1e6::double precision
    FROM (
        SELECT * FROM alerts AS a
        WHERE a.state <> 'closed' OR (a.opened_at_us >= shown.us(begins) AND a.opened_at_us < shown.us(ends))
        ORDER BY a.opened_at_us DESC, a.alert_id LIMIT 2000
    ) AS a
    JOIN alert_transitions AS t USING (alert_id, number)
    CROSS JOIN LATERAL shown.facts(t.transition) AS f
    LEFT JOIN LATERAL (
        SELECT min((g ->> 'at_us')::bigint) AS answered_us
        FROM alert_transitions AS s CROSS JOIN LATERAL shown.facts(s.transition) AS g
        WHERE s.alert_id = a.alert_id AND s.number > 1 AND g ->> 'change' = 'acknowledged'
    ) AS n ON true
    ORDER BY a.opened_at_us DESC, a.alert_id
$$;

-- How people who were called answered; nobody is named.
CREATE FUNCTION shown.answers(begins timestamptz, ends timestamptz) RETURNS TABLE (
    "time" timestamptz, alert_id text, region text, site text, level text, purpose text, step integer,
    answer text, answer_s double precision, is_in_time boolean
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT shown.at(c.called_us), c.alert_id, shown.region(c.alert_id), f ->> 'site', f ->> 'level', c.purpose, c.step,
        f ->> 'answer',
        CASE WHEN f ->> 'answer' <> 'unreachable' THEN (c.at_us - c.called_us) / 1e6::double precision END,
        f ->> 'answer' <> 'unreachable' AND c.at_us <= (f ->> 'deadline_us')::bigint
    FROM (
        SELECT * FROM call_answers AS c
        WHERE c.called_us >= shown.us(begins) AND c.called_us < shown.us(ends)
        ORDER BY c.called_us DESC LIMIT 10000
    ) AS c CROSS JOIN LATERAL shown.facts(c.answer) AS f
    ORDER BY 1
$$;

-- Webhooks, and what waits for them.
CREATE FUNCTION shown.webhooks() RETURNS TABLE (
    webhook_id text, state text, pending bigint, given_up bigint, oldest timestamptz, reason text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT webhook_id, coalesce(w.state, 'active'), coalesce(d.pending, 0), coalesce(d.given_up, 0),
        shown.at(d.oldest_us), coalesce(w.reason, '')
    FROM webhooks AS w FULL JOIN (
        SELECT d.webhook_id, count(*) FILTER (WHERE d.state = 'pending') AS pending,
            count(*) FILTER (WHERE d.state = 'given_up') AS given_up,
            min(d.at_us) FILTER (WHERE d.state = 'pending') AS oldest_us
        FROM deliveries AS d WHERE d.state = 'pending' OR d.state = 'given_up' GROUP BY 1
    ) AS d USING (webhook_id)
    ORDER BY 1
$$;
