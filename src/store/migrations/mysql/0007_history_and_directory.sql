-- The history of the authority outside its file, and what of its certificates an LDAP directory holds.

-- The last record of each act that was recorded: the identity of the history, the number, the SHA-256 of the line. Rows
-- are only ever added.
CREATE TABLE IF NOT EXISTS history_heads (
    history BINARY(16) NOT NULL,
    seq     BIGINT     NOT NULL,
    hash    BINARY(32) NOT NULL,
    kept_at BIGINT     NOT NULL,
    PRIMARY KEY (history, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Each certificate that the directory is to hold (wanted 1) or no more (0), and whether that is still to be done
-- (pending 1): when next, how often it was tried, what was in the way, and the entry that holds it.
CREATE TABLE IF NOT EXISTS ldap_publications (
    issuer   BINARY(32)    NOT NULL,
    serial   VARBINARY(64) NOT NULL,
    username VARCHAR(254)  NOT NULL,
    wanted   TINYINT       NOT NULL,
    pending  TINYINT       NOT NULL,
    due_at   BIGINT        NOT NULL,
    attempts INT           NOT NULL,
    dn       TEXT,
    problem  TEXT,
    PRIMARY KEY (issuer, serial),
    KEY ldap_publications_by_due (pending, due_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who works that off, until when, and up to which number of revocation_log it knows the revocations.
CREATE TABLE IF NOT EXISTS ldap_worker (
    id          TINYINT      NOT NULL PRIMARY KEY,
    holder      VARCHAR(254) NOT NULL,
    held_until  BIGINT       NOT NULL,
    revocations BIGINT       NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO ldap_worker (id, holder, held_until, revocations) VALUES (1, '', 0, 0);
