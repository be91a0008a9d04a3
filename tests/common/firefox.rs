//! Firefox ESR without a window, with a home and a profile of its own, which holds the certificates.

use super::gate::Gate;
use std::path::Path;
use std::process::Command;

/// It presents whichever certificate it has, finds every host at the gate's address, and asks nobody else for anything.
const PREFERENCES: &[(&str, &str)] = &[
    ("security.default_personal_cert", "\"Select Automatically\""),
    ("network.proxy.type", "0"),
    ("network.trr.mode", "5"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("network.http.http3.enable", "false"),
    ("security.OCSP.enabled", "0"),
    ("services.settings.server", "\"data:,\""),
    ("browser.safebrowsing.malware.enabled", "false"),
    ("browser.safebrowsing.phishing.enabled", "false"),
    ("browser.aboutwelcome.enabled", "false"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("browser.startup.homepage", "\"about:blank\""),
    ("app.update.enabled", "false"),
    ("app.normandy.enabled", "false"),
    ("toolkit.telemetry.enabled", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
];

/// A home folder with a profile that trusts the gate's authority.
pub(crate) struct Firefox {
    home: tempfile::TempDir,
}

impl Firefox {
    pub(crate) fn new(gate: &Gate) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("profile")).unwrap();
        let address = format!("\"{}\"", gate.address.ip());
        let all = PREFERENCES.iter().copied().chain([("network.dns.forceResolve", address.as_str())]);
        let lines: String = all.map(|(name, value)| format!("user_pref(\"{name}\", {value});\n")).collect();
        std::fs::write(home.path().join("profile/user.js"), lines).unwrap();
        let firefox = Self { home };
        firefox.nss("certutil", &["-N", "--empty-password"]);
        let authority = gate.folder().join("ca.pem");
        firefox.nss("certutil", &["-A", "-n", "gate", "-t", "C,,", "-i", authority.to_str().unwrap()]);
        firefox
    }

    fn nss(&self, tool: &str, options: &[&str]) -> String {
        let database = format!("sql:{}", self.home.path().join("profile").display());
        run(Command::new(tool).args(options).args(["-d", &database]))
    }

    /// Imports a PKCS#12 file; what is in the profile afterwards.
    pub(crate) fn import(&self, file: &Path, password: &str) -> String {
        self.nss("pk12util", &["-W", password, "-i", file.to_str().unwrap()]);
        self.nss("certutil", &["-L"])
    }

    /// Opens a page of the gate and waits until it is drawn. What was asked for, the application knows.
    pub(crate) fn open(&self, gate: &Gate, path: &str) {
        let home = self.home.path();
        let url = format!("https://gate.example.org:{}{path}", gate.address.port());
        let mut command = Command::new("timeout");
        command.args(["60", "firefox-esr", "--headless", "--no-remote", "--profile"]).arg(home.join("profile"));
        run(command.arg("--screenshot").arg(home.join("page.png")).arg(url).env("HOME", home));
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
