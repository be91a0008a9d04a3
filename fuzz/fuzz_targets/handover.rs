//! What comes from other sites and from browsers in a hand-over, with whatever in it: nothing ends the process, nothing
//! that was made up is taken, and nobody is sent to another host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wicketgate::auth::session::{Accepted, Sessions};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::config::SignatureAlgorithm;
use wicketgate::handover::{form, token};
use wicketgate::jose::jwe::{self, DecryptionKey};
use wicketgate::jose::jwk::{KeySet, PublicKey};
use wicketgate::jose::jws::{self, SigningKey};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

struct Site {
    decryption: [DecryptionKey; 1],
    signing: SigningKey,
    keys: KeySet,
    sessions: Sessions,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let key = || SigningKey::generate(SignatureAlgorithm::Es256).expect("a key can be made");
    let signing = SigningKey::from_pkcs8(key().expose()).expect("it is one");
    let decryption = [DecryptionKey::from_pkcs8(key().expose()).expect("it is one")];
    let keys = KeySet { signature: vec![signing.public().clone()], encryption: Vec::new() };
    let accepted = vec![Accepted { site: "https://a.example".to_owned(), paths: vec!["/".to_owned()] }];
    let sessions = Sessions::new(&Secret::from("a secret"), "https://b.example", accepted).expect("it can be set up");
    Site { decryption, signing, keys, sessions }
});

fuzz_target!(|data: &[u8]| {
    let site = &*SITE;
    if let Ok(keys) = KeySet::parse(data) {
        assert!(keys.encryption.iter().all(|key| matches!(key, PublicKey::P256(_))));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(jwe::open(text, "T", &site.decryption).is_err());
    assert!(jws::verify(text, "T", &site.keys.signature).is_err());
    assert!(site.sessions.open(text, NOW).is_err());
    if let Ok(parameters) = form::parse(text) {
        for (name, _) in &parameters {
            assert!(form::value(&parameters, name).is_some());
        }
    }
    let everywhere = ["/".to_owned()];
    if token::may_return(text, &everywhere) {
        assert!(text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '\r', '\n']));
    }
    // As far as the claims: whatever a site that we trust has signed and encrypted to us.
    let inside = site.signing.sign("wicketgate-handover+jwt", data).expect("it can be signed");
    let outside = jwe::seal(inside.as_bytes(), "wicketgate-handover+jwe", site.decryption[0].public());
    if let Ok(outside) = outside {
        let source = token::Source { url: "https://a.example", keys: &site.keys, accept: &everywhere };
        let _ = token::open(&outside, &site.decryption, &[source], "https://b.example", "browser", NOW);
    }
});
