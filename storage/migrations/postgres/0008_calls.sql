-- Who was to be reached about alerts, what channels and people said of it, and how it ended with each person.

CREATE TABLE calls (
    call_id text COLLATE "C" NOT NULL PRIMARY KEY,
    alert_id text COLLATE "C" NOT NULL,     -- the alert that began the calling
    at_us bigint NOT NULL,
    deadline_us bigint NOT NULL,
    is_withdrawn boolean NOT NULL DEFAULT false,
    call_order bytea NOT NULL
);
CREATE INDEX calls_by_deadline ON calls (deadline_us);
CREATE INDEX calls_by_alert ON calls (alert_id);

CREATE TABLE call_alerts (                  -- all alerts that a call is about
    alert_id text COLLATE "C" NOT NULL,
    call_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (alert_id, call_id)
);

CREATE TABLE call_receipts (
    call_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    receipt bytea NOT NULL,
    PRIMARY KEY (call_id, state)
);

CREATE TABLE call_answers (
    alert_id text COLLATE "C" NOT NULL,
    turn integer NOT NULL,
    step integer NOT NULL,
    person text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    called_us bigint NOT NULL,
    at_us bigint NOT NULL,
    answer bytea NOT NULL,
    PRIMARY KEY (alert_id, turn, step, person, purpose)
);
CREATE INDEX call_answers_by_time ON call_answers (called_us);
