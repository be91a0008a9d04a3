//! A gate that stands before itself: the request goes round, and is ended.
#![cfg(test)]

mod common;

use common::client::get;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;

#[tokio::test]
async fn upstreams_see_the_gate_in_via_behind_whoever_came_before() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, expected, mut connection) in gate.alice().both().await.map(|(version, connection)| {
        (version, if version == "HTTP/2" { "2.0 wicketgate-" } else { "1.1 wicketgate-" }, connection)
    }) {
        connection.get("/").await;
        assert!(upstream.last().header("via").unwrap().starts_with(expected), "{version}");
        let request = Request::get("/").header("via", "1.0 fred").body(common::client::empty()).unwrap();
        connection.send(request).await;
        let via = upstream.last().all("via");
        assert_eq!((via.len(), via[0].as_str()), (2, "1.0 fred"), "{version}");
        assert!(via[1].starts_with(expected), "{version}: {via:?}");
    }
}

#[tokio::test]
async fn a_gate_before_itself_ends_what_goes_round() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).open_to_all().start();
    let (own, file) = (gate.address, gate.folder().join("wicketgate.yaml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let servers = format!("\"http://{}\"", upstream.address());
    let text = text.replace(
        &format!("servers: [{servers}]"),
        &format!("servers: [\"https://{own}\"], tls: {{ ca: ca.pem, name: gate.example.org }}"),
    );
    std::fs::write(&file, text).unwrap();
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    for (version, mut connection) in gate.client().both().await {
        let answer = connection.send(get("/")).await;
        assert_eq!(answer.status, 508, "{version}: {}", answer.text());
        assert!(answer.text().contains("loop_detected"), "{version}: {}", answer.text());
    }
    gate.log_line(&["loop_detected", "leads back"]);
    assert!(upstream.requests().is_empty());
}
