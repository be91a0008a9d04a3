//! Chromium without a window, with a home, a profile, a certificate database and policies of its own.

use super::gate::Gate;
use super::pki::{Credential, write_private};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Tells the browser to present whichever certificate it has, which a person would be asked about.
const POLICY: &str = r#"{ "AutoSelectCertificateForUrls": ["{\"pattern\": \"*\", \"filter\": {}}"] }"#;

/// A home folder whose certificate database trusts the gate's authority.
pub(crate) struct Browser {
    home: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn new(gate: &Gate) -> Self {
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
    pub(crate) fn import(&self, credential: &Credential) {
        let file = |name: &str| self.home.path().join(name);
        std::fs::write(file("person.pem"), credential.chain_pem()).unwrap();
        write_private(&file("person.key"), &credential.key_pem);
        let mut export = Command::new("openssl");
        export.args(["pkcs12", "-export", "-passout", "pass:wicketgate", "-inkey"]).arg(file("person.key"));
        run(export.arg("-in").arg(file("person.pem")).arg("-out").arg(file("person.p12")));
        self.import_file(&file("person.p12"), "wicketgate");
    }

    /// Imports a PKCS#12 file.
    pub(crate) fn import_file(&self, file: &Path, password: &str) {
        self.nss("pk12util", &["-W", password, "-i", file.to_str().unwrap()]);
    }

    /// Opens a page of the gate and gives the document as it stands after loading.
    pub(crate) fn open(&self, gate: &Gate, path: &str) -> String {
        self.open_by(gate, "", path)
    }

    /// The same for somebody who gives user name and password (`user:password`) when asked for them.
    pub(crate) fn open_as(&self, gate: &Gate, user: &str, path: &str) -> String {
        self.open_by(gate, &format!("{user}@"), path)
    }

    fn open_by(&self, gate: &Gate, user: &str, path: &str) -> String {
        let url = format!("https://{user}gate.example.org:{}{path}", gate.address.port());
        self.visit(&[("gate.example.org", gate.address.ip())], &url)
    }

    /// Opens a page where these names have these addresses, goes wherever it leads, and gives the last document.
    pub(crate) fn visit(&self, hosts: &[(&str, IpAddr)], url: &str) -> String {
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
        let rules: Vec<String> = hosts.iter().map(|(name, address)| format!("MAP {name} {address}")).collect();
        command.arg(format!("--host-resolver-rules={}", rules.join(", ")));
        command.arg(url).env("HOME", home);
        run(&mut command)
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
