//! An Active Directory, Samba's, in a network of its own: people's certificates are written into their entries over LDAPS
//! by a user who may do that and nothing else, and taken out again.
#![cfg(test)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

const CONFIGURATION: &str = "\
listeners: [{ name: one, address: '127.0.0.1:9443', client_certificate: off, tls: { certificates: [{ chain: s.pem, key: s.key }] } }]
identity: [{ from: san.email }]
routes: [{ path: /, anonymous: allow, upstream: { respond: { status: 200 } } }]
accounts: { sqlite: { path: wicketgate.db } }
authority:
  directory: authority
  passphrase: { file: passphrase }
  ldap:
    servers: ['ldaps://10.53.57.30']
    ca: dc-ca.pem
    bind_dn: cn=wicketgate,cn=Users,dc=ad,dc=example,dc=org
    password: { file: directory.password }
    base: dc=ad,dc=example,dc=org
    filter: '(&(objectCategory=person)(mail={email}))'
    attributes: [userCertificate]
";

#[test]
fn active_directory_holds_peoples_certificates_and_gives_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("wicketgate.yaml", CONFIGURATION);
    write("passphrase", "correct horse battery");
    write("directory.password", "Of-The-Directory-5");
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new("unshare");
    command.args(if is_root { &["--net"][..] } else { &["--map-root-user", "--net"] });
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/active_directory/domain.sh"));
    let output = command.arg(env!("CARGO_BIN_EXE_wicketgate")).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for step in ["published", "taken back", "and nothing else"] {
        assert!(said.lines().any(|line| line == step), "{step} is missing: {said}");
    }
}
