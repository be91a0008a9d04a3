//! Answers that a route gives itself: redirects made of what was asked for, and fixed answers.
#![cfg(test)]

mod common;

use common::client::get;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Method;

const ROUTES: &str = r#"[
    { host: gate.example.org, path: /moved, anonymous: allow, upstream: { redirect: { to: "https://{host}/new{path}?{query}", status: 308 } } },
    { path: { pattern: "/wiki/([a-z]+)/(.*)" }, anonymous: allow, upstream: { redirect: { to: "https://{1}.example/{2}", status: 301 } } },
    { path: { pattern: "/books/([a-z]+)/(.*)" }, anonymous: allow, upstream: { redirect: { to: "/{1}{2}" } } },
    { path: /old, anonymous: allow, upstream: { redirect: /new } },
    { path: /robots.txt, anonymous: allow, upstream: { respond: { file: robots.txt, headers: { Cache-Control: max-age=3600 } } } },
    { path: /gone, anonymous: allow, upstream: { respond: { status: 410, body: "<p>gone</p>", type: text/html } } },
    { path: /, authenticate: [certificate], upstream: app },
]"#;

/// The same without what is refused.
fn routes() -> String {
    ROUTES.lines().filter(|line| !line.contains("{1}.example")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_redirect_leads_to_what_is_made_of_the_request() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("routes", &routes()).file("robots.txt", "").start();
    let mut anybody = gate.client().http1().await.unwrap();
    for (target, status, location) in [
        ("/moved", 308, "https://gate.example.org/new/moved"),
        ("/moved/%61/../b?x=%0d%0a", 308, "https://gate.example.org/new/moved/b?x=%0d%0a"),
        ("/old/page?x=1", 302, "/new"),
        ("/books/a/b", 302, "/ab"),
    ] {
        let answer = anybody.get(target).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{target}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_fixed_answer_is_what_the_configuration_says() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream).section("routes", &routes()).file("robots.txt", "User-agent: *\n");
    let gate = setup.start();
    let mut anybody = gate.client().http2().await.unwrap();
    let robots = anybody.get("/robots.txt").await;
    assert_eq!((robots.status, robots.text().as_str()), (200, "User-agent: *\n"));
    assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(robots.header("cache-control"), "max-age=3600");
    assert!(!robots.header("x-request-id").is_empty());
    let mut request = get("/gone");
    *request.method_mut() = Method::HEAD;
    let gone = anybody.send(request).await;
    assert_eq!((gone.status, gone.header("content-type"), gone.header("content-length")), (410, "text/html", "11"));
    assert_eq!(gone.body.len(), 0);
}

#[test]
fn no_group_of_a_pattern_names_a_host() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::before(&upstream).section("routes", ROUTES).file("robots.txt", "").without_accounts();
    let address = "127.0.0.1:9443".parse().unwrap();
    std::fs::write(folder.path().join("wicketgate.yaml"), setup.text(address)).unwrap();
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_wicketgate"))
        .args(["check", "-c", "wicketgate.yaml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(2), "{told}");
    assert!(told.contains("routes[1].upstream.redirect"), "{told}");
}
