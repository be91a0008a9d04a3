-- What a groupware server knows of its accounts.
CREATE TABLE zimbra_account (
    zimbra_id      CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    uid            VARCHAR(128) NOT NULL,
    mail_user      VARCHAR(128) NOT NULL,
    mail_domain    VARCHAR(128) NOT NULL,
    display_name   VARCHAR(255) NULL,
    account_status ENUM('active', 'locked', 'lockout', 'maintenance', 'pending', 'closed') NOT NULL DEFAULT 'active',
    mail_host      VARCHAR(255) NULL,
    is_external    TINYINT(1)   NOT NULL DEFAULT 0,
    UNIQUE KEY (uid),
    UNIQUE KEY (mail_user, mail_domain)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE TABLE zimbra_mail_alias (
    mail      VARCHAR(180) NOT NULL,
    zimbra_id CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (mail, zimbra_id),
    KEY (zimbra_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE TABLE zimbra_list_member (
    list      VARCHAR(180) NOT NULL,
    zimbra_id CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (zimbra_id, list)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE TABLE zimbra_digest (
    zimbra_id  CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    realm      VARCHAR(128) NOT NULL,
    ha1_md5    CHAR(32)     NULL,
    ha1_sha256 CHAR(64)     NULL,
    PRIMARY KEY (zimbra_id, realm)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The gate needs no more than this:
--   GRANT SELECT ON zimbra.zimbra_account TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON zimbra.zimbra_mail_alias TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON zimbra.zimbra_list_member TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON zimbra.zimbra_digest TO 'gate'@'10.0.0.%';
