//! Answers that a route gives itself: redirects, made of what was asked for or not, and fixed ones.

use super::Context;
use super::fields::{check_value, of_answers};
use super::rewrite::Change;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::{check_redirect, parse_host};
use crate::config::{AnswerBody, FixedAnswer, HostPattern, Redirect, RedirectTo, RoutePath};
use std::collections::BTreeSet;

/// The type of a body of which nothing else is said.
const PLAIN: &str = "text/plain; charset=utf-8";
/// The most octets of a body that stands in the configuration.
const MOST_BODY: usize = 64 * 1024;

impl Context<'_> {
    /// A redirect of a route for this host and path; the outer `None` of each is a fault that is known.
    pub(super) fn route_redirect(
        &mut self,
        redirect: &At<raw::Redirect>,
        host: Option<&Option<HostPattern>>,
        path: Option<&RoutePath>,
    ) -> Option<Redirect> {
        let (to, status) = match &redirect.value {
            raw::Redirect::To(text) => (&At { place: redirect.place, value: text.clone() }, Some(302)),
            raw::Redirect::Keys(keys) => {
                let status = match keys.status.given() {
                    None => (!keys.status.is_there()).then_some(302),
                    Some(At { value: status @ (301 | 302 | 303 | 307 | 308), .. }) => Some(*status),
                    Some(At { place, .. }) => {
                        self.error(*place, "a redirect has the status 301, 302, 303, 307 or 308", None)
                    }
                };
                (self.required(&keys.to, redirect.place, "to")?, status)
            }
        };
        if !to.value.contains(['{', '}']) {
            let fixed = self.parsed(to, |text| check_redirect(text).map(|()| text.to_owned()))?;
            return Some(Redirect { to: RedirectTo::Fixed(fixed), status: status? });
        }
        let pattern = match path? {
            RoutePath::Pattern(pattern) => Some(pattern),
            RoutePath::Prefix(_) | RoutePath::Exact(_) => None,
        };
        let made = self.parsed(to, |text| RedirectTo::parse(text, pattern, parse_host))?;
        if made.is_to_the_same_host() && host?.is_none() {
            let message = "this route is for every host, and would send clients to whatever host they name";
            return self.error(
                to.place,
                message,
                "write `host` beside the path, or the name of the host here".to_owned(),
            );
        }
        Some(Redirect { to: made, status: status? })
    }

    pub(super) fn fixed_answer(&mut self, respond: &At<raw::Respond>) -> Option<FixedAnswer> {
        let raw = &respond.value;
        let status = match raw.status.given() {
            None => (!raw.status.is_there()).then_some(200),
            Some(At { value: status @ 200..=599, .. }) => Some(*status),
            Some(At { place, .. }) => self.error(*place, "a status is from 200 to 599", None),
        };
        let body = match (&raw.body, &raw.file) {
            (Field::Faulty, _) | (_, Field::Faulty) => None,
            (Field::Given(_), Field::Given(At { place, .. })) => {
                self.error(*place, "the body stands here, or in a file, and not in both", None)
            }
            (_, Field::Given(file)) => self.path(file).map(AnswerBody::File),
            (Field::Given(At { place, value }), _) if value.len() > MOST_BODY => {
                let help = "keep it in a file: `file: …`".to_owned();
                self.error(*place, format!("a body has {MOST_BODY} octets here at most"), help)
            }
            (body, _) => Some(AnswerBody::Text(body.value().cloned().unwrap_or_default())),
        };
        let content_type = match &raw.r#type {
            Field::Absent => Some(PLAIN.to_owned()),
            Field::Faulty => None,
            Field::Given(text) => self.parsed(text, |text| {
                let good = text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
                check_value(text)
                    .ok()
                    .filter(|()| good)
                    .map(|()| text.to_owned())
                    .ok_or_else(|| "this is no type of a body: write `text/html; charset=utf-8`".to_owned())
            }),
        };
        let headers = match &raw.headers {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(_) => self.written(
                &raw.headers,
                &|name| match of_answers(name, Change::Set) {
                    Ok(name) if name == "content-type" => Err("write it under `type`".to_owned()),
                    known => known,
                },
                &|text| check_value(text).map(|()| text.to_owned()),
                &mut BTreeSet::new(),
            ),
        };
        let is_empty =
            matches!(&body, None | Some(AnswerBody::Text(_))) && raw.body.value().is_none_or(String::is_empty);
        if let Some(status @ (204 | 304)) = status
            && !is_empty
        {
            return self.error(respond.place, format!("an answer with status {status} has no body"), None);
        }
        Some(FixedAnswer { status: status?, body: body?, content_type: content_type?, headers: headers? })
    }
}
