//! Paths that hold and paths that do not, and what is said of these.

mod hostile;
mod second_opinion;

use super::*;
use crate::base::reason::Reason;
use crate::certificate::facts::sha256;
use crate::certificate::testing::{Authority, LEAF_KEY, NOW, named, openssl};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use std::path::Path;
use std::sync::LazyLock;

type Chain = Vec<CertificateDer<'static>>;

fn trust(authorities: &[&CertificateDer<'static>]) -> TrustAnchors {
    TrustAnchors::new(authorities.iter().map(|authority| (*authority).clone()).collect()).unwrap()
}

fn check(chain: &[CertificateDer<'_>], anchors: &TrustAnchors) -> Result<ValidPath, PathError> {
    let ours = validate(chain, anchors, &Requirements::for_clients(10), NOW);
    second_opinion::compare(chain, anchors, ours.as_ref());
    ours
}

fn years(params: &mut CertificateParams, from: i32, to: i32) {
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
}

fn critical(params: &mut CertificateParams, oid: &[u64], content: Vec<u8>) {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
}

#[test]
fn a_path_over_an_intermediate_is_found_whatever_the_order() {
    let root = Authority::root("Root");
    let middle = root.below_with("Middle", |params| params.not_after = date_time_ymd(2026, 9, 1));
    let leaf = middle.leaf_with("alice", |params| params.serial_number = Some(vec![0x00, 0x80].into()));
    let stranger = Authority::root("Stranger");
    let chains: [Chain; 3] = [
        vec![leaf.clone(), middle.der.clone()],
        vec![leaf.clone(), root.der.clone(), stranger.der.clone(), middle.der.clone()],
        vec![leaf.clone(), CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]), middle.der.clone()],
    ];
    for chain in chains {
        let path = check(&chain, &trust(&[&stranger.der, &root.der])).unwrap();
        let ders: Vec<_> = path.certificates.iter().map(|certificate| certificate.der.clone()).collect();
        assert_eq!(ders, [leaf.clone(), middle.der.clone()]);
        let (own, above) = (&path.certificates[0], &path.certificates[1]);
        let middle_fields = Fields::read(&middle.der).unwrap();
        let root_fields = Fields::read(&root.der).unwrap();
        assert_eq!(own.serial, [0x80]);
        assert_eq!(
            (own.issuer_name.as_slice(), own.issuer_spki.as_slice()),
            (middle_fields.subject, middle_fields.public_key)
        );
        assert_eq!(
            (above.issuer_name.as_slice(), above.issuer_spki.as_slice()),
            (root_fields.subject, root_fields.public_key)
        );
        assert_eq!(*path.authorities, [sha256(middle_fields.public_key), sha256(root_fields.public_key)]);
        assert_eq!(path.not_after.to_string(), "2026-09-01T00:00:00Z");
    }
}

#[test]
fn an_intermediate_may_be_the_anchor() {
    let root = Authority::root("Root");
    let middle = root.below("Middle");
    let path = check(&[middle.leaf("alice"), middle.der.clone(), root.der.clone()], &trust(&[&middle.der])).unwrap();
    assert_eq!((path.certificates.len(), path.authorities.len()), (1, 1));
    let error = check(&[root.leaf("bob"), root.der.clone()], &trust(&[&middle.der])).unwrap_err();
    assert_eq!(error.reason, Reason::CertificateUntrusted);
}

#[test]
fn every_key_and_signature_of_the_list_is_accepted() {
    let cases = [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha256"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha512"),
        (
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
        ),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "-sha256"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "-sha384"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "-sha512"),
        ("-algorithm ED25519", ""),
    ];
    for (key, signing) in cases {
        let directory = tempfile::tempdir().unwrap();
        let (root, leaf) = by_openssl(directory.path(), key, signing);
        check(&[leaf], &trust(&[&root])).unwrap_or_else(|error| panic!("{key} {signing}: {error}"));
    }
}

#[test]
fn a_weak_signature_or_key_is_refused_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let (root, leaf) = by_openssl(directory.path(), "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-sha1");
    let error = check(&[leaf], &trust(&[&root])).unwrap_err();
    assert_eq!(error.reason, Reason::CertificateUnsuitable);
    assert_eq!(
        error.detail,
        "CN=alice cannot be verified: the signature algorithm 1.2.840.113549.1.1.5 (SHA-1 with RSA) is not accepted"
    );

    let directory = tempfile::tempdir().unwrap();
    let (root, _) = by_openssl(directory.path(), "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "-sha256");
    let error = TrustAnchors::new(vec![root]).unwrap_err().to_string();
    assert_eq!(
        error,
        "certificate 1, CN=Root, cannot be an authority: the key is not accepted: an RSA key must have at least 2048 bits"
    );
}

/// A root and a leaf, both with keys of this kind and signatures made in this way, valid at [`NOW`].
fn by_openssl(directory: &Path, key: &str, signing: &str) -> (CertificateDer<'static>, CertificateDer<'static>) {
    let openssl = |arguments: &str| openssl(directory, arguments);
    for name in ["root", "leaf"] {
        openssl(&format!("genpkey {key} -out {name}.key"));
    }
    std::fs::write(directory.join("root.ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        .unwrap();
    std::fs::write(directory.join("leaf.ext"), "keyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n").unwrap();
    openssl("req -new -key root.key -subj /CN=Root -out root.csr");
    openssl("req -new -key leaf.key -subj /CN=alice -out leaf.csr");
    std::fs::write(
        directory.join("ca.cnf"),
        "[ca]\ndefault_ca=c\n[c]\ndatabase=index\nserial=serial\nnew_certs_dir=.\npolicy=p\n[p]\ncommonName=supplied\n",
    )
    .unwrap();
    let hash = signing
        .split(' ')
        .next()
        .filter(|hash| !hash.is_empty())
        .unwrap_or("-default")
        .trim_start_matches('-')
        .to_owned();
    let options: String = signing.split(' ').skip(1).collect::<Vec<_>>().join(" ");
    for (name, extra) in [("root", "-selfsign"), ("leaf", "-cert root.pem")] {
        std::fs::write(directory.join("index"), "").unwrap();
        std::fs::write(directory.join("serial"), "1000").unwrap();
        openssl(&format!(
            "ca -batch -notext -config ca.cnf -keyfile root.key {extra} -in {name}.csr -out {name}.pem -extfile {name}.ext \
             -md {hash} {options} -startdate 20260101000000Z -enddate 20270101000000Z"
        ));
    }
    let read = |name: &str| crate::certificate::pem::certificates(&directory.join(name)).unwrap().remove(0);
    (read("root.pem"), read("leaf.pem"))
}

/// Makes a chain and the anchors to it, for the table below.
type Made = (Chain, TrustAnchors);

#[test]
fn a_path_that_does_not_hold_is_refused_with_its_story() {
    use Reason::{
        CertificateExpired as Expired, CertificateNotYetValid as NotYetValid, CertificateUnsuitable as Unsuitable,
        CertificateUntrusted as Untrusted,
    };
    let root = || Authority::root("Root");
    let cases: Vec<(&str, Made, Reason, &str)> = vec![
        (
            "an unknown issuer",
            { (vec![Authority::root("Other").leaf("mallory")], trust(&[&root().der])) },
            Untrusted,
            "CN=mallory was issued by CN=Other, which is no configured authority and whose certificate the client did not send",
        ),
        (
            "an unknown issuer that is sent along",
            {
                let other = Authority::root("Other");
                (vec![other.leaf("mallory"), other.der], trust(&[&root().der]))
            },
            Untrusted,
            "CN=Other is signed by itself and is no configured authority",
        ),
        (
            "an issuer of the same name",
            { (vec![root().leaf("mallory")], trust(&[&root().der])) },
            Untrusted,
            "CN=mallory was not issued by the CN=Root that is known: the signature is not that of the key",
        ),
        (
            "an expired certificate of an unknown issuer",
            { (vec![root().leaf_with("mallory", |leaf| years(leaf, 2020, 2021))], trust(&[&root().der])) },
            Untrusted,
            "CN=mallory was not issued by the CN=Root that is known: the signature is not that of the key",
        ),
        (
            "an authority's certificate of an unknown issuer",
            {
                let other = Authority::root("Other");
                (vec![other.below("mallory").der], trust(&[&root().der]))
            },
            Untrusted,
            "CN=mallory was issued by CN=Other, which is no configured authority and whose certificate the client did not send",
        ),
        (
            "a missing intermediate",
            {
                let root = root();
                (vec![root.below("Middle").leaf("alice")], trust(&[&root.der]))
            },
            Untrusted,
            "CN=alice was issued by CN=Middle, which is no configured authority and whose certificate the client did not send",
        ),
        (
            "an expired leaf",
            {
                let root = root();
                (vec![root.leaf_with("erin", |leaf| years(leaf, 2020, 2021))], trust(&[&root.der]))
            },
            Expired,
            "CN=erin expired at 2021-01-01T00:00:00Z",
        ),
        (
            "an expired leaf that is unsuitable besides",
            {
                let root = root();
                let leaf = root.leaf_with("erin", |leaf| {
                    years(leaf, 2020, 2021);
                    leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
                });
                (vec![leaf], trust(&[&root.der]))
            },
            Expired,
            "CN=erin expired at 2021-01-01T00:00:00Z",
        ),
        (
            "a leaf of the future",
            {
                let root = root();
                (vec![root.leaf_with("zoe", |leaf| years(leaf, 2030, 2031))], trust(&[&root.der]))
            },
            NotYetValid,
            "CN=zoe is valid only from 2030-01-01T00:00:00Z on",
        ),
        (
            "an expired intermediate",
            {
                let root = root();
                let middle = root.below_with("Middle", |middle| years(middle, 2020, 2021));
                (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
            },
            Expired,
            "CN=Middle expired at 2021-01-01T00:00:00Z",
        ),
        (
            "an expired anchor",
            {
                let root = Authority::root_with("Root", |root| years(root, 2020, 2021));
                (vec![root.leaf("alice")], trust(&[&root.der]))
            },
            Expired,
            "the authority CN=Root expired at 2021-01-01T00:00:00Z",
        ),
        (
            "an anchor of the future",
            {
                let root = Authority::root_with("Root", |root| years(root, 2030, 2031));
                (vec![root.leaf("alice")], trust(&[&root.der]))
            },
            NotYetValid,
            "the authority CN=Root is valid only from 2030-01-01T00:00:00Z on",
        ),
        (
            "an authority as a client",
            {
                let root = root();
                (vec![root.below("Middle").der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=Middle is an authority's certificate, which cannot stand for a client",
        ),
        (
            "the anchor as a client",
            {
                let root = root();
                (vec![root.der.clone()], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=Root is an authority's certificate, which cannot stand for a client",
        ),
        (
            "a leaf that may not sign",
            {
                let root = root();
                (
                    vec![root.leaf_with("alice", |leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment])],
                    trust(&[&root.der]),
                )
            },
            Unsuitable,
            "CN=alice has a keyUsage that does not allow digital signatures",
        ),
        (
            "a server's certificate",
            {
                let root = root();
                (
                    vec![
                        root.leaf_with("www", |leaf| {
                            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
                        }),
                    ],
                    trust(&[&root.der]),
                )
            },
            Unsuitable,
            "CN=www has an extendedKeyUsage without TLS client authentication",
        ),
        (
            "an intermediate for servers",
            {
                let root = root();
                let middle = root.below_with("Middle", |middle| {
                    middle.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
                });
                (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=Middle has an extendedKeyUsage without TLS client authentication",
        ),
        (
            "an issuer that is no authority",
            {
                let root = root();
                let middle = root.below_with("Middle", |middle| middle.is_ca = IsCa::NoCa);
                (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=Middle issued a certificate and is no authority's by its basicConstraints",
        ),
        (
            "an authority without keyCertSign",
            {
                let root = root();
                let middle = root.below_with("Middle", |middle| {
                    middle.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature]
                });
                (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=Middle issued a certificate and has a keyUsage that does not allow it",
        ),
        (
            "a path length that is exceeded",
            {
                let root = root();
                let first = root.below_with("First", |first| first.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
                let second = first.below("Second");
                (vec![second.leaf("alice"), second.der, first.der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=First has more authorities below it than it allows",
        ),
        (
            "an anchor's path length that is exceeded",
            {
                let root = Authority::root_with("Root", |root| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
                let middle = root.below("Middle");
                (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
            },
            Unsuitable,
            "more authorities stand below CN=Root than it allows",
        ),
        (
            "a critical extension on the leaf",
            {
                let root = root();
                (vec![root.leaf_with("alice", |leaf| critical(leaf, &[1, 2, 3, 4], vec![5, 0]))], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=alice has the critical extension 1.2.3.4, which is not understood",
        ),
        (
            "a critical extension on an intermediate",
            {
                let root = root();
                let middle = root.below_with("Middle", |middle| critical(middle, &[2, 5, 29, 9], vec![0x30, 0]));
                (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=Middle has the critical extension 2.5.29.9, which is not understood",
        ),
        (
            "a name outside the constraints",
            {
                let root = root();
                let middle = root.below_with("Middle", |middle| {
                    middle.name_constraints = Some(NameConstraints {
                        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
                        excluded_subtrees: Vec::new(),
                    });
                });
                let leaf = middle.leaf_with("alice", |leaf| {
                    leaf.subject_alt_names = vec![SanType::DnsName("alice.example.com".try_into().unwrap())]
                });
                (vec![leaf, middle.der], trust(&[&root.der]))
            },
            Unsuitable,
            "CN=alice has the dNSName alice.example.com, which an authority above it does not permit",
        ),
        (
            "octets that are no certificate",
            { (vec![CertificateDer::from(vec![0x30, 0x00])], trust(&[&root().der])) },
            Untrusted,
            "the presented certificate cannot be used: the certificate cannot be read: it ends too early",
        ),
        ("no certificate at all", (Vec::new(), trust(&[&root().der])), Untrusted, "no certificate was presented"),
    ];
    for (what, (chain, anchors), reason, detail) in cases {
        let error = check(&chain, &anchors).map(|_| ()).expect_err(what);
        assert_eq!((error.reason, error.detail.as_str()), (reason, detail), "{what}");
    }
}

#[test]
fn a_name_within_the_constraints_is_accepted() {
    let root = Authority::root("Root");
    let middle = root.below_with("Middle", |middle| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".to_owned())];
        middle.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    let name = SanType::DnsName("alice.example.org".try_into().unwrap());
    let leaf = middle.leaf_with("alice", |leaf| leaf.subject_alt_names = vec![name]);
    assert!(check(&[leaf, middle.der], &trust(&[&root.der])).is_ok());
}

#[test]
fn a_path_is_as_long_as_allowed_and_no_longer() {
    let root = Authority::root("Root");
    let middle = root.below("Middle");
    let chain = [middle.leaf("alice"), middle.der.clone()];
    let anchors = trust(&[&root.der]);
    assert!(validate(&chain, &anchors, &Requirements::for_clients(3), NOW).is_ok());
    let error = validate(&chain, &anchors, &Requirements::for_clients(2), NOW).unwrap_err();
    assert_eq!(error.reason, Reason::CertificateUnsuitable);
    assert_eq!(error.detail, "the path to CN=Root has 3 certificates, 2 are allowed");
}

#[test]
fn an_authority_that_is_allowed_must_stand_on_the_path() {
    let (root, stranger) = (Authority::root("Root"), Authority::root("Stranger"));
    let [middle, other] = ["Middle", "Other"].map(|name| root.below(name));
    let key = |authority: &Authority| sha256(Fields::read(&authority.der).unwrap().public_key);
    let leaf = middle.leaf("alice");
    let chain = [leaf.clone(), middle.der.clone(), other.der.clone()];
    let rows: [(&[&Authority], bool); 6] = [
        (&[], true),
        (&[&middle], true),
        (&[&root], true),
        (&[&stranger, &middle], true),
        (&[&stranger], false),
        // It was presented, and is not on the path.
        (&[&other], false),
    ];
    for (row, (issuers, allowed)) in rows.iter().enumerate() {
        let issuers = issuers.iter().map(|issuer| key(issuer)).collect();
        let requirements = Requirements { issuers, ..Requirements::for_clients(10) };
        let found = validate(&chain, &trust(&[&root.der, &stranger.der]), &requirements, NOW);
        assert_eq!(
            found.as_ref().err().map(|error| error.reason),
            (!allowed).then_some(Reason::IssuerNotAllowed),
            "{row}"
        );
    }
    // The key of the leaf is no authority's.
    let requirements = Requirements {
        issuers: vec![sha256(Fields::read(&leaf).unwrap().public_key)],
        ..Requirements::for_clients(10)
    };
    let error = validate(&chain, &trust(&[&root.der]), &requirements, NOW).unwrap_err();
    assert_eq!(error.detail, "no authority of the path to CN=Root is one of those that are allowed");
    // A way over an authority that is allowed is taken where there is another one.
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Middle");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cross = params.signed_by(middle.issuer.key(), &stranger.issuer).unwrap().der().clone();
    let requirements = Requirements { issuers: vec![key(&stranger)], ..Requirements::for_clients(10) };
    let chain = [leaf, middle.der.clone(), cross];
    let path = validate(&chain, &trust(&[&root.der, &stranger.der]), &requirements, NOW).unwrap();
    assert_eq!(*path.authorities, [key(&middle), key(&stranger)]);
}

#[test]
fn a_certificate_is_valid_from_its_first_to_its_last_second() {
    let root = Authority::root("Root");
    let anchors = trust(&[&root.der]);
    let chain = [root.leaf_with("alice", |leaf| {
        leaf.not_before = date_time_ymd(2026, 3, 1);
        leaf.not_after = date_time_ymd(2026, 4, 1);
    })];
    let judge = |time: &str| {
        validate(&chain, &anchors, &Requirements::for_clients(10), time.parse().unwrap())
            .err()
            .map(|error| error.reason)
    };
    assert_eq!(judge("2026-02-28T23:59:59Z"), Some(Reason::CertificateNotYetValid));
    assert_eq!(judge("2026-03-01T00:00:00Z"), None);
    assert_eq!(judge("2026-04-01T00:00:00Z"), None);
    assert_eq!(judge("2026-04-01T00:00:01Z"), Some(Reason::CertificateExpired));
    assert_eq!(judge("1969-12-31T00:00:00Z"), Some(Reason::CertificateNotYetValid));
}

#[test]
fn of_two_certificates_of_one_authority_the_valid_one_counts() {
    let root = Authority::root_with("Root", |root| years(root, 2020, 2021));
    let renewed = root.renewed_with("Root", |root| years(root, 2021, 2031));
    let chain = [root.leaf("alice")];
    assert!(check(&chain, &trust(&[&root.der, &renewed])).is_ok());
    assert!(check(&chain, &trust(&[&renewed, &root.der])).is_ok());
    assert_eq!(check(&chain, &trust(&[&root.der])).unwrap_err().reason, Reason::CertificateExpired);
}

#[test]
fn a_path_that_fails_gives_way_to_another() {
    // The same intermediate, certified by two roots, one of which did not allow it to sign.
    let (bad, good) = (Authority::root("Bad"), Authority::root("Good"));
    let middle = good.below("Middle");
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Middle");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let crossed = params.signed_by(middle.issuer.key(), &bad.issuer).unwrap().der().clone();
    let chain = [middle.leaf("alice"), crossed, middle.der.clone()];
    let path = check(&chain, &trust(&[&bad.der, &good.der])).unwrap();
    assert_eq!(path.certificates[1].der, middle.der);
    let error = check(&chain[..2], &trust(&[&bad.der, &good.der])).unwrap_err();
    assert_eq!(error.detail, "CN=Middle issued a certificate and has a keyUsage that does not allow it");
}

#[test]
fn many_certificates_of_one_name_are_refused_with_little_work() {
    let root = Authority::root("Root");
    let strangers: Vec<Authority> = (0..9).map(|_| Authority::root("Root")).collect();
    let chain: Chain =
        std::iter::once(strangers[8].leaf("mallory")).chain(strangers.into_iter().map(|one| one.der)).collect();
    assert_eq!(check(&chain, &trust(&[&root.der])).unwrap_err().reason, Reason::CertificateUntrusted);
    let longer = [chain.as_slice(), &chain[..1]].concat();
    let error = check(&longer, &trust(&[&root.der])).unwrap_err();
    assert_eq!(error.detail, "11 certificates were presented, 10 are looked at");
}

#[test]
fn who_may_sign_revocation_lists_is_told() {
    let root = Authority::root_with("Root", |root| root.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let middle = root.below_with("Middle", |middle| {
        middle.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    });
    let anchors = trust(&[&root.der]);
    let path = check(&[middle.leaf("alice"), middle.der.clone()], &anchors).unwrap();
    assert_eq!(path.certificates.iter().map(|one| one.issuer_signs_lists).collect::<Vec<_>>(), [true, false]);
    let authorities: Vec<_> = anchors.authorities(Fields::read(&root.der).unwrap().subject).collect();
    assert!(matches!(authorities.as_slice(), [authority] if !authority.signs_lists));
}

#[test]
fn what_is_no_authority_cannot_be_an_anchor() {
    let root = Authority::root("Root");
    let cases: [(&str, Chain, &str); 6] = [
        ("nothing", vec![], "there is no authority to trust"),
        (
            "no certificate",
            vec![root.der.clone(), CertificateDer::from(vec![0x30])],
            "certificate 2 cannot be an authority: the certificate cannot be read: it ends too early",
        ),
        (
            "a leaf",
            vec![root.leaf("alice")],
            "certificate 1, CN=alice, cannot be an authority: its basicConstraints do not say that it is an authority's",
        ),
        (
            "an authority that may not sign",
            vec![
                root.der.clone(),
                Authority::root_with("Other", |other| other.key_usages = vec![KeyUsagePurpose::CrlSign]).der,
            ],
            "certificate 2, CN=Other, cannot be an authority: its keyUsage does not allow signing certificates",
        ),
        (
            "an extension that is not understood",
            vec![Authority::root_with("Other", |other| critical(other, &[1, 2, 3, 4], vec![5, 0])).der],
            "certificate 1, CN=Other, cannot be an authority: its critical extension 1.2.3.4 is not understood",
        ),
        (
            "a self-signed client",
            vec![CertificateParams::default().self_signed(&*LEAF_KEY).unwrap().der().clone()],
            "certificate 1, CN=rcgen self signed cert, cannot be an authority: its basicConstraints do not say that it is an authority's",
        ),
    ];
    for (what, certificates, expected) in cases {
        assert_eq!(TrustAnchors::new(certificates).unwrap_err().to_string(), expected, "{what}");
    }
}

#[test]
fn the_names_of_the_authorities_are_told_once_each() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let renewed = root.renewed_with("Root", |root| years(root, 2021, 2031));
    let subjects = trust(&[&root.der, &renewed, &other.der, &root.der]).subjects();
    let expected = [Fields::read(&root.der).unwrap().subject, Fields::read(&other.der).unwrap().subject];
    assert_eq!(subjects, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_changed_chain_is_judged_without_a_panic_and_never_valid(
        which in 0..2usize, place in any::<proptest::sample::Index>(), flip in 1..=255u8,
    ) {
        static MADE: LazyLock<(Chain, TrustAnchors)> = LazyLock::new(|| {
            let root = Authority::root("Root");
            let middle = root.below("Middle");
            (vec![middle.leaf("alice"), middle.der.clone()], trust(&[&root.der]))
        });
        let (mut chain, anchors) = MADE.clone();
        let mut octets = chain[which].to_vec();
        let place = place.index(octets.len());
        octets[place] ^= flip;
        chain[which] = CertificateDer::from(octets);
        prop_assert!(check(&chain, &anchors).is_err());
    }
}
