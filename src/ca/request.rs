//! Requests for certificates (PKCS#10, RFC 2986): what one says, that whoever made it has the private key, and which
//! of its wishes its bearer may have. A request decides nothing: what stands in a certificate comes from the profile
//! and the account, and a request that asks for anything else is refused rather than answered with something that was
//! not asked for.

use crate::account::Account;
use crate::base::email;
use crate::ca::profile::AlternativeName;
use crate::ca::profile::apply::Content;
use crate::ca::weak::{PublicKey, WeakKey};
use crate::certificate::armour::Armour;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::facts::{self, AlternativeNames, DistinguishedName, FactsError};
use crate::certificate::fields::{self, Extension};
use crate::certificate::name::{self, COMMON_NAME, EMAIL_ADDRESS};
use crate::certificate::signature::{Sealed, SignatureError};
use crate::config;
use crate::config::profile::EmailName;
use std::io::Read;

/// The largest request that is read, in octets of DER.
pub const MAX_REQUEST: usize = 64 * 1024;
/// The largest request that is read as text.
pub(super) const MAX_TEXT: usize = 128 * 1024;
/// The most attributes of a request.
const MAX_ATTRIBUTES: usize = 16;

/// extensionRequest (RFC 2985, section 5.4.2), and what Windows calls the same.
const EXTENSION_REQUESTS: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e],
    &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0e],
];
/// challengePassword (RFC 2985, section 5.4.1).
const CHALLENGE_PASSWORD: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07];

/// What a wish may be critical of and still be understood.
const UNDERSTOOD: [&[u8]; 5] = [
    fields::SUBJECT_ALTERNATIVE_NAME,
    fields::KEY_USAGE,
    fields::EXTENDED_KEY_USAGE,
    fields::BASIC_CONSTRAINTS,
    fields::SUBJECT_KEY_IDENTIFIER,
];

/// A request whose signature shows that whoever made it has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The name that it asks for.
    pub subject: DistinguishedName,
    /// The key to be certified.
    pub key: PublicKey,
    /// The alternative names that it asks for.
    pub names: AlternativeNames,
    /// The keyUsage bits that it asks for, bit 0 (digitalSignature) lowest.
    pub key_usage: u16,
    /// The extended key usages that it asks for, in dotted form.
    pub purposes: Vec<String>,
    /// The octets of challengePassword, by which EST ties a request to its connection (RFC 7030, section 3.5). It is
    /// said in the clear, and is no secret.
    pub challenge: Option<Vec<u8>>,
}

/// A request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More octets than are read.
    #[error("the request is larger than {} KiB", MAX_REQUEST / 1024)]
    TooLarge,
    /// There is no request in the text.
    #[error("there is no certificate request: neither DER nor a PEM section CERTIFICATE REQUEST")]
    None,
    /// It is not as RFC 2986 demands.
    #[error("the request cannot be read: {0}")]
    Malformed(#[from] DerError),
    /// A name or an extension in it cannot be read, or there are too many.
    #[error("the request cannot be read: {0}")]
    Facts(#[from] FactsError),
    /// Whoever made it does not have the key.
    #[error("the request does not show that its maker has the key: {0}")]
    Possession(#[from] SignatureError),
    /// The key is weak.
    #[error(transparent)]
    Weak(#[from] WeakKey),
    /// It asks to be an authority.
    #[error("the request asks for a certificate of an authority")]
    Authority,
    /// It asks that its key may sign certificates or lists.
    #[error("the request asks that its key may sign certificates or revocation lists")]
    Signing,
    /// It insists on something that is not understood.
    #[error("the request insists on the extension {0}, which is not known here")]
    Critical(String),
    /// It asks for a use that the profile does not give.
    #[error("the request asks for the extended key usage {usage}, which the profile {profile:?} does not give")]
    Purpose {
        /// The usage in dotted form.
        usage: String,
        /// The profile's name.
        profile: String,
    },
    /// It asks for a name that its bearer may not have.
    #[error("the request asks for {what} {name:?}, which whoever asks may not have by the profile {profile:?}")]
    Name {
        /// `the e-mail address`, `the common name`.
        what: &'static str,
        /// The name.
        name: String,
        /// The profile's name.
        profile: String,
    },
}

impl Request {
    /// Reads a request in DER or PEM, of which the first is taken.
    ///
    /// # Errors
    /// As [`Request::read`]; and when there is none.
    pub fn read_any(octets: &[u8]) -> Result<Self, RequestError> {
        if octets.len() > MAX_TEXT {
            return Err(RequestError::TooLarge);
        }
        if octets.first() == Some(&der::SEQUENCE) {
            return Self::read(octets);
        }
        for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
            let mut text = Armour::new(octets, label);
            if text.next_section().is_ok_and(|found| found) {
                let mut request = Vec::new();
                text.read_to_end(&mut request).map_err(|_| RequestError::None)?;
                return Self::read(&request);
            }
        }
        Err(RequestError::None)
    }

    /// Reads a request in DER and verifies that whoever made it has the key.
    ///
    /// # Errors
    /// When it is too large or malformed, when its signature is not that of its key, when the key is weak, or when it
    /// asks for what nobody gets: to be an authority, or to sign certificates.
    pub fn read(octets: &[u8]) -> Result<Self, RequestError> {
        if octets.len() > MAX_REQUEST {
            return Err(RequestError::TooLarge);
        }
        let mut outer = Reader::new(der::single(octets, der::SEQUENCE)?);
        let signed = outer.expect(der::SEQUENCE)?;
        let algorithm = outer.expect(der::SEQUENCE)?.content;
        let signature = outer.octets_of_bit_string()?;
        outer.finish()?;

        let mut info = Reader::new(signed.content);
        if info.expect(der::INTEGER)?.content != [0] {
            return Err(DerError::Value("the version").into());
        }
        let subject = info.expect(der::SEQUENCE)?.whole;
        let spki = info.expect(der::SEQUENCE)?.whole;
        let attributes = info.optional(der::constructed(0))?.map_or(&[][..], |attributes| attributes.content);
        info.finish()?;

        // A weak key is named as one, whatever its signature shows; and a key that is none is not verified with.
        let key = PublicKey::read(spki)?;
        Sealed::new(algorithm, signed.whole, signature)?.verify(spki)?;
        let Attributes { extensions, challenge } = Attributes::read(attributes)?;
        let request = Self {
            subject: name::read(subject)?,
            key,
            names: facts::alternative_names(&extensions)?,
            key_usage: fields::key_usage(&extensions)?.unwrap_or(0),
            purposes: fields::purposes(&extensions)?.unwrap_or_default(),
            challenge,
        };
        request.refuse_authority(&extensions)?;
        Ok(request)
    }

    fn refuse_authority(&self, extensions: &[Extension<'_>]) -> Result<(), RequestError> {
        if fields::authority(extensions)?.is_some() {
            return Err(RequestError::Authority);
        }
        if self.key_usage & (fields::KEY_CERT_SIGN | fields::CRL_SIGN) != 0 {
            return Err(RequestError::Signing);
        }
        let unknown = |extension: &&Extension<'_>| extension.critical && !UNDERSTOOD.contains(&extension.identifier);
        match extensions.iter().find(unknown) {
            Some(extension) => Err(RequestError::Critical(der::dotted(extension.identifier).unwrap_or_default())),
            None => Ok(()),
        }
    }

    /// The names among those that it asks for that its bearer may have besides what the profile makes: addresses of
    /// the account, hosts that the profile lets requests name, and what was granted.
    #[must_use]
    pub fn permitted(
        &self,
        rules: &config::Profile,
        account: Option<&Account>,
        granted: &[AlternativeName],
    ) -> Vec<AlternativeName> {
        let owns = |name: &AlternativeName| match name {
            AlternativeName::Email(address) => {
                rules.email != EmailName::None && account.is_some_and(|account| owns_address(account, address))
            }
            AlternativeName::Dns(host) => rules.hosts.iter().any(|pattern| covers(pattern, host)),
            AlternativeName::Address(_) | AlternativeName::Uri(_) | AlternativeName::Upn(_) => false,
        };
        let mut names = granted.to_vec();
        for name in self.asked() {
            if owns(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Holds all that it asks for against what it would get.
    ///
    /// # Errors
    /// For the first wish that is not met.
    pub fn hold_against(&self, content: &Content, account: Option<&Account>) -> Result<(), RequestError> {
        let profile = || content.profile.name.to_string();
        for name in self.asked() {
            if !content.names.contains(&name) {
                let (what, name) = match name {
                    AlternativeName::Email(address) => ("the e-mail address", address),
                    AlternativeName::Dns(host) => ("the host", host),
                    AlternativeName::Address(address) => ("the address", address.to_string()),
                    AlternativeName::Uri(uri) => ("the URI", uri),
                    AlternativeName::Upn(name) => ("the user principal name", name),
                };
                return Err(RequestError::Name { what, name, profile: profile() });
            }
        }
        // No profile makes these, and to leave them out unsaid is no answer.
        if let Some(directory) = self.names.directory.first() {
            let name = directory.text.clone();
            return Err(RequestError::Name { what: "the directory name", name, profile: profile() });
        }
        for attribute in &self.subject.attributes {
            let what = match attribute.oid.as_str() {
                COMMON_NAME => "the common name",
                EMAIL_ADDRESS => "the e-mail address",
                // What else is in a subject is the profile's to say.
                _ => continue,
            };
            if !self.may_be_called(&attribute.value, content, account) {
                return Err(RequestError::Name { what, name: attribute.value.clone(), profile: profile() });
            }
        }
        let given: Vec<String> = content.profile.extended_key_usage.iter().map(ToString::to_string).collect();
        match self.purposes.iter().find(|usage| !given.contains(usage)) {
            Some(usage) => Err(RequestError::Purpose { usage: usage.clone(), profile: profile() }),
            None => Ok(()),
        }
    }

    /// Whether a subject's name is one of the bearer's, or one that the certificate will have.
    fn may_be_called(&self, called: &str, content: &Content, account: Option<&Account>) -> bool {
        let of_account = account.is_some_and(|account| {
            account.username == called
                || account.display_name.as_deref() == Some(called)
                || account.aliases.iter().any(|alias| alias == called)
                || owns_address(account, called)
        });
        let of_content = content.names.iter().any(|name| match name {
            AlternativeName::Email(address) => email::normalise(called).as_ref() == Some(address) || address == called,
            AlternativeName::Dns(host) => host.eq_ignore_ascii_case(called),
            AlternativeName::Address(address) => address.to_string() == called,
            AlternativeName::Uri(name) | AlternativeName::Upn(name) => name == called,
        });
        let common_name = content.name.common_name().ok().flatten();
        of_account || of_content || common_name.is_some_and(|name| name.value() == called)
    }

    /// The alternative names that it asks for, in the form in which they would stand in a certificate.
    fn asked(&self) -> impl Iterator<Item = AlternativeName> {
        let AlternativeNames { emails, dns, uris, addresses, directory: _, upns } = &self.names;
        let normal = |address: &String| email::normalise(address).unwrap_or_else(|| address.clone());
        let emails = emails.iter().map(move |address| AlternativeName::Email(normal(address)));
        let hosts = dns.iter().map(|host| AlternativeName::Dns(host.to_ascii_lowercase()));
        let addresses = addresses.iter().map(|address| AlternativeName::Address(*address));
        let uris = uris.iter().map(|uri| AlternativeName::Uri(uri.clone()));
        let upns = upns.iter().map(|name| AlternativeName::Upn(name.clone()));
        emails.chain(hosts).chain(addresses).chain(uris).chain(upns)
    }
}

fn owns_address(account: &Account, address: &str) -> bool {
    let Some(asked) = email::normalise(address) else { return false };
    let own = account.email.iter().chain(&account.aliases);
    own.filter_map(|own| email::normalise(own)).any(|own| own == asked)
}

/// Whether a host is this one, or below this domain. A wildcard is no host that a request may name.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .and_then(|below| below.strip_suffix('.'))
            .is_some_and(|below| !below.is_empty() && !below.contains('*')),
        None => host == pattern,
    }
}

/// What stands in a request's attributes.
#[derive(Default)]
struct Attributes<'a> {
    extensions: Vec<Extension<'a>>,
    challenge: Option<Vec<u8>>,
}

impl<'a> Attributes<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, RequestError> {
        let mut list = Reader::new(octets);
        let mut found = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        while !list.is_empty() {
            let mut attribute = list.inside(der::SEQUENCE)?;
            let identifier = attribute.expect(der::OBJECT_IDENTIFIER)?.content;
            let mut values = attribute.inside(der::SET)?;
            attribute.finish()?;
            if seen.contains(&identifier) {
                return Err(FactsError::Twice(der::dotted(identifier).unwrap_or_default()).into());
            }
            if seen.len() == MAX_ATTRIBUTES {
                return Err(FactsError::TooMany("attributes").into());
            }
            seen.push(identifier);
            if EXTENSION_REQUESTS.contains(&identifier) {
                if !found.extensions.is_empty() {
                    return Err(FactsError::Twice("extensionRequest".to_owned()).into());
                }
                found.extensions = fields::read_extensions(values.inside(der::SEQUENCE)?)?;
                values.finish()?;
            } else if identifier == CHALLENGE_PASSWORD {
                found.challenge = Some(values.element()?.content.to_vec());
                values.finish()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
