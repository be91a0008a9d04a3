-- Tokens of hand-overs that were used: the SHA-256 of who made each and of its identifier, until when it would count.

CREATE TABLE handovers (
    identifier BLOB    NOT NULL PRIMARY KEY,
    kept_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX handovers_by_end ON handovers (kept_until);
