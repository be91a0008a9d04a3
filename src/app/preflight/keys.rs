//! The keys by which the gate signs and decrypts what is meant for applications and other sites: can each be read, is
//! it of a kind that is taken, and is it kept from others.

use super::{Examiner, Named};
use crate::assertion::keys::read_pkcs8;
use crate::base::reach;
use crate::config::{Assertion, AssertionKeys, Handover};
use crate::handover::read_keys;
use crate::jose::JoseError;
use crate::jose::jwe::DecryptionKey;
use crate::jose::jws::SigningKey;
use std::path::Path;

impl Examiner {
    /// What signs assertions. A folder in which keys are made need not be there yet.
    pub(super) fn assertion(&mut self, assertion: &Assertion) {
        match &assertion.keys {
            AssertionKeys::Files(files) => {
                for (index, path) in files.iter().enumerate() {
                    self.private_key(&format!("assertion.keys.files[{index}]"), path, SigningKey::from_pkcs8);
                }
            }
            AssertionKeys::Directory { path, .. } => {
                if let Err(obstacle) = reach::usable_folder(path) {
                    let file = Named { path, key: "assertion.keys.directory" };
                    self.error("the folder cannot be used", file, obstacle.why, obstacle.what_to_do);
                }
            }
        }
    }

    /// What signs and decrypts hand-overs, what seals sessions, and the keys of the other sites.
    pub(super) fn handover(&mut self, handover: &Handover) {
        for (index, path) in handover.signing.iter().enumerate() {
            self.private_key(&format!("handover.signing[{index}]"), path, SigningKey::from_pkcs8);
        }
        for (index, path) in handover.decryption.iter().enumerate() {
            self.private_key(&format!("handover.decryption[{index}]"), path, DecryptionKey::from_pkcs8);
        }
        match &handover.session.secret {
            Some(secret) => self.strong_secret("handover.session.secret", secret),
            None if handover.accepts() => {
                let why = "it is random, and each node and each start has another one";
                let what_to_do = "make one for all nodes with: openssl rand -hex 32";
                self.warn("sessions end when the gate does", "handover.session.secret", why, what_to_do);
            }
            None => {}
        }
        for (name, site) in &handover.sites {
            let key = format!("handover.sites.{name}.keys");
            let file = Named { path: &site.keys, key: &key };
            if self.readable(file)
                && let Err(error) = read_keys(&site.keys)
            {
                let what_to_do = format!("fetch {}/.well-known/wicketgate/handover-keys.json", site.url.as_str());
                self.error("the file holds no keys of a site", file, error.to_string(), what_to_do);
            }
        }
    }

    /// A private key in PKCS#8 that `parse` takes.
    fn private_key<T>(&mut self, key: &str, path: &Path, parse: impl Fn(&[u8]) -> Result<T, JoseError>) {
        let file = Named { path, key };
        if !self.readable(file) {
            return;
        }
        if let Err(error) = read_pkcs8(path, parse) {
            let what_to_do = "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
            self.error("the file holds no key that can be used here", file, error.to_string(), what_to_do);
        }
        self.kept_from_others(file, "the key");
    }
}
