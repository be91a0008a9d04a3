//! `handover`: whom we hand over and take, and that what is needed for it is there.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::{check_route_path, parse_site_url};
use crate::config::{Accounts, Method};
use crate::config::{Handover, HandoverSession, HandoverSite, Listener, LookupKind, Route, SiteUrl};
use std::path::PathBuf;
use std::time::Duration;

const HOUR: u64 = 60 * 60;
/// What a browser keeps as a cookie is not kept for longer than this.
const LONGEST_SESSION: Duration = Duration::from_secs(30 * 24 * HOUR);

impl Context<'_> {
    /// Hand-over; the outer `None` is a fault.
    pub(super) fn handover(
        &mut self,
        raw: &Field<raw::Handover>,
        accounts: Option<&Accounts>,
        listeners: Option<&Vec<Listener>>,
    ) -> Option<Option<Handover>> {
        let At { place, value } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(handover) => handover,
        };
        let url = self.required(&value.url, *place, "url").and_then(|url| self.parsed(url, parse_site_url));
        let signing = self.required(&value.signing, *place, "signing");
        let signing = signing.and_then(|files| self.keys_of_their_own(files, listeners));
        let decryption = self.required(&value.decryption, *place, "decryption");
        let decryption = decryption.and_then(|files| self.keys_of_their_own(files, listeners));
        let session = self.handover_session(value.session.value());
        let sites = self.required(&value.sites, *place, "sites").map(|_| self.named(&value.sites, Self::handover_site));
        let handover =
            Handover { url: url?, signing: signing?, decryption: decryption?, session: session?, sites: sites?? };
        if handover.accepts() && accounts.is_some_and(|accounts| accounts.store.foreign().is_some()) {
            let message =
                "nobody can be taken over: used tokens are written down, and nothing is written into foreign tables";
            let help = "keep accounts in tables that `wicketgate db init` makes, or remove `accept`".to_owned();
            return self.error(*place, message, help);
        }
        self.distinct_sites(&handover, value);
        Some(Some(handover))
    }

    /// Files of keys that no listener uses: whoever could have a listener sign or decrypt something could have a token.
    fn keys_of_their_own(
        &mut self,
        files: &At<Vec<Field<String>>>,
        listeners: Option<&Vec<Listener>>,
    ) -> Option<Vec<PathBuf>> {
        let used = |path: &PathBuf| {
            let listeners = listeners.into_iter().flatten();
            listeners
                .filter_map(|listener| listener.tls.as_ref())
                .flat_map(|tls| &tls.certificates)
                .any(|files| files.key == *path)
        };
        self.items(files, |context, file| {
            let path = context.path(file)?;
            if used(&path) {
                let help = "make a key for this alone: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
                return context.error(file.place, "this is the key of a listener", help.to_owned());
            }
            Some(path)
        })
    }

    fn handover_session(&mut self, raw: Option<&raw::HandoverSession>) -> Option<HandoverSession> {
        let absent = raw::HandoverSession::default();
        let raw = raw.unwrap_or(&absent);
        let secret = self.secret(&raw.secret);
        let lifetime = self.period(&raw.lifetime, 8 * HOUR);
        if let (Some(At { place, .. }), Some(period)) = (raw.lifetime.given(), lifetime)
            && period > LONGEST_SESSION
        {
            return self.error(*place, "a session counts for 30 days at most", None);
        }
        Some(HandoverSession { secret: secret?, lifetime: lifetime? })
    }

    fn handover_site(&mut self, site: &At<raw::HandoverSite>) -> Option<HandoverSite> {
        let At { place, value } = site;
        let url = self.required(&value.url, *place, "url").and_then(|url| self.parsed(url, parse_site_url));
        let keys = self.required(&value.keys, *place, "keys").and_then(|keys| self.path(keys));
        let send = self.return_paths(&value.send);
        let accept = self.return_paths(&value.accept);
        if !value.send.is_there() && !value.accept.is_there() {
            let help = "`send` lists paths there for our people, `accept` paths here for theirs".to_owned();
            return self.error(*place, "nobody is handed over to this site, and nobody comes from it", help);
        }
        let lookup = match value.lookup.value() {
            None | Some(raw::SiteLookup::Username) => LookupKind::Username,
            Some(raw::SiteLookup::Email) => LookupKind::Email,
        };
        Some(HandoverSite { url: url?, keys: keys?, send: send?, accept: accept?, lookup })
    }

    fn return_paths(&mut self, paths: &Field<Vec<Field<String>>>) -> Option<Vec<String>> {
        match paths {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(paths) => self.items(paths, |context, path| {
                context.parsed(path, |text| check_route_path(text).map(|()| text.to_owned()))
            }),
        }
    }

    /// Two names for one origin, or ours among the others, would leave open who is meant.
    fn distinct_sites(&mut self, handover: &Handover, raw: &raw::Handover) {
        let mut known: Vec<&SiteUrl> = vec![&handover.url];
        for (name, site) in &handover.sites {
            if known.contains(&&site.url)
                && let Some(place) = raw.sites.value().and_then(|sites| sites.get(name)?.given())
            {
                let message = format!("`{}` is this site, or another one of the list", site.url.as_str());
                let _: Option<()> = self.error(place.place, message, None);
            }
            known.push(&site.url);
        }
    }

    /// Routes that list `session` where nobody can have one.
    pub(super) fn sessions_of_nobody(&mut self, file: &raw::File, routes: &[Route], handover: Option<&Handover>) {
        if handover.is_some_and(Handover::accepts) {
            return;
        }
        let places = file.routes.value().into_iter().flatten().filter_map(Field::given);
        for (route, At { place, .. }) in routes.iter().zip(places) {
            if route.authenticate.contains(&Method::Session) {
                let help = "add a site with `accept` to `handover`, or remove `session` here".to_owned();
                let message = "sessions begin by a hand-over, and no site may hand anybody over to this one";
                let _: Option<()> = self.error(*place, message, help);
            }
        }
    }
}
