-- Everything the port needs, on PostgreSQL 14 and later. Times are epoch seconds, lists and mappings are JSON text.
-- Keys compare by bytes (collation "C"), as on SQLite.

CREATE TABLE accounts (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    email text NOT NULL,
    email_key text COLLATE "C" NOT NULL UNIQUE,
    username text,
    username_key text COLLATE "C" UNIQUE,
    password_hash text NOT NULL,
    roles text NOT NULL,
    permissions text NOT NULL,
    tenant text COLLATE "C",
    email_verified boolean NOT NULL,
    created_at double precision NOT NULL,
    password_changed_at double precision NOT NULL,
    disabled_at double precision,
    -- The last cut-off on the account axis that ends families. Kept for good, so that no login of old, however late,
    -- is recorded after it; and in this row, which a login locks, so that the lock and the judgement are one.
    cut_off bigint NOT NULL DEFAULT 0,
    cut_off_spares text COLLATE "C",
    cut_off_floor bigint NOT NULL DEFAULT 0,
    -- When that was; NULL once the sweep found no more sessions it ended.
    cut_off_at double precision
);
CREATE INDEX accounts_to_sweep ON accounts (cut_off_at) WHERE cut_off_at IS NOT NULL;

CREATE TABLE sessions (
    sid text COLLATE "C" NOT NULL PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id),
    client_id text COLLATE "C" NOT NULL,
    rev bigint NOT NULL,
    device text NOT NULL,
    created_at double precision NOT NULL,
    auth_time double precision NOT NULL,
    amr text NOT NULL,
    expires_at double precision NOT NULL,
    ended_at double precision,
    end_reason text,
    -- When the sweep looks at the row next. A refresh leaves it alone: a row found to be alive then is put off, so
    -- that no index has to follow every refresh.
    due_at double precision NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id, created_at, sid);
CREATE INDEX sessions_due ON sessions (due_at);

-- One row a family, whatever the number of refreshes; one family a session. No column that a refresh writes is
-- indexed and pages keep room, so that a refresh stays within its page (heap-only tuples).
CREATE TABLE families (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    sid text COLLATE "C" NOT NULL UNIQUE REFERENCES sessions (sid) ON DELETE CASCADE,
    scope text NOT NULL,
    resource text,
    sender_key text,
    delivery text NOT NULL,
    salt bytea NOT NULL,
    key_id text NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    rotated_at double precision NOT NULL,
    device_kind text NOT NULL,
    place text NOT NULL,
    odd_count bigint NOT NULL DEFAULT 0,
    odd_marked boolean NOT NULL DEFAULT false,
    refresh_count bigint NOT NULL DEFAULT 0,
    idle_expires_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    revoked_at double precision,
    revoked_reason text
) WITH (fillfactor = 70);

-- The log of cut-offs. One row an axis and value is alive; a row that a later one replaced keeps its place and chain
-- (axis '' and value ''), so that a cursor on it is still known, until it expires.
CREATE TABLE revocations (
    position bigint NOT NULL PRIMARY KEY,
    axis text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    spares text COLLATE "C",
    floor bigint NOT NULL,
    at double precision NOT NULL,
    expires_at double precision NOT NULL,
    cause text NOT NULL,
    -- Whose session it ends, on the session axis: for the quota.
    account_id text COLLATE "C",
    chain bytea NOT NULL
);
CREATE UNIQUE INDEX revocations_alive ON revocations (axis, value) WHERE axis <> '';
CREATE INDEX revocations_by_account ON revocations (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

CREATE TABLE revocation_head (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch text NOT NULL,
    position bigint NOT NULL,
    chain bytea NOT NULL,
    -- Highest position of a row deleted from family_cutoffs: logins from older views are refused.
    forgotten bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO revocation_head VALUES (1, replace(gen_random_uuid()::text, '-', ''), 0, decode(repeat('00', 32), 'hex'), 0);

-- Cut-offs that end families, on the axes client, tenant and everything (the account's own is in its row).
CREATE TABLE family_cutoffs (
    axis text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    spares text COLLATE "C",
    floor bigint NOT NULL,
    -- When no access token older than it can be alive.
    settled_at double precision NOT NULL,
    PRIMARY KEY (axis, value)
);

CREATE TABLE lifetimes (
    token_class text COLLATE "C" NOT NULL PRIMARY KEY,
    seconds double precision NOT NULL
);

CREATE TABLE signing_keys (
    kid text COLLATE "C" NOT NULL PRIMARY KEY,
    purpose text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    public_jwk bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at double precision NOT NULL,
    activated_at double precision,
    retired_at double precision
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (purpose, algorithm) WHERE state = 'active';

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at double precision NOT NULL,
    event text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    address text,
    user_agent text,
    account_id text COLLATE "C",
    sid text,
    client_id text,
    reason text,
    detail text NOT NULL
);
CREATE INDEX audit_by_account ON audit (account_id, id) WHERE account_id IS NOT NULL;
CREATE FUNCTION watchword_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_keeps_lines BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION watchword_keep_audit();
CREATE TRIGGER audit_keeps_all BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION watchword_keep_audit();

CREATE TABLE notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    at double precision NOT NULL,
    detail text NOT NULL,
    read_at double precision
);
CREATE INDEX notices_unread ON notices (account_id, id) WHERE read_at IS NULL;
CREATE INDEX notices_read ON notices (read_at) WHERE read_at IS NOT NULL;

CREATE TABLE failures (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    count bigint NOT NULL,
    window_ends_at double precision NOT NULL
);
CREATE INDEX failures_over ON failures (window_ends_at);
