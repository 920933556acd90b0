-- Deliveries to others, and the news of the revocation log that they are made from.

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    destination text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    dedupe text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    -- When it is due, or until when the worker that holds `lease` has it to itself.
    due_at double precision NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    lease text,
    state text NOT NULL,
    last_error text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX outbox_once ON outbox (kind, destination, dedupe);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';

-- Each entry until it was translated: in the log itself a later entry on the same axis and value replaces it, and beyond an
-- account's quota its sessions share one.
CREATE TABLE revocation_news (
    position bigint NOT NULL PRIMARY KEY,
    axis text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    spares text COLLATE "C",
    cause text NOT NULL,
    account_id text COLLATE "C",
    at double precision NOT NULL
);

CREATE OR REPLACE FUNCTION watchword_write_cut_off(
    p_now double precision, p_leeway double precision, p_axis text, p_value text, p_spares text, p_cause text,
    p_account text
) RETURNS revocations LANGUAGE plpgsql AS $$
DECLARE
    v_news revocation_news;
    v_head revocation_head;
    v_previous revocations;
    v_new revocations;
BEGIN
    SELECT * INTO STRICT v_head FROM revocation_head FOR UPDATE;
    v_new.at := watchword_now(p_now);
    -- What was meant, also where the quota has an entry of the account stand for it: others are told of the session.
    v_news.axis := p_axis;
    v_news.value := p_value;
    v_news.spares := p_spares;
    v_news.account_id := p_account;
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
    v_news.position := v_new.position;
    v_news.cause := p_cause;
    v_news.at := v_new.at;
    INSERT INTO revocation_news SELECT v_news.*;
    UPDATE revocation_head SET position = v_new.position, chain = v_new.chain;
    RETURN v_new;
END
$$;

-- Returns how many went in, in the order given; those on record already are left out.
CREATE FUNCTION watchword_enqueue(
    p_now double precision, p_kinds text[], p_destinations text[], p_dedupes text[], p_payloads bytea[], p_states text[]
) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    WITH put AS (
        INSERT INTO outbox (kind, destination, dedupe, payload, state, created_at, due_at)
        SELECT n.kind, n.destination, n.dedupe, n.payload, n.state, t.now, t.now
        FROM unnest(p_kinds, p_destinations, p_dedupes, p_payloads, p_states)
            WITH ORDINALITY AS n (kind, destination, dedupe, payload, state, place),
            (SELECT watchword_now(p_now) AS now) t
        ORDER BY n.place
        ON CONFLICT (kind, destination, dedupe) DO NOTHING
        RETURNING 1
    ) SELECT count(*) FROM put
$$;

CREATE FUNCTION watchword_settle_news(
    p_now double precision, p_positions bigint[], p_kinds text[], p_destinations text[], p_dedupes text[],
    p_payloads bytea[], p_states text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_held bigint;
BEGIN
    -- Locked before anything is done: whoever comes second waits here, and finds them gone.
    SELECT count(*) INTO v_held FROM (
        SELECT 1 FROM revocation_news WHERE position = ANY (p_positions) ORDER BY position FOR UPDATE
    ) held;
    IF v_held < cardinality(p_positions) THEN
        RETURN false;
    END IF;
    DELETE FROM revocation_news WHERE position = ANY (p_positions);
    PERFORM watchword_enqueue(p_now, p_kinds, p_destinations, p_dedupes, p_payloads, p_states);
    RETURN true;
END
$$;
