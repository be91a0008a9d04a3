//! `listeners[].authorizer`: listeners that another front asks. Whoever reaches such a listener and passes for the
//! front may say who anybody is, so what the front proves itself by is checked before anything else.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::{
    check_header_name, check_route_path, comparable_header, parse_address, parse_host_pattern,
};
use crate::config::{
    Advertise, Authorizer, AuthorizerStatuses, CertificateForm, ClientCertificate, ClientPolicy, FrontCertificate,
    FrontSecret, HostPattern, Listener, OnMissing, OnRejected, OriginalRequest, Route, Target,
};
use std::collections::BTreeSet;

const SECRET_HEADER: &str = "X-Wicketgate-Front";
/// Where fronts write certificates by custom: names that are free for nothing else.
const CERTIFICATE_HEADERS: [&str; 3] = ["client-cert", "client-cert-chain", "x-forwarded-client-cert"];
/// Where they write what the original request was.
const REQUEST_FAMILIES: [&str; 2] = ["x-original-", "x-forwarded-"];

/// Whether a listener is asked by another front.
pub(super) fn is_authorizer(listener: &raw::Listener) -> bool {
    listener.authorizer.is_there()
}

/// Whether the question of the front that asks a listener has all header fields of the client's request, as those of
/// Traefik and Caddy do, and not those alone that the front is told to pass on.
pub(super) fn is_told_all_fields(listener: &raw::Listener) -> bool {
    let Some(authorizer) = listener.authorizer.value() else { return false };
    let usual = authorizer.form.value().map(|form| form.usual_request());
    authorizer.request.value().copied().or(usual) == Some(OriginalRequest::Forwarded)
}

impl Context<'_> {
    /// A listener that another front asks. Its policy is that of the front's clients.
    pub(super) fn authorizer_listener(
        &mut self,
        listener: &At<raw::Listener>,
        trust_sets: &BTreeSet<&str>,
    ) -> Option<Listener> {
        let At { place, value: raw } = listener;
        let name = self.required(&raw.name, *place, "name").and_then(|name| self.name(&name.value, name.place));
        let address =
            self.required(&raw.address, *place, "address").and_then(|address| self.parsed(address, parse_address));
        let forwarded = self.forwarded(&raw.forwarded);
        let tls = self.required(&raw.tls, *place, "tls").and_then(|tls| self.listener_tls(tls));
        let sound = self.of_the_fronts_own_handshake(raw);
        let policy = self.policy_of_the_clients(raw, *place, trust_sets);
        let given = raw.authorizer.given();
        let authorizer = given.and_then(|authorizer| self.authorizer(authorizer, trust_sets));
        let (tls, address, authorizer) = (tls?, address?, authorizer?);
        let at = raw.address.given().map_or(*place, |address| address.place);
        let safe = given.and_then(|given| self.out_of_others_reach(at, given, (tls.is_none(), &address), &authorizer));
        if !raw.forwarded.is_there() {
            let message = "every client has the address of the front here: `allow.addresses` cannot tell them apart, and \
                           one who guesses at passwords holds all the others back";
            let help = "have the front say it in `X-Forwarded-For`, and write `forwarded: {from: [its address]}`";
            self.warn(*place, message, help.to_owned());
        }
        sound.and(safe)?;
        Some(Listener {
            name: name?,
            address,
            policy: policy?,
            proxy_protocol: None,
            forwarded: forwarded?,
            tls,
            hosts: Vec::new(),
            authorizer: Some(authorizer),
        })
    }

    /// Keys that speak of the handshake with the clients, which the front has had.
    fn of_the_fronts_own_handshake(&mut self, raw: &raw::Listener) -> Option<()> {
        let keys = [
            place(&raw.on_missing_certificate),
            place(&raw.on_rejected_certificate),
            place(&raw.advertise),
            place(&raw.hosts),
            place(&raw.proxy_protocol),
        ];
        let mut sound = Some(());
        for key in keys.into_iter().flatten() {
            let message = "this has no meaning beside `authorizer`: the handshake with the clients is the front's";
            sound = self.error(key, message, "remove it, and set it up in the front".to_owned());
        }
        sound
    }

    /// What routes ask of the front's clients.
    fn policy_of_the_clients(
        &mut self,
        raw: &raw::Listener,
        place: PlaceId,
        trust_sets: &BTreeSet<&str>,
    ) -> Option<ClientPolicy> {
        let mode = match &raw.client_certificate {
            Field::Absent => Some(ClientCertificate::Want),
            Field::Faulty => None,
            Field::Given(At { place, value: ClientCertificate::Off }) => {
                let message = "a front that has no certificates to tell of has nothing to ask here";
                self.error(*place, message, "write `want` or `need`".to_owned())
            }
            Field::Given(At { value, .. }) => Some(*value),
        };
        let trust = match &raw.trust {
            Field::Absent => {
                let why = ": it names the authorities that the certificates of the front's clients may come from";
                self.missing(place, "trust", why)
            }
            Field::Faulty => None,
            Field::Given(name) => self.reference(name, "trust set", trust_sets),
        };
        Some(ClientPolicy {
            client_certificate: mode?,
            on_missing: OnMissing::Page,
            on_rejected: OnRejected::Page,
            trust: Some(trust?),
            advertise: Advertise::None,
        })
    }

    fn authorizer(&mut self, authorizer: &At<raw::Authorizer>, trust_sets: &BTreeSet<&str>) -> Option<Authorizer> {
        let At { place, value: raw } = authorizer;
        let form = self.required(&raw.form, *place, "form").map(|form| form.value);
        let from = self.required(&raw.from, *place, "from");
        let (certificate, secret) = match from {
            None => (None, None),
            Some(from) => {
                let certificate = self.front_certificate(&from.value.certificate, trust_sets);
                let secret = self.front_secret(&from.value.secret);
                if let (Some(None), Some(None)) = (&certificate, &secret) {
                    let message = "a front is one that proves it: anybody else could say who anybody is";
                    let help = "write `certificate: {trust: …, names: […]}`, `secret: {value: {file: …}}`, or both";
                    return self.not_exactly_one(from.place, message, help);
                }
                (certificate, secret)
            }
        };
        let header = self.certificate_header(&raw.header);
        let chain_header = self.certificate_header(&raw.chain_header);
        let prefix = match &raw.prefix {
            Field::Absent => Some(String::new()),
            Field::Faulty => None,
            Field::Given(prefix) => {
                self.parsed(prefix, |text| check_route_path(text).map(|()| text.trim_end_matches('/').to_owned()))
            }
        };
        if matches!(raw.request, Field::Faulty) || matches!(raw.statuses, Field::Faulty) {
            return None;
        }
        let form = form?;
        let request = raw.request.value().copied().unwrap_or_else(|| form.usual_request());
        if let (Some(given), true) = (raw.prefix.given(), request != OriginalRequest::Itself) {
            let message =
                "a prefix stands before the path of the question, and this front says elsewhere what it asks for";
            return self.error(given.place, message, "remove it, or write `request: itself`".to_owned());
        }
        if let (Some(given), None) = (raw.chain_header.given(), form.usual_chain_header()) {
            let message = "this form has no header for the rest of the chain";
            let help = "put the authorities in between under `intermediates` of the trust set".to_owned();
            return self.error(given.place, message, help);
        }
        let header = header?.unwrap_or_else(|| form.usual_header().to_owned());
        let chain_header = chain_header?.or_else(|| form.usual_chain_header().map(str::to_owned));
        let (certificate, secret) = (certificate?, secret?);
        let mut known = BTreeSet::new();
        let secret_header = secret.as_ref().map(|secret: &FrontSecret| &secret.header);
        for name in [Some(&header), chain_header.as_ref(), secret_header].into_iter().flatten() {
            if !known.insert(comparable_header(name)) {
                return self.error(*place, format!("the header {name} cannot say two things"), None);
            }
        }
        let usual =
            if form == CertificateForm::Nginx { AuthorizerStatuses::AuthRequest } else { AuthorizerStatuses::All };
        let statuses = raw.statuses.value().copied().unwrap_or(usual);
        Some(Authorizer { form, header, chain_header, request, prefix: prefix?, statuses, certificate, secret })
    }

    /// The outer `None` is a fault.
    fn certificate_header(&mut self, header: &Field<String>) -> Option<Option<String>> {
        let header = match header {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(header) => header,
        };
        self.parsed(header, |text| {
            let name = comparable_header(text);
            let is_usual = CERTIFICATE_HEADERS.contains(&name.as_str()) || name == "x-forwarded-tls-client-cert";
            match REQUEST_FAMILIES.iter().any(|family| name.starts_with(family)) {
                _ if is_usual && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {}
                true => return Err(format!("{text} says something else of the original request")),
                false => check_header_name(text)?,
            }
            Ok(text.to_owned())
        })
        .map(Some)
    }

    /// The outer `None` is a fault.
    fn front_certificate(
        &mut self,
        certificate: &Field<raw::FrontCertificate>,
        trust_sets: &BTreeSet<&str>,
    ) -> Option<Option<FrontCertificate>> {
        let At { place, value: raw } = match certificate {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(given) => given,
        };
        let trust = self.required(&raw.trust, *place, "trust");
        let trust = trust.and_then(|name| self.reference(name, "trust set", trust_sets));
        let names = self.required(&raw.names, *place, "names").and_then(|names| {
            self.items(names, |context, name| {
                context.parsed(name, |text| match parse_host_pattern(text)? {
                    HostPattern::Exact(name) => Ok(name),
                    HostPattern::Wildcard(_) => {
                        Err("name each front: whoever has one of many names could be any".to_owned())
                    }
                })
            })
        });
        Some(Some(FrontCertificate { trust: trust?, names: names? }))
    }

    /// The outer `None` is a fault.
    fn front_secret(&mut self, secret: &Field<raw::FrontSecret>) -> Option<Option<FrontSecret>> {
        let At { place, value: raw } = match secret {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(given) => given,
        };
        let header = match &raw.header {
            Field::Absent => Some(SECRET_HEADER.to_owned()),
            Field::Faulty => None,
            Field::Given(header) => self.parsed(header, |name| check_header_name(name).map(|()| name.to_owned())),
        };
        let value = match (&raw.value, self.secret(&raw.value)) {
            (Field::Absent, _) => self.missing(*place, "value", ""),
            (_, value) => value.flatten(),
        };
        Some(Some(FrontSecret { header: header?, value: value? }))
    }

    /// That nobody but the front can ask, or listen to what it asks.
    fn out_of_others_reach(
        &mut self,
        at: PlaceId,
        given: &At<raw::Authorizer>,
        (is_plain, address): (bool, &std::net::SocketAddr),
        authorizer: &Authorizer,
    ) -> Option<()> {
        let insecure = given.value.insecure.value() == Some(&true);
        let is_near = address.ip().is_loopback();
        let from = given.value.from.given().map_or(given.place, |from| from.place);
        if is_plain && authorizer.certificate.is_some() {
            let message = "the front cannot show a certificate without TLS";
            return self.error(from, message, "give the listener `tls`, or take a `secret`".to_owned());
        }
        match (is_plain, is_near) {
            (true, true) => {}
            (true, false) if insecure => {
                let message = "the front's secret and everything that it says travel in clear text: whoever reads them on \
                               the way can say who anybody is";
                self.warn(at, message, "give the listener `tls`".to_owned());
            }
            (true, false) => {
                let message = "whoever reads the front's secret on the way can say who anybody is";
                let help = "take a loopback address, give the listener `tls`, or say `insecure: true` in `authorizer`";
                return self.error(at, message, help.to_owned());
            }
            (false, false) if authorizer.certificate.is_none() => {
                let message = "the secret alone keeps everybody on the network from saying who anybody is";
                let help = "have the front show a certificate, too: `from: {certificate: {trust: …, names: […]}}`";
                self.warn(from, message, help.to_owned());
            }
            (false, _) => {}
        }
        if let (Some(key), false) = (given.value.insecure.given(), is_plain) {
            let message = "this has a meaning only with `tls: off`";
            return self.error(key.place, message, "remove it".to_owned());
        }
        Some(())
    }

    /// Warns where a route is found by header fields that a front may leave out of its question: what it asks would then
    /// be asked of nobody there, and the application gets the fields all the same. `few` are the listeners of fronts that
    /// pass on those fields alone which they are told to.
    pub(super) fn found_by_what_a_front_passes_on(&mut self, raw: &raw::Route, route: &Route, few: &[&str]) {
        let is_for =
            |listener: &&&str| route.listeners.is_empty() || route.listeners.iter().any(|name| name == **listener);
        if let (Some(at), Some(listener)) = (place(&raw.match_headers), few.iter().find(is_for)) {
            let names: Vec<&str> = route.match_headers.iter().map(|asked| asked.name.as_str()).collect();
            let message = format!(
                "a request that the front of {listener} asks about finds this route only if the front says {} in its question",
                names.join(", ")
            );
            let help = "see that it does (docs/authorizer.md, what to strip), or name other `listeners`";
            self.warn(at, message, help.to_owned());
        }
    }

    /// The routes, unless one that names a listener which a front asks leads to an answer of our own: the front would
    /// take it for leave to send the request to its application.
    pub(super) fn fit_for_a_front(&mut self, raw: &raw::Route, route: Route, asked: &[&str]) -> Option<Route> {
        let named = route.listeners.iter().find(|name| asked.contains(&name.as_str()));
        let named = named.filter(|_| raw.listeners.is_there());
        let is_of_ours = match &route.target {
            Target::Service(_) => true,
            Target::Respond(answer) => answer.status < 300,
            _ => false,
        };
        match (named, place(&raw.upstream)) {
            (Some(listener), Some(at)) if is_of_ours => {
                let message = format!("the front that asks {listener} would take this answer for leave to pass");
                let help = "name an upstream, whose headers say what the front is told, or other `listeners`";
                self.error(at, message, help.to_owned())
            }
            _ => Some(route),
        }
    }
}

/// Where a key stands, if it is there.
fn place<T>(field: &Field<T>) -> Option<PlaceId> {
    field.given().map(|At { place, .. }| *place)
}
