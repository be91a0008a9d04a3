//! A client of HTTP Digest that does what a test wants, built on the product's own client side; and a gate on which
//! alice has a password.

use super::client::{Answer, Body, Connection, empty};
use super::gate::Gate;
use super::pki::write_private;
use super::setup::Setup;
use http::Request;
use wicketgate::account::{Ha1, ha1};
use wicketgate::auth::digest::client::{Offer, Outgoing, Session};
use wicketgate::base::secret::Secret;
use wicketgate::config::ChallengeAlgorithm;

/// The realm of [`with_password`].
pub(crate) const REALM: &str = "example.org";
/// Alice's password.
pub(crate) const PASSWORD: &str = "of-alice";

/// A gate with one route for passwords and certificates, on which alice has [`PASSWORD`]; `digest` is that section
/// of its configuration.
pub(crate) fn with_password(setup: Setup, digest: &str) -> Gate {
    let gate = setup
        .section("routes", "[{ path: /, authenticate: [certificate, digest], upstream: app }]")
        .section("digest", digest)
        .start();
    set_password(&gate, &[]);
    gate
}

/// Sets alice's password, in the realm that the options say.
pub(crate) fn set_password(gate: &Gate, options: &[&str]) {
    let file = gate.folder().join("alice.password");
    write_private(&file, &format!("{PASSWORD}\n"));
    gate.wicketgate(&[&["account", "password", "alice", "--file", file.to_str().unwrap()], options].concat());
}

/// HA1 of a user with this password.
pub(crate) fn ha1_of(username: &str, password: &str, offer: &Offer) -> Ha1 {
    ha1::compute(username, &offer.realm, &Secret::from(password), offer.algorithm.hash())
}

/// The challenge of an answer for this algorithm.
#[track_caller]
pub(crate) fn offer(answer: &Answer, algorithm: ChallengeAlgorithm) -> Offer {
    let headers = answer.headers.get_all("www-authenticate").iter().map(http::HeaderValue::as_bytes);
    let offers = Offer::all(headers);
    let found = offers.into_iter().find(|offer| offer.algorithm == algorithm);
    found.unwrap_or_else(|| panic!("no challenge for {algorithm:?} in {:?}", answer.headers))
}

/// A session with the challenge that a plain request for `/` is answered with.
pub(crate) async fn session(connection: &mut Connection, algorithm: ChallengeAlgorithm) -> Session {
    let answer = connection.get("/").await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    Session::new(offer(&answer, algorithm))
}

/// What alice sends in `Authorization` for a GET of this target.
pub(crate) fn authorization(session: &mut Session, target: &str) -> String {
    let ha1 = ha1_of("alice", PASSWORD, session.offer());
    let request = Outgoing { method: "GET", uri: target, cnonce: "0a4f113b", body: None };
    session.authorization("alice", &ha1, &request).unwrap()
}

/// A GET with this `Authorization`.
pub(crate) fn get_with(target: &str, authorization: &str) -> Request<Body> {
    Request::get(target).header("authorization", authorization).body(empty()).unwrap()
}
