//! What `wicketgate verify` says of certificates that openssl made, and with which exit code.
#![cfg(test)]

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with a root `root`, an authority `sub` below it, and what tests issue by them.
struct Folder(TempDir);

const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
const CLIENT: &str = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n";

impl Folder {
    /// `constraints` are further extensions of `sub`.
    fn new(constraints: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.path("root.cnf"), format!("[req]\ndistinguished_name=n\n[n]\n[v]\n{AUTHORITY}")).unwrap();
        folder.key("root");
        folder.openssl("req -x509 -new -key root.key -subj /O=Example/CN=Root -days 100 -config root.cnf -extensions v -out root.pem");
        folder.issue("sub", "root", "/O=Example/CN=Sub", &format!("{AUTHORITY}{constraints}"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn key(&self, name: &str) {
        self.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"));
    }

    /// Issues `name.pem`.
    fn issue(&self, name: &str, by: &str, subject: &str, extensions: &str) {
        self.key(name);
        fs::write(self.path(&format!("{name}.ext")), extensions).unwrap();
        self.openssl(&format!("req -new -key {name}.key -subj {subject} -config root.cnf -out {name}.csr"));
        // What stands lower ends earlier.
        let days = if by == "root" { 50 } else { 20 };
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -days {days} -extfile {name}.ext -out {name}.pem"
        ));
    }

    /// Makes the revocation list `name.crl` of an authority, on which these certificates stand.
    fn list(&self, authority: &str, name: &str, revoked: &[&str]) {
        let database = format!("{name}.index");
        fs::write(self.path(&database), "").unwrap();
        fs::write(self.path(&format!("{name}.number")), "07").unwrap();
        fs::write(
            self.path("ca.cnf"),
            format!("[d]\ndatabase={database}\ncrlnumber={name}.number\ndefault_md=sha256\ndefault_crl_days=5\n"),
        )
        .unwrap();
        let ca = format!("ca -config ca.cnf -name d -keyfile {authority}.key -cert {authority}.pem");
        for certificate in revoked {
            self.openssl(&format!("{ca} -revoke {certificate}.pem -crl_reason keyCompromise"));
        }
        self.openssl(&format!("{ca} -gencrl -out {name}.crl"));
    }

    /// Several files one behind the other in a new one.
    fn join(&self, name: &str, parts: &[&str]) {
        let text: String = parts.iter().map(|part| fs::read_to_string(self.path(part)).unwrap()).collect();
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, arguments: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .arg("verify")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// Runs with `--json`; the exit code must be the one that belongs to the verdict.
    #[track_caller]
    fn verdict(&self, arguments: &str) -> Value {
        let output = self.run(&format!("--json {arguments}"));
        let text = String::from_utf8(output.stdout).unwrap();
        let value: Value = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{arguments}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        let code = if value["verdict"] == "accepted" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{arguments}: {value:#}");
        value
    }

    #[track_caller]
    fn accepts(&self, arguments: &str) -> Value {
        let value = self.verdict(arguments);
        assert_eq!(value["verdict"], "accepted", "{arguments}: {value:#}");
        assert_eq!((&value["reason"], &value["failing"]), (&Value::Null, &Value::Null));
        value
    }

    /// The certificate is rejected for this reason, by this section, and this certificate failed.
    #[track_caller]
    fn rejects(&self, arguments: &str, reason: &str, section: &str, failing: Option<&str>) -> Value {
        let value = self.verdict(arguments);
        assert_eq!(value["reason"], reason, "{arguments}: {value:#}");
        assert_eq!(value["section"], section, "{arguments}: {value:#}");
        assert_eq!(value["failing"]["subject"].as_str(), failing, "{arguments}: {value:#}");
        value
    }
}

fn subjects(value: &Value) -> Vec<&str> {
    value["path"].as_array().unwrap().iter().map(|step| step["subject"].as_str().unwrap()).collect()
}

#[test]
fn a_good_certificate_is_accepted_and_its_path_is_shown() {
    let folder = Folder::new("");
    folder.issue("alice", "sub", "/O=Example/CN=Alice", CLIENT);
    let value = folder.accepts("--trust root.pem --intermediate sub.pem alice.pem");
    assert_eq!(subjects(&value), ["CN=Alice,O=Example", "CN=Sub,O=Example", "CN=Root,O=Example"]);
    let step = &value["path"][0];
    assert_eq!((&step["position"], &step["issuer"]), (&Value::from(0), &Value::from("CN=Sub,O=Example")));
    for (option, field) in [("-serial", "serial"), ("-fingerprint -sha256", "sha256")] {
        let output = Command::new("openssl")
            .args(format!("x509 -in alice.pem -noout {option}").split(' '))
            .current_dir(folder.0.path())
            .output()
            .unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap().replace(':', "").to_lowercase();
        assert_eq!(theirs.trim().split('=').next_back(), step[field].as_str(), "{field}");
    }
    assert_eq!(value["valid_until"], step["not_after"], "the certificate ends before its authorities");
    let anchors: Vec<_> = value["path"].as_array().unwrap().iter().map(|step| step["trust_anchor"] == true).collect();
    assert_eq!(anchors, [false, false, true]);
    assert_eq!(value["revocation"]["asked"], false);

    let output = folder.run("--trust root.pem --intermediate sub.pem alice.pem");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expected in [
        "accepted  at ",
        "path  0: CN=Alice,O=Example",
        "2: CN=Root,O=Example",
        "revocation  not looked at: no --crl was given",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn files_may_hold_several_certificates_in_pem_or_der() {
    let folder = Folder::new("");
    folder.issue("alice", "sub", "/O=Example/CN=Alice", CLIENT);
    folder.issue("other", "root", "/O=Example/CN=Other", AUTHORITY);
    folder.join("chain.pem", &["alice.pem", "sub.pem"]);
    folder.join("trusted.pem", &["other.pem", "root.pem"]);
    folder.join("between.pem", &["other.pem", "sub.pem"]);
    for name in ["alice", "sub", "root"] {
        folder.openssl(&format!("x509 -in {name}.pem -outform der -out {name}.der"));
    }
    let both = [fs::read(folder.path("sub.der")).unwrap(), fs::read(folder.path("root.der")).unwrap()].concat();
    fs::write(folder.path("both.der"), both).unwrap();
    for arguments in [
        "--trust trusted.pem chain.pem",
        "--trust other.pem --trust root.pem --intermediate between.pem alice.pem",
        "--trust root.pem --intermediate other.pem --intermediate sub.pem alice.pem",
        "--trust root.der --intermediate sub.der alice.der",
        "--trust both.der alice.der",
        // An intermediate may be an anchor.
        "--trust sub.pem alice.pem",
    ] {
        folder.accepts(arguments);
    }
    let alone = folder.rejects(
        "--trust root.pem alice.pem",
        "certificate_untrusted",
        "RFC 5280, 6.1.3(a)(4)",
        Some("CN=Alice,O=Example"),
    );
    assert!(alone["detail"].as_str().unwrap().contains("CN=Sub,O=Example"), "{alone:#}");
}

#[test]
fn dates_are_judged_by_the_time_that_is_given() {
    let folder = Folder::new("");
    folder.issue("alice", "sub", "/O=Example/CN=Alice", CLIENT);
    let arguments = "--trust root.pem --intermediate sub.pem alice.pem";
    let section = "RFC 5280, 6.1.3(a)(2)";
    let late = folder.rejects(
        &format!("--at 2200-01-01T00:00:00Z {arguments}"),
        "certificate_expired",
        "RFC 5280, 6.2",
        Some("CN=Root,O=Example"),
    );
    assert_eq!(late["at"], "2200-01-01T00:00:00Z");
    let good = folder.accepts(arguments);
    let end = good["valid_until"].as_str().unwrap();
    folder.accepts(&format!("--at {end} {arguments}"));
    // Later than the certificate and earlier than its root.
    let output = Command::new("date").args(["-d", &format!("{end} + 1 second"), "+%s"]).output().unwrap();
    let later = String::from_utf8(output.stdout).unwrap();
    let later = later.trim();
    folder.rejects(&format!("--at {later} {arguments}"), "certificate_expired", section, Some("CN=Alice,O=Example"));
    let early = folder.verdict(&format!("--at 0 {arguments}"));
    assert_eq!((&early["reason"], &early["at"]), (&"certificate_not_yet_valid".into(), &"1970-01-01T00:00:00Z".into()));
}

#[test]
fn name_constraints_hold_for_addresses_in_the_names_and_in_the_subject() {
    let folder = Folder::new("nameConstraints=critical,permitted;email:example.org,excluded;email:root@example.org\n");
    let permitted = "RFC 5280, 6.1.3(b)";
    let excluded = "RFC 5280, 6.1.3(c)";
    let rows = [
        ("a", "/CN=A", "email:alice@example.org", None),
        ("b", "/CN=B", "email:alice@evil.example", Some((permitted, "CN=B"))),
        ("c", "/CN=C", "email:root@example.org", Some((excluded, "CN=C"))),
        ("d", "/CN=D", "email:alice@example.org,email:alice@evil.example", Some((permitted, "CN=D"))),
        ("e", "/emailAddress=alice@evil.example", "", Some((permitted, "emailAddress=alice@evil.example"))),
        ("f", "/emailAddress=alice@example.org", "", None),
        // A constraint of addresses is none of other names.
        ("g", "/CN=G", "DNS:evil.example", None),
    ];
    for (name, subject, names, expected) in rows {
        let names = if names.is_empty() { String::new() } else { format!("subjectAltName={names}\n") };
        folder.issue(name, "sub", subject, &format!("{CLIENT}{names}"));
        let arguments = format!("--trust root.pem --intermediate sub.pem {name}.pem");
        match expected {
            None => _ = folder.accepts(&arguments),
            Some((section, failing)) => {
                folder.rejects(&arguments, "certificate_unsuitable", section, Some(failing));
            }
        }
    }
    // The constraints of an authority that is trusted itself hold as well.
    folder.accepts("--trust sub.pem a.pem");
    folder.rejects("--trust sub.pem b.pem", "certificate_unsuitable", permitted, Some("CN=B"));
}

#[test]
fn critical_policies_are_understood_and_held_against_what_is_asked() {
    let folder = Folder::new("certificatePolicies=critical,1.2.3.1,1.2.3.2\npolicyMappings=1.2.3.2:1.2.3.5\n");
    folder.issue("alice", "sub", "/CN=Alice", &format!("{CLIENT}certificatePolicies=critical,1.2.3.1,1.2.3.5\n"));
    folder.issue("bob", "sub", "/CN=Bob", CLIENT);
    let with = |options: &str, name: &str| format!("{options} --trust root.pem --intermediate sub.pem {name}.pem");
    let policies = |value: &Value| {
        let set = |which: &str| {
            let set = value["policies"][which].as_array().unwrap().iter();
            set.map(|policy| policy.as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        (set("authorities"), set("user"))
    };
    let rows = [
        ("", "alice", Ok(("1.2.3.1 1.2.3.2", "1.2.3.1 1.2.3.2"))),
        ("--policy 1.2.3.2", "alice", Ok(("1.2.3.1 1.2.3.2", "1.2.3.2"))),
        ("--require-policy --policy 1.2.3.2 --policy 1.2.3.9", "alice", Ok(("1.2.3.1 1.2.3.2", "1.2.3.2"))),
        ("--inhibit-mapping", "alice", Ok(("1.2.3.1", "1.2.3.1"))),
        ("--require-policy --policy 1.2.3.2 --inhibit-mapping", "alice", Err("RFC 5280, 6.1.5(g)")),
        ("--require-policy --policy 1.2.3.9", "alice", Err("RFC 5280, 6.1.5(g)")),
        ("", "bob", Ok(("", ""))),
        ("--policy 1.2.3.1", "bob", Ok(("", ""))),
        ("--require-policy", "bob", Err("RFC 5280, 6.1.3(f)")),
    ];
    for (options, name, expected) in rows {
        let arguments = with(options, name);
        match expected {
            Ok((authorities, user)) => {
                let found = policies(&folder.accepts(&arguments));
                assert_eq!((found.0.as_str(), found.1.as_str()), (authorities, user), "{arguments}");
            }
            Err(section) => {
                let failing = if name == "alice" { "CN=Alice" } else { "CN=Bob" };
                folder.rejects(&arguments, "certificate_unsuitable", section, Some(failing));
            }
        }
    }
}

#[test]
fn a_certificate_is_for_what_its_purposes_say() {
    let folder = Folder::new("");
    let plain = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n";
    let rows = [
        ("client", CLIENT.to_owned(), [true, true, true]),
        ("none", plain.to_owned(), [true, true, true]),
        ("server", format!("{plain}extendedKeyUsage=serverAuth\n"), [false, false, true]),
        ("card", format!("{plain}extendedKeyUsage=1.3.6.1.4.1.311.20.2.2\n"), [false, true, true]),
        ("authority", AUTHORITY.to_owned(), [false, false, true]),
    ];
    for (name, extensions, accepted) in rows {
        folder.issue(name, "sub", &format!("/CN={name}"), &extensions);
        for (purpose, accepted) in ["client", "smart-card", "any"].iter().zip(accepted) {
            let value =
                folder.verdict(&format!("--purpose {purpose} --trust root.pem --intermediate sub.pem {name}.pem"));
            assert_eq!(value["verdict"] == "accepted", accepted, "{name} {purpose}: {value:#}");
        }
    }
}

#[test]
fn revocation_lists_must_cover_each_certificate_of_the_path() {
    let folder = Folder::new("");
    folder.issue("alice", "sub", "/CN=Alice", CLIENT);
    folder.issue("bob", "sub", "/CN=Bob", CLIENT);
    folder.list("root", "root", &[]);
    folder.list("sub", "sub", &["bob"]);
    folder.list("root", "revoked-sub", &["sub"]);
    folder.join("both.crl", &["root.crl", "sub.crl"]);
    folder.openssl("crl -in root.crl -outform der -out root.der");
    let with = |lists: &str, name: &str| format!("{lists} --trust root.pem --intermediate sub.pem {name}.pem");
    for lists in ["--crl both.crl", "--crl root.crl --crl sub.crl", "--crl root.der --crl sub.crl"] {
        let value = folder.accepts(&with(lists, "alice"));
        assert_eq!((&value["revocation"]["asked"], &value["revocation"]["answer"]), (&true.into(), &"good".into()));
        let lists = value["revocation"]["lists"].as_array().unwrap();
        let mut told: Vec<_> =
            lists.iter().map(|list| (list["issuer"].as_str().unwrap(), list["entries"].as_u64().unwrap())).collect();
        told.sort_unstable();
        assert_eq!(told, [("CN=Root,O=Example", 0), ("CN=Sub,O=Example", 1)]);
        assert!(lists.iter().all(|list| list["number"].as_str().unwrap().trim_start_matches('0') == "7"), "{value:#}");
    }
    let section = "RFC 5280, 6.3.3";
    let value = folder.rejects(&with("--crl both.crl", "bob"), "certificate_revoked", section, Some("CN=Bob"));
    assert_eq!(value["revocation"]["answer"], "revoked");
    assert_eq!(subjects(&value).len(), 3, "the path holds, and is shown");
    folder.rejects(
        &with("--crl revoked-sub.crl --crl sub.crl", "alice"),
        "certificate_revoked",
        section,
        Some("CN=Sub,O=Example"),
    );
    for lists in ["--crl root.crl", "--crl sub.crl"] {
        let value = folder.rejects(&with(lists, "alice"), "revocation_unknown", section, None);
        assert_eq!(value["revocation"]["answer"], "unknown");
    }
    // A list that has run out says nothing of what it does not list.
    let output = Command::new("date").args(["-d", "+10 days", "+%s"]).output().unwrap();
    let later = format!("--at {} --crl both.crl", String::from_utf8(output.stdout).unwrap().trim());
    folder.rejects(&with(&later, "alice"), "revocation_unknown", section, None);
    folder.rejects(&with(&later, "bob"), "certificate_revoked", section, Some("CN=Bob"));

    let text = String::from_utf8(folder.run(&with("--crl both.crl", "bob")).stdout).unwrap();
    assert!(text.contains("rejected  certificate_revoked") && text.contains("keyCompromise"), "{text}");
}

#[test]
fn what_cannot_be_used_is_named_and_is_no_verdict() {
    let folder = Folder::new("");
    folder.issue("alice", "sub", "/CN=Alice", CLIENT);
    folder.list("root", "root", &[]);
    // A list with the root's name, signed with another key.
    fs::copy(folder.path("root.pem"), folder.path("genuine.pem")).unwrap();
    folder.key("root");
    folder.openssl(
        "req -x509 -new -key root.key -subj /O=Example/CN=Root -days 100 -config root.cnf -extensions v -out root.pem",
    );
    folder.list("root", "forged", &[]);
    fs::copy(folder.path("genuine.pem"), folder.path("root.pem")).unwrap();
    fs::write(folder.path("empty.pem"), "").unwrap();
    fs::write(folder.path("text.pem"), "no certificate").unwrap();
    fs::write(folder.path("cut.pem"), &fs::read_to_string(folder.path("alice.pem")).unwrap()[..200]).unwrap();
    folder.openssl("x509 -in alice.pem -outform der -out alice.der");
    let mut cut = fs::read(folder.path("alice.der")).unwrap();
    cut.truncate(300);
    fs::write(folder.path("cut.der"), cut).unwrap();
    let rows = [
        ("alice.pem", "--trust"),
        ("--trust root.pem", "CERT.pem"),
        ("--trust root.pem none.pem", "reading certificates failed on none.pem"),
        ("--trust none.pem alice.pem", "reading certificates failed on none.pem"),
        ("--trust root.pem --intermediate none.pem alice.pem", "reading certificates failed on none.pem"),
        ("--trust root.pem --crl none.crl alice.pem", "reading revocation lists failed on none.crl"),
        ("--trust empty.pem alice.pem", "empty.pem holds no certificate"),
        ("--trust root.pem text.pem", "text.pem holds no certificate"),
        ("--trust root.pem root.key", "root.key holds no certificate: it holds PRIVATE KEY"),
        ("--trust root.pem cut.pem", "cut.pem is damaged"),
        ("--trust root.pem cut.der", "cut.der is damaged"),
        ("--trust root.pem --trust alice.pem sub.pem", "certificate 2, CN=Alice, cannot be an authority"),
        ("--trust root.pem --crl root.pem alice.pem", "root.pem holds no revocation list"),
        ("--trust root.pem --crl forged.crl alice.pem", "not signed by the authority of this name"),
        ("--trust root.pem --policy 1.2.x alice.pem", "an object identifier is numbers with dots"),
        ("--trust root.pem --at yesterday alice.pem", "--at"),
        ("--trust root.pem --purpose server alice.pem", "--purpose"),
        ("--trust root.pem --max-depth many alice.pem", "--max-depth"),
        ("--trust root.pem . ", "reading certificates failed on ."),
    ];
    for (arguments, expected) in rows {
        for json in ["", "--json "] {
            let output = folder.run(&format!("{json}{arguments}"));
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
            assert!(error.contains(expected), "{arguments}: {error}");
            assert!(output.stdout.is_empty(), "{arguments}");
        }
    }
    // What is no certificate inside its PEM is no certificate of anybody's.
    fs::write(folder.path("junk.pem"), "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").unwrap();
    let value = folder.verdict("--trust root.pem junk.pem");
    assert_eq!(value["reason"], "certificate_untrusted", "{value:#}");
}

#[test]
fn a_path_is_no_longer_than_is_allowed() {
    let folder = Folder::new("");
    folder.issue("alice", "sub", "/CN=Alice", CLIENT);
    folder.accepts("--max-depth 3 --trust root.pem --intermediate sub.pem alice.pem");
    let value = folder.verdict("--max-depth 2 --trust root.pem --intermediate sub.pem alice.pem");
    assert_eq!(value["reason"], "certificate_unsuitable", "{value:#}");
    assert_eq!(value["tried"], serde_json::json!(["CN=Alice", "CN=Sub,O=Example", "CN=Root,O=Example"]));
}
