-- Accounts, certificates and the feed of changes. SQLite compares text octet by octet (BINARY), which is
-- how names compare. Times are seconds since 1970-01-01T00:00:00Z.

CREATE TABLE accounts (
    id           INTEGER NOT NULL PRIMARY KEY,
    username     TEXT    NOT NULL UNIQUE,
    email        TEXT    UNIQUE,
    display_name TEXT,
    status       TEXT    NOT NULL CHECK (status IN ('active', 'locked', 'closed')),
    home         TEXT
) STRICT;

CREATE TABLE aliases (
    alias      TEXT    NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_by_account ON aliases (account_id);

-- The groups of an account.
CREATE TABLE account_groups (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

-- HA1 of RFC 7616 in lower-case hexadecimal.
CREATE TABLE digest_credentials (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    realm      TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL CHECK (algorithm IN ('SHA-256', 'MD5')),
    ha1        TEXT    NOT NULL,
    PRIMARY KEY (account_id, realm, algorithm)
) STRICT, WITHOUT ROWID;

-- What our authority issued. A certificate outlives the account that it names.
CREATE TABLE certificates (
    issuer      BLOB    NOT NULL CHECK (length(issuer) = 32),
    serial      BLOB    NOT NULL,
    issuer_name TEXT    NOT NULL,
    username    TEXT,
    subject     TEXT    NOT NULL,
    not_before  INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    profile     TEXT    NOT NULL,
    revoked_at  INTEGER,
    reason      TEXT,
    PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

CREATE INDEX certificates_by_username ON certificates (username);

-- What is revoked, of any issuer.
CREATE TABLE revocations (
    issuer     BLOB    NOT NULL CHECK (length(issuer) = 32),
    serial     BLOB    NOT NULL,
    revoked_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

-- The number of the last change. Every writer raises it first, which lets one in at a time.
CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;

INSERT INTO change_counter (id, n) VALUES (1, 0);

-- What changed: numbers without holes, in the order in which the changes became visible.
CREATE TABLE changes (
    n    INTEGER NOT NULL PRIMARY KEY,
    kind TEXT    NOT NULL,
    name TEXT    NOT NULL
) STRICT;
