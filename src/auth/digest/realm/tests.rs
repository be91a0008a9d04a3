use super::*;
use proptest::prelude::*;

fn allowed() -> Vec<String> {
    vec!["a.example".to_owned(), "b.example".to_owned()]
}

fn realm(value: &str) -> Result<String, NoRealm> {
    among(&allowed(), [value.as_bytes()]).map(str::to_owned)
}

#[test]
fn the_domain_of_an_address_is_the_realm() {
    let cases = [
        ("alice@a.example", "a.example"),
        ("sip:alice@a.example", "a.example"),
        ("SIPS:alice@A.Example", "a.example"),
        ("mailto:alice@b.example", "b.example"),
        ("  alice@a.example\t", "a.example"),
        ("<alice@a.example>", "a.example"),
        ("<sip:alice@a.example;transport=tls>;tag=x", "a.example"),
        ("sip:alice@a.example;tag=x", "a.example"),
        ("sip:alice@a.example ; tag=x", "a.example"),
        ("sip:alice;day=tuesday@a.example", ""),
        (r#""Alice" <sip:alice@a.example>"#, "a.example"),
        (r#""\"<eve@evil.example>\"" <sip:alice@a.example>"#, "a.example"),
        (r#""eve@b.example" <sip:alice@a.example>"#, "a.example"),
        ("Alice <alice@b.example>", "b.example"),
        ("Älice Ångström <älice@b.example>", "b.example"),
    ];
    for (value, expected) in cases {
        let expected = if expected.is_empty() { None } else { Some(expected.to_owned()) };
        assert_eq!(realm(value).ok(), expected, "{value}");
    }
}

#[test]
fn what_names_no_single_address_says_why() {
    let not = NoRealm::NotAnAddress;
    let cases = [
        ("", not("there is no @ in it")),
        ("a.example", not("there is no @ in it")),
        ("sip:a.example", not("there is no @ in it")),
        ("@a.example", not("what stands before the @ is no user")),
        ("alice smith@a.example", not("what stands before the @ is no user")),
        ("eve@evil.example, alice@a.example", not("what stands after the @ is no domain")),
        ("alice@a.example, eve@evil.example", not("what stands after the @ is no domain")),
        ("alice@a.example@b.example", not("what stands after the @ is no domain")),
        ("alice@a.example:5060", not("what stands after the @ is no domain")),
        ("alice@", not("what stands after the @ is no domain")),
        ("alice@.a.example", not("what stands after the @ is no domain")),
        ("alice@[127.0.0.1]", not("what stands after the @ is no domain")),
        ("alice@a.example?x=y", not("what stands after the @ is no domain")),
        (r#""Alice <alice@a.example>"#, not("a quoted name has no end")),
        (r#""Alice" alice@a.example"#, not("no < follows the name")),
        ("Alice <alice@a.example", not("there is no >")),
        ("<alice@a.example> <eve@b.example>", not("something follows the >")),
        ("<alice@a.example>, <eve@b.example>", not("something follows the >")),
        ("eve@b.example <alice@a.example>", not("what stands before < is no name")),
        ("alice@a.exa\u{0}mple", not("it holds a control character")),
        ("alice@a.example;x=@b.example", not("there is another @ after its domain")),
        ("<sip:alice@a.example;x=@>;tag=1", not("there is another @ after its domain")),
        ("alice@c.example", NoRealm::NotAllowed("c.example".to_owned())),
        ("alice@sub.a.example", NoRealm::NotAllowed("sub.a.example".to_owned())),
        (&format!("alice@{}.example", "x".repeat(40)), NoRealm::NotAllowed("x".repeat(32))),
        (&format!("alice@a.example;{}", "x".repeat(MAX_ADDRESS)), NoRealm::TooLong),
    ];
    for (value, expected) in cases {
        assert_eq!(realm(value), Err(expected), "{value}");
    }
    assert_eq!(among(&allowed(), [&b"alice@a.example\xff"[..]]), Err(not("it is not UTF-8")));
}

#[test]
fn a_header_that_is_absent_or_repeated_names_no_realm() {
    let one: &[u8] = b"alice@a.example";
    assert_eq!(among(&allowed(), []), Err(NoRealm::Absent));
    assert_eq!(among(&allowed(), [one, one]), Err(NoRealm::Repeated));
    assert_eq!(among(&allowed(), [one]), Ok("a.example"));
}

proptest! {
    #[test]
    fn no_octets_end_the_process_or_lead_beyond_the_realms(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let allowed = allowed();
        if let Ok(realm) = among(&allowed, [&octets[..]]) {
            prop_assert!(allowed.iter().any(|known| known == realm));
        }
    }

    /// Whatever the pieces are, the realm is the domain of the last @ of the header.
    #[test]
    fn no_arrangement_names_another_realm_than_the_one_of_its_last_address(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "alice", "@", "a.example", "b.example", "<", ">", "\"", "\\", " ", ";", ",", "sip:", "tag=x", ":", "%40",
        ]), 1..12),
    ) {
        let text = pieces.concat();
        if let Ok(found) = realm(&text) {
            let last = text.rsplit('@').next().unwrap();
            prop_assert!(last.to_ascii_lowercase().starts_with(&found), "{text} {found}");
        }
    }
}
