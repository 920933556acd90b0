-- The acts of authorization. Locks are taken in one order everywhere: account, client, sign-on, authorization, code,
-- session, family, keys, head. Where a cut-off of a client, a tenant or everything commits beside an act, what the act
-- recorded is dead from birth: it carries an older position.

-- Why a cut-off that ends families is written, with the client's row locked by the caller.
CREATE FUNCTION watchword_cut_off_client(
    p_now double precision, p_leeway double precision, p_client text, p_cause text, p_audit text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_entry revocations;
BEGIN
    v_entry := watchword_write_cut_off(p_now, p_leeway, 'client', p_client, NULL, p_cause, NULL);
    PERFORM watchword_end_shared_families(v_entry);
    PERFORM watchword_audit(v_entry.at, p_audit);
END
$$;

CREATE FUNCTION watchword_disable_client(
    p_now double precision, p_leeway double precision, p_client text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE clients SET disabled_at = watchword_now(p_now),
        updated_at = greatest(watchword_now(p_now), updated_at + 0.000001::double precision)
    WHERE client_id = p_client AND disabled_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_cut_off_client(p_now, p_leeway, p_client, 'client.disabled', p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_delete_client(
    p_now double precision, p_leeway double precision, p_client text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM clients WHERE client_id = p_client;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM authorizations WHERE client_id = p_client;
    PERFORM watchword_cut_off_client(p_now, p_leeway, p_client, 'client.deleted', p_audit);
    RETURN true;
END
$$;

-- Locks a sign-on of a locked account, and says whether it lives.
CREATE FUNCTION watchword_hold_sign_on(p_now double precision, p_sign_on text, p_account text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM sign_ons WHERE id = p_sign_on FOR NO KEY UPDATE;
    PERFORM 1 FROM sign_ons o JOIN accounts a ON a.id = o.account_id
    WHERE o.id = p_sign_on AND o.account_id = p_account AND o.ended_at IS NULL AND a.disabled_at IS NULL
        AND o.expires_at > p_now AND o.idle_expires_at > p_now
        AND o.rev >= CASE WHEN a.cut_off_spares = o.id THEN a.cut_off_floor ELSE a.cut_off END
        AND NOT EXISTS (
            SELECT 1 FROM family_cutoffs c
            WHERE ((c.axis = 'tenant' AND c.value = a.tenant) OR (c.axis = 'everything' AND c.value = ''))
                AND o.rev < CASE WHEN c.spares = o.id THEN c.floor ELSE c.position END
        );
    RETURN FOUND;
END
$$;

CREATE FUNCTION watchword_start_sign_on(
    p_now double precision, p_id text, p_digest bytea, p_account text, p_rev bigint, p_device text, p_place text,
    p_auth_time double precision, p_amr text, p_acr text, p_idle double precision, p_expires double precision,
    p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision;
BEGIN
    IF NOT watchword_may_record(p_account, p_id, NULL, p_rev) THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    INSERT INTO sign_ons (id, digest, account_id, rev, device, place, created_at, auth_time, amr, acr, last_used_at,
        idle_expires_at, expires_at, due_at)
    VALUES (p_id, p_digest, p_account, p_rev, p_device, p_place, v_now, p_auth_time, p_amr, p_acr, v_now, p_idle,
        p_expires, least(p_idle, p_expires));
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_renew_sign_on(
    p_now double precision, p_id text, p_digest bytea, p_auth_time double precision, p_amr text, p_acr text,
    p_rev bigint, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_account text;
    v_now double precision;
BEGIN
    SELECT account_id INTO v_account FROM sign_ons WHERE id = p_id;
    IF NOT FOUND OR NOT watchword_may_record(v_account, p_id, NULL, p_rev) THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    IF NOT watchword_hold_sign_on(v_now, p_id, v_account) THEN
        RETURN false;
    END IF;
    UPDATE sign_ons SET digest = p_digest, last_used_at = v_now, auth_time = p_auth_time, amr = p_amr, acr = p_acr
    WHERE id = p_id;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_end_sign_on(
    p_now double precision, p_leeway double precision, p_id text, p_account text, p_reason text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision;
BEGIN
    PERFORM 1 FROM sign_ons WHERE id = p_id FOR NO KEY UPDATE;
    v_now := watchword_now(p_now);
    UPDATE sign_ons o SET ended_at = v_now, due_at = v_now FROM accounts a
    WHERE o.id = p_id AND o.ended_at IS NULL AND (p_account IS NULL OR o.account_id = p_account)
        AND a.id = o.account_id
        AND o.rev >= CASE WHEN a.cut_off_spares = o.id THEN a.cut_off_floor ELSE a.cut_off END
        AND NOT EXISTS (
            SELECT 1 FROM family_cutoffs c
            WHERE ((c.axis = 'tenant' AND c.value = a.tenant) OR (c.axis = 'everything' AND c.value = ''))
                AND o.rev < CASE WHEN c.spares = o.id THEN c.floor ELSE c.position END
        );
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Whoever opens a session in it holds its row meanwhile, so none is missed.
    PERFORM watchword_end_all(p_now, p_leeway, ARRAY(SELECT sid FROM sessions WHERE sign_on = p_id), NULL, p_reason);
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

-- Members of a JSON list and of another, each once, in that order.
CREATE FUNCTION watchword_merged(p_before text, p_now text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(json_agg(member ORDER BY place), '[]')::text FROM (
        SELECT member, min(place) AS place FROM (
            SELECT member, place FROM json_array_elements_text(p_before::json) WITH ORDINALITY AS b (member, place)
            UNION ALL
            SELECT member, place + 1000000 FROM json_array_elements_text(p_now::json) WITH ORDINALITY AS n (member, place)
        ) every GROUP BY member
    ) once
$$;

CREATE FUNCTION watchword_authorize(
    p_now double precision, p_account text, p_client text, p_scope text, p_resource text, p_details bytea, p_audit text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now double precision := watchword_now(p_now);
BEGIN
    INSERT INTO authorizations AS z (account_id, client_id, scope, resource, details, granted_at, updated_at)
    VALUES (p_account, p_client, watchword_merged('[]', p_scope), watchword_merged('[]', p_resource), p_details, v_now, v_now)
    ON CONFLICT (account_id, client_id) DO UPDATE SET
        scope = watchword_merged(z.scope, p_scope),
        resource = watchword_merged(z.resource, p_resource),
        details = excluded.details,
        updated_at = excluded.updated_at;
    PERFORM watchword_audit(v_now, p_audit);
END
$$;

CREATE FUNCTION watchword_withdraw(
    p_now double precision, p_leeway double precision, p_account text, p_client text, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM authorizations WHERE account_id = p_account AND client_id = p_client;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Waits for exchanges under way: their sessions are then found below, or their codes gone before they were used.
    PERFORM 1 FROM codes WHERE account_id = p_account AND client_id = p_client ORDER BY digest FOR UPDATE;
    DELETE FROM codes WHERE account_id = p_account AND client_id = p_client AND used_at IS NULL;
    PERFORM 1 FROM device_codes WHERE account_id = p_account AND client_id = p_client ORDER BY digest FOR UPDATE;
    DELETE FROM device_codes WHERE account_id = p_account AND client_id = p_client AND state = 'approved';
    PERFORM watchword_end_all(
        p_now, p_leeway, ARRAY(SELECT sid FROM sessions WHERE account_id = p_account AND client_id = p_client), NULL,
        'authorization.withdrawn'
    );
    PERFORM watchword_audit(watchword_now(p_now), p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_add_code(
    p_now double precision, p_digest bytea, p_client text, p_account text, p_sign_on text, p_rev bigint, p_terms bytea,
    p_expires double precision
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT watchword_may_record(p_account, p_sign_on, p_client, p_rev)
        OR NOT watchword_hold_sign_on(watchword_now(p_now), p_sign_on, p_account) THEN
        RETURN false;
    END IF;
    INSERT INTO codes (digest, client_id, account_id, sign_on, rev, terms, expires_at)
    VALUES (p_digest, p_client, p_account, p_sign_on, p_rev, p_terms, p_expires);
    RETURN true;
END
$$;

-- Whether session s, whose row the caller has locked, lives.
CREATE FUNCTION watchword_session_lives(p_now double precision, p_sid text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (
        SELECT 1 FROM sessions s JOIN accounts a ON a.id = s.account_id
        WHERE s.sid = p_sid AND s.ended_at IS NULL AND a.disabled_at IS NULL AND s.expires_at > p_now
            AND (s.idle_expires_at > p_now OR EXISTS (
                SELECT 1 FROM families i WHERE i.sid = s.sid AND i.revoked_at IS NULL AND i.idle_expires_at > p_now))
            AND s.rev >= CASE WHEN a.cut_off_spares = s.sid THEN a.cut_off_floor ELSE a.cut_off END
            AND NOT EXISTS (
                SELECT 1 FROM family_cutoffs c
                WHERE ((c.axis = 'client' AND c.value = s.client_id) OR (c.axis = 'tenant' AND c.value = a.tenant)
                    OR (c.axis = 'everything' AND c.value = ''))
                    AND s.rev < CASE WHEN c.spares = s.sid THEN c.floor ELSE c.position END
            )
    )
$$;

-- Opens the session or adds its family to the one that is there, with account and sign-on locked by the caller. False
-- when that one is dead or somebody else's, or when another of this client and sign-on is living.
CREATE FUNCTION watchword_open_or_join(
    p_now double precision, p_session watchword_new_session, p_family watchword_new_family
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_there sessions;
BEGIN
    SELECT * INTO v_there FROM sessions WHERE sid = p_session.sid FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        IF p_session.sign_on IS NOT NULL AND EXISTS (
            SELECT 1 FROM sessions s WHERE s.sign_on = p_session.sign_on AND s.client_id = p_session.client_id
                AND watchword_session_lives(p_now, s.sid)
        ) THEN
            RETURN false;
        END IF;
        PERFORM watchword_open(p_now, p_session, p_family);
        RETURN true;
    END IF;
    IF v_there.account_id <> p_session.account_id OR v_there.client_id <> p_session.client_id
        OR v_there.sign_on IS DISTINCT FROM p_session.sign_on OR NOT watchword_session_lives(p_now, p_session.sid) THEN
        RETURN false;
    END IF;
    UPDATE sessions SET
        used_at = p_now,
        place = p_session.place,
        idle_expires_at = greatest(idle_expires_at, p_session.idle_expires_at),
        expires_at = greatest(expires_at, p_session.expires_at),
        due_at = greatest(
            due_at, least(p_session.expires_at, greatest(p_session.idle_expires_at, p_family.idle_expires_at))),
        amr = CASE WHEN auth_time <= p_session.auth_time THEN p_session.amr ELSE amr END,
        acr = CASE WHEN auth_time <= p_session.auth_time THEN p_session.acr ELSE acr END,
        auth_time = greatest(auth_time, p_session.auth_time)
    WHERE sid = p_session.sid;
    PERFORM watchword_add_family(p_now, p_session, p_family);
    RETURN true;
END
$$;

-- Account, sign-on and code are locked before anything is judged, so no end of theirs can commit between.
CREATE FUNCTION watchword_redeem_code(
    p_now double precision, p_session watchword_new_session, p_family watchword_new_family, p_audit text[], p_digest bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_code codes;
    v_now double precision;
BEGIN
    SELECT * INTO v_code FROM codes WHERE digest = p_digest;
    IF NOT FOUND OR v_code.account_id <> p_session.account_id OR v_code.client_id <> p_session.client_id
        OR coalesce(p_session.sign_on <> v_code.sign_on, false)
        OR NOT watchword_may_record(
            v_code.account_id, v_code.sign_on, v_code.client_id, least(v_code.rev, p_session.rev)) THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    IF NOT watchword_hold_sign_on(v_now, v_code.sign_on, v_code.account_id) THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM codes WHERE digest = p_digest AND used_at IS NULL AND expires_at > v_now FOR UPDATE;
    IF NOT FOUND OR NOT watchword_open_or_join(v_now, p_session, p_family) THEN
        RETURN false;
    END IF;
    UPDATE codes SET used_at = v_now, sid = p_session.sid WHERE digest = p_digest;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_replay_code(
    p_now double precision, p_leeway double precision, p_digest bytea, p_audit text[], p_notice text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_sid text;
BEGIN
    SELECT sid INTO v_sid FROM codes WHERE digest = p_digest AND used_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    RETURN watchword_end_session(p_now, p_leeway, v_sid, NULL, 'code.replayed', p_audit, p_notice);
END
$$;

CREATE FUNCTION watchword_add_device_code(
    p_now double precision, p_digest bytea, p_user_code text, p_client text, p_request bytea, p_interval bigint,
    p_expires double precision
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_codes SET user_code = NULL
    WHERE user_code = p_user_code AND (expires_at <= watchword_now(p_now) OR state = 'redeemed');
    INSERT INTO device_codes (digest, user_code, client_id, request, poll_interval, expires_at)
    VALUES (p_digest, p_user_code, p_client, p_request, p_interval, p_expires)
    ON CONFLICT (user_code) DO NOTHING;
    RETURN FOUND;
END
$$;

CREATE FUNCTION watchword_decide_device(
    p_now double precision, p_user_code text, p_state text, p_terms bytea, p_sign_on text, p_rev bigint, p_audit text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_account text;
    v_client text;
    v_now double precision;
BEGIN
    SELECT account_id INTO v_account FROM sign_ons WHERE id = p_sign_on;
    SELECT client_id INTO v_client FROM device_codes WHERE user_code = p_user_code AND state = 'pending';
    IF v_account IS NULL OR v_client IS NULL OR NOT watchword_may_record(v_account, p_sign_on, v_client, p_rev) THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    IF NOT watchword_hold_sign_on(v_now, p_sign_on, v_account) THEN
        RETURN false;
    END IF;
    UPDATE device_codes SET state = p_state, terms = p_terms, account_id = v_account, sign_on = p_sign_on, rev = p_rev
    WHERE user_code = p_user_code AND client_id = v_client AND state = 'pending' AND expires_at > v_now;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_redeem_device(
    p_now double precision, p_session watchword_new_session, p_family watchword_new_family, p_audit text[], p_digest bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_device device_codes;
    v_now double precision;
BEGIN
    SELECT * INTO v_device FROM device_codes WHERE digest = p_digest AND state = 'approved';
    IF NOT FOUND OR v_device.account_id <> p_session.account_id OR v_device.client_id <> p_session.client_id
        OR coalesce(p_session.sign_on <> v_device.sign_on, false)
        OR NOT watchword_may_record(
            v_device.account_id, v_device.sign_on, v_device.client_id, least(v_device.rev, p_session.rev)) THEN
        RETURN false;
    END IF;
    v_now := watchword_now(p_now);
    IF NOT watchword_hold_sign_on(v_now, v_device.sign_on, v_device.account_id) THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM device_codes WHERE digest = p_digest AND state = 'approved' AND expires_at > v_now FOR UPDATE;
    IF NOT FOUND OR NOT watchword_open_or_join(v_now, p_session, p_family) THEN
        RETURN false;
    END IF;
    UPDATE device_codes SET state = 'redeemed' WHERE digest = p_digest;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

-- Remembers what is good once; returns which were new. Not waited for until it is on disk: a crash of the database may
-- forget the last fraction of a second of it, and every process still sees it before it is answered.
CREATE FUNCTION watchword_first_uses(
    p_now double precision, p_digests bytea[], p_purposes text[], p_expires_at double precision[]
) RETURNS TABLE (digest bytea, purpose text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
    INSERT INTO replays AS r (digest, purpose, expires_at)
    SELECT u.digest, u.purpose, u.expires_at
    FROM unnest(p_digests, p_purposes, p_expires_at) AS u (digest, purpose, expires_at)
    ORDER BY u.digest, u.purpose
    ON CONFLICT ON CONSTRAINT replays_pkey DO UPDATE SET expires_at = excluded.expires_at
    WHERE r.expires_at <= watchword_now(p_now)
    RETURNING r.digest, r.purpose;
END
$$;
