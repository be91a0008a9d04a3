-- What the authority keeps beside `certificates` and `revocations`. These are tables of their own, since MySQL cannot
-- repeat an ALTER TABLE that adds a column, and a gate that only asks whether something is revoked never reads them.

-- Each certificate itself, and the SHA-256 of its SubjectPublicKeyInfo. Both are NULL of one that was recorded by its
-- particulars alone.
CREATE TABLE IF NOT EXISTS certificate_contents (
    issuer BINARY(32)    NOT NULL,
    serial VARBINARY(64) NOT NULL,
    spki   BINARY(32),
    der    MEDIUMBLOB,
    PRIMARY KEY (issuer, serial),
    KEY certificate_contents_by_serial (serial),
    KEY certificate_contents_by_spki (spki)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every revocation, change of its reason and removal from hold (reason NULL), by its number in the feed of changes.
CREATE TABLE IF NOT EXISTS revocation_log (
    n      BIGINT        NOT NULL PRIMARY KEY,
    issuer BINARY(32)    NOT NULL,
    serial VARBINARY(64) NOT NULL,
    at     BIGINT        NOT NULL,
    reason VARCHAR(64),
    KEY revocation_log_by_issuer (issuer, n)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The number of each issuer's newest list. Whoever makes one raises it first.
CREATE TABLE IF NOT EXISTS crl_numbers (
    issuer BINARY(32) NOT NULL PRIMARY KEY,
    number BIGINT     NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
