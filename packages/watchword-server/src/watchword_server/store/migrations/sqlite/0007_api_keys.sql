-- API keys and personal access tokens, by the digest of their secret. The id is the jti that introspection tells. A
-- cut-off of that jti ends the key for good, however long the key was to live and the cut-off is kept.

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    -- NULL: the key is the client's own.
    account_id TEXT REFERENCES accounts (id),
    client_id TEXT NOT NULL,
    tenant TEXT,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    audience TEXT NOT NULL,
    rev INTEGER NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    last_used_at REAL,
    ended_at REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_account ON api_keys (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX api_keys_by_client ON api_keys (client_id);
CREATE INDEX api_keys_by_rev ON api_keys (rev) WHERE ended_at IS NULL;
CREATE INDEX api_keys_by_end ON api_keys (coalesce(ended_at, expires_at));

CREATE TRIGGER api_keys_are_cut_off AFTER INSERT ON revocations WHEN new.axis = 'token'
BEGIN
    UPDATE api_keys SET ended_at = new.at WHERE id = new.value AND ended_at IS NULL;
END;
