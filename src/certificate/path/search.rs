//! The way from the leaf to an anchor: depth first and the likeliest issuer first, the shortest paths before longer
//! ones, until one holds.
//!
//! Signatures are checked from the anchor downwards, and only once names have led to one: so hardly a key is used
//! that nobody vouches for, and a stranger's certificates cost no more than a check or two at the top. Only where an
//! issuer has several keys, the one that signed is found out on the way up, since each of them would lead on.
//! What was checked is remembered, so that paths that share a part share its price. All the same a client could
//! send certificates that branch without end; how much is done for one is therefore limited.

use super::anchors::Anchor;
use super::checks::{self, Step};
use super::error::{FURTHER_LIMIT, Fault, PathError, SIGNATURE, title};
use super::graph::{Graph, Node};
use super::{Requirements, ValidPath};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::MAX_CHAIN;
use crate::certificate::signature::{self, SignatureError};

/// How many signatures are checked for one leaf.
pub const MAX_SIGNATURES: u32 = 64;
/// How many steps the search for one leaf takes: certificates put on a path, and paths that reach an anchor.
pub const MAX_STEPS: u32 = 1000;

/// One search.
pub(super) struct Search<'g, 'a> {
    graph: &'g Graph<'a>,
    requirements: &'g Requirements,
    at: Timestamp,
    signatures: u32,
    steps: u32,
    /// Whether there are paths longer than those that were looked at.
    longer_ones: bool,
    /// What was spent before the search was over.
    spent: Option<String>,
    checked: Vec<Checked<'g>>,
    best: Option<(Rank, PathError)>,
}

/// A signature that was checked.
struct Checked<'g> {
    /// The place of the certificate.
    certificate: usize,
    key: &'g [u8],
    result: Result<(), SignatureError>,
}

/// How much a failure tells, the least number the most: of a path whose signatures are right more than of another,
/// and the more the closer it came to the leaf.
type Rank = (bool, usize);

/// No more may be spent.
struct Spent;

impl<'g, 'a> Search<'g, 'a> {
    pub(super) fn new(graph: &'g Graph<'a>, requirements: &'g Requirements, at: Timestamp) -> Self {
        Self {
            graph,
            requirements,
            at,
            signatures: 0,
            steps: 0,
            longer_ones: false,
            spent: None,
            checked: Vec::new(),
            best: None,
        }
    }

    /// Searches.
    ///
    /// # Errors
    /// The most useful story of why there is no path.
    pub(super) fn run(&mut self) -> Result<ValidPath, PathError> {
        // It may be longer than what is allowed, so that a path that is too long is called so.
        let longest = self.requirements.max_depth.max(MAX_CHAIN + 1);
        let best = match self.graph.leaf().and_then(|leaf| leaf.distance) {
            Some(distance) => {
                // The leaf and the anchor stand at the ends of the shortest.
                for length in distance + 2..=longest {
                    self.longer_ones = false;
                    match self.extend(&mut vec![0], length) {
                        Ok(Some(path)) => return Ok(path),
                        Ok(None) if self.longer_ones => {}
                        Ok(None) | Err(Spent) => break,
                    }
                }
                self.best.take().map(|(_, error)| error)
            }
            None => Some(self.graph.led_nowhere()),
        };
        if self.graph.cut {
            self.spent.get_or_insert_with(|| "there are too many intermediates of one name".to_owned());
        }
        Err(match (self.spent.take(), best) {
            (Some(spent), Some(best)) => {
                let detail = format!(
                    "the certificates branch too much to be searched ({spent}); the best path found fails: {}",
                    best.detail
                );
                PathError { detail, section: FURTHER_LIMIT, ..best }
            }
            (Some(spent), None) => {
                PathError::too_much(format!("the certificates branch too much to be searched ({spent})"))
            }
            (None, Some(best)) => best,
            (None, None) => PathError::too_much(format!(
                "no path of at most {longest} certificates leads to a configured authority"
            )),
        })
    }

    /// The path of this length over these certificates and more above them.
    fn extend(&mut self, path: &mut Vec<usize>, length: usize) -> Result<Option<ValidPath>, Spent> {
        self.step()?;
        let graph = self.graph;
        let Some((last, node)) = path.last().and_then(|last| Some((*last, graph.node(*last)?))) else {
            return Ok(None);
        };
        if path.len() + 1 == length {
            for anchor in &node.anchors {
                if let Some(found) = self.try_path(path, anchor)? {
                    return Ok(Some(found));
                }
            }
        }
        for next in &node.issuers {
            let Some(issuer) = graph.node(*next) else { continue };
            // With this one, those above it, and the anchor.
            if path.len() + 1 + issuer.distance.unwrap_or(0) + 1 > length {
                self.longer_ones = true;
                continue;
            }
            // A path over one authority twice is a longer way to where its second part leads alone. The leaf is never
            // an issuer.
            let passed = || path.iter().skip(1).filter_map(|place| graph.node(*place));
            if passed().any(|one| one.is_same_authority(issuer)) {
                continue;
            }
            let key = issuer.fields.public_key;
            let known = if node.has_rival_issuers { Some(self.verify(last, node, key)?) } else { None };
            if let Some(Err(why)) = known.or_else(|| self.find_checked(last, key).cloned()) {
                let position = path.len() - 1;
                let above = issuer.fields.subject;
                self.failed((true, position), unsigned(position, node, key, why), path, || title(above));
                continue;
            }
            path.push(*next);
            let found = self.extend(path, length)?;
            path.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The path over these certificates to this anchor, if it holds.
    fn try_path(&mut self, path: &[usize], anchor: &'g Anchor) -> Result<Option<ValidPath>, Spent> {
        self.step()?;
        let graph = self.graph;
        let nodes: Vec<&'g Node<'a>> = path.iter().filter_map(|place| graph.node(*place)).collect();
        let mut key = anchor.public_key.as_slice();
        for (position, (place, node)) in path.iter().zip(&nodes).enumerate().rev() {
            if let Err(why) = self.verify(*place, node, key)? {
                let fault = unsigned(position, node, key, why);
                self.failed((true, position), fault, path, || anchor.title.clone());
                return Ok(None);
            }
            key = node.fields.public_key;
        }
        let steps: Vec<Step<'_>> = nodes.iter().enumerate().map(|(place, node)| Step::new(place, node)).collect();
        match checks::path(&steps, anchor, self.requirements, self.at) {
            Ok(policies) => Ok(Some(ValidPath::new(&nodes, anchor, policies))),
            Err(fault) => {
                self.failed((false, fault.position), fault, path, || anchor.title.clone());
                Ok(None)
            }
        }
    }

    /// Remembers a failure of these certificates with one of this title above them, if none tells more.
    fn failed(&mut self, rank: Rank, fault: Fault, path: &[usize], above: impl FnOnce() -> String) {
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            let nodes = path.iter().filter_map(|place| self.graph.node(*place));
            let mut tried: Vec<String> = nodes.map(|node| title(node.fields.subject)).collect();
            tried.push(above());
            self.best = Some((rank, fault.on(tried)));
        }
    }

    /// Whether this key signed this certificate.
    fn verify(&mut self, place: usize, node: &Node<'_>, key: &'g [u8]) -> Result<Result<(), SignatureError>, Spent> {
        if let Some(known) = self.find_checked(place, key) {
            return Ok(known.clone());
        }
        if self.signatures == MAX_SIGNATURES {
            self.spent.get_or_insert_with(|| format!("{MAX_SIGNATURES} signatures were checked"));
            return Err(Spent);
        }
        self.signatures += 1;
        let result = node.sealed().and_then(|sealed| sealed.verify(key));
        self.checked.push(Checked { certificate: place, key, result: result.clone() });
        Ok(result)
    }

    fn find_checked(&self, place: usize, key: &[u8]) -> Option<&Result<(), SignatureError>> {
        self.checked.iter().find(|one| one.certificate == place && one.key == key).map(|one| &one.result)
    }

    fn step(&mut self) -> Result<(), Spent> {
        if self.steps == MAX_STEPS {
            self.spent.get_or_insert_with(|| format!("{MAX_STEPS} steps were taken"));
            return Err(Spent);
        }
        self.steps += 1;
        Ok(())
    }
}

/// What it means that a certificate is not signed with its issuer's key.
fn unsigned(position: usize, node: &Node<'_>, key: &[u8], why: SignatureError) -> Fault {
    let (subject, issuer) = (title(node.fields.subject), title(node.fields.issuer));
    let (reason, section, detail) = match (why, signature::check_key(key)) {
        (why @ SignatureError::Algorithm(_), _) => {
            (Reason::CertificateUnsuitable, SIGNATURE, format!("{subject} cannot be verified: {why}"))
        }
        (_, Err(weak)) => {
            (Reason::CertificateUnsuitable, SIGNATURE, format!("{subject} cannot be verified by {issuer}: {weak}"))
        }
        (why, Ok(())) => (
            Reason::CertificateUntrusted,
            SIGNATURE,
            format!("{subject} was not issued by the {issuer} that is known: {why}"),
        ),
    };
    Fault { position, reason, section, detail }
}

#[cfg(test)]
mod tests;
