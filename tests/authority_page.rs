//! The chapter of `docs/authority.md` that goes from an empty directory to ten people logged in is true: its commands are
//! run as they stand there, one after another, in an empty directory.
#![cfg(test)]

mod common;

use common::gate::unused_address;
use std::path::Path;
use std::process::Command;

const CHAPTER: &str = "## From an empty directory to ten people logged in";

/// What the chapter has people type.
fn page() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authority.md");
    let text = std::fs::read_to_string(document).unwrap();
    let (_, chapter) = text.split_once(CHAPTER).unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let blocks = chapter.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let page: String = blocks.collect();
    assert!(page.lines().count() > 30, "the commands are found at all: {page}");
    page
}

#[test]
fn the_page_leads_from_an_empty_directory_to_ten_people_logged_in() {
    let folder = tempfile::tempdir().unwrap();
    let address = unused_address();
    let page = page().replace("127.0.0.1:9443", &address.to_string()).replace("9443", &address.port().to_string());
    // `localhost` is one address of many on loopback.
    let page = page.replace("curl --silent", &format!("curl --connect-to localhost::{}: --silent", address.ip()));
    let program = Path::new(env!("CARGO_BIN_EXE_wicketgate")).parent().unwrap().display().to_string();
    let script = format!("set -euo pipefail\ntrap 'kill $(jobs -p); wait' EXIT\n{page}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{program}:{}", std::env::var("PATH").unwrap()))
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let logs = ["gate.log", "authority.log"].map(|name| std::fs::read_to_string(folder.path().join(name)));
    assert!(output.status.success(), "{said}{}{logs:?}", String::from_utf8_lossy(&output.stderr));
    let names = ["anna", "ben", "carla", "dora", "emil", "frida", "gustav", "hanna", "ivo", "jana"];
    for name in names {
        assert!(said.contains(&format!("{name}: welcome")), "{name}: {said}");
    }
    assert!(said.trim_end().ends_with("certificate_revoked"), "{said}");
}
