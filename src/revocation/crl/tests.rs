//! Lists that may be believed and lists that may not, asked about validated paths.

mod delta;
mod partition;
mod replace;
mod signers;

use super::*;
use crate::base::clock::Timestamp;
use crate::certificate::facts::sha256;
use crate::certificate::fields::Fields;
use crate::certificate::path::{Requirements, TrustAnchors, ValidPath, validate};
use crate::certificate::testing::{Authority, NOW, ecdsa_with_sha256, openssl, sequence, tlv};
use crate::certificate::{der, name, pem};
use crate::config::Scope;
use proptest::prelude::*;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, KeyIdMethod, KeyUsagePurpose, RevokedCertParams, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use std::sync::LazyLock;

const DAY: i64 = 86_400;

/// A list as it is to be, signed by hand, so that it may be as wrong as a test needs it.
struct Draft {
    version: Vec<u8>,
    algorithm: Vec<u8>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    entries: Vec<Vec<u8>>,
    extensions: Vec<Vec<u8>>,
    behind: Vec<u8>,
}

fn draft(serials: &[&[u8]]) -> Draft {
    Draft {
        version: tlv(der::INTEGER, &[&[1]]),
        algorithm: ecdsa_with_sha256(),
        this_update: Timestamp::from_unix(NOW.as_unix() - DAY),
        next_update: Some(Timestamp::from_unix(NOW.as_unix() + DAY)),
        entries: serials.iter().map(|serial| entry(serial, &[])).collect(),
        extensions: vec![number(7)],
        behind: Vec::new(),
    }
}

impl Draft {
    fn body(&self, issuer: &Authority) -> Vec<u8> {
        let fields = Fields::read(&issuer.der).unwrap();
        let entries = sequence(&self.entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let extensions = sequence(&self.extensions.iter().map(Vec::as_slice).collect::<Vec<_>>());
        sequence(&[
            &self.version,
            &self.algorithm,
            fields.subject,
            &time(self.this_update),
            &self.next_update.map(time).unwrap_or_default(),
            if self.entries.is_empty() { &[] } else { &entries },
            &if self.extensions.is_empty() { Vec::new() } else { tlv(der::constructed(0), &[&extensions]) },
            &self.behind,
        ])
    }

    fn signed_by(&self, issuer: &Authority) -> Vec<u8> {
        issuer.sign(&self.body(issuer))
    }
}

fn time(at: Timestamp) -> Vec<u8> {
    let text: String = at.to_string().chars().filter(char::is_ascii_digit).collect();
    tlv(der::GENERALIZED_TIME, &[text.as_bytes(), b"Z"])
}

fn integer(octets: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if octets[0] >= 0x80 { &[0] } else { &[] };
    tlv(der::INTEGER, &[sign, octets])
}

fn entry(serial: &[u8], extensions: &[&[u8]]) -> Vec<u8> {
    let extensions = if extensions.is_empty() { Vec::new() } else { sequence(extensions) };
    sequence(&[&integer(serial), &time(Timestamp::from_unix(NOW.as_unix() - 2 * DAY)), &extensions])
}

/// An extension under 2.5.29.
fn extension(last: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[der::BOOLEAN, 1, 0xff] } else { &[] };
    sequence(&[&[der::OBJECT_IDENTIFIER, 3, 0x55, 0x1d, last], critical, &tlv(der::OCTET_STRING, &[value])])
}

fn number(number: u8) -> Vec<u8> {
    extension(20, false, &integer(&[number]))
}

fn armoured(list: &[u8]) -> String {
    ::der::pem::encode_string("X509 CRL", ::der::pem::LineEnding::LF, list).unwrap()
}

fn origin(place: usize) -> Origin {
    Origin::File(format!("{place}.crl").into())
}

fn parse(octets: &[u8]) -> Result<Arc<List>, CrlError> {
    List::read(octets, &origin(0)).map(Arc::new)
}

fn reason(code: u8) -> Vec<u8> {
    extension(21, false, &[der::ENUMERATED, 1, code])
}

/// A root, an intermediate below it, and a client's certificate with the serial number 0x1234.
struct World {
    root: Authority,
    middle: Authority,
    leaf: CertificateDer<'static>,
    anchors: TrustAnchors,
}

static WORLD: LazyLock<World> = LazyLock::new(|| world(|_| {}, |_| {}));

fn world(
    change_middle: impl FnOnce(&mut CertificateParams),
    change_leaf: impl FnOnce(&mut CertificateParams),
) -> World {
    let root = Authority::root("Root");
    let middle = root.below_with("Middle", |params| {
        params.serial_number = Some(vec![0x0f].into());
        change_middle(params);
    });
    let leaf = middle.leaf_with("alice", |params| {
        params.serial_number = Some(vec![0x12, 0x34].into());
        change_leaf(params);
    });
    let anchors = TrustAnchors::new(vec![root.der.clone()]).unwrap();
    World { root, middle, leaf, anchors }
}

impl World {
    /// The same with these certificates in the configuration.
    fn with_intermediates(self, certificates: &[&Authority]) -> Self {
        let certificates = certificates.iter().map(|authority| authority.der.clone()).collect();
        Self { anchors: self.anchors.with_intermediates(certificates).unwrap(), ..self }
    }

    fn path(&self) -> ValidPath {
        let chain = [self.leaf.clone(), self.middle.der.clone()];
        validate(&chain, &self.anchors, &Requirements::for_clients(10), NOW).unwrap()
    }

    fn load(&self, lists: Vec<Vec<u8>>) -> Result<CrlSet, CrlError> {
        let lists: Vec<_> = lists
            .into_iter()
            .enumerate()
            .map(|(place, octets)| Ok((origin(place), read(&origin(place), octets.as_slice(), &Limits::default())?)))
            .collect::<Result<_, CrlError>>()?;
        CrlSet::load(lists, &self.anchors, CLOCK_TOLERANCE, NOW)
    }

    fn ask(&self, lists: Vec<Vec<u8>>) -> CrlAnswer {
        self.load(lists).unwrap().check(&self.path(), Scope::Chain, NOW)
    }

    /// What a list of the intermediate answers, beside a list of the root that revokes nothing.
    fn ask_middle(&self, drafts: &[Draft]) -> CrlAnswer {
        let own = drafts.iter().map(|draft| draft.signed_by(&self.middle));
        self.ask(own.chain([draft(&[]).signed_by(&self.root)]).collect())
    }
}

/// The answer in a word, or why it is unknown.
fn said(answer: CrlAnswer) -> String {
    match answer {
        CrlAnswer::Good { .. } => "good".to_owned(),
        CrlAnswer::Revoked { position, reason, .. } => format!("{position} revoked: {}", reason.as_str()),
        CrlAnswer::Unknown { why } => why,
    }
}

fn is_good_until(answer: CrlAnswer, expected: Timestamp) -> bool {
    matches!(answer, CrlAnswer::Good { until, .. } if until == expected)
}

#[test]
fn a_path_is_good_until_the_first_of_its_lists_runs_out() {
    let early = Timestamp::from_unix(NOW.as_unix() + 3600);
    let list = Draft { next_update: Some(early), ..draft(&[&[0x12, 0x35], &[0x12], &[0x34, 0x12]]) };
    assert!(is_good_until(WORLD.ask_middle(&[list]), early));
}

#[test]
fn a_revoked_certificate_is_found_wherever_it_stands_in_the_path() {
    let mut own = draft(&[&[0xff; 20], &[0x01], &[0x80]]);
    own.entries.push(entry(&[0x12, 0x34], &[&reason(1), &extension(24, false, &[])]));
    let mut above = draft(&[]);
    above.entries.push(entry(&[0x0f], &[&reason(6)]));
    let (own, above) = (own.signed_by(&WORLD.middle), above.signed_by(&WORLD.root));
    let nothing = draft(&[]).signed_by(&WORLD.root);
    let answer = WORLD.ask(vec![own.clone(), nothing.clone()]);
    let CrlAnswer::Revoked { at, ref list, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((at, &list.origin), (Timestamp::from_unix(NOW.as_unix() - 2 * DAY), &origin(0)));
    assert_eq!(
        answer.to_string(),
        "certificate 0 of the path was revoked at 2026-05-30T00:00:00Z: keyCompromise; list 7 of CN=Middle from 0.crl, \
         made at 2026-05-31T00:00:00Z"
    );
    // Without a list of the intermediate the client's own state is unknown, but its issuer is revoked.
    assert_eq!(said(WORLD.ask(vec![above.clone()])), "1 revoked: certificateHold");
    // Nor does a missing list of the root make a revoked certificate unknown.
    assert_eq!(said(WORLD.ask(vec![own])), "0 revoked: keyCompromise");
    // Where only the client's own certificate is asked for, nothing else counts.
    let leaf_alone = WORLD.load(vec![above, draft(&[]).signed_by(&WORLD.middle)]).unwrap();
    assert_eq!(said(leaf_alone.check(&WORLD.path(), Scope::Leaf, NOW)), "good");
}

#[test]
fn the_answer_tells_which_lists_were_asked() {
    let answer = WORLD.ask(vec![draft(&[]).signed_by(&WORLD.middle), draft(&[]).signed_by(&WORLD.root)]);
    assert_eq!(
        answer.to_string(),
        "not revoked, as may be believed until 2026-06-02T00:00:00Z; list 7 of CN=Middle from 0.crl, made at \
         2026-05-31T00:00:00Z; list 7 of CN=Root from 1.crl, made at 2026-05-31T00:00:00Z"
    );
    assert_eq!(WORLD.ask(vec![]).to_string(), "unknown: there is no revocation list of CN=Middle");
}

#[test]
fn every_serial_number_of_a_list_is_found_and_no_other() {
    let serials: Vec<Vec<u8>> = (0..500u32).map(|n| (n * 7 + 1).to_be_bytes().to_vec()).collect();
    let stripped: Vec<&[u8]> =
        serials.iter().map(|serial| &serial[serial.iter().position(|o| *o != 0).unwrap()..]).collect();
    let list = parse(&draft(&stripped).signed_by(&WORLD.middle)).unwrap();
    let issuer = name::canonical(Fields::read(&WORLD.middle.der).unwrap().subject);
    assert_eq!(list.len(), 500);
    assert!(stripped.iter().all(|serial| list.find(&issuer, serial, false).is_some()));
    let outside: [(&[u8], &[u8], bool); 4] = [
        (&issuer, &[0x02], false),
        (&issuer, &[1; 21], false),
        (&issuer, stripped[0], true),
        (b"", stripped[0], false),
    ];
    assert!(outside.iter().all(|(issuer, serial, negative)| list.find(issuer, serial, *negative).is_none()));
    assert_eq!(list.entries().map(|(_, serial, _)| serial).collect::<Vec<_>>(), stripped);
}

#[test]
fn a_certificate_of_which_only_issuer_and_serial_are_known_is_found_by_whose_list_it_is() {
    let (issuer, other) = (&WORLD.root, &Authority::root("Root"));
    let set = WORLD.load(vec![draft(&[&[5], &[7]]).signed_by(issuer)]).unwrap();
    let key = |authority: &Authority, serial: &[u8]| {
        let fields = Fields::read(&authority.der).unwrap();
        CertificateKey::new(fields.subject, fields.public_key, serial)
    };
    for (certificate, expected) in [
        (key(issuer, &[5]), true),
        (key(issuer, &[0, 7]), true),
        (key(issuer, &[6]), false),
        (key(issuer, &[5, 0]), false),
        (key(other, &[5]), false),
    ] {
        assert_eq!(set.name_as_revoked(&certificate), expected, "{certificate:?}");
    }
    assert!(!CrlSet::new(CLOCK_TOLERANCE).name_as_revoked(&key(issuer, &[5])));
}

#[test]
fn a_serial_number_below_zero_is_another_one() {
    let below = sequence(&[&tlv(der::INTEGER, &[&[0xff]]), &time(NOW)]);
    let list = parse(&Draft { entries: vec![below], ..draft(&[]) }.signed_by(&WORLD.middle)).unwrap();
    let issuer = list.issuer_canonical();
    assert!(list.find(issuer, &[0xff], true).is_some() && list.find(issuer, &[0xff], false).is_none());
}

#[test]
fn the_reason_is_the_one_that_the_list_gives() {
    for (code, expected) in [
        (0, "unspecified"),
        (1, "keyCompromise"),
        (2, "cACompromise"),
        (3, "affiliationChanged"),
        (4, "superseded"),
        (5, "cessationOfOperation"),
        (6, "certificateHold"),
        (8, "removeFromCRL"),
        (9, "privilegeWithdrawn"),
        (10, "aACompromise"),
    ] {
        let list = Draft { entries: vec![entry(&[0x12, 0x34], &[&reason(code)])], ..draft(&[]) };
        assert_eq!(said(WORLD.ask_middle(&[list])), format!("0 revoked: {expected}"));
    }
}

#[test]
fn a_missing_list_is_not_a_yes() {
    assert_eq!(said(WORLD.ask(vec![])), "there is no revocation list of CN=Middle");
    assert_eq!(said(WORLD.ask(vec![draft(&[]).signed_by(&WORLD.middle)])), "there is no revocation list of CN=Root");
}

#[test]
fn a_list_that_has_run_out_revokes_what_it_lists_and_is_silent_about_the_rest() {
    let out =
        |serials: &[&[u8]]| Draft { next_update: Some(Timestamp::from_unix(NOW.as_unix() - 1)), ..draft(serials) };
    assert_eq!(said(WORLD.ask_middle(&[out(&[])])), "the revocation list of CN=Middle ran out at 2026-05-31T23:59:59Z");
    assert!(matches!(WORLD.ask_middle(&[out(&[&[0x12, 0x34]])]), CrlAnswer::Revoked { position: 0, .. }));
    let last_second = Draft { next_update: Some(NOW), ..draft(&[]) };
    assert!(is_good_until(WORLD.ask_middle(&[last_second]), NOW));
}

#[test]
fn a_list_from_the_future_does_not_count_but_for_a_small_difference_of_clocks() {
    let ahead = |seconds| Draft { this_update: Timestamp::from_unix(NOW.as_unix() + seconds), ..draft(&[]) };
    let expected = "the revocation list of CN=Middle is from the future: it was made at 2026-06-01T00:05:01Z";
    assert_eq!(said(WORLD.ask_middle(&[ahead(301)])), expected);
    assert_eq!(said(WORLD.ask_middle(&[ahead(300)])), "good");
    let lists = [(origin(0), vec![parse(&ahead(1).signed_by(&WORLD.middle)).unwrap()])];
    let strict = CrlSet::load(lists, &WORLD.anchors, Duration::ZERO, NOW).unwrap();
    assert!(said(strict.check(&WORLD.path(), Scope::Leaf, NOW)).contains("from the future"));
}

#[test]
fn of_several_lists_the_newest_that_is_rightly_signed_counts() {
    let list = |numbered: Option<u8>, age: i64, serials: &[&[u8]]| Draft {
        this_update: Timestamp::from_unix(NOW.as_unix() - age),
        extensions: numbered.map(number).into_iter().collect(),
        ..draft(serials)
    };
    let revokes: &[&[u8]] = &[&[0x12, 0x34]];
    let cases: [(&str, Vec<Draft>, bool); 5] = [
        ("a later number", vec![list(Some(8), 20, &[]), list(Some(7), 10, revokes)], false),
        ("a later number, the other way", vec![list(Some(7), 10, &[]), list(Some(200), 20, revokes)], true),
        ("the same number, a later date", vec![list(Some(7), 20, &[]), list(Some(7), 10, revokes)], true),
        ("no number is the oldest", vec![list(None, 10, &[]), list(Some(1), 20, revokes)], true),
        ("no numbers, a later date", vec![list(None, 10, &[]), list(None, 20, revokes)], false),
    ];
    for (what, drafts, revoked) in cases {
        let answer = WORLD.ask_middle(&drafts);
        assert_eq!(matches!(answer, CrlAnswer::Revoked { .. }), revoked, "{what}");
    }

    let stranger = Authority::root("Middle");
    let forged = Draft { extensions: vec![number(9)], ..draft(&[]) }.signed_by(&stranger);
    let lists = vec![forged.clone(), draft(revokes).signed_by(&WORLD.middle), draft(&[]).signed_by(&WORLD.root)];
    assert!(matches!(WORLD.ask(lists), CrlAnswer::Revoked { .. }));
    let expected = "no revocation list of CN=Middle is signed with its key and in force";
    assert_eq!(said(WORLD.ask(vec![forged, draft(&[]).signed_by(&WORLD.root)])), expected);
}

#[test]
fn a_signature_is_checked_once_for_each_key() {
    let list = parse(&draft(&[]).signed_by(&WORLD.middle)).unwrap();
    let (middle, root) = (Fields::read(&WORLD.middle.der).unwrap(), Fields::read(&WORLD.root.der).unwrap());
    let signed_with = |key: &[u8]| list.is_signed_with(&sha256(key), key);
    for _ in 0..2 {
        assert!(signed_with(middle.public_key));
        assert!(!signed_with(root.public_key));
    }
    assert!(!signed_with(&[]));
    // What was found is known by the key's digest alone.
    assert!(list.is_signed_with(&sha256(middle.public_key), &[]));
    assert!((0..100u8).all(|key| !signed_with(&[key])));
}

#[test]
fn an_issuer_that_may_not_sign_lists_has_none() {
    let world = world(|middle| middle.key_usages = vec![KeyUsagePurpose::KeyCertSign], |_| {});
    let answer = world.ask(vec![draft(&[]).signed_by(&world.middle), draft(&[]).signed_by(&world.root)]);
    assert_eq!(said(answer), "CN=Middle may not sign revocation lists: its keyUsage lacks cRLSign");
}

#[test]
fn a_list_that_is_not_understood_is_refused_when_it_is_loaded() {
    let two_entries = || entry(&[1], &[]);
    let (hold, unknown) = (extension(23, false, &[]), extension(99, false, &[]));
    let cases: [(&str, Draft); 21] = [
        (
            "its critical extension 2.5.29.99 is not understood",
            Draft { extensions: vec![extension(99, true, &[])], ..draft(&[]) },
        ),
        (
            "its critical extension 2.5.29.99 is not understood",
            Draft { entries: vec![entry(&[1], &[&extension(99, true, &[])])], ..draft(&[]) },
        ),
        (
            "it is a delta list and has no cRLNumber",
            Draft { extensions: vec![extension(27, true, &integer(&[7]))], ..draft(&[]) },
        ),
        (
            "its issuingDistributionPoint contradicts itself",
            Draft {
                extensions: vec![extension(28, true, &sequence(&[&[0x81, 1, 0xff, 0x82, 1, 0xff]]))],
                ..draft(&[])
            },
        ),
        (
            "it has certificates of other issuers and is not an indirect list",
            Draft {
                entries: vec![entry(&[1], &[&extension(29, true, &sequence(&[&tlv(0xa4, &[&sequence(&[])])]))])],
                ..draft(&[])
            },
        ),
        (
            "an entry does not name one issuer of its certificate",
            Draft { entries: vec![entry(&[1], &[&extension(29, true, &sequence(&[]))])], ..draft(&[]) },
        ),
        (
            "it cannot be read: the extension 2.5.29.21 stands there twice",
            Draft { entries: vec![entry(&[1], &[&reason(1), &reason(2)])], ..draft(&[]) },
        ),
        (
            "it cannot be read: there are too many extensions of an entry",
            Draft { entries: vec![entry(&[1], &vec![extension(24, false, &[]).as_slice(); 17])], ..draft(&[]) },
        ),
        ("it is of an unknown version", Draft { version: tlv(der::INTEGER, &[&[2]]), ..draft(&[]) }),
        ("it is of version 1 and has extensions", Draft { version: Vec::new(), ..draft(&[]) }),
        ("it has no nextUpdate", Draft { next_update: None, ..draft(&[]) }),
        ("its nextUpdate is before its thisUpdate", Draft { next_update: Some(Timestamp::from_unix(0)), ..draft(&[]) }),
        ("it has a serial number of more than 20 octets", draft(&[&[1; 21]])),
        ("it cannot be read: a reason is malformed", Draft { entries: vec![entry(&[1], &[&reason(7)])], ..draft(&[]) }),
        (
            "it cannot be read: a reason is malformed",
            Draft { entries: vec![entry(&[1], &[&reason(11)])], ..draft(&[]) },
        ),
        (
            "it cannot be read: the number of the list is malformed",
            Draft { extensions: vec![extension(20, false, &integer(&[1; 21]))], ..draft(&[]) },
        ),
        (
            "it cannot be read: the extension 2.5.29.20 stands there twice",
            Draft { extensions: vec![number(1), number(2)], ..draft(&[]) },
        ),
        ("it cannot be read: octets are left over behind its end", Draft { behind: vec![5, 0], ..draft(&[]) }),
        (
            "it cannot be read: octets are left over behind its end",
            Draft { entries: vec![sequence(&[&integer(&[1]), &time(NOW), &sequence(&[]), &[5, 0]])], ..draft(&[]) },
        ),
        (
            "it cannot be read: a time is malformed",
            Draft {
                entries: vec![two_entries(), sequence(&[&integer(&[1]), &tlv(der::UTC_TIME, &[b"x"])])],
                ..draft(&[])
            },
        ),
        (
            "it cannot be read: the second naming of the signature algorithm is malformed",
            Draft { algorithm: sequence(&[&[0x06, 0x03, 0x2b, 0x65, 0x70]]), ..draft(&[]) },
        ),
    ];
    for (expected, draft) in cases {
        let error = WORLD.load(vec![draft.signed_by(&WORLD.middle)]).map(|_| ()).expect_err(expected).to_string();
        assert_eq!(error.split_once("0.crl cannot be used: ").unwrap().1, expected);
    }
    // What is not critical and not understood says nothing that counts.
    let draft = Draft { entries: vec![entry(&[1], &[&hold])], extensions: vec![unknown], ..draft(&[]) };
    assert!(WORLD.load(vec![draft.signed_by(&WORLD.middle)]).is_ok());
}

#[test]
fn a_list_of_version_1_is_taken_without_extensions() {
    let list = Draft { version: Vec::new(), extensions: Vec::new(), ..draft(&[&[0x12, 0x34]]) };
    assert!(matches!(WORLD.ask_middle(&[list]), CrlAnswer::Revoked { .. }));
}

#[test]
fn a_list_in_the_name_of_a_trusted_authority_must_be_its_own() {
    let forged = draft(&[]).signed_by(&Authority::root("Root"));
    let error = WORLD.load(vec![forged]).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the revocation list of CN=Root in 0.crl cannot be used: it is not signed by the authority of this name"
    );

    let root = Authority::root_with("Root", |root| root.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let anchors = TrustAnchors::new(vec![root.der.clone()]).unwrap();
    let lists = [(origin(0), vec![parse(&draft(&[]).signed_by(&root)).unwrap()])];
    let error = CrlSet::load(lists, &anchors, CLOCK_TOLERANCE, NOW).map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("may not sign revocation lists: its keyUsage lacks cRLSign"), "{error}");

    // A changed octet anywhere in what was signed is noticed.
    let mut changed = draft(&[&[0x0f]]).signed_by(&WORLD.root);
    let place = changed.windows(3).position(|octets| octets == [der::INTEGER, 1, 0x0f]).unwrap();
    changed[place + 2] = 0x0e;
    assert!(WORLD.load(vec![changed]).is_err());
}

#[test]
fn a_file_may_be_pem_and_hold_several_lists() {
    let params = |serial: Vec<u8>| CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 5, 1),
        next_update: date_time_ymd(2026, 7, 1),
        crl_number: vec![1].into(),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: date_time_ymd(2026, 5, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let root = params(vec![0x01]).signed_by(&WORLD.root.issuer).unwrap().pem().unwrap();
    let middle = params(vec![0x12, 0x34]).signed_by(&WORLD.middle.issuer).unwrap().pem().unwrap();
    let set = WORLD.load(vec![format!("{root}{middle}").into_bytes()]).unwrap();
    assert_eq!(set.lists().count(), 2);
    let expected: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let answer = set.check(&WORLD.path(), Scope::Chain, NOW);
    let CrlAnswer::Revoked { position: 0, at, reason: RevocationReason::Unspecified, .. } = answer else {
        panic!("{answer}")
    };
    assert_eq!(at, expected);
    // So may a file of DER.
    let both = [draft(&[]).signed_by(&WORLD.root), draft(&[]).signed_by(&WORLD.middle)].concat();
    assert_eq!(WORLD.load(vec![both]).unwrap().lists().count(), 2);
}

#[test]
fn what_holds_no_list_says_what_it_holds() {
    let list = draft(&[]).signed_by(&WORLD.root);
    let text = armoured(&list);
    let cases: [(Vec<u8>, &str); 9] = [
        (vec![], "0.crl holds no revocation list: it holds nothing"),
        (b" \n".to_vec(), "0.crl holds no revocation list: it holds nothing"),
        (b"nothing".to_vec(), "0.crl holds no revocation list: it holds neither DER nor a PEM section"),
        (b"\n<!DOCTYPE HTML><p>Log in".to_vec(), "0.crl holds no revocation list: it holds a page of HTML"),
        (
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec(),
            "0.crl holds no revocation list: it holds CERTIFICATE",
        ),
        (text.replace("M", "*").into_bytes(), "0.crl is damaged: its section X509 CRL 1 is not base64"),
        (text.as_bytes()[..text.len() / 2].to_vec(), "0.crl is damaged: its section X509 CRL does not end"),
        (
            list[..list.len() - 1].to_vec(),
            "the revocation list of CN=Root in 0.crl cannot be used: it cannot be read: it ends too early",
        ),
        (
            [list, vec![0]].concat(),
            "the revocation list of CN=Root in 0.crl cannot be used: it cannot be read: octets are left over behind its end",
        ),
    ];
    for (octets, expected) in cases {
        assert_eq!(WORLD.load(vec![octets]).map(|_| ()).unwrap_err().to_string(), expected);
    }
    let missing = read_file("/nowhere/at/all".as_ref(), &Limits::default()).unwrap_err();
    assert!(matches!(missing, CrlError::Unreadable { .. }), "{missing}");
}

#[test]
fn what_is_larger_than_allowed_is_refused() {
    let list = draft(&[&[1], &[2]]).signed_by(&WORLD.root);
    let text = armoured(&list);
    let octets = list.len() as u64;
    for source in [list.as_slice(), text.as_bytes()] {
        let read = |octets, entries| read(&origin(0), source, &Limits { octets, entries }).map(|lists| lists.len());
        assert_eq!(read(octets, 2).unwrap(), 1);
        assert!(matches!(read(octets - 1, 2), Err(CrlError::TooLarge { .. })));
        assert!(matches!(read(octets, 1), Err(CrlError::List { why: Fault::TooManyEntries(1), .. })));
    }
}

#[test]
fn a_list_of_openssl_is_read_with_every_signature() {
    let cases = [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-md sha256"),
        (
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "-md sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
        ),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "-md sha384"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "-md sha512"),
        ("-algorithm ED25519", "-md null"),
    ];
    for (key, signing) in cases {
        let directory = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| openssl(directory.path(), arguments);
        let config = "[ca]\ndefault_ca=c\n[c]\ndatabase=index\ncrlnumber=number\n";
        std::fs::write(directory.path().join("ca.cnf"), config).unwrap();
        std::fs::write(
            directory.path().join("index"),
            "R\t270101000000Z\t260501000000Z,keyCompromise\t1234\tunknown\t/CN=alice\n",
        )
        .unwrap();
        std::fs::write(directory.path().join("number"), "0A\n").unwrap();
        openssl(&format!("genpkey {key} -out ca.key"));
        openssl("req -x509 -new -key ca.key -subj /CN=Root -days 30 -out ca.pem");
        openssl(&format!("ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem {signing} -crldays 30 -out ca.crl"));
        let anchors = TrustAnchors::new(pem::certificates(&directory.path().join("ca.pem")).unwrap()).unwrap();
        let file = directory.path().join("ca.crl");
        let lists = read_file(&file, &Limits::default()).unwrap_or_else(|error| panic!("{key}: {error}"));
        let set = CrlSet::load([(Origin::File(file.clone()), lists)], &anchors, CLOCK_TOLERANCE, NOW)
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        let list = set.lists().next().unwrap();
        assert_eq!((list.origin().as_path(), list.issuer_name()), (file.as_path(), "CN=Root"));
        assert_eq!(list.number(), Some(&Number::new(vec![0x0a])));
        let Revocation { at, reason } = list.find(list.issuer_canonical(), &[0x12, 0x34], false).unwrap();
        assert_eq!((at.to_string().as_str(), reason), ("2026-05-01T00:00:00Z", RevocationReason::KeyCompromise));
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&octets).is_err());
    }

    #[test]
    fn a_changed_list_is_read_without_a_panic_and_not_believed(place in any::<proptest::sample::Index>(), flip in 1..=255u8) {
        static LIST: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let mut list = draft(&[&[1], &[2]]);
            list.entries.push(entry(&[3], &[&reason(1)]));
            list.signed_by(&WORLD.root)
        });
        let mut octets = LIST.clone();
        let place = place.index(octets.len());
        octets[place] ^= flip;
        if let Ok(list) = parse(&octets) {
            let key = Fields::read(&WORLD.root.der).unwrap().public_key;
            prop_assert!(!list.is_signed_with(&sha256(key), key));
        }
    }
}
