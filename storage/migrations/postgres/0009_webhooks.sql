-- Webhooks that are not sent to until a person says so; when what is delivered happened, and refusals of it.

CREATE TABLE webhooks (
    webhook_id text COLLATE "C" PRIMARY KEY,
    state text COLLATE "C" NOT NULL,    -- active, disabled
    at_us bigint NOT NULL,
    reason text COLLATE "C" NOT NULL
);

ALTER TABLE deliveries ADD COLUMN at_us bigint NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN refusals integer NOT NULL DEFAULT 0;
UPDATE deliveries SET at_us = coalesce(delivered_at_us, next_attempt_us);
CREATE INDEX deliveries_by_time ON deliveries (webhook_id, at_us, alert_id, number);
