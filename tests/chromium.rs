//! A browser with an imported PKCS#12 file gets in without a password, and one without is told what it
//! needs. The browser runs with a home, a profile and policies of its own.
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Credential, write_private};
use common::setup::Setup;
use common::upstream::Upstream;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Tells the browser to present whichever certificate it has, which a person would be asked about.
const POLICY: &str = r#"{ "AutoSelectCertificateForUrls": ["{\"pattern\": \"*\", \"filter\": {}}"] }"#;

/// A home folder whose certificate database trusts the gate's authority.
struct Browser {
    home: tempfile::TempDir,
}

impl Browser {
    fn new(gate: &Gate) -> Self {
        let home = tempfile::tempdir().unwrap();
        let policies = home.path().join("etc-chromium/policies/managed");
        std::fs::create_dir_all(&policies).unwrap();
        std::fs::write(policies.join("certificates.json"), POLICY).unwrap();
        let browser = Self { home };
        std::fs::create_dir_all(browser.home.path().join(".pki/nssdb")).unwrap();
        browser.nss("certutil", &["-N", "--empty-password"]);
        let authority = gate.folder().join("ca.pem");
        browser.nss("certutil", &["-A", "-n", "gate", "-t", "C,,", "-i", authority.to_str().unwrap()]);
        browser
    }

    /// Runs a tool of NSS on the certificate database.
    fn nss(&self, tool: &str, options: &[&str]) {
        let database = format!("sql:{}", self.home.path().join(".pki/nssdb").display());
        run(Command::new(tool).args(options).args(["-d", &database]));
    }

    /// Imports a certificate as people are given it.
    fn import(&self, credential: &Credential) {
        let file = |name: &str| self.home.path().join(name);
        std::fs::write(file("person.pem"), credential.chain_pem()).unwrap();
        write_private(&file("person.key"), &credential.key_pem);
        let mut export = Command::new("openssl");
        export.args(["pkcs12", "-export", "-passout", "pass:wicketgate", "-inkey"]).arg(file("person.key"));
        run(export.arg("-in").arg(file("person.pem")).arg("-out").arg(file("person.p12")));
        self.nss("pk12util", &["-W", "wicketgate", "-i", file("person.p12").to_str().unwrap()]);
    }

    /// Opens a page of the gate and gives the document as it stands after loading.
    fn open(&self, gate: &Gate, path: &str) -> String {
        let home = self.home.path();
        // The machine's own policies stay as they are: only this process sees the folder in their place.
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = Command::new("unshare");
        command.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        command.args(["sh", "-c", "mount --bind \"$0\" /etc/chromium && exec chromium \"$@\""]);
        command.arg(home.join("etc-chromium")).args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--timeout=20000",
            "--dump-dom",
        ]);
        command.arg(format!("--user-data-dir={}", home.join("profile").display()));
        command.arg(format!("--host-resolver-rules=MAP gate.example.org {}", gate.address.ip()));
        command.arg(format!("https://gate.example.org:{}{path}", gate.address.port())).env("HOME", home);
        run(&mut command)
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

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
