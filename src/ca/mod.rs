//! The certificates that we make (RFC 5280): `key` signs, `profile` says what a kind of certificate
//! holds and whom one is about, `issue` makes certificates, `crl` takes them back, `ocsp` answers for
//! them, `publish` puts out what both say, `pem`, `pkcs7` and `pkcs12` put them into the forms that others read, the last under a `password`, `files` lays them down.
//! `hierarchy` makes an authority and renews it, `import` takes one over, `directory` is the folder that it
//! lies in, `passphrase` is what its keys are sealed with, `constraints` limits the names that it may certify.
//! `request` reads what others ask for and `weak` judges their keys; `office` is one act from an order to a
//! certificate on record, `batch` many of them, `register` what is on record. What other people's
//! certificates say is `certificate`'s business, and whether they still count is `revocation`'s.
//!
//! What the authority did stands in its `history`; `ldap` publishes certificates in a directory.

pub mod batch;
pub mod constraints;
pub mod crl;
pub mod est;
pub mod directory;
pub mod encode;
pub mod files;
pub mod hierarchy;
pub mod history;
pub mod import;
pub mod issue;
pub mod key;
pub mod office;
pub mod ocsp;
pub mod ldap;
pub mod password;
pub mod passphrase;
pub mod pem;
pub mod pkcs12;
pub mod pkcs7;
pub mod profile;
pub mod publish;
pub mod register;
pub mod server;
pub mod request;
pub mod weak;
