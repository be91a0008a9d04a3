-- Imports of many accounts at once (`wicketgate account import`). The accounts of an import stand in their tables
-- from the beginning, and nobody sees those whose ids are in the range of a pending import.

CREATE TABLE imports (
    first_id INTEGER NOT NULL PRIMARY KEY,
    last_id  INTEGER NOT NULL,
    holder   TEXT    NOT NULL,
    expires  INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('pending', 'applying'))
) STRICT;

-- What an import changes in accounts that exist, until it is done.
CREATE TABLE import_updates (
    import INTEGER NOT NULL,
    line   INTEGER NOT NULL,
    record TEXT    NOT NULL,
    PRIMARY KEY (import, line)
) STRICT, WITHOUT ROWID;

-- The names that these changes will give to accounts: until then nobody else gets them.
CREATE TABLE import_names (
    name       TEXT    NOT NULL PRIMARY KEY,
    import     INTEGER NOT NULL,
    account_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX import_names_by_import ON import_names (import);
