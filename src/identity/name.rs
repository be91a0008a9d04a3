//! What may be the name of an account (Unicode Technical Standard 39). Names are compared octet by
//! octet, so none of this is needed to keep two people apart; it keeps a name from looking like another one
//! in a log, a page or a header, and from ending early where somebody else reads it.
//!
//! Refused are: control characters, NUL among them; characters beyond ASCII that UTS 39 does not allow in
//! identifiers (unassigned and private ones, bidirectional and invisible ones, white space, obsolete
//! scripts, look-alikes by compatibility); text that is not in Normalization Form C, instead of being brought
//! into it, since then two certificates would name one account; and a mix of scripts above the "highly
//! restrictive" level: one script, or Latin with those of Chinese, Japanese or Korean.

use unicode_normalization::is_nfc;
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection};

/// The longest name in octets.
pub const MAX_LENGTH: usize = 254;

/// Checks a whole name: its form, its characters and its scripts. What stands before and after an `@`
/// may be of different scripts, and so may the labels of the domain behind it.
///
/// # Errors
/// Why it is refused: a clause that follows "because".
pub fn check(name: &str) -> Result<(), &'static str> {
    check_form(name)?;
    check_characters(name)
}

/// Checks that a name is not empty, not too long, and not surrounded by white space.
///
/// # Errors
/// As [`check`].
pub fn check_form(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > MAX_LENGTH {
        return Err("it is longer than 254 octets");
    }
    if name.trim() != name {
        return Err("it begins or ends with white space");
    }
    Ok(())
}

/// Checks the characters and scripts of a value that a name may be a part of.
///
/// # Errors
/// As [`check`].
pub fn check_characters(value: &str) -> Result<(), &'static str> {
    for character in value.chars() {
        match character {
            '\0' => return Err("it holds a NUL"),
            _ if character.is_control() => return Err("it holds a control character"),
            _ if !character.is_ascii() && !character.identifier_allowed() => {
                return Err("it holds a character that no name has");
            }
            _ => {}
        }
    }
    if !is_nfc(value) {
        return Err("it is not in Unicode's Normalization Form C");
    }
    let (name, domain) = value.split_once('@').unwrap_or((value, ""));
    if std::iter::once(name).chain(domain.split(['@', '.'])).any(mixes_scripts) {
        return Err("it mixes scripts, so that it may look like another name");
    }
    Ok(())
}

/// Whether the part before the first `@` is a dot-atom (RFC 5322, section 3.2.3; RFC 6532 for what is beyond
/// ASCII): quoted local parts hold what a header or a list of addresses would be read apart at.
#[must_use]
pub fn local_part_is_dot_atom(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    let in_atom = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(in_atom))
}

fn mixes_scripts(part: &str) -> bool {
    if part.is_ascii() {
        return false;
    }
    // UTS 39 speaks of identifiers, in which there is no space and no `+`; they belong to no script.
    let letters: String =
        part.chars().filter(|character| !character.is_ascii() || character.is_ascii_alphanumeric()).collect();
    !letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_people_are_accepted() {
        let names = [
            "alice",
            "Alice Liddell",
            "o'brien+mail@example.org",
            "O\u{2019}Brien",
            "Zoë Müller-Lüdenscheidt",
            "Łukasz",
            "Nguyễn Thị Minh Khai",
            "Алиса",
            "Ελένη",
            "محمد",
            "דוד",
            "山田 太郎",
            "山田たろう",
            "김철수",
            "山田Taro",
            "alice@почта.рф",
            "алиса@example.org",
            "1f:aa@CN",
        ];
        for name in names {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_is_not_what_it_looks_like_is_refused() {
        let long = "a".repeat(MAX_LENGTH + 1);
        let cases = [
            ("", "it is empty"),
            (long.as_str(), "it is longer than 254 octets"),
            (" alice", "it begins or ends with white space"),
            ("alice\u{a0}", "it begins or ends with white space"),
            ("alice\n", "it begins or ends with white space"),
            ("alice\0.example.org", "it holds a NUL"),
            ("al\rice", "it holds a control character"),
            ("al\u{7f}ice", "it holds a control character"),
            ("al\u{85}ice", "it holds a control character"),
            ("al\u{202e}eci", "it holds a character that no name has"),
            ("al\u{200b}ice", "it holds a character that no name has"),
            ("al\u{ad}ice", "it holds a character that no name has"),
            ("al\u{2066}ice", "it holds a character that no name has"),
            ("\u{feff}alice", "it holds a character that no name has"),
            ("al\u{a0}ice", "it holds a character that no name has"),
            ("\u{ff41}lice", "it holds a character that no name has"),
            ("\u{1d41a}lice", "it holds a character that no name has"),
            ("al\u{e000}ice", "it holds a character that no name has"),
            ("al\u{378}ice", "it holds a character that no name has"),
            ("al\u{fffd}ice", "it holds a character that no name has"),
            ("alice@example.org\u{e0061}", "it holds a character that no name has"),
            ("Zoe\u{308}", "it is not in Unicode's Normalization Form C"),
            ("аlice", "it mixes scripts, so that it may look like another name"),
            ("alicе@example.org", "it mixes scripts, so that it may look like another name"),
            ("alice@exаmple.org", "it mixes scripts, so that it may look like another name"),
            ("Aliсe Liddell", "it mixes scripts, so that it may look like another name"),
            ("αdmin", "it mixes scripts, so that it may look like another name"),
            ("Алиca", "it mixes scripts, so that it may look like another name"),
        ];
        for (name, expected) in cases {
            assert_eq!(check(name), Err(expected), "{name:?}");
        }
    }

    #[test]
    fn a_local_part_is_a_dot_atom() {
        for address in ["a@x", "a.b+c@x", "o'brien@x", "älice@x", "a"] {
            assert!(local_part_is_dot_atom(address), "{address}");
        }
        for address in
            ["", "@x", ".a@x", "a.@x", "a..b@x", "a b@x", "\"a\"@x", "a,b@x", "<a>@x", "a(b)@x", "a:b@x", "a\\b@x"]
        {
            assert!(!local_part_is_dot_atom(address), "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_checked_without_a_panic_and_ascii_only_for_its_form(text in any::<String>(), ascii in "[ -~]{0,300}") {
            let _ = check(&text);
            prop_assert_eq!(check(&ascii), check_form(&ascii));
        }
    }
}
