-- Imports of many accounts at once (`wicketgate account import`). The accounts of an import stand in their tables
-- from the beginning, and nobody sees those whose ids are in the range of a pending import.

CREATE TABLE IF NOT EXISTS imports (
    first_id BIGINT      NOT NULL PRIMARY KEY,
    last_id  BIGINT      NOT NULL,
    holder   VARCHAR(64) NOT NULL,
    expires  BIGINT      NOT NULL,
    state    VARCHAR(16) NOT NULL CHECK (state IN ('pending', 'applying'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What an import changes in accounts that exist, until it is done.
CREATE TABLE IF NOT EXISTS import_updates (
    import BIGINT     NOT NULL,
    line   BIGINT     NOT NULL,
    record MEDIUMTEXT NOT NULL,
    PRIMARY KEY (import, line)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The names that these changes will give to accounts: until then nobody else gets them.
CREATE TABLE IF NOT EXISTS import_names (
    name       VARCHAR(254) NOT NULL PRIMARY KEY,
    import     BIGINT       NOT NULL,
    account_id BIGINT       NOT NULL,
    KEY import_names_by_import (import)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
