//! A configuration in the making, and the accounts that go with it. It starts as the smallest gate that is
//! good for something; a test changes the keys that it is about.

use super::gate::Gate;
use super::pki::{Pki, far, write_private_octets};
use super::upstream::Upstream;
use regex::Regex;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Keys and their values as YAML writes them, in the order in which they were set.
#[derive(Clone, Default)]
struct Keys(Vec<(String, String)>);

impl Keys {
    fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => value.clone_into(known),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }

    fn flow(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("{{ {} }}", pairs.join(", "))
    }
}

/// What a gate is to be.
pub(crate) struct Setup {
    pub(crate) pki: Pki,
    listener: Keys,
    /// Another listener besides, as YAML.
    more_listeners: Vec<String>,
    upstream: Keys,
    others: Keys,
    sections: Keys,
    accounts: Vec<Vec<String>>,
    files: Vec<(String, Vec<u8>)>,
    folders: Vec<String>,
    /// A configuration of other making, in the place of one made of the keys.
    whole: Option<String>,
}

impl Setup {
    /// A listener in `want` mode, one route to the upstream for those with a certificate, and one account:
    /// alice, known by her e-mail address.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        let mut setup = Self {
            pki: Pki::new(),
            listener: Keys::default(),
            more_listeners: Vec::new(),
            upstream: Keys::default(),
            others: Keys::default(),
            sections: Keys::default(),
            accounts: Vec::new(),
            files: Vec::new(),
            folders: Vec::new(),
            whole: None,
        };
        setup.listener.set("name", "guarded");
        setup.listener.set("client_certificate", "want");
        setup.listener.set("trust", "staff");
        setup.listener.set("tls", "{ certificates: [{ chain: server.pem, key: server.key }] }");
        setup.upstream.set("servers", &format!("[\"http://{}\"]", upstream.address()));
        setup.sections.set("trust", "{ staff: { authorities: [ca.pem] } }");
        setup.sections.set("identity", "[{ from: san.email }]");
        setup.sections.set("accounts", "{ sqlite: { path: accounts.db } }");
        setup.sections.set("routes", "[{ path: /, authenticate: [certificate], upstream: app }]");
        setup.account("alice", &["--email", "alice@example.org"])
    }

    /// Sets a key of the listener.
    pub(crate) fn listener(mut self, key: &str, value: &str) -> Self {
        self.listener.set(key, value);
        self
    }

    /// Adds a listener besides the first.
    pub(crate) fn another_listener(mut self, value: &str) -> Self {
        self.more_listeners.push(value.to_owned());
        self
    }

    /// The addresses of the listeners besides the first.
    pub(super) fn more_addresses(&self) -> Vec<SocketAddr> {
        let address = Regex::new(r#"\baddress: "([^"]+)""#).unwrap();
        self.more_listeners.iter().filter_map(|listener| address.captures(listener)?[1].parse().ok()).collect()
    }

    /// Sets a key of the upstream `app`.
    pub(crate) fn upstream(mut self, key: &str, value: &str) -> Self {
        self.upstream.set(key, value);
        self
    }

    /// Adds an upstream besides `app`.
    pub(crate) fn other_upstream(mut self, name: &str, value: &str) -> Self {
        self.others.set(name, value);
        self
    }

    /// Sets a whole section.
    pub(crate) fn section(mut self, key: &str, value: &str) -> Self {
        self.sections.set(key, value);
        self
    }

    /// Reads the empty first list of each authority from `root.crl` and `people.crl`.
    pub(crate) fn with_lists(self) -> Self {
        let (root, people) = (self.pki.root.numbered_list(1, &[], far()), self.pki.people.numbered_list(1, &[], far()));
        let revocation = "{ crl: { files: [root.crl, people.crl] } }";
        self.file("root.crl", &root)
            .file("people.crl", &people)
            .section("trust", &format!("{{ staff: {{ authorities: [ca.pem], revocation: {revocation} }} }}"))
    }

    /// One route for everybody, with or without a certificate.
    pub(crate) fn open_to_all(self) -> Self {
        self.section("routes", "[{ path: /, authenticate: [certificate], anonymous: allow, upstream: app }]")
    }

    /// Takes a configuration from `examples/`, with these words exchanged, in the place of the keys. Its one listener
    /// and its database get the places that the test has for them.
    pub(crate) fn example(mut self, name: &str, exchange: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in exchange {
            assert!(text.contains(from), "{from} does not stand in {}", path.display());
            text = text.replace(from, to);
        }
        self.whole = Some(text);
        self
    }

    /// Adds an account with the options of `wicketgate account add`.
    pub(crate) fn account(mut self, name: &str, options: &[&str]) -> Self {
        let words = [&["account", "add", name], options].concat();
        self.accounts.push(words.into_iter().map(str::to_owned).collect());
        self
    }

    /// Has a subcommand of the product run, after what was asked for before.
    pub(crate) fn command(mut self, words: &[&str]) -> Self {
        self.accounts.push(words.iter().map(|word| (*word).to_owned()).collect());
        self
    }

    /// Adds no accounts: the store has them from somebody else.
    pub(crate) fn without_accounts(mut self) -> Self {
        self.accounts.clear();
        self
    }

    /// Puts a file beside the configuration.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        self.octets(name, text.as_bytes().to_vec())
    }

    /// Puts a file that is no text beside the configuration.
    pub(crate) fn octets(mut self, name: &str, octets: Vec<u8>) -> Self {
        self.files.push((name.to_owned(), octets));
        self
    }

    /// Makes a folder beside the configuration.
    pub(crate) fn folder(mut self, name: &str) -> Self {
        self.folders.push(name.to_owned());
        self
    }

    /// Puts a certificate chain `NAME.pem` and its key `NAME.key` beside the configuration.
    pub(crate) fn credential(self, name: &str, credential: &super::pki::Credential) -> Self {
        self.file(&format!("{name}.pem"), &credential.chain_pem()).file(&format!("{name}.key"), &credential.key_pem)
    }

    /// The text of the configuration for a listener at this address.
    pub(crate) fn text(&self, address: SocketAddr) -> String {
        if let Some(whole) = &self.whole {
            let listener = Regex::new(r"(?m)^    address: .*$").unwrap();
            return listener.replace(whole, format!("    address: \"{address}\"")).into_owned();
        }
        let mut listener = self.listener.clone();
        listener.set("address", &format!("\"{address}\""));
        let mut upstreams = self.others.clone();
        upstreams.set("app", &self.upstream.flow());
        let mut text = format!(
            "listeners: [{}]\nupstreams: {}\n",
            [&[listener.flow()], self.more_listeners.as_slice()].concat().join(", "),
            upstreams.flow()
        );
        for (key, value) in &self.sections.0 {
            text.push_str(&format!("{key}: {value}\n"));
        }
        text
    }

    /// Writes the configuration, the certificates and the accounts into a folder.
    pub(crate) fn write(&self, folder: &Path, address: SocketAddr) {
        std::fs::write(folder.join("wicketgate.yaml"), self.text(address)).unwrap();
        std::fs::write(folder.join("ca.pem"), self.pki.root.pem()).unwrap();
        self.pki.server.write(folder, "server");
        for name in &self.folders {
            std::fs::create_dir(folder.join(name)).unwrap();
        }
        for (name, octets) in &self.files {
            write_private_octets(&folder.join(name), octets);
        }
        wicketgate(folder, &["db", "init"]);
        for words in &self.accounts {
            wicketgate(folder, words);
        }
    }

    /// Starts the gate and waits until it accepts connections.
    pub(crate) fn start(self) -> Gate {
        Gate::start(self, || ())
    }

    /// The same, but something happens between the making of the accounts and the start.
    pub(crate) fn start_after(self, happening: impl FnOnce()) -> Gate {
        Gate::start(self, happening)
    }
}

/// Runs a subcommand of the product on the configuration in a folder; it must succeed.
#[track_caller]
pub(crate) fn wicketgate<S: AsRef<str>>(folder: &Path, words: &[S]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command.args(words.iter().map(AsRef::as_ref)).arg("-c").arg(folder.join("wicketgate.yaml"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
