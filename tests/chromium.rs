//! A browser with an imported PKCS#12 file gets in without a password, and one without is told what it
//! needs. The browser runs with a home, a profile and policies of its own.
#![cfg(test)]

mod common;

use common::browser::Browser;
use common::setup::Setup;
use common::upstream::Upstream;

/// An application that greets whoever the gate says is there.
fn greeting() -> Upstream {
    Upstream::answering(|exchange| {
        let user = exchange.request.header("remote-user").unwrap_or_default();
        let page = format!("<!doctype html><title>Mail</title><p id=user>Welcome, {user}</p>");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
        exchange.send(head + &page);
    })
}

#[test]
fn a_browser_with_an_imported_certificate_gets_in_without_a_password() {
    let upstream = greeting();
    let gate = Setup::before(&upstream).start();
    let browser = Browser::new(&gate);
    browser.import(&gate.pki.person("alice"));
    let page = browser.open(&gate, "/inbox");
    assert!(page.contains("Welcome, alice"), "{page}");
    let seen = upstream.requests().into_iter().find(|seen| seen.target() == "/inbox").unwrap();
    assert_eq!(seen.header("remote-user").as_deref(), Some("alice"));
    assert!(seen.header("user-agent").is_some_and(|agent| agent.contains("Chrome")), "{}", seen.head);
}

#[test]
fn a_browser_without_a_certificate_is_told_what_it_needs() {
    let upstream = greeting();
    let gate = Setup::before(&upstream).start();
    let page = Browser::new(&gate).open(&gate, "/inbox");
    assert!(page.contains("certificate_required"), "{page}");
    assert!(!page.contains("Welcome") && upstream.requests().is_empty(), "{page}");
}

#[test]
fn a_browser_with_the_certificate_of_a_locked_account_is_told_so() {
    let upstream = greeting();
    let gate = Setup::before(&upstream).start();
    gate.wicketgate(&["account", "lock", "alice"]);
    let browser = Browser::new(&gate);
    browser.import(&gate.pki.person("alice"));
    let page = browser.open(&gate, "/inbox");
    assert!(page.contains("account_inactive"), "{page}");
    assert!(upstream.requests().is_empty());
}
