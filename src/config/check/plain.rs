//! Listeners without TLS: whoever fetches revocation lists, OCSP answers and authorities' certificates does so over
//! plain HTTP, since these are signed and a TLS client that needed them to begin would never begin (RFC 5280, section
//! 8). Nothing else is served there: nobody can be made out, and nothing that is said can be kept from others.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::{
    Advertise, Anonymous, ClientCertificate, ClientPolicy, Method, OnMissing, OnRejected, ProxyProtocol, Route, Target,
};

/// The services that publish what everybody may read and what is signed.
const PUBLIC: [&str; 3] = ["certificates", "crl", "ocsp"];

/// Whether a listener speaks plain HTTP with clients. With a front that has ended TLS for them it is another matter.
pub(super) fn is_plain(listener: &raw::Listener) -> bool {
    matches!(listener.tls.value(), Some(raw::ListenerTls::Word(_))) && !listener.authorizer.is_there()
}

impl Context<'_> {
    /// What is asked of clients without TLS, which is nothing; a fault for each key that would ask for something.
    pub(super) fn plain_policy(
        &mut self,
        raw: &raw::Listener,
        proxy_protocol: Option<&Option<ProxyProtocol>>,
    ) -> Option<ClientPolicy> {
        let off = |field: &&Field<ClientCertificate>| field.value() != Some(&ClientCertificate::Off);
        let asking = [
            place(&raw.client_certificate).filter(|_| off(&&raw.client_certificate)),
            place(&raw.on_missing_certificate),
            place(&raw.on_rejected_certificate),
            place(&raw.trust),
            place(&raw.advertise),
            place(&raw.hosts),
        ];
        let mut sound = Some(());
        for key in asking.into_iter().flatten() {
            let help = "remove it, or give the listener `tls`".to_owned();
            sound = self.error(key, "this has no meaning with `tls: off`: nobody is asked for a certificate", help);
        }
        if let (Some(Some(balancers)), Some(key)) = (proxy_protocol, place(&raw.proxy_protocol))
            && !balancers.required
        {
            // Without TLS, the first octet of a request may be that of a header.
            let help = "write `required: true`".to_owned();
            let message = "with `tls: off` a header of the PROXY protocol cannot be told from a request";
            sound = self.error(key, message, help);
        }
        sound.map(|()| ClientPolicy {
            client_certificate: ClientCertificate::Off,
            on_missing: OnMissing::Page,
            on_rejected: OnRejected::Page,
            trust: None,
            advertise: Advertise::None,
        })
    }

    /// The route, unless it can be reached without TLS and is for more than what everybody may read.
    pub(super) fn fit_for_plain(
        &mut self,
        at: PlaceId,
        raw: &raw::Route,
        route: Route,
        plain: &[&str],
    ) -> Option<Route> {
        let Some(listener) = route.listeners.iter().find(|name| plain.contains(&name.as_str())) else {
            return Some(route);
        };
        let mut sound = Some(());
        let is_public = matches!(&route.target, Target::Service(name) if PUBLIC.contains(&name.as_str()));
        if !is_public {
            let message = format!("this is more than may be served without TLS, and the listener {listener} has none");
            let help = "over plain HTTP only `{service: crl}`, `{service: ocsp}` and `{service: certificates}` are \
                        served: name other `listeners`";
            sound = self.error(place(&raw.upstream).unwrap_or(at), message, help.to_owned());
        }
        let asks = route.anonymous != Anonymous::Allow
            || route.authenticate != [Method::Certificate]
            || route.trust.is_some()
            || route.allow.is_some()
            || route.deny.is_some()
            || route.claim.is_some();
        if asks {
            let message = format!("nobody can be made out without TLS, and the listener {listener} has none");
            let help = "write `anonymous: allow` and leave out `authenticate`, `trust`, `allow`, `deny` and `claim`, or \
                        name other `listeners`";
            sound = self.error(at, message, help.to_owned());
        }
        sound.map(|()| route)
    }
}

/// Where a key stands, if it is there.
fn place<T>(field: &Field<T>) -> Option<PlaceId> {
    field.given().map(|At { place, .. }| *place)
}
