//! `wicketgate serve` as an administrator or a supervisor sees it: what it says when it cannot start, and how it
//! ends.
#![cfg(test)]

mod common;

use common::gate::serve;
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::Duration;

/// Breaks something in the folder of a good gate, starts a second one there, and gives its exit code and output.
fn second(change: impl FnOnce(&std::path::Path)) -> (i32, String) {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    change(gate.folder());
    let mut second = serve(gate.folder());
    let status = second.wait(Duration::from_secs(20)).unwrap_or_else(|| panic!("it runs:\n{}", second.output()));
    std::thread::sleep(Duration::from_millis(50));
    (status.code().unwrap(), second.output())
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (code, output) = second(|_| ());
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("127.") && output.contains("guarded") && output.contains("in use"), "{output}");
}

#[test]
fn a_faulty_configuration_is_refused_with_all_its_faults() {
    let (code, output) = second(|folder| {
        let file = folder.join("wicketgate.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("upstream: app", "upstream: ap") + "colour: red\n").unwrap();
    });
    assert_eq!(code, 2, "{output}");
    assert!(output.contains("colour") && output.contains("ap"), "{output}");
}

#[test]
fn files_that_are_not_there_or_not_what_they_should_be_are_named() {
    for (file, text) in [("ca.pem", None), ("server.pem", None), ("server.key", Some("no key")), ("ca.pem", Some(""))] {
        let (code, output) = second(|folder| match text {
            Some(text) => std::fs::write(folder.join(file), text).unwrap(),
            None => std::fs::remove_file(folder.join(file)).unwrap(),
        });
        assert_ne!(code, 0, "{file}: {output}");
        assert!(output.contains(file), "{file}: {output}");
    }
}

#[test]
fn it_ends_well_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let upstream = Upstream::start();
        let mut gate = Setup::before(&upstream).start();
        gate.process.signal(signal);
        let status = gate.process.wait(Duration::from_secs(20));
        assert!(status.is_some_and(|status| status.success()), "{signal}: {status:?}\n{}", gate.log());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let upstream = Upstream::answering(|exchange| {
        std::thread::sleep(Duration::from_secs(20));
        exchange.answer("late");
    });
    let mut gate = Setup::before(&upstream).start();
    let mut raw = common::raw::Raw::connect(&gate.alice());
    raw.send("GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n");
    upstream.wait_for(1);
    gate.process.signal("TERM");
    assert!(gate.process.wait(Duration::from_millis(700)).is_none(), "it waits for the request");
    gate.process.signal("TERM");
    assert!(gate.process.wait(Duration::from_secs(5)).is_some(), "{}", gate.log());
}
