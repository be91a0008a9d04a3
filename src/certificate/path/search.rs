//! The way from the leaf to an anchor: depth first, the likeliest issuer first, until a path holds.
//!
//! Signatures are checked from the anchor downwards, and only once names have led to one: so no key is ever
//! used that nobody vouches for, and a stranger's certificates cost no more than a few checks at the top. What was
//! checked is remembered, so that paths that share a part share its price. All the same a client could send
//! certificates that branch without end; how much is done for one is therefore limited.

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
        Self { graph, requirements, at, signatures: 0, steps: 0, spent: None, checked: Vec::new(), best: None }
    }

    /// Searches.
    ///
    /// # Errors
    /// The most useful story of why there is no path.
    pub(super) fn run(mut self) -> Result<ValidPath, PathError> {
        if self.graph.leaf().is_none_or(|leaf| leaf.distance.is_none()) {
            return Err(self.graph.led_nowhere());
        }
        if let Ok(Some(path)) = self.extend(&mut vec![0]) {
            return Ok(path);
        }
        let longest = self.longest();
        let best = self.best.map(|(_, error)| error);
        if self.graph.cut {
            self.spent.get_or_insert_with(|| "there are too many intermediates of one name".to_owned());
        }
        Err(match (self.spent, best) {
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

    /// The path over these certificates and more above them.
    fn extend(&mut self, path: &mut Vec<usize>) -> Result<Option<ValidPath>, Spent> {
        self.step()?;
        let graph = self.graph;
        let Some((last, node)) = path.last().and_then(|last| Some((*last, graph.node(*last)?))) else {
            return Ok(None);
        };
        for anchor in &node.anchors {
            if let Some(found) = self.try_path(path, anchor)? {
                return Ok(Some(found));
            }
        }
        for next in &node.issuers {
            let Some(issuer) = graph.node(*next) else { continue };
            // This one, those above it, and the anchor.
            let length = path.len() + 1 + issuer.distance.unwrap_or(0) + 1;
            let loops = || path.iter().filter_map(|place| graph.node(*place)).any(|one| one.is_same_authority(issuer));
            if length > self.longest() || self.is_known_wrong(last, issuer.fields.public_key) || loops() {
                continue;
            }
            path.push(*next);
            let found = self.extend(path)?;
            path.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The longest path that is looked at. It may be longer than what is allowed, so that one that is too long is
    /// called so.
    fn longest(&self) -> usize {
        self.requirements.max_depth.max(MAX_CHAIN + 1)
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
                self.failed((true, position), fault, &nodes, anchor);
                return Ok(None);
            }
            key = node.fields.public_key;
        }
        let steps: Vec<Step<'_>> = nodes.iter().enumerate().map(|(place, node)| Step::new(place, node)).collect();
        match checks::path(&steps, anchor, self.requirements, self.at) {
            Ok(()) => Ok(Some(ValidPath::new(&nodes, anchor))),
            Err(fault) => {
                self.failed((false, fault.position), fault, &nodes, anchor);
                Ok(None)
            }
        }
    }

    fn failed(&mut self, rank: Rank, fault: Fault, nodes: &[&Node<'_>], anchor: &Anchor) {
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            let above = std::iter::once(anchor.title.clone());
            let tried = nodes.iter().map(|node| title(node.fields.subject)).chain(above).collect();
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

    fn is_known_wrong(&self, place: usize, key: &[u8]) -> bool {
        self.find_checked(place, key).is_some_and(Result::is_err)
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
