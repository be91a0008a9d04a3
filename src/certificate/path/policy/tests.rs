//! Policies along a path, written in shorthand: `A AB>C r0|C` is an authority's certificate that asserts the policy
//! A, maps A and B to C and demands a policy at once, above a leaf that asserts C. `*` is anyPolicy, `-` no
//! certificatePolicies at all, `rN`, `mN` and `aN` are requireExplicitPolicy, inhibitPolicyMapping and
//! inhibitAnyPolicy, `s` marks a self-issued certificate.

use super::*;
use crate::certificate::testing::{bare, sequence, tlv};
use proptest::prelude::*;

const NOTHING_ASKED: Inputs =
    Inputs { initial: None, require_explicit: false, inhibit_mapping: false, inhibit_any: false };

/// One certificate.
#[derive(Debug, Clone, Default)]
struct Certificate {
    policies: Option<BTreeSet<char>>,
    mappings: BTreeMap<char, BTreeSet<char>>,
    require_explicit: Option<u8>,
    inhibit_mapping: Option<u8>,
    inhibit_any: Option<u8>,
    self_issued: bool,
}

impl Certificate {
    fn read(text: &str) -> Self {
        let mut certificate = Self::default();
        for word in text.split_whitespace() {
            let number = || word[1..].parse().ok();
            match word.chars().next().unwrap() {
                '-' => {}
                's' => certificate.self_issued = true,
                'r' => certificate.require_explicit = number(),
                'm' => certificate.inhibit_mapping = number(),
                'a' => certificate.inhibit_any = number(),
                _ => match word.split_once('>') {
                    Some((issuers, subjects)) => {
                        for issuer in issuers.chars() {
                            certificate.mappings.entry(issuer).or_default().extend(subjects.chars());
                        }
                    }
                    None => certificate.policies = Some(word.chars().collect()),
                },
            }
        }
        certificate
    }

    fn extensions(&self) -> Vec<(&'static [u8], Vec<u8>)> {
        let mut extensions = Vec::new();
        if let Some(policies) = &self.policies {
            let policies: Vec<_> = policies.iter().map(|policy| sequence(&[&identifier(*policy)])).collect();
            extensions.push((CERTIFICATE_POLICIES, sequence(&slices(&policies))));
        }
        let pairs: Vec<_> = self
            .mappings
            .iter()
            .flat_map(|(issuer, subjects)| subjects.iter().map(|subject| (*issuer, *subject)))
            .map(|(issuer, subject)| sequence(&[&identifier(issuer), &identifier(subject)]))
            .collect();
        if !pairs.is_empty() {
            extensions.push((POLICY_MAPPINGS, sequence(&slices(&pairs))));
        }
        let skip = |tag, skip: Option<u8>| skip.map(|skip| tlv(tag, &[&[skip]])).unwrap_or_default();
        let constraints = [skip(0x80, self.require_explicit), skip(0x81, self.inhibit_mapping)].concat();
        if !constraints.is_empty() {
            extensions.push((POLICY_CONSTRAINTS, sequence(&[&constraints])));
        }
        if self.inhibit_any.is_some() {
            extensions.push((INHIBIT_ANY_POLICY, skip(der::INTEGER, self.inhibit_any)));
        }
        extensions
    }
}

fn slices(parts: &[Vec<u8>]) -> Vec<&[u8]> {
    parts.iter().map(Vec::as_slice).collect()
}

fn oid(policy: char) -> Oid {
    match policy {
        '*' => Oid::from_content(ANY_POLICY).unwrap(),
        letter => format!("2.999.{}", u32::from(letter)).parse().unwrap(),
    }
}

fn identifier(policy: char) -> Vec<u8> {
    tlv(der::OBJECT_IDENTIFIER, &[oid(policy).content()])
}

/// The policies of a set in shorthand.
fn letters(set: &BTreeSet<Oid>) -> String {
    "*ABCDE".chars().filter(|letter| set.contains(&oid(*letter))).collect()
}

fn walk(inputs: &Inputs, path: &[Certificate]) -> Result<(String, String), Violation> {
    let mut state = State::new(inputs, path.len());
    for (position, certificate) in path.iter().enumerate() {
        let extensions = certificate.extensions();
        let extensions: Vec<_> = extensions.iter().map(|(oid, value)| (*oid, false, value.as_slice())).collect();
        state.certificate(&bare(&extensions), position + 1 == path.len(), certificate.self_issued)?;
    }
    let Outcome { authorities, user } = state.finish()?;
    Ok((letters(&authorities), letters(&user)))
}

fn path(text: &str) -> Vec<Certificate> {
    text.split('|').map(Certificate::read).collect()
}

fn initial(policies: &str) -> Option<BTreeSet<Oid>> {
    Some(policies.chars().map(oid).collect())
}

/// Either the policies of the authorities and those of the user, or the section that is broken.
type Expected<'a> = Result<(&'a str, &'a str), &'a str>;

#[test]
fn a_path_is_valid_for_the_policies_that_all_its_certificates_assert() {
    let rows: [(&str, Expected<'_>); 42] = [
        ("A", Ok(("A", "A"))),
        ("-", Ok(("", ""))),
        ("*", Ok(("*", "*"))),
        ("A|A|A", Ok(("A", "A"))),
        ("AB|BC|B", Ok(("B", "B"))),
        ("A|B|A", Ok(("", ""))),
        ("A|-|A", Ok(("", ""))),
        ("*|A|A", Ok(("A", "A"))),
        ("A|*|A", Ok(("A", "A"))),
        ("A|*|*", Ok(("A", "A"))),
        ("A*|*|AB", Ok(("AB", "AB"))),
        ("A|*|B", Ok(("", ""))),
        // A policy is demanded by requireExplicitPolicy, after as many certificates as it says.
        ("- r0|A", Err(EXPLICIT)),
        ("A r0|-", Err(EXPLICIT)),
        ("A r0|A", Ok(("A", "A"))),
        ("A r1|-", Err(WRAP_UP)),
        ("A r2|-", Ok(("", ""))),
        ("A r2|A|-", Err(WRAP_UP)),
        ("A r3|A|-", Ok(("", ""))),
        ("A r2|A s|-", Ok(("", ""))),
        ("A r5|A r1|A|-", Err(EXPLICIT)),
        ("A r0|A r9|-", Err(EXPLICIT)),
        ("- r1", Ok(("", ""))),
        ("- r0", Err(WRAP_UP)),
        ("A|A|B r0", Err(WRAP_UP)),
        // anyPolicy is inhibited.
        ("A a0|*", Ok(("", ""))),
        ("A a0|* s|A", Ok(("A", "A"))),
        ("A a0|* s|*", Ok(("", ""))),
        ("A a1|*|A", Ok(("A", "A"))),
        ("A a1|A|*", Ok(("", ""))),
        ("A a0 r0|*", Err(EXPLICIT)),
        // Mappings.
        ("A A>B|B", Ok(("A", "A"))),
        ("A A>B|A", Ok(("", ""))),
        ("A A>BC|C", Ok(("A", "A"))),
        ("AB AB>C|C", Ok(("AB", "AB"))),
        ("A A>B|B B>C|C C>D|D", Ok(("A", "A"))),
        ("* A>B|B", Ok(("A", "A"))),
        ("* A>B|*", Ok(("*A", "*A"))),
        ("A A>B m0|B B>C|C", Ok(("", ""))),
        ("A A>B m1|B B>C|C", Ok(("A", "A"))),
        ("A A>*|A", Err(OF_ANY_POLICY)),
        ("A *>A|A", Err(OF_ANY_POLICY)),
    ];
    for (text, expected) in rows {
        let found = walk(&NOTHING_ASKED, &path(text));
        let found = found.as_ref().map(|(a, u)| (a.as_str(), u.as_str())).map_err(|violation| violation.section);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_is_asked_is_held_against_the_path() {
    let asked = |policies: &str| Inputs { initial: initial(policies), ..NOTHING_ASKED };
    let required = |policies: &str| Inputs { require_explicit: true, ..asked(policies) };
    let rows: [(Inputs, &str, Expected<'_>); 22] = [
        (asked("A"), "A|A", Ok(("A", "A"))),
        // Nobody demands a policy, so that its absence is only told.
        (asked("B"), "A|A", Ok(("A", ""))),
        (asked("B"), "-|-", Ok(("", ""))),
        (asked("B"), "A r0|A", Err(WRAP_UP)),
        (required("A"), "A|A", Ok(("A", "A"))),
        (required("AB"), "A|A", Ok(("A", "A"))),
        (required("AB"), "ABC|ABC", Ok(("ABC", "AB"))),
        (required("B"), "A|A", Err(WRAP_UP)),
        (required("B"), "*|*", Ok(("*", "B"))),
        (required("B"), "*|A", Err(WRAP_UP)),
        (required("B"), "A*|*", Ok(("*A", "B"))),
        (required("*"), "A|A", Ok(("A", "A"))),
        (required("*"), "-|-", Err(EXPLICIT)),
        (required(""), "A|A", Err(WRAP_UP)),
        (Inputs { require_explicit: true, ..NOTHING_ASKED }, "A|A", Ok(("A", "A"))),
        (Inputs { require_explicit: true, ..NOTHING_ASKED }, "A|B", Err(EXPLICIT)),
        // The policies asked for are those of the anchor's domain.
        (required("A"), "A A>B|B", Ok(("A", "A"))),
        (required("B"), "A A>B|B", Err(WRAP_UP)),
        (Inputs { inhibit_mapping: true, ..required("A") }, "A A>B|B", Err(EXPLICIT)),
        (Inputs { inhibit_mapping: true, ..required("AB") }, "AB A>B|AB", Ok(("B", "B"))),
        (Inputs { inhibit_any: true, ..required("A") }, "*|A", Err(EXPLICIT)),
        (Inputs { inhibit_any: true, ..required("A") }, "A|* s|A", Ok(("A", "A"))),
    ];
    for (inputs, text, expected) in rows {
        let found = walk(&inputs, &path(text));
        let found = found.as_ref().map(|(a, u)| (a.as_str(), u.as_str())).map_err(|violation| violation.section);
        assert_eq!(found, expected, "{text} {inputs:?}");
    }
    let violation = walk(&required("E"), &path("ABCD|ABCD")).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "is valid for 2.999.65, 2.999.66, 2.999.67 and 1 other policies, none of which is asked for (RFC 5280, \
         6.1.5(g))"
    );
}

#[test]
fn an_extension_that_is_not_as_it_must_be_is_refused() {
    let policy = |rest: &[u8]| sequence(&[&sequence(&[&identifier('A'), rest])]);
    let qualifier =
        |kind: &[u8], value: &[u8]| policy(&sequence(&[&sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[kind]), value])]));
    let text = tlv(0x16, &[b"https://example.org/cps"]);
    let pair = |parts: &[&[u8]]| sequence(&[&sequence(parts)]);
    let many: Vec<_> = (0..=MAX_POLICIES)
        .map(|n| sequence(&[&tlv(6, &[format!("2.999.{n}").parse::<Oid>().unwrap().content()])]))
        .collect();
    let (a, b) = (identifier('A'), identifier('B'));
    let many_mappings = sequence(&[&pair(&[&a, &b])[2..].repeat(MAX_POLICIES + 1)]);
    type Row<'a> = (&'a str, &'a [u8], bool, Vec<u8>, bool);
    let rows: [Row<'_>; 33] = [
        ("one", CERTIFICATE_POLICIES, true, policy(&[]), true),
        ("a known qualifier", CERTIFICATE_POLICIES, true, qualifier(QUALIFIERS[0], &text), true),
        ("another", CERTIFICATE_POLICIES, true, qualifier(QUALIFIERS[1], &sequence(&[])), true),
        ("an unknown qualifier", CERTIFICATE_POLICIES, false, qualifier(&[0x2a], &text), true),
        ("an unknown critical qualifier", CERTIFICATE_POLICIES, true, qualifier(&[0x2a], &text), false),
        ("a qualifier without a value", CERTIFICATE_POLICIES, false, qualifier(QUALIFIERS[0], &[]), false),
        ("a qualifier of two values", CERTIFICATE_POLICIES, false, qualifier(QUALIFIERS[0], &text.repeat(2)), false),
        ("an empty list of qualifiers", CERTIFICATE_POLICIES, false, policy(&sequence(&[])), false),
        ("octets behind the qualifiers", CERTIFICATE_POLICIES, false, policy(&[5, 0]), false),
        ("no policies", CERTIFICATE_POLICIES, false, sequence(&[]), false),
        ("no policy", CERTIFICATE_POLICIES, false, sequence(&[&sequence(&[])]), false),
        ("a policy twice", CERTIFICATE_POLICIES, false, sequence(&[&sequence(&[&a]), &sequence(&[&a])]), false),
        ("anyPolicy twice", CERTIFICATE_POLICIES, false, sequence(&[&sequence(&[&identifier('*')]).repeat(2)]), false),
        ("a malformed identifier", CERTIFICATE_POLICIES, false, sequence(&[&sequence(&[&tlv(6, &[&[0x80]])])]), false),
        ("octets behind it", CERTIFICATE_POLICIES, false, [policy(&[]), vec![0]].concat(), false),
        ("as many as may be", CERTIFICATE_POLICIES, false, sequence(&slices(&many[1..])), true),
        ("too many", CERTIFICATE_POLICIES, false, sequence(&slices(&many)), false),
        ("a mapping", POLICY_MAPPINGS, true, pair(&[&a, &b]), true),
        ("no mappings", POLICY_MAPPINGS, true, sequence(&[]), false),
        ("half a mapping", POLICY_MAPPINGS, true, pair(&[&a]), false),
        ("a mapping of three", POLICY_MAPPINGS, true, pair(&[&a, &b, &b]), false),
        ("too many mappings", POLICY_MAPPINGS, true, many_mappings, false),
        ("constraints", POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 1, 2, 0x81, 1, 3]]), true),
        ("a large constraint", POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 9], &[0x7f; 9]]), true),
        ("no constraints", POLICY_CONSTRAINTS, true, sequence(&[]), false),
        ("constraints exchanged", POLICY_CONSTRAINTS, true, sequence(&[&[0x81, 1, 2, 0x80, 1, 3]]), false),
        ("an unknown constraint", POLICY_CONSTRAINTS, true, sequence(&[&[0x82, 1, 2]]), false),
        ("a negative constraint", POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 1, 0xff]]), false),
        ("a padded constraint", POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 2, 0, 1]]), false),
        ("an empty constraint", POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 0]]), false),
        ("an inhibition", INHIBIT_ANY_POLICY, true, vec![2, 2, 0, 0x80], true),
        ("an inhibition of another type", INHIBIT_ANY_POLICY, true, vec![4, 1, 0], false),
        ("octets behind an inhibition", INHIBIT_ANY_POLICY, true, vec![2, 1, 0, 0], false),
    ];
    for (what, identifier, critical, value, good) in rows {
        for last in [false, true] {
            let read = State::new(&NOTHING_ASKED, 2).certificate(&bare(&[(identifier, critical, &value)]), last, false);
            assert_eq!(read.is_ok(), good, "{what}: {read:?}");
        }
    }
}

#[test]
fn mappings_that_would_grow_a_tree_without_bound_stay_small() {
    // Each level maps each of its policies to all of the next: a tree would have 6^9 leaves.
    let level = |letters: &str, next: &str| format!("{letters} {letters}>{next}");
    let mut text: Vec<String> = Vec::new();
    for depth in 0..9 {
        let (own, next) = if depth % 2 == 0 { ("ABCDEF", "GHIJKL") } else { ("GHIJKL", "ABCDEF") };
        text.push(level(own, next));
    }
    text.push("GHIJKL".to_owned());
    let mut state = State::new(&NOTHING_ASKED, text.len());
    for (position, certificate) in text.iter().enumerate() {
        let extensions = Certificate::read(certificate).extensions();
        let extensions: Vec<_> = extensions.iter().map(|(oid, value)| (*oid, false, value.as_slice())).collect();
        state.certificate(&bare(&extensions), position + 1 == text.len(), false).unwrap();
        let graph = state.graph.as_ref().unwrap();
        let edges: usize =
            graph.passed.iter().chain([&graph.last]).flat_map(|level| level.nodes.values()).map(Vec::len).sum();
        assert!(edges <= 36 * (position + 1), "{edges} edges after {} certificates", position + 1);
    }
    assert_eq!(state.finish().unwrap().authorities.len(), 6);
}

/// The valid policy tree as RFC 5280 itself describes it, as a second opinion. It grows without bound.
mod tree {
    use super::*;

    struct Node {
        policy: char,
        expected: BTreeSet<char>,
        depth: usize,
        parent: Option<usize>,
        alive: bool,
    }

    struct Tree(Vec<Node>);

    impl Tree {
        fn add(&mut self, policy: char, expected: BTreeSet<char>, parent: usize) {
            let depth = self.0[parent].depth + 1;
            self.0.push(Node { policy, expected, depth, parent: Some(parent), alive: true });
        }

        fn at(&self, depth: usize) -> Vec<usize> {
            (0..self.0.len()).filter(|node| self.0[*node].alive && self.0[*node].depth == depth).collect()
        }

        fn of(&self, depth: usize, policy: char) -> Vec<usize> {
            self.at(depth).into_iter().filter(|node| self.0[*node].policy == policy).collect()
        }

        fn children(&self, of: usize) -> Vec<usize> {
            (0..self.0.len()).filter(|node| self.0[*node].alive && self.0[*node].parent == Some(of)).collect()
        }

        fn delete(&mut self, node: usize) {
            self.0[node].alive = false;
            self.children(node).into_iter().for_each(|child| self.delete(child));
        }

        /// Deletes the nodes down to this depth that have no children.
        fn prune(&mut self, deepest: usize) {
            for depth in (0..=deepest).rev() {
                for node in self.at(depth) {
                    self.0[node].alive = !self.children(node).is_empty();
                }
            }
        }

        fn is_null(&self) -> bool {
            !self.0[0].alive
        }

        /// The nodes whose parent is a node of anyPolicy.
        fn valid_policy_node_set(&self) -> Vec<usize> {
            let of_any = |node: &Node| node.alive && node.parent.is_some_and(|parent| self.0[parent].policy == '*');
            (0..self.0.len()).filter(|node| of_any(&self.0[*node])).collect()
        }
    }

    pub(super) fn walk(
        asked: &Option<BTreeSet<char>>,
        inputs: &Inputs,
        path: &[Certificate],
    ) -> Option<(String, String)> {
        let n = path.len();
        let unless = |inhibited: bool| if inhibited { 0 } else { n + 1 };
        let mut explicit = unless(inputs.require_explicit);
        let mut mapping = unless(inputs.inhibit_mapping);
        let mut any = unless(inputs.inhibit_any);
        let root = Node { policy: '*', expected: ['*'].into(), depth: 0, parent: None, alive: true };
        let mut tree = Tree(vec![root]);
        for (i, certificate) in (1..).zip(path) {
            match &certificate.policies {
                None => tree.delete(0),
                Some(_) if tree.is_null() => {}
                Some(policies) => {
                    for policy in policies.iter().filter(|policy| **policy != '*') {
                        let mut parents = tree.at(i - 1);
                        parents.retain(|node| tree.0[*node].expected.contains(policy));
                        if parents.is_empty() {
                            parents = tree.of(i - 1, '*');
                        }
                        parents.into_iter().for_each(|parent| tree.add(*policy, [*policy].into(), parent));
                    }
                    if policies.contains(&'*') && (any > 0 || (i < n && certificate.self_issued)) {
                        for parent in tree.at(i - 1) {
                            for expected in tree.0[parent].expected.clone() {
                                if !tree.children(parent).iter().any(|child| tree.0[*child].policy == expected) {
                                    tree.add(expected, [expected].into(), parent);
                                }
                            }
                        }
                    }
                    tree.prune(i - 1);
                }
            }
            if explicit == 0 && tree.is_null() {
                return None;
            }
            if i == n {
                break;
            }
            for (issuer, subjects) in &certificate.mappings {
                let nodes = tree.of(i, *issuer);
                if mapping == 0 {
                    nodes.into_iter().for_each(|node| tree.delete(node));
                    tree.prune(i - 1);
                } else if !nodes.is_empty() {
                    nodes.into_iter().for_each(|node| tree.0[node].expected = subjects.clone());
                } else if !tree.of(i, '*').is_empty() {
                    let parent = tree.of(i - 1, '*')[0];
                    tree.add(*issuer, subjects.clone(), parent);
                }
            }
            for (count, limit) in [
                (&mut explicit, certificate.require_explicit),
                (&mut mapping, certificate.inhibit_mapping),
                (&mut any, certificate.inhibit_any),
            ] {
                if !certificate.self_issued {
                    *count = count.saturating_sub(1);
                }
                if let Some(limit) = limit {
                    *count = usize::from(limit).min(*count);
                }
            }
        }
        explicit = explicit.saturating_sub(1);
        if path[n - 1].require_explicit == Some(0) {
            explicit = 0;
        }
        let policies = |tree: &Tree| {
            let set = tree.valid_policy_node_set();
            let named = set.into_iter().map(|node| tree.0[node].policy).filter(|policy| *policy != '*');
            let any = tree.of(n, '*').into_iter().map(|_| '*');
            named.chain(any).collect::<BTreeSet<char>>().into_iter().collect::<String>()
        };
        let authorities = policies(&tree);
        if let Some(asked) = asked.as_ref().filter(|asked| !tree.is_null() && !asked.contains(&'*')) {
            let set = tree.valid_policy_node_set();
            let named: BTreeSet<char> = set.iter().map(|node| tree.0[*node].policy).collect();
            for node in set {
                if tree.0[node].policy != '*' && !asked.contains(&tree.0[node].policy) {
                    tree.delete(node);
                }
            }
            if let [any] = tree.of(n, '*')[..] {
                let parent = tree.0[any].parent.unwrap();
                asked.difference(&named).for_each(|policy| tree.add(*policy, [*policy].into(), parent));
                tree.delete(any);
            }
            tree.prune(n - 1);
        }
        (explicit > 0 || !tree.is_null()).then(|| (authorities, policies(&tree)))
    }
}

fn policies() -> impl Strategy<Value = BTreeSet<char>> {
    prop::collection::btree_set(prop::sample::select(vec!['A', 'B', 'C', '*']), 1..4)
}

fn certificates() -> impl Strategy<Value = Certificate> {
    let named = || prop::sample::select(vec!['A', 'B', 'C']);
    let subjects = prop::collection::btree_set(named(), 1..3);
    let skip = || prop::option::weighted(0.15, 0u8..3);
    (
        prop::option::weighted(0.9, policies()),
        prop::collection::btree_map(named(), subjects, 0..3),
        (skip(), skip(), skip()),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(policies, mappings, (require_explicit, inhibit_mapping, inhibit_any), self_issued)| {
            Certificate { policies, mappings, require_explicit, inhibit_mapping, inhibit_any, self_issued }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_graph_says_what_the_tree_of_rfc_5280_says(
        path in prop::collection::vec(certificates(), 1..6),
        asked in prop::option::of(policies()),
        require_explicit in prop::bool::weighted(0.3),
        inhibit_mapping in prop::bool::weighted(0.1),
        inhibit_any in prop::bool::weighted(0.1),
    ) {
        let initial = asked.as_ref().map(|asked| asked.iter().copied().map(oid).collect());
        let inputs = Inputs { initial, require_explicit, inhibit_mapping, inhibit_any };
        prop_assert_eq!(walk(&inputs, &path).ok(), tree::walk(&asked, &inputs, &path));
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        for identifier in [CERTIFICATE_POLICIES, POLICY_MAPPINGS, POLICY_CONSTRAINTS, INHIBIT_ANY_POLICY] {
            for value in [octets.clone(), sequence(&[&octets]), sequence(&[&sequence(&[&octets])])] {
                let _ = State::new(&NOTHING_ASKED, 2).certificate(&bare(&[(identifier, true, &value)]), false, false);
            }
        }
    }
}
