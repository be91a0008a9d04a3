//! Fronts that nobody here wrote ask the gate about each request, set up as their files in `examples/authorizer` say: nginx,
//! HAProxy, Caddy, Traefik and Envoy. What must be true of all of them stands in `checks.rs`. Where Debian does not have
//! them, or has a version of years ago, `tests/fetch.sh` gets them.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

mod checks;

use checks::{Front, lets_in_whom_the_gate_lets_in};
use common::front::{SECRET, example, setup};
use common::gate::{Gate, unused_address};
use common::haproxy::HaProxy;
use common::nginx::Nginx;
use common::packages::packages;
use common::pki::{Authority, Leaf, write_private};
use common::process::Process;
use common::upstream::Upstream;
use common::{digest, eventually};
use std::any::Any;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The gate of `examples/authorizer`, behind the front that a test starts.
struct Scene {
    upstream: Upstream,
    gate: Gate,
    /// Where the front is to be.
    front: SocketAddr,
    /// Where it asks.
    asked: SocketAddr,
}

/// The addresses in `wicketgate.yaml` that nginx, HAProxy, Caddy, Traefik and Envoy ask at, in the order of its listeners.
const ASKED: [&str; 5] = ["127.0.0.1:9441", "127.0.0.1:9442", "127.0.0.1:9443", "127.0.0.1:9444", "127.0.0.1:9445"];
/// Where the application is in all files.
const APPLICATION: &str = "127.0.0.1:8080";

impl Scene {
    /// For the front that asks at this address of the example.
    fn of(asked: &str) -> Self {
        let (upstream, front) = (Upstream::start(), unused_address());
        // The setup chooses the address of the first listener.
        let others = ASKED[1..].iter().map(|address| (*address, unused_address()));
        let others: Vec<(&str, SocketAddr)> = others.collect();
        let words: Vec<(&str, String)> = others.iter().map(|(from, to)| (*from, to.to_string())).collect();
        let words: Vec<(&str, &str)> = words.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let fronts = Authority::root("Fronts");
        let setup = setup(&upstream).account("bob", &["--email", "bob@example.org", "--group", "staff"]);
        // Envoy knows the gate by its name, Traefik by its address.
        let own = Leaf::server(&["gate.internal.example"]).address(front.ip());
        let own = setup.pki.root.issue(own);
        let proof = fronts.issue(Leaf::client("front").dns("front.internal.example"));
        let both = format!("{}{}", setup.pki.server.chain_pem(), setup.pki.server.key_pem);
        let root = setup.pki.root.pem();
        let setup = setup
            .credential("gate", &own)
            .credential("front", &proof)
            .file("fronts.pem", &fronts.pem())
            .file("gate-ca.pem", &root)
            .file("client-ca.pem", &root)
            .file("app.pem", &both)
            .example("authorizer/wicketgate.yaml", &words);
        let gate = setup.start();
        digest::set_password(&gate, &[]);
        let asked = others.iter().find(|(from, _)| *from == asked).map_or(gate.address, |(_, to)| *to);
        Self { upstream, gate, front, asked }
    }

    /// Writes a file of the examples beside those of the gate, where its own files are in the place of this folder, and with
    /// these words exchanged besides.
    fn example(&self, name: &str, folder: &str, words: &[(&str, String)]) {
        self.write(name, &self.text(name, folder, words));
    }

    /// The text of such a file.
    fn text(&self, name: &str, folder: &str, words: &[(&str, String)]) -> String {
        let here = self.gate.folder().display().to_string();
        let words = words.iter().map(|(from, to)| (*from, to.as_str()));
        example(name, &std::iter::once((folder, here.as_str())).chain(words).collect::<Vec<_>>())
    }

    /// Writes a file beside those of the gate.
    fn write(&self, name: &str, text: &str) {
        write_private(&self.gate.folder().join(name), text);
    }

    /// Starts a program that stands at [`Self::front`], and waits until it does.
    fn run(&self, program: &Path, words: &[&str], environment: &[(&str, &str)]) -> Process {
        let folder = self.gate.folder();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(words).current_dir(folder);
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        let mut process = Process::start(command.envs(environment.iter().copied()));
        eventually("the front to accept connections", || {
            assert!(process.ended().is_none(), "{} ended:\n{}", program.display(), process.output());
            TcpStream::connect_timeout(&self.front, Duration::from_millis(200)).ok()
        });
        process
    }

    /// That the front lets in whom the gate lets in. It is stopped afterwards.
    async fn holds(self, front: Front, running: Box<dyn Any>) {
        lets_in_whom_the_gate_lets_in(&front, self.gate, &self.upstream).await;
        drop(running);
    }
}

#[tokio::test]
async fn nginx_lets_in_whom_the_gate_lets_in() {
    let scene = Scene::of(ASKED[0]);
    scene.write("wicketgate-front.conf", &format!("proxy_set_header X-Wicketgate-Front \"{SECRET}\";\n"));
    let words = [
        (ASKED[0], scene.asked.to_string()),
        (APPLICATION, scene.upstream.address().to_string()),
        ("listen 443", format!("listen {}", scene.front)),
    ];
    let nginx = Nginx::start(&scene.text("nginx.conf", "/etc/nginx", &words), scene.front);
    let front = Front { http2: false, websockets: false, ..Front::at(scene.front) };
    scene.holds(front, Box::new(nginx)).await;
}

#[tokio::test]
async fn haproxy_lets_in_whom_the_gate_lets_in() {
    let (scene, haproxy) = haproxy();
    // Trailers are not kept back, as docs/authorizer.md says.
    let front = Front { http2: false, drops_trailers: false, ..Front::at(scene.front) };
    scene.holds(front, Box::new(haproxy)).await;
}

fn haproxy() -> (Scene, HaProxy) {
    let scene = Scene::of(ASKED[1]);
    scene.write("wicketgate.lua", &example("wicketgate.lua", &[]));
    let words = [
        (ASKED[1], scene.asked.to_string()),
        (APPLICATION, scene.upstream.address().to_string()),
        ("bind :443", format!("bind {}", scene.front)),
    ];
    let haproxy = HaProxy::with(&scene.text("haproxy.cfg", "/etc/haproxy", &words), &[scene.front]);
    (scene, haproxy)
}

#[tokio::test]
async fn haproxy_turns_away_what_does_not_fit_into_its_question() {
    let (Scene { gate, upstream, front, .. }, haproxy) = haproxy();
    // HAProxy cannot ask what is larger than its buffer, and how large a question is, is for its client to say. The
    // certificate is in it twice, and the script breaks off where it would be sent.
    let large = (0..60).fold(Leaf::client("stranger"), |leaf, index| {
        leaf.dns(&format!("{index}.{}.example", "a-name-that-takes-room".repeat(2)))
    });
    let large = Authority::root("Stranger").issue(large);
    let cookie = format!("a={}", "b".repeat(12 * 1024));
    for credential in [large, gate.pki.person("alice")] {
        let client = gate.client().at(front).named(checks::HOST).with(&credential);
        let request = http::Request::get("/secret").header("cookie", &cookie).body(common::client::empty()).unwrap();
        let answer = client.http1().await.unwrap().send(request).await;
        let fits = credential.chain[0].len() < 2048;
        assert_eq!(answer.status, if fits { 200 } else { 503 }, "{}\n{}", answer.text(), haproxy.process.output());
    }
    assert_eq!(upstream.requests().len(), 1, "a question that could not be asked let somebody in");
}

#[tokio::test]
async fn caddy_lets_in_whom_the_gate_lets_in() {
    caddy(&packages("fronts").join("bin/caddy")).await;
}

#[tokio::test]
async fn caddy_of_debian_lets_in_whom_the_gate_lets_in() {
    caddy(Path::new("caddy")).await;
}

async fn caddy(program: &Path) {
    let scene = Scene::of(ASKED[2]);
    let words = [
        (ASKED[2], scene.asked.to_string()),
        (APPLICATION, scene.upstream.address().to_string()),
        (":443 {", format!(":{} {{\n\tbind {}", scene.front.port(), scene.front.ip())),
    ];
    scene.example("Caddyfile", "/etc/caddy", &words);
    let arguments = ["run", "--adapter", "caddyfile", "--config", "Caddyfile"];
    let caddy = scene.run(program, &arguments, &[("WICKETGATE_FRONT", SECRET)]);
    let front = Front::at(scene.front);
    scene.holds(front, Box::new(caddy)).await;
}

#[tokio::test]
async fn traefik_lets_in_whom_the_gate_lets_in() {
    let scene = Scene::of(ASKED[3]);
    scene.example("traefik.yaml", "/etc/traefik", &[(":443", scene.front.to_string())]);
    let words =
        [("gate.internal.example:9444", scene.asked.to_string()), (APPLICATION, scene.upstream.address().to_string())];
    scene.example("traefik-routes.yaml", "/etc/traefik", &words);
    let traefik = scene.run(&packages("fronts").join("bin/traefik"), &["--configFile=traefik.yaml"], &[]);
    let front = Front { brings_paths_into_form: true, ..Front::at(scene.front) };
    scene.holds(front, Box::new(traefik)).await;
}

#[tokio::test]
async fn envoy_lets_in_whom_the_gate_lets_in() {
    let scene = Scene::of(ASKED[4]);
    let place = |address: SocketAddr| format!("address: {}, port_value: {} }}", address.ip(), address.port());
    let words = [
        ("address: 0.0.0.0, port_value: 443 }", place(scene.front)),
        ("address: 127.0.0.1, port_value: 8080 }", place(scene.upstream.address())),
        ("address: 127.0.0.1, port_value: 9445 }", place(scene.asked)),
    ];
    scene.example("envoy.yaml", "/etc/envoy", &words);
    let arguments = ["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"];
    let envoy = scene.run(&packages("fronts").join("envoy/_bin/envoy"), &arguments, &[]);
    // Of clients on its own machine Envoy says the machine's address.
    let front = Front { brings_paths_into_form: true, says_loopback: false, ..Front::at(scene.front) };
    scene.holds(front, Box::new(envoy)).await;
}
