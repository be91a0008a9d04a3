//! Local services: what the gate answers itself instead of passing it on. This module says what a service is
//! asked and what it may answer, and which paths are reserved for services on every host. Whether somebody
//! may ask was decided before (`auth`), and what a refusal looks like is said elsewhere (`reply`): a service
//! that turns somebody away names a [`Reason`] and knows of no page.

pub mod jwks;

use super::Exchange;
use super::body::{Received, ReplyBody, UploadFault};
use super::gate::Route;
use super::path::RequestTarget;
use super::record::About;
use super::{refusal_of, reply};
use crate::auth::authorization::Authorization;
use crate::auth::decision::{Permit, Policy};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::config::Anonymous;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Below this path no upstream is asked, on any host: only services that reserve a path there answer.
pub const RESERVED: &str = "/.well-known/wicketgate/";

/// Something that the gate answers itself. A route leads to it by its name (`upstream: { service: NAME }`), and it
/// may reserve paths of its own.
pub trait LocalService: Send + Sync {
    /// The name by which routes lead to it.
    fn name(&self) -> &'static str;

    /// The paths that are its own on every host and listener.
    fn reserves(&self) -> Vec<Reserved> {
        Vec::new()
    }

    /// The largest body, in octets, that a request to it may have. It is held in memory whole.
    fn body_limit(&self) -> u64 {
        0
    }

    /// What stands below the service's route in the path of a GET request, as it came, in a spelling that survives the
    /// normal form of paths and is one segment of letters, digits, `-` and `_`; `None` leaves the path as it is. It
    /// is for protocols that put into paths what no two readers of paths agree on.
    fn respell(&self, _below: &str) -> Option<String> {
        None
    }

    /// Answers a request that may pass.
    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer>;
}

/// A path that belongs to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// What follows [`RESERVED`]: `jwks.json`. The whole path, not a prefix.
    pub name: &'static str,
    /// Who may ask.
    pub access: Access,
}

/// Who may ask a service at a path that it reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, also with a certificate that is refused.
    Public,
    /// Whom the route of the path would let pass.
    AsRouted,
}

/// What a service is asked.
pub struct ServiceRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// Host, path in normal form, and query.
    pub target: &'a RequestTarget,
    /// The fields of the head as the client sent them; none of them is proof of anything.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Leave to pass, and for whom.
    pub permit: &'a Permit,
    /// The connection's certificate, as far as it was followed.
    pub standing: &'a crate::auth::Standing,
    /// By which password or session the permit was given, if by one.
    pub proof: Option<&'a crate::auth::Proof>,
    /// The client's address.
    pub client: IpAddr,
    /// When the request came.
    pub at: Timestamp,
    /// By which the audit log knows the request.
    pub request_id: &'a str,
}

/// What a service answers.
#[derive(Debug)]
pub enum Answer {
    /// This. Length, request identifier and the fields that every answer of the gate has are added, unless they are
    /// there; the body of an answer to HEAD is left out.
    Response(Response<Bytes>),
    /// A refusal. The detail is for the log alone.
    Refuse {
        /// Why, in the word that everybody is told.
        reason: Reason,
        /// What exactly is wrong.
        detail: String,
    },
}

impl Answer {
    /// A refusal for this reason.
    pub fn refuse(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Refuse { reason, detail: detail.into() }
    }
}

/// Two services reserve one path, or have one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two services want to be {0:?}")]
pub struct Clash(String);

/// All services of one configuration, by name and by reserved path.
#[derive(Default)]
pub struct Services {
    by_name: HashMap<&'static str, Arc<dyn LocalService>>,
    reserved: HashMap<&'static str, ReservedRoute>,
}

/// What a reserved path leads to.
pub(super) struct ReservedRoute {
    pub(super) service: Arc<dyn LocalService>,
    /// The route that decides; `None` leaves that to the one that covers the path.
    pub(super) own: Option<Route>,
}

impl Services {
    /// These services.
    ///
    /// # Errors
    /// When two have one name or want one path.
    pub fn new(services: impl IntoIterator<Item = Arc<dyn LocalService>>) -> Result<Self, Clash> {
        let mut all = Self::default();
        for service in services {
            for Reserved { name, access } in service.reserves() {
                let own = (access == Access::Public).then(|| public(name, &service));
                let route = ReservedRoute { service: Arc::clone(&service), own };
                if all.reserved.insert(name, route).is_some() {
                    return Err(Clash(format!("{RESERVED}{name}")));
                }
            }
            let name = service.name();
            if all.by_name.insert(name, service).is_some() {
                return Err(Clash(name.to_owned()));
            }
        }
        Ok(all)
    }

    /// The service of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<dyn LocalService>> {
        self.by_name.get(name)
    }

    /// What a path in normal form leads to if it is reserved: `Some(None)` is nothing at all.
    pub(super) fn reserved(&self, path: &str) -> Option<Option<&ReservedRoute>> {
        path.strip_prefix(RESERVED).map(|name| self.reserved.get(name))
    }
}

/// A route that lets anybody pass. Its index is no other route's, and tells only whether a visit is the first.
fn public(name: &str, service: &Arc<dyn LocalService>) -> Route {
    let policy = Policy {
        authenticate: vec![crate::config::Method::Certificate],
        anonymous: Anonymous::Allow,
        claim: false,
        authorization: Authorization::default(),
        certificate_needed: false,
    };
    Route::of_service(format!("{RESERVED}{name}"), Arc::clone(service), policy)
}

/// A permitted request for a service, and what is known of it.
pub(super) struct Call<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) permit: &'a Permit,
    pub(super) service: &'a dyn LocalService,
    pub(super) about: &'a About<'a>,
    pub(super) target: &'a RequestTarget,
    pub(super) standing: &'a crate::auth::Standing,
}

impl Call<'_> {
    /// Has the service answer.
    pub(super) async fn run(&self, request: Request<Received>) -> Response<ReplyBody> {
        let (head, incoming) = request.into_parts();
        let Self { exchange, permit, service, about, target, standing } = self;
        let body = match self.body(&head, incoming).await {
            Ok(body) => body,
            Err(fault) => {
                let about = About { detail: Some(fault.to_string()), ..(*about).clone() };
                return exchange.refuse(&about, refusal_of(fault));
            }
        };
        let request = ServiceRequest {
            method: &head.method,
            target,
            headers: &head.headers,
            body,
            permit,
            standing,
            proof: about.credentials.and_then(|credentials| credentials.proof.as_deref()),
            client: exchange.address(),
            at: exchange.at.timestamp(),
            request_id: exchange.id.as_str(),
        };
        match service.answer(&request).await {
            Answer::Response(response) => {
                reply::of_service(response, &head.method, exchange.id.as_str()).map(ReplyBody::from)
            }
            Answer::Refuse { reason, detail } => {
                exchange.refuse(&About { detail: Some(detail), ..(*about).clone() }, reason)
            }
        }
    }

    /// The whole body. It has one deadline, so that a client that drips it gains nothing.
    async fn body(&self, head: &Parts, incoming: Received) -> Result<Bytes, UploadFault> {
        let limit = self.service.body_limit();
        let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(UploadFault::TooLarge);
        }
        incoming.whole(limit, self.exchange.gate.timeouts.idle, self.exchange.room()).await
    }
}

/// The answer to a method that a service does not have (RFC 9110, section 15.5.6).
#[must_use]
pub fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut response = Response::new(Bytes::from_static(b"this method has no meaning here\n"));
    *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(allowed));
    Answer::Response(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stub(&'static str, Vec<Reserved>);

    impl LocalService for Stub {
        fn name(&self) -> &'static str {
            self.0
        }

        fn reserves(&self) -> Vec<Reserved> {
            self.1.clone()
        }

        fn answer<'a>(&'a self, _: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
            Box::pin(async { Answer::Response(Response::new(Bytes::new())) })
        }
    }

    fn services(stubs: Vec<Stub>) -> Result<Services, Clash> {
        Services::new(stubs.into_iter().map(|stub| Arc::new(stub) as Arc<dyn LocalService>))
    }

    #[test]
    fn what_is_below_the_reserved_path_is_a_service_or_nothing() {
        let keys = Reserved { name: "jwks.json", access: Access::Public };
        let over = Reserved { name: "handover", access: Access::AsRouted };
        let services = services(vec![Stub("jwks", vec![keys]), Stub("handover", vec![over])]).unwrap();
        for (path, expected) in [
            ("/.well-known/wicketgate/jwks.json", Some(Some(("jwks", true)))),
            ("/.well-known/wicketgate/handover", Some(Some(("handover", false)))),
            ("/.well-known/wicketgate/handover/", Some(None)),
            ("/.well-known/wicketgate/handover/more", Some(None)),
            ("/.well-known/wicketgate/", Some(None)),
            ("/.well-known/wicketgate/JWKS.json", Some(None)),
            ("/.well-known/wicketgate", None),
            ("/.well-known/wicketgates/jwks.json", None),
            ("/app/.well-known/wicketgate/jwks.json", None),
        ] {
            let found =
                services.reserved(path).map(|found| found.map(|route| (route.service.name(), route.own.is_some())));
            assert_eq!(found, expected, "{path}");
        }
        assert!(services.named("jwks").is_some() && services.named("jwks.json").is_none());
    }

    #[test]
    fn two_services_cannot_have_one_name_or_path() {
        let keys = Reserved { name: "jwks.json", access: Access::Public };
        for stubs in [
            vec![Stub("one", Vec::new()), Stub("one", Vec::new())],
            vec![Stub("one", vec![keys]), Stub("two", vec![keys])],
            vec![Stub("one", vec![keys, keys])],
        ] {
            assert!(services(stubs).is_err());
        }
    }
}
