-- A session may hold several families or none, belong to a sign-on, and idle out by itself.

ALTER TABLE sessions ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN used_at REAL NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN acr TEXT;
-- The sign-on it ends with; NULL for first parties and for what outlives the sign-on.
ALTER TABLE sessions ADD COLUMN sign_on TEXT;
-- When it idles out unless a family keeps it alive.
ALTER TABLE sessions ADD COLUMN idle_expires_at REAL NOT NULL DEFAULT 0;
-- Position of the cut-off that was written when it was ended by itself.
ALTER TABLE sessions ADD COLUMN end_position INTEGER;
UPDATE sessions SET used_at = created_at;
CREATE INDEX sessions_by_sign_on ON sessions (sign_on, client_id) WHERE sign_on IS NOT NULL;
-- Applications' own logins are not looked for by client.
CREATE INDEX sessions_by_client ON sessions (client_id, sid) WHERE client_id <> 'first-party';

-- One row a family, whatever the number of refreshes.
CREATE TABLE families_of_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    resource TEXT NOT NULL,
    sender_key TEXT,
    delivery TEXT NOT NULL,
    salt BLOB NOT NULL,
    key_id TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    rotated_at REAL NOT NULL,
    device_kind TEXT NOT NULL,
    place TEXT NOT NULL,
    odd_count INTEGER NOT NULL DEFAULT 0,
    odd_marked INTEGER NOT NULL DEFAULT 0,
    refresh_count INTEGER NOT NULL DEFAULT 0,
    idle_expires_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    revoked_at REAL,
    revoked_reason TEXT,
    -- Of the authorization it comes from: fixed for all its tokens, whatever its session sees later.
    auth_time REAL NOT NULL,
    amr TEXT NOT NULL,
    acr TEXT,
    terms BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO families_of_sessions
SELECT f.id, f.sid, f.scope, CASE WHEN f.resource IS NULL THEN '[]' ELSE '["' || replace(replace(f.resource, '\', '\\'), '"', '\"') || '"]' END, f.sender_key,
    f.delivery, f.salt, f.key_id, f.generation, f.rotated_at, f.device_kind, f.place, f.odd_count, f.odd_marked,
    f.refresh_count, f.idle_expires_at, f.expires_at, f.revoked_at, f.revoked_reason, s.auth_time, s.amr, NULL, x''
FROM families f JOIN sessions s ON s.sid = f.sid;
DROP TABLE families;
ALTER TABLE families_of_sessions RENAME TO families;
CREATE INDEX families_by_session ON families (sid);
