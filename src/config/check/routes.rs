//! `routes`: which requests they are for, who may pass, and where they lead.

use super::authorizer::{is_authorizer, is_told_all_fields};
use super::plain::is_plain;
use super::{Context, names};
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::{check_redirect, parse_host_pattern};
use crate::config::{
    Anonymous, ClientCertificate, ClientPolicy, HostPattern, Listener, Method, Route, RoutePath, Target,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the rest of the file says that routes depend on.
pub(super) struct Surroundings<'r> {
    /// Each listener's name, and whether it asks for certificates, on whichever host.
    listeners: BTreeMap<&'r str, bool>,
    pub(super) upstreams: BTreeSet<&'r str>,
    trust_sets: BTreeSet<&'r str>,
    /// The names of the listeners without TLS.
    plain: Vec<&'r str>,
    /// The names of those that another front asks.
    asked: Vec<&'r str>,
    /// Those of them whose front passes on the header fields alone that it is told to.
    asked_with_few: Vec<&'r str>,
    services: BTreeSet<&'r str>,
    /// The names of header fields in which upstreams are told who the client is, as they are compared.
    told: BTreeSet<String>,
    /// These, and those in which routes have the gate say something of accounts.
    ours: BTreeSet<String>,
    digest: bool,
    basic: bool,
}

impl<'r> Surroundings<'r> {
    fn of(file: &'r raw::File) -> Self {
        let all = || file.listeners.value().into_iter().flatten().filter_map(Field::value);
        let plain = all().filter(|listener| is_plain(listener)).filter_map(|listener| listener.name.value());
        let asked = || all().filter(|listener| is_authorizer(listener));
        let asked_with_few = asked().filter(|listener| !is_told_all_fields(listener));
        let asked = asked().filter_map(|listener| listener.name.value());
        let asked_with_few = asked_with_few.filter_map(|listener| listener.name.value());
        let listeners = all();
        let listeners = listeners.filter_map(|listener| Some((listener.name.value()?.as_str(), asks(listener))));
        Self {
            listeners: listeners.collect(),
            plain: plain.map(String::as_str).collect(),
            asked: asked.map(String::as_str).collect(),
            asked_with_few: asked_with_few.map(String::as_str).collect(),
            upstreams: names(&file.upstreams),
            trust_sets: names(&file.trust),
            services: super::services::configured(file),
            ours: super::fields::told(file).union(&super::fields::said(file)).cloned().collect(),
            told: super::fields::told(file),
            digest: file.digest.is_there(),
            basic: file.basic.is_there(),
        }
    }
}

/// Whether a listener asks for certificates somewhere; what cannot be read is taken for a yes.
fn asks(listener: &raw::Listener) -> bool {
    let off = |mode: &Field<ClientCertificate>| mode.value() == Some(&ClientCertificate::Off);
    let hosts = || listener.hosts.value().into_iter().flatten().filter_map(Field::value);
    !is_plain(listener)
        && (!off(&listener.client_certificate)
            || hosts().any(|host| host.client_certificate.is_there() && !off(&host.client_certificate)))
}

impl Context<'_> {
    pub(super) fn routes(&mut self, file: &raw::File, place: PlaceId) -> Option<Vec<Route>> {
        let list = self.required(&file.routes, place, "routes");
        let surroundings = Surroundings::of(file);
        list.and_then(|list| {
            let mut known = Vec::new();
            let routes = self.items(list, |context, route| {
                let checked = context.route(route, &surroundings)?;
                known.push((route.place, checked.clone()));
                Some(checked)
            });
            let plain = &surroundings.plain;
            let names: Vec<&str> =
                surroundings.listeners.keys().filter(|name| !plain.contains(name)).copied().collect();
            let found = self.routes_that_can_be_found(&known, &names);
            routes.filter(|_| found.is_some())
        })
    }

    fn route(&mut self, route: &At<raw::Route>, surroundings: &Surroundings<'_>) -> Option<Route> {
        let At { place, value: raw } = route;
        let host = match &raw.host {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(host) => self.parsed(host, parse_host_pattern).map(Some),
        };
        let path = self.route_path(&raw.path);
        let methods = self.route_methods(&raw.methods);
        let match_headers = self.match_headers(&raw.match_headers, &surroundings.ours);
        let listeners = self.route_listeners(&raw.listeners, surroundings);
        let trust = match &raw.trust {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(name) => self.reference(name, "trust set", &surroundings.trust_sets).map(Some),
        };
        let authenticate = self.authenticate(&raw.authenticate, surroundings);
        let anonymous = self.anonymous(&raw.anonymous);
        let allow = self.access("allow", &raw.allow, anonymous.as_ref(), authenticate.as_deref());
        let deny = self.access("deny", &raw.deny, anonymous.as_ref(), authenticate.as_deref());
        let claim = self.claim(&raw.claim, anonymous.as_ref());
        let target = self.required(&raw.upstream, *place, "upstream");
        let target = target.and_then(|target| self.target(target, (host.as_ref(), path.as_ref()), surroundings));
        let rewrite = self.rewrite(&raw.rewrite, path.as_ref(), target.as_ref(), &surroundings.told);
        let body_limit = self.body_limit(raw.limits.value());
        let request_limits = self.route_requests(raw.limits.value());
        let least_upload = match raw.limits.value().map(|limits| &limits.least_upload) {
            None | Some(Field::Absent) => Some(None),
            Some(Field::Faulty) => None,
            Some(Field::Given(At { value: raw::ByteRate(rate), .. })) => Some(Some(*rate)),
        };
        let route = Route {
            host: host?,
            path: path?,
            methods: methods?,
            match_headers: match_headers?,
            listeners: listeners?,
            trust: trust?,
            authenticate: authenticate?,
            anonymous: anonymous?,
            allow: allow?,
            deny: deny?,
            claim: claim?,
            target: target?,
            rewrite: rewrite?,
            body_limit: body_limit?,
            request_limits: request_limits?,
            least_upload: least_upload?,
        };
        self.found_by_what_a_front_passes_on(raw, &route, &surroundings.asked_with_few);
        let route = self.fit_for_a_front(raw, route, &surroundings.asked)?;
        self.fit_for_plain(*place, raw, route, &surroundings.plain)
    }

    fn route_listeners(
        &mut self,
        listeners: &Field<Vec<Field<String>>>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Vec<String>> {
        let known: BTreeSet<&str> = surroundings.listeners.keys().copied().collect();
        match listeners {
            Field::Absent if surroundings.plain.is_empty() => Some(Vec::new()),
            // What may be read by everybody on the way is named.
            Field::Absent => {
                Some(known.iter().filter(|name| !surroundings.plain.contains(name)).map(ToString::to_string).collect())
            }
            Field::Faulty => None,
            Field::Given(list) => self.items(list, |context, name| context.reference(name, "listener", &known)),
        }
    }

    fn authenticate(
        &mut self,
        methods: &Field<Vec<Field<Method>>>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Vec<Method>> {
        let items = methods.value().into_iter().flatten().filter_map(Field::given);
        if let Some(digest) = items.clone().find(|method| method.value == Method::Digest)
            && !surroundings.digest
        {
            let help = "add `digest: {realm: …}` at the top of the file, or remove it here".to_owned();
            return self.error(digest.place, "there is no `digest` section that says how", help);
        }
        if let Some(basic) = items.clone().find(|method| method.value == Method::Basic)
            && !surroundings.basic
        {
            let help = "add `basic: {realm: …}` at the top of the file, or remove it here".to_owned();
            return self.error(basic.place, "there is no `basic` section that says how", help);
        }
        match methods {
            Field::Faulty => None,
            _ => self.distinct(methods, &[Method::Certificate]),
        }
    }

    fn anonymous(&mut self, anonymous: &Field<raw::Anonymous>) -> Option<Anonymous> {
        match anonymous {
            Field::Absent => Some(Anonymous::Deny),
            Field::Faulty => None,
            Field::Given(At { value: raw::Anonymous::Word(raw::AnonymousWord::Deny), .. }) => Some(Anonymous::Deny),
            Field::Given(At { value: raw::Anonymous::Word(raw::AnonymousWord::Allow), .. }) => Some(Anonymous::Allow),
            Field::Given(At { value: raw::Anonymous::To(to), place }) => {
                let redirect = self.required(&to.redirect, *place, "redirect")?;
                self.redirect(redirect).map(Anonymous::Redirect)
            }
        }
    }

    fn redirect(&mut self, to: &At<String>) -> Option<String> {
        self.parsed(to, |text| check_redirect(text).map(|()| text.to_owned()))
    }

    fn target(
        &mut self,
        target: &At<raw::Target>,
        place: (Option<&Option<HostPattern>>, Option<&RoutePath>),
        surroundings: &Surroundings<'_>,
    ) -> Option<Target> {
        match &target.value {
            raw::Target::Upstream(name) => {
                let name = At { place: target.place, value: name.clone() };
                self.reference(&name, "upstream", &surroundings.upstreams).map(Target::Upstream)
            }
            raw::Target::Own(own) if own.by_account.is_there() => {
                self.by_account(own, target.place, surroundings).map(Target::ByAccount)
            }
            raw::Target::Own(own) => self.own_answer(own, target.place, place, surroundings),
        }
    }

    fn own_answer(
        &mut self,
        own: &raw::OwnAnswer,
        place: PlaceId,
        (host, path): (Option<&Option<HostPattern>>, Option<&RoutePath>),
        surroundings: &Surroundings<'_>,
    ) -> Option<Target> {
        use Field::{Absent, Faulty, Given};
        let raw::OwnAnswer { redirect, respond, service, preauth, by_account: _, among, otherwise, urls } = own;
        if among.is_there() || otherwise.is_there() || urls.is_there() {
            let help = "write `by_account: home` beside them".to_owned();
            return self.error(place, "`among`, `otherwise` and `urls` stand beside `by_account` alone", help);
        }
        match (redirect, respond, service, preauth) {
            (Faulty, ..) | (_, Faulty, ..) | (_, _, Faulty, _) | (.., Faulty) => None,
            (Given(to), Absent, Absent, Absent) => self.route_redirect(to, host, path).map(Target::Redirect),
            (Absent, Given(respond), Absent, Absent) => self.fixed_answer(respond).map(Target::Respond),
            (Absent, Absent, Given(name), Absent) => {
                self.reference(name, "service", &surroundings.services).map(Target::Service)
            }
            (Absent, Absent, Absent, Given(preauth)) => self.preauth(preauth).map(Target::Preauth),
            _ => {
                let message = "an answer of our own has exactly one of `redirect`, `respond`, `service` and `preauth`";
                let help =
                    "write the name of an upstream, `{redirect: …}`, `{respond: …}`, `{service: …}` or `{preauth: …}`";
                self.not_exactly_one(place, message, help)
            }
        }
    }

    /// The largest body; the outer `None` is a fault.
    fn body_limit(&mut self, limits: Option<&raw::RouteLimits>) -> Option<Option<u64>> {
        match limits.map(|limits| &limits.body) {
            None | Some(Field::Absent) => Some(None),
            Some(Field::Faulty) => None,
            Some(Field::Given(At { place, value: raw::Size(0) })) => {
                let help = "leave the key out for bodies of any size".to_owned();
                self.error(*place, "with a limit of 0 nothing would pass", help)
            }
            Some(Field::Given(At { value: raw::Size(size), .. })) => Some(Some(*size)),
        }
    }

    /// The routes, unless one names a trust set though none of its clients is ever asked for a certificate.
    pub(super) fn routes_with_trust_of_use(
        &mut self,
        file: &raw::File,
        listeners: &[Listener],
        routes: Vec<Route>,
    ) -> Option<Vec<Route>> {
        let mut all_of_use = Some(());
        let places = file.routes.value().into_iter().flatten().filter_map(Field::value);
        for (route, trust) in routes.iter().zip(places.map(|route| &route.trust)) {
            let Some(trust) = trust.given() else { continue };
            let asks = |policy: &ClientPolicy| policy.client_certificate != ClientCertificate::Off;
            let asked = listeners.iter().any(|listener| {
                (asks(&listener.policy) && route.is_reached(listener, None))
                    || listener
                        .hosts
                        .iter()
                        .any(|host| asks(&host.policy) && route.is_reached(listener, Some(&host.name)))
            });
            if !asked {
                let message = "no client is asked for a certificate here: `client_certificate` is `off` wherever this \
                               route can be reached";
                let help = "write `client_certificate: want` on its listener or host, or remove `trust` here";
                all_of_use = self.error(trust.place, message, help.to_owned());
            }
        }
        all_of_use.map(|()| routes)
    }

    /// Warns of routes that want a certificate which none of their listeners asks for.
    pub(super) fn routes_that_nobody_passes(&mut self, file: &raw::File) {
        let surroundings = Surroundings::of(file);
        for At { place, value: route } in file.routes.value().into_iter().flatten().filter_map(Field::given) {
            let own = route.listeners.value().into_iter().flatten().filter_map(Field::value);
            let own: BTreeSet<&str> = own.map(String::as_str).collect();
            let asked =
                surroundings.listeners.iter().any(|(name, asks)| *asks && (own.is_empty() || own.contains(name)));
            let methods = route.authenticate.value().into_iter().flatten().filter_map(Field::value);
            let otherwise = methods.copied().any(|method| method != Method::Certificate);
            let closed = matches!(route.anonymous.value(), None | Some(raw::Anonymous::Word(raw::AnonymousWord::Deny)));
            if closed && !asked && !otherwise {
                let help = "set `client_certificate: want` on a listener, list `digest` or `basic`, or write `anonymous: \
                            allow`";
                let message = "nobody can pass: none of its listeners asks for the certificate that it wants";
                self.warn(*place, message, help.to_owned());
            }
        }
    }

    /// Warns of servers that nothing is sent to.
    pub(super) fn unused_upstreams(&mut self, file: &raw::File) {
        let routes = file.routes.value().into_iter().flatten().filter_map(Field::value);
        let used: BTreeSet<&str> = routes
            .flat_map(|route| match route.upstream.value() {
                Some(raw::Target::Upstream(name)) => vec![name.as_str()],
                Some(raw::Target::Own(own)) => {
                    let among = own.among.value().into_iter().flatten();
                    let like = own.urls.value().map(|urls| &urls.like);
                    let names = among.chain([&own.otherwise]).chain(like);
                    names.filter_map(|name| Some(name.value()?.as_str())).collect()
                }
                None => Vec::new(),
            })
            .collect();
        for (name, upstream) in file.upstreams.value().into_iter().flatten() {
            if let Some(upstream) = upstream.given()
                && !used.contains(name.as_str())
            {
                self.warn(upstream.place, format!("no route leads to the upstream `{name}`"), None);
            }
        }
    }
}
