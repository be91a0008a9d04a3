-- SHA-512-256 among the hashes of HA1, and user names to be found by their hash (RFC 7616, section 3.4.4). SQLite
-- cannot compute those: the hash of a name is there from the next time on that its password is set.

CREATE TABLE digest_credentials_next (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    realm      TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL CHECK (algorithm IN ('SHA-512-256', 'SHA-256', 'MD5')),
    ha1        TEXT    NOT NULL,
    PRIMARY KEY (account_id, realm, algorithm)
) STRICT, WITHOUT ROWID;

INSERT INTO digest_credentials_next SELECT account_id, realm, algorithm, ha1 FROM digest_credentials;
DROP TABLE digest_credentials;
ALTER TABLE digest_credentials_next RENAME TO digest_credentials;

CREATE TABLE digest_userhashes (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    realm      TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL CHECK (algorithm IN ('SHA-512-256', 'SHA-256', 'MD5')),
    userhash   TEXT    NOT NULL,
    PRIMARY KEY (account_id, realm, algorithm)
) STRICT, WITHOUT ROWID;

CREATE INDEX digest_userhashes_by_hash ON digest_userhashes (userhash);
