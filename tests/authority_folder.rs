//! `wicketgate ca init`, `export`, `renew-intermediate` and `import`, as an administrator calls them: what they make is
//! read by OpenSSL, GnuTLS, NSS and Java, what they cannot make whole they do not make, and an authority that `openssl
//! ca` kept is taken over with all that it issued.
#![cfg(test)]

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery";

/// A folder with a configuration that names an authority beside it; nothing listens by it here.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "listeners:\n  - { name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
                    tls: { certificates: [{ chain: server.pem, key: server.key }] } }\n\
                    trust: { staff: { authorities: [authority/root.pem] } }\nidentity: [{ from: san.email }]\n\
                    accounts: { sqlite: { path: accounts.db } }\nroutes: [{ path: /, upstream: app }]\n\
                    authority: { directory: authority, passphrase: { file: passphrase } }\n\
                    upstreams: { app: { servers: ['http://127.0.0.1:8080'] } }\n";
        std::fs::write(folder.path().join("wicketgate.yaml"), text).unwrap();
        std::fs::write(folder.path().join("passphrase"), PASSPHRASE).unwrap();
        Self(folder)
    }

    /// One with an authority, made with these options.
    fn with_authority(options: &str) -> Self {
        let folder = Self::new();
        folder.succeeds(&format!("init --name Example {options}"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ca(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.arg("ca").args(arguments.split_whitespace()).args(["-c", "wicketgate.yaml"]);
        command.current_dir(self.0.path()).output().unwrap()
    }

    /// What a command that succeeds prints, on both streams.
    fn succeeds(&self, arguments: &str) -> String {
        text(&self.ca(arguments))
    }

    fn json(&self, arguments: &str) -> Value {
        let output = self.ca(&format!("{arguments} --json"));
        text(&output);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a command prints on standard error that ends with 1.
    fn fails(&self, arguments: &str) -> String {
        let output = self.ca(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{arguments}: {error}");
        error
    }

    fn run(&self, line: &str) -> Output {
        run(self.0.path(), line)
    }

    /// What a program prints that succeeds.
    fn does(&self, line: &str) -> String {
        text(&self.run(line))
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    /// The names of what is in a folder.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The names of the keys that there are.
    fn keys(&self) -> Vec<String> {
        let private = self.names("authority/private").into_iter();
        private.filter(|name| name.ends_with(".key")).collect()
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path("accounts.db")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn run(folder: &Path, line: &str) -> Output {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap();
    let output = Command::new(program).args(words).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program}, which this test needs, does not run: {error}"))
}

#[track_caller]
fn text(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream)).concat();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn openssl_gnutls_nss_and_java_read_an_authority_of_each_kind() {
    for kind in ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"] {
        let folder = Folder::with_authority(&format!("--organization Example --algorithm {kind}"));
        let (root, intermediate) = ("authority/root.pem", "authority/intermediates/1.pem");
        let verified = folder.does(&format!("openssl verify -x509_strict -check_ss_sig -CAfile {root} {intermediate}"));
        assert!(verified.contains("OK"), "{kind}: {verified}");
        // OpenSSL reads the key too, and knows that it is the certificate's.
        let public = |from: &str| folder.does(&format!("openssl {from}"));
        assert_eq!(
            public("pkey -in authority/private/intermediate-1.key -passin file:passphrase -pubout"),
            public(&format!("x509 -in {intermediate} -noout -pubkey")),
            "{kind}"
        );
        let verified = folder.does(&format!("certtool --verify --load-ca-certificate {root} --infile {intermediate}"));
        assert!(verified.contains("Verified. The certificate is trusted."), "{kind}: {verified}");
        let keystore = "-keystore trust.p12 -storetype PKCS12 -storepass changeit";
        folder.does(&format!("keytool -importcert -noprompt -alias root -file {root} {keystore}"));
        folder.does(&format!("keytool -importcert -noprompt -alias below -file {intermediate} {keystore}"));
        let listed = folder.does(&format!("keytool -list {keystore}"));
        assert!(listed.contains("contains 2 entries"), "{kind}: {listed}");
        // NSS signs and verifies with Ed25519 only from 3.99 on.
        if kind != "ed25519" {
            std::fs::create_dir(folder.path("nss")).unwrap();
            folder.does("certutil -N --empty-password -d sql:nss");
            folder.does(&format!("certutil -A -n root -t CT,, -i {root} -d sql:nss"));
            folder.does(&format!("certutil -A -n below -t ,, -i {intermediate} -d sql:nss"));
            let verified = folder.does("certutil -V -u L -n below -d sql:nss");
            assert!(verified.contains("certificate is valid"), "{kind}: {verified}");
        }
    }
}

#[test]
fn certificates_are_exported_in_the_forms_that_others_read() {
    let folder = Folder::with_authority("");
    folder.succeeds("renew-intermediate");
    folder.succeeds("export -o all.pem");
    assert_eq!(std::fs::read_to_string(folder.path("all.pem")).unwrap().matches("BEGIN CERTIFICATE").count(), 3);
    folder.succeeds("export root --form der -o root.der");
    let shown = folder.does("openssl x509 -inform DER -in root.der -noout -subject");
    assert!(shown.contains("CN = Example Root"), "{shown}");
    folder.succeeds("export --form pkcs7 -o all.p7c");
    let shown = folder.does("openssl pkcs7 -inform DER -in all.p7c -print_certs");
    for name in ["Example Root", "Example Authority 1", "Example Authority 2"] {
        assert!(shown.contains(&format!("subject=CN = {name}\n")), "{shown}");
    }
    assert!(folder.succeeds("export intermediate").starts_with("-----BEGIN CERTIFICATE-----"));
    let refused = folder.ca("export --form der");
    assert_eq!(refused.status.code(), Some(2));
}

/// A certificate that the intermediate signs by OpenSSL's hand, which asks nothing about names.
fn signed(folder: &Folder, name: &str, alternative: &str) {
    folder.does(&format!(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
    ));
    let extensions = format!(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n\
         authorityKeyIdentifier=keyid\nsubjectAltName={alternative}\n"
    );
    std::fs::write(folder.path("extensions"), extensions).unwrap();
    folder.does(&format!(
        "openssl x509 -req -in {name}.csr -CA authority/intermediates/1.pem -CAkey authority/private/intermediate-1.key \
         -passin file:passphrase -CAcreateserial -days 30 -extfile extensions -out {name}.pem"
    ));
}

#[test]
fn what_an_authority_may_not_certify_is_believed_by_nobody() {
    let folder = Folder::with_authority("--permit-email example.org --permit-dns hosts.example.org");
    let shown = folder.does("openssl x509 -in authority/intermediates/1.pem -noout -text");
    assert!(shown.contains("X509v3 Name Constraints: critical"), "{shown}");
    for (name, alternative, permitted) in [
        ("alice", "email:alice@example.org", true),
        ("bob", "email:bob@example.net", false),
        ("carol", "email:carol@mail.example.org", false),
        ("www", "DNS:www.hosts.example.org", true),
        ("bank", "DNS:bank.example", false),
        ("address", "IP:127.0.0.1", false),
        ("both", "email:alice@example.org,DNS:bank.example", false),
    ] {
        signed(&folder, name, alternative);
        let verify = "openssl verify -CAfile authority/root.pem -untrusted authority/intermediates.pem";
        assert_eq!(folder.run(&format!("{verify} {name}.pem")).status.success(), permitted, "OpenSSL: {alternative}");
        let ours = format!(
            "{} verify --trust authority/root.pem --intermediate authority/intermediates.pem {name}.pem",
            env!("CARGO_BIN_EXE_wicketgate")
        );
        let ours = folder.run(&ours);
        assert_eq!(ours.status.success(), permitted, "{alternative}: {}", String::from_utf8_lossy(&ours.stdout));
    }
}

#[test]
fn a_former_intermediate_is_trusted_beside_the_new_one() {
    let folder = Folder::with_authority("--permit-email example.org");
    signed(&folder, "alice", "email:alice@example.org");
    let made = folder.json("renew-intermediate --algorithm ecdsa-p384");
    let numbers: Vec<_> = made["intermediates"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(folder.keys(), ["intermediate-1.key", "intermediate-2.key", "root.key"]);
    let verify = "openssl verify -CAfile authority/root.pem -untrusted authority/intermediates.pem";
    assert!(folder.does(&format!("{verify} alice.pem authority/intermediates/2.pem")).contains("alice.pem: OK"));
    let shown = folder.does("openssl x509 -in authority/intermediates/2.pem -noout -text");
    assert!(shown.contains("email:example.org") && shown.contains("CN = Example Authority 2"), "{shown}");
    let same = folder.fails("renew-intermediate --same-key --validity 1d");
    assert!(same.contains("a renewal must last longer"), "{same}");
    folder.succeeds("renew-intermediate --same-key --validity 2000d");
    let both = std::fs::read_to_string(folder.path("authority/intermediates/2.pem")).unwrap();
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn the_root_key_is_taken_away_and_fetched_for_a_new_intermediate() {
    let folder = Folder::with_authority("");
    // Where it is only printed, it stays.
    assert!(folder.succeeds("export --root-key").contains("BEGIN ENCRYPTED PRIVATE KEY"));
    assert_eq!(folder.mode("authority/private/root.key"), 0o600);
    folder.succeeds("export --root-key -o medium.key");
    assert_eq!(folder.mode("medium.key"), 0o600);
    assert_eq!(folder.keys(), ["intermediate-1.key"]);
    let gone = folder.fails("renew-intermediate");
    assert!(gone.contains("the root's key has been taken away") && gone.contains("--root-key"), "{gone}");
    assert!(folder.fails("export --root-key -o other.key").contains("taken away already"));
    let made = folder.json("renew-intermediate --root-key medium.key");
    assert_eq!(made["root_key"], false);
    assert_eq!(made["intermediates"].as_array().map(Vec::len), Some(2));
    // Another authority's key is not the root's, though the passphrase opens it.
    let refused = folder.fails("renew-intermediate --root-key authority/private/intermediate-1.key");
    assert!(refused.contains("the key is not the certificate's"), "{refused}");
}

#[test]
fn a_wrong_passphrase_is_refused_and_makes_the_next_attempt_wait() {
    let folder = Folder::with_authority("");
    std::fs::write(folder.path("passphrase"), "correct horse batterie").unwrap();
    let refused = folder.fails("renew-intermediate");
    assert!(refused.contains("the passphrase is wrong, or the key is damaged"), "{refused}");
    assert!(!refused.contains("batterie"), "{refused}");
    std::fs::write(folder.path("passphrase"), PASSPHRASE).unwrap();
    std::fs::write(folder.path("authority/private/failures"), "3 9999999999\n").unwrap();
    // A time that is yet to come, as a clock leaves it that has been set right, makes nobody wait for ever.
    let waited = folder.succeeds("renew-intermediate");
    assert_eq!(waited.matches("waiting 4 s").count(), 1, "{waited}");
    assert!(!folder.succeeds("renew-intermediate").contains("waiting"));
    let short = Folder::new();
    std::fs::write(short.path("passphrase"), "short").unwrap();
    assert!(short.fails("init --name Example").contains("fewer than 12 characters"));
    assert_eq!(short.names("."), ["passphrase", "wicketgate.yaml"]);
}

#[test]
fn a_check_of_the_configuration_looks_at_the_authority() {
    let folder = Folder::new();
    let check = || folder.run(&format!("{} check -c wicketgate.yaml", env!("CARGO_BIN_EXE_wicketgate")));
    let findings = || {
        let output = check();
        [output.stdout, output.stderr].map(|stream| String::from_utf8_lossy(&stream).into_owned()).concat()
    };
    assert!(findings().contains("there is no authority yet"), "{}", findings());
    folder.succeeds("init --name Example --validity 20d --root-validity 20d");
    let found = findings();
    assert!(found.contains("the intermediate that issues expires soon"), "{found}");
    assert!(!found.contains("not its owner's alone"), "{found}");
    let key = folder.path("authority/private/root.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(findings().contains("the authority's keys are not its owner's alone"), "{}", findings());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_exists_is_never_touched() {
    let folder = Folder::with_authority("");
    let before = std::fs::read(folder.path("authority/root.pem")).unwrap();
    assert!(folder.fails("init --name Other").contains("exists already"));
    assert_eq!(std::fs::read(folder.path("authority/root.pem")).unwrap(), before);
}

#[test]
fn a_disk_that_is_full_leaves_nothing_half_made() {
    // A file may have 512 octets; the signal that would end the process is ignored, as on a disk that is full.
    let limited = |folder: &Folder, arguments: &str| {
        let program = env!("CARGO_BIN_EXE_wicketgate");
        let script = format!("trap '' XFSZ; ulimit -f 1; exec {program} ca {arguments} -c wicketgate.yaml");
        let output = Command::new("dash").args(["-c", &script]).current_dir(folder.0.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        // The database, which keeps the head of the history, is the first to meet it where there is one.
        assert!(error.contains("cannot write") || error.contains("disk I/O error"), "{error}");
    };
    // The key of RSA does not fit; of ECDSA the keys do, and the certificates do not.
    for kind in ["rsa-2048", "ecdsa-p256"] {
        let folder = Folder::new();
        limited(&folder, &format!("init --name Example --algorithm {kind}"));
        assert_eq!(folder.names("."), ["passphrase", "wicketgate.yaml"], "{kind}");
    }
    let folder = Folder::with_authority("");
    let before = (folder.keys(), folder.names("authority/intermediates"), folder.names("authority"));
    for kind in ["rsa-2048", "ecdsa-p256"] {
        limited(&folder, &format!("renew-intermediate --algorithm {kind}"));
        assert_eq!(
            (folder.keys(), folder.names("authority/intermediates"), folder.names("authority")),
            before,
            "{kind}"
        );
    }
    folder.succeeds("renew-intermediate");
}

#[test]
fn nothing_is_signed_by_a_clock_that_went_back() {
    let folder = Folder::with_authority("");
    std::fs::write(folder.path("authority/private/clock"), "2099-01-01T00:00:00Z\n").unwrap();
    let refused = folder.fails("renew-intermediate");
    assert!(refused.contains("the clock has gone back") && refused.contains("2099-01-01T00:00:00Z"), "{refused}");
    assert_eq!(folder.names("authority/intermediates"), ["1.pem"]);
    assert_eq!(folder.keys(), ["intermediate-1.key", "root.key"]);
}

/// An authority as `openssl ca` keeps it, which has issued three certificates and revoked two.
fn old_authority(folder: &Folder, key: &str) {
    let configuration = "[ca]\ndefault_ca = old\n[old]\ndatabase = index.txt\nnew_certs_dir = newcerts\n\
        serial = serial\ncrlnumber = crlnumber\ncertificate = old.pem\nprivate_key = old.key\ndefault_md = sha256\n\
        default_days = 100\ndefault_crl_days = 10\npolicy = any\nunique_subject = no\nx509_extensions = person\n\
        copy_extensions = copy\n[any]\ncommonName = supplied\n[person]\nbasicConstraints = critical, CA:FALSE\n";
    std::fs::write(folder.path("ca.cnf"), configuration).unwrap();
    std::fs::write(folder.path("old.passphrase"), "another passphrase").unwrap();
    std::fs::write(folder.path("index.txt"), "").unwrap();
    std::fs::write(folder.path("serial"), "1000\n").unwrap();
    std::fs::write(folder.path("crlnumber"), "0A\n").unwrap();
    std::fs::create_dir(folder.path("newcerts")).unwrap();
    folder.does(&format!(
        "openssl req -x509 -newkey {key} -keyout old.key -passout file:old.passphrase -out old.pem -days 300 \
         -subj /C=NL/O=Example/CN=Old -addext keyUsage=critical,keyCertSign,cRLSign"
    ));
    let ca = "openssl ca -batch -config ca.cnf -passin file:old.passphrase";
    for name in ["alice", "bob", "carol"] {
        folder.does(&format!(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr \
             -subj /CN={name} -addext subjectAltName=email:{name}@example.org"
        ));
        folder.does(&format!("{ca} -in {name}.csr -out {name}.pem -notext"));
    }
    folder.does(&format!("{ca} -revoke bob.pem -crl_reason keyCompromise"));
    folder.does(&format!("{ca} -revoke carol.pem -crl_hold holdInstructionReject"));
    folder.does(&format!("{ca} -gencrl -out old.crl"));
}

const IMPORT: &str = "import --certificate old.pem --key old.key --key-passphrase-file old.passphrase \
                      --index index.txt --certificates newcerts --crl-number crlnumber";

#[test]
fn an_authority_that_openssl_kept_is_taken_over_with_all_that_it_issued() {
    for key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384"] {
        let folder = Folder::new();
        old_authority(&folder, key);
        let add = "account add alice --email alice@example.org -c wicketgate.yaml";
        folder.does(&format!("{} {add}", env!("CARGO_BIN_EXE_wicketgate")));
        let made = folder.json(&format!("{IMPORT} --link-accounts"));
        assert_eq!((&made["recorded"], &made["revoked"], &made["missing"]), (&3.into(), &2.into(), &0.into()));
        assert_eq!(made["root"]["subject"], "CN=Old,O=Example,C=NL");
        let rows =
            folder.sql("SELECT hex(serial) || ' ' || subject || ' ' || profile FROM certificates ORDER BY serial");
        assert_eq!(rows, ["1000 CN=alice imported", "1001 CN=bob imported", "1002 CN=carol imported"]);
        let whose = folder.sql("SELECT subject || ' ' || coalesce(username, '-') FROM certificates ORDER BY serial");
        assert_eq!(whose, ["CN=alice alice", "CN=bob -", "CN=carol -"]);
        let rows = folder.sql("SELECT hex(serial) || ' ' || reason FROM revocations ORDER BY serial");
        assert_eq!(rows, ["1001 keyCompromise", "1002 certificateHold"]);
        // The list that was made last has the number 0A, and the next of `openssl ca` would have had 0B.
        assert_eq!(folder.sql("SELECT CAST(number AS TEXT) FROM crl_numbers"), ["11"]);
        assert_eq!(folder.mode("authority/private/intermediate-1.key"), 0o600);
        assert!(folder.fails(IMPORT).contains("exists already"));
        // The root has issued to people, so that its key stays; an intermediate takes its place.
        assert!(folder.fails("export --root-key -o medium.key").contains("the root itself has issued"));
        let renewed = folder.json("renew-intermediate");
        assert_eq!(renewed["intermediates"][0]["subject"], "CN=Old 2,O=Example,C=NL");
        folder.does("openssl verify -x509_strict -CAfile old.pem authority/intermediates/2.pem");
    }
}

#[test]
fn an_import_that_does_not_add_up_imports_nothing() {
    let folder = Folder::new();
    old_authority(&folder, "ec -pkeyopt ec_paramgen_curve:P-256");
    let nothing = || {
        assert!(!folder.path("authority").exists());
        assert!(!folder.path("accounts.db").exists() || folder.sql("SELECT subject FROM certificates").is_empty());
    };
    let index = std::fs::read_to_string(folder.path("index.txt")).unwrap();
    std::fs::write(folder.path("index.txt"), format!("{index}V\tsoon\t\t1003\tunknown\t/CN=dave\n")).unwrap();
    let refused = folder.fails(IMPORT);
    assert!(refused.contains("line 4: its notAfter is not"), "{refused}");
    nothing();
    std::fs::write(folder.path("index.txt"), &index).unwrap();
    std::fs::copy(folder.path("bob.pem"), folder.path("newcerts/1000.pem")).unwrap();
    let refused = folder.fails(IMPORT);
    assert!(refused.contains("1000 is another: its serial number differs"), "{refused}");
    nothing();
    std::fs::write(folder.path("old.passphrase"), "wrong").unwrap();
    assert!(folder.fails(IMPORT).contains("the passphrase is wrong"));
    std::fs::write(folder.path("old.passphrase"), "another passphrase").unwrap();
    std::fs::remove_file(folder.path("newcerts/1000.pem")).unwrap();
    let refused = folder.fails(IMPORT);
    assert!(refused.contains("of 1 certificates there is no file, such as 1000"), "{refused}");
    nothing();
    let made = folder.json(&format!("{IMPORT} --skip-missing"));
    assert_eq!((&made["recorded"], &made["missing"]), (&2.into(), &1.into()));
}
