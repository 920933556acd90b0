-- Clients, sign-ons, authorizations, codes and opaque tokens. Times are epoch seconds, lists are JSON text; documents
-- that the store does not read are bytea. Secrets are kept as digests. The acts are in the next step.

CREATE TABLE clients (
    client_id text COLLATE "C" NOT NULL PRIMARY KEY,
    origin text NOT NULL,
    metadata bytea NOT NULL,
    secret_digests text NOT NULL,
    sealed_secret bytea,
    registration_digest bytea,
    tenant text COLLATE "C",
    created_at double precision NOT NULL,
    updated_at double precision NOT NULL,
    disabled_at double precision
);

CREATE TABLE registration_tokens (
    digest bytea NOT NULL PRIMARY KEY,
    uses bigint NOT NULL,
    expires_at double precision NOT NULL
);

CREATE TABLE sign_ons (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id),
    rev bigint NOT NULL,
    device text NOT NULL,
    place text NOT NULL,
    created_at double precision NOT NULL,
    auth_time double precision NOT NULL,
    amr text NOT NULL,
    acr text,
    last_used_at double precision NOT NULL,
    idle_expires_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    ended_at double precision,
    -- When the sweep looks at the row next, as for sessions.
    due_at double precision NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sign_ons_by_account ON sign_ons (account_id, created_at);
CREATE INDEX sign_ons_due ON sign_ons (due_at);

CREATE TABLE authorizations (
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id),
    client_id text COLLATE "C" NOT NULL,
    scope text NOT NULL,
    resource text NOT NULL,
    details bytea NOT NULL,
    granted_at double precision NOT NULL,
    updated_at double precision NOT NULL,
    PRIMARY KEY (account_id, client_id)
);
CREATE INDEX authorizations_by_client ON authorizations (client_id);

CREATE TABLE codes (
    digest bytea NOT NULL PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    sign_on text COLLATE "C" NOT NULL,
    rev bigint NOT NULL,
    terms bytea NOT NULL,
    expires_at double precision NOT NULL,
    used_at double precision,
    -- The session it gave tokens of.
    sid text COLLATE "C"
);
CREATE INDEX codes_by_expiry ON codes (expires_at);
CREATE INDEX codes_by_account ON codes (account_id, client_id);

CREATE TABLE device_codes (
    digest bytea NOT NULL PRIMARY KEY,
    -- NULL once it may belong to another.
    user_code text COLLATE "C" UNIQUE,
    client_id text COLLATE "C" NOT NULL,
    request bytea NOT NULL,
    poll_interval bigint NOT NULL,
    expires_at double precision NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    polled_at double precision,
    terms bytea NOT NULL DEFAULT '',
    account_id text COLLATE "C",
    sign_on text COLLATE "C",
    rev bigint
);
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);
CREATE INDEX device_codes_by_account ON device_codes (account_id, client_id) WHERE account_id IS NOT NULL;

CREATE TABLE pushed_requests (
    digest bytea NOT NULL PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL,
    request bytea NOT NULL,
    expires_at double precision NOT NULL,
    used_at double precision
);
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);

CREATE TABLE opaque_tokens (
    digest bytea NOT NULL,
    jti text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C",
    sid text COLLATE "C",
    tenant text COLLATE "C",
    rev bigint NOT NULL,
    claims bytea NOT NULL,
    expires_at double precision NOT NULL
);
CREATE UNIQUE INDEX opaque_tokens_by_digest ON opaque_tokens (digest);
CREATE INDEX opaque_tokens_by_expiry ON opaque_tokens (expires_at);

CREATE TABLE replays (
    digest bytea NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    expires_at double precision NOT NULL,
    PRIMARY KEY (digest, purpose)
);
CREATE INDEX replays_by_expiry ON replays (expires_at);

CREATE TABLE profiles (
    account_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    profile bytea NOT NULL
);
