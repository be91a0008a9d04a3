//! Lets what keeps OCSP answers about our own certificates fresh put them where handshakes find them.

use super::build::BuiltListener;
use crate::certificate::facts::sha256;
use crate::config::{self, Stapling};
use crate::fetch::stapling::Stapler;
use crate::listen::tls::ServerCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A chain, and everywhere that its certificate is shown on the same terms.
struct Shown<'a> {
    chain: Vec<CertificateDer<'static>>,
    settings: &'a Stapling,
    places: Vec<ServerCertificate>,
    /// One of these places, for people.
    listener: &'a str,
}

/// Starts one stapler for each certificate of these listeners that can be asked about, whose settings stand in the
/// same order in the configuration. What the staplers `before` know is used at once.
pub(super) fn start(
    settings: &[config::Listener],
    built: &[BuiltListener],
    before: &[Stapler],
    handle: &Handle,
) -> Vec<Stapler> {
    let mut shown: Vec<Shown<'_>> = Vec::new();
    for (settings, built) in settings.iter().zip(built) {
        let Some(stapling) = settings.tls.as_ref().and_then(|tls| tls.stapling.as_ref()) else { continue };
        for place in built.settings.tls.certificates() {
            let chain = &place.certified.load().cert;
            match shown.iter_mut().find(|shown| shown.chain == *chain && shown.settings == stapling) {
                Some(known) => known.places.push(place.clone()),
                None => shown.push(Shown {
                    chain: chain.clone(),
                    settings: stapling,
                    places: vec![place.clone()],
                    listener: &settings.name,
                }),
            }
        }
    }
    shown.into_iter().filter_map(|shown| start_one(shown, before, handle)).collect()
}

fn start_one(shown: Shown<'_>, before: &[Stapler], handle: &Handle) -> Option<Stapler> {
    let Shown { chain, settings, places, listener } = shown;
    let staple = move |answer: Option<Vec<u8>>| {
        for place in &places {
            let CertifiedKey { cert, key, .. } = &**place.certified.load();
            let certified = CertifiedKey { cert: cert.clone(), key: Arc::clone(key), ocsp: answer.clone() };
            place.certified.store(Arc::new(certified));
        }
    };
    Stapler::start(&chain, settings, before, handle, staple).unwrap_or_else(|why| {
        let fingerprint = chain.first().map(|leaf| crate::base::hex::encode(&sha256(leaf)));
        tracing::warn!(listener, fingerprint, %why, "no OCSP answer can be stapled to this certificate");
        None
    })
}
