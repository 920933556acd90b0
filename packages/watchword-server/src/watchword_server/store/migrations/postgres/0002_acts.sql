-- The acts that write the log of cut-offs, as functions, so that each is one statement and the log's head is locked for
-- no round trip. In READ COMMITTED every statement of a function sees what was committed before that statement, so
-- what is judged after a lock was waited for is what holds. Locks are taken in one order everywhere:
-- account, session, family, keys, head; the head last, held until the commit, so positions are allocated in commit order.
-- The rules of floor, chain and quota are those of log.py.

CREATE FUNCTION watchword_now(p_now double precision) RETURNS double precision LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(p_now, extract(epoch FROM clock_timestamp())::double precision)
$$;

CREATE FUNCTION watchword_audit(p_at double precision, p_audit text[]) RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO audit (at, event, actor, address, user_agent, account_id, sid, client_id, reason, detail)
    VALUES (p_at, p_audit[1], p_audit[2], p_audit[3], p_audit[4], p_audit[5], p_audit[6], p_audit[7], p_audit[8], p_audit[9])
$$;

CREATE FUNCTION watchword_notice(p_at double precision, p_account text, p_notice text[])
RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO notices (account_id, at, kind, detail)
    SELECT p_account, p_at, p_notice[1], p_notice[2] WHERE p_notice IS NOT NULL
$$;

CREATE FUNCTION watchword_longest_lifetime() RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(seconds), 3600) FROM lifetimes
$$;

CREATE FUNCTION watchword_bytes(p_text text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_text IS NULL THEN '\xffffffff'::bytea
        ELSE int4send(octet_length(convert_to(p_text, 'UTF8'))) || convert_to(p_text, 'UTF8') END
$$;

CREATE FUNCTION watchword_floor(p_position bigint, p_spared text, p_floor bigint, p_spares text)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_position IS NULL OR p_position = 0 OR p_spares IS NULL THEN 0
        WHEN p_spared = p_spares THEN p_floor ELSE p_position END
$$;

-- Empties rows that another replaces; their places and chains stay known until they expire.
CREATE FUNCTION watchword_write_cut_off(
    p_now double precision, p_leeway double precision, p_axis text, p_value text, p_spares text, p_cause text,
    p_account text
) RETURNS revocations LANGUAGE plpgsql AS $$
DECLARE
    v_head revocation_head;
    v_previous revocations;
    v_new revocations;
BEGIN
    SELECT * INTO STRICT v_head FROM revocation_head FOR UPDATE;
    v_new.at := watchword_now(p_now);
    IF p_account IS NOT NULL AND 50 <= (
        SELECT count(*) FROM revocations WHERE account_id = p_account AND expires_at > v_new.at
    ) THEN
        UPDATE revocations SET axis = '', value = '', spares = NULL, cause = '', account_id = NULL
        WHERE account_id = p_account;
        p_axis := 'account';
        p_value := p_account;
        p_spares := NULL;
        p_account := NULL;
    END IF;
    SELECT * INTO v_previous FROM revocations WHERE axis = p_axis AND value = p_value;
    IF FOUND THEN
        IF p_axis IN ('token', 'session', 'family', 'key') AND v_previous.expires_at > v_new.at THEN
            RETURN v_previous;
        END IF;
        UPDATE revocations SET axis = '', value = '', spares = NULL, cause = '', account_id = NULL
        WHERE position = v_previous.position;
    END IF;
    v_new.position := v_head.position + 1;
    v_new.axis := p_axis;
    v_new.value := p_value;
    v_new.spares := p_spares;
    v_new.floor := watchword_floor(v_previous.position, v_previous.spares, v_previous.floor, p_spares);
    v_new.expires_at := v_new.at + watchword_longest_lifetime() + p_leeway;
    v_new.cause := p_cause;
    v_new.account_id := p_account;
    v_new.chain := sha256(
        v_head.chain || int8send(v_new.position) || int8send(v_new.floor) || float8send(v_new.at)
        || float8send(v_new.expires_at) || watchword_bytes(p_axis) || watchword_bytes(p_value) || watchword_bytes(p_spares)
    );
    INSERT INTO revocations SELECT v_new.*;
    UPDATE revocation_head SET position = v_new.position, chain = v_new.chain;
    RETURN v_new;
END
$$;

-- The account's row is locked by the caller. Whatever the number of sessions, this is one write.
CREATE FUNCTION watchword_end_account_families(p_entry revocations) RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE accounts SET
        cut_off_floor = watchword_floor(cut_off, cut_off_spares, cut_off_floor, p_entry.spares),
        cut_off = p_entry.position,
        cut_off_spares = p_entry.spares,
        cut_off_at = p_entry.at
    WHERE id = p_entry.value
$$;

CREATE FUNCTION watchword_cut_off_account(
    p_now double precision, p_leeway double precision, p_account text, p_spares text, p_cause text, p_audit text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_entry revocations;
BEGIN
    PERFORM 1 FROM accounts WHERE id = p_account FOR NO KEY UPDATE;
    v_entry := watchword_write_cut_off(p_now, p_leeway, 'account', p_account, p_spares, p_cause, NULL);
    PERFORM watchword_end_account_families(v_entry);
    PERFORM watchword_audit(v_entry.at, p_audit);
    RETURN v_entry.position;
END
$$;

CREATE FUNCTION watchword_change_password(
    p_now double precision, p_leeway double precision, p_account text, p_old text, p_new text, p_spares text,
    p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET password_hash = p_new, password_changed_at = watchword_now(p_now)
    WHERE id = p_account AND (p_old IS NULL OR password_hash = p_old);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_cut_off_account(p_now, p_leeway, p_account, p_spares, 'password.changed', p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_disable_account(
    p_now double precision, p_leeway double precision, p_account text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET disabled_at = watchword_now(p_now) WHERE id = p_account AND disabled_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_cut_off_account(p_now, p_leeway, p_account, NULL, 'account.disabled', p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_set_roles(
    p_now double precision, p_leeway double precision, p_account text, p_roles text, p_audit text[]
) RETURNS SETOF accounts LANGUAGE plpgsql AS $$
DECLARE
    v_before text;
BEGIN
    SELECT roles INTO v_before FROM accounts WHERE id = p_account FOR NO KEY UPDATE;
    IF FOUND AND v_before <> p_roles THEN
        UPDATE accounts SET roles = p_roles WHERE id = p_account;
        PERFORM watchword_audit(watchword_now(p_now), p_audit);
        IF NOT v_before::jsonb <@ p_roles::jsonb THEN
            PERFORM watchword_write_cut_off(p_now, p_leeway, 'account', p_account, NULL, 'roles.taken', NULL);
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM accounts WHERE id = p_account;
END
$$;

-- Ends a living session with its family and cut-off. Returns whose it was, or NULL when it is dead already. A session
-- that has run out may have left an access token that has not: it can be ended still.
CREATE FUNCTION watchword_end(
    p_now double precision, p_leeway double precision, p_sid text, p_account text, p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision;
    v_tokens_end double precision;
    v_owner text;
BEGIN
    PERFORM 1 FROM sessions WHERE sid = p_sid FOR UPDATE;
    v_now := watchword_now(p_now);
    v_tokens_end := v_now - watchword_longest_lifetime() - p_leeway;
    SELECT s.account_id INTO v_owner
    FROM sessions s JOIN families f ON f.sid = s.sid JOIN accounts a ON a.id = s.account_id
    WHERE s.sid = p_sid AND (p_account IS NULL OR s.account_id = p_account) AND s.ended_at IS NULL
        AND s.expires_at > v_tokens_end AND f.idle_expires_at > v_tokens_end
        AND s.rev >= CASE WHEN a.cut_off_spares = s.sid THEN a.cut_off_floor ELSE a.cut_off END
        AND NOT EXISTS (
            SELECT 1 FROM family_cutoffs c
            WHERE ((c.axis = 'client' AND c.value = s.client_id) OR (c.axis = 'tenant' AND c.value = a.tenant)
                OR (c.axis = 'everything' AND c.value = ''))
                AND s.rev < CASE WHEN c.spares = s.sid THEN c.floor ELSE c.position END
        );
    IF v_owner IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE sessions SET ended_at = v_now, end_reason = p_reason, due_at = v_now WHERE sid = p_sid;
    UPDATE families SET revoked_at = v_now, revoked_reason = p_reason WHERE sid = p_sid;
    PERFORM watchword_write_cut_off(p_now, p_leeway, 'session', p_sid, NULL, p_reason, v_owner);
    RETURN v_owner;
END
$$;

CREATE FUNCTION watchword_end_session(
    p_now double precision, p_leeway double precision, p_sid text, p_account text, p_reason text, p_audit text[],
    p_notice text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_owner text;
    v_now double precision;
BEGIN
    v_owner := watchword_end(p_now, p_leeway, p_sid, p_account, p_reason);
    IF v_owner IS NULL THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    PERFORM watchword_audit(v_now, p_audit);
    PERFORM watchword_notice(v_now, v_owner, p_notice);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_end_shared_families(p_entry revocations) RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO family_cutoffs AS c (axis, value, position, spares, floor, settled_at)
    VALUES (p_entry.axis, p_entry.value, p_entry.position, p_entry.spares, 0, p_entry.expires_at)
    ON CONFLICT (axis, value) DO UPDATE SET
        floor = watchword_floor(c.position, c.spares, c.floor, excluded.spares),
        position = excluded.position,
        spares = excluded.spares,
        settled_at = excluded.settled_at
$$;

-- Makes the rows agree with the entry: what is cut off must not be refreshed or signed with.
CREATE FUNCTION watchword_cut_off(
    p_now double precision, p_leeway double precision, p_axis text, p_value text, p_spares text, p_cause text,
    p_ends_families boolean, p_audit text[]
) RETURNS revocations LANGUAGE plpgsql AS $$
DECLARE
    v_ended text;
    v_before bigint;
    v_entry revocations;
BEGIN
    IF p_axis = 'account' THEN
        PERFORM 1 FROM accounts WHERE id = p_value FOR NO KEY UPDATE;
    ELSIF p_axis = 'session' THEN
        v_ended := watchword_end(p_now, p_leeway, p_value, NULL, p_cause);
    ELSIF p_axis = 'family' THEN
        v_ended := watchword_end(p_now, p_leeway, (SELECT sid FROM families WHERE id = p_value), NULL, p_cause);
    ELSIF p_axis = 'key' THEN
        LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;
        UPDATE signing_keys SET state = 'distrusted' WHERE kid = p_value;
    END IF;
    SELECT position INTO STRICT v_before FROM revocation_head FOR UPDATE;
    v_entry := watchword_write_cut_off(p_now, p_leeway, p_axis, p_value, p_spares, p_cause, NULL);
    IF p_ends_families AND p_axis = 'account' THEN
        PERFORM watchword_end_account_families(v_entry);
    ELSIF p_ends_families AND p_axis IN ('client', 'tenant', 'everything') THEN
        PERFORM watchword_end_shared_families(v_entry);
    END IF;
    IF v_entry.position > v_before OR v_ended IS NOT NULL THEN
        PERFORM watchword_audit(v_entry.at, p_audit);
    END IF;
    RETURN v_entry;
END
$$;

-- Moves families one generation on; returns those it moved. The ids come in ascending order and each once, so two calls
-- never wait for each other in a circle. A row at a time: each is found by its key whatever the planner believes of the
-- tables, and judged by what was committed before its own statement.
CREATE FUNCTION watchword_advance(
    p_now double precision, p_ids text[], p_generations bigint[], p_device_kinds text[], p_places text[],
    p_idle_expires_at double precision[]
) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision := watchword_now(p_now);
BEGIN
    FOR i IN 1 .. cardinality(p_ids) LOOP
        UPDATE families f SET
            generation = f.generation + 1,
            rotated_at = v_now,
            refresh_count = f.refresh_count + 1,
            odd_count = CASE WHEN f.odd_marked OR f.odd_count = 0 THEN f.odd_count ELSE f.odd_count - 1 END,
            odd_marked = false,
            device_kind = p_device_kinds[i],
            place = p_places[i],
            idle_expires_at = p_idle_expires_at[i]
        FROM sessions s, accounts a
        WHERE f.id = p_ids[i] AND f.generation = p_generations[i] AND f.revoked_at IS NULL AND f.idle_expires_at > v_now
            AND s.sid = f.sid AND s.ended_at IS NULL AND s.expires_at > v_now
            AND a.id = s.account_id AND a.disabled_at IS NULL
            AND s.rev >= CASE WHEN a.cut_off_spares = s.sid THEN a.cut_off_floor ELSE a.cut_off END
            AND NOT EXISTS (
                SELECT 1 FROM family_cutoffs c
                WHERE ((c.axis = 'client' AND c.value = s.client_id) OR (c.axis = 'tenant' AND c.value = a.tenant)
                    OR (c.axis = 'everything' AND c.value = ''))
                    AND s.rev < CASE WHEN c.spares = s.sid THEN c.floor ELSE c.position END
            );
        IF FOUND THEN
            RETURN NEXT p_ids[i];
        END IF;
    END LOOP;
END
$$;

-- Under the head's lock, so that a cut-off under way cannot be written for the shorter lifetime after this one counts.
CREATE FUNCTION watchword_declare_lifetime(p_class text, p_seconds double precision)
RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    v_longest double precision;
BEGIN
    PERFORM 1 FROM revocation_head FOR UPDATE;
    INSERT INTO lifetimes AS l (token_class, seconds) VALUES (p_class, p_seconds)
    ON CONFLICT (token_class) DO UPDATE SET seconds = greatest(l.seconds, excluded.seconds)
    RETURNING seconds INTO v_longest;
    RETURN v_longest;
END
$$;

CREATE FUNCTION watchword_add_key(p_now double precision, p_key signing_keys, p_unless text, p_audit text[])
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (
        SELECT 1 FROM signing_keys WHERE kid = p_key.kid
            OR (purpose = p_key.purpose AND algorithm = p_key.algorithm AND state = p_unless)
    ) THEN
        RETURN false;
    END IF;
    INSERT INTO signing_keys SELECT p_key.*;
    PERFORM watchword_audit(watchword_now(p_now), p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_activate_key(p_now double precision, p_kid text, p_audit text[])
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_key signing_keys;
    v_now double precision;
BEGIN
    LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO v_key FROM signing_keys WHERE kid = p_kid AND state = 'next';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    UPDATE signing_keys SET state = 'retired', retired_at = v_now
    WHERE purpose = v_key.purpose AND algorithm = v_key.algorithm AND state = 'active';
    UPDATE signing_keys SET state = 'active', activated_at = v_now WHERE kid = p_kid;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_forget_key(p_now double precision, p_kid text, p_audit text[])
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM signing_keys WHERE kid = p_kid AND state IN ('retired', 'distrusted');
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_audit(watchword_now(p_now), p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_distrust_key(
    p_now double precision, p_leeway double precision, p_kid text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;
    UPDATE signing_keys SET state = 'distrusted' WHERE kid = p_kid AND state <> 'distrusted';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_audit(watchword_now(p_now), p_audit);
    PERFORM watchword_write_cut_off(p_now, p_leeway, 'key', p_kid, NULL, 'key.distrusted', NULL);
    RETURN true;
END
$$;

-- Deletes cut-offs of clients, tenants and everything among those found to be older than all sessions. Logins still
-- under way from a view that old are refused by `forgotten`.
CREATE FUNCTION watchword_forget_family_cutoffs(p_positions bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_count bigint;
    v_highest bigint;
BEGIN
    PERFORM 1 FROM revocation_head FOR UPDATE;
    WITH gone AS (DELETE FROM family_cutoffs WHERE position = ANY (p_positions) RETURNING position)
    SELECT count(*), coalesce(max(position), 0) INTO v_count, v_highest FROM gone;
    UPDATE revocation_head SET forgotten = greatest(forgotten, v_highest) WHERE forgotten < v_highest;
    RETURN v_count;
END
$$;
