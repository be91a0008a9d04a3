-- The history of the authority outside its file, and what of its certificates an LDAP directory holds.

-- The last record of each act that was recorded: the identity of the history, the number, the SHA-256 of the line. Rows
-- are only ever added.
CREATE TABLE history_heads (
    history BLOB    NOT NULL CHECK (length(history) = 16),
    seq     INTEGER NOT NULL,
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (history, seq)
) STRICT, WITHOUT ROWID;

-- Each certificate that the directory is to hold (wanted 1) or no more (0), and whether that is still to be done
-- (pending 1): when next, how often it was tried, what was in the way, and the entry that holds it.
CREATE TABLE ldap_publications (
    issuer   BLOB    NOT NULL CHECK (length(issuer) = 32),
    serial   BLOB    NOT NULL,
    username TEXT    NOT NULL,
    wanted   INTEGER NOT NULL CHECK (wanted IN (0, 1)),
    pending  INTEGER NOT NULL CHECK (pending IN (0, 1)),
    due_at   INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    dn       TEXT,
    problem  TEXT,
    PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

CREATE INDEX ldap_publications_by_due ON ldap_publications (pending, due_at);

-- Who works that off, until when, and up to which number of revocation_log it knows the revocations.
CREATE TABLE ldap_worker (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    holder      TEXT    NOT NULL,
    held_until  INTEGER NOT NULL,
    revocations INTEGER NOT NULL
) STRICT;

INSERT INTO ldap_worker (id, holder, held_until, revocations) VALUES (1, '', 0, 0);
