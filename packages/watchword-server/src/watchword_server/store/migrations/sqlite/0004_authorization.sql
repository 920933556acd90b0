-- Clients, sign-ons, authorizations, codes and opaque tokens. Times are epoch seconds, lists are JSON text; documents
-- that the store does not read are BLOBs. Secrets are kept as digests.

CREATE TABLE clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,
    metadata BLOB NOT NULL,
    secret_digests TEXT NOT NULL,
    sealed_secret BLOB,
    registration_digest BLOB,
    tenant TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    disabled_at REAL
) STRICT;

CREATE TABLE registration_tokens (
    digest BLOB NOT NULL PRIMARY KEY,
    uses INTEGER NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_ons (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    rev INTEGER NOT NULL,
    device TEXT NOT NULL,
    place TEXT NOT NULL,
    created_at REAL NOT NULL,
    auth_time REAL NOT NULL,
    amr TEXT NOT NULL,
    acr TEXT,
    last_used_at REAL NOT NULL,
    idle_expires_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    ended_at REAL,
    -- When the sweep looks at the row next, as for sessions.
    due_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ons_by_account ON sign_ons (account_id, created_at);
CREATE INDEX sign_ons_due ON sign_ons (due_at);

CREATE TABLE authorizations (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    resource TEXT NOT NULL,
    details BLOB NOT NULL,
    granted_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    PRIMARY KEY (account_id, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX authorizations_by_client ON authorizations (client_id);

CREATE TABLE codes (
    digest BLOB NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    sign_on TEXT NOT NULL,
    rev INTEGER NOT NULL,
    terms BLOB NOT NULL,
    expires_at REAL NOT NULL,
    used_at REAL,
    -- The session it gave tokens of.
    sid TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_expiry ON codes (expires_at);
CREATE INDEX codes_by_account ON codes (account_id, client_id);

CREATE TABLE device_codes (
    digest BLOB NOT NULL PRIMARY KEY,
    -- NULL once it may belong to another.
    user_code TEXT UNIQUE,
    client_id TEXT NOT NULL,
    request BLOB NOT NULL,
    poll_interval INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    polled_at REAL,
    terms BLOB NOT NULL DEFAULT x'',
    account_id TEXT,
    sign_on TEXT,
    rev INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);
CREATE INDEX device_codes_by_account ON device_codes (account_id, client_id) WHERE account_id IS NOT NULL;

CREATE TABLE pushed_requests (
    digest BLOB NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    request BLOB NOT NULL,
    expires_at REAL NOT NULL,
    used_at REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);

-- Rows in the order they came, so that a commit of many writes few pages; found by their digest's own index.
CREATE TABLE opaque_tokens (
    digest BLOB NOT NULL,
    jti TEXT NOT NULL,
    client_id TEXT NOT NULL,
    account_id TEXT,
    sid TEXT,
    tenant TEXT,
    rev INTEGER NOT NULL,
    claims BLOB NOT NULL,
    expires_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX opaque_tokens_by_digest ON opaque_tokens (digest);
CREATE INDEX opaque_tokens_by_expiry ON opaque_tokens (expires_at);

CREATE TABLE replays (
    digest BLOB NOT NULL,
    purpose TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (digest, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_by_expiry ON replays (expires_at);

CREATE TABLE profiles (
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    profile BLOB NOT NULL
) STRICT, WITHOUT ROWID;
