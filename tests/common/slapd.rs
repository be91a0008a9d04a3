//! OpenLDAP's slapd of the tests' own, never the machine's: in a temporary folder, on a loopback address, with a few
//! people in it. It holds its database across a stop and a new start.

use super::gate::unused_address;
use super::pki::{Authority, Leaf, write_private};
use super::process::Process;
use super::{PATIENCE, eventually};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// Who may change people's certificates, and the password.
pub(crate) const BIND_DN: &str = "cn=wicketgate,dc=example,dc=org";
pub(crate) const PASSWORD: &str = "of the directory";
/// The entry that people stand below.
pub(crate) const BASE: &str = "ou=people,dc=example,dc=org";

/// A directory. `ann` and `ben` are in it, and `twin` twice.
const PEOPLE: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Example
mail: ann@example.org

dn: uid=ben,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ben
cn: Ben
sn: Example
mail: ben@example.org

dn: uid=twin1,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin1
cn: Twin
sn: Example
mail: twin@example.org

dn: uid=twin2,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin2
cn: Twin
sn: Example
mail: twin@example.org
";

/// A running server, or one that was stopped.
pub(crate) struct Slapd {
    folder: tempfile::TempDir,
    /// For StartTLS, and for TLS from the beginning.
    plain: SocketAddr,
    tls: SocketAddr,
    process: Option<Process>,
}

impl Slapd {
    /// Starts a server whose certificate is from this authority, for its addresses.
    pub(crate) fn start(authority: &Authority) -> Self {
        let (plain, tls) = (unused_address(), unused_address());
        Self::start_as(authority, Leaf::server(&["ldap.example.org"]).address(plain.ip()).address(tls.ip()), plain, tls)
    }

    /// Starts one whose certificate is for another name than it is asked by.
    pub(crate) fn misnamed(authority: &Authority) -> Self {
        Self::start_as(authority, Leaf::server(&["elsewhere.example.org"]), unused_address(), unused_address())
    }

    fn start_as(authority: &Authority, leaf: Leaf, plain: SocketAddr, tls: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let credential = authority.issue(leaf);
        std::fs::write(file("slapd.pem"), credential.chain_pem()).unwrap();
        write_private(Path::new(&file("slapd.key")), &credential.key_pem);
        std::fs::write(file("ca.pem"), authority.pem()).unwrap();
        std::fs::create_dir(file("database")).unwrap();
        let configuration = [
            "include /etc/ldap/schema/core.schema".to_owned(),
            "include /etc/ldap/schema/cosine.schema".to_owned(),
            "include /etc/ldap/schema/inetorgperson.schema".to_owned(),
            "modulepath /usr/lib/ldap".to_owned(),
            "moduleload back_mdb".to_owned(),
            format!("pidfile {}", file("slapd.pid")),
            format!("TLSCACertificateFile {}", file("ca.pem")),
            format!("TLSCertificateFile {}", file("slapd.pem")),
            format!("TLSCertificateKeyFile {}", file("slapd.key")),
            "database mdb".to_owned(),
            "suffix dc=example,dc=org".to_owned(),
            format!("rootdn {BIND_DN}"),
            format!("rootpw \"{PASSWORD}\""),
            format!("directory {}", file("database")),
            "access to * by * read".to_owned(),
        ];
        std::fs::write(file("slapd.conf"), configuration.join("\n") + "\n").unwrap();
        std::fs::write(file("people.ldif"), PEOPLE).unwrap();
        let mut fill = Command::new("slapadd");
        run(fill.env("PATH", path()).args(["-q", "-f", &file("slapd.conf"), "-l", &file("people.ldif")]));
        let mut slapd = Self { folder, plain, tls, process: None };
        slapd.start_again();
        slapd
    }

    /// Starts it again after a stop, at the same addresses.
    pub(crate) fn start_again(&mut self) {
        let urls = format!("ldap://{} ldaps://{}", self.plain, self.tls);
        let mut command = Command::new("slapd");
        command.env("PATH", path()).args(["-d", "0", "-h", &urls, "-f"]).arg(self.folder.path().join("slapd.conf"));
        let mut process = Process::start(&mut command);
        let addresses = [self.plain, self.tls];
        eventually("slapd to listen", || {
            assert!(process.ended().is_none(), "slapd ended: {}", process.output());
            addresses.iter().all(|address| TcpStream::connect(address).is_ok()).then_some(())
        });
        self.process = Some(process);
    }

    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal("TERM");
        assert!(process.wait(PATIENCE).is_some(), "slapd does not end");
    }

    /// Where TLS begins with the connection.
    pub(crate) fn ldaps(&self) -> String {
        format!("ldaps://{}", self.tls)
    }

    /// Where TLS begins by StartTLS.
    pub(crate) fn ldap(&self) -> String {
        format!("ldap://{}", self.plain)
    }

    /// The values of an attribute of the entry with this `uid`, as OpenLDAP's own client reads them over TLS.
    pub(crate) fn values(&self, uid: &str, attribute: &str) -> BTreeSet<Vec<u8>> {
        use base64::Engine;
        let mut search = Command::new("ldapsearch");
        search.env("LDAPTLS_CACERT", self.folder.path().join("ca.pem")).args(["-x", "-LLL", "-o", "ldif-wrap=no"]);
        search.args(["-H", &self.ldaps(), "-b", BASE, &format!("(uid={uid})"), attribute]);
        let prefix = format!("{attribute}:: ");
        let encoded = run(&mut search);
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        encoded.lines().filter_map(|line| line.strip_prefix(&prefix)).map(decode).collect()
    }
}

/// slapd lives in sbin, which is not on everybody's path.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
