-- Everything the port needs, on SQLite. Times are epoch seconds, lists and mappings are JSON text.

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    username TEXT,
    username_key TEXT UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    permissions TEXT NOT NULL,
    tenant TEXT,
    email_verified INTEGER NOT NULL,
    created_at REAL NOT NULL,
    password_changed_at REAL NOT NULL,
    disabled_at REAL,
    -- The last cut-off on the account axis that ends families. Kept for good, so that no login of old, however late,
    -- is recorded after it.
    cut_off INTEGER NOT NULL DEFAULT 0,
    cut_off_spares TEXT,
    cut_off_floor INTEGER NOT NULL DEFAULT 0,
    -- When that was; NULL once the sweep found no more sessions it ended.
    cut_off_at REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_to_sweep ON accounts (cut_off_at) WHERE cut_off_at IS NOT NULL;

CREATE TABLE sessions (
    sid TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    client_id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    device TEXT NOT NULL,
    created_at REAL NOT NULL,
    auth_time REAL NOT NULL,
    amr TEXT NOT NULL,
    expires_at REAL NOT NULL,
    ended_at REAL,
    end_reason TEXT,
    -- When the sweep looks at the row next. A refresh leaves it alone: a row found to be alive then is put off, so
    -- that no index has to follow every refresh.
    due_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account_id, created_at);
CREATE INDEX sessions_due ON sessions (due_at);

-- One row a family, whatever the number of refreshes; one family a session.
CREATE TABLE families (
    id TEXT NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL UNIQUE REFERENCES sessions (sid) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    resource TEXT,
    sender_key TEXT,
    delivery TEXT NOT NULL,
    salt BLOB NOT NULL,
    key_id TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    rotated_at REAL NOT NULL,
    device_kind TEXT NOT NULL,
    place TEXT NOT NULL,
    odd_count INTEGER NOT NULL DEFAULT 0,
    odd_marked INTEGER NOT NULL DEFAULT 0,
    refresh_count INTEGER NOT NULL DEFAULT 0,
    idle_expires_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    revoked_at REAL,
    revoked_reason TEXT
) STRICT, WITHOUT ROWID;

-- The log of cut-offs. One row an axis and value is alive; a row that a later one replaced keeps its place and chain
-- (axis '' and value ''), so that a cursor on it is still known, until it expires.
CREATE TABLE revocations (
    position INTEGER NOT NULL PRIMARY KEY,
    axis TEXT NOT NULL,
    value TEXT NOT NULL,
    spares TEXT,
    floor INTEGER NOT NULL,
    at REAL NOT NULL,
    expires_at REAL NOT NULL,
    cause TEXT NOT NULL,
    -- Whose session it ends, on the session axis: for the quota.
    account_id TEXT,
    chain BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX revocations_alive ON revocations (axis, value) WHERE axis <> '';
CREATE INDEX revocations_by_account ON revocations (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

CREATE TABLE revocation_head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL,
    chain BLOB NOT NULL,
    -- Highest position of a row deleted from family_cutoffs: logins from older views are refused.
    forgotten INTEGER NOT NULL
) STRICT;
INSERT INTO revocation_head VALUES (1, lower(hex(randomblob(16))), 0, zeroblob(32), 0);

-- Cut-offs that end families, on the axes client, tenant and everything (the account's own is in its row).
CREATE TABLE family_cutoffs (
    axis TEXT NOT NULL,
    value TEXT NOT NULL,
    position INTEGER NOT NULL,
    spares TEXT,
    floor INTEGER NOT NULL,
    -- When no access token older than it can be alive.
    settled_at REAL NOT NULL,
    PRIMARY KEY (axis, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE lifetimes (
    token_class TEXT NOT NULL PRIMARY KEY,
    seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    public_jwk BLOB NOT NULL,
    sealed BLOB NOT NULL,
    created_at REAL NOT NULL,
    activated_at REAL,
    retired_at REAL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (purpose, algorithm) WHERE state = 'active';

CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    user_agent TEXT,
    account_id TEXT,
    sid TEXT,
    client_id TEXT,
    reason TEXT,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_account ON audit (account_id, id) WHERE account_id IS NOT NULL;
CREATE TRIGGER audit_keeps_lines BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_keeps_all BEFORE DELETE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
-- REPLACE deletes without firing a DELETE trigger.
CREATE TRIGGER audit_keeps_ids BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id)
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;

CREATE TABLE notices (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    detail TEXT NOT NULL,
    read_at REAL
) STRICT;
CREATE INDEX notices_unread ON notices (account_id, id) WHERE read_at IS NULL;
CREATE INDEX notices_read ON notices (read_at) WHERE read_at IS NOT NULL;

CREATE TABLE failures (
    name TEXT NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL,
    window_ends_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX failures_over ON failures (window_ends_at);
