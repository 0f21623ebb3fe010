-- name: put_call
INSERT INTO calls (call_id, alert_id, at_us, deadline_us, call_order)
VALUES (:call_id, :alert_id, :at_us, :deadline_us, :call_order)
ON CONFLICT DO NOTHING;

-- name: put_call_alert
INSERT INTO call_alerts (alert_id, call_id) VALUES (:alert_id, :call_id) ON CONFLICT DO NOTHING;

-- name: withdraw_call
UPDATE calls SET is_withdrawn = TRUE WHERE call_id = :call_id;

-- name: put_call_receipt
INSERT INTO call_receipts (call_id, state, at_us, receipt) VALUES (:call_id, :state, :at_us, :receipt)
ON CONFLICT DO NOTHING;

-- name: put_call_answer
INSERT INTO call_answers (alert_id, turn, step, person, purpose, called_us, at_us, answer)
VALUES (:alert_id, :turn, :step, :person, :purpose, :called_us, :at_us, :answer)
ON CONFLICT (alert_id, turn, step, person, purpose) DO UPDATE
SET called_us = excluded.called_us, at_us = excluded.at_us, answer = excluded.answer
WHERE excluded.at_us >= call_answers.at_us;

-- name: due_calls
SELECT call_order FROM calls AS c
WHERE c.deadline_us > :now_us AND NOT c.is_withdrawn
    AND NOT EXISTS (SELECT 1 FROM call_receipts AS r WHERE r.call_id = c.call_id)
ORDER BY c.at_us, c.call_id LIMIT :limit;

-- name: call
SELECT call_order FROM calls WHERE call_id = :call_id;

-- name: calls_of_alert
SELECT c.call_order, c.is_withdrawn FROM call_alerts AS a JOIN calls AS c USING (call_id)
WHERE a.alert_id = :alert_id ORDER BY c.at_us, c.call_id;

-- name: receipts_of_alert
SELECT r.receipt FROM call_alerts AS a JOIN call_receipts AS r USING (call_id)
WHERE a.alert_id = :alert_id ORDER BY r.at_us, r.call_id, r.state;

-- name: answers_of_alert
SELECT answer FROM call_answers WHERE alert_id = :alert_id ORDER BY called_us, step, person, turn;

-- name: answers
SELECT answer FROM call_answers WHERE called_us >= :start_us AND called_us < :end_us
ORDER BY called_us DESC, alert_id LIMIT :limit;

-- name: drop_call_receipts
DELETE FROM call_receipts WHERE call_id IN (SELECT call_id FROM calls WHERE alert_id = :alert_id);

-- name: drop_call_alerts
DELETE FROM call_alerts WHERE alert_id = :alert_id;

-- name: drop_calls
DELETE FROM calls WHERE alert_id = :alert_id;

-- name: drop_call_answers
DELETE FROM call_answers WHERE alert_id = :alert_id;
