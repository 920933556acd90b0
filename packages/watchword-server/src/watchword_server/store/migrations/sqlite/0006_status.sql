-- Numbers of sessions for status lists: the part of a sid after its dot. Sessions without one have none.

CREATE TABLE status_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    next INTEGER NOT NULL
) STRICT;
INSERT INTO status_counter VALUES (1, 0);

CREATE TABLE status_numbers (
    number INTEGER NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL UNIQUE REFERENCES sessions (sid) ON DELETE CASCADE
) STRICT;
CREATE TRIGGER sessions_are_numbered AFTER INSERT ON sessions WHEN instr(new.sid, '.') > 0
BEGIN
    INSERT INTO status_numbers (number, sid)
    SELECT CAST(substr(new.sid, instr(new.sid, '.') + 1) AS INTEGER), new.sid
    WHERE substr(new.sid, instr(new.sid, '.') + 1) NOT GLOB '*[^0-9]*' AND length(new.sid) - instr(new.sid, '.') BETWEEN 1 AND 18;
END;
