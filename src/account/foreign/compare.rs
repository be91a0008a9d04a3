//! Whose row it is: what a database returned, compared with what was asked under the gate's own rules. No
//! collation has a say here, nor has padding, nor a conversion of texts to numbers.

use super::answer::Row;
use crate::account::{Lookup, names};
use crate::base::email;
use crate::config::{Comparison, LetterCase, LookupKind};

/// The rules of one configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules(pub(super) Comparison);

impl Rules {
    /// Whether a row is of somebody who has the name that was asked for.
    pub(super) fn is_of(self, row: &Row, asked: &Lookup) -> bool {
        let name = &asked.name;
        match asked.kind {
            LookupKind::Username => self.is_username(&row.record.username, name),
            LookupKind::Email => {
                let mut addresses = row.record.email.iter().chain(&row.aliases);
                addresses.any(|address| self.is_address(address, name))
            }
            LookupKind::Alias => row.aliases.iter().any(|alias| self.is_alias(alias, name)),
        }
    }

    /// Whether a user name is the one that was asked for.
    pub(super) fn is_username(self, found: &str, asked: &str) -> bool {
        is_same(self.0.username, found, asked)
    }

    /// Whether an address is the one that was asked for, which is in its normal form.
    fn is_address(self, found: &str, asked: &str) -> bool {
        let Some(found) = email::normalise(found) else { return false };
        match (found.split_once('@'), asked.split_once('@')) {
            (Some((local, domain)), Some((asked_local, asked_domain))) => {
                domain == asked_domain && is_same(self.0.local_part, local, asked_local)
            }
            _ => false,
        }
    }

    fn is_alias(self, found: &str, asked: &str) -> bool {
        names::normal_alias(found) == asked || self.is_address(found, asked)
    }
}

/// Letter by letter. A letter of ASCII is only ever one of ASCII: the lower-case form of the Kelvin sign is a `k`.
fn is_same(case: LetterCase, one: &str, other: &str) -> bool {
    let same = |(one, other): (char, char)| {
        one == other
            || one.eq_ignore_ascii_case(&other)
            || (!one.is_ascii() && !other.is_ascii() && one.to_lowercase().eq(other.to_lowercase()))
    };
    match case {
        LetterCase::Exact => one == other,
        LetterCase::CaseInsensitive => {
            one.chars().count() == other.chars().count() && one.chars().zip(other.chars()).all(same)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_the_only_difference_that_a_comparison_without_case_forgives() {
        let cases = [
            ("admin", "admin", true, true),
            ("Admin", "admin", false, true),
            ("ÄNN", "änn", false, true),
            ("admin ", "admin", false, false),
            ("admin", "admi", false, false),
            ("ádmin", "admin", false, false),
            ("ａｄｍｉｎ", "admin", false, false),
            ("ＡＤＭＩＮ", "ａｄｍｉｎ", false, true),
            ("\u{212a}ate", "kate", false, false),
            ("admın", "admin", false, false),
            ("ADMİN", "admin", false, false),
            ("straße", "strasse", false, false),
        ];
        for (one, other, exact, insensitive) in cases {
            for (one, other) in [(one, other), (other, one)] {
                assert_eq!(is_same(LetterCase::Exact, one, other), exact, "{one:?} {other:?}");
                assert_eq!(is_same(LetterCase::CaseInsensitive, one, other), insensitive, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn an_address_is_compared_by_its_domain_and_as_configured_before_it() {
        let rules = |local_part| Rules(Comparison { username: LetterCase::Exact, local_part });
        let cases = [
            ("admin@example.org", true, true),
            ("admin@EXAMPLE.org", true, true),
            ("Admin@example.org", false, true),
            ("admin@example.org ", false, false),
            ("admin@éxample.org", false, false),
            ("admin@ｅxample.org", false, false),
            ("admin@example.org.", false, false),
            ("admin", false, false),
        ];
        for (found, exact, insensitive) in cases {
            assert_eq!(rules(LetterCase::Exact).is_address(found, "admin@example.org"), exact, "{found:?}");
            let forgiving = rules(LetterCase::CaseInsensitive);
            assert_eq!(forgiving.is_address(found, "admin@example.org"), insensitive, "{found:?}");
            assert_eq!(forgiving.is_alias(found, "admin@example.org"), insensitive, "{found:?}");
        }
        assert!(rules(LetterCase::Exact).is_address("ann@BÜCHER.example", "ann@xn--bcher-kva.example"));
    }
}
