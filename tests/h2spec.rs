//! h2spec, the conformance test of others for HTTP/2, against the TLS listener. Debian has no package of it: whoever
//! has built it puts it on the path, and `make h2spec` runs it. Our own table of cases, which needs nothing, is
//! `tests/http2_conformance.rs`.
#![cfg(test)]

mod common;

use common::setup::Setup;
use common::upstream::Upstream;
use std::process::Command;

#[test]
#[ignore = "make h2spec: needs the program h2spec on the path"]
fn h2spec_finds_nothing_wrong_with_the_tls_listener() {
    // Some cases hold back what they have room for, and need an answer that is longer than that.
    let upstream = Upstream::answering(|exchange| {
        if exchange.read_body().is_ok() {
            exchange.answer(&"a long answer ".repeat(100));
        }
    });
    let gate = Setup::before(&upstream).open_to_all().start();
    let run = Command::new("h2spec")
        .args(["--tls", "--insecure", "--timeout", "4"])
        .args(["--host", &gate.address.ip().to_string(), "--port", &gate.address.port().to_string()])
        .output();
    let run = match run {
        Ok(run) => run,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("h2spec is not on the path: nothing was tested");
            return;
        }
        Err(error) => panic!("h2spec cannot be run: {error}"),
    };
    let told = String::from_utf8_lossy(&run.stdout);
    let summary = told.lines().rfind(|line| line.contains(" tests, ")).unwrap_or_default();
    println!("{summary}");
    assert!(run.status.success() && summary.contains("146 tests, 146 passed, 0 skipped, 0 failed"), "{told}");
}
