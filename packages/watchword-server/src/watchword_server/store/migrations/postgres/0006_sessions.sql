-- A session may hold several families or none, belong to a sign-on, and idle out by itself.

ALTER TABLE sessions
    ADD COLUMN place text NOT NULL DEFAULT '',
    ADD COLUMN used_at double precision NOT NULL DEFAULT 0,
    ADD COLUMN acr text,
    -- The sign-on it ends with; NULL for first parties and for what outlives the sign-on.
    ADD COLUMN sign_on text COLLATE "C",
    -- When it idles out unless a family keeps it alive.
    ADD COLUMN idle_expires_at double precision NOT NULL DEFAULT 0,
    -- Position of the cut-off that was written when it was ended by itself.
    ADD COLUMN end_position bigint;
UPDATE sessions SET used_at = created_at;
CREATE INDEX sessions_by_sign_on ON sessions (sign_on, client_id) WHERE sign_on IS NOT NULL;
-- Applications' own logins are not looked for by client.
CREATE INDEX sessions_by_client ON sessions (client_id, sid) WHERE client_id <> 'first-party';

ALTER TABLE families DROP CONSTRAINT families_sid_key;
CREATE INDEX families_by_session ON families (sid);
ALTER TABLE families
    ALTER COLUMN resource TYPE text USING CASE WHEN resource IS NULL THEN '[]' ELSE json_build_array(resource)::text END,
    ALTER COLUMN resource SET NOT NULL,
    -- Of the authorization it comes from: fixed for all its tokens, whatever its session sees later.
    ADD COLUMN auth_time double precision NOT NULL DEFAULT 0,
    ADD COLUMN amr text NOT NULL DEFAULT '[]',
    ADD COLUMN acr text,
    ADD COLUMN terms bytea NOT NULL DEFAULT '';
UPDATE families f SET auth_time = s.auth_time, amr = s.amr FROM sessions s WHERE s.sid = f.sid;

-- Ends those of the sessions that are living, with their families and one cut-off each. Returns whose each was that it
-- ended, by ascending sid. All rows are locked, in order, before the log's head is; then judged by what holds. A session
-- that has run out may have left an access token that has not: it can be ended still.
CREATE FUNCTION watchword_end_all(
    p_now double precision, p_leeway double precision, p_sids text[], p_account text, p_reason text
) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision;
    v_tokens_end double precision;
    v_session record;
    v_entry revocations;
BEGIN
    PERFORM 1 FROM sessions WHERE sid = ANY (p_sids) ORDER BY sid FOR UPDATE;
    PERFORM 1 FROM families WHERE sid = ANY (p_sids) ORDER BY id FOR UPDATE;
    v_now := watchword_now(p_now);
    v_tokens_end := v_now - watchword_longest_lifetime() - p_leeway;
    FOR v_session IN
        SELECT s.sid, s.account_id FROM sessions s JOIN accounts a ON a.id = s.account_id
        WHERE s.sid = ANY (p_sids) AND (p_account IS NULL OR s.account_id = p_account) AND s.ended_at IS NULL
            AND s.expires_at > v_tokens_end
            AND greatest(s.idle_expires_at, (SELECT max(i.idle_expires_at) FROM families i WHERE i.sid = s.sid))
                > v_tokens_end
            AND s.rev >= CASE WHEN a.cut_off_spares = s.sid THEN a.cut_off_floor ELSE a.cut_off END
            AND NOT EXISTS (
                SELECT 1 FROM family_cutoffs c
                WHERE ((c.axis = 'client' AND c.value = s.client_id) OR (c.axis = 'tenant' AND c.value = a.tenant)
                    OR (c.axis = 'everything' AND c.value = ''))
                    AND s.rev < CASE WHEN c.spares = s.sid THEN c.floor ELSE c.position END
            )
        ORDER BY s.sid
    LOOP
        v_entry := watchword_write_cut_off(p_now, p_leeway, 'session', v_session.sid, NULL, p_reason, v_session.account_id);
        UPDATE sessions SET ended_at = v_now, end_reason = p_reason, due_at = v_now, end_position = v_entry.position
        WHERE sid = v_session.sid;
        UPDATE families SET revoked_at = v_now, revoked_reason = p_reason WHERE sid = v_session.sid;
        RETURN NEXT v_session.account_id;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION watchword_end(
    p_now double precision, p_leeway double precision, p_sid text, p_account text, p_reason text
) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT watchword_end_all(p_now, p_leeway, ARRAY[p_sid], p_account, p_reason)
$$;

CREATE TYPE watchword_new_session AS (
    sid text, account_id text, client_id text, rev bigint, device text, place text, auth_time double precision, amr text,
    acr text, sign_on text, idle_expires_at double precision, expires_at double precision
);
CREATE TYPE watchword_new_family AS (
    id text, scope text, resource text, sender_key text, delivery text, salt bytea, key_id text, device_kind text,
    idle_expires_at double precision, expires_at double precision, terms bytea
);

-- Whether something decided at p_rev may be recorded for the account. It is locked while it is judged, so no cut-off of
-- it can commit between the judgement and the record. Its columns are read again after a wait; so they are in its row,
-- and not in a table that this statement's snapshot shows as it was. Cut-offs of a client, a tenant or everything that
-- commit meanwhile leave a record that is dead from birth.
CREATE FUNCTION watchword_may_record(p_account text, p_sid text, p_client text, p_rev bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM accounts a, revocation_head h
    WHERE a.id = p_account AND a.disabled_at IS NULL AND p_rev >= h.forgotten
        AND p_rev >= CASE WHEN a.cut_off_spares = p_sid THEN a.cut_off_floor ELSE a.cut_off END
        AND NOT EXISTS (
            SELECT 1 FROM family_cutoffs c
            WHERE ((c.axis = 'client' AND c.value = p_client) OR (c.axis = 'tenant' AND c.value = a.tenant)
                OR (c.axis = 'everything' AND c.value = ''))
                AND p_rev < CASE WHEN c.spares = p_sid THEN c.floor ELSE c.position END
        )
    FOR SHARE OF a;
    RETURN FOUND;
END
$$;

CREATE FUNCTION watchword_add_family(p_now double precision, p_session watchword_new_session, p_family watchword_new_family)
RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO families (id, sid, scope, resource, sender_key, delivery, salt, key_id, rotated_at, device_kind, place,
        idle_expires_at, expires_at, terms, auth_time, amr, acr)
    SELECT p_family.id, p_session.sid, p_family.scope, p_family.resource, p_family.sender_key, p_family.delivery,
        p_family.salt, p_family.key_id, p_now, p_family.device_kind, p_session.place, p_family.idle_expires_at,
        p_family.expires_at, p_family.terms, p_session.auth_time, p_session.amr, p_session.acr
    WHERE p_family.id IS NOT NULL
$$;

-- Records a session and its family, if it has one; the caller has judged that it may.
CREATE FUNCTION watchword_open(p_now double precision, p_session watchword_new_session, p_family watchword_new_family)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sessions (sid, account_id, client_id, rev, device, place, created_at, used_at, auth_time, amr, acr,
        sign_on, idle_expires_at, expires_at, due_at)
    VALUES (p_session.sid, p_session.account_id, p_session.client_id, p_session.rev, p_session.device, p_session.place,
        p_now, p_now, p_session.auth_time, p_session.amr, p_session.acr, p_session.sign_on, p_session.idle_expires_at,
        p_session.expires_at,
        least(p_session.expires_at, greatest(p_session.idle_expires_at, p_family.idle_expires_at)));
    PERFORM watchword_add_family(p_now, p_session, p_family);
END
$$;

CREATE FUNCTION watchword_start_session(
    p_now double precision, p_session watchword_new_session, p_family watchword_new_family, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision;
BEGIN
    IF NOT watchword_may_record(p_session.account_id, p_session.sid, p_session.client_id, p_session.rev) THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    PERFORM watchword_open(v_now, p_session, p_family);
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;
