//! What a search finds among certificates that branch, and what it costs.

use super::*;
use crate::certificate::fields::Fields;
use crate::certificate::path::TrustAnchors;
use crate::certificate::testing::{Authority, LEAF_KEY, NOW, named};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::sync::LazyLock;

type Der = CertificateDer<'static>;

static KEYS: LazyLock<Vec<KeyPair>> = LazyLock::new(|| (0..9).map(|_| KeyPair::generate().unwrap()).collect());

/// Names, each with what it is equal to.
const NAMES: [(&str, u8); 4] = [("Alpha", 0), (" ALPHA", 0), ("Beta", 1), ("Gamma", 2)];

/// A certificate by what matters for a path.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Places in [`NAMES`].
    subject: usize,
    issuer: usize,
    /// Places in [`KEYS`].
    key: usize,
    signer: usize,
    authority: bool,
    expired: bool,
}

impl Plan {
    fn issue(&self) -> Der {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(NAMES[self.subject].0);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(if self.expired { 2021 } else { 2031 }, 1, 1);
        if self.authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let mut above = CertificateParams::default();
        above.distinguished_name = named(NAMES[self.issuer].0);
        params.signed_by(&KEYS[self.key], &Issuer::new(above, &KEYS[self.signer])).unwrap().der().clone()
    }

    /// Whether this one, by its name and key, could have issued the other.
    fn issued(&self, other: &Self) -> bool {
        NAMES[self.subject].1 == NAMES[other.issuer].1 && self.key == other.signer
    }
}

/// What a search came to.
struct Outcome {
    result: Result<ValidPath, PathError>,
    signatures: u32,
    steps: u32,
}

impl Outcome {
    fn was_given_up(&self) -> bool {
        self.result.as_ref().is_err_and(|error| error.detail.contains("branch too much"))
    }
}

fn search(chain: &[Der], anchors: &TrustAnchors) -> Outcome {
    search_for(chain, anchors, &Requirements::for_anything(10))
}

fn search_for(chain: &[Der], anchors: &TrustAnchors, requirements: &Requirements) -> Outcome {
    let (leaf, others) = chain.split_first().unwrap();
    let graph = Graph::new(leaf, Fields::read(leaf).unwrap(), others, anchors, NOW);
    let mut search = Search::new(&graph, requirements, NOW);
    let result = search.run();
    Outcome { result, signatures: search.signatures, steps: search.steps }
}

fn trust(anchor: &Der, pool: Vec<Der>) -> TrustAnchors {
    TrustAnchors::new(vec![anchor.clone()]).unwrap().with_intermediates(pool).unwrap()
}

/// A self-signed authority with the first name and key.
const ROOT: Plan = Plan { subject: 0, issuer: 0, key: 0, signer: 0, authority: true, expired: false };

/// Whether a path leads from the first of the plans to the root: those that the root vouches for, those that they
/// vouch for, and so on.
fn path_exists(plans: &[Plan]) -> bool {
    let mut vouched: BTreeSet<usize> = BTreeSet::new();
    loop {
        let more: BTreeSet<usize> = (0..plans.len())
            .filter(|place| {
                let above = vouched.iter().filter(|above| **above != 0 && plans[**above].authority);
                let by_any = above.map(|above| &plans[*above]).chain([&ROOT]).any(|one| one.issued(&plans[*place]));
                by_any && !plans[*place].expired
            })
            .collect();
        if more == vouched {
            return vouched.contains(&0);
        }
        vouched = more;
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let likely = |probability| prop::bool::weighted(probability);
    (0..NAMES.len(), 0..NAMES.len(), 0..4usize, 0..4usize, likely(0.9), likely(0.1)).prop_map(
        |(subject, issuer, key, signer, authority, expired)| Plan { subject, issuer, key, signer, authority, expired },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn in_any_bag_of_certificates_a_path_is_found_if_there_is_one(
        plans in prop::collection::vec(plan(), 1..24), presented in 1..10usize,
    ) {
        let certificates: Vec<Der> = plans.iter().map(Plan::issue).collect();
        let (chain, pool) = certificates.split_at(presented.min(certificates.len()));
        let outcome = search(chain, &trust(&ROOT.issue(), pool.to_vec()));
        prop_assert!(outcome.signatures <= MAX_SIGNATURES && outcome.steps <= MAX_STEPS);
        if !outcome.was_given_up() {
            prop_assert_eq!(outcome.result.is_ok(), path_exists(&plans), "{:?}", outcome.result.map(|_| ()));
        }
    }
}

#[test]
fn a_chain_costs_one_signature_check_for_each_certificate() {
    let root = Authority::root("Root");
    let middle = root.below("Middle");
    let anchors = trust(&root.der, Vec::new());
    let outcome = search(&[middle.leaf("alice"), middle.der.clone(), root.der.clone()], &anchors);
    assert!(outcome.result.is_ok());
    assert_eq!((outcome.signatures, outcome.steps), (2, 3));
}

#[test]
fn a_stranger_costs_no_signature_check_and_a_namesake_one() {
    let root = Authority::root("Root");
    let anchors = trust(&root.der, Vec::new());
    let (other, namesake) = (Authority::root("Other"), Authority::root("Root"));
    let outcome = search(&[other.leaf("mallory"), other.der.clone()], &anchors);
    assert_eq!((outcome.result.is_err(), outcome.signatures), (true, 0));
    let middle = namesake.below("Middle");
    let outcome = search(&[middle.leaf("mallory"), middle.der.clone()], &anchors);
    assert_eq!((outcome.result.is_err(), outcome.signatures), (true, 1));
}

#[test]
fn a_key_identifier_finds_the_right_one_of_many_keys() {
    let root = Authority::root("Root");
    let keys: Vec<Authority> = (0..40).map(|_| root.below("Issuer")).collect();
    let leaf = keys[33].leaf_with("alice", |leaf| leaf.use_authority_key_identifier_extension = true);
    let outcome = search(&[leaf], &trust(&root.der, keys.into_iter().map(|key| key.der).collect()));
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.signatures, 2);
}

#[test]
fn paths_that_share_a_part_share_its_price() {
    // Two authorities on each of four floors, each certified by both of the floor above: sixteen paths, all of
    // which end with a leaf that has run out.
    const FLOORS: usize = 4;
    let root = Authority::root("Root");
    let name = |floor: usize| format!("Floor {floor}");
    let params = |name: String| {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let mut above = vec![(Issuer::new(params("Root".to_owned()), root.issuer.key()))];
    let mut pool = Vec::new();
    for floor in 0..FLOORS {
        let keys = &KEYS[2 * floor..2 * floor + 2];
        for key in keys {
            for issuer in &above {
                pool.push(params(name(floor)).signed_by(key, issuer).unwrap().der().clone());
            }
        }
        above = keys.iter().map(|key| Issuer::new(params(name(floor)), key)).collect();
    }
    let mut leaf = CertificateParams::default();
    leaf.not_after = date_time_ymd(2021, 1, 1);
    let leaf = leaf.signed_by(&*LEAF_KEY, &above[0]).unwrap().der().clone();
    let certificates = u32::try_from(pool.len()).unwrap() + 1;
    let outcome = search(&[leaf], &trust(&root.der, pool));
    assert_eq!(outcome.result.as_ref().unwrap_err().reason, Reason::CertificateExpired);
    assert!(!outcome.was_given_up());
    // Each certificate is held against each of its issuer's two keys at most.
    assert!(outcome.signatures <= 2 * certificates, "{} signatures", outcome.signatures);
}

/// Authorities of one name with as many keys, each certified by all, and one by the root.
fn mesh(expired: bool) -> Vec<Der> {
    let keys = 1..KEYS.len();
    let member = |key, signer| Plan { subject: 2, issuer: 2, key, signer, authority: true, expired };
    let crossed = keys.clone().flat_map(|key| keys.clone().map(move |signer| (key, signer)));
    let rooted = Plan { issuer: 0, signer: 0, ..member(KEYS.len() - 1, 0) };
    crossed
        .filter(|(key, signer)| key != signer)
        .map(|(key, signer)| member(key, signer).issue())
        .chain([rooted.issue()])
        .collect()
}

#[test]
fn a_mesh_of_cross_certified_authorities_of_one_name_is_searched_within_the_budget() {
    let leaf = Plan { subject: 3, issuer: 2, key: 0, signer: 1, authority: false, expired: false };
    let outcome = search(&[leaf.issue()], &trust(&ROOT.issue(), mesh(false)));
    assert!(outcome.result.is_ok());
    assert!(outcome.signatures < 20, "{} signatures", outcome.signatures);

    let outcome = search(&[leaf.issue()], &trust(&ROOT.issue(), mesh(true)));
    assert!(outcome.was_given_up());
    assert!(outcome.signatures <= MAX_SIGNATURES && outcome.steps <= MAX_STEPS);
    let error = outcome.result.unwrap_err();
    assert_eq!((error.reason, error.section), (Reason::CertificateExpired, "RFC 5280, 6.2"));
}

#[test]
fn the_search_gives_up_after_so_many_signatures_and_says_so() {
    let root = Authority::root("Root");
    let forged = Authority::root("Root");
    let pool: Vec<Der> = (0..100).map(|_| forged.below("Issuer").der).collect();
    let outcome = search(&[Authority::root("Issuer").leaf("mallory")], &trust(&root.der, pool));
    assert_eq!(outcome.signatures, MAX_SIGNATURES);
    let error = outcome.result.unwrap_err();
    assert_eq!(error.reason, Reason::CertificateUntrusted);
    assert!(error.detail.starts_with("the certificates branch too much to be searched (64 signatures were checked)"));
}

#[test]
fn more_intermediates_of_one_name_than_are_laid_out_are_no_silent_loss() {
    let root = Authority::root("Root");
    let forged = Authority::root("Else");
    let pool: Vec<Der> = (0..200).map(|_| forged.below("Issuer").der).collect();
    let outcome = search(&[Authority::root("Issuer").leaf("mallory")], &trust(&root.der, pool));
    assert!(outcome.was_given_up());
    assert_eq!(outcome.signatures, 0);
}

#[test]
fn a_chain_in_a_circle_ends() {
    let root = Authority::root("Root");
    let circle = |subject, issuer, key, signer| Plan { subject, issuer, key, signer, authority: true, expired: false };
    let chain = [circle(3, 2, 3, 2), circle(2, 3, 2, 3), circle(3, 2, 3, 2)].map(|plan| plan.issue());
    let outcome = search(&chain, &trust(&root.der, Vec::new()));
    assert_eq!(outcome.result.unwrap_err().reason, Reason::CertificateUntrusted);
}

#[test]
fn the_first_of_two_failures_told_is_the_one_closer_to_the_leaf() {
    // Over the first authority the path fails at the top, over the second at the leaf.
    let root = Authority::root("Root");
    let middle = root.below("Middle");
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Middle");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(2021, 1, 1);
    let old = params.signed_by(middle.issuer.key(), &root.issuer).unwrap().der().clone();
    let leaf = middle.leaf_with("alice", |leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    for chain in [[leaf.clone(), old.clone(), middle.der.clone()], [leaf.clone(), middle.der.clone(), old.clone()]] {
        let outcome = search_for(&chain, &trust(&root.der, Vec::new()), &Requirements::for_clients(10));
        let error = outcome.result.unwrap_err();
        assert_eq!(error.detail, "CN=alice has a keyUsage that does not allow digital signatures");
        assert_eq!(error.tried, ["CN=alice", "CN=Middle", "CN=Root"]);
        let place = error.certificate.unwrap();
        assert_eq!((place.position, place.subject.as_str(), error.section), (0, "CN=alice", "RFC 5280, 4.2.1.3"));
    }
}
