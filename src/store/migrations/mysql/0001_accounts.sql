-- Accounts, certificates and the feed of changes. Names compare by utf8mb4_bin, which tells case and
-- accents apart. Times are seconds since 1970-01-01T00:00:00Z. MySQL commits every CREATE TABLE by itself:
-- a migration that was cut off is begun again, so each statement leaves alone what stands already.

CREATE TABLE IF NOT EXISTS accounts (
    id           BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username     VARCHAR(254) NOT NULL,
    email        VARCHAR(254),
    display_name VARCHAR(254),
    status       VARCHAR(16)  NOT NULL CHECK (status IN ('active', 'locked', 'closed')),
    home         VARCHAR(254),
    UNIQUE KEY accounts_by_username (username),
    UNIQUE KEY accounts_by_email (email)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS aliases (
    alias      VARCHAR(254) NOT NULL PRIMARY KEY,
    account_id BIGINT       NOT NULL,
    KEY aliases_by_account (account_id),
    CONSTRAINT aliases_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The groups of an account.
CREATE TABLE IF NOT EXISTS account_groups (
    account_id BIGINT       NOT NULL,
    name       VARCHAR(254) NOT NULL,
    PRIMARY KEY (account_id, name),
    CONSTRAINT account_groups_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- HA1 of RFC 7616 in lower-case hexadecimal.
CREATE TABLE IF NOT EXISTS digest_credentials (
    account_id BIGINT       NOT NULL,
    realm      VARCHAR(254) NOT NULL,
    algorithm  VARCHAR(16)  NOT NULL CHECK (algorithm IN ('SHA-256', 'MD5')),
    ha1        VARCHAR(128) NOT NULL,
    PRIMARY KEY (account_id, realm, algorithm),
    CONSTRAINT digest_credentials_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What our authority issued. A certificate outlives the account that it names.
CREATE TABLE IF NOT EXISTS certificates (
    issuer      BINARY(32)    NOT NULL,
    serial      VARBINARY(64) NOT NULL,
    issuer_name TEXT          NOT NULL,
    username    VARCHAR(254),
    subject     TEXT          NOT NULL,
    not_before  BIGINT        NOT NULL,
    not_after   BIGINT        NOT NULL,
    fingerprint BINARY(32)    NOT NULL,
    profile     VARCHAR(254)  NOT NULL,
    revoked_at  BIGINT,
    reason      VARCHAR(64),
    PRIMARY KEY (issuer, serial),
    UNIQUE KEY certificates_by_fingerprint (fingerprint),
    KEY certificates_by_username (username)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What is revoked, of any issuer.
CREATE TABLE IF NOT EXISTS revocations (
    issuer     BINARY(32)    NOT NULL,
    serial     VARBINARY(64) NOT NULL,
    revoked_at BIGINT        NOT NULL,
    reason     VARCHAR(64)   NOT NULL,
    PRIMARY KEY (issuer, serial)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The number of the last change. Every writer raises it first, which lets one in at a time.
CREATE TABLE IF NOT EXISTS change_counter (
    id TINYINT NOT NULL PRIMARY KEY,
    n  BIGINT  NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO change_counter (id, n) VALUES (1, 0);

-- What changed: numbers without holes, in the order in which the changes became visible.
CREATE TABLE IF NOT EXISTS changes (
    n    BIGINT       NOT NULL PRIMARY KEY,
    kind VARCHAR(16)  NOT NULL,
    name VARCHAR(254) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
