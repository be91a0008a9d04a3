-- The subscribers of a SIP registrar: a user and a domain, and HA1 (RFC 7616) in MD5 and SHA-256 instead of a
-- password. A subscriber who is blocked has the time at which that happened.
CREATE TABLE subscriber (
    id         INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username   VARCHAR(64)  NOT NULL,
    domain     VARCHAR(64)  NOT NULL,
    ha1        CHAR(32)     NOT NULL,
    ha1_sha256 CHAR(64)     NOT NULL,
    name       VARCHAR(128) NOT NULL DEFAULT '',
    registrar  VARCHAR(64)  NOT NULL DEFAULT '',
    blocked_at DATETIME     NULL,
    UNIQUE KEY account (username, domain)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- Other users of the same domain that ring for somebody.
CREATE TABLE dbaliases (
    alias_username VARCHAR(64) NOT NULL,
    alias_domain   VARCHAR(64) NOT NULL,
    subscriber_id  INT UNSIGNED NOT NULL,
    UNIQUE KEY alias (alias_username, alias_domain),
    KEY target (subscriber_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- Who may do what beyond calling.
CREATE TABLE grp (
    subscriber_id INT UNSIGNED NOT NULL,
    grp           VARCHAR(64)  NOT NULL,
    UNIQUE KEY membership (subscriber_id, grp)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;

-- The gate needs no more than this:
--   GRANT SELECT (id, username, domain, ha1, ha1_sha256, name, registrar, blocked_at) ON sip.subscriber TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON sip.dbaliases TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON sip.grp TO 'gate'@'10.0.0.%';
