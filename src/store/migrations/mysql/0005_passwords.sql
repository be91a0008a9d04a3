-- Hashes of passwords, for HTTP Basic: argon2id in the PHC string format where this program made them. `set_by` is
-- the number of the change that set the password; it stays when the same password is hashed anew.

CREATE TABLE IF NOT EXISTS password_hashes (
    account_id BIGINT        NOT NULL PRIMARY KEY,
    hash       VARCHAR(1024) NOT NULL,
    set_by     BIGINT        NOT NULL,
    CONSTRAINT password_hashes_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
