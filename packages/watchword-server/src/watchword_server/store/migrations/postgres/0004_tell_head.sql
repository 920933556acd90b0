-- Whoever listens learns of a cut-off the moment its transaction commits, and never of one that does not: NOTIFY is
-- delivered at the commit. Positions are allocated in commit order, so the messages come in that order too.

CREATE FUNCTION watchword_tell_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('watchword_revocations', NEW.epoch || ' ' || NEW.position);
    RETURN NULL;
END
$$;
CREATE TRIGGER revocation_head_tells AFTER UPDATE ON revocation_head FOR EACH ROW
    WHEN (OLD.position IS DISTINCT FROM NEW.position OR OLD.epoch IS DISTINCT FROM NEW.epoch)
    EXECUTE FUNCTION watchword_tell_head();
