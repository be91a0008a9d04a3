//! The intermediate's key in a PKCS#11 token: SoftHSM makes it, keeps it and signs with it, and nothing of it lies in
//! the authority's folder. Run by `make pkcs11`, which builds the program with that feature.
#![cfg(all(test, feature = "pkcs11"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use wicketgate::base::clock::Timestamp;
use wicketgate::ca::crl::{self, Edition};
use wicketgate::ca::directory::Directory;
use wicketgate::ca::key::clocked::Clock;
use wicketgate::ca::key::token::Token;
use wicketgate::ca::passphrase::Passphrase;

const PIN: &str = "135790";
/// Where Debian's softhsm2 has its module.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The folder that the test within a process of its own works in.
const FOLDER: &str = "WICKETGATE_TEST_TOKEN";

/// A folder with a token and a configuration that has the authority's key in it.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("tokens")).unwrap();
        let settings = format!("directories.tokendir = {}\nobjectstore.backend = file\n", path("tokens").display());
        std::fs::write(path("softhsm2.conf"), settings).unwrap();
        std::fs::write(path("pin"), PIN).unwrap();
        std::fs::write(path("passphrase"), "correct horse battery").unwrap();
        let text = format!(
            "listeners:\n  - {{ name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
             tls: {{ certificates: [{{ chain: server.pem, key: server.key }}] }} }}\n\
             trust: {{ staff: {{ authorities: [authority/root.pem] }} }}\nroutes: [{{ path: /, upstream: app }}]\n\
             authority:\n  directory: authority\n  passphrase: {{ file: passphrase }}\n  key: {{ pkcs11: {{ \
             module: {MODULE}, token: gate, key: wicketgate, pin: {{ file: pin }} }} }}\n\
             upstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n"
        );
        std::fs::write(path("wicketgate.yaml"), text).unwrap();
        let bench = Self(folder);
        bench.does("softhsm2-util", &format!("--init-token --free --label gate --so-pin {PIN} --pin {PIN}"));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, program: &str, arguments: &str) -> Output {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).env(FOLDER, self.0.path());
        command.output().unwrap_or_else(|error| panic!("{program}, which this test needs, does not run: {error}"))
    }

    /// What a program prints that succeeds.
    #[track_caller]
    fn does(&self, program: &str, arguments: &str) -> String {
        let output = self.run(program, arguments);
        let text = [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream)).concat();
        assert!(output.status.success(), "{program} {arguments}: {text}");
        text
    }

    fn ca(&self, arguments: &str) -> String {
        self.does(env!("CARGO_BIN_EXE_wicketgate"), &format!("ca {arguments} -c wicketgate.yaml"))
    }

    /// What a command prints on standard error that ends with 1.
    fn refused(&self, arguments: &str) -> String {
        let output = self.run(env!("CARGO_BIN_EXE_wicketgate"), &format!("ca {arguments} -c wicketgate.yaml"));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        error
    }

    /// Runs a test of this file that is marked as ignored in a process that finds the token.
    fn within(&self, test: &str) {
        let this = std::env::current_exe().unwrap();
        self.does(this.to_str().unwrap(), &format!("--ignored --exact {test}"));
    }
}

#[test]
fn a_key_in_a_token_signs_and_never_lies_in_the_folder() {
    for kind in ["ecdsa-p256", "ecdsa-p384", "rsa-2048"] {
        let bench = Bench::new();
        bench.ca(&format!("init --name Example --algorithm {kind}"));
        let lies = std::fs::read_to_string(bench.path("authority/private/intermediate-1.key")).unwrap();
        assert_eq!(lies, "pkcs11:object=wicketgate-1\n", "{kind}");
        bench.does("openssl", "verify -x509_strict -CAfile authority/root.pem authority/intermediates/1.pem");
        bench.within("lists_are_signed_by_the_token");
        bench.does("openssl", "crl -inform DER -in list.crl -CAfile authority/intermediates/1.pem -noout");
        bench.ca(&format!("renew-intermediate --algorithm {kind}"));
        let lies = std::fs::read_to_string(bench.path("authority/private/intermediate-2.key")).unwrap();
        assert_eq!(lies, "pkcs11:object=wicketgate-2\n", "{kind}");
        bench.does("openssl", "verify -x509_strict -CAfile authority/root.pem authority/intermediates/2.pem");
    }
}

#[test]
#[ignore = "run by other tests, in a process that finds the token"]
fn lists_are_signed_by_the_token() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let config = wicketgate::config::load(&folder.join("wicketgate.yaml")).unwrap().config.authority.unwrap();
    let opened = |folder: &Path| Directory::open(folder).unwrap().with_token(config.token.clone().map(Token::new));
    let clock: Clock = Arc::new(Timestamp::now);
    // No passphrase is needed for what the token keeps.
    let authority = opened(&config.directory).issuing(&Passphrase::Nowhere, &clock).unwrap();
    let now = Timestamp::now();
    let edition = Edition { number: 1, this_update: now, next_update: now.plus(Duration::from_secs(3600)) };
    for _ in 0..3 {
        std::fs::write(folder.join("list.crl"), crl::make(&authority, edition, &[]).unwrap()).unwrap();
    }
    // Several sessions of one process side by side.
    let again = opened(&config.directory).intermediate(1, &Passphrase::Nowhere, &clock).unwrap();
    crl::make(&again, edition, &[]).unwrap();
    crl::make(&authority, edition, &[]).unwrap();
}

#[test]
fn a_key_that_the_token_has_already_is_taken_if_it_is_of_the_kind() {
    let bench = Bench::new();
    bench.ca("init --name Example --algorithm ecdsa-p384");
    let public = |name: &str| bench.does("openssl", &format!("x509 -in {name}/intermediates/1.pem -noout -pubkey"));
    std::fs::rename(bench.path("authority"), bench.path("before")).unwrap();
    let refused = bench.refused("init --name Example --algorithm ecdsa-p256");
    assert!(refused.contains("that is not of the kind ecdsa-p256"), "{refused}");
    assert!(!bench.path("authority").exists());
    bench.ca("init --name Example --algorithm ecdsa-p384");
    assert_eq!(public("authority"), public("before"));
}

#[test]
fn a_token_that_is_away_and_a_wrong_pin_are_named() {
    let bench = Bench::new();
    bench.ca("init --name Example");
    std::fs::write(bench.path("pin"), "000000").unwrap();
    let refused = bench.refused("renew-intermediate");
    assert!(refused.contains("the PIN is wrong") && !refused.contains("000000"), "{refused}");
    std::fs::write(bench.path("pin"), PIN).unwrap();
    std::fs::rename(bench.path("tokens"), bench.path("away")).unwrap();
    std::fs::create_dir(bench.path("tokens")).unwrap();
    let refused = bench.refused("renew-intermediate");
    assert!(refused.contains("0 tokens named \"gate\""), "{refused}");
    assert_eq!(std::fs::read_dir(bench.path("authority/intermediates")).unwrap().count(), 1);
}
