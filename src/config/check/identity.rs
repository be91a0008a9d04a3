//! `identity`: whom a certificate means.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::parse_issuer;
use crate::config::{IdentityRule, IdentitySource, IfUnknown, IssuerPin, LookupKind};
use regex::{Regex, RegexBuilder};

impl Context<'_> {
    pub(super) fn identity(&mut self, rules: &Field<Vec<Field<raw::IdentityRule>>>) -> Option<Vec<IdentityRule>> {
        match rules {
            Field::Absent => Some(vec![IdentityRule {
                source: IdentitySource::SanEmail,
                pattern: None,
                lookup: LookupKind::Email,
                issuers: Vec::new(),
                if_unknown: IfUnknown::Refuse,
            }]),
            Field::Faulty => None,
            Field::Given(rules) => self.items(rules, Self::identity_rule),
        }
    }

    fn identity_rule(&mut self, rule: &At<raw::IdentityRule>) -> Option<IdentityRule> {
        let At { place, value: raw } = rule;
        let source = self.required(&raw.from, *place, "from").map(|from| from.value);
        let pattern = raw.pattern.given().map(|pattern| self.pattern(pattern));
        let issuers = self.issuers(&raw.issuers);
        let source = source?;
        let default = match source {
            IdentitySource::SanEmail | IdentitySource::SubjectEmail => LookupKind::Email,
            _ => LookupKind::Username,
        };
        Some(IdentityRule {
            source,
            pattern: match pattern {
                None => None,
                Some(pattern) => Some(pattern?),
            },
            lookup: raw.r#as.value().copied().unwrap_or(default),
            issuers: issuers?,
            if_unknown: raw.if_unknown.value().copied().unwrap_or_default(),
        })
    }

    fn pattern(&mut self, pattern: &At<String>) -> Option<Regex> {
        let regex = match RegexBuilder::new(&pattern.value).size_limit(1 << 20).build() {
            Ok(regex) => regex,
            Err(regex::Error::CompiledTooBig(_)) => {
                return self.error(pattern.place, "the pattern is too large", None);
            }
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("this is not a regular expression: {why}");
                return self.error(pattern.place, message, "its syntax is that of docs.rs/regex".to_owned());
            }
        };
        if !(pattern.value.starts_with('^') && pattern.value.ends_with('$')) {
            let message = "the pattern matches anywhere in a value, so somebody else's longer value may match too";
            self.warn(pattern.place, message, format!("write `^{}$`", pattern.value));
        }
        Some(regex)
    }

    /// Authorities of which one must occur on a path; empty where the key is absent.
    pub(super) fn issuers(&mut self, issuers: &Field<Vec<Field<String>>>) -> Option<Vec<IssuerPin>> {
        match issuers {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(issuers) => self.items(issuers, |context, issuer| {
                Some(match context.parsed(issuer, parse_issuer)? {
                    IssuerPin::File(_) => IssuerPin::File(context.path(issuer)?),
                    pin @ IssuerPin::SpkiSha256(_) => pin,
                })
            }),
        }
    }
}
