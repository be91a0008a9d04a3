//! E-mail addresses as accounts are looked up by them (RFC 5321, section 2.4; RFC 5890): the domain as
//! lower-case A-labels, the local part exactly as it is written, since only its own domain may say
//! which spellings of it are one mailbox. Whether a local part is fit to be somebody's name is for
//! `identity` and `account` to say.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

/// The longest address in octets (RFC 5321, section 4.5.3.1.3, with its angle brackets taken off).
pub const MAX_LENGTH: usize = 254;

/// The one form of an address in which two spellings of it are equal, or `None` if it is not one:
/// exactly one `@`, a local part that is not empty and holds no control character, a domain of valid
/// labels without a trailing dot, at most [`MAX_LENGTH`] octets before and after.
///
/// An internationalised domain may be written in A-labels or in U-labels of either case. Unicode's
/// compatibility mappings (UTS #46) are not made: a domain in full-width letters, with an invisible
/// character or with an ideographic full stop is no address, rather than another spelling of one.
///
/// ```
/// use wicketgate::base::email::normalise;
///
/// assert_eq!(normalise("Ann.Lee@MAIL.Example.org").as_deref(), Some("Ann.Lee@mail.example.org"));
/// assert_eq!(normalise("ann@Bücher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
/// assert_eq!(normalise("ann@ｅｘａｍｐｌｅ.org"), None);
/// ```
#[must_use]
pub fn normalise(address: &str) -> Option<String> {
    if address.len() > MAX_LENGTH {
        return None;
    }
    let (local, domain) = address.split_once('@')?;
    if local.is_empty() || local.chars().any(char::is_control) || domain.contains('@') {
        return None;
    }
    let domain = normalise_domain(domain)?;
    let normal = format!("{local}@{domain}");
    (normal.len() <= MAX_LENGTH).then_some(normal)
}

/// The one form of a domain in which two spellings of it are equal, as [`normalise`] gives it; `None` if it is none.
#[must_use]
pub fn normalise_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?
        .into_owned();
    if domain.is_ascii() {
        return Some(ascii);
    }
    // A U-label is what its own A-label reads back as. Whatever reads back as something else was
    // mapped, by more than its case, to a name that people do not see.
    let lower_case: String = domain.to_lowercase().nfc().collect();
    let (unicode, valid) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    (valid.is_ok() && unicode == lower_case).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_one_form() {
        let long_local = "l".repeat(MAX_LENGTH);
        let cases = [
            ("ann@example.org", Some("ann@example.org")),
            ("Ann@EXAMPLE.Org", Some("Ann@example.org")),
            ("ann@bücher.example", Some("ann@xn--bcher-kva.example")),
            ("ann@BÜCHER.example", Some("ann@xn--bcher-kva.example")),
            // The same, with the diaeresis as a character of its own.
            ("ann@bu\u{308}cher.example", Some("ann@xn--bcher-kva.example")),
            ("ann@XN--BCHER-KVA.example", Some("ann@xn--bcher-kva.example")),
            ("änn@example.org", Some("änn@example.org")),
            ("ann@localhost", Some("ann@localhost")),
            ("", None),
            ("ann", None),
            ("@example.org", None),
            ("ann@", None),
            ("ann@@example.org", None),
            ("ann@example.org@example.org", None),
            ("ann@example.org.", None),
            ("ann@example..org", None),
            ("ann@.example.org", None),
            ("ann@example.org ", None),
            ("ann@exa mple.org", None),
            ("ann@exa_mple.org", None),
            ("ann@[192.0.2.1]", None),
            ("an\0n@example.org", None),
            ("ann@exam\0ple.org", None),
            ("ann@xn--0.example", None),
            ("ann@ｅｘａｍｐｌｅ.org", None),
            ("ann@example。org", None),
            ("ann@exam\u{ad}ple.org", None),
            ("ann@exam\u{200b}ple.org", None),
            (long_local.as_str(), None),
        ];
        for (address, expected) in cases {
            assert_eq!(normalise(address).as_deref(), expected, "{address:?}");
        }
    }

    #[test]
    fn an_address_that_grows_beyond_the_limit_is_none() {
        let domain = "ü".repeat(20);
        let local = "l".repeat(MAX_LENGTH - 1 - domain.len() - 4);
        let address = format!("{local}@{domain}.org");
        assert_eq!(address.len(), MAX_LENGTH);
        let grown = format!("{local}@{}.org", idna::domain_to_ascii(&domain).unwrap());
        assert_eq!(normalise(&address).is_some(), grown.len() <= MAX_LENGTH);
    }

    proptest! {
        #[test]
        fn the_normal_form_is_stable(address in "\\PC{0,20}@\\PC{0,40}") {
            if let Some(normal) = normalise(&address) {
                prop_assert_eq!(normalise(&normal), Some(normal.clone()));
                prop_assert_eq!(normal.split('@').next(), address.split('@').next());
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = normalise(&text);
        }
    }
}
