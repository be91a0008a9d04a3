//! Questions as octets, and answers made by hand: right ones, and everything that can be wrong with one.

use super::request::{NONCE, encode};
use super::*;
use crate::certificate::der;
use crate::certificate::fields::Fields;
use crate::certificate::testing::{Authority, NOW, ecdsa_with_sha256, openssl, sequence, tlv};
use proptest::prelude::*;
use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SigningKey, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use std::sync::LazyLock;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
const ARCHIVE_CUTOFF: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x06];

static ISSUER: LazyLock<Authority> = LazyLock::new(|| Authority::root("Issuer"));
static LEAF: LazyLock<CertificateDer<'static>> = LazyLock::new(|| ISSUER.leaf("Alice"));
static DELEGATE: LazyLock<Authority> = LazyLock::new(|| ISSUER.below_with("Responder", delegate));

/// Makes a certificate that of a delegate.
fn delegate(params: &mut CertificateParams) {
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
}

fn id(algorithm: HashAlgorithm) -> CertId {
    let (leaf, issuer) = (Fields::read(&LEAF).unwrap(), Fields::read(&ISSUER.der).unwrap());
    CertId::new(algorithm, issuer.subject, issuer.public_key, leaf.serial).unwrap()
}

/// An answer, field by field.
#[derive(Clone)]
struct Recipe {
    response_status: u8,
    kind: Vec<u8>,
    version: Vec<u8>,
    responder: Vec<u8>,
    produced_at: Timestamp,
    singles: Vec<Vec<u8>>,
    extensions: Vec<u8>,
    certificates: Vec<Vec<u8>>,
    signer: &'static Authority,
}

#[derive(Clone)]
struct SingleRecipe {
    id: CertId,
    status: Vec<u8>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    extensions: Vec<u8>,
}

fn good() -> SingleRecipe {
    SingleRecipe {
        id: id(HashAlgorithm::Sha1),
        status: tlv(der::primitive(0), &[]),
        this_update: NOW.minus(MINUTE),
        next_update: Some(NOW.plus(HOUR)),
        extensions: Vec::new(),
    }
}

fn time(at: Timestamp) -> Vec<u8> {
    let text: String = at.to_string().chars().filter(|c| c.is_ascii_digit()).chain(['Z']).collect();
    tlv(der::GENERALIZED_TIME, &[text.as_bytes()])
}

fn revoked(reason: &[u8]) -> Vec<u8> {
    tlv(der::constructed(1), &[&time(NOW.minus(HOUR)), reason])
}

fn reason(code: u8) -> Vec<u8> {
    tlv(der::constructed(0), &[&tlv(der::ENUMERATED, &[&[code]])])
}

fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[identifier]), critical, &tlv(der::OCTET_STRING, &[value])])
}

fn extensions(list: &[&[u8]]) -> Vec<u8> {
    tlv(der::constructed(1), &[&sequence(list)])
}

fn nonce(octets: &[u8]) -> Vec<u8> {
    extensions(&[&extension(NONCE, false, &tlv(der::OCTET_STRING, &[octets]))])
}

impl SingleRecipe {
    fn der(&self) -> Vec<u8> {
        let next = self.next_update.map_or_else(Vec::new, |next| tlv(der::constructed(0), &[&time(next)]));
        sequence(&[&self.id.to_der(), &self.status, &time(self.this_update), &next, &self.extensions])
    }
}

/// A responder called by the subject of a certificate.
fn by_name(certificate: &[u8]) -> Vec<u8> {
    tlv(der::constructed(1), &[Fields::read(certificate).unwrap().subject])
}

/// A responder called by the key of a certificate.
fn by_key(certificate: &[u8]) -> Vec<u8> {
    let key = request::key_octets(Fields::read(certificate).unwrap().public_key).unwrap();
    tlv(der::constructed(2), &[&tlv(der::OCTET_STRING, &[&HashAlgorithm::Sha1.hash(key)])])
}

/// The issuer's own good answer.
fn right() -> Recipe {
    Recipe {
        response_status: 0,
        kind: BASIC.to_vec(),
        version: Vec::new(),
        responder: by_name(&ISSUER.der),
        produced_at: NOW.minus(MINUTE),
        singles: vec![good().der()],
        extensions: Vec::new(),
        certificates: Vec::new(),
        signer: &ISSUER,
    }
}

fn single(change: impl FnOnce(&mut SingleRecipe)) -> Recipe {
    let mut single = good();
    change(&mut single);
    Recipe { singles: vec![single.der()], ..right() }
}

/// An answer of somebody who shows this certificate.
fn delegated(signer: &'static Authority, certificate: &[u8]) -> Recipe {
    Recipe { responder: by_name(certificate), certificates: vec![certificate.to_vec()], signer, ..right() }
}

impl Recipe {
    fn der(&self) -> Vec<u8> {
        let singles: Vec<&[u8]> = self.singles.iter().map(Vec::as_slice).collect();
        let body = [&self.version, &self.responder, &time(self.produced_at), &sequence(&singles), &self.extensions];
        let signed = sequence(&body.map(Vec::as_slice));
        let signature = self.signer.issuer.key().sign(&signed).unwrap();
        let certificates: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
        let certificates = match certificates.as_slice() {
            [] => Vec::new(),
            list => tlv(der::constructed(0), &[&sequence(list)]),
        };
        let signature = tlv(der::BIT_STRING, &[&[0], &signature]);
        let basic = sequence(&[&signed, &ecdsa_with_sha256(), &signature, &certificates]);
        let bytes = sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[&self.kind]), &tlv(der::OCTET_STRING, &[&basic])]);
        sequence(&[&tlv(der::ENUMERATED, &[&[self.response_status]]), &tlv(der::constructed(0), &[&bytes])])
    }

    fn verify(&self) -> Result<Statement, Fault> {
        verify_octets(&self.der())
    }
}

fn verify_octets(octets: &[u8]) -> Result<Statement, Fault> {
    verify_asked(octets, |_| {})
}

fn verify_asked(octets: &[u8], change: impl FnOnce(&mut Asked<'_>)) -> Result<Statement, Fault> {
    let issuer = Fields::read(&ISSUER.der).unwrap();
    let id = id(HashAlgorithm::Sha1);
    let mut asked = Asked::new(&id, issuer.subject, issuer.public_key);
    change(&mut asked);
    verify(octets, &asked, NOW)
}

#[test]
fn a_question_is_what_openssl_asks() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("issuer.der"), &ISSUER.der).unwrap();
    std::fs::write(directory.path().join("leaf.der"), &*LEAF).unwrap();
    for name in ["issuer", "leaf"] {
        openssl(directory.path(), &format!("x509 -inform der -in {name}.der -out {name}.pem"));
    }
    for (algorithm, option) in [(HashAlgorithm::Sha1, "-sha1"), (HashAlgorithm::Sha256, "-sha256")] {
        let question = format!("ocsp {option} -no_nonce -issuer issuer.pem -cert leaf.pem -reqout q.der");
        openssl(directory.path(), &question);
        let expected = std::fs::read(directory.path().join("q.der")).unwrap();
        assert_eq!(encode(&id(algorithm), None), expected, "{algorithm:?}");
    }
    std::fs::write(directory.path().join("n.der"), encode(&id(HashAlgorithm::Sha1), Some(&[7; 32]))).unwrap();
    let text = openssl(directory.path(), "ocsp -reqin n.der -req_text");
    assert!(text.contains("OCSP Nonce") && text.contains(&"07".repeat(32)), "{text}");
}

#[test]
fn a_serial_number_is_sent_as_a_positive_integer() {
    let issuer = Fields::read(&ISSUER.der).unwrap();
    for (serial, integer) in [
        (&[0x01_u8][..], &[0x02_u8, 0x01, 0x01][..]),
        (&[0x80], &[0x02, 0x02, 0x00, 0x80]),
        (&[0x00], &[0x02, 0x01, 0x00]),
    ] {
        let id = CertId::new(HashAlgorithm::Sha1, issuer.subject, issuer.public_key, serial).unwrap();
        assert!(id.to_der().ends_with(integer), "{serial:02x?}");
    }
}

#[test]
fn the_state_of_a_certificate_is_told() {
    let at = NOW.minus(HOUR);
    let cases = [
        (tlv(der::primitive(0), &[]), Status::Good),
        (tlv(der::primitive(2), &[]), Status::Unknown),
        (revoked(&[]), Status::Revoked { at, reason: None }),
        (revoked(&reason(1)), Status::Revoked { at, reason: Some(RevocationReason::KeyCompromise) }),
        // On hold is never good: it may come back, and until then it is out.
        (revoked(&reason(6)), Status::Revoked { at, reason: Some(RevocationReason::CertificateHold) }),
    ];
    for (status, expected) in cases {
        let statement = single(|single| single.status = status).verify().unwrap();
        assert_eq!(statement.status, expected);
        assert_eq!(statement.this_update, NOW.minus(MINUTE));
        assert_eq!(statement.next_update, Some(NOW.plus(HOUR)));
        assert_eq!(statement.until, NOW.plus(HOUR).plus(CLOCK_TOLERANCE));
    }
}

#[test]
fn an_answer_counts_if_the_issuer_or_a_delegate_of_it_signed_it() {
    let of_another_name = |certificate: &[u8]| Recipe { responder: by_key(certificate), ..right() };
    let cases = [
        ("the issuer by name", right()),
        ("the issuer by key", of_another_name(&ISSUER.der)),
        ("a delegate by name", delegated(&DELEGATE, &DELEGATE.der)),
        ("a delegate by key", Recipe { responder: by_key(&DELEGATE.der), ..delegated(&DELEGATE, &DELEGATE.der) }),
        (
            "a delegate behind other certificates",
            Recipe { certificates: vec![LEAF.to_vec(), DELEGATE.der.to_vec()], ..delegated(&DELEGATE, &DELEGATE.der) },
        ),
        ("version 1, written out", Recipe { version: vec![0xa0, 3, 2, 1, 0], ..right() }),
        ("an extension that is not critical", {
            let ignored = extensions(&[&extension(ARCHIVE_CUTOFF, false, &[0x05, 0x00])]);
            Recipe { extensions: ignored.clone(), ..single(|single| single.extensions = ignored) }
        }),
        ("others' states besides", {
            let mut other = good();
            other.id.serial = vec![1];
            other.status = revoked(&[]);
            Recipe { singles: vec![other.der(), good().der()], ..right() }
        }),
    ];
    for (what, recipe) in cases {
        assert_eq!(recipe.verify().map(|statement| statement.status), Ok(Status::Good), "{what}");
    }
}

#[test]
fn an_answer_of_anybody_else_is_refused() {
    static STRANGER: LazyLock<Authority> = LazyLock::new(|| Authority::root("Issuer"));
    static OTHER: LazyLock<Authority> = LazyLock::new(|| Authority::root("Other"));
    static OF_OTHER: LazyLock<Authority> = LazyLock::new(|| OTHER.below_with("Responder", delegate));
    // As a stranger who bears the issuer's name signs it.
    static FORGED: LazyLock<Authority> = LazyLock::new(|| STRANGER.below_with("Responder", delegate));
    static NO_PURPOSE: LazyLock<Authority> = LazyLock::new(|| {
        ISSUER.below_with("Responder", |params| {
            delegate(params);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Any];
        })
    });
    static PLAIN: LazyLock<Authority> =
        LazyLock::new(|| ISSUER.below_with("Responder", |params| params.is_ca = IsCa::NoCa));
    static WRONG_USE: LazyLock<Authority> = LazyLock::new(|| {
        ISSUER.below_with("Responder", |params| {
            delegate(params);
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        })
    });
    static EXPIRED: LazyLock<Authority> = LazyLock::new(|| {
        ISSUER.below_with("Responder", |params| {
            delegate(params);
            params.not_after = date_time_ymd(2026, 5, 1);
        })
    });
    static NOT_YET: LazyLock<Authority> = LazyLock::new(|| {
        ISSUER.below_with("Responder", |params| {
            delegate(params);
            params.not_before = date_time_ymd(2026, 7, 1);
        })
    });
    static DEMANDING: LazyLock<Authority> = LazyLock::new(|| {
        ISSUER.below_with("Responder", |params| {
            delegate(params);
            let mut demand = CustomExtension::from_oid_content(&[1, 2, 3], vec![0x05, 0x00]);
            demand.set_criticality(true);
            params.custom_extensions = vec![demand];
        })
    });
    // One level too low: signed by a delegate, not by the issuer.
    static BELOW: LazyLock<Authority> = LazyLock::new(|| DELEGATE.below_with("Responder", delegate));

    let wrong = Fault::Signature(SignatureError::Wrong);
    let no_delegate = |why| Fault::NoDelegate { subject: "CN=Responder".to_owned(), why };
    let shown = |signer: &'static Authority| delegated(signer, &signer.der);
    let cases = [
        ("wrong key, right name", Recipe { signer: &STRANGER, ..right() }, wrong.clone()),
        (
            "somebody who shows nothing",
            Recipe { responder: by_name(&OTHER.der), signer: &OTHER, ..right() },
            Fault::OtherSigner,
        ),
        (
            "a trusted-looking root",
            shown(&OTHER),
            Fault::NoDelegate { subject: "CN=Other".to_owned(), why: "its certificate has another issuer" },
        ),
        ("a delegate of another issuer", shown(&OF_OTHER), no_delegate("its certificate has another issuer")),
        ("a forged delegate", shown(&FORGED), no_delegate("its certificate is not signed with the issuer's key")),
        ("a delegate's delegate", shown(&BELOW), no_delegate("its certificate has another issuer")),
        (
            "another purpose",
            shown(&NO_PURPOSE),
            no_delegate("its certificate lacks the extended key usage OCSPSigning"),
        ),
        ("no purpose", shown(&PLAIN), no_delegate("its certificate lacks the extended key usage OCSPSigning")),
        ("a key for other things", shown(&WRONG_USE), no_delegate("its key usage does not allow signatures")),
        ("an expired delegate", shown(&EXPIRED), no_delegate("its certificate is expired or not yet valid")),
        ("a delegate of tomorrow", shown(&NOT_YET), no_delegate("its certificate is expired or not yet valid")),
        (
            "a delegate who demands more",
            shown(&DEMANDING),
            no_delegate("its certificate has a critical extension that is not understood"),
        ),
        ("another than the one who is shown", delegated(&OTHER, &DELEGATE.der), wrong),
        (
            "another than the one who is named",
            Recipe { responder: by_name(&OTHER.der), ..delegated(&DELEGATE, &DELEGATE.der) },
            Fault::OtherSigner,
        ),
        (
            "a certificate of another key",
            Recipe { responder: by_key(&ISSUER.der), ..delegated(&DELEGATE, &DELEGATE.der) },
            Fault::OtherSigner,
        ),
    ];
    for (what, recipe, expected) in cases {
        assert_eq!(recipe.verify(), Err(expected), "{what}");
    }
}

#[test]
fn an_answer_is_believed_only_while_it_is_in_force() {
    let dated = |this: Timestamp, next: Option<Timestamp>| {
        single(|single| (single.this_update, single.next_update) = (this, next))
            .verify()
            .map(|statement| statement.until)
    };
    let second = Duration::from_secs(1);
    let tolerance = CLOCK_TOLERANCE;
    let cases = [
        (dated(NOW.plus(tolerance), Some(NOW.plus(HOUR))), Ok(NOW.plus(HOUR).plus(tolerance))),
        (
            dated(NOW.plus(tolerance).plus(second), Some(NOW.plus(HOUR))),
            Err(Fault::Future(NOW.plus(tolerance).plus(second))),
        ),
        (dated(NOW.minus(HOUR), Some(NOW.minus(tolerance))), Ok(NOW)),
        (
            dated(NOW.minus(HOUR), Some(NOW.minus(tolerance).minus(second))),
            Err(Fault::Expired(NOW.minus(tolerance).minus(second))),
        ),
        (dated(NOW, Some(NOW.minus(second))), Err(Fault::Dates)),
        (dated(NOW, None), Ok(NOW.plus(WITHOUT_NEXT_UPDATE).plus(tolerance))),
        (dated(NOW.minus(HOUR), None), Err(Fault::Expired(NOW.minus(HOUR).plus(WITHOUT_NEXT_UPDATE)))),
    ];
    for (number, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, expected, "{number}");
    }
    let made_tomorrow = Recipe { produced_at: NOW.plus(HOUR), ..right() };
    assert_eq!(made_tomorrow.verify(), Err(Fault::Future(NOW.plus(HOUR))));
    let strict = verify_asked(&single(|single| single.next_update = Some(NOW.minus(second))).der(), |asked| {
        asked.tolerance = Duration::ZERO;
    });
    assert_eq!(strict, Err(Fault::Expired(NOW.minus(second))));
}

#[test]
fn an_answer_about_another_certificate_says_nothing() {
    let cases: [fn(&mut CertId); 4] = [
        |id| id.serial = vec![1],
        |id| id.name_hash = vec![0; 20],
        |id| id.key_hash = vec![0; 20],
        // The same hashes under another algorithm's name.
        |id| id.algorithm = HashAlgorithm::Sha256,
    ];
    for change in cases {
        assert_eq!(single(|single| change(&mut single.id)).verify(), Err(Fault::OtherCertificate));
    }
    let by_sha256 = single(|single| single.id = id(HashAlgorithm::Sha256));
    assert_eq!(by_sha256.verify(), Err(Fault::OtherCertificate));
    let issuer = Fields::read(&ISSUER.der).unwrap();
    let asked_by_sha256 = id(HashAlgorithm::Sha256);
    let asked = Asked::new(&asked_by_sha256, issuer.subject, issuer.public_key);
    assert_eq!(verify(&by_sha256.der(), &asked, NOW).map(|statement| statement.status), Ok(Status::Good));

    let mut revoked_too = good();
    revoked_too.status = revoked(&[]);
    let twice = Recipe { singles: vec![good().der(), revoked_too.der()], ..right() };
    assert_eq!(twice.verify(), Err(Fault::Twice));
    assert_eq!(Recipe { singles: Vec::new(), ..right() }.verify(), Err(Fault::OtherCertificate));
}

#[test]
fn a_nonce_comes_back_as_it_was_sent_or_not_at_all() {
    let answer = |extensions: Vec<u8>| Recipe { extensions, ..right() }.der();
    let cases = [
        (answer(nonce(&[7; 32])), false, Ok(())),
        (answer(nonce(&[7; 32])), true, Ok(())),
        (answer(nonce(&[8; 32])), false, Err(Fault::OtherNonce)),
        (answer(nonce(&[])), false, Err(Fault::OtherNonce)),
        (answer(Vec::new()), false, Ok(())),
        (answer(Vec::new()), true, Err(Fault::NoNonce)),
    ];
    for (answer, needed, expected) in cases {
        let found =
            verify_asked(&answer, |asked| (asked.nonce, asked.nonce_needed) = (Some([7; 32].as_slice()), needed));
        assert_eq!(found.map(|_| ()), expected);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let critical = || extensions(&[&extension(ARCHIVE_CUTOFF, true, &[0x05, 0x00])]);
    let many = |count: usize| Recipe { singles: vec![good().der(); count], ..right() };
    let long = [vec![0x30, 0x83, 0x01, 0x00, 0x00], vec![0x7f; MAX_RESPONSE]].concat();
    let refusal = |status: u8| sequence(&[&tlv(der::ENUMERATED, &[&[status]])]);
    let malformed = |what| Err(Fault::Malformed(DerError::Value(what)));
    let cases = [
        (
            Recipe { extensions: critical(), ..right() }.der(),
            Err(Fault::CriticalExtension("1.3.6.1.5.5.7.48.1.6".to_owned())),
        ),
        (
            single(|single| single.extensions = critical()).der(),
            Err(Fault::CriticalExtension("1.3.6.1.5.5.7.48.1.6".to_owned())),
        ),
        (Recipe { kind: vec![0x2a, 0x03], ..right() }.der(), Err(Fault::Type("1.2.3".to_owned()))),
        (Recipe { version: vec![0xa0, 3, 2, 1, 1], ..right() }.der(), malformed("the version")),
        (many(MAX_SINGLE_RESPONSES + 1).der(), Err(Fault::TooMany("certificates' states"))),
        (
            Recipe { certificates: vec![LEAF.to_vec(); MAX_CERTIFICATES + 1], ..right() }.der(),
            Err(Fault::TooMany("certificates")),
        ),
        (long, Err(Fault::TooLarge)),
        (b"<!DOCTYPE html><title>502 Bad Gateway</title>".to_vec(), Err(Fault::Text)),
        ("\u{feff}<html>\r\n<body>no such page</body></html>".as_bytes().to_vec(), Err(Fault::Text)),
        (b"0 results were found".to_vec(), Err(Fault::Text)),
        (Vec::new(), Err(Fault::Malformed(DerError::Truncated))),
        (refusal(1), Err(Fault::Refused(Refusal::MalformedRequest))),
        (refusal(2), Err(Fault::Refused(Refusal::InternalError))),
        (refusal(3), Err(Fault::Refused(Refusal::TryLater))),
        (refusal(4), malformed("the responseStatus")),
        (refusal(5), Err(Fault::Refused(Refusal::SigRequired))),
        (refusal(6), Err(Fault::Refused(Refusal::Unauthorized))),
        (refusal(0), Err(Fault::Malformed(DerError::Truncated))),
        (single(|single| single.status = tlv(der::primitive(0), &[&[0]])).der(), malformed("a certStatus")),
        (single(|single| single.status = revoked(&reason(7))).der(), malformed("a CRLReason")),
        ([right().der(), vec![0]].concat(), Err(Fault::Malformed(DerError::Leftover))),
    ];
    for (number, (answer, expected)) in cases.into_iter().enumerate() {
        assert_eq!(verify_octets(&answer), expected, "{number}");
    }
}

#[test]
fn an_answer_of_openssl_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, octets: &[u8]| std::fs::write(directory.path().join(name), octets).unwrap();
    write("ca.pem", rcgen_pem(&ISSUER.der).as_bytes());
    write("ca.key", ISSUER.issuer.key().serialize_pem().as_bytes());
    write("leaf.pem", rcgen_pem(&LEAF).as_bytes());
    let serial: String = id(HashAlgorithm::Sha1).serial.iter().map(|octet| format!("{octet:02X}")).collect();
    for (state, expected) in [
        (format!("V\t301231235959Z\t\t{serial}\tunknown\t/CN=Alice"), "good"),
        (format!("R\t301231235959Z\t260101000000Z,keyCompromise\t{serial}\tunknown\t/CN=Alice"), "revoked"),
        ("V\t301231235959Z\t\t01\tunknown\t/CN=Bob".to_owned(), "unknown"),
    ] {
        write("index", format!("{state}\n").as_bytes());
        openssl(directory.path(), "ocsp -sha1 -no_nonce -issuer ca.pem -cert leaf.pem -reqout q.der");
        openssl(
            directory.path(),
            "ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key -nmin 10 -reqin q.der -respout a.der",
        );
        let answer = std::fs::read(directory.path().join("a.der")).unwrap();
        let issuer = Fields::read(&ISSUER.der).unwrap();
        let id = id(HashAlgorithm::Sha1);
        let now = Timestamp::now();
        let statement = verify(&answer, &Asked::new(&id, issuer.subject, issuer.public_key), now).unwrap();
        let told = match statement.status {
            Status::Good => "good",
            Status::Revoked { reason: Some(RevocationReason::KeyCompromise), .. } => "revoked",
            Status::Revoked { .. } => "revoked for another reason",
            Status::Unknown => "unknown",
        };
        assert_eq!(told, expected);
        assert!(statement.next_update.is_some_and(|next| next > now));
    }
}

fn rcgen_pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

proptest! {
    #[test]
    fn no_octets_end_the_process(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify_octets(&octets).is_err());
    }

    #[test]
    fn one_changed_octet_is_never_believed(place: proptest::sample::Index, change in 1_u8..) {
        static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| right().der());
        let mut answer = ANSWER.clone();
        let place = place.index(answer.len());
        answer[place] ^= change;
        prop_assert!(verify_octets(&answer).is_err(), "octet {place}");
    }

    #[test]
    fn a_cut_answer_is_never_believed(length: proptest::sample::Index) {
        static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| delegated(&DELEGATE, &DELEGATE.der).der());
        prop_assert!(verify_octets(&ANSWER[..length.index(ANSWER.len())]).is_err());
    }
}
