-- Numbers of sessions for status lists: the part of a sid after its dot. Sessions without one have none.

CREATE TABLE status_counter (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    next bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO status_counter VALUES (1, 0);

CREATE TABLE status_numbers (
    number bigint NOT NULL PRIMARY KEY,
    sid text COLLATE "C" NOT NULL UNIQUE REFERENCES sessions (sid) ON DELETE CASCADE
);
CREATE FUNCTION watchword_number_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_numbers (number, sid) VALUES (split_part(NEW.sid, '.', 2)::bigint, NEW.sid);
    RETURN NULL;
END
$$;
CREATE TRIGGER sessions_are_numbered AFTER INSERT ON sessions FOR EACH ROW
    WHEN (NEW.sid ~ '^[^.]+\.[0-9]{1,18}$') EXECUTE FUNCTION watchword_number_session();
