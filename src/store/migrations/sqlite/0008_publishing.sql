-- What the authority has signed for everybody to read: the gate serves it without a key. Each publication takes a number,
-- which lets one publisher in at a time; the gate reads what has a greater number than what it has.

CREATE TABLE publications (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;

INSERT INTO publications (id, n) VALUES (1, 0);

-- The authorities: the certificate of each, and those above it one behind the other, all in DER.
CREATE TABLE published_issuers (
    issuer      BLOB    NOT NULL PRIMARY KEY CHECK (length(issuer) = 32),
    certificate BLOB    NOT NULL,
    above       BLOB    NOT NULL,
    edition     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Revocation lists: the newest whole one, the newest delta, and the whole one that deltas are made against.
CREATE TABLE published_lists (
    issuer      BLOB    NOT NULL CHECK (length(issuer) = 32),
    kind        TEXT    NOT NULL CHECK (kind IN ('full', 'delta', 'base')),
    number      INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    edition     INTEGER NOT NULL,
    PRIMARY KEY (issuer, kind)
) STRICT, WITHOUT ROWID;

-- Their octets, in parts that fit into a packet.
CREATE TABLE published_list_parts (
    issuer  BLOB    NOT NULL,
    kind    TEXT    NOT NULL,
    part    INTEGER NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (issuer, kind, part)
) STRICT;

-- The certificates of those who sign OCSP answers, by their SHA-256.
CREATE TABLE ocsp_signers (
    fingerprint BLOB    NOT NULL PRIMARY KEY CHECK (length(fingerprint) = 32),
    certificate BLOB    NOT NULL,
    not_after   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- OCSP answers, signed, without the signer's certificate: for questions that name the issuer by SHA-1 and by SHA-256.
-- What was said of the certificate stands beside them, so that it shows where they are out of date.
CREATE TABLE ocsp_answers (
    issuer      BLOB    NOT NULL CHECK (length(issuer) = 32),
    serial      BLOB    NOT NULL,
    revoked_at  INTEGER,
    reason      TEXT,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    signer      BLOB    NOT NULL CHECK (length(signer) = 32),
    by_sha1     BLOB    NOT NULL,
    by_sha256   BLOB    NOT NULL,
    edition     INTEGER NOT NULL,
    PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

CREATE INDEX ocsp_answers_by_edition ON ocsp_answers (edition);

CREATE INDEX ocsp_answers_by_end ON ocsp_answers (next_update);
