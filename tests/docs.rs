//! The documents say what is true: every test that the threat model leans on exists, every link leads
//! somewhere, and every command that they show prints what they show.
#![cfg(test)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All files below a folder whose names end so; what is built is not looked into.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn documents() -> Vec<PathBuf> {
    files("", ".md")
}

/// The names of all functions that are marked as tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files("src", ".rs").into_iter().chain(files("tests", ".rs")) {
        let text = read(&file);
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            let declared = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let Some(name) = declared.and_then(|rest| rest.split('(').next()).filter(|_| marked) {
                names.insert(name.to_owned());
            }
            marked = line.starts_with("#[test]")
                || line.starts_with("#[tokio::test")
                || (marked && (line.starts_with("#[") || line.starts_with("//")));
        }
    }
    names
}

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a text has the form of a test's name.
fn is_test_name(text: &str) -> bool {
    text.matches('_').count() >= 3
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn every_claim_of_the_threat_model_names_tests_that_exist() {
    let tests = tests();
    assert!(tests.len() > 100, "tests are found at all: {}", tests.len());
    let text = read(&root().join("docs/threat-model.md"));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |")).collect();
    assert!(rows.len() > 10, "the rows are found at all");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let named: Vec<&str> = quoted(cells.last().unwrap()).collect();
        assert!(cells.len() == 3 && !named.is_empty(), "this claim names no test: {row}");
        for name in named {
            assert!(tests.contains(name), "there is no test `{name}`");
        }
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = tests();
    for document in documents() {
        for line in read(&document).lines() {
            // A sentence of many words can only be a test, unless it is a metric; shorter names may be anything.
            let is_sentence = |name: &&str| name.matches('_').count() >= 5 && !name.starts_with("wicketgate_");
            for name in quoted(line).filter(|name| is_test_name(name)).filter(is_sentence) {
                assert!(tests.contains(name), "{}: there is no test `{name}`", document.display());
            }
        }
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    for document in documents() {
        let text = read(&document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            let path = document.parent().unwrap().join(file);
            assert!(path.exists(), "{}: {target} leads nowhere", document.display());
        }
    }
}

#[test]
fn the_first_page_leads_to_every_document() {
    let readme = read(&root().join("README.md"));
    for document in files("docs", ".md") {
        let link = format!("(docs/{})", document.file_name().unwrap().to_str().unwrap());
        assert!(readme.contains(&link), "README.md does not lead to {link}");
    }
}

#[test]
fn every_file_that_a_document_names_exists() {
    for document in documents() {
        for line in read(&document).lines() {
            let named = quoted(line).filter(|name| {
                ["docs/", "src/", "tests/", "fuzz/", "examples/"].iter().any(|top| name.starts_with(top))
            });
            for name in named.filter(|name| !name.contains(['*', ' ', '{'])) {
                assert!(root().join(name).exists(), "{}: there is no {name}", document.display());
            }
        }
    }
}

/// The blocks of a document in this language, as ```` ```sh ```` marks them, with the line of each.
fn blocks(document: &Path, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in read(document).lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(named)) => open = Some((number + 2, named == language, String::new())),
            (Some(_), Some(_)) => {
                found.extend(open.take().filter(|(_, wanted, _)| *wanted).map(|(at, _, text)| (at, text)))
            }
            (Some((_, _, text)), None) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_whole_configuration_that_a_document_shows_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for document in documents() {
        for (line, text) in blocks(&document, "yaml").into_iter().filter(|(_, text)| text.starts_with("listeners:")) {
            let file = folder.path().join("wicketgate.yaml");
            std::fs::write(&file, text).unwrap();
            if let Err(error) = wicketgate::config::load(&file) {
                panic!("{}:{line}: {error}", document.display());
            }
            count += 1;
        }
    }
    assert!(count > 0, "the configurations are found at all");
}

/// The commands of a console block, each with the output that it shows.
fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, output))) => output.extend([line, "\n"]),
            (None, None) => panic!("a console block begins with a command, not with {line:?}"),
        }
    }
    commands
}

/// Whether an output is as shown, where `…` stands for anything.
fn is_as_shown(output: &str, shown: &str) -> bool {
    let mut parts = shown.trim().split('…').peekable();
    let Some(mut rest) = output.trim().strip_prefix(parts.next().unwrap().trim_end_matches('\n')) else { return false };
    while let Some(part) = parts.next() {
        let part = part.trim_matches('\n');
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.trim().is_empty()
}

#[test]
fn what_is_shown_is_told_from_what_is_not() {
    for (output, shown, expected) in [
        ("401\n", "401", true),
        ("401\n403\n", "401", false),
        ("a b c", "a…c", true),
        ("a b d", "a…c", false),
        ("a x b y", "a…b…", true),
        ("a x y", "a…b…", false),
    ] {
        assert_eq!(is_as_shown(output, shown), expected, "{output:?} {shown:?}");
    }
}

#[test]
fn every_command_that_the_documents_show_prints_what_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut demo = common::process::Process::start(
        std::process::Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .args(["demo", "--port", &port.to_string()])
            .current_dir(folder.path()),
    );
    common::eventually("the demo to be ready", || {
        assert!(demo.ended().is_none(), "the demo ended:\n{}", demo.output());
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let mut count = 0;
    for document in documents() {
        for (line, block) in blocks(&document, "console") {
            for (command, shown) in commands(&block) {
                let output = std::process::Command::new("bash")
                    .args(["-c", &command.replace("8443", &port.to_string())])
                    .current_dir(folder.path())
                    .env("HOME", folder.path())
                    .output()
                    .unwrap();
                let printed = String::from_utf8_lossy(&output.stdout);
                let place = format!("{}:{line}", document.display());
                assert!(is_as_shown(&printed, &shown), "{place}: {command}\nprints:\n{printed}\nand not:\n{shown}");
                count += 1;
            }
        }
    }
    assert!(count > 0, "the commands are found at all");
}
