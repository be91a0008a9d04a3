//! `wicketgate demo` as somebody meets it who has just built it: the program and curl, over HTTP/1.1 and
//! HTTP/2. Each person of the demo gets the answer that the guide promises.
#![cfg(test)]

mod common;

use common::process::Process;
use common::{PATIENCE, eventually};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const PROTOCOLS: [&str; 2] = ["--http1.1", "--http2"];

/// Those who are refused, and why.
const REFUSED: [(&str, &str); 5] = [
    ("bob", "account_inactive"),
    ("carol", "certificate_revoked"),
    ("dave", "account_unknown"),
    ("erin", "certificate_expired"),
    ("mallory", "certificate_untrusted"),
];

/// A running demo.
struct Demo {
    // Declared first so that it is stopped before its directory is removed.
    process: Process,
    port: u16,
    directory: PathBuf,
}

/// What curl was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    version: String,
    /// The head of the last response.
    head: String,
    body: String,
}

impl Demo {
    fn start(directory: &Path) -> Self {
        let port = unused_port();
        let process = Process::start(demo(directory).args(["--port", &port.to_string()]));
        let mut demo = Self { process, port, directory: directory.to_owned() };
        eventually("the guide", || {
            assert!(demo.process.ended().is_none(), "the demo ended at once:\n{}", demo.process.output());
            demo.process.output().contains("Ctrl-C ends the demo.").then_some(())
        });
        demo
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Asks for a path with more options.
    fn curl(&self, protocol: &str, path: &str, options: &[&str]) -> Answer {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--include", protocol])
            .args(["--write-out", "\n%{http_code} %{http_version}", "--cacert", &self.file("ca.pem")])
            .args(options)
            .arg(format!("https://localhost:{}{path}", self.port))
            .env("HOME", &self.directory)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{options:?} {path}: {text}{}", String::from_utf8_lossy(&output.stderr));
        let (text, outcome) = text.rsplit_once('\n').unwrap();
        let (status, version) = outcome.split_once(' ').unwrap();
        let (heads, body) = text.rsplit_once("\r\n\r\n").unwrap();
        Answer {
            status: status.parse().unwrap(),
            version: version.to_owned(),
            head: heads.rsplit("\r\n\r\n").next().unwrap().to_owned(),
            body: body.to_owned(),
        }
    }

    /// The same with somebody's certificate.
    fn curl_as(&self, name: &str, protocol: &str, path: &str, options: &[&str]) -> Answer {
        let (certificate, key) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        self.curl(protocol, path, &[&["--cert", &certificate, "--key", &key], options].concat())
    }

    /// An `Authorization` field with alice's right password for `GET` on a path, never used before.
    fn alices_password(&self, path: &str) -> String {
        let challenge = self.curl("--http1.1", path, &[]);
        let nonce = challenge.fields("www-authenticate").find(|field| field.contains("SHA-256")).map(|field| {
            let (_, rest) = field.split_once("nonce=\"").unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        });
        let nonce = nonce.unwrap_or_else(|| panic!("no challenge: {challenge:?}"));
        let hash = |text: String| wicketgate::base::hex::encode(&Sha256::digest(text));
        let secret = hash("alice:wicketgate demo:alice-password".into());
        let request = hash(format!("GET:{path}"));
        let response = hash(format!("{secret}:{nonce}:00000001:c0ffee:auth:{request}"));
        format!(
            "Authorization: Digest username=\"alice\", realm=\"wicketgate demo\", nonce=\"{nonce}\", uri=\"{path}\", \
             algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c0ffee\", response=\"{response}\""
        )
    }

    /// Interrupts it as Ctrl-C does, and says how it ended.
    fn interrupt(mut self) -> Option<i32> {
        self.process.signal("INT");
        let status = self.process.wait(PATIENCE).unwrap_or_else(|| panic!("it went on:\n{}", self.process.output()));
        status.code()
    }
}

impl Answer {
    /// The values of a response field, in their order.
    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter_map(move |(found, value)| found.eq_ignore_ascii_case(name).then_some(value.trim()))
    }

    /// What the upstream was told in a field.
    #[track_caller]
    fn told(&self, name: &str) -> Option<String> {
        self.upstream()["headers"].get(name).map(|value| value.as_str().unwrap().to_owned())
    }

    #[track_caller]
    fn upstream(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn demo(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command.arg("demo").arg("--directory").arg(directory);
    command
}

fn unused_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A new demo in a directory of its own.
fn started() -> (Demo, TempDir) {
    let parent = tempfile::tempdir().unwrap();
    (Demo::start(&parent.path().join("demo")), parent)
}

fn failed(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn alice_is_known_by_her_certificate() {
    let (demo, _parent) = started();
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let answer = demo.curl_as("alice", protocol, "/some/path?with=query", &[]);
        assert_eq!(answer.version, version);
        assert_eq!(answer.told("remote-user").as_deref(), Some("alice"));
        assert_eq!(answer.told("remote-email").as_deref(), Some("alice@example.org"));
        assert_eq!(answer.told("remote-name").as_deref(), Some("Alice Archer"));
        assert_eq!(answer.told("x-client-verify").as_deref(), Some("SUCCESS"));
        assert_eq!(answer.upstream()["method"], "GET");
        assert_eq!(answer.upstream()["path"], "/some/path?with=query");
    }
}

#[test]
fn alice_is_known_by_her_pkcs12_file() {
    let (demo, _parent) = started();
    let file = format!("{}:wicketgate", demo.file("alice.p12"));
    for protocol in PROTOCOLS {
        let answer = demo.curl(protocol, "/certificate-only", &["--cert-type", "P12", "--cert", &file]);
        assert_eq!(answer.told("remote-user").as_deref(), Some("alice"));
    }
}

#[test]
fn whoever_has_no_certificate_is_asked_for_a_password_by_sha_256_before_md5() {
    let (demo, _parent) = started();
    for protocol in PROTOCOLS {
        let answer = demo.curl(protocol, "/", &[]);
        assert_eq!(answer.status, 401);
        let challenges: Vec<&str> = answer.fields("www-authenticate").collect();
        assert_eq!(challenges.len(), 2, "{answer:?}");
        for (challenge, algorithm) in challenges.iter().zip(["SHA-256", "MD5"]) {
            assert!(challenge.starts_with("Digest "), "{challenge}");
            assert!(challenge.contains("realm=\"wicketgate demo\""), "{challenge}");
            assert!(challenge.contains(&format!("algorithm={algorithm}")), "{challenge}");
        }
        let right = demo.curl(protocol, "/", &["--digest", "--user", "alice:alice-password"]);
        assert_eq!(right.told("remote-user").as_deref(), Some("alice"));
        assert_eq!(right.told("x-client-verify").as_deref(), Some("NONE"));
        assert_eq!(right.told("authorization"), None);
        let wrong = demo.curl(protocol, "/", &["--digest", "--user", "alice:wrong-password"]);
        assert_eq!(wrong.status, 401);
    }
}

#[test]
fn everybody_else_is_refused_for_a_reason_of_their_own() {
    let (demo, _parent) = started();
    for protocol in PROTOCOLS {
        for (name, reason) in REFUSED {
            for path in ["/", "/certificate-only"] {
                let answer = demo.curl_as(name, protocol, path, &[]);
                assert_eq!(answer.status, 403, "{name}: {answer:?}");
                assert!(answer.body.contains(reason), "{name}: {answer:?}");
            }
        }
    }
}

#[test]
fn a_certificate_that_is_refused_is_not_rescued_by_the_right_password() {
    let (demo, _parent) = started();
    for protocol in PROTOCOLS {
        for (name, reason) in REFUSED {
            let password = demo.alices_password("/");
            let answer = demo.curl_as(name, protocol, "/", &["--header", &password]);
            assert_eq!(answer.status, 403, "{name}: {answer:?}");
            assert!(answer.body.contains(reason), "{name}: {answer:?}");
            // The password itself was right, and is still unused.
            let answer = demo.curl(protocol, "/", &["--header", &password]);
            assert_eq!(answer.told("remote-user").as_deref(), Some("alice"), "{name}");
        }
    }
}

#[test]
fn where_only_a_certificate_will_do_nothing_else_does() {
    let (demo, _parent) = started();
    for protocol in PROTOCOLS {
        for options in [[].as_slice(), &["--digest", "--user", "alice:alice-password"]] {
            let answer = demo.curl(protocol, "/certificate-only", options);
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(answer.body.contains("certificate_required"), "{answer:?}");
        }
        let answer = demo.curl_as("alice", protocol, "/certificate-only", &[]);
        assert_eq!(answer.told("remote-user").as_deref(), Some("alice"));
    }
}

#[test]
fn where_anybody_may_go_the_application_is_told_who_came_and_how() {
    let (demo, _parent) = started();
    for protocol in PROTOCOLS {
        let nobody = demo.curl(protocol, "/public", &[]);
        assert_eq!(nobody.told("x-client-verify").as_deref(), Some("NONE"));
        assert_eq!(nobody.told("remote-user"), None);
        let alice = demo.curl_as("alice", protocol, "/public", &[]);
        assert_eq!(alice.told("x-client-verify").as_deref(), Some("SUCCESS"));
        assert_eq!(alice.told("remote-user").as_deref(), Some("alice"));
        for (name, reason) in REFUSED {
            let refused = demo.curl_as(name, protocol, "/public", &[]);
            assert_eq!(refused.told("x-client-verify"), Some(format!("FAILED:{reason}")), "{name}");
            assert_eq!(refused.told("remote-user"), None, "{name}");
        }
    }
}

#[test]
fn what_a_client_says_of_itself_never_reaches_the_application() {
    let (demo, _parent) = started();
    for protocol in PROTOCOLS {
        for field in [
            "Remote-User: admin",
            "remote_user: admin",
            "REMOTE-USER: admin",
            "Remote.User: admin",
            "Connection: Remote-User",
            "Client-Cert: :AAAA:",
            "X-Client-Verify: admin",
        ] {
            let nobody = demo.curl(protocol, "/public", &["--header", field]);
            let alice = demo.curl_as("alice", protocol, "/", &["--header", field]);
            for (answer, user) in [(&nobody, None), (&alice, Some("alice"))] {
                let upstream = answer.upstream();
                for (name, value) in upstream["headers"].as_object().unwrap() {
                    let value = value.as_str().unwrap();
                    assert!(!value.contains("admin") && !value.contains("AAAA:"), "{field}: {name}: {value}");
                }
                assert_eq!(answer.told("remote-user").as_deref(), user, "{field}");
                assert_eq!(answer.told("client-cert").is_some(), user.is_some(), "{field}");
            }
        }
    }
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    // A name that a shell takes apart unless it is quoted.
    let parent = tempfile::tempdir().unwrap();
    let demo = Demo::start(&parent.path().join("alice's demo"));
    let guide = demo.process.output();
    let lines: Vec<&str> = guide.lines().map(str::trim).collect();
    let examples: Vec<_> = lines.windows(2).filter_map(|pair| Some((pair[0].strip_prefix("# ")?, pair[1]))).collect();
    assert_eq!(examples.len(), 17, "{guide}");
    for (promise, command) in examples {
        let options = if command.starts_with("curl") { " --silent --write-out '\n%{http_code}'" } else { "" };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{command}{options}")]).env("HOME", parent.path());
        let output = shell.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let Some((_, outcome)) = promise.split_once(": ") else {
            assert!(output.status.code().is_some_and(|code| code < 2), "{promise}\n{command}\n{output:?}");
            continue;
        };
        let status = outcome.split([' ', ',']).next().unwrap();
        assert!(text.ends_with(status), "{promise}\n{command}\n{text}{}", String::from_utf8_lossy(&output.stderr));
        if let Some(reason) = outcome.strip_prefix("403 ") {
            assert!(text.contains(reason), "{promise}\n{command}\n{text}");
        }
    }
}

#[test]
fn a_second_start_keeps_what_is_good_and_mends_what_is_not() {
    let (demo, parent) = started();
    let directory = demo.directory.clone();
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
    let names = ["ca.pem", "server.pem", "alice.pem", "alice.p12", "bob.pem", "carol.pem", "erin.pem", "mallory.p12"];
    let before = names.map(read);
    assert_eq!(demo.interrupt(), Some(0));
    std::fs::write(directory.join("bob.pem"), "damaged").unwrap();
    std::fs::remove_file(directory.join("alice.p12")).unwrap();
    std::fs::remove_file(directory.join("accounts.db")).unwrap();
    let demo = Demo::start(&directory);
    for (name, before) in names.iter().zip(before) {
        assert_eq!(read(name) == before, !["bob.pem", "alice.p12"].contains(name), "{name}");
    }
    let file = format!("{}:wicketgate", demo.file("alice.p12"));
    let alice = demo.curl("--http2", "/", &["--cert-type", "P12", "--cert", &file]);
    assert_eq!(alice.told("remote-user").as_deref(), Some("alice"));
    for (name, reason) in REFUSED {
        let answer = demo.curl_as(name, "--http2", "/", &[]);
        assert!(answer.status == 403 && answer.body.contains(reason), "{name}: {answer:?}");
    }
    drop((demo, parent));
}

#[test]
fn a_lost_authority_is_replaced_with_everything_below_it() {
    let (demo, parent) = started();
    let directory = demo.directory.clone();
    assert_eq!(demo.interrupt(), Some(0));
    std::fs::remove_file(directory.join("authority/private/intermediate-1.key")).unwrap();
    let demo = Demo::start(&directory);
    assert_eq!(demo.curl_as("alice", "--http2", "/", &[]).told("remote-user").as_deref(), Some("alice"));
    for (name, reason) in REFUSED {
        let answer = demo.curl_as(name, "--http2", "/", &[]);
        assert!(answer.status == 403 && answer.body.contains(reason), "{name}: {answer:?}");
    }
    drop((demo, parent));
}

#[test]
fn keys_and_secrets_are_their_owners_alone() {
    let (demo, _parent) = started();
    let mut private = 0;
    for folder in [demo.directory.clone(), demo.directory.join("authority/private")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.ends_with(".new"), "{name} was left behind");
            if [".key", ".p12", ".secret", ".passphrase", ".db"].iter().any(|kind| name.ends_with(kind)) {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{name}");
                private += 1;
            }
        }
    }
    assert_eq!(private, 6 * 2 + 1 + 2 + 2 + 1);
}

#[test]
fn the_configuration_of_the_demo_passes_the_check() {
    let (demo, _parent) = started();
    let output = Command::new(env!("CARGO_BIN_EXE_wicketgate"))
        .args(["check", "-c", &demo.file("wicketgate.yaml")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let theirs = tempfile::tempdir().unwrap();
    std::fs::write(theirs.path().join("thesis.txt"), "irreplaceable").unwrap();
    let output = demo(theirs.path()).args(["--port", &unused_port().to_string()]).output().unwrap();
    let error = failed(&output);
    assert!(error.contains("thesis.txt") && error.contains("--directory"), "{error}");
    assert_eq!(std::fs::read_dir(theirs.path()).unwrap().count(), 1);
}

#[test]
fn a_port_that_is_taken_is_named_with_the_way_out() {
    let parent = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    let free = unused_port().to_string();
    for (port, upstream_port, option) in [(&taken, &free, "--port"), (&free, &taken, "--upstream-port")] {
        let directory = parent.path().join("demo");
        let mut command = demo(&directory);
        let output = command.args(["--port", port, "--upstream-port", upstream_port]).output().unwrap();
        let error = failed(&output);
        assert!(error.contains(&format!("127.0.0.1:{taken}")) && error.contains(option), "{error}");
        assert!(!directory.exists());
    }
}

#[test]
fn two_demos_do_not_share_a_directory_or_a_port() {
    let (first, parent) = started();
    let output = demo(&first.directory).args(["--port", &unused_port().to_string()]).output().unwrap();
    assert!(failed(&output).contains("another demo is running in it"));
    let output = demo(&parent.path().join("other")).args(["--port", &first.port.to_string()]).output().unwrap();
    assert!(failed(&output).contains("--port"));
}
