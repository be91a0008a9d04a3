//! Enrolment over Secure Transport as machines meet it: strongSwan's `pki` and curl get certificates from the gate, which has
//! them from the authority beside it, log in with them, and renew them. What is refused is refused in words, and an
//! authority that is away keeps nobody out who has a certificate.
#![cfg(test)]

mod common;

use common::authority::{Authority, request, shell, shell_output, take};
use common::curl::Output;
use common::gate::Gate;
use common::pki::write_private;
use common::setup::Setup;
use common::upstream::Upstream;
use std::process::Command;

const EST: &str = "users: [root], est: { labels: { laptops: client-short }, except: [admins], server_keys: true }";
const ALICE: &str = "-subj /CN=alice -addext subjectAltName=email:alice@example.org";

fn setup(upstream: &Upstream, keys: &str) -> Setup {
    Setup::before(upstream)
        .with_authority(keys)
        .account("ben", &["--email", "ben@example.org"])
        .account("root", &["--email", "root@example.org", "--group", "admins"])
}

/// A gate with an authority beside it; everybody's password is `password`, for Basic and Digest.
fn started(upstream: &Upstream, keys: &str) -> (Gate, Authority) {
    let gate = setup(upstream, keys).start();
    for name in ["alice", "ben", "root"] {
        set_password(&gate, name);
    }
    let authority = Authority::beside(&gate);
    (gate, authority)
}

fn set_password(gate: &Gate, name: &str) {
    let file = gate.folder().join("new.password");
    write_private(&file, "password\n");
    gate.wicketgate(&["account", "password", name, "--file", file.to_str().unwrap()]);
}

/// Asks for a certificate by Basic for the request in `NAME.b64`.
fn enrol(gate: &Gate, who: &str, path: &str, name: &str) -> Output {
    let user = format!("{who}:password");
    let body = format!("@{}", gate.folder().join(format!("{name}.b64")).display());
    let media_type = "Content-Type: application/pkcs10";
    gate.curl(&format!("/.well-known/est/{path}"), &["--user", &user, "-H", media_type, "--data-binary", &body])
}

/// The same for a renewal, with somebody's certificate.
fn renew(gate: &Gate, certificate: &str, name: &str) -> Output {
    let file = |name: String| gate.folder().join(name).display().to_string();
    let body = format!("@{}", file(format!("{name}.b64")));
    let (certificate, key) = (file(format!("{certificate}.pem")), file(format!("{certificate}.key")));
    let media_type = "Content-Type: application/pkcs10";
    let options = ["--cert", &certificate, "--key", &key, "-H", media_type, "--data-binary", &body];
    gate.curl("/.well-known/est/simplereenroll", &options)
}

fn log_in(gate: &Gate, certificate: &str) -> Output {
    let file = |ending: &str| gate.folder().join(format!("{certificate}.{ending}")).display().to_string();
    shell(gate.folder(), &format!("cat {certificate}.pem authority/intermediates.pem > {certificate}.chain"));
    gate.curl("/inbox", &["--cert", &file("chain"), "--key", &file("key")])
}

#[test]
fn a_machine_enrols_with_a_password_and_renews_with_its_certificate() {
    let upstream = Upstream::start();
    let (gate, authority) = started(&upstream, EST);
    let folder = gate.folder();
    request(folder, "first", ALICE);
    let media_type = "Content-Type: application/pkcs10";
    let body = format!("@{}", folder.join("first.b64").display());
    let digest = ["--http1.1", "--digest", "--user", "alice:password", "-H", media_type, "--data-binary", &body];
    let enrolled = gate.curl("/.well-known/est/simpleenroll", &digest);
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    take(folder, "first", &enrolled.body);
    let said =
        shell(folder, "openssl verify -CAfile authority/root.pem -untrusted authority/intermediates.pem first.pem");
    assert!(said.contains("first.pem: OK"), "{said}");
    let said = shell(folder, "openssl x509 -in first.pem -noout -subject -issuer -ext subjectAltName");
    for expected in ["subject=CN = alice", "issuer=CN = Wicket Authority 1", "email:alice@example.org"] {
        assert!(said.contains(expected), "{said}");
    }
    let in_it = log_in(&gate, "first");
    assert_eq!((in_it.status, upstream.last().header("remote-user").as_deref()), (200, Some("alice")), "{in_it:?}");

    request(folder, "second", ALICE);
    shell(folder, "cat first.pem authority/intermediates.pem > presented.pem && cp first.key presented.key");
    let renewed = renew(&gate, "presented", "second");
    assert_eq!(renewed.status, 200, "{renewed:?}");
    take(folder, "second", &renewed.body);
    assert_ne!(shell(folder, "cat first.pem"), shell(folder, "cat second.pem"));
    assert_eq!(log_in(&gate, "second").status, 200);

    // Nobody renews into another name, nor with a certificate of somebody else's authority.
    request(folder, "other", "-subj /CN=alice -addext subjectAltName=email:alice@example.org,email:root@example.org");
    for (certificate, name, status, why) in [
        ("presented", "other", 400, "alternative names of the certificate that it renews"),
        ("foreign", "second", 403, "none of this authority's"),
    ] {
        gate.pki.person("alice").write(folder, "foreign");
        let refused = renew(&gate, certificate, name);
        assert_eq!(refused.status, status, "{refused:?}");
        assert!(refused.body.contains(why), "{refused:?}");
    }
    // What a password has opened is no certificate.
    let refused = enrol(&gate, "alice", "simplereenroll", "second");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("whoever presents it"), "{refused:?}");
    assert!(authority.log().contains("enrolled"), "{}", authority.log());
}

#[test]
fn strongswan_enrols_and_renews() {
    let upstream = Upstream::start();
    let (gate, _authority) = started(&upstream, EST);
    let folder = gate.folder();
    // It looks names up by itself, so that it sees a file of hosts of its own.
    std::fs::write(folder.join("hosts"), format!("{} gate.example.org\n", gate.address.ip())).unwrap();
    let pki = |command: &str| {
        let inside = format!("mount --bind hosts /etc/hosts && exec pki {command}");
        let output = Command::new("unshare")
            .args(["--mount", "--map-root-user", "bash", "-c", &inside])
            .current_dir(folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "pki {command}: {said}\n{}", gate.log());
        said
    };
    let url = format!("https://gate.example.org:{}", gate.address.port());
    pki(&format!("--estca --url {url} --cacert ca.pem --caout authorities.pem --outform pem --force"));
    let fetched = shell(folder, "cat authorities*.pem | openssl storeutl -noout -text -certs /dev/stdin");
    for name in ["CN=Wicket Root", "CN=Wicket Authority 1"] {
        assert!(fetched.contains(name), "{fetched}");
    }
    let dn = "--dn CN=alice --san alice@example.org --digest sha256";
    pki("--gen --type ecdsa --size 256 --outform pem > first.key");
    pki(&format!("--req --type ecdsa --in first.key {dn} --outform der > first.p10"));
    let tls = "--cacert ca.pem --cacert authority/root.pem";
    pki(&format!("--est --url {url} {tls} --userpass alice:password --in first.p10 --outform pem > first.pem"));
    assert_eq!(log_in(&gate, "first").status, 200, "{}", gate.log());
    pki("--gen --type ecdsa --size 256 --outform pem > second.key");
    pki(&format!("--req --type ecdsa --in second.key {dn} --outform der > second.p10"));
    let old = "--cert first.pem --key first.key --cacert authority/intermediates.pem";
    pki(&format!("--est --url {url} {tls} {old} --in second.p10 --outform pem > second.pem"));
    assert_eq!(log_in(&gate, "second").status, 200, "{}", gate.log());
}

#[test]
fn certificates_and_attributes_are_told_before_there_is_a_request() {
    let upstream = Upstream::start();
    let (gate, _authority) = started(&upstream, EST);
    let folder = gate.folder();
    for path in ["/.well-known/est/cacerts", "/.well-known/est/laptops/cacerts"] {
        let told = gate.curl(path, &["--user", "ben:password", "-D", folder.join("head").to_str().unwrap()]);
        assert_eq!(told.status, 200, "{told:?}");
        take(folder, "all", &told.body);
        let names = shell(folder, "openssl storeutl -noout -text -certs all.pem | grep Subject:");
        assert!(names.contains("Wicket Root") && names.contains("Wicket Authority 1"), "{names}");
        let head = shell(folder, "cat head").to_ascii_lowercase();
        assert!(head.contains("content-type: application/pkcs7-mime"), "{head}");
    }
    // Nobody in particular may ask for certificates alone.
    assert_eq!(gate.curl("/.well-known/est/cacerts", &[]).status, 200);
    assert_eq!(gate.curl("/.well-known/est/csrattrs", &[]).status, 401);
    let told = gate.curl("/.well-known/est/csrattrs", &["--user", "ben:password"]);
    std::fs::write(folder.join("attributes"), &told.body).unwrap();
    let read = shell(folder, "base64 -d attributes | openssl asn1parse -inform der");
    assert!(read.contains("prime256v1") && read.contains("ecdsa-with-SHA256"), "{read}");
}

#[test]
fn a_key_that_is_made_for_somebody_comes_as_pkcs8_or_as_a_file_to_import() {
    let upstream = Upstream::start();
    let (gate, _authority) = started(&upstream, EST);
    let folder = gate.folder();
    let path = "/.well-known/est/serverkeygen";
    let made = gate.curl(path, &["--user", "alice:password", "-X", "POST"]);
    assert_eq!(made.status, 200, "{made:?}");
    let parts: Vec<&str> = made.body.split("\r\n\r\n").collect();
    let content = |part: &str| part.split("\r\n--").next().unwrap().to_owned();
    std::fs::write(folder.join("made.b64"), content(parts[1])).unwrap();
    shell(folder, "base64 -di made.b64 | openssl pkey -inform der -out made.key");
    take(folder, "made", &content(parts[3]));
    assert_eq!(log_in(&gate, "made").status, 200);

    let (head, file) = (folder.join("head"), folder.join("alice.p12"));
    let saved = ["--user", "alice:password", "-X", "POST", "-H", "Accept: application/x-pkcs12"];
    let to = ["-D", head.to_str().unwrap(), "-o", file.to_str().unwrap()];
    let made = gate.curl(path, &[saved.as_slice(), &to].concat());
    assert_eq!(made.status, 200, "{made:?}");
    let head = shell(folder, "cat head");
    let password =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("pkcs12-password: ").map(|_| line));
    let password = password.unwrap().split_once(": ").unwrap().1.trim().to_owned();
    let opened = format!("openssl pkcs12 -in alice.p12 -passin pass:{password} -nodes -info");
    let opened = shell(folder, &format!("{opened} 2>&1"));
    assert!(opened.contains("CN = alice") && opened.contains("PRIVATE KEY"), "{opened}");
    let with_file = format!("{}:{password}", file.display());
    assert_eq!(gate.curl("/inbox", &["--cert-type", "P12", "--cert", &with_file]).status, 200);
    assert!(!gate.log().contains(&password), "no password is logged");
}

#[test]
fn whatever_is_refused_is_refused_in_words() {
    let upstream = Upstream::start();
    let (gate, authority) = started(&upstream, EST);
    let folder = gate.folder();
    request(folder, "good", ALICE);
    request(folder, "stranger", "-subj /CN=alice -addext subjectAltName=email:ben@example.org");
    request(folder, "named", "-subj /CN=root");
    request(folder, "authority", &format!("{ALICE} -addext basicConstraints=critical,CA:TRUE"));
    request(folder, "signing", &format!("{ALICE} -addext keyUsage=keyCertSign"));
    shell(folder, "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key");
    request(folder, "weak", ALICE);
    shell(folder, "base64 -d good.b64 | head -c -1 > cut; printf x >> cut; base64 cut > forged.b64");
    shell(
        folder,
        "base64 -d good.b64 | openssl req -inform der > pem.b64; printf '\\0\\1' > binary.b64; : > empty.b64",
    );
    shell(folder, "head -c 60000 /dev/zero | tr '\\0' A > large.b64");
    for (who, path, name, status, why) in [
        ("alice", "simpleenroll", "stranger", 400, "ben@example.org"),
        ("alice", "simpleenroll", "named", 400, "root"),
        ("alice", "simpleenroll", "authority", 400, "an authority"),
        ("alice", "simpleenroll", "signing", 400, "sign certificates"),
        ("alice", "simpleenroll", "weak", 400, "1024"),
        ("alice", "simpleenroll", "forged", 400, "the request"),
        ("alice", "simpleenroll", "pem", 400, "is PEM"),
        ("alice", "simpleenroll", "binary", 400, "not base64"),
        ("alice", "simpleenroll", "empty", 400, "is empty"),
        ("alice", "none/simpleenroll", "good", 404, "no label \"none\""),
        ("alice", "fullcmc", "good", 404, "no such operation"),
        ("root", "simpleenroll", "named", 403, "not enrolled in this way"),
        ("alice", "simpleenroll", "good", 200, ""),
        // Whose key it is, is not said.
        ("ben", "simpleenroll", "good", 400, ""),
    ] {
        let refused = enrol(&gate, who, path, name);
        assert_eq!(refused.status, status, "{who} {name}: {refused:?}");
        assert!(refused.body.contains(why), "{who} {name}: {refused:?}");
    }
    assert_eq!(enrol(&gate, "alice", "simpleenroll", "large").status, 413);
    let body = format!("@{}", folder.join("good.b64").display());
    let form = gate.curl("/.well-known/est/simpleenroll", &["--user", "alice:password", "--data-binary", &body]);
    assert_eq!((form.status, form.body.as_str()), (415, "the media type is not application/pkcs10\n"));
    assert_eq!(gate.curl("/.well-known/est/simpleenroll", &["--user", "alice:password"]).status, 405);
    assert_eq!(gate.curl("/.well-known/est/simpleenroll", &["-X", "POST"]).status, 401);
    // A lock counts at once, whatever the gate remembers.
    gate.wicketgate(&["account", "lock", "alice"]);
    let locked = enrol(&gate, "alice", "simpleenroll", "good");
    assert!([401, 403].contains(&locked.status), "{locked:?}");
    // One certificate was issued, and it is the only one on record.
    let log = authority.log();
    let issued = log.lines().filter(|line| line.contains("\"message\":\"enrolled\""));
    assert_eq!(issued.count(), 1, "{log}");
}

#[test]
fn too_many_in_an_hour_are_told_when_to_come_again() {
    let upstream = Upstream::start();
    let (gate, _authority) = started(&upstream, "est: { hourly: 3, hourly_by_account: 2 }");
    let folder = gate.folder();
    for (who, name) in [("alice", "a"), ("ben", "b")] {
        request(folder, name, &format!("-subj /CN={who}"));
    }
    let head = folder.join("head");
    for (who, name, status) in
        [("alice", "a", 200), ("alice", "a", 200), ("alice", "a", 429), ("ben", "b", 200), ("ben", "b", 429)]
    {
        assert_eq!(enrol(&gate, who, "simpleenroll", name).status, status, "{who}");
    }
    let body = format!("@{}", folder.join("a.b64").display());
    let options = ["--user", "alice:password", "-H", "Content-Type: application/pkcs10", "--data-binary", &body];
    gate.curl("/.well-known/est/simpleenroll", &[options.as_slice(), &["-D", head.to_str().unwrap()]].concat());
    let head = shell(folder, "cat head").to_ascii_lowercase();
    let after = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap_or_else(|| panic!("{head}"));
    assert!((1..=3600).contains(&after.trim().parse::<u32>().unwrap()), "{head}");
}

#[test]
fn an_authority_that_is_away_keeps_nobody_out_who_has_a_certificate() {
    let upstream = Upstream::start();
    let (gate, authority) = started(&upstream, EST);
    let folder = gate.folder();
    request(folder, "a", ALICE);
    let enrolled = enrol(&gate, "alice", "simpleenroll", "a");
    take(folder, "a", &enrolled.body);
    assert_eq!(gate.curl("/.well-known/est/cacerts", &[]).status, 200);
    authority.kill();
    let head = folder.join("head");
    let body = format!("@{}", folder.join("a.b64").display());
    let options = ["--user", "alice:password", "-H", "Content-Type: application/pkcs10", "--data-binary", &body];
    let options = [options.as_slice(), &["-D", head.to_str().unwrap()]].concat();
    let refused = gate.curl("/.well-known/est/simpleenroll", &options);
    assert_eq!((refused.status, refused.body.as_str()), (503, "no certificates are issued at the moment\n"));
    assert!(shell(folder, "cat head").to_ascii_lowercase().contains("retry-after: 30"));
    assert_eq!(log_in(&gate, "a").status, 200);
    assert_eq!(gate.curl("/.well-known/est/cacerts", &[]).status, 200, "what is known goes on being told");
    // It left its socket behind, which is in nobody's way.
    let again = Authority::beside(&gate);
    assert_eq!(enrol(&gate, "alice", "simpleenroll", "a").status, 200);
    let other =
        shell_output(folder, &format!("{} authority serve -c wicketgate.yaml", env!("CARGO_BIN_EXE_wicketgate")));
    assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("another process is listening"));
    assert_eq!(again.stop(), Some(0));
    assert!(!folder.join("authority.sock").exists());
}
