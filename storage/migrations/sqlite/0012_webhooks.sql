-- Webhooks that are not sent to until a person says so; when what is delivered happened, and refusals of it.

CREATE TABLE webhooks (
    webhook_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,    -- active, disabled
    at_us INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

ALTER TABLE deliveries ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET at_us = coalesce(delivered_at_us, next_attempt_us);
CREATE INDEX deliveries_by_time ON deliveries (webhook_id, at_us, alert_id, number);
