//! The gate's store, written to as another process writes to it: by the product's own library.

use super::gate::Gate;
use super::pki::Credential;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use wicketgate::account::{self, CertificateKey, Registry};
use wicketgate::base::clock::Timestamp;

/// The store of the configuration in this folder.
pub(crate) async fn open(folder: &Path) -> Arc<dyn Registry> {
    let loaded = match wicketgate::config::load(&folder.join("wicketgate.yaml")) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("{faults}"),
    };
    account::open(&loaded.config.accounts.store, Handle::current()).await.unwrap()
}

/// Records in a gate's store that a certificate is revoked from now on.
pub(crate) async fn revoke(gate: &Gate, credential: &Credential) {
    let store = open(gate.folder()).await;
    store.revoke(&key(credential), Timestamp::now(), "keyCompromise").await.unwrap();
}

/// The store's key of a certificate whose issuer comes with it.
pub(crate) fn key(credential: &Credential) -> CertificateKey {
    let (_, leaf) = x509_parser::parse_x509_certificate(&credential.chain[0]).unwrap();
    let (_, issuer) = x509_parser::parse_x509_certificate(&credential.chain[1]).unwrap();
    CertificateKey::new(leaf.issuer().as_raw(), issuer.public_key().raw, leaf.raw_serial())
}
