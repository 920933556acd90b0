-- Deliveries to others, and the news of the revocation log that they are made from.

CREATE TABLE outbox (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    destination TEXT NOT NULL,
    payload BLOB NOT NULL,
    dedupe TEXT NOT NULL,
    created_at REAL NOT NULL,
    -- When it is due, or until when the worker that holds `lease` has it to itself.
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease TEXT,
    state TEXT NOT NULL,
    last_error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX outbox_once ON outbox (kind, destination, dedupe);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';

-- Each entry until it was translated: in the log itself a later entry on the same axis and value replaces it, and beyond an
-- account's quota its sessions share one.
CREATE TABLE revocation_news (
    position INTEGER NOT NULL PRIMARY KEY,
    axis TEXT NOT NULL,
    value TEXT NOT NULL,
    spares TEXT,
    cause TEXT NOT NULL,
    account_id TEXT,
    at REAL NOT NULL
) STRICT;
