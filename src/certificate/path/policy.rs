//! Certificate policies along a path (RFC 5280, sections 6.1.2 to 6.1.5), with the graph of RFC 9618 in
//! place of the tree: its size is bounded by what the certificates say, not by the product of their
//! mappings. Pure: the certificates come one by one from the anchor's side, and what they assert or
//! demand goes in. Whether they are signed, in date and allowed to issue is for others to say.
//!
//! Qualifiers are not processed: they are text for people, and must be well formed.

use super::violation::Violation;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::fields::{
    CERTIFICATE_POLICIES, Fields, INHIBIT_ANY_POLICY, POLICY_CONSTRAINTS, POLICY_MAPPINGS,
};
use crate::certificate::oid::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// The content of the OBJECT IDENTIFIER of anyPolicy, 2.5.29.32.0.
const ANY_POLICY: &[u8] = &[0x55, 0x1d, 0x20, 0x00];
/// id-qt-cps, 1.3.6.1.5.5.7.2.1, and id-qt-unotice: the qualifiers that RFC 5280 defines.
const QUALIFIERS: [&[u8]; 2] =
    [&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01], &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x02]];

const POLICIES: &str = "RFC 5280, 4.2.1.4";
const MAPPINGS: &str = "RFC 5280, 4.2.1.5";
const CONSTRAINTS: &str = "RFC 5280, 4.2.1.11";
const INHIBITION: &str = "RFC 5280, 4.2.1.14";
const EXPLICIT: &str = "RFC 5280, 6.1.3(f)";
const OF_ANY_POLICY: &str = "RFC 5280, 6.1.4(a)";
const WRAP_UP: &str = "RFC 5280, 6.1.5(g)";

/// How many policies, and how many mappings, one certificate may have; those of bridge authorities, which have
/// the most, have some dozens.
const MAX_POLICIES: usize = 1024;

/// What is asked of the policies of a path (RFC 5280, section 6.1.1 (c) and (e) to (g)). The default asks nothing,
/// and what the certificates of the path demand is held against them all the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// The policies of which one is to be valid for the path, in the anchor's terms; `None` is any-policy. Unless
    /// `require_explicit` is set, it counts only where a certificate demands a policy.
    pub initial: Option<BTreeSet<Oid>>,
    /// Whether the path must be valid for one of the policies of `initial`, even if no certificate demands it.
    pub require_explicit: bool,
    /// Whether no policy may be mapped to another.
    pub inhibit_mapping: bool,
    /// Whether anyPolicy in a certificate counts for nothing.
    pub inhibit_any: bool,
}

/// What policies a valid path stands for, in the anchor's terms (RFC 5280, section 6.1.6). A set that holds
/// anyPolicy, 2.5.29.32.0, stands for every policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The policies that all authorities of the path assert: the authorities-constrained set.
    pub authorities: BTreeSet<Oid>,
    /// Those of them that were asked for: the user-constrained set.
    pub user: BTreeSet<Oid>,
}

/// How far the policies of a path have been followed down from the anchor.
#[derive(Debug, Clone)]
pub struct State {
    initial: Option<BTreeSet<Oid>>,
    /// After how many more certificates a policy is demanded, a mapping no longer allowed, and anyPolicy no longer
    /// taken for one; none of them while it is more than there are.
    explicit: usize,
    mapping: usize,
    any: usize,
    /// `None` when no policy is valid any more.
    graph: Option<Graph>,
}

impl State {
    /// At the anchor of a path of this many certificates, which do not include the anchor (section 6.1.2).
    #[must_use]
    pub fn new(inputs: &Inputs, certificates_on_path: usize) -> Self {
        let never = certificates_on_path.saturating_add(1);
        let unless = |inhibited| if inhibited { 0 } else { never };
        let initial = inputs.initial.clone().filter(|set| !set.iter().any(|policy| policy.content() == ANY_POLICY));
        Self {
            initial,
            explicit: unless(inputs.require_explicit),
            mapping: unless(inputs.inhibit_mapping),
            any: unless(inputs.inhibit_any),
            graph: Some(Graph::at_anchor()),
        }
    }

    /// Takes the next certificate, the `last` being the client's own. `self_issued` is whether its subject is its
    /// issuer (sections 6.1.3 (d) to (f), 6.1.4 (a), (b) and (h) to (j), and 6.1.5 (a) and (b)).
    ///
    /// # Errors
    /// When one of its policy extensions is malformed or maps anyPolicy, or a policy is demanded and it has
    /// none that is valid.
    pub fn certificate(&mut self, fields: &Fields<'_>, last: bool, self_issued: bool) -> Result<(), Violation> {
        let policies = Policies::read(fields)?;
        let mappings = mappings(fields)?;
        let constraints = Constraints::read(fields)?;

        let takes_any = self.any > 0 || (self_issued && !last);
        self.graph = match (self.graph.take(), policies) {
            (Some(graph), Some(policies)) => graph.descend(policies, takes_any),
            _ => None,
        };
        if self.explicit == 0 && self.graph.is_none() {
            return Err(Violation::new(EXPLICIT, "has no valid policy, where one is demanded"));
        }
        if last {
            self.explicit = self.explicit.saturating_sub(1);
            if constraints.require_explicit == Some(0) {
                self.explicit = 0;
            }
            return Ok(());
        }
        if mappings.iter().any(|(issuer, subjects)| {
            std::iter::once(issuer).chain(subjects).any(|policy| policy.content() == ANY_POLICY)
        }) {
            return Err(Violation::new(OF_ANY_POLICY, "maps anyPolicy to a policy, or a policy to it"));
        }
        let maps = self.mapping > 0;
        self.graph = self.graph.take().and_then(|graph| graph.map(&mappings, maps));
        for (count, limit) in [
            (&mut self.explicit, constraints.require_explicit),
            (&mut self.mapping, constraints.inhibit_mapping),
            (&mut self.any, constraints.inhibit_any),
        ] {
            // A self-issued certificate renews its authority and adds none.
            let left = if self_issued { *count } else { count.saturating_sub(1) };
            *count = limit.map_or(left, |limit| limit.min(left));
        }
        Ok(())
    }

    /// Ends the path after its last certificate (section 6.1.5 (g)).
    ///
    /// # Errors
    /// When a policy is demanded and none of those that were asked for is valid.
    pub fn finish(self) -> Result<Outcome, Violation> {
        let authorities = self.graph.map(Graph::authorities).unwrap_or_default();
        let user = match self.initial {
            None => authorities.clone(),
            Some(initial) if authorities.iter().any(|policy| policy.content() == ANY_POLICY) => initial,
            Some(initial) => authorities.intersection(&initial).cloned().collect(),
        };
        if self.explicit == 0 && user.is_empty() {
            let detail = match authorities.len() {
                0 => "has no valid policy, where one is demanded".to_owned(),
                count => format!("is valid for {}, none of which is asked for", listed(&authorities, count)),
            };
            return Err(Violation::new(WRAP_UP, detail));
        }
        Ok(Outcome { authorities, user })
    }
}

fn listed(policies: &BTreeSet<Oid>, count: usize) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = policies.iter().take(SHOWN).map(Oid::to_string).collect();
    let more = if count > SHOWN { format!(" and {} other policies", count - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// The valid policy graph: a level for each certificate passed, the anchor's first. A node that has no child in
/// the level below is let stand, since nothing looks at it until the end, and then it is not reached.
#[derive(Debug, Clone)]
struct Graph {
    /// The levels above the last.
    passed: Vec<Level>,
    last: Level,
    /// What the next certificate may assert: for each such policy, the nodes of the last level that expect it.
    expected: BTreeMap<Oid, Vec<Oid>>,
}

/// The nodes of one depth.
#[derive(Debug, Clone)]
struct Level {
    /// Whether there is a node of anyPolicy. Its parent is that of the level above.
    any: bool,
    /// The other nodes by their valid policy, with the valid policies of their parents in the level above; a node
    /// without any is a child of that level's anyPolicy.
    nodes: BTreeMap<Oid, Vec<Oid>>,
}

impl Level {
    fn is_empty(&self) -> bool {
        !self.any && self.nodes.is_empty()
    }
}

impl Graph {
    fn at_anchor() -> Self {
        let last = Level { any: true, nodes: BTreeMap::new() };
        Self { passed: Vec::new(), last, expected: BTreeMap::new() }
    }

    /// The graph with the level of a certificate that asserts these policies (section 6.1.3 (d)); `None` if there
    /// is no node in it.
    fn descend(mut self, policies: Policies, takes_any: bool) -> Option<Self> {
        let mut nodes = BTreeMap::new();
        for policy in policies.named {
            if let Some(parents) = self.expected.remove(&policy) {
                nodes.insert(policy, parents);
            } else if self.last.any {
                nodes.insert(policy, Vec::new());
            }
        }
        let any = policies.any && takes_any;
        if any {
            nodes.append(&mut self.expected);
        }
        let level = Level { any: any && self.last.any, nodes };
        if level.is_empty() {
            return None;
        }
        self.passed.push(std::mem::replace(&mut self.last, level));
        Some(self)
    }

    /// What the next certificate may assert, after the mappings of the one of the last level (section 6.1.4 (b));
    /// `None` if no node is left.
    fn map(mut self, mappings: &BTreeMap<Oid, BTreeSet<Oid>>, maps: bool) -> Option<Self> {
        for issuer in mappings.keys() {
            if !maps {
                self.last.nodes.remove(issuer);
            } else if self.last.any {
                self.last.nodes.entry(issuer.clone()).or_default();
            }
        }
        self.expected = BTreeMap::new();
        for policy in self.last.nodes.keys() {
            let themselves = || BTreeSet::from([policy.clone()]);
            for subject in mappings.get(policy).cloned().unwrap_or_else(themselves) {
                self.expected.entry(subject).or_default().push(policy.clone());
            }
        }
        (!self.last.is_empty()).then_some(self)
    }

    /// The policies of the anchor's domain from which a way leads to the last level.
    fn authorities(self) -> BTreeSet<Oid> {
        let mut authorities = BTreeSet::new();
        if self.last.any {
            authorities.extend(Oid::from_content(ANY_POLICY));
        }
        let mut reached: BTreeSet<Oid> = self.last.nodes.keys().cloned().collect();
        for mut level in std::iter::once(self.last).chain(self.passed.into_iter().rev()) {
            let mut above = BTreeSet::new();
            for policy in reached {
                match level.nodes.remove(&policy) {
                    Some(parents) if parents.is_empty() => _ = authorities.insert(policy),
                    parents => above.extend(parents.into_iter().flatten()),
                }
            }
            reached = above;
        }
        authorities
    }
}

/// What a certificatePolicies extension asserts (section 4.2.1.4).
struct Policies {
    any: bool,
    named: BTreeSet<Oid>,
}

impl Policies {
    /// `None` without the extension.
    fn read(fields: &Fields<'_>) -> Result<Option<Self>, Violation> {
        let Some(extension) = fields.extension(CERTIFICATE_POLICIES) else { return Ok(None) };
        let malformed = malformed("certificatePolicies", POLICIES);
        let mut policies = Self { any: false, named: BTreeSet::new() };
        let mut list = filled(extension.value, der::SEQUENCE).map_err(malformed)?;
        while !list.is_empty() {
            let (policy, qualifiers) = information(&mut list).map_err(malformed)?;
            if extension.critical && !qualifiers.iter().all(|known| QUALIFIERS.contains(known)) {
                return Err(Violation::new(POLICIES, "has a critical policy with a qualifier that is not understood"));
            }
            let new = if policy == ANY_POLICY {
                !std::mem::replace(&mut policies.any, true)
            } else {
                policies.named.insert(Oid::from_content(policy).map_err(malformed)?)
            };
            if !new {
                return Err(Violation::new(POLICIES, "has one policy twice"));
            }
            if policies.named.len() > MAX_POLICIES {
                return Err(Violation::new(POLICIES, format!("has more than {MAX_POLICIES} policies")));
            }
        }
        Ok(Some(policies))
    }
}

/// A PolicyInformation: the policy, and the kinds of its qualifiers.
fn information<'a>(list: &mut Reader<'a>) -> Result<(&'a [u8], Vec<&'a [u8]>), DerError> {
    let mut reader = list.inside(der::SEQUENCE)?;
    let policy = reader.expect(der::OBJECT_IDENTIFIER)?.content;
    let mut kinds = Vec::new();
    if let Some(qualifiers) = reader.optional(der::SEQUENCE)? {
        let mut qualifiers = filled(qualifiers.whole, der::SEQUENCE)?;
        while !qualifiers.is_empty() {
            let mut qualifier = qualifiers.inside(der::SEQUENCE)?;
            kinds.push(qualifier.expect(der::OBJECT_IDENTIFIER)?.content);
            qualifier.element()?;
            qualifier.finish()?;
        }
    }
    reader.finish()?;
    Ok((policy, kinds))
}

/// The policyMappings (section 4.2.1.5): for each policy of the issuer's domain, those of the subject's that count
/// as the same. None without the extension.
fn mappings(fields: &Fields<'_>) -> Result<BTreeMap<Oid, BTreeSet<Oid>>, Violation> {
    let mut mappings: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
    let Some(extension) = fields.extension(POLICY_MAPPINGS) else { return Ok(mappings) };
    let malformed = malformed("policyMappings", MAPPINGS);
    let mut list = filled(extension.value, der::SEQUENCE).map_err(malformed)?;
    for count in 0.. {
        if list.is_empty() {
            break;
        }
        if count == MAX_POLICIES {
            return Err(Violation::new(MAPPINGS, format!("has more than {MAX_POLICIES} policy mappings")));
        }
        let mut read = || {
            let mut pair = list.inside(der::SEQUENCE)?;
            let mut policy = || Oid::from_content(pair.expect(der::OBJECT_IDENTIFIER)?.content);
            let policies = (policy()?, policy()?);
            pair.finish()?;
            Ok(policies)
        };
        let (issuer, subject) = read().map_err(malformed)?;
        mappings.entry(issuer).or_default().insert(subject);
    }
    Ok(mappings)
}

/// After how many certificates more something is demanded or inhibited.
#[derive(Default)]
struct Constraints {
    require_explicit: Option<usize>,
    inhibit_mapping: Option<usize>,
    inhibit_any: Option<usize>,
}

impl Constraints {
    /// The policyConstraints (section 4.2.1.11) and inhibitAnyPolicy (section 4.2.1.14).
    fn read(fields: &Fields<'_>) -> Result<Self, Violation> {
        let mut constraints = Self::default();
        if let Some(extension) = fields.extension(POLICY_CONSTRAINTS) {
            let mut read = || {
                let mut reader = filled(extension.value, der::SEQUENCE)?;
                let mut next = |tag| reader.optional(tag)?.map(|skip| count(skip.content)).transpose();
                constraints.require_explicit = next(der::primitive(0))?;
                constraints.inhibit_mapping = next(der::primitive(1))?;
                reader.finish()
            };
            read().map_err(malformed("policyConstraints", CONSTRAINTS))?;
        }
        if let Some(extension) = fields.extension(INHIBIT_ANY_POLICY) {
            let read = der::single(extension.value, der::INTEGER).and_then(count);
            constraints.inhibit_any = Some(read.map_err(malformed("inhibitAnyPolicy", INHIBITION))?);
        }
        Ok(constraints)
    }
}

/// The content of an INTEGER that counts certificates; more than can be counted is as good as all.
fn count(content: &[u8]) -> Result<usize, DerError> {
    match content {
        [] | [0x80..=0xff, ..] | [0x00, 0x00..=0x7f, ..] => Err(DerError::Value("a number of certificates")),
        octets => Ok(octets
            .iter()
            .fold(0, |value: usize, octet| value.saturating_mul(0x100).saturating_add(usize::from(*octet)))),
    }
}

/// A reader of the single element that these octets are, which is not empty.
fn filled(octets: &[u8], tag: u8) -> Result<Reader<'_>, DerError> {
    match der::single(octets, tag)? {
        [] => Err(DerError::Truncated),
        content => Ok(Reader::new(content)),
    }
}

fn malformed(extension: &'static str, section: &'static str) -> impl Fn(DerError) -> Violation + Copy {
    move |why| Violation::new(section, format!("has malformed {extension}: {why}"))
}

#[cfg(test)]
mod tests;
