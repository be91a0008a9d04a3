-- Users with a salted SHA-1 password and PIN code, and with the attributes of the certificates that are issued to them.
CREATE TABLE users (
    UserId           INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    UserName         VARCHAR(128) NOT NULL,
    -- SHA-1 of salt and secret, in hexadecimal.
    PasswordSalt     CHAR(16)     NOT NULL DEFAULT '',
    PasswordHash     CHAR(40)     NOT NULL DEFAULT '',
    PinCodeSalt      CHAR(16)     NOT NULL DEFAULT '',
    PinCodeHash      CHAR(40)     NOT NULL DEFAULT '',
    State            ENUM('enabled', 'suspended', 'removed') NOT NULL DEFAULT 'enabled',
    HomeServer       VARCHAR(128) NULL,
    -- What their certificates say.
    CertCommonName   VARCHAR(128) NULL,
    CertEmail        VARCHAR(180) NULL,
    CertCountry      CHAR(2)      NULL,
    CertState        VARCHAR(128) NULL,
    CertLocality     VARCHAR(128) NULL,
    CertOrganisation VARCHAR(128) NULL,
    CertUnit         VARCHAR(128) NULL,
    UNIQUE KEY (UserName),
    KEY (CertEmail)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE user_aliases (
    Alias  VARCHAR(180) NOT NULL,
    UserId INT UNSIGNED NOT NULL,
    KEY (Alias),
    KEY (UserId)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE services (
    ServiceId   INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    ServiceName VARCHAR(128) NOT NULL,
    UNIQUE KEY (ServiceName)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE user_services (
    UserId    INT UNSIGNED NOT NULL,
    ServiceId INT UNSIGNED NOT NULL,
    PRIMARY KEY (UserId, ServiceId)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- The gate needs no more than this. Where nobody logs in by password, leave out the four columns of hashes and salts:
--   GRANT SELECT (UserId, UserName, State, HomeServer, CertCommonName, CertEmail, PasswordHash, PasswordSalt, PinCodeHash, PinCodeSalt) ON keytalk.users TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON keytalk.user_aliases TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON keytalk.services TO 'gate'@'10.0.0.%';
--   GRANT SELECT ON keytalk.user_services TO 'gate'@'10.0.0.%';
