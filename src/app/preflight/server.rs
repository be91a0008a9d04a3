//! The certificates that listeners show: do they belong to their keys, is each signed by the next, and
//! are they for the names that clients will ask for.

use super::{Examiner, Named};
use crate::base::secret::SecretSource;
use crate::certificate::fields::Fields;
use crate::certificate::signature::Sealed;
use crate::certificate::{facts, name, pem};
use crate::config::{CertificateFiles, Config, HostPattern, Listener, Stapling};
use crate::fetch::stapling::{self, StaplingError};
use crate::forward_auth::proof::LEAST_SECRET;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::collections::BTreeSet;

/// id-kp-serverAuth (RFC 5280, section 4.2.1.12), and anyExtendedKeyUsage, which stands for it.
const FOR_SERVERS: [&str; 2] = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

impl Examiner {
    pub(super) fn listeners(&mut self, config: &Config) {
        for (index, listener) in config.listeners.iter().enumerate() {
            let at = format!("listeners[{index}]");
            if let Some(front) = listener.authorizer.as_ref().and_then(|authorizer| authorizer.secret.as_ref()) {
                self.front_secret(&format!("{at}.authorizer.from.secret.value"), &front.value);
            }
            let Some(tls) = &listener.tls else { continue };
            let mut names = Vec::new();
            for (index, files) in tls.certificates.iter().enumerate() {
                let key = format!("{at}.tls.certificates[{index}]");
                let chain = self.key_pair(files, &format!("{key}.chain"), &format!("{key}.key"));
                let named = Named { path: &files.chain, key: &format!("{key}.chain") };
                if let (Some(chain), Some(stapling)) = (&chain, &tls.stapling) {
                    self.stapling(named, chain, stapling);
                }
                names.extend(chain.and_then(|chain| self.server_certificate(named, &chain)).unwrap_or_default());
            }
            self.hosts_are_covered(config, listener, &at, &names);
            if let Some(secret) = &tls.ticket_secret {
                self.strong_secret(&format!("{at}.tls.ticket_secret"), secret);
            }
            let policies = std::iter::once(&listener.policy).chain(listener.hosts.iter().map(|host| &host.policy));
            for policy in policies {
                self.advertised(&format!("{at}.advertise"), &policy.advertise);
            }
        }
    }

    /// A secret by which a front is known: a short one refuses the start.
    fn front_secret(&mut self, key: &str, source: &SecretSource) {
        let Some(secret) = self.secret(key, source) else { return };
        let length = secret.expose().len();
        if length < LEAST_SECRET {
            let why = format!("it has {length} octets, and whoever guesses it can say who anybody is");
            self.error("the secret of the front is short", key, why, "make one with: openssl rand -hex 32");
        }
    }

    /// Examines a chain and its key; the chain, if it can be read.
    pub(super) fn key_pair(
        &mut self,
        files: &CertificateFiles,
        chain_key: &str,
        key_key: &str,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let chain_file = Named { path: &files.chain, key: chain_key };
        let key_file = Named { path: &files.key, key: key_key };
        let chain = self.certificates(chain_file);
        if self.readable(key_file) {
            self.kept_from_others(key_file, "the private key");
            self.key_matches(key_file, chain_file, chain.as_deref());
        }
        if let Some(chain) = &chain
            && self.first_look(chain_file, "chain")
        {
            self.chain(chain_file, chain);
        }
        chain
    }

    fn key_matches(&mut self, key_file: Named<'_>, chain_file: Named<'_>, chain: Option<&[CertificateDer<'static>]>) {
        let key = match pem::private_key(key_file.path) {
            Ok(key) => key,
            Err(error) => {
                if self.first_look(key_file, "key") {
                    let what_to_do = "put one unencrypted PEM key (PKCS#8, PKCS#1 or SEC 1) there";
                    self.error("the file does not hold a private key", key_file, error.to_string(), what_to_do);
                }
                return;
            }
        };
        let Ok(key) = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key) else {
            let why = "it is neither RSA of 2048 bits or more, nor ECDSA on P-256, P-384 or P-521, nor Ed25519";
            let what_to_do = "make a new key, and have a certificate issued for it";
            return self.error("the private key cannot be used", key_file, why, what_to_do);
        };
        let Some(chain) = chain else { return };
        let purpose = format!("key of {}", chain_file.path.display());
        if CertifiedKey::new(chain.to_vec(), key).keys_match().is_err() && self.first_look(key_file, &purpose) {
            let why = format!("it is not the key of the first certificate in {}", chain_file.path.display());
            let what_to_do = "name the key that the certificate was requested with, and put the certificate first";
            self.error("the private key does not match the certificate", key_file, why, what_to_do);
        }
    }

    /// Dates of every certificate, and whether each is signed by the next.
    fn chain(&mut self, file: Named<'_>, chain: &[CertificateDer<'static>]) {
        let mut read = Vec::new();
        for (index, certificate) in chain.iter().enumerate() {
            match Fields::read(certificate) {
                Ok(fields) => read.push(fields),
                Err(error) => {
                    let what = format!("certificate {} of the file cannot be read", index + 1);
                    return self.error(&what, file, error.to_string(), "have it issued anew");
                }
            }
        }
        for (index, fields) in read.iter().enumerate() {
            self.dates(file, &title(index, fields), fields);
        }
        for (index, pair) in read.windows(2).enumerate() {
            let [fields, next] = pair else { continue };
            if issued_by(fields, next) {
                continue;
            }
            let issuer = read.iter().position(|other| issued_by(fields, other));
            let why = match issuer {
                Some(issuer) if issuer != index => {
                    format!(
                        "{} is signed by certificate {} of the file, not by the next",
                        title(index, fields),
                        issuer + 1
                    )
                }
                _ => format!("{} is not signed by the one after it", title(index, fields)),
            };
            let what_to_do = "put the server's certificate first, then the one that signed it, and so on";
            return self.error("the chain is not in order", file, why, what_to_do);
        }
    }

    /// Whether the first certificate is one for servers; its names.
    fn server_certificate(&mut self, file: Named<'_>, chain: &[CertificateDer<'static>]) -> Option<Vec<HostPattern>> {
        let facts = match facts::parse(chain.first()?) {
            Ok(facts) => facts,
            Err(error) => {
                self.error("the certificate cannot be read", file, error.to_string(), "have it issued anew");
                return None;
            }
        };
        let dns = facts.names.dns.iter().map(|name| name.to_ascii_lowercase());
        let addresses = facts.names.addresses.iter().map(|address| HostPattern::Exact(address_as_host(*address)));
        let names: Vec<HostPattern> = dns
            .map(|name| match name.strip_prefix("*.") {
                Some(parent) => HostPattern::Wildcard(parent.to_owned()),
                None => HostPattern::Exact(name),
            })
            .chain(addresses)
            .collect();
        if !self.first_look(file, "server") {
            return Some(names);
        }
        if names.is_empty() {
            let why = "it has no subject alternative name of the kinds dNSName and iPAddress";
            let what_to_do = "have one issued with the names of this server (browsers do not look at the subject)";
            self.warn("the certificate is for no name", file, why, what_to_do);
        }
        let purposes = facts.extended_key_usage.unwrap_or_default();
        if !purposes.is_empty() && !purposes.iter().any(|purpose| FOR_SERVERS.contains(&purpose.as_str())) {
            let why = format!("its extended key usage is {}, without serverAuth", purposes.join(", "));
            self.error("the certificate is not one for servers", file, why, "have one issued for TLS servers");
        }
        Some(names)
    }

    /// Whether an OCSP answer about the first certificate can be sent along, if there is a responder for it.
    fn stapling(&mut self, file: Named<'_>, chain: &[CertificateDer<'static>], settings: &Stapling) {
        // What cannot be read at all is told elsewhere.
        let why = match stapling::can_be_asked(chain, settings) {
            Ok(_) | Err(StaplingError::Unreadable(_)) => return,
            Err(why) => why.to_string(),
        };
        if self.first_look(file, "stapling") {
            let what_to_do = "put the issuer's certificate behind it, or name a responder or `false` in tls.stapling";
            self.warn("no OCSP answer can be stapled to the certificate", file, why, what_to_do);
        }
    }

    /// Whether each host that the configuration names has a certificate of the listener.
    fn hosts_are_covered(&mut self, config: &Config, listener: &Listener, at: &str, names: &[HostPattern]) {
        if names.is_empty() {
            return;
        }
        let of_routes =
            config.routes.iter().filter(|route| route.listeners.is_empty() || route.listeners.contains(&listener.name));
        let hosts: BTreeSet<&HostPattern> = listener
            .hosts
            .iter()
            .map(|host| &host.name)
            .chain(of_routes.filter_map(|route| route.host.as_ref()))
            .collect();
        let covered = |host: &HostPattern| match host {
            HostPattern::Exact(host) => names.iter().any(|name| name.matches(host)),
            HostPattern::Wildcard(_) => names.contains(host),
        };
        let bare: Vec<String> = hosts.into_iter().filter(|host| !covered(host)).map(ToString::to_string).collect();
        if bare.is_empty() {
            return;
        }
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let what = format!("no certificate is for {}", listed(&bare));
        let on = format!("{} ({at}.tls.certificates)", listener.name);
        let why = format!("the certificates of this listener are for {}", listed(&names));
        self.warn(&what, on, why, "add a certificate with that name; browsers refuse any other");
    }
}

fn address_as_host(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// At most five names, for a line that can be read.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn title(index: usize, fields: &Fields<'_>) -> String {
    let subject = name::read(fields.subject).map(|name| name.text).unwrap_or_default();
    if index == 0 { format!("the certificate {subject}") } else { format!("certificate {} ({subject})", index + 1) }
}

/// Whether a certificate carries the name and the signature of another.
fn issued_by(fields: &Fields<'_>, issuer: &Fields<'_>) -> bool {
    fields.issuer == issuer.subject
        && Sealed::new(fields.signature_algorithm, fields.signed, fields.signature)
            .is_ok_and(|sealed| sealed.verify(issuer.public_key).is_ok())
}
