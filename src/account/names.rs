//! What may be the name of somebody or something in the store: what people cannot tell apart by looking
//! (control characters, invisible ones, two ways of composing one letter, blanks at the ends) is refused
//! before it is stored, and a question for it is answered without asking the database.

use crate::account::password::PasswordHash;
use crate::account::{Account, CertificateKey, Ha1, IssuedCertificate, RegistryError};
use crate::base::email;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use unicode_normalization::is_nfc;

/// The longest name in octets.
pub const MAX_LENGTH: usize = email::MAX_LENGTH;

/// The most aliases, and the most groups, of one account.
pub const MAX_NAMES: usize = 1000;

/// The longest serial number in octets. RFC 5280, section 4.1.2.2, allows 20; some authorities use more.
pub const MAX_SERIAL: usize = 64;

/// The longest distinguished name in octets.
const MAX_DISTINGUISHED_NAME: usize = 16 * 1024;

/// The longest reason of a revocation in octets.
const MAX_REASON: usize = 64;

/// Whether a text could be a name at all, whatever it names.
#[must_use]
pub fn is_plausible(name: &str) -> bool {
    fault_of(name).is_none()
}

/// The account in the form in which it is stored: its addresses in their normal form, aliases and groups
/// sorted, none twice.
///
/// # Errors
/// [`RegistryError::Unacceptable`] for the first value that cannot be stored.
pub fn checked(account: &Account) -> Result<Account, RegistryError> {
    username(&account.username)?;
    let address = match &account.email {
        Some(address) => Some(email::normalise(address).filter(|normal| is_plausible(normal)).ok_or_else(|| {
            unacceptable("the e-mail address", address, "it is not LOCAL@DOMAIN with a valid domain")
        })?),
        None => None,
    };
    if let Some(name) = &account.display_name {
        display_name(name)?;
    }
    if let Some(home) = &account.home {
        self::home(home)?;
    }
    Ok(Account {
        email: address,
        aliases: sorted("the alias", account.aliases.iter().map(|alias| normal_alias(alias)).collect())?,
        groups: sorted("the group", account.groups.clone())?,
        ..account.clone()
    })
}

/// An alias as it is stored: if it is an e-mail address, in its normal form.
#[must_use]
pub fn normal_alias(alias: &str) -> String {
    email::normalise(alias).unwrap_or_else(|| alias.to_owned())
}

/// Whether a text may be a user name.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when it may not.
pub fn username(name: &str) -> Result<(), RegistryError> {
    if name.contains(':') {
        // HA1 is the hash of name:realm:password, which a colon in the name would make ambiguous.
        return Err(unacceptable("the user name", name, "it holds a colon, which HTTP Digest cannot transport"));
    }
    check("the user name", name)
}

/// Whether a text may name a home.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when it may not.
pub fn home(name: &str) -> Result<(), RegistryError> {
    check("the home", name)
}

/// Whether a text may be a realm.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when it may not.
pub fn realm(name: &str) -> Result<(), RegistryError> {
    check("the realm", name)
}

/// Whether a hash is one of its algorithm, in lower-case hexadecimal.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when it is not; the hash is not shown.
pub fn ha1(ha1: &Ha1, algorithm: DigestAlgorithm) -> Result<(), RegistryError> {
    let why = match algorithm {
        DigestAlgorithm::Sha512_256 | DigestAlgorithm::Sha256 => "it is not 64 lower-case hexadecimal digits",
        DigestAlgorithm::Md5 => "it is not 32 lower-case hexadecimal digits",
    };
    let digits = ha1.0.expose();
    if digits.len() != 2 * algorithm.length() || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(unacceptable("the HA1", "[secret]", why));
    }
    Ok(())
}

/// Whether a hash of a password can be used.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when it cannot; the hash is not shown.
pub fn password_hash(hash: &Secret) -> Result<(), RegistryError> {
    let read = hash.expose_str().map(PasswordHash::parse);
    if !matches!(read, Some(Ok(_))) {
        return Err(unacceptable("the hash", "[secret]", "its layout is not known, or it would cost too much"));
    }
    Ok(())
}

/// Whether a certificate can be recorded.
///
/// # Errors
/// [`RegistryError::Unacceptable`] for the first value that cannot be stored.
pub fn issued(certificate: &IssuedCertificate) -> Result<(), RegistryError> {
    key(&certificate.key)?;
    if let Some(name) = &certificate.username {
        username(name)?;
    }
    check("the profile", &certificate.profile)?;
    for (what, name) in [("the issuer", &certificate.issuer_name), ("the subject", &certificate.subject)] {
        if name.len() > MAX_DISTINGUISHED_NAME {
            return Err(unacceptable(what, name, "it is longer than 16 KiB"));
        }
    }
    Ok(())
}

/// Whether a certificate can be told from others.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when its serial number is empty or too long.
pub fn key(key: &CertificateKey) -> Result<(), RegistryError> {
    if key.serial.is_empty() || key.serial.len() > MAX_SERIAL {
        let serial = hex::encode(&key.serial);
        return Err(unacceptable("the serial number", &serial, "it is empty or longer than 64 octets"));
    }
    Ok(())
}

/// Whether a text may be the reason of a revocation.
///
/// # Errors
/// [`RegistryError::Unacceptable`] when it may not.
pub fn reason(reason: &str) -> Result<(), RegistryError> {
    if reason.len() > MAX_REASON {
        return Err(unacceptable("the reason", reason, "it is longer than 64 octets"));
    }
    check("the reason", reason)
}

/// Nobody is looked up by a display name: it may hold the joiners that some scripts are written with.
pub(super) fn display_name(name: &str) -> Result<(), RegistryError> {
    let without_joiners: String =
        name.chars().filter(|character| !matches!(character, '\u{200c}' | '\u{200d}')).collect();
    match fault_of(if name.len() > MAX_LENGTH { name } else { &without_joiners }) {
        Some(why) => Err(unacceptable("the display name", name, why)),
        None => Ok(()),
    }
}

fn sorted(what: &'static str, mut names: Vec<String>) -> Result<Vec<String>, RegistryError> {
    if names.len() > MAX_NAMES {
        return Err(unacceptable(what, &names.len().to_string(), "there are more than 1000 of its kind"));
    }
    for name in &names {
        check(what, name)?;
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn check(what: &'static str, value: &str) -> Result<(), RegistryError> {
    match fault_of(value) {
        Some(why) => Err(unacceptable(what, value, why)),
        None => Ok(()),
    }
}

fn fault_of(value: &str) -> Option<&'static str> {
    if value.is_empty() {
        Some("it is empty")
    } else if value.len() > MAX_LENGTH {
        Some("it is longer than 254 octets")
    } else if value.chars().any(char::is_control) {
        Some("it holds a control character")
    } else if value.chars().any(is_invisible) {
        Some("it holds an invisible character")
    } else if value.trim() != value {
        Some("it begins or ends with a blank")
    } else if !is_nfc(value) {
        Some("it is not in Unicode's normal form C")
    } else {
        None
    }
}

/// Characters without a shape of their own: soft hyphen, zero-width and direction marks, separators of
/// lines, the byte order mark, variation selectors and tags.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The error for a value; of a long one only the beginning is shown.
fn unacceptable(what: &'static str, value: &str, why: &'static str) -> RegistryError {
    RegistryError::Unacceptable { what, value: beginning(value), why }
}

/// As much of a value as a message shows.
#[must_use]
pub fn beginning(value: &str) -> String {
    let shown: String = value.chars().take(60).collect();
    if shown.len() < value.len() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Status;

    fn named(username: &str) -> Account {
        Account {
            username: username.to_owned(),
            email: None,
            display_name: None,
            status: Status::Active,
            home: None,
            aliases: Vec::new(),
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_name_that_people_cannot_tell_from_another_is_refused() {
        let long = "l".repeat(MAX_LENGTH + 1);
        let huge = "h".repeat(1 << 20);
        let cases = [
            ("ann", true),
            ("ann.lee@example.org", true),
            ("Ann Lee", true),
            ("änn", true),
            ("安", true),
            ("'; DROP TABLE accounts; --", true),
            ("", false),
            (" ann", false),
            ("ann ", false),
            ("ann\u{a0}", false),
            ("an\0n", false),
            ("ann\n", false),
            ("a\u{308}nn", false),
            ("an\u{200b}n", false),
            ("\u{202e}nna", false),
            ("an:n", false),
            (&long, false),
            (&huge, false),
        ];
        for (name, expected) in cases {
            assert_eq!(checked(&named(name)).is_ok(), expected, "{:?}", name.chars().take(40).collect::<String>());
        }
    }

    #[test]
    fn a_display_name_may_hold_joiners_and_nothing_else_that_is_invisible() {
        let cases = [("می\u{200c}خواهم", true), ("Ann Lee", true), ("Ann\u{202e}eeL", false), ("\u{200d}", false)];
        for (name, expected) in cases {
            let account = Account { display_name: Some(name.to_owned()), ..named("ann") };
            assert_eq!(checked(&account).is_ok(), expected, "{name:?}");
        }
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_long_value_alone() {
        let error = username(&"h".repeat(1 << 20)).unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }

    #[test]
    fn an_account_is_stored_in_one_form() {
        let account = Account {
            email: Some("Ann@EXAMPLE.org".to_owned()),
            aliases: vec!["z".to_owned(), "b@EXAMPLE.org".to_owned(), "b@example.org".to_owned()],
            groups: vec!["staff".to_owned(), "admins".to_owned(), "staff".to_owned()],
            ..named("ann")
        };
        let stored = checked(&account).unwrap();
        assert_eq!(stored.email.as_deref(), Some("Ann@example.org"));
        assert_eq!(stored.aliases, ["b@example.org", "z"]);
        assert_eq!(stored.groups, ["admins", "staff"]);
        assert_eq!(checked(&stored).unwrap(), stored);
    }
}
