//! `assertion`, and what each upstream is asserted.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::{check_header_name, comparable_header};
use crate::config::{Assertion, AssertionKeys, IdentityHeaders, LEAST_ROTATION, MOST_LIFETIME, UpstreamAssertion};
use std::time::Duration;

const HEADER: &str = "X-Wicketgate-Assertion";
const DIRECTORY: &str = "assertion-keys";
const DAY: u64 = 24 * 60 * 60;

impl Context<'_> {
    /// Who signs; the outer `None` is a fault.
    pub(super) fn assertion(&mut self, raw: &Field<raw::Assertion>) -> Option<Option<Assertion>> {
        let assertion = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(assertion) => &assertion.value,
        };
        let issuer = match &assertion.issuer {
            Field::Absent => Some("wicketgate".to_owned()),
            Field::Faulty => None,
            Field::Given(issuer) => self.text(issuer),
        };
        let keys = self.assertion_keys(&assertion.keys);
        Some(Some(Assertion { issuer: issuer?, keys: keys? }))
    }

    fn assertion_keys(&mut self, raw: &Field<raw::AssertionKeys>) -> Option<AssertionKeys> {
        let absent = raw::AssertionKeys::default();
        let (keys, place) = match raw {
            Field::Absent => (&absent, None),
            Field::Faulty => return None,
            Field::Given(keys) => (&keys.value, Some(keys.place)),
        };
        let made = [keys.directory.is_there(), keys.algorithm.is_there(), keys.rotate.is_there()];
        match &keys.files {
            Field::Faulty => None,
            Field::Given(_) if made.contains(&true) => {
                let message = "keys come from `files`, or are made in a `directory`";
                let help = "`algorithm` and `rotate` are for keys that are made; remove them or `files`".to_owned();
                self.error(place.unwrap_or_default(), message, help)
            }
            Field::Given(files) => self.paths(files).map(AssertionKeys::Files),
            Field::Absent => {
                let path = match self.optional_path(&keys.directory) {
                    Some(None) => Some(self.base.join(DIRECTORY)),
                    Some(path) => path,
                    None => None,
                };
                let rotate = self.period(&keys.rotate, 30 * DAY);
                if let (Some(At { place, .. }), Some(period)) = (keys.rotate.given(), rotate)
                    && period < LEAST_ROTATION
                {
                    let message = "keys change two hours apart at least: each is published before it signs and after";
                    return self.error(*place, message, None);
                }
                let algorithm = keys.algorithm.value().copied().unwrap_or_default();
                Some(AssertionKeys::Directory { path: path?, algorithm, rotate: rotate? })
            }
        }
    }

    /// What an upstream is asserted; the outer `None` is a fault. `signed` is whether anybody signs, `told` what the
    /// upstream is told in other fields.
    pub(super) fn upstream_assertion(
        &mut self,
        raw: &Field<raw::UpstreamAssertion>,
        signed: bool,
        told: Option<&IdentityHeaders>,
    ) -> Option<Option<UpstreamAssertion>> {
        let At { place, value } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(assertion) => assertion,
        };
        if !signed {
            let help = "add `assertion: {}` at the top of the file, or remove it here".to_owned();
            return self.error(*place, "there is no `assertion` section that says by which keys", help);
        }
        let header = match &value.header {
            Field::Absent => Some(HEADER.to_owned()),
            Field::Faulty => None,
            Field::Given(name) => self.assertion_header(name, told),
        };
        let audience = self.required(&value.audience, *place, "audience").and_then(|audience| self.text(audience));
        let lifetime = self.period(&value.lifetime, 5 * 60);
        if let (Some(At { place, .. }), Some(period)) = (value.lifetime.given(), lifetime)
            && !(Duration::from_secs(10)..=MOST_LIFETIME).contains(&period)
        {
            return self.error(*place, "an assertion counts for ten seconds to an hour", None);
        }
        Some(Some(UpstreamAssertion { header: header?, audience: audience?, lifetime: lifetime? }))
    }

    fn assertion_header(&mut self, name: &At<String>, told: Option<&IdentityHeaders>) -> Option<String> {
        if let Err(message) = check_header_name(&name.value) {
            return self.error(name.place, message, None);
        }
        let mut others = told.into_iter().flat_map(IdentityHeaders::names);
        if others.any(|other| comparable_header(other) == comparable_header(&name.value)) {
            return self.error(name.place, format!("`{}` would carry two things", name.value), None);
        }
        Some(name.value.clone())
    }
}
