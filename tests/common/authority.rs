//! The authority as a process of its own beside a gate, and what EST clients need: keys and requests, made by openssl.

use super::gate::Gate;
use super::process::Process;
use super::setup::Setup;
use super::{PATIENCE, eventually};
use std::path::Path;
use std::process::{Command, Output};

/// What the authority's keys are sealed with.
const PASSPHRASE: &str = "correct horse battery";

impl Setup {
    /// Makes an authority in the folder `authority`, which the gate trusts beside the other, with these keys in its section
    /// and a route for EST, and one for `cacerts` alone that is open to all.
    pub(crate) fn with_authority(self, keys: &str) -> Self {
        self.file("authority.passphrase", PASSPHRASE)
            .section("trust", "{ staff: { authorities: [ca.pem, authority/root.pem] } }")
            .section(
                "authority",
                &format!(
                    "{{ directory: authority, passphrase: {{ file: authority.passphrase }}, socket: authority.sock, {keys} }}"
                ),
            )
            .section("digest", "{ realm: example.org }")
            .section("basic", "{ realm: example.org }")
            .section(
                "routes",
                "[{ path: /, authenticate: [certificate, basic], upstream: app }, \
                  { path: /.well-known/est, authenticate: [certificate, digest, basic], upstream: { service: est } }, \
                  { path: /.well-known/est/cacerts, authenticate: [certificate], anonymous: allow, \
                    upstream: { service: est } }]",
            )
            .command(&["ca", "init", "--name", "Wicket"])
    }
}

/// A running authority.
pub(crate) struct Authority(Process);

impl Authority {
    /// The authority of a gate's configuration; it answers when this returns.
    pub(crate) fn beside(gate: &Gate) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_wicketgate")), gate.folder())
    }

    /// The same, by a command that runs the product.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let mut process =
            Process::start(command.args(["authority", "serve", "-c"]).arg(folder.join("wicketgate.yaml")));
        eventually("the authority to be ready", || {
            assert!(process.ended().is_none(), "the authority ended at once:\n{}", process.output());
            process.output().contains("the authority is ready").then_some(())
        });
        Self(process)
    }

    pub(crate) fn log(&self) -> String {
        self.0.output()
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends SIGTERM, and says how it ended.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.0.signal("TERM");
        self.0.wait(PATIENCE).unwrap_or_else(|| panic!("the authority did not end:\n{}", self.log())).code()
    }

    /// Kills it, so that it leaves behind what it leaves behind.
    pub(crate) fn kill(mut self) {
        self.0.signal("KILL");
        self.0.wait(PATIENCE).unwrap();
    }
}

/// Runs a shell command in a folder; it must succeed.
#[track_caller]
pub(crate) fn shell(folder: &Path, command: &str) -> String {
    let output = shell_output(folder, command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The same; it may fail.
pub(crate) fn shell_output(folder: &Path, command: &str) -> Output {
    Command::new("bash").args(["-c", command]).current_dir(folder).env("HOME", folder).output().unwrap()
}

/// Makes `NAME.key` and `NAME.b64`, a request as EST has it, with what `openssl req` takes more.
#[track_caller]
pub(crate) fn request(folder: &Path, name: &str, options: &str) {
    let key = format!("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key");
    if !folder.join(format!("{name}.key")).exists() {
        shell(folder, &key);
    }
    shell(folder, &format!("openssl req -new -key {name}.key {options} -outform der | base64 > {name}.b64"));
}

/// Takes the certificate out of an answer of EST, as `NAME.pem`.
#[track_caller]
pub(crate) fn take(folder: &Path, name: &str, answer: &str) {
    std::fs::write(folder.join(format!("{name}.p7")), answer).unwrap();
    let read = format!("base64 -di {name}.p7 | openssl pkcs7 -inform der -print_certs");
    shell(folder, &format!("{read} | sed -n '/BEGIN/,/END/p' > {name}.pem && test -s {name}.pem"));
}
