-- Tokens of hand-overs that were used: the SHA-256 of who made each and of its identifier, until when it would count.

CREATE TABLE IF NOT EXISTS handovers (
    identifier BINARY(32) NOT NULL PRIMARY KEY,
    kept_until BIGINT     NOT NULL,
    KEY handovers_by_end (kept_until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
