-- What the authority has signed for everybody to read: the gate serves it without a key. Each publication takes a number,
-- which lets one publisher in at a time; the gate reads what has a greater number than what it has.

CREATE TABLE IF NOT EXISTS publications (
    id TINYINT NOT NULL PRIMARY KEY,
    n  BIGINT  NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO publications (id, n) VALUES (1, 0);

-- The authorities: the certificate of each, and those above it one behind the other, all in DER.
CREATE TABLE IF NOT EXISTS published_issuers (
    issuer      BINARY(32) NOT NULL PRIMARY KEY,
    certificate BLOB       NOT NULL,
    above       BLOB       NOT NULL,
    edition     BIGINT     NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Revocation lists: the newest whole one, the newest delta, and the whole one that deltas are made against.
CREATE TABLE IF NOT EXISTS published_lists (
    issuer      BINARY(32)  NOT NULL,
    kind        VARCHAR(16) NOT NULL CHECK (kind IN ('full', 'delta', 'base')),
    number      BIGINT      NOT NULL,
    this_update BIGINT      NOT NULL,
    next_update BIGINT      NOT NULL,
    edition     BIGINT      NOT NULL,
    PRIMARY KEY (issuer, kind)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Their octets, in parts that fit into a packet.
CREATE TABLE IF NOT EXISTS published_list_parts (
    issuer  BINARY(32)  NOT NULL,
    kind    VARCHAR(16) NOT NULL,
    part    INTEGER     NOT NULL,
    content MEDIUMBLOB  NOT NULL,
    PRIMARY KEY (issuer, kind, part)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The certificates of those who sign OCSP answers, by their SHA-256.
CREATE TABLE IF NOT EXISTS ocsp_signers (
    fingerprint BINARY(32) NOT NULL PRIMARY KEY,
    certificate BLOB       NOT NULL,
    not_after   BIGINT     NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- OCSP answers, signed, without the signer's certificate: for questions that name the issuer by SHA-1 and by SHA-256.
-- What was said of the certificate stands beside them, so that it shows where they are out of date.
CREATE TABLE IF NOT EXISTS ocsp_answers (
    issuer      BINARY(32)    NOT NULL,
    serial      VARBINARY(64) NOT NULL,
    revoked_at  BIGINT,
    reason      VARCHAR(64),
    this_update BIGINT        NOT NULL,
    next_update BIGINT        NOT NULL,
    signer      BINARY(32)    NOT NULL,
    by_sha1     BLOB          NOT NULL,
    by_sha256   BLOB          NOT NULL,
    edition     BIGINT        NOT NULL,
    PRIMARY KEY (issuer, serial),
    KEY ocsp_answers_by_edition (edition),
    KEY ocsp_answers_by_end (next_update)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
