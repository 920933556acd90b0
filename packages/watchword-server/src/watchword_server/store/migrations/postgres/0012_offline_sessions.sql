-- Offline access outlives the sign-on it came from; what the client was signed in to does not. The ID tokens of a session with
-- offline access name the client's session in that sign-on. NULL: they name this session itself, as all did before.
ALTER TABLE sessions ADD COLUMN id_token_sid text COLLATE "C";

-- Account, sign-on and code are locked before anything is judged, so no end of theirs can commit between: what is opened here
-- is found by the end of the sign-on that comes after.
CREATE FUNCTION watchword_redeem_code(
    p_now double precision, p_session watchword_new_session, p_family watchword_new_family, p_audit text[], p_digest bytea,
    p_id_token_sid text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_code codes;
    v_named watchword_new_session;
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
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_id_token_sid IS NOT NULL THEN
        -- Judged before the other is opened: what comes after it can no longer be refused.
        IF EXISTS (SELECT 1 FROM sessions WHERE sid = p_session.sid) THEN
            RETURN false;
        END IF;
        v_named := p_session;
        v_named.sid := p_id_token_sid;
        v_named.sign_on := v_code.sign_on;
        SELECT expires_at, expires_at INTO v_named.expires_at, v_named.idle_expires_at
        FROM sign_ons WHERE id = v_code.sign_on;
        IF NOT watchword_open_or_join(v_now, v_named, NULL) THEN
            RETURN false;
        END IF;
    END IF;
    IF NOT watchword_open_or_join(v_now, p_session, p_family) THEN
        RETURN false;
    END IF;
    IF p_id_token_sid IS NOT NULL THEN
        UPDATE sessions SET id_token_sid = p_id_token_sid WHERE sid = p_session.sid;
    END IF;
    UPDATE codes SET used_at = v_now, sid = p_session.sid WHERE digest = p_digest;
    PERFORM watchword_audit(v_now, p_audit);
    RETURN true;
END
$$;

-- For processes of before, while they are replaced.
CREATE OR REPLACE FUNCTION watchword_redeem_code(
    p_now double precision, p_session watchword_new_session, p_family watchword_new_family, p_audit text[], p_digest bytea
) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT watchword_redeem_code(p_now, p_session, p_family, p_audit, p_digest, NULL)
$$;
