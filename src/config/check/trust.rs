//! `trust` and `identity`: whom a certificate may come from, and whom it means.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::parse_issuer;
use crate::config::{CrlSource, IdentityRule, IdentitySource, IfUnknown, IssuerPin, LookupKind, Revocation, Trust};
use regex::{Regex, RegexBuilder};
use std::collections::{BTreeMap, BTreeSet};

impl Context<'_> {
    pub(super) fn trust(
        &mut self,
        sets: &Field<BTreeMap<String, Field<raw::Trust>>>,
    ) -> Option<BTreeMap<String, Trust>> {
        self.named(sets, Self::trust_set)
    }

    fn trust_set(&mut self, set: &At<raw::Trust>) -> Option<Trust> {
        let At { place, value: raw } = set;
        let authorities = self.required(&raw.authorities, *place, "authorities").and_then(|list| self.paths(list));
        let max_depth = match raw.max_depth.given() {
            Some(At { place, value: 1 }) => {
                let message = "a path has two certificates at least: the client's and the authority's";
                self.error(*place, message, None)
            }
            _ => self.count(&raw.max_depth, 10),
        };
        let revocation = match &raw.revocation {
            Field::Absent => Some(Revocation { crl: None, database: true }),
            Field::Faulty => None,
            Field::Given(revocation) => self.revocation(&revocation.value),
        };
        Some(Trust { authorities: authorities?, max_depth: max_depth?, revocation: revocation? })
    }

    fn revocation(&mut self, raw: &raw::Revocation) -> Option<Revocation> {
        let crl = match &raw.crl {
            Field::Absent => None,
            Field::Faulty => return None,
            Field::Given(crl) => Some(self.crl(crl)?),
        };
        Some(Revocation { crl, database: raw.database.value().copied().unwrap_or(true) })
    }

    fn crl(&mut self, crl: &At<raw::Crl>) -> Option<CrlSource> {
        let files = self.required(&crl.value.files, crl.place, "files")?;
        let files = self.items(files, |context, file| {
            let directory = file.value.rsplit_once('/').map_or("", |(directory, _)| directory);
            if directory.contains('*') {
                return context.error(file.place, "`*` may stand only after the last slash", None);
            }
            context.path(file)
        })?;
        Some(CrlSource { files, unknown: crl.value.unknown.value().copied().unwrap_or_default() })
    }

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
        let issuers = match raw.issuers.given() {
            None => Some(Vec::new()),
            Some(issuers) => self.items(issuers, |context, issuer| {
                Some(match context.parsed(issuer, parse_issuer)? {
                    IssuerPin::File(_) => IssuerPin::File(context.path(issuer)?),
                    pin @ IssuerPin::SpkiSha256(_) => pin,
                })
            }),
        };
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

    /// Warns of authorities that nobody asks for.
    pub(super) fn unused_trust(&mut self, file: &raw::File) {
        let mut used = BTreeSet::new();
        for listener in file.listeners.value().into_iter().flatten().filter_map(Field::value) {
            let hosts = listener.hosts.value().into_iter().flatten().filter_map(Field::value);
            used.extend(listener.trust.value().into_iter().chain(hosts.filter_map(|host| host.trust.value())));
        }
        let routes = file.routes.value().into_iter().flatten().filter_map(Field::value);
        used.extend(routes.filter_map(|route| route.trust.value()));
        for (name, set) in file.trust.value().into_iter().flatten() {
            if let Some(set) = set.given()
                && !used.contains(name)
            {
                self.warn(set.place, format!("no listener, host or route uses the trust set `{name}`"), None);
            }
        }
    }
}
