-- API keys and personal access tokens, by the digest of their secret. The id is the jti that introspection tells. A
-- cut-off of that jti ends the key for good, however long the key was to live and the cut-off is kept.

CREATE TABLE api_keys (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    -- NULL: the key is the client's own.
    account_id text COLLATE "C" REFERENCES accounts (id),
    client_id text COLLATE "C" NOT NULL,
    tenant text COLLATE "C",
    name text NOT NULL,
    scope text NOT NULL,
    audience text NOT NULL,
    rev bigint NOT NULL,
    created_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    last_used_at double precision,
    ended_at double precision
);
CREATE INDEX api_keys_by_account ON api_keys (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX api_keys_by_client ON api_keys (client_id);
CREATE INDEX api_keys_by_rev ON api_keys (rev) WHERE ended_at IS NULL;
CREATE INDEX api_keys_by_end ON api_keys (coalesce(ended_at, expires_at));

CREATE FUNCTION watchword_end_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys SET ended_at = NEW.at WHERE id = NEW.value AND ended_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER api_keys_are_cut_off AFTER INSERT ON revocations FOR EACH ROW
    WHEN (NEW.axis = 'token') EXECUTE FUNCTION watchword_end_api_key();

-- Highest cut-off that reaches a key of that client or account; nobody spares a key.
CREATE FUNCTION watchword_key_cut_off(p_account text, p_client text, p_tenant text)
RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest(
        coalesce((SELECT a.cut_off FROM accounts a WHERE a.id = p_account), 0),
        coalesce((SELECT max(c.position) FROM family_cutoffs c
            WHERE (c.axis = 'client' AND c.value = p_client)
                OR (c.axis = 'tenant' AND c.value = coalesce((SELECT a.tenant FROM accounts a WHERE a.id = p_account), p_tenant))
                OR (c.axis = 'everything' AND c.value = '')), 0)
    )
$$;

-- Callers for one owner follow one another, so that no more keys live than may.
CREATE FUNCTION watchword_add_api_key(
    p_now double precision, p_id text, p_digest bytea, p_account text, p_client text, p_tenant text, p_name text,
    p_scope text, p_audience text, p_rev bigint, p_expires double precision, p_most bigint, p_audit text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('api_keys ' || coalesce(p_account, '') || ' ' || p_client, 0));
    IF p_account IS NOT NULL AND NOT watchword_may_record(p_account, p_id, p_client, p_rev) THEN
        RETURN 'refused';
    END IF;
    PERFORM 1 FROM revocation_head h
    WHERE p_rev >= h.forgotten AND p_rev >= watchword_key_cut_off(p_account, p_client, p_tenant);
    IF NOT FOUND THEN
        RETURN 'refused';
    END IF;
    v_now := watchword_now(p_now);
    IF p_most <= (
        SELECT count(*) FROM api_keys k
        WHERE k.client_id = p_client AND k.account_id IS NOT DISTINCT FROM p_account AND k.ended_at IS NULL
            AND k.expires_at > v_now AND k.rev >= watchword_key_cut_off(k.account_id, k.client_id, k.tenant)
    ) OR 10 * p_most <= (
        SELECT count(*) FROM api_keys k WHERE k.client_id = p_client AND k.account_id IS NOT DISTINCT FROM p_account
    ) THEN
        RETURN 'too_many';
    END IF;
    INSERT INTO api_keys (id, digest, account_id, client_id, tenant, name, scope, audience, rev, created_at, expires_at)
    VALUES (p_id, p_digest, p_account, p_client, p_tenant, p_name, p_scope, p_audience, p_rev, v_now, p_expires);
    PERFORM watchword_audit(v_now, p_audit);
    RETURN 'added';
END
$$;

-- The head is locked before the key: a cut-off of the same jti, written by hand, locks them in that order too.
CREATE FUNCTION watchword_revoke_api_key(
    p_now double precision, p_leeway double precision, p_id text, p_account text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_key api_keys;
    v_now double precision;
BEGIN
    PERFORM 1 FROM revocation_head FOR UPDATE;
    v_now := watchword_now(p_now);
    UPDATE api_keys SET ended_at = v_now
    WHERE id = p_id AND (p_account IS NULL OR account_id = p_account) AND ended_at IS NULL AND expires_at > v_now
    RETURNING * INTO v_key;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_write_cut_off(p_now, p_leeway, 'token', p_id, NULL, 'api_key.revoked', NULL);
    p_audit[5] := v_key.account_id;
    p_audit[7] := v_key.client_id;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;
