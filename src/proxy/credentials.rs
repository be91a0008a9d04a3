//! What a request's `Authorization` says, and how a client is asked for one: `auth` judges, this hands it the pieces
//! of the request, and reads the body where credentials cover it.

use super::Exchange;
use super::body::{Received, ReplyBody, UploadFault};
use super::gate::Route;
use super::headers::{claim, cookies};
use super::path::RequestTarget;
use super::record::About;
use super::reply::Refusal;
use crate::auth::CredentialFinding;
use crate::auth::decision::{CredentialEvidence, Finding, Policy};
use crate::auth::digest::{Asked, Challenge, NoRealm, Quality, Verifier, Wrong};
use crate::base::reason::Reason;
use crate::config::Method;
use crate::telemetry::audit::Outcome;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Incoming;

impl Exchange<'_> {
    /// What the request's credentials say, those in `Authorization` or else a session, as far as the route lists them; and
    /// its body, which was read if they cover it.
    pub(super) async fn credentials(
        &self,
        policy: &Policy,
        head: &http::request::Parts,
        target: &RequestTarget,
        route: &Route,
        incoming: Incoming,
    ) -> Result<(CredentialFinding, Received), UploadFault> {
        let mut received = Received::Streaming(incoming);
        if policy.is_challenged() {
            let (finding, left) = self.authorization(policy, head, target, route, received).await?;
            let absent = matches!(finding.evidence, Finding::Known(CredentialEvidence::Absent));
            if !(absent && policy.authenticate.contains(&Method::Session)) {
                return Ok((finding, left));
            }
            received = left;
        }
        let session = cookies::value(&head.headers, cookies::SESSION);
        Ok((self.gate.authenticator.session(session, target.path(), self.at.timestamp()).await, received))
    }

    /// What the request's `Authorization` says.
    async fn authorization(
        &self,
        policy: &Policy,
        head: &http::request::Parts,
        target: &RequestTarget,
        route: &Route,
        received: Received,
    ) -> Result<(CredentialFinding, Received), UploadFault> {
        let mut finding = CredentialFinding::of(Finding::NotAsked);
        if policy.authenticate.contains(&Method::Basic) {
            let values: Vec<&[u8]> = head.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
            finding = self.gate.authenticator.basic(&values, self.address()).await;
        }
        let none_found = matches!(finding.evidence, Finding::NotAsked | Finding::Known(CredentialEvidence::Absent));
        if none_found && policy.authenticate.contains(&Method::Digest) {
            return self.digest(head, target, route, received).await;
        }
        Ok((finding, received))
    }

    /// What the request's Digest credentials say.
    async fn digest(
        &self,
        head: &http::request::Parts,
        target: &RequestTarget,
        route: &Route,
        received: Received,
    ) -> Result<(CredentialFinding, Received), UploadFault> {
        let authenticator = &self.gate.authenticator;
        let realm = self.realm(&head.headers);
        let authorization = head.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let credentials = match authenticator.read_digest(authorization, &realm) {
            Ok(credentials) => credentials,
            Err(finding) => return Ok((finding, received)),
        };
        if self.for_front && credentials.quality() == Quality::AuthInt {
            // It covers a body that the front has and we have not.
            let evidence = Finding::Known(CredentialEvidence::Wrong(Method::Digest));
            let finding = CredentialFinding {
                why: Some(Wrong::AuthIntNotOffered.as_str().to_owned()),
                username: Some(credentials.username().to_owned()),
                ..CredentialFinding::of(evidence)
            };
            return Ok((finding, received));
        }
        let asked = Asked {
            method: head.method.as_str(),
            target: target.raw(),
            realm: realm.unwrap_or_default(),
            client: self.address(),
            now: self.at.timestamp(),
        };
        let examined = match authenticator.examine_digest(&credentials, &asked) {
            Ok(examined) => examined,
            Err(finding) => return Ok((finding, received)),
        };
        let Some(limit) = examined.covers_body() else {
            return Ok((authenticator.verify_digest(examined, b"", self.address()).await, received));
        };
        let limit = route.body_limit.map_or(limit, |most| most.min(limit));
        let body = received.whole(limit, self.gate.timeouts.idle, self.room()).await?;
        Ok((authenticator.verify_digest(examined, &body, self.address()).await, Received::Whole(body)))
    }

    /// The realm of a request, which a header may name.
    fn realm(&self, headers: &HeaderMap) -> Result<&str, NoRealm> {
        let Some(verifier) = self.gate.authenticator.digest() else { return Ok("") };
        match verifier.realm_header() {
            // As with a claim: what the application is not told, or may read otherwise, names no realm.
            Some(name) => verifier.realm(claim::values(headers, name)),
            None => verifier.realm([]),
        }
    }

    /// Asks for credentials, and puts that on record. A request that says not which realm it is for cannot be asked
    /// for those of Digest.
    pub(super) fn challenge(
        &self,
        about: &About<'_>,
        headers: &HeaderMap,
        body: Option<u64>,
        reason: Reason,
        stale: bool,
    ) -> Response<ReplyBody> {
        let (client, now) = (self.address(), self.at.timestamp());
        let methods = about.route.map_or(&[][..], Route::methods);
        let realm = if methods.contains(&Method::Digest) { self.realm(headers) } else { Ok("") };
        let (methods, realm) = match realm {
            Ok(realm) => (methods, realm),
            Err(_) if methods.contains(&Method::Basic) => (&[Method::Basic][..], ""),
            Err(error) => {
                let name = self.gate.authenticator.digest().and_then(Verifier::realm_header).unwrap_or_default();
                let about = About { detail: Some(format!("{name}: {error}")), ..about.clone() };
                return self.refuse(&about, Reason::BadRequest);
            }
        };
        // What there is no room for is not asked to be covered.
        let body = body.filter(|length| *length == 0 || self.room().has(*length));
        let challenge = Challenge { realm, stale, body, client, now };
        let challenges = self.gate.authenticator.challenges(methods, &challenge).into_iter();
        let challenges = challenges.filter_map(|value| HeaderValue::from_maybe_shared(Bytes::from(value)).ok());
        let refusal = Refusal::new(reason, self.id.as_str()).with_challenges(challenges.collect());
        self.record(about, Outcome::Challenge, Some(reason), Some(refusal.status()), None);
        refusal.response(&about.page.method, &about.page.headers).map(ReplyBody::from)
    }
}
