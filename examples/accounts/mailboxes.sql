-- Mailboxes for Postfix and pam_mysql: passwords in the form of crypt(3), an active flag, aliases.
CREATE TABLE mailbox (
    login     VARCHAR(128) NOT NULL PRIMARY KEY,
    address   VARCHAR(180) NOT NULL,
    password  VARCHAR(255) NOT NULL DEFAULT '!',
    name      VARCHAR(255) NOT NULL DEFAULT '',
    maildrop  VARCHAR(255) NOT NULL DEFAULT '',
    quota     BIGINT       NOT NULL DEFAULT 0,
    kind      VARCHAR(20)  NOT NULL DEFAULT 'person',
    -- Names of lists that the mailbox is on, separated by commas.
    member_of TEXT         NULL,
    -- 1: in use, 0: not for now, -1: given up.
    active    TINYINT      NOT NULL DEFAULT 1,
    KEY (address)
) ENGINE = InnoDB DEFAULT CHARACTER SET latin1 COLLATE latin1_swedish_ci;

-- These few came later than the table.
ALTER TABLE mailbox
    MODIFY login   VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
    MODIFY address VARCHAR(180) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
    MODIFY name    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL DEFAULT '';

CREATE TABLE alias (
    address VARCHAR(180) NOT NULL,
    goto    VARCHAR(180) NOT NULL,
    KEY (address),
    KEY (goto)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- The gate needs no more than this, and sees no password:
--   GRANT SELECT (login, address, name, maildrop, kind, member_of, active) ON mail.mailbox TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON mail.alias TO 'gate'@'10.0.0.%';
