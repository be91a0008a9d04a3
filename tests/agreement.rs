//! OpenSSL and GnuTLS say of what our authority makes what we say of it: paths with the revocation lists of each
//! authority in them, whole and delta, OCSP answers, and a whole handshake with a certificate on either side, lists, and
//! an OCSP answer that the gate has stapled.
#![cfg(test)]

mod common;

use common::authority::{Authority, shell, shell_output};
use common::eventually;
use common::gate::{Gate, unused_address};
use common::setup::Setup;
use common::upstream::Upstream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CONFIGURATION: &str = "
listeners:
  - { name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, tls: { certificates: [{ chain: s.pem, key: s.key }] } }
trust: { staff: { authorities: [authority/root.pem] } }
identity: [{ from: san.email }]
routes: [{ path: /, upstream: { respond: { status: 200 } } }]
accounts: { sqlite: { path: wicketgate.db } }
authority:
  directory: authority
  passphrase: { file: passphrase }
  publish: { url: 'http://pki.example.org', crl: { delta: true } }
";

/// A folder with an authority, on which commands are run.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(options: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        std::fs::write(bench.path("wicketgate.yaml"), CONFIGURATION).unwrap();
        common::pki::write_private(&bench.path("passphrase"), "correct horse battery");
        bench.ours("db init -c wicketgate.yaml");
        bench.ours(&format!("ca init --name Example {options} -c wicketgate.yaml"));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn does(&self, command: &str) -> String {
        shell(self.0.path(), command)
    }

    #[track_caller]
    fn ours(&self, words: &str) -> String {
        self.does(&format!("{} {words}", env!("CARGO_BIN_EXE_wicketgate")))
    }

    /// Whether a command succeeds, and what it says.
    fn tries(&self, command: &str) -> (bool, String) {
        let output = shell_output(self.0.path(), command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    /// New lists of the root and of the intermediate, alone and all in one.
    fn lists(&self) {
        self.ours("ca crl --root --out root.crl --pem -c wicketgate.yaml");
        self.ours("ca crl --out list.crl --pem -c wicketgate.yaml");
        self.ours("ca crl --delta --out delta.crl --pem -c wicketgate.yaml");
        self.does("cat root.crl list.crl > all.crl");
    }

    /// OpenSSL's and our own verdict on the path of a certificate with every list in it.
    fn verdicts(&self, name: &str) -> [(bool, String); 2] {
        let openssl = format!(
            "openssl verify -x509_strict -crl_check_all -purpose sslclient -CAfile authority/root.pem \
             -untrusted authority/intermediates.pem -CRLfile all.crl {name}.pem"
        );
        let ours = format!(
            "{} verify --trust authority/root.pem --intermediate authority/intermediates.pem --crl all.crl {name}.pem",
            env!("CARGO_BIN_EXE_wicketgate")
        );
        [self.tries(&openssl), self.tries(&ours)]
    }

    #[track_caller]
    fn agree(&self, name: &str, accepted: bool, why: &str) {
        let [openssl, ours] = self.verdicts(name);
        assert_eq!((openssl.0, ours.0), (accepted, accepted), "{name}: {openssl:?}, {ours:?}");
        assert!(openssl.1.contains(why), "{name}: {openssl:?}");
    }
}

#[test]
fn openssl_and_we_say_the_same_of_each_path_with_its_lists() {
    let bench = Bench::new("");
    for name in ["ann", "ben", "carla"] {
        bench.ours(&format!("account add {name} --email {name}@example.org -c wicketgate.yaml"));
        bench.ours(&format!("ca issue {name} --pem --out {name}.pem -c wicketgate.yaml"));
    }
    bench.lists();
    for name in ["ann", "ben", "carla"] {
        bench.agree(name, true, "OK");
    }
    bench.ours("ca revoke --account ben --reason keyCompromise -c wicketgate.yaml");
    bench.ours("ca revoke --account carla --hold -c wicketgate.yaml");
    // The list of before does not have them, the delta list and the next one do.
    bench.agree("ben", true, "OK");
    bench.lists();
    bench.agree("ann", true, "OK");
    bench.agree("ben", false, "certificate revoked");
    bench.agree("carla", false, "certificate revoked");
    bench.ours("ca revoke --account carla --unhold -c wicketgate.yaml");
    bench.lists();
    bench.agree("carla", true, "OK");
    // Without the list of one authority in the path nobody knows.
    bench.does("cp list.crl all.crl");
    bench.agree("ann", false, "unable to get certificate CRL");
    bench.does("cat root.crl list.crl > all.crl");
    for (list, signer) in [("root", "root.pem"), ("list", "intermediates/1.pem"), ("delta", "intermediates/1.pem")] {
        let said = bench.tries(&format!("openssl crl -in {list}.crl -noout -CAfile authority/{signer}"));
        assert!(said.0 && said.1.contains("verify OK"), "{list}: {said:?}");
        let verify = "certtool --verify-crl --load-ca-certificate";
        let said = bench.tries(&format!("{verify} authority/{signer} --infile {list}.crl"));
        assert!(said.0 && said.1.contains("Verified"), "{list}: {said:?}");
        let other = if signer == "root.pem" { "intermediates/1.pem" } else { "root.pem" };
        let said = bench.tries(&format!("{verify} authority/{other} --infile {list}.crl"));
        assert!(said.1.contains("Not verified"), "{list} by another: {said:?}");
    }
    // An intermediate is on record as everybody is, and is revoked by its root's list.
    bench.ours("ca revoke authority/intermediates/1.pem --reason cACompromise -c wicketgate.yaml");
    bench.lists();
    bench.agree("ann", false, "certificate revoked");
    assert!(bench.ours("ca list --profile intermediate -c wicketgate.yaml").contains("revoked"));
}

/// What gnutls-cli says of the gate when it asks for a page with alice's certificate.
fn gnutls(gate: &Gate, options: &str) -> (bool, String) {
    let (host, port) = (gate.address.ip(), gate.address.port());
    let command = format!(
        "(printf 'GET /inbox HTTP/1.1\\r\\nHost: gate.example.org\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) | \
         timeout 20 gnutls-cli --x509cafile authorities.pem --verify-hostname gate.example.org \
         --x509certfile alice.pem --x509keyfile alice.key {options} --port {port} {host}"
    );
    let output = shell_output(gate.folder(), &command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn wicketgate(folder: &Path, words: &str) {
    shell(folder, &format!("{} {words} -c wicketgate.yaml", env!("CARGO_BIN_EXE_wicketgate")));
}

#[test]
fn gnutls_makes_a_handshake_with_our_certificates_lists_and_a_stapled_answer() {
    let upstream = Upstream::start();
    let plain = unused_address();
    let gate = Setup::before(&upstream)
        .with_authority(&format!("users: [root], publish: {{ url: 'http://{plain}' }}"))
        .listener(
            "tls",
            "{ certificates: [{ chain: server.pem, key: server.key }], stapling: { private_addresses: true } }",
        )
        .another_listener(&format!("{{ name: plain, address: \"{plain}\", tls: off }}"))
        .section(
            "routes",
            "[{ path: /, authenticate: [certificate], upstream: app }, \
              { path: /crl, listeners: [plain], anonymous: allow, upstream: { service: crl } }, \
              { path: /ocsp, listeners: [plain], anonymous: allow, upstream: { service: ocsp } }, \
              { path: /certificates, listeners: [plain], anonymous: allow, upstream: { service: certificates } }]",
        )
        .start();
    let folder = gate.folder();
    let authority = Authority::beside(&gate);
    wicketgate(folder, "ca issue alice --pem --out alice.pem");
    wicketgate(folder, "ca issue --profile server --dns gate.example.org --pem --out ours.pem");
    shell(folder, "cp ours.key server.key && cp ours.pem server.pem");
    wicketgate(folder, "ca crl --root --out root.crl --pem");
    wicketgate(folder, "ca crl --out list.crl --pem");
    // GnuTLS takes no list of an authority that it has not been given.
    shell(
        folder,
        "cat list.crl root.crl > all.crl && cat authority/root.pem authority/intermediates.pem > authorities.pem",
    );

    // The gate asks the responder that stands in its certificate, which is its own, and staples what it is told.
    let staple = || {
        gate.reload();
        let (_, said) = gnutls(&gate, "--ocsp --save-ocsp staple.der --x509crlfile all.crl");
        (folder.join("staple.der").metadata().is_ok_and(|file| file.len() > 0)).then_some(said)
    };
    let said = eventually("an answer to be stapled", staple);
    assert!(said.contains("Status: The certificate is trusted."), "{said}");
    assert!(said.contains("HTTP/1.1 200"), "{said}");
    assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"));
    let said = shell(folder, "ocsptool --response-info --load-response staple.der");
    assert!(said.contains("Certificate Status: good"), "{said}");
    shell(folder, "sed -n '/BEGIN/,/END/p' authority/intermediates.pem > issuer.pem");
    let verify = "ocsptool --verify-response --load-response staple.der --load-trust issuer.pem";
    let said = shell(folder, verify);
    assert!(said.contains("Verifying OCSP Response: Success"), "{said}");
    let said = shell(
        folder,
        "openssl ocsp -respin staple.der -issuer issuer.pem -cert ours.pem -CAfile authority/root.pem \
         -verify_other authority/intermediates.pem -no_nonce 2>&1",
    );
    assert!(said.contains("Response verify OK") && said.contains("ours.pem: good"), "{said}");
    // What is in force on the gate: lists, OCSP and authorities' certificates are found where certificates say.
    for extension in ["crlDistributionPoints", "authorityInfoAccess"] {
        let said = shell(folder, &format!("openssl x509 -in alice.pem -noout -ext {extension}"));
        for url in said.split("URI:").skip(1).map(|rest| rest.lines().next().unwrap().trim()) {
            assert!(url.starts_with(&format!("http://{plain}/")), "{url}");
            if !url.ends_with("/ocsp") {
                shell(folder, &format!("curl --silent --show-error --fail --output found {url}"));
            }
        }
    }
    let said = shell(
        folder,
        "openssl verify -crl_check -crl_download -CAfile authority/root.pem -untrusted issuer.pem alice.pem 2>&1",
    );
    assert!(said.contains("alice.pem: OK"), "{said}");

    // Revoked: GnuTLS finds it in the list, and asks the responder, for the gate staples nothing any more.
    wicketgate(folder, "ca revoke ours.pem --reason superseded");
    wicketgate(folder, "ca crl --out list.crl --pem");
    shell(folder, "cat list.crl root.crl > all.crl");
    let (trusted, said) = gnutls(&gate, "--no-ocsp --x509crlfile all.crl");
    assert!(!trusted && said.contains("revoked"), "{said}");
    eventually("the responder to say so", || {
        gate.reload();
        let (trusted, said) = gnutls(&gate, "--ocsp");
        (!trusted && said.to_lowercase().contains("revoked")).then_some(())
    });
    assert_eq!(authority.stop(), Some(0));
}

#[test]
fn our_certificates_serve_gnutls_as_a_server_and_openssl_as_its_client() {
    let bench = Bench::new("");
    bench.ours("account add ann --email ann@example.org -c wicketgate.yaml");
    bench.ours("ca issue --profile server --dns localhost --pem --out server.pem -c wicketgate.yaml");
    bench.ours("ca issue ann --pem --out ann.pem -c wicketgate.yaml");
    bench.ours("account add ben --email ben@example.org -c wicketgate.yaml");
    bench.ours("ca issue ben --pem --out ben.pem -c wicketgate.yaml");
    bench.ours("ca revoke --account ben -c wicketgate.yaml");
    bench.lists();
    // It takes the port on every address, so that the port is one that no address of a test has.
    let port = (10_000 + std::process::id() % 8_000).to_string();
    let mut server = Command::new("gnutls-serv")
        .args(["--echo", "--require-client-cert", "--verify-client-cert", "--x509cafile", "authority/root.pem"])
        .args(["--x509crlfile", "all.crl", "--x509certfile", "server.pem", "--x509keyfile", "server.key"])
        .args(["--port", &port])
        .current_dir(bench.0.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ask = |name: &str| {
        bench.tries(&format!(
            "echo hello | timeout 10 openssl s_client -quiet -verify_return_error -verify_hostname localhost \
             -CAfile authority/root.pem -cert {name}.pem -cert_chain {name}.pem -key {name}.key \
             -connect localhost:{port} 2>&1"
        ))
    };
    let said = eventually("an echo", || Some(ask("ann").1).filter(|said| said.contains("hello")));
    assert!(said.contains("verify return:1"), "{said}");
    let said = ask("ben").1;
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(!said.contains("hello"), "{said}");
}
