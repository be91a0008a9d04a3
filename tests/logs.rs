//! The access log, and logs that are moved away under a running gate.
#![cfg(test)]

mod common;

use common::client::empty;
use common::eventually;
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use serde_json::Value;

fn lines(gate: &Gate, file: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} lines in {file}"), || {
        let text = std::fs::read_to_string(gate.folder().join(file)).ok()?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() >= count && text.ends_with('\n')).then_some(lines)
    })
}

#[tokio::test]
async fn each_request_has_a_line_with_who_asked_and_what_became_of_it() {
    let upstream = Upstream::sending("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let gate = Setup::before(&upstream).section("log", "{ audit: audit.log, access: { path: access.log } }").start();
    let request = Request::get("/mail?token=secret").header("user-agent", "test\t\"1\"");
    let request = request.header("referer", "https://gate.example.org/a?token=secret").body(empty()).unwrap();
    let answer = gate.alice().http1().await.unwrap().send(request).await;
    assert_eq!(answer.status, 200);
    let answered = upstream.last().header("x-request-id").unwrap();
    assert_eq!(gate.client().get("/other").await.status, 403);

    let mut lines: Vec<Value> =
        lines(&gate, "access.log", 2).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Those of two workers come in any order.
    lines.sort_by_key(|line| line["remote_user"].is_null());
    let (alice, nobody) = (&lines[0], &lines[1]);
    for (name, expected) in [
        ("remote_user", "alice"),
        ("request_method", "GET"),
        ("request_uri", "/mail"),
        ("server_protocol", "HTTP/1.1"),
        ("http_host", "gate.example.org"),
        ("http_referer", "https://gate.example.org/a"),
        ("http_user_agent", "test\t\"1\""),
        ("request_id", answered.as_str()),
        ("listener", "guarded"),
        ("route_name", "/"),
        ("upstream_cluster", "app"),
        ("verdict", "permit"),
        ("authentication", "certificate"),
        ("ssl_protocol", "TLSv1.3"),
        ("ssl_server_name", "gate.example.org"),
        ("ssl_session_reused", "."),
    ] {
        assert_eq!(alice[name], expected, "{name}: {alice}");
    }
    assert_eq!((&alice["status"], &alice["upstream_status"]), (&200.into(), &200.into()));
    assert_eq!(alice["body_bytes_sent"], 5);
    assert_eq!(alice["upstream_addr"], upstream.address().to_string());
    assert!(alice["request_time"].as_f64() >= alice["upstream_header_time"].as_f64(), "{alice}");
    assert!(alice["ssl_client_s_dn"].is_string() && alice["ssl_client_serial"].is_string(), "{alice}");
    assert!(!alice.to_string().contains("secret"), "queries hold secrets: {alice}");
    assert_eq!((&nobody["status"], &nobody["verdict"]), (&403.into(), &"refuse".into()));
    assert_eq!(nobody["reason"], "certificate_required");
    assert!(nobody.get("remote_user").is_none() && nobody.get("upstream_cluster").is_none(), "{nobody}");
    let audited = std::fs::read_to_string(gate.folder().join("audit.log")).unwrap();
    assert!(audited.contains(&answered), "both logs know the request by the same identifier");
}

#[tokio::test]
async fn the_combined_format_is_that_of_apache_and_has_the_query_only_on_demand() {
    let upstream = Upstream::start();
    let log = "{ access: { path: access.log, format: combined, query: true } }";
    let gate = Setup::before(&upstream).section("log", log).start();
    let request = Request::get("/a?b=c").header("user-agent", "a \"b\"").body(empty()).unwrap();
    assert_eq!(gate.alice().http1().await.unwrap().send(request).await.status, 200);
    let line = lines(&gate, "access.log", 1).remove(0);
    let form = regex::Regex::new(
        r#"^127\.0\.0\.1 - alice \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /a\?b=c HTTP/1\.1" 200 2 "-" "a \\x22b\\x22"$"#,
    );
    assert!(form.unwrap().is_match(&line), "{line}");
}

#[tokio::test]
async fn logs_that_were_moved_away_are_let_go_of_at_a_signal() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("log", "{ audit: audit.log, access: { path: access.log } }").start();
    assert_eq!(gate.alice().get("/").await.status, 200);
    lines(&gate, "access.log", 1);
    lines(&gate, "audit.log", 1);
    let moved = |file: &str| {
        std::fs::rename(gate.folder().join(file), gate.folder().join(format!("{file}.1"))).unwrap();
    };
    moved("access.log");
    moved("audit.log");
    gate.process.signal("USR1");
    for file in ["access.log", "audit.log"] {
        eventually("the file to be made anew", || gate.folder().join(file).exists().then_some(()));
    }
    assert_eq!(gate.client().get("/").await.status, 403);
    let (access, audit) = (lines(&gate, "access.log", 1), lines(&gate, "audit.log", 1));
    assert!(access[0].contains("403") && audit[0].contains("certificate_required"), "{access:?} {audit:?}");
    assert_eq!((lines(&gate, "access.log.1", 1).len(), lines(&gate, "audit.log.1", 1).len()), (1, 1));
}

#[tokio::test]
async fn a_gate_that_ends_writes_the_lines_that_wait() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("log", "{ access: { path: access.log } }").start();
    let path = gate.folder().join("access.log");
    let kept = tempfile::tempdir().unwrap();
    let copy = kept.path().join("access.log");
    std::fs::hard_link(&path, &copy).unwrap();
    for _ in 0..20 {
        assert_eq!(gate.alice().get("/").await.status, 200);
    }
    assert!(gate.stop().success());
    assert_eq!(std::fs::read_to_string(copy).unwrap().lines().count(), 20);
}
