//! Routes whose upstream depends on the account. An account names where it is at home; the configuration says what may
//! be named, so that whoever writes accounts cannot send requests, and what the gate says in them, just anywhere.

use super::Context;
use super::routes::Surroundings;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId, short};
use crate::config::{ByAccount, HomeUrls};
use regex::Regex;

impl Context<'_> {
    pub(super) fn by_account(
        &mut self,
        own: &raw::OwnAnswer,
        place: PlaceId,
        surroundings: &Surroundings<'_>,
    ) -> Option<ByAccount> {
        let others = [own.redirect.is_there(), own.respond.is_there(), own.service.is_there(), own.preauth.is_there()];
        if others.contains(&true) {
            let message = "what goes by the account goes to upstreams, and is no answer of our own";
            return self.not_exactly_one(place, message, "keep `by_account`, or the answer");
        }
        if matches!(own.by_account, Field::Faulty) {
            return None;
        }
        let upstream =
            |context: &mut Self, name: &At<String>| context.reference(name, "upstream", &surroundings.upstreams);
        let among = match &own.among {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) => self.items(list, upstream),
        };
        let otherwise = match &own.otherwise {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(name) => upstream(self, name).map(Some),
        };
        let urls = match &own.urls {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value: raw }) => {
                let pattern = self.required(&raw.pattern, *place, "pattern");
                let pattern = pattern.and_then(|pattern| self.parsed(pattern, check_pattern));
                let like = self.required(&raw.like, *place, "like").and_then(|name| upstream(self, name));
                pattern.zip(like).map(|(pattern, like)| Some(HomeUrls { pattern, like }))
            }
        };
        if !own.among.is_there() && !own.urls.is_there() {
            let help = "write `among: [NAME, …]`, or `urls: {pattern: …, like: NAME}`".to_owned();
            return self.error(place, "nothing says which upstreams an account may name", help);
        }
        Some(ByAccount { among: among?, otherwise: otherwise?, urls: urls? })
    }

    /// Whether routes by account have all that they lead to.
    pub(super) fn homes_that_can_be_reached(
        &mut self,
        file: &raw::File,
        upstreams: &std::collections::BTreeMap<String, crate::config::Upstream>,
    ) -> Option<()> {
        use crate::config::UpstreamAuthorization::Digest;
        let mut good = Some(());
        let routes = file.routes.value().into_iter().flatten().filter_map(Field::value);
        for route in routes {
            let Some(raw::Target::Own(own)) = route.upstream.value() else { continue };
            let Some(like) = own.urls.value().and_then(|urls| urls.like.given()) else { continue };
            if matches!(upstreams.get(&like.value).map(|known| &known.authorization), Some(Some(Digest(_)))) {
                let message = "this upstream asks the gate for a password, which would be shown to every server that an \
                               account names";
                good =
                    self.error(like.place, message, "name the servers in upstreams, and those in `among`".to_owned());
            }
        }
        good
    }
}

fn check_pattern(text: &str) -> Result<String, String> {
    if !text.contains("://") {
        return Err(format!("`{}` matches no URL: write `https?://…`, or one of the two", short(text)));
    }
    match Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{}` is not a regular expression: {error}", short(text))),
    }
}
