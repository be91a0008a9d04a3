//! Logging somebody in at Zimbra, who has shown to the gate who they are: a redirect to its preauth service, signed with
//! the key that it shares with us. Zimbra believes the account that stands in it for five minutes from `timestamp`,
//! gives a session, and sends the browser on into the mailbox. Pure; who may have such a redirect was decided before.
//!
//! What is signed is `account|by|expires|timestamp`, by HMAC-SHA-1 with the octets of the key as it is written (not of
//! what its hexadecimal digits stand for), in hexadecimal digits: Zimbra's own scheme, which has no other hash.

use crate::account::Account;
use crate::base::clock::Moment;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::{self, PreauthAccount};
use aws_lc_rs::hmac;
use std::fmt;

/// Where Zimbra's preauth service is, and how it is spoken to.
pub struct Preauth {
    url: String,
    account: PreauthAccount,
    by: &'static str,
    /// How long a session may last, in milliseconds; 0 leaves it to Zimbra.
    lifetime: i64,
    key: hmac::Key,
}

/// The account has nothing that Zimbra could know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoName {
    /// It has no e-mail address.
    #[error("the account has no e-mail address, by which Zimbra would know it")]
    Address,
    /// It holds what separates the signed parts, so that another text could have the same signature.
    #[error("the name by which Zimbra would know the account holds a `|`")]
    Separator,
}

impl Preauth {
    /// For this section of the configuration and the key that it names.
    #[must_use]
    pub fn new(settings: &config::Preauth, key: &Secret) -> Self {
        let lifetime = settings.lifetime.map_or(0, |lifetime| lifetime.as_millis());
        Self {
            url: settings.url.clone(),
            account: settings.account,
            by: settings.by.as_str(),
            lifetime: i64::try_from(lifetime).unwrap_or(i64::MAX),
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.expose()),
        }
    }

    /// The URL that logs this account in.
    ///
    /// # Errors
    /// When it has no name to be known by.
    pub fn location(&self, account: &Account, at: Moment) -> Result<String, NoName> {
        let name = match self.account {
            PreauthAccount::Email => account.email.as_deref().ok_or(NoName::Address)?,
            PreauthAccount::Username => &account.username,
        };
        if name.contains('|') {
            return Err(NoName::Separator);
        }
        let timestamp = at.as_unix_millis();
        let expires = match self.lifetime {
            0 => 0,
            lifetime => timestamp.saturating_add(lifetime),
        };
        let signature = self.sign(name, expires, timestamp);
        let (url, by, name) = (&self.url, self.by, form_encoded(name));
        Ok(format!("{url}?account={name}&by={by}&timestamp={timestamp}&expires={expires}&preauth={signature}"))
    }

    fn sign(&self, name: &str, expires: i64, timestamp: i64) -> String {
        let signed = format!("{name}|{}|{expires}|{timestamp}", self.by);
        hex::encode(hmac::sign(&self.key, signed.as_bytes()).as_ref())
    }
}

impl fmt::Debug for Preauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preauth").field("url", &self.url).field("by", &self.by).finish_non_exhaustive()
    }
}

/// A value of a query, in which everything but letters, digits and `-._~` is encoded.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => super::path::push_encoded(byte, &mut encoded),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Status;
    use crate::base::secret::SecretSource;
    use crate::config::PreauthBy;
    use std::time::Duration;

    /// The example of Zimbra's own documentation.
    const KEY: &str = "6b7ead4bd425836e8cf0079cd6c1a05acc127acd07c8ee4b61023e19250e929c";

    fn preauth(account: PreauthAccount, by: PreauthBy, lifetime: Option<Duration>) -> Preauth {
        let key = Secret::from(KEY);
        let url = "https://mail.example.org/service/preauth".to_owned();
        Preauth::new(&config::Preauth { url, key: SecretSource::Literal(key.clone()), by, account, lifetime }, &key)
    }

    fn account(username: &str, email: Option<&str>) -> Account {
        Account {
            username: username.to_owned(),
            email: email.map(str::to_owned),
            display_name: None,
            status: Status::Active,
            home: None,
            aliases: Vec::new(),
            groups: Vec::new(),
        }
    }

    fn at(milliseconds: i64) -> Moment {
        Moment::from_unix_millis(milliseconds)
    }

    #[test]
    fn the_signature_is_that_of_zimbras_documentation() {
        let preauth = preauth(PreauthAccount::Email, PreauthBy::Name, None);
        let location = preauth.location(&account("john", Some("john.doe@domain.com")), at(1_135_280_708_088)).unwrap();
        assert_eq!(
            location,
            "https://mail.example.org/service/preauth?account=john.doe%40domain.com&by=name&timestamp=1135280708088\
             &expires=0&preauth=b248f6cfd027edd45c5369f8490125204772f844"
        );
    }

    #[test]
    fn a_session_ends_when_it_should_and_the_end_is_signed() {
        let preauth = preauth(PreauthAccount::Username, PreauthBy::ForeignPrincipal, Some(Duration::from_secs(60)));
        let alice = account("alice", None);
        let location = preauth.location(&alice, at(1_000)).unwrap();
        let signature = preauth.sign("alice", 61_000, 1_000);
        assert!(location.ends_with(&format!("timestamp=1000&expires=61000&preauth={signature}")), "{location}");
        assert!(location.contains("?account=alice&by=foreignPrincipal&"), "{location}");
        assert_ne!(signature, preauth.sign("alice", 61_001, 1_000));
        assert_ne!(signature, preauth.sign("alice", 61_000, 1_001));
        assert_ne!(signature, preauth.sign("alicf", 61_000, 1_000));
    }

    #[test]
    fn a_name_stays_in_its_place() {
        let preauth = preauth(PreauthAccount::Username, PreauthBy::Name, None);
        let location = preauth.location(&account("a&by=id#é +%", None), at(1)).unwrap();
        assert!(location.contains("?account=a%26by%3Did%23%C3%A9%20%2B%25&by=name&timestamp=1&"), "{location}");
        assert_eq!(preauth.location(&account("a|name|0|1", None), at(1)), Err(NoName::Separator));
        let by_address = super::tests::preauth(PreauthAccount::Email, PreauthBy::Name, None);
        assert_eq!(by_address.location(&account("alice", None), at(1)), Err(NoName::Address));
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{:?}", preauth(PreauthAccount::Email, PreauthBy::Name, None)).contains("6b7e"));
    }
}
