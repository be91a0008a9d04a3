//! What holds of a token, and everything that does not, as a table.

use super::*;
use crate::config::SignatureAlgorithm;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const A: &str = "https://a.example";
const B: &str = "https://b.example";
const BROWSER: &str = "what the target gave the browser";

struct Site {
    signing: SigningKey,
    decryption: [DecryptionKey; 1],
    keys: KeySet,
}

fn site() -> Site {
    let signing = SigningKey::from_pkcs8(SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap().expose()).unwrap();
    let decryption =
        DecryptionKey::from_pkcs8(SigningKey::generate(SignatureAlgorithm::Es256).unwrap().expose()).unwrap();
    let keys = KeySet { signature: vec![signing.public().clone()], encryption: vec![decryption.public().clone()] };
    Site { signing, decryption: [decryption], keys }
}

fn claims() -> Claims {
    Claims {
        iss: A.to_owned(),
        aud: B.to_owned(),
        iat: NOW.as_unix(),
        exp: NOW.as_unix() + 60,
        jti: "0123456789abcdefABCDEF".to_owned(),
        state: state_of(BROWSER),
        return_to: "/mail/?folder=1".to_owned(),
        sub: "alice".to_owned(),
        email: None,
        amr: vec!["mtls".to_owned()],
        certificates: vec![format!("{}:01", "00".repeat(32))],
        not_after: Some(NOW.as_unix() + 1000),
        password: None,
    }
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn a_token_holds_for_its_target_its_browser_and_its_minute_alone() {
    let (a, b, c) = (site(), site(), site());
    let accept = paths(&["/mail"]);
    let sources = [
        Source { url: "https://c.example", keys: &c.keys, accept: &accept },
        Source { url: A, keys: &a.keys, accept: &accept },
    ];
    let open_at = |token: &str, browser: &str, at: i64| {
        open(token, &b.decryption, &sources, B, browser, Timestamp::from_unix(NOW.as_unix() + at))
    };
    let token = seal(&claims(), &a.signing, b.decryption[0].public()).unwrap();
    for at in [-10, 0, 60, 70] {
        assert_eq!(open_at(&token, BROWSER, at), Ok((1, claims())), "at {at}");
    }
    assert!(matches!(open_at(&token, BROWSER, 71), Err(Refused::Late(_))));
    assert!(matches!(open_at(&token, BROWSER, -11), Err(Refused::Early(_))));
    assert_eq!(open_at(&token, "another browser", 0), Err(Refused::State));
    assert_eq!(open_at(&token, "", 0), Err(Refused::State));
    // The wrong site cannot even read it.
    assert!(matches!(
        open(&token, &c.decryption, &sources, B, BROWSER, NOW),
        Err(Refused::Sealed(JoseError::UnknownKey(_)))
    ));
    // Signed by nobody whom we know.
    let strangers = seal(&claims(), &b.signing, b.decryption[0].public()).unwrap();
    assert!(matches!(open_at(&strangers, BROWSER, 0), Err(Refused::Signed(JoseError::UnknownKey(_)))));
    // Signed by one site in the name of another.
    let forged = seal(&claims(), &c.signing, b.decryption[0].public()).unwrap();
    assert_eq!(open_at(&forged, BROWSER, 0), Err(Refused::Issuer(A.to_owned())));
    // The signed part alone, and the sealed part without a signed one.
    let bare = a.signing.sign(SIGNED, &serde_json::to_vec(&claims()).unwrap()).unwrap();
    assert!(matches!(open_at(&bare, BROWSER, 0), Err(Refused::Sealed(_))));
    let unsigned = jwe::seal(&serde_json::to_vec(&claims()).unwrap(), SEALED, b.decryption[0].public()).unwrap();
    assert!(matches!(open_at(&unsigned, BROWSER, 0), Err(Refused::Signed(_))));
    // An assertion of the same key is no hand-over.
    let assertion = a.signing.sign("JWT", &serde_json::to_vec(&claims()).unwrap()).unwrap();
    let assertion = jwe::seal(assertion.as_bytes(), SEALED, b.decryption[0].public()).unwrap();
    assert!(matches!(
        open_at(&assertion, BROWSER, 0),
        Err(Refused::Signed(JoseError::Unsupported { what: "typ", .. }))
    ));
}

#[test]
fn claims_that_do_not_hold_are_refused_even_if_they_are_signed() {
    let (a, b) = (site(), site());
    let accept = paths(&["/mail"]);
    let refused = |change: &dyn Fn(&mut Claims)| {
        let mut claims = claims();
        change(&mut claims);
        let token = seal(&claims, &a.signing, b.decryption[0].public()).unwrap();
        let source = Source { url: A, keys: &a.keys, accept: &accept };
        open(&token, &b.decryption, &[source], B, BROWSER, NOW).unwrap_err()
    };
    assert_eq!(
        refused(&|claims| claims.aud = "https://b.example.evil".to_owned()),
        Refused::Audience("https://b.example.evil".to_owned())
    );
    assert_eq!(refused(&|claims| claims.exp += 1), Refused::Long);
    assert_eq!(refused(&|claims| claims.exp = i64::MAX), Refused::Long);
    assert_eq!(refused(&|claims| claims.exp = claims.iat - 1), Refused::Long);
    assert_eq!(refused(&|claims| claims.iat = i64::MIN), Refused::Long);
    assert_eq!(
        refused(&|claims| claims.return_to = "//evil.example".to_owned()),
        Refused::Return("//evil.example".to_owned())
    );
    assert_eq!(refused(&|claims| claims.return_to = "/other".to_owned()), Refused::Return("/other".to_owned()));
    assert_eq!(refused(&|claims| claims.jti = String::new()), Refused::Claims);
    assert_eq!(refused(&|claims| claims.certificates.clear()), Refused::Claims);
    let password = Password { realm: "r".to_owned(), algorithm: "MD5".to_owned() };
    assert_eq!(refused(&|claims| claims.password = Some(password.clone())), Refused::Claims);
}

#[test]
fn a_browser_is_sent_to_pages_of_ours_that_are_allowed_and_nowhere_else() {
    let allowed = paths(&["/mail", "/files/shared"]);
    for (to, expected) in [
        ("/mail", true),
        ("/mail/", true),
        ("/mail/a%20b?x=1&y=/../%2f", true),
        ("/files/shared/x", true),
        ("/", false),
        ("/mailbox", false),
        ("/files", false),
        ("/mail/../admin", false),
        ("/mail/%2e%2e/admin", false),
        ("/mail/..;/admin", false),
        ("//evil.example/mail", false),
        ("/\\evil.example", false),
        ("https://evil.example/mail", false),
        ("mail", false),
        ("", false),
        ("/mail\r\nSet-Cookie: a=b", false),
        ("/mail?x\r\ny", false),
        ("/mail?x#y", false),
        ("/mail#y", false),
        ("/mail?a b", false),
        ("/mail?\u{e9}", false),
    ] {
        assert_eq!(may_return(to, &allowed), expected, "{to}");
    }
    assert!(may_return("/anything", &paths(&["/"])));
    assert!(!may_return("//anything", &paths(&["/"])));
    assert!(!may_return("/mail", &[]));
    assert!(!may_return(&format!("/mail/{}", "x".repeat(MOST_RETURN)), &allowed));
}

#[test]
fn a_state_is_the_hash_of_what_the_browser_keeps() {
    assert!(is_state(&state_of(BROWSER)));
    assert_ne!(state_of(BROWSER), state_of("other"));
    for text in ["", "abc", BROWSER, &format!("{}A", state_of(BROWSER))] {
        assert!(!is_state(text), "{text}");
    }
}

proptest! {
    #[test]
    fn where_a_browser_is_sent_is_always_a_path_of_this_site(to in ".{0,40}") {
        if may_return(&to, &paths(&["/"])) {
            prop_assert!(to.starts_with('/') && !to.starts_with("//") && to.is_ascii());
            prop_assert!(!to.contains(['\\', '\r', '\n', '#']));
        }
    }

    #[test]
    fn a_token_that_was_changed_is_never_taken(at in 0usize..2000, with in "[A-Za-z0-9_.-]") {
        let (a, b) = (site(), site());
        let accept = paths(&["/mail"]);
        let token = seal(&claims(), &a.signing, b.decryption[0].public()).unwrap();
        let at = at % token.len();
        let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
        let source = Source { url: A, keys: &a.keys, accept: &accept };
        prop_assert!(changed == token || open(&changed, &b.decryption, &[source], B, BROWSER, NOW).is_err());
    }
}
