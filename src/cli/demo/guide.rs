//! What the demo prints: what is where, and what to try.

use super::people::{ALICE_PASSWORD, PEOPLE, PKCS12_PASSWORD};
// Writing to a String does not fail, so that what `write!` returns says nothing here.
use std::fmt::Write;
use std::path::Path;

/// The guide to a demo in this directory, on this port, with its upstream on the other. `program` is how
/// this program was called.
pub(super) fn text(program: &str, directory: &Path, port: u16, upstream_port: u16) -> String {
    let base = format!("https://localhost:{port}");
    let at = |name: &str| quote(&directory.join(name).to_string_lossy());
    let mut guide = String::from("Wicketgate is open.\n\n");
    list(
        &mut guide,
        &[
            (&format!("{base}/"), "a certificate, or without one a password (HTTP Digest)"),
            (&format!("{base}/certificate-only"), "a certificate"),
            (&format!("{base}/public"), "anybody"),
            (
                &format!("http://127.0.0.1:{upstream_port}/"),
                "the application behind it, which answers with what it is told",
            ),
        ],
    );
    let _ = write!(guide, "\nFiles in {}:\n\n", directory.display());
    list(
        &mut guide,
        &[
            ("ca.pem", "the development authority, for programs that are to trust this gate"),
            ("NAME.pem, NAME.key", "somebody's certificate and key, for curl"),
            ("NAME.p12", &format!("the same for a browser; the password is {PKCS12_PASSWORD}")),
            ("wicketgate.yaml", "the configuration, with comments"),
            ("audit.log", "a line for each first admission and each refusal: who came, what became of it and why"),
        ],
    );
    guide.push_str("\nTry, in another terminal:\n\n");
    let curl = format!("curl --cacert {}", at("ca.pem"));
    for person in PEOPLE {
        let (name, story) = (person.display_name, person.story());
        let outcome = match person.refusal() {
            None => format!("200, and the application is told \"remote-user\": \"{}\"", person.name),
            Some(reason) => format!("403 {reason}"),
        };
        let (certificate, key) = (at(&format!("{}.pem", person.name)), at(&format!("{}.key", person.name)));
        let command = format!("{curl} --cert {certificate} --key {key} {base}/");
        example(&mut guide, &format!("{name} {story}: {outcome}"), &command);
    }
    let pkcs12 = format!("--cert-type P12 --cert {}:{PKCS12_PASSWORD}", at("alice.p12"));
    for (comment, rest) in [
        ("Alice's PKCS#12 file does as well: 200", format!("{pkcs12} {base}/")),
        ("Nobody in particular: 401, and two challenges, SHA-256 first", format!("--include {base}/")),
        ("Alice by her password: 200", format!("--digest --user alice:{ALICE_PASSWORD} {base}/")),
        ("Where only a certificate will do: 403 certificate_required", format!("{base}/certificate-only")),
        ("Where anybody may go: 200", format!("{base}/public")),
        (
            "What a client says of itself never reaches the application: 200, without \"admin\"",
            format!("--header 'Remote-User: admin' {base}/public"),
        ),
    ] {
        example(&mut guide, comment, &format!("{curl} {rest}"));
    }
    let explain = format!("{} explain -c {} {}", quote(program), at("wicketgate.yaml"), at("carol.pem"));
    example(&mut guide, "What becomes of a certificate, stage by stage", &explain);
    let (command, file) = (quote(program), at("wicketgate.yaml"));
    let another = at("another.p12");
    for (comment, rest) in [
        ("Another certificate for Alice; its password is shown once", format!("issue alice -c {file} --out {another}")),
        ("All of hers, and those of everybody else", format!("list -c {file}")),
        ("What Bob has no longer counts, within a second and for good", format!("revoke --account bob -c {file}")),
    ] {
        example(&mut guide, comment, &format!("{command} ca {rest}"));
    }
    let machine = format!(
        "--http1.1 --digest --user alice:{ALICE_PASSWORD} -X POST -H 'Accept: application/x-pkcs12' -o {} \
         {base}/.well-known/est/serverkeygen",
        at("machine.p12")
    );
    example(&mut guide, "One for a machine of Alice's, which asks for it by EST: 200", &format!("{curl} {machine}"));
    let _ = write!(
        guide,
        "\
In a browser:

  1. Import {ca} as an authority that may identify websites.
  2. Import {alice} as a certificate of your own; the password is {PKCS12_PASSWORD}.
     Firefox: Settings, Privacy & Security, View Certificates. Chromium: chrome://certificate-manager.
     macOS, Windows: open the files.
  3. Go to {base}/ and choose Alice Archer. A browser remembers the choice until it is closed.
  4. When you have finished, take the authority out again.

Ctrl-C ends the demo.
",
        ca = at("ca.pem"),
        alice = at("alice.p12"),
    );
    guide
}

/// A list of things and what they are, in two columns.
fn list(guide: &mut String, entries: &[(&str, &str)]) {
    let width = entries.iter().map(|(thing, _)| thing.len()).max().unwrap_or(0);
    for (thing, meaning) in entries {
        let _ = writeln!(guide, "  {thing:width$}  {meaning}");
    }
}

fn example(guide: &mut String, comment: &str, command: &str) {
    let _ = write!(guide, "  # {comment}\n  {command}\n\n");
}

/// The word as a shell takes it for one.
fn quote(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_shell() {
        for (word, quoted) in [
            ("certs-dev/demo", "certs-dev/demo"),
            ("my demo", "'my demo'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }

    #[test]
    fn the_guide_has_a_command_and_an_outcome_for_everybody() {
        let guide = text("target/release/wicketgate", Path::new("my demo"), 8443, 8080);
        for person in PEOPLE {
            assert!(
                guide.contains(&format!("--cert 'my demo/{0}.pem' --key 'my demo/{0}.key'", person.name)),
                "{guide}"
            );
            if let Some(reason) = person.refusal() {
                assert!(guide.contains(&format!("403 {reason}")), "{guide}");
            }
        }
    }
}
