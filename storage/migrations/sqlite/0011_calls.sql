-- Who was to be reached about alerts, what channels and people said of it, and how it ended with each person.

CREATE TABLE calls (
    call_id TEXT NOT NULL PRIMARY KEY,
    alert_id TEXT NOT NULL,                 -- the alert that began the calling
    at_us INTEGER NOT NULL,
    deadline_us INTEGER NOT NULL,
    is_withdrawn INTEGER NOT NULL DEFAULT 0,
    call_order BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX calls_by_deadline ON calls (deadline_us);
CREATE INDEX calls_by_alert ON calls (alert_id);

CREATE TABLE call_alerts (                  -- all alerts that a call is about
    alert_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    PRIMARY KEY (alert_id, call_id)
) WITHOUT ROWID;

CREATE TABLE call_receipts (
    call_id TEXT NOT NULL,
    state TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (call_id, state)
) WITHOUT ROWID;

CREATE TABLE call_answers (
    alert_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    step INTEGER NOT NULL,
    person TEXT NOT NULL,
    purpose TEXT NOT NULL,
    called_us INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (alert_id, turn, step, person, purpose)
) WITHOUT ROWID;
CREATE INDEX call_answers_by_time ON call_answers (called_us);
