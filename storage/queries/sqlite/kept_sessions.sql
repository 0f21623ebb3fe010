-- name: put_kept_session
INSERT INTO kept_sessions (
    caster, number, account, mountpoint, agent, version, begun_us, at_us, is_over, n_bytes, n_epochs,
    sentences, fixed, floating, decimals, begin_longitude, begin_latitude, longitude, latitude
) VALUES (
    :caster, :number, :account, :mountpoint, :agent, :version, :begun_us, :at_us, :is_over, :n_bytes,
    :n_epochs, :sentences, :fixed, :floating, :decimals, :begin_longitude, :begin_latitude, :longitude,
    :latitude
) ON CONFLICT (caster, number) DO UPDATE SET
    at_us = excluded.at_us, is_over = excluded.is_over, n_bytes = excluded.n_bytes, n_epochs = excluded.n_epochs,
    sentences = excluded.sentences, fixed = excluded.fixed, floating = excluded.floating,
    decimals = excluded.decimals, begin_longitude = excluded.begin_longitude,
    begin_latitude = excluded.begin_latitude, longitude = excluded.longitude, latitude = excluded.latitude
WHERE excluded.at_us >= kept_sessions.at_us;

-- name: put_session_leg
INSERT INTO session_legs (caster, number, since_us, base, reason, longitude, latitude)
VALUES (:caster, :number, :since_us, :base, :reason, :longitude, :latitude)
ON CONFLICT DO NOTHING;

-- name: kept_sessions
SELECT
    s.caster, s.number, s.account, s.mountpoint, s.agent, s.version, s.begun_us, s.at_us, s.is_over,
    s.n_bytes, s.n_epochs, s.sentences, s.fixed, s.floating, s.decimals, s.begin_longitude,
    s.begin_latitude, s.longitude, s.latitude
FROM kept_sessions AS s
WHERE (s.begun_us, s.caster, s.number) < (:before_us, :before_caster, :before_number)
    AND s.begun_us < :end_us AND s.at_us >= :start_us
    AND (:account IS NULL OR s.account = :account)
    AND (:mountpoint IS NULL OR s.mountpoint = :mountpoint)
    AND (:base IS NULL OR EXISTS (
        SELECT 1 FROM session_legs AS l
        WHERE l.base = :base AND l.caster = s.caster AND l.number = s.number
    ))
ORDER BY s.begun_us DESC, s.caster DESC, s.number DESC LIMIT :limit;

-- name: legs_of_sessions
SELECT caster, number, since_us, base, reason, longitude, latitude FROM session_legs
WHERE (caster, number) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys)
)
ORDER BY caster, number, since_us;

-- name: expired_sessions
SELECT caster, number FROM kept_sessions WHERE at_us < :before_us LIMIT :limit;

-- name: drop_session_legs
DELETE FROM session_legs WHERE caster = :caster AND number = :number;

-- name: drop_kept_session
DELETE FROM kept_sessions WHERE caster = :caster AND number = :number;

-- name: coarsen_session_legs
UPDATE session_legs SET
    longitude = CASE WHEN :decimals < 0 THEN NULL ELSE round(longitude, :decimals) END,
    latitude = CASE WHEN :decimals < 0 THEN NULL ELSE round(latitude, :decimals) END
WHERE (caster, number) IN (SELECT caster, number FROM kept_sessions WHERE decimals > :decimals);

-- name: coarsen_kept_sessions
UPDATE kept_sessions SET
    decimals = :decimals,
    begin_longitude = CASE WHEN :decimals < 0 THEN NULL ELSE round(begin_longitude, :decimals) END,
    begin_latitude = CASE WHEN :decimals < 0 THEN NULL ELSE round(begin_latitude, :decimals) END,
    longitude = CASE WHEN :decimals < 0 THEN NULL ELSE round(longitude, :decimals) END,
    latitude = CASE WHEN :decimals < 0 THEN NULL ELSE round(latitude, :decimals) END
WHERE decimals > :decimals;
