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

-- A copy of each entry until it was translated: in the log itself a later entry on the same axis and value replaces it.
CREATE TABLE revocation_news (
    position bigint NOT NULL PRIMARY KEY,
    axis text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    spares text COLLATE "C",
    cause text NOT NULL,
    account_id text COLLATE "C",
    at double precision NOT NULL
);
CREATE FUNCTION watchword_tell_news() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_news (position, axis, value, spares, cause, account_id, at)
    VALUES (NEW.position, NEW.axis, NEW.value, NEW.spares, NEW.cause, NEW.account_id, NEW.at);
    RETURN NULL;
END
$$;
CREATE TRIGGER revocations_tell AFTER INSERT ON revocations FOR EACH ROW EXECUTE FUNCTION watchword_tell_news();

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
