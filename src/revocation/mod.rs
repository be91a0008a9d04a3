//! What no longer counts: certificate revocation lists (RFC 5280, section 5) and our own table, combined
//! into one answer.
