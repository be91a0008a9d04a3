//! What a certificate says: `pem` reads files, `facts` reads one certificate, `path` finds whether an
//! authority stands behind it (RFC 5280). Whom it means is `identity`'s business.

pub mod facts;
pub mod path;
