use super::*;
use crate::base::secret::{Secret, SecretSource};

const REALM: &str = "b.example";

fn server(port: u16) -> ServerName {
    ServerName { host: "gate.b.example".to_owned(), port }
}

fn literal(algorithm: DigestAlgorithm, digits: &str) -> (DigestAlgorithm, SecretSource) {
    (algorithm, SecretSource::Literal(Secret::from(digits)))
}

fn ours(realm: Option<&str>, algorithms: &[DigestAlgorithm]) -> Credentials {
    let hash = |algorithm: &DigestAlgorithm| literal(*algorithm, &"aB".repeat(algorithm.length()));
    let ha1 = algorithms.iter().map(hash).collect();
    let settings = UpstreamDigest { user: "a.example".to_owned(), realm: realm.map(str::to_owned), ha1 };
    Credentials::new(&settings).unwrap()
}

fn challenge(algorithm: &str, nonce: &str) -> String {
    format!(r#"Digest realm="{REALM}", qop="auth", algorithm={algorithm}, nonce="{nonce}""#)
}

fn take(authorization: &Credentials, port: u16, challenges: &[&str]) -> Result<(), NotLetIn> {
    authorization.challenged(
        &server(port),
        challenges.iter().map(|challenge| challenge.as_bytes()),
        None,
        Instant::now(),
    )
}

/// Algorithm, nonce and count of what is sent.
fn sent(authorization: &Credentials, port: u16) -> Option<(Sent, String)> {
    let (value, sent) = authorization.authorize(&server(port), "GET", "/", "c", Instant::now())?;
    let parameter = |name: &str| {
        let (_, rest) = value.split_once(&format!("{name}=")).unwrap();
        rest.split([',', ' ']).next().unwrap().trim_matches('"').to_owned()
    };
    Some((sent, format!("{} {} {}", parameter("algorithm"), parameter(" nonce"), parameter("nc"))))
}

#[test]
fn the_strongest_challenge_is_answered_that_there_is_a_hash_for() {
    use DigestAlgorithm::{Md5, Sha256};
    let (md5, sha256, sha512) = (challenge("MD5", "m"), challenge("SHA-256", "s"), challenge("SHA-512-256", "t"));
    let session = challenge("SHA-256-sess", "x");
    let other = sha256.replace(REALM, "c.example");
    let covered = sha256.replace("auth", "auth-int");
    let unknown = NotLetIn::Algorithm("MD5".to_owned());
    let realm = NotLetIn::Realm("c.example".to_owned());
    type Case<'a> = (&'a [DigestAlgorithm], &'a [&'a str], Result<&'a str, NotLetIn>);
    let cases: [Case<'_>; 12] = [
        (&[Sha256, Md5], &[&md5, &sha256, &sha512], Ok("SHA-256 s 00000001")),
        (&[Md5], &[&sha512, &sha256, &md5], Ok("MD5 m 00000001")),
        (&[Sha256], &[&md5, &session], Ok("SHA-256-sess x 00000001")),
        (&[Sha256], &["Basic realm=\"b.example\"", &sha256], Ok("SHA-256 s 00000001")),
        (&[Sha256], &[&other, &sha256], Ok("SHA-256 s 00000001")),
        // A weaker one than we have a hash for is not answered by the other hash.
        (&[Sha256], &[&md5], Err(unknown)),
        (&[Sha256, Md5], &[&sha512], Err(NotLetIn::Algorithm("SHA-512-256".to_owned()))),
        (&[Sha256], &[&other], Err(realm)),
        (&[Sha256], &[&covered], Err(NotLetIn::NoDigest)),
        (&[Sha256], &["Basic realm=\"b.example\""], Err(NotLetIn::NoDigest)),
        (&[Sha256], &["Digest realm"], Err(NotLetIn::NoDigest)),
        (&[Sha256], &[], Err(NotLetIn::NoDigest)),
    ];
    for (known, challenges, expected) in cases {
        let authorization = ours(Some(REALM), known);
        let taken = take(&authorization, 1, challenges);
        let found = taken.map(|()| sent(&authorization, 1).unwrap().1);
        assert_eq!(found, expected.map(str::to_owned), "{known:?} {challenges:?}");
    }
    let anywhere = ours(None, &[Sha256]);
    assert_eq!(take(&anywhere, 1, &[&other]), Ok(()));
}

#[test]
fn a_nonce_is_used_with_its_own_server_and_with_counts_that_grow() {
    let authorization = ours(None, &[DigestAlgorithm::Sha256]);
    assert!(sent(&authorization, 1).is_none(), "nothing is sent before it is asked for");
    take(&authorization, 1, &[&challenge("SHA-256", "one")]).unwrap();
    take(&authorization, 2, &[&challenge("SHA-256", "two")]).unwrap();
    let all: Vec<String> = [1, 1, 2, 1].map(|port| sent(&authorization, port).unwrap().1).into();
    assert_eq!(all, ["SHA-256 one 00000001", "SHA-256 one 00000002", "SHA-256 two 00000001", "SHA-256 one 00000003"]);
    assert!(sent(&authorization, 3).is_none());
}

#[test]
fn the_next_nonce_is_taken_up_once_however_many_answers_give_it() {
    let authorization = ours(None, &[DigestAlgorithm::Sha256]);
    take(&authorization, 1, &[&challenge("SHA-256", "one")]).unwrap();
    let mut parallel: Vec<Sent> = (0..3).map(|_| sent(&authorization, 1).unwrap().0).collect();
    let next = br#"nextnonce="two""#;
    for (sent_before, expected) in parallel.iter_mut().zip(1..) {
        assert_eq!(authorization.informed(&server(1), sent_before, next), None);
        assert_eq!(sent(&authorization, 1).unwrap().1, format!("SHA-256 two {expected:08x}"));
    }
    // What is said under a nonce that was given up changes nothing.
    assert_eq!(authorization.informed(&server(1), &mut parallel[0], br#"nextnonce="three""#), None);
    assert_eq!(sent(&authorization, 1).unwrap().1, "SHA-256 two 00000004");
    assert_eq!(authorization.informed(&server(1), &mut parallel[0], b"no parameters"), None);
}

#[test]
fn a_nonce_under_which_we_are_refused_is_given_up_and_no_other() {
    let authorization = ours(None, &[DigestAlgorithm::Sha256]);
    let long_ago = Instant::now();
    take(&authorization, 1, &[&challenge("SHA-256", "one")]).unwrap();
    let (before, _) = sent(&authorization, 1).unwrap();
    take(&authorization, 1, &[&challenge("SHA-256", "two")]).unwrap();
    let refused = authorization.refused(&server(1), &before, long_ago);
    assert_eq!(refused.to_string(), r#"it refuses the credentials of "a.example" (SHA-256)"#);
    let later = long_ago + PAUSE;
    let (value, now) = authorization.authorize(&server(1), "GET", "/", "c", later).unwrap();
    assert!(value.contains("nonce=\"two\""), "{value}");
    let _ = authorization.refused(&server(1), &now, later);
    assert!(authorization.authorize(&server(1), "GET", "/", "c", later + LONGEST_PAUSE).is_none());
}

#[test]
fn a_server_that_refuses_us_is_left_alone_longer_and_longer_and_then_tried_by_one_request() {
    let authorization = ours(None, &[DigestAlgorithm::Sha256]);
    let mut now = Instant::now();
    let asked = |now| {
        let challenge = challenge("SHA-256", "n");
        authorization.challenged(&server(1), [challenge.as_bytes()], None, now)
    };
    let authorize = |now| authorization.authorize(&server(1), "GET", "/", "c", now).map(|(_, sent)| sent);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        asked(now).unwrap();
        let trial = authorize(now).unwrap();
        let parallel = (pauses.is_empty()).then(|| authorize(now).unwrap());
        if parallel.is_none() {
            assert!(authorize(now).is_none() && asked(now).is_err(), "one request tries it");
        }
        let _ = authorization.refused(&server(1), &trial, now);
        let Err(NotLetIn::Pausing { left, .. }) = asked(now) else { panic!("it is not left alone") };
        if let Some(parallel) = parallel {
            let _ = authorization.refused(&server(1), &parallel, now);
        }
        assert!(authorize(now).is_none());
        pauses.push(left);
        now += Duration::from_secs(left);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    // Nothing has come of the trial: the next one may try after a while.
    asked(now).unwrap();
    assert!(authorize(now).is_some() && authorize(now + TRIAL / 2).is_none());
    now += TRIAL;
    let trial = authorize(now).unwrap();
    // A nonce that has grown old is no refusal, and the same request comes again.
    let stale = challenge("SHA-256", "newer");
    authorization.challenged(&server(1), [stale.as_bytes()], Some(&trial), now).unwrap();
    assert!(authorize(now).is_some());
    authorization.let_in(&server(1));
    assert!(authorize(now).is_some() && authorize(now).is_some(), "all goes on");
    assert!(authorization.authorize(&server(2), "GET", "/", "c", now).is_none());
}

#[test]
fn what_is_no_hash_is_refused_and_what_is_one_is_not_shown() {
    for (algorithm, digits) in
        [(DigestAlgorithm::Sha256, "ab"), (DigestAlgorithm::Md5, "no hexadecimal digits at all!!!!")]
    {
        let ha1 = vec![literal(algorithm, digits)];
        let settings = UpstreamDigest { user: "a".to_owned(), realm: None, ha1 };
        let error = Credentials::new(&settings).unwrap_err().to_string();
        assert!(error.ends_with("hexadecimal digits") && !error.contains(digits), "{error}");
    }
    let authorization = ours(None, &[DigestAlgorithm::Sha256]);
    take(&authorization, 1, &[&challenge("SHA-256", "one")]).unwrap();
    let _ = sent(&authorization, 1);
    assert!(!format!("{authorization:?}").to_lowercase().contains("abab"));
    let long = ours(Some(REALM), &[DigestAlgorithm::Md5]);
    let error = take(&long, 1, &[&challenge("MD5", "n").replace(REALM, &"r".repeat(3000))]).unwrap_err();
    assert!(error.to_string().len() < 300);
}
