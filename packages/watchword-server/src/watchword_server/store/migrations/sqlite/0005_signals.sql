-- Streams of security events and the subjects they are about.

CREATE TABLE ssf_streams (
    id TEXT NOT NULL PRIMARY KEY,
    receiver TEXT NOT NULL,
    method TEXT NOT NULL,
    endpoint TEXT,
    sealed BLOB,
    requested TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    verified_at REAL NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ssf_streams_by_receiver ON ssf_streams (receiver);

CREATE TABLE ssf_subjects (
    stream_id TEXT NOT NULL REFERENCES ssf_streams (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    included INTEGER NOT NULL,
    PRIMARY KEY (stream_id, subject)
) STRICT, WITHOUT ROWID;
