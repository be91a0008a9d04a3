//! How somebody would get in with a certificate that should not pass, and what purposes allow.

use super::*;
use crate::certificate::der::{self, Reader};
use crate::certificate::testing::{ecdsa_with_sha256, sequence, tlv};
use rcgen::{Issuer, KeyIdMethod, KeyPair};

type Der = CertificateDer<'static>;

const CLIENT: Purpose = Purpose::Client { smart_card_logon: false };

/// The section by which a chain is refused for a purpose, if it is.
fn refused(chain: &[Der], anchors: &TrustAnchors, purpose: Purpose) -> Option<&'static str> {
    if purpose == CLIENT && anchors.pool().is_empty() {
        return check(chain, anchors).err().map(|error| error.section);
    }
    let requirements = Requirements { purpose, ..Requirements::for_clients(10) };
    validate(chain, anchors, &requirements, NOW).err().map(|error| error.section)
}

/// An authority of this name, with a key of its own, certified by `issuer`; its certificate is changed before
/// it is signed.
fn certified(
    name: &str,
    key: &KeyPair,
    issuer: &Issuer<'_, KeyPair>,
    change: impl FnOnce(&mut CertificateParams),
) -> Der {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    params.signed_by(key, issuer).unwrap().der().clone()
}

/// The certificate as it would be of version 1: without version and extensions, signed by `issuer`.
fn of_version_1(certificate: &Der, issuer: &Authority) -> Der {
    let mut body = Reader::new(Fields::read(certificate).unwrap().signed).inside(der::SEQUENCE).unwrap();
    body.expect(der::constructed(0)).unwrap();
    let parts: Vec<&[u8]> = (0..6).map(|_| body.element().unwrap().whole).collect();
    CertificateDer::from(issuer.sign(&sequence(&parts)))
}

#[test]
fn who_is_not_vouched_for_stays_outside() {
    let root = Authority::root_with("Root", |root| root.key_identifier_method = KeyIdMethod::PreSpecified(vec![7]));
    let namesake = Authority::root_with("Root", |root| root.key_identifier_method = KeyIdMethod::PreSpecified(vec![7]));
    let middle = root.below("Middle");
    let stranger = Authority::root("Stranger");
    let forged = |name: &str| namesake.leaf_with(name, |leaf| leaf.use_authority_key_identifier_extension = true);
    let itself = {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("Root");
        params.self_signed(&*LEAF_KEY).unwrap().der().clone()
    };
    let anchors = || trust(&[&root.der]);
    let with_pool =
        |pool: &[&Der]| anchors().with_intermediates(pool.iter().map(|one| (*one).clone()).collect()).unwrap();
    let cases: [(&str, Vec<Der>, TrustAnchors); 9] = [
        ("a certificate that signed itself under the authority's name", vec![itself], anchors()),
        (
            "a namesake of the authority, with its key identifier",
            vec![forged("mallory"), namesake.der.clone()],
            anchors(),
        ),
        ("a namesake whose own certificate the real one follows", vec![forged("mallory"), root.der.clone()], anchors()),
        (
            "a stranger with somebody else's chain",
            vec![stranger.leaf("mallory"), middle.der.clone(), root.der.clone()],
            anchors(),
        ),
        (
            "an intermediate's name in another case with another key",
            vec![Authority::root("MIDDLE").leaf("mallory"), middle.der.clone()],
            anchors(),
        ),
        (
            "an authority of the pool that nobody vouches for",
            vec![stranger.leaf("mallory")],
            with_pool(&[&stranger.der]),
        ),
        (
            "one below such an authority",
            vec![stranger.below("Lower").leaf("mallory"), stranger.der.clone()],
            with_pool(&[&stranger.der]),
        ),
        (
            "a client's certificate of the pool",
            vec![stranger.leaf("mallory")],
            with_pool(&[&stranger.leaf("mallory"), &stranger.der]),
        ),
        (
            "the pool's certificate in front of a stranger's",
            vec![stranger.leaf("mallory"), middle.der.clone()],
            with_pool(&[&middle.der]),
        ),
    ];
    for (what, chain, anchors) in cases {
        let requirements = Requirements::for_clients(10);
        let error = validate(&chain, &anchors, &requirements, NOW).map(|_| ()).expect_err(what);
        assert_eq!(error.reason, Reason::CertificateUntrusted, "{what}: {error}");
        for purpose in [Purpose::ListSigner, Purpose::Any] {
            assert!(refused(&chain, &anchors, purpose).is_some(), "{what}");
        }
    }
}

#[test]
fn who_is_no_authority_issues_nothing() {
    let root = Authority::root("Root");
    let anchors = trust(&[&root.der]);
    let key = KeyPair::generate().unwrap();
    let issuer = |change: fn(&mut CertificateParams)| certified("alice", &key, &root.issuer, change);
    let mallory = || {
        let mut above = CertificateParams::default();
        above.distinguished_name = named("alice");
        let mut params = CertificateParams::default();
        params.distinguished_name = named("mallory");
        params.signed_by(&*LEAF_KEY, &Issuer::new(above, &key)).unwrap().der().clone()
    };
    let cases: [(&str, Der, &str); 6] = [
        ("a client", issuer(|alice| alice.is_ca = IsCa::NoCa), "RFC 5280, 6.1.4(k)"),
        ("a client that says it is none", issuer(|alice| alice.is_ca = IsCa::ExplicitNoCa), "RFC 5280, 6.1.4(k)"),
        (
            "a client that may sign certificates",
            issuer(|alice| {
                alice.is_ca = IsCa::ExplicitNoCa;
                alice.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
            }),
            "RFC 5280, 6.1.4(k)",
        ),
        (
            "an authority that signs lists alone",
            issuer(|alice| alice.key_usages = vec![KeyUsagePurpose::CrlSign]),
            "RFC 5280, 6.1.4(n)",
        ),
        ("an authority that has run out", issuer(|alice| years(alice, 2020, 2021)), "RFC 5280, 6.1.3(a)(2)"),
        ("an authority of version 1", of_version_1(&issuer(|_| {}), &root), "RFC 5280, 6.1.4(k)"),
    ];
    for (what, alice, section) in cases {
        for purpose in [CLIENT, Purpose::ListSigner, Purpose::Any] {
            assert_eq!(refused(&[mallory(), alice.clone()], &anchors, purpose), Some(section), "{what}, {purpose:?}");
            let pool = trust(&[&root.der]).with_intermediates(vec![alice.clone()]).unwrap();
            assert_eq!(refused(&[mallory()], &pool, purpose), Some(section), "{what} of the pool, {purpose:?}");
        }
    }
    assert_eq!(refused(&[mallory(), issuer(|_| {})], &anchors, CLIENT), None);
}

#[test]
fn a_new_key_of_the_same_name_gives_no_more_room_below_it() {
    let root = Authority::root("Root");
    let narrow = root.below_with("Narrow", |narrow| narrow.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let key = KeyPair::generate().unwrap();
    // The new certificate names no limit of its own.
    let renewed = certified("Narrow", &key, &narrow.issuer, |_| {});
    let above = || {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("Narrow");
        Issuer::new(params, KeyPair::from_pem(&key.serialize_pem()).unwrap())
    };
    let lower_key = KeyPair::generate().unwrap();
    let lower = certified("Lower", &lower_key, &above(), |_| {});
    let leaf = |issuer: &Issuer<'_, KeyPair>| {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("alice");
        params.signed_by(&*LEAF_KEY, issuer).unwrap().der().clone()
    };
    let anchors = trust(&[&root.der]);
    let chain = [leaf(&above()), renewed.clone(), narrow.der.clone()];
    assert!(validate(&chain, &anchors, &Requirements::for_clients(10), NOW).is_ok());
    assert_eq!(second_opinion::judge(&chain, &anchors).unwrap_err(), second_opinion::WRONG_SIGNATURE);
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Lower");
    let chain = [leaf(&Issuer::new(params, lower_key)), lower, renewed, narrow.der.clone()];
    assert_eq!(refused(&chain, &anchors, CLIENT), Some("RFC 5280, 6.1.4(l)"));
}

#[test]
fn a_certificate_that_names_two_algorithms_is_refused() {
    let root = Authority::root("Root");
    let leaf = root.leaf("alice");
    let signed = Fields::read(&leaf).unwrap().signed;
    let signature = Fields::read(&leaf).unwrap().signature;
    let with = |algorithm: Vec<u8>| {
        CertificateDer::from(sequence(&[signed, &algorithm, &tlv(der::BIT_STRING, &[&[0], signature])]))
    };
    // ecdsa-with-SHA384.
    let other = sequence(&[&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]]);
    let anchors = trust(&[&root.der]);
    assert_eq!(refused(&[with(ecdsa_with_sha256())], &anchors, CLIENT), None);
    assert!(refused(&[with(other)], &anchors, CLIENT).is_some());
}

#[test]
fn another_way_is_found_where_one_is_shut() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let middle = root.below("Middle");
    let leaf = middle.leaf("alice");
    let key = middle.issuer.key();
    let old = certified("Middle", key, &root.issuer, |middle| years(middle, 2020, 2021));
    let crossed = certified("Middle", key, &other.issuer, |_| {});
    let capitals = certified("  MIDDLE", key, &root.issuer, |_| {});
    let namesake = Authority::root("Middle");
    let pool = |one: &Der| trust(&[&root.der]).with_intermediates(vec![one.clone()]).unwrap();
    let cases: [(&str, Vec<Der>, TrustAnchors); 5] = [
        ("an old certificate beside the new", vec![leaf.clone(), old.clone(), middle.der.clone()], trust(&[&root.der])),
        ("an old certificate, and the new in the pool", vec![leaf.clone(), old], pool(&middle.der)),
        (
            "a cross certificate of an authority that is not trusted",
            vec![leaf.clone(), crossed.clone(), middle.der.clone()],
            trust(&[&root.der]),
        ),
        ("a namesake beside the right one", vec![leaf.clone(), namesake.der, middle.der.clone()], trust(&[&root.der])),
        (
            "the issuer twice",
            vec![leaf.clone(), middle.der.clone(), middle.der.clone(), leaf.clone()],
            trust(&[&root.der]),
        ),
    ];
    for (what, chain, anchors) in cases {
        assert_eq!(refused(&chain, &anchors, CLIENT), None, "{what}");
    }
    let (chain, anchors) = ([leaf.clone(), capitals], trust(&[&root.der]));
    assert!(validate(&chain, &anchors, &Requirements::for_clients(10), NOW).is_ok());
    assert_eq!(second_opinion::judge(&chain, &anchors).unwrap_err(), second_opinion::UNKNOWN_ISSUER);
    assert!(refused(&[leaf, crossed], &trust(&[&root.der]), CLIENT).is_some());
}

#[test]
fn what_a_certificate_is_for_is_asked_as_the_purpose_needs_it() {
    let root = Authority::root("Root");
    let anchors = trust(&[&root.der]);
    let smart_card = ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 2]);
    let purposes = |purposes: &[ExtendedKeyUsagePurpose]| {
        root.leaf_with("alice", |leaf| leaf.extended_key_usages = purposes.to_vec())
    };
    let usage = |usage| root.leaf_with("alice", |leaf| leaf.key_usages = vec![usage]);
    let (by_purpose, by_usage, by_list_usage) =
        (Some("RFC 5280, 4.2.1.12"), Some("RFC 5280, 4.2.1.3"), Some("RFC 5280, 6.3.3(f)"));
    let authority = Some("RFC 5280, 6.2");
    // For a client, for one with a smart card, for a signer of lists; anything goes where no purpose is given.
    let cases: [(&str, Der, [Option<&str>; 3]); 9] = [
        ("nothing", root.leaf("alice"), [None; 3]),
        ("a client", purposes(&[ExtendedKeyUsagePurpose::ClientAuth]), [None; 3]),
        ("any purpose", purposes(&[ExtendedKeyUsagePurpose::Any]), [None; 3]),
        ("a server", purposes(&[ExtendedKeyUsagePurpose::ServerAuth]), [by_purpose, by_purpose, None]),
        ("a smart card", purposes(std::slice::from_ref(&smart_card)), [by_purpose, None, None]),
        (
            "a smart card of a server",
            purposes(&[ExtendedKeyUsagePurpose::ServerAuth, smart_card]),
            [by_purpose, None, None],
        ),
        ("signing", usage(KeyUsagePurpose::DigitalSignature), [None, None, by_list_usage]),
        ("signing lists", usage(KeyUsagePurpose::CrlSign), [by_usage, by_usage, None]),
        ("an authority", root.below("alice").der, [authority, authority, None]),
    ];
    for (what, leaf, expected) in cases {
        let purposes = [CLIENT, Purpose::Client { smart_card_logon: true }, Purpose::ListSigner];
        let found = purposes.map(|purpose| refused(std::slice::from_ref(&leaf), &anchors, purpose));
        assert_eq!(found, expected, "{what}");
        assert_eq!(refused(&[leaf], &anchors, Purpose::Any), None, "{what}");
    }
    let old = of_version_1(&root.leaf("alice"), &root);
    let found = [CLIENT, Purpose::ListSigner, Purpose::Any]
        .map(|purpose| refused(std::slice::from_ref(&old), &anchors, purpose));
    assert_eq!(found, [Some("RFC 5280, 4.1.2.1"), None, None]);
}

#[test]
fn a_chain_of_too_many_octets_is_not_looked_at() {
    let root = Authority::root("Root");
    let large = root.leaf_with("alice", |leaf| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; 40_000]);
        extension.set_criticality(false);
        leaf.custom_extensions.push(extension);
    });
    let anchors = trust(&[&root.der]);
    assert_eq!(refused(std::slice::from_ref(&large), &anchors, CLIENT), None);
    assert_eq!(refused(&[large.clone(), large], &anchors, CLIENT), Some("RFC 5280, 6.2"));
}
