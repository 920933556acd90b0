-- Offline access outlives the sign-on it came from; what the client was signed in to does not. The ID tokens of a session with
-- offline access name the client's session in that sign-on. NULL: they name this session itself, as all did before.
ALTER TABLE sessions ADD COLUMN id_token_sid TEXT;
