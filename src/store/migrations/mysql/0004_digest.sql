-- SHA-512-256 among the hashes of HA1, and user names to be found by their hash (RFC 7616, section 3.4.4).
-- MariaDB keeps the list of algorithms with the column, MySQL as a rule of the table.
ALTER TABLE digest_credentials MODIFY COLUMN algorithm VARCHAR(16) NOT NULL
    /*!80016 , ALTER CHECK digest_credentials_chk_1 NOT ENFORCED */;

CREATE TABLE IF NOT EXISTS digest_userhashes (
    account_id BIGINT       NOT NULL,
    realm      VARCHAR(254) NOT NULL,
    algorithm  VARCHAR(16)  NOT NULL,
    userhash   VARCHAR(64)  NOT NULL,
    PRIMARY KEY (account_id, realm, algorithm),
    KEY digest_userhashes_by_hash (userhash),
    CONSTRAINT digest_userhashes_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Not of MD5: MySQL 9 has no such function any more.
INSERT IGNORE INTO digest_userhashes (account_id, realm, algorithm, userhash)
    SELECT d.account_id, d.realm, d.algorithm, SHA2(CONCAT(a.username, ':', d.realm), 256)
    FROM digest_credentials d JOIN accounts a ON a.id = d.account_id
    WHERE d.algorithm = 'SHA-256';
