//! Whom a certificate means: the rules that turn [`CertificateFacts`](crate::certificate::facts::CertificateFacts)
//! into the names that accounts are looked up by. Pure.
