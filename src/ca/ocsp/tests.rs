//! The responder's side against the other side: our own reading of answers, and OpenSSL's.

use super::answer::{assemble, sign};
use super::request::{from_path, one_segment};
use super::{CertId, Delegate, Issuer, MAX_REQUEST, Refusal, Request, Statement};
use crate::base::clock::Timestamp;
use crate::ca::issue::Authority;
use crate::ca::key::SoftwareKey;
use crate::ca::profile::{AlternativeName, Profile, Subject, Validity};
use crate::certificate::fields::Fields;
use crate::certificate::testing::openssl;
use crate::revocation::crl::RevocationReason;
use crate::revocation::ocsp::{self, Asked, CertId as Named, Fault, HashAlgorithm, Status, verify};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const ALGORITHMS: [HashAlgorithm; 2] = [HashAlgorithm::Sha1, HashAlgorithm::Sha256];

fn subject(name: &str) -> Subject {
    Subject { common_name: name.into(), organization: None, names: Vec::new() }
}

struct Bench {
    now: Timestamp,
    authority: Authority,
    issuer: Issuer,
    delegate: Delegate,
    alice: CertificateDer<'static>,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::now();
        let key = || Box::new(SoftwareKey::generate().unwrap());
        let validity = Validity::starting(now, DAY * 30);
        let authority = Authority::root(key(), &subject("Authority"), validity).unwrap();
        let names = vec![AlternativeName::Email("alice@example.org".into())];
        let alice = authority.issue(&Profile::client(), &Subject { names, ..subject("Alice") }, validity).unwrap();
        let delegate = Delegate::new(&authority, now, DAY * 3).unwrap();
        let issuer = Issuer::new(&authority.name_der().unwrap(), authority.public_key()).unwrap();
        Self { now, authority, issuer, delegate, alice: alice.certificate }
    }

    fn serial(&self) -> &[u8] {
        Fields::read(&self.alice).unwrap().serial
    }

    fn statement(&self, status: Status) -> Statement {
        let (this_update, next_update) = (self.now, self.now.plus(DAY));
        Statement { serial: self.serial().to_vec(), status, this_update, next_update }
    }

    fn answer(&self, algorithm: HashAlgorithm, status: Status) -> Vec<u8> {
        let signed = sign(&self.delegate, &self.issuer, algorithm, &[self.statement(status)], self.now).unwrap();
        assemble(&signed, self.delegate.certificate())
    }
}

#[test]
fn our_own_gate_believes_an_answer_whatever_the_certificate_is_called_by() {
    let bench = Bench::new();
    let name = bench.authority.name_der().unwrap();
    let revoked = |reason| Status::Revoked { at: bench.now.minus(DAY), reason };
    for algorithm in ALGORITHMS {
        let id = Named::new(algorithm, &name, bench.authority.public_key(), bench.serial()).unwrap();
        let asked = Asked::new(&id, &name, bench.authority.public_key());
        for status in [Status::Good, revoked(None), revoked(Some(RevocationReason::CertificateHold)), Status::Unknown] {
            let statement = verify(&bench.answer(algorithm, status), &asked, bench.now).unwrap();
            assert_eq!(statement.status, status);
            assert_eq!((statement.this_update, statement.next_update), (bench.now, Some(bench.now.plus(DAY))));
        }
        // What says nothing is left out.
        let answer = bench.answer(algorithm, revoked(Some(RevocationReason::Unspecified)));
        assert_eq!(verify(&answer, &asked, bench.now).unwrap().status, revoked(None));
    }
}

#[test]
fn an_answer_of_somebody_elses_delegate_is_not_believed() {
    let (bench, other) = (Bench::new(), Bench::new());
    let name = bench.authority.name_der().unwrap();
    let id = Named::new(HashAlgorithm::Sha1, &name, bench.authority.public_key(), bench.serial()).unwrap();
    let asked = Asked::new(&id, &name, bench.authority.public_key());
    let signed =
        sign(&other.delegate, &bench.issuer, HashAlgorithm::Sha1, &[bench.statement(Status::Good)], bench.now).unwrap();
    let error = verify(&assemble(&signed, other.delegate.certificate()), &asked, bench.now).unwrap_err();
    assert!(matches!(error, Fault::NoDelegate { .. } | Fault::Signature(_)), "{error}");
    let error = verify(&assemble(&signed, bench.delegate.certificate()), &asked, bench.now).unwrap_err();
    assert!(matches!(error, Fault::OtherSigner | Fault::Signature(_)), "{error}");
}

#[test]
fn openssl_believes_the_answers_and_asks_questions_that_are_understood() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, octets: &[u8]| std::fs::write(folder.path().join(name), octets).unwrap();
    let pem = |der: &CertificateDer<'static>| crate::ca::pem::certificates([der]).unwrap().into_bytes();
    write("ca.pem", &pem(bench.authority.certificate()));
    write("alice.pem", &pem(&bench.alice));
    for (option, algorithm) in [("-sha1", HashAlgorithm::Sha1), ("-sha256", HashAlgorithm::Sha256)] {
        openssl(folder.path(), &format!("ocsp -issuer ca.pem {option} -cert alice.pem -reqout question.der"));
        let question = std::fs::read(folder.path().join("question.der")).unwrap();
        let request = Request::read(&question).unwrap();
        let (name_hash, key_hash) = bench.issuer.hashes(algorithm);
        let expected = CertId { algorithm: Some(algorithm), name_hash, key_hash, serial: bench.serial() };
        assert_eq!(request, Request { certificates: vec![expected], has_nonce: true });
        for (status, words) in [
            (Status::Good, "alice.pem: good"),
            (Status::Revoked { at: bench.now, reason: Some(RevocationReason::KeyCompromise) }, "alice.pem: revoked\n"),
            (Status::Unknown, "alice.pem: unknown"),
        ] {
            write("answer.der", &bench.answer(algorithm, status));
            let said = openssl(
                folder.path(),
                &format!("ocsp -issuer ca.pem {option} -cert alice.pem -no_nonce -respin answer.der -CAfile ca.pem"),
            );
            assert!(said.contains(words), "{said}");
        }
    }
    let structure = openssl(folder.path(), "ocsp -respin answer.der -noverify -resp_text");
    for expected in ["OCSP Signing", "OCSP No Check:", "Digital Signature"] {
        assert!(structure.contains(expected), "{expected} is missing in {structure}");
    }
}

#[test]
fn a_delegate_outlives_neither_its_authority_nor_its_days() {
    let bench = Bench::new();
    let short = Delegate::new(&bench.authority, bench.now, DAY).unwrap();
    assert_eq!(short.not_after(), bench.now.plus(DAY));
    let long = Delegate::new(&bench.authority, bench.now, DAY * 365).unwrap();
    assert_eq!(long.not_after(), bench.authority.validity().not_after);
    assert_ne!(short.serial(), long.serial());
    assert!(!format!("{short:?}").contains("key"), "{short:?}");
}

/// A question about these certificates, with these extensions and what may stand around it.
fn question(ids: &[Vec<u8>], extensions: &[u8]) -> Vec<u8> {
    use crate::ca::encode::{element, sequence};
    let list: Vec<Vec<u8>> = ids.iter().map(|id| sequence(&[id])).collect();
    let list = sequence(&list.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let extensions = if extensions.is_empty() { Vec::new() } else { element(0xa2, &[&sequence(&[extensions])]) };
    sequence(&[&sequence(&[&list, &extensions])])
}

fn id(algorithm: &[u8], serial: u8) -> Vec<u8> {
    use crate::ca::encode::{NULL, identifier, octet_string, sequence, unsigned};
    sequence(&[
        &sequence(&[&identifier(algorithm), NULL]),
        &octet_string(&[1; 20]),
        &octet_string(&[2; 20]),
        &unsigned(&[serial]),
    ])
}

#[test]
fn what_is_no_question_or_too_large_a_one_is_refused() {
    use crate::ca::encode::{NULL, extension};
    let sha1 = HashAlgorithm::Sha1.identifier();
    let ids = |number: u8| (1..=number).map(|serial| id(sha1, serial)).collect::<Vec<_>>();
    assert_eq!(Request::read(&question(&ids(16), &[])).unwrap().certificates.len(), 16);
    let other = question(&[id(&[0x2a], 1)], &[]);
    assert_eq!(Request::read(&other).unwrap().certificates.first().unwrap().algorithm, None);
    // Critical extensions that nobody knows, and one that is not critical.
    assert!(Request::read(&question(&ids(1), &extension(&[0x2a, 3], true, NULL))).is_err());
    assert!(Request::read(&question(&ids(1), &extension(&[0x2a, 3], false, NULL))).is_ok());
    let trailing = [question(&ids(1), &[]), vec![0]].concat();
    for refused in [question(&[], &[]), question(&ids(17), &[]), Vec::new(), vec![0x30, 0], trailing] {
        assert!(Request::read(&refused).is_err(), "{refused:?}");
    }
    assert!(Request::read(&vec![0x30; MAX_REQUEST + 1]).is_err());
}

#[test]
fn refusals_are_what_clients_understand() {
    use ocsp::Refusal as Told;
    let bench = Bench::new();
    let name = bench.authority.name_der().unwrap();
    let id = Named::new(HashAlgorithm::Sha1, &name, bench.authority.public_key(), bench.serial()).unwrap();
    let asked = Asked::new(&id, &name, bench.authority.public_key());
    for (refusal, told) in [
        (Refusal::Malformed, Told::MalformedRequest),
        (Refusal::TryLater, Told::TryLater),
        (Refusal::Unauthorized, Told::Unauthorized),
    ] {
        assert_eq!(verify(refusal.encode(), &asked, bench.now), Err(Fault::Refused(told)));
    }
}

#[test]
fn a_question_in_a_path_is_read_however_it_is_spelled() {
    // Its base64 holds each of `+`, `/` and `=`.
    let octets = [0x30, 0x03, 0xfb, 0xff, 0xfe, 0x3e, 0x3f];
    let plain = STANDARD.encode(octets);
    assert!(plain.contains('+') && plain.contains('/') && plain.ends_with('='), "{plain}");
    let encoded = plain.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    let expected = URL_SAFE_NO_PAD.encode(octets);
    for spelling in [plain.clone(), encoded, plain.trim_end_matches('=').to_owned(), expected.clone()] {
        assert_eq!(one_segment(&spelling).as_ref(), Some(&expected), "{spelling}");
        assert_eq!(from_path(&spelling).as_deref(), Some(octets.as_slice()));
    }
    // A dot, a space, a cut-off escape, a sign in the digits, no SEQUENCE, too much.
    let long = STANDARD.encode([0x30; 3000]);
    for none in ["", "MA%", "MA%2", "MA%+4", "MA%2e%2e", "MAM A", "..", "AAAA", "%zz", long.as_str()] {
        assert_eq!(one_segment(none), None, "{none}");
    }
}

proptest! {
    #[test]
    fn what_leaves_the_speller_is_one_plain_segment(text in "[A-Za-z0-9+/=%_.-]{0,80}") {
        if let Some(segment) = one_segment(&text) {
            prop_assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            prop_assert_eq!(one_segment(&segment), Some(segment.clone()));
        }
    }

    #[test]
    fn no_octets_upset_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::read(&octets);
    }
}
