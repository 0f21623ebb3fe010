-- name: put_kept_session
INSERT INTO kept_sessions (
    caster, number, account, mountpoint, agent, version, begun_us, at_us, is_over, n_bytes, n_epochs,
    sentences, fixed, floating, decimals, begin_longitude, begin_latitude, longitude, latitude
) VALUES (
    %(caster)s, %(number)s, %(account)s, %(mountpoint)s, %(agent)s, %(version)s, %(begun_us)s,
    %(at_us)s, %(is_over)s, %(n_bytes)s, %(n_epochs)s, %(sentences)s, %(fixed)s, %(floating)s,
    %(decimals)s, %(begin_longitude)s, %(begin_latitude)s, %(longitude)s, %(latitude)s
) ON CONFLICT (caster, number) DO UPDATE SET
    at_us = excluded.at_us, is_over = excluded.is_over, n_bytes = excluded.n_bytes, n_epochs = excluded.n_epochs,
    sentences = excluded.sentences, fixed = excluded.fixed, floating = excluded.floating,
    decimals = excluded.decimals, begin_longitude = excluded.begin_longitude,
    begin_latitude = excluded.begin_latitude, longitude = excluded.longitude, latitude = excluded.latitude
WHERE excluded.at_us >= kept_sessions.at_us;

-- name: put_session_leg
INSERT INTO session_legs (caster, number, since_us, base, reason, longitude, latitude)
VALUES (%(caster)s, %(number)s, %(since_us)s, %(base)s, %(reason)s, %(longitude)s, %(latitude)s)
ON CONFLICT DO NOTHING;

-- name: kept_sessions
SELECT
    s.caster, s.number, s.account, s.mountpoint, s.agent, s.version, s.begun_us, s.at_us, s.is_over,
    s.n_bytes, s.n_epochs, s.sentences, s.fixed, s.floating, s.decimals, s.begin_longitude,
    s.begin_latitude, s.longitude, s.latitude
FROM kept_sessions AS s
WHERE (s.begun_us, s.caster, s.number) < (%(before_us)s::bigint, %(before_caster)s::text, %(before_number)s::bigint)
    AND s.begun_us < %(end_us)s::bigint AND s.at_us >= %(start_us)s::bigint
    AND (%(account)s::text IS NULL OR s.account = %(account)s)
    AND (%(mountpoint)s::text IS NULL OR s.mountpoint = %(mountpoint)s)
    AND (%(base)s::text IS NULL OR EXISTS (
        SELECT 1 FROM session_legs AS l
        WHERE l.base = %(base)s AND l.caster = s.caster AND l.number = s.number
    ))
ORDER BY s.begun_us DESC, s.caster DESC, s.number DESC LIMIT %(limit)s;

-- name: legs_of_sessions
SELECT caster, number, since_us, base, reason, longitude, latitude FROM session_legs
WHERE (caster, number) IN (
    SELECT value->>0, (value->>1)::bigint FROM jsonb_array_elements(%(keys)s::jsonb) AS value
)
ORDER BY caster, number, since_us;

-- name: expired_sessions
SELECT caster, number FROM kept_sessions WHERE at_us < %(before_us)s LIMIT %(limit)s;

-- name: drop_session_legs
DELETE FROM session_legs WHERE caster = %(caster)s AND number = %(number)s;

-- name: drop_kept_session
DELETE FROM kept_sessions WHERE caster = %(caster)s AND number = %(number)s;

-- name: coarsen_session_legs
UPDATE session_legs SET
    longitude = CASE WHEN %(decimals)s::int < 0 THEN NULL ELSE round(longitude::numeric, %(decimals)s::int)::float8 END,
    latitude = CASE WHEN %(decimals)s::int < 0 THEN NULL ELSE round(latitude::numeric, %(decimals)s::int)::float8 END
WHERE (caster, number) IN (SELECT caster, number FROM kept_sessions WHERE decimals > %(decimals)s::int);

-- name: coarsen_kept_sessions
UPDATE kept_sessions SET
    decimals = %(decimals)s::int,
    begin_longitude = CASE WHEN %(decimals)s::int < 0 THEN NULL ELSE round(begin_longitude::numeric, %(decimals)s::int)::float8 END,
    begin_latitude = CASE WHEN %(decimals)s::int < 0 THEN NULL ELSE round(begin_latitude::numeric, %(decimals)s::int)::float8 END,
    longitude = CASE WHEN %(decimals)s::int < 0 THEN NULL ELSE round(longitude::numeric, %(decimals)s::int)::float8 END,
    latitude = CASE WHEN %(decimals)s::int < 0 THEN NULL ELSE round(latitude::numeric, %(decimals)s::int)::float8 END
WHERE decimals > %(decimals)s::int;
