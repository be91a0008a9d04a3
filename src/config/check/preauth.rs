//! A route that logs people in at Zimbra.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::check_redirect;
use crate::config::{Anonymous, Preauth, Route, Target};

impl Context<'_> {
    pub(super) fn preauth(&mut self, preauth: &At<raw::Preauth>) -> Option<Preauth> {
        let At { place, value: raw } = preauth;
        let url = self.required(&raw.url, *place, "url").and_then(|url| {
            self.parsed(url, |text| {
                check_redirect(text)?;
                match text.contains(['?', '#']) {
                    true => Err("the account and the signature become the query: end the URL before it".to_owned()),
                    false => Ok(text.to_owned()),
                }
            })
        });
        let key = match (&raw.key, self.secret(&raw.key)) {
            (Field::Absent, _) => self.missing(*place, "key", ""),
            (_, key) => key.flatten(),
        };
        let lifetime = match &raw.lifetime {
            Field::Absent => Some(None),
            given => self.period(given, 0).map(Some),
        };
        Some(Preauth {
            url: url?,
            key: key?,
            by: raw.by.value().copied().unwrap_or_default(),
            account: raw.account.value().copied().unwrap_or_default(),
            lifetime: lifetime?,
        })
    }

    /// The routes, unless one logs in who has not said who they are.
    pub(super) fn routes_that_log_in_somebody(&mut self, file: &raw::File, routes: Vec<Route>) -> Option<Vec<Route>> {
        let mut good = Some(());
        let places = file.routes.value().into_iter().flatten().filter_map(Field::value);
        for (route, raw) in routes.iter().zip(places) {
            if matches!(route.target, Target::Preauth(_))
                && route.anonymous == Anonymous::Allow
                && let Some(at) = raw.anonymous.given()
            {
                let help = "write `deny`, or `{redirect: /}` to the ordinary log-in page".to_owned();
                good = self.error(at.place, "nobody in particular can be logged in", help);
            }
        }
        good.map(|()| routes)
    }
}
