//! What an assertion says, and how often one is signed.

use super::*;
use crate::account::Status;
use crate::auth::authorization::{Authorization, Origin};
use crate::auth::decision::{
    CertificateEvidence, ClaimEvidence, CredentialEvidence, Evidence, Finding, Policy, Verdict, decide,
};
use crate::certificate::testing::Authority;
use crate::config::{Anonymous, AssertionKeys, SignatureAlgorithm};
use crate::jose::jwk::KeySet;
use crate::jose::jws::verify;
use serde_json::{Value, json};
use tempfile::TempDir;

fn somewhere() -> Origin {
    Origin { address: std::net::Ipv4Addr::LOCALHOST.into(), authorities: None }
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn issuer(algorithm: SignatureAlgorithm) -> (TempDir, Issuer) {
    let folder = tempfile::tempdir().unwrap();
    let rotate = Duration::from_secs(86_400);
    let keys = AssertionKeys::Directory { path: folder.path().join("keys"), algorithm, rotate };
    let settings = config::Assertion { issuer: "https://gate.example.org".to_owned(), keys };
    let issuer = Issuer::open(&settings, Duration::from_secs(300), NOW).unwrap();
    (folder, issuer)
}

fn account(groups: &[&str]) -> Arc<Account> {
    Arc::new(Account {
        username: "alice".to_owned(),
        email: Some("alice@example.org".to_owned()),
        display_name: Some("Älice \"\n".to_owned()),
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    })
}

fn permit(account: &Arc<Account>, method: Method, with_certificate: bool) -> Permit {
    let certificate = match with_certificate {
        true => CertificateEvidence::Account(Arc::clone(account)),
        false => CertificateEvidence::None,
    };
    let credentials = match method {
        Method::Certificate => Finding::NotAsked,
        _ => Finding::Known(CredentialEvidence::Right(method, Arc::clone(account))),
    };
    let policy = Policy {
        authenticate: vec![method],
        anonymous: Anonymous::Deny,
        claim: false,
        authorization: Authorization::default(),
        certificate_needed: false,
    };
    match decide(
        &policy,
        &Evidence {
            certificate,
            credentials,
            authorization_sent: false,
            claim: ClaimEvidence::NotAsked,
            origin: somewhere(),
        },
    ) {
        Verdict::Permit(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn terms(audience: &str) -> Terms {
    Terms { audience: audience.to_owned(), lifetime: Duration::from_secs(300) }
}

fn claims(issuer: &Issuer, token: &str) -> Value {
    let keys = KeySet::parse(issuer.keys().jwks().as_bytes()).unwrap();
    serde_json::from_slice(&verify(token, "JWT", &keys.signature).unwrap()).unwrap()
}

#[test]
fn an_assertion_says_who_is_there_and_how_that_is_known() {
    let facts = crate::certificate::facts::parse(&Authority::root("root").leaf("alice")).unwrap();
    let hash = encode(facts.fingerprint);
    for algorithm in [SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let (_folder, issuer) = issuer(algorithm);
        for (method, with_certificate, amr, cnf) in [
            (Method::Certificate, true, json!(["mtls"]), json!({ "x5t#S256": hash })),
            (Method::Digest, false, json!(["digest"]), Value::Null),
            (Method::Digest, true, json!(["digest", "mtls"]), json!({ "x5t#S256": hash })),
        ] {
            let permit = permit(&account(&["staff", "a,b"]), method, with_certificate);
            let subject = Subject::of(&permit, Some(&facts), None).unwrap();
            let assertion = issuer.issue(&terms("webmail"), &subject, NOW).unwrap();
            let claims = claims(&issuer, &assertion.token);
            assert_eq!(claims["iss"], "https://gate.example.org");
            assert_eq!(claims["sub"], "alice");
            assert_eq!(claims["aud"], "webmail");
            assert_eq!(claims["email"], "alice@example.org");
            assert_eq!(claims["name"], "Älice \"\n");
            assert_eq!(claims["groups"], json!(["staff", "a,b"]));
            assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(1_800_000_000), Some(1_800_000_300)));
            assert_eq!((&claims["amr"], &claims["cnf"]), (&amr, &cnf), "{method:?}");
            assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
            assert_eq!(assertion.renew_at, NOW.plus(Duration::from_secs(150)));
            assert!(assertion.token.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

#[test]
fn of_nobody_nothing_is_asserted() {
    let policy = Policy {
        authenticate: vec![Method::Certificate],
        anonymous: Anonymous::Allow,
        claim: false,
        authorization: Authorization::default(),
        certificate_needed: false,
    };
    let evidence = Evidence {
        certificate: CertificateEvidence::Refused(crate::base::reason::Reason::CertificateRevoked),
        credentials: Finding::NotAsked,
        authorization_sent: false,
        claim: ClaimEvidence::NotAsked,
        origin: somewhere(),
    };
    let Verdict::Permit(permit) = decide(&policy, &evidence) else { panic!("anybody passes") };
    assert_eq!(Subject::of(&permit, None, None), None);
}

#[test]
fn a_connection_pays_for_one_signature_and_not_for_each_request() {
    let (_folder, issuer) = issuer(SignatureAlgorithm::Es256);
    let mut held = Held::default();
    let mut ask = |audience: &str, groups: &[&str], after: u64| {
        let subject = Subject::of(&permit(&account(groups), Method::Certificate, true), None, None).unwrap();
        held.assertion(&issuer, &terms(audience), subject, NOW.plus(Duration::from_secs(after))).unwrap().token
    };
    let first = ask("webmail", &["staff"], 0);
    for after in 0..150 {
        assert_eq!(ask("webmail", &["staff"], after), first);
    }
    assert_eq!(issuer.signed(), 1);
    // Renewed at half its life.
    let second = ask("webmail", &["staff"], 150);
    assert_ne!(second, first);
    assert_eq!(ask("webmail", &["staff"], 151), second);
    assert_eq!(issuer.signed(), 2);
    // Another audience has its own, and a changed account ends it.
    ask("files", &["staff"], 151);
    let changed = ask("webmail", &["staff", "admin"], 151);
    assert_eq!(claims(&issuer, &changed)["groups"], json!(["staff", "admin"]));
    assert_eq!(issuer.signed(), 4);
}

#[test]
fn what_a_connection_holds_is_bounded() {
    let (_folder, issuer) = issuer(SignatureAlgorithm::EdDsa);
    let mut held = Held::default();
    for round in 0..100 {
        let subject = Subject::of(&permit(&account(&[]), Method::Certificate, true), None, None).unwrap();
        held.assertion(&issuer, &terms(&format!("app-{round}")), subject, NOW).unwrap();
    }
    assert!(format!("{held:?}").matches("Entry").count() <= 16);
}
