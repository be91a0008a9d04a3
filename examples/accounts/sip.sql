-- The subscribers of a SIP registrar: a user and a domain, and HA1 (RFC 7616) in MD5 and SHA-256 instead of a
-- password.
CREATE TABLE subscriber (
    id            INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username      VARCHAR(64)  NOT NULL,
    domain        VARCHAR(64)  NOT NULL,
    ha1           CHAR(32)     NOT NULL DEFAULT '',
    ha1_sha256    CHAR(64)     NOT NULL DEFAULT '',
    email_address VARCHAR(180) NOT NULL DEFAULT '',
    name          VARCHAR(128) NOT NULL DEFAULT '',
    registrar     VARCHAR(64)  NOT NULL DEFAULT '',
    -- 0: may call, 1: blocked, 2: gone.
    state         TINYINT      NOT NULL DEFAULT 0,
    UNIQUE KEY account (username, domain),
    KEY email_address (email_address)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- Other users that ring for somebody. A number has no domain.
CREATE TABLE dbaliases (
    alias_username VARCHAR(64)  NOT NULL,
    alias_domain   VARCHAR(64)  NOT NULL DEFAULT '',
    subscriber_id  INT UNSIGNED NOT NULL,
    KEY alias (alias_username, alias_domain),
    KEY target (subscriber_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- Who may do what beyond calling.
CREATE TABLE grp (
    subscriber_id INT UNSIGNED NOT NULL,
    grp           VARCHAR(64)  NOT NULL,
    PRIMARY KEY (subscriber_id, grp)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- The gate needs no more than this:
--   GRANT SELECT ON sip.subscriber TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON sip.dbaliases TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON sip.grp TO 'gate'@'10.0.0.%';
