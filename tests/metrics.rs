//! Every metric that `docs/metrics.md` lists is there, counts what it says, and no client makes the page grow.
#![cfg(test)]

mod common;

use common::admin::{command, get, sample, with_admin};
use common::client::Client;
use common::eventually;
use common::gate::Gate;
use common::origin::{Origin, page};
use common::pki::{Leaf, far};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use wicketgate::telemetry::metrics::catalogue::{self, Kind};

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The metrics that the document lists: name, kind, labels.
fn documented() -> BTreeMap<String, (String, String)> {
    let text = read("docs/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let metrics = rows.filter(|(name, _)| name.starts_with("wicketgate_") || name.starts_with("process_"));
    metrics
        .map(|(name, rest)| {
            let mut cells = rest.split('|').map(str::trim);
            let (kind, labels) = (cells.next().unwrap(), cells.next().unwrap());
            (name.to_owned(), (kind.to_owned(), labels.replace('`', "")))
        })
        .collect()
}

/// The metrics of a page that have a sample, with what the page says that they are.
fn produced(page: &str) -> BTreeMap<String, String> {
    let mut kinds = BTreeMap::new();
    let mut there = BTreeMap::new();
    for line in page.lines() {
        if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, kind) = said.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = of_histogram.filter(|name| kinds.contains_key(*name)).unwrap_or(name);
            let kind = kinds.get(name).unwrap_or_else(|| panic!("{name} has no type"));
            there.insert(name.to_owned(), kind.clone());
        }
    }
    there
}

/// A gate with everything that is worth a number.
fn gate_with_everything(upstream: &Upstream, lists: &Origin) -> (Gate, SocketAddr) {
    let mut setup = Setup::before(upstream).account("bob", &["--email", "bob@example.org"]);
    // Where there is a choice of servers or a limit, there is more to say.
    setup = setup.upstream("limits", "{ requests: 100 }");
    // The issuer follows in the chain, so that a responder could be asked about the certificate.
    setup.pki.server = setup.pki.people.issue(Leaf::server(&["gate.example.org"]));
    let list = setup.pki.root.revocation_list(&[], far());
    lists.behave({
        let list = setup.pki.people.revocation_list(&[], far());
        move |_, stream| _ = std::io::Write::write_all(stream, &page("", list.as_bytes()))
    });
    let crl =
        format!("crl: {{ files: [root.crl], urls: [\"{}\"], private_addresses: true }}", lists.url("/people.crl"));
    let ocsp = "ocsp: { mode: prefer, responder: \"http://127.0.0.1:9/\", private_addresses: true, unknown: accept }";
    let tls = "{ certificates: [{ chain: server.pem, key: server.key }], \
               stapling: { responder: \"http://127.0.0.1:9/\", private_addresses: true } }";
    let setup = setup
        .listener("tls", tls)
        .section("trust", &format!("{{ staff: {{ authorities: [ca.pem], revocation: {{ {crl}, {ocsp} }} }} }}"))
        .section("digest", "{ realm: example.org }")
        .section("log", "{ access: { path: access.log } }")
        .section("routes", "[{ path: /, authenticate: [certificate, digest], upstream: app }]")
        .file("root.crl", &list);
    let (setup, admin) = with_admin(setup);
    (setup.start(), admin)
}

#[tokio::test]
async fn every_metric_that_the_document_lists_is_produced() {
    let (upstream, lists) = (Upstream::start(), Origin::saying(page("", b"")));
    let (gate, admin) = gate_with_everything(&upstream, &lists);
    assert_eq!(gate.alice().get("/").await.status, 200);
    let answer = get(admin, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);

    let produced = produced(&answer.body);
    let documented = documented();
    let names = |metrics: &BTreeMap<String, (String, String)>| metrics.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(produced.keys().cloned().collect::<BTreeSet<_>>(), names(&documented), "{}", answer.body);
    assert_eq!(catalogue::ALL.len(), documented.len());
    for metric in catalogue::ALL {
        let (kind, labels) = &documented[metric.name];
        assert_eq!(
            (kind.as_str(), labels.clone()),
            (metric.kind.as_str(), metric.labels.join(", ")),
            "{}",
            metric.name
        );
        assert_eq!(produced[metric.name], metric.kind.as_str());
    }
}

#[tokio::test]
async fn the_numbers_are_those_of_what_happened() {
    let (upstream, lists) = (Upstream::start(), Origin::saying(page("", b"")));
    let (gate, admin) = gate_with_everything(&upstream, &lists);
    let alice = gate.alice();
    for _ in 0..3 {
        assert_eq!(alice.get("/").await.status, 200);
    }
    assert_eq!(gate.client().with(&gate.pki.person("mallory")).get("/").await.status, 403);
    assert_eq!(gate.client().get("/").await.status, 401);
    let options = Request::options("/").body(common::client::empty()).unwrap();
    assert_eq!(alice.http1().await.unwrap().send(options).await.status, 200);

    let number = |name: &str| sample(admin, name).unwrap_or_else(|| panic!("{name}:\n{}", get(admin, "/metrics").body));
    eventually("all requests to be counted", || {
        (number("wicketgate_request_duration_seconds_count{route=\"/\"}") >= 6.0).then_some(())
    });
    for (name, expected) in [
        ("wicketgate_requests_total{route=\"/\",method=\"GET\",status=\"2xx\"}", 3.0),
        ("wicketgate_requests_total{route=\"/\",method=\"OPTIONS\",status=\"2xx\"}", 1.0),
        ("wicketgate_requests_total{route=\"/\",method=\"GET\",status=\"4xx\"}", 2.0),
        ("wicketgate_verdicts_total{route=\"/\",verdict=\"permit\",reason=\"\",authentication=\"certificate\"}", 4.0),
        (
            "wicketgate_verdicts_total{route=\"/\",verdict=\"refuse\",reason=\"account_unknown\",authentication=\"\"}",
            1.0,
        ),
        (
            "wicketgate_verdicts_total{route=\"/\",verdict=\"challenge\",reason=\"certificate_required\",authentication=\"\"}",
            1.0,
        ),
        ("wicketgate_decide_duration_seconds_count", 6.0),
        ("wicketgate_requests_under_way", 0.0),
        ("wicketgate_upstream_responses_total{upstream=\"app\",status=\"2xx\"}", 4.0),
        ("wicketgate_upstream_duration_seconds_count{upstream=\"app\"}", 4.0),
        ("wicketgate_configuration_epoch", 1.0),
        ("wicketgate_reloads_total{result=\"taken_up\"}", 0.0),
        ("wicketgate_database_up", 1.0),
        ("wicketgate_ocsp_answer_age_seconds{trust=\"staff\"}", -1.0),
        ("wicketgate_crl_entries{trust=\"staff\",origin=", 0.0),
    ] {
        match name.ends_with('=') {
            // A file's whole path is its name.
            true => assert!(get(admin, "/metrics").body.contains(name), "{name}"),
            false => assert_eq!(number(name), expected, "{name}"),
        }
    }
    let handshakes = number("wicketgate_handshakes_total{listener=\"guarded\",result=\"full\"}")
        + number("wicketgate_handshakes_total{listener=\"guarded\",result=\"resumed\"}");
    assert_eq!(handshakes, 6.0, "each of these requests had a connection of its own");
    // Those by which the gate was found to be there said nothing, and there may be several.
    assert!(number("wicketgate_handshakes_total{listener=\"guarded\",result=\"silent\"}") >= 1.0);
    assert!(number("wicketgate_connections_accepted_total{listener=\"guarded\"}") >= 7.0);
    assert!(number("wicketgate_cache_answers_total{kind=\"accounts\",result=\"miss\"}") >= 1.0);

    assert!(command(&gate, &["reload"]).status.success());
    assert_eq!(number("wicketgate_reloads_total{result=\"taken_up\"}"), 1.0);
    assert_eq!(number("wicketgate_configuration_epoch"), 2.0);
    let counted = number("wicketgate_requests_total{route=\"/\",method=\"GET\",status=\"2xx\"}");
    assert_eq!(counted, 3.0, "counters go on over reloads");
}

#[tokio::test]
async fn no_client_makes_the_page_grow() {
    let upstream = Upstream::start();
    let (setup, admin) = with_admin(Setup::before(&upstream).open_to_all());
    let gate = setup.start();
    let ask = async |client: Client, number: usize| {
        let request = Request::builder().method(format!("M{number}").as_str()).uri(format!("/{number}?{number}"));
        let request = request.header("user-agent", number.to_string()).body(common::client::empty()).unwrap();
        assert_eq!(client.http1().await.unwrap().send(request).await.status, 200);
    };
    ask(gate.client(), 0).await;
    let names = || get(admin, "/metrics").body.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    let before: BTreeSet<String> = names();
    for number in 1..40 {
        ask(gate.client().named(&format!("h{number}.example.org")), number).await;
    }
    let after: BTreeSet<String> = names();
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The names of metrics in a text, the ends of histograms' series taken off.
fn mentioned(text: &str) -> BTreeSet<String> {
    let histograms: BTreeSet<&str> =
        catalogue::ALL.iter().filter(|metric| metric.kind == Kind::Histogram).map(|metric| metric.name).collect();
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_of_name(character));
    words
        .filter(|word| word.starts_with("wicketgate_") || word.starts_with("process_"))
        .map(|word| {
            let ends = ["_bucket", "_sum", "_count"];
            let histogram = ends.iter().find_map(|end| word.strip_suffix(end).filter(|name| histograms.contains(name)));
            histogram.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn the_dashboard_and_the_alerts_speak_of_metrics_that_there_are() {
    let all: BTreeSet<String> = catalogue::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    for file in ["packaging/grafana/wicketgate.json", "packaging/prometheus/wicketgate.rules.yaml"] {
        let text = read(file);
        let unknown: Vec<String> = mentioned(&text).difference(&all).cloned().collect();
        assert!(unknown.is_empty(), "{file} speaks of {unknown:?}");
        assert!(mentioned(&text).len() > 10, "{file}: they are found at all");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&read("packaging/grafana/wicketgate.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert!(panels.len() > 10 && ids.len() == panels.len());
}

#[test]
fn promtool_accepts_the_alerts() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus");
    for words in [["check", "rules", "wicketgate.rules.yaml"], ["test", "rules", "wicketgate.test.yaml"]] {
        let output = std::process::Command::new("promtool").args(words).current_dir(&rules).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {words:?}: {said}");
    }
}

#[test]
fn promtool_accepts_the_page() {
    let upstream = Upstream::start();
    let (setup, admin) = with_admin(Setup::before(&upstream));
    let _gate = setup.start();
    let mut promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let page = get(admin, "/metrics").body;
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
