-- Streams of security events and the subjects they are about.

CREATE TABLE ssf_streams (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    receiver text COLLATE "C" NOT NULL,
    method text NOT NULL,
    endpoint text,
    sealed bytea,
    requested text NOT NULL,
    description text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    created_at double precision NOT NULL,
    verified_at double precision NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX ssf_streams_by_receiver ON ssf_streams (receiver);

CREATE TABLE ssf_subjects (
    stream_id text COLLATE "C" NOT NULL REFERENCES ssf_streams (id) ON DELETE CASCADE,
    subject text COLLATE "C" NOT NULL,
    included boolean NOT NULL,
    PRIMARY KEY (stream_id, subject)
);

-- Under a lock, so that of several that are added at once none goes beyond the most.
CREATE FUNCTION watchword_create_stream(
    p_id text, p_receiver text, p_method text, p_endpoint text, p_sealed bytea, p_requested text, p_description text,
    p_status text, p_reason text, p_created_at double precision, p_verified_at double precision, p_most bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE ssf_streams IN SHARE ROW EXCLUSIVE MODE;
    IF (SELECT count(*) FROM ssf_streams WHERE receiver = p_receiver) >= p_most THEN
        RETURN false;
    END IF;
    INSERT INTO ssf_streams VALUES (p_id, p_receiver, p_method, p_endpoint, p_sealed, p_requested, p_description, p_status,
        p_reason, p_created_at, p_verified_at, 0);
    RETURN true;
END
$$;

CREATE FUNCTION watchword_delete_stream(p_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ssf_streams WHERE id = p_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM outbox WHERE kind IN ('ssf_push', 'ssf_poll') AND destination = p_id;
    RETURN true;
END
$$;

CREATE FUNCTION watchword_note_subject(p_stream text, p_subject text, p_included boolean, p_most bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM ssf_streams WHERE id = p_stream FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE ssf_subjects SET included = p_included WHERE stream_id = p_stream AND subject = p_subject;
    IF FOUND THEN
        RETURN true;
    END IF;
    IF (SELECT count(*) FROM ssf_subjects WHERE stream_id = p_stream) >= p_most THEN
        RETURN false;
    END IF;
    INSERT INTO ssf_subjects VALUES (p_stream, p_subject, p_included);
    RETURN true;
END
$$;
