-- What the authority keeps beside `certificates` and `revocations`.

-- Each certificate itself, and the SHA-256 of its SubjectPublicKeyInfo. Both are NULL of one that was recorded by its
-- particulars alone.
CREATE TABLE certificate_contents (
    issuer BLOB NOT NULL CHECK (length(issuer) = 32),
    serial BLOB NOT NULL,
    spki   BLOB CHECK (length(spki) = 32),
    der    BLOB,
    PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

CREATE INDEX certificate_contents_by_serial ON certificate_contents (serial);
CREATE INDEX certificate_contents_by_spki ON certificate_contents (spki);

-- Every revocation, change of its reason and removal from hold (reason NULL), by its number in the feed of changes.
CREATE TABLE revocation_log (
    n      INTEGER NOT NULL PRIMARY KEY,
    issuer BLOB    NOT NULL CHECK (length(issuer) = 32),
    serial BLOB    NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT
) STRICT;

CREATE INDEX revocation_log_by_issuer ON revocation_log (issuer, n);

-- The number of each issuer's newest list. Whoever makes one raises it first.
CREATE TABLE crl_numbers (
    issuer BLOB    NOT NULL PRIMARY KEY CHECK (length(issuer) = 32),
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
