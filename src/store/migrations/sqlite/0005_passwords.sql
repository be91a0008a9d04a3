-- Hashes of passwords, for HTTP Basic: argon2id in the PHC string format where this program made them. `set_by` is
-- the number of the change that set the password; it stays when the same password is hashed anew.

CREATE TABLE password_hashes (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    hash       TEXT    NOT NULL,
    set_by     INTEGER NOT NULL
) STRICT;
