//! Which certificates could have issued which: by their names alone, since a name costs nothing to compare and
//! a signature does. Keys and dates say only what to try first (RFC 4158, section 3.5).

use super::anchors::{Anchor, TrustAnchors};
use super::error::{PathError, title};
use crate::base::clock::Timestamp;
use crate::certificate::fields::Fields;
use crate::certificate::name;
use crate::certificate::signature::{Sealed, SignatureError};
use rustls_pki_types::CertificateDer;
use std::cell::OnceCell;
use std::cmp::Reverse;

/// How many certificates are laid out: those that were presented, and those of the pool that bear a name that is
/// asked for.
const MAX_NODES: usize = 128;

/// The leaf and whatever might stand above it.
pub(super) struct Graph<'a> {
    /// The leaf first.
    nodes: Vec<Node<'a>>,
    /// Whether some of the pool had to be left out.
    pub(super) cut: bool,
}

/// One certificate.
pub(super) struct Node<'a> {
    pub(super) der: &'a CertificateDer<'a>,
    pub(super) fields: Fields<'a>,
    /// The canonical form of its subject.
    pub(super) subject: Vec<u8>,
    issuer: Vec<u8>,
    /// What its issuer signed, taken when it is first needed.
    sealed: OnceCell<Result<Sealed, SignatureError>>,
    /// The anchors that bear its issuer's name, the likeliest first.
    pub(super) anchors: Vec<&'a Anchor>,
    /// The places of the certificates that bear its issuer's name and from which names lead on to an anchor, the
    /// likeliest first.
    pub(super) issuers: Vec<usize>,
    /// Whether these have several keys, of which one at most can have signed it.
    pub(super) has_rival_issuers: bool,
    /// The least number of certificates between it and an anchor, if its names lead to one.
    pub(super) distance: Option<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(
        leaf: &'a CertificateDer<'a>,
        fields: Fields<'a>,
        others: &'a [CertificateDer<'a>],
        anchors: &'a TrustAnchors,
        at: Timestamp,
    ) -> Self {
        let mut graph = Self { nodes: vec![Node::new(leaf, fields, anchors, at)], cut: false };
        for other in others {
            graph.add(other, anchors, at);
        }
        graph.draw_from_pool(anchors, at);
        graph.connect(at);
        graph
    }

    pub(super) fn leaf(&self) -> Option<&Node<'a>> {
        self.nodes.first()
    }

    pub(super) fn node(&self, place: usize) -> Option<&Node<'a>> {
        self.nodes.get(place)
    }

    /// Adds a certificate that can be read and is not there yet.
    fn add(&mut self, certificate: &'a CertificateDer<'a>, anchors: &'a TrustAnchors, at: Timestamp) {
        if self.nodes.iter().any(|node| node.der == certificate) {
            return;
        }
        if let Ok(fields) = Fields::read(certificate) {
            self.nodes.push(Node::new(certificate, fields, anchors, at));
        }
    }

    /// Adds from the pool who bears the name of an issuer, and whoever bears the name of theirs.
    fn draw_from_pool(&mut self, anchors: &'a TrustAnchors, at: Timestamp) {
        let mut asked: Vec<Vec<u8>> = Vec::new();
        let mut place = 0;
        while let Some(node) = self.nodes.get(place) {
            place += 1;
            if asked.contains(&node.issuer) {
                continue;
            }
            let issuer = node.issuer.clone();
            for certificate in anchors.pool().named(&issuer) {
                if self.nodes.len() >= MAX_NODES {
                    self.cut = true;
                    return;
                }
                self.add(certificate, anchors, at);
            }
            asked.push(issuer);
        }
    }

    /// Finds out for each certificate who could have issued it, how far the anchors are, and what to try first.
    fn connect(&mut self, at: Timestamp) {
        // The leaf stands on every path already.
        let issuers_of = |child: &Node<'_>| -> Vec<usize> {
            let named = |(place, node): (usize, &Node<'_>)| (node.subject == child.issuer).then_some(place);
            self.nodes.iter().enumerate().skip(1).filter_map(named).collect()
        };
        let mut issuers: Vec<Vec<usize>> = self.nodes.iter().map(issuers_of).collect();
        let mut distances: Vec<Option<usize>> =
            self.nodes.iter().map(|node| (!node.anchors.is_empty()).then_some(0)).collect();
        loop {
            let nearer: Vec<Option<usize>> = distances
                .iter()
                .zip(&issuers)
                .map(|(known, issuers)| {
                    let over = issuers.iter().filter_map(|place| *distances.get(*place)?).min();
                    [*known, over.map(|distance| distance + 1)].into_iter().flatten().min()
                })
                .collect();
            if nearer == distances {
                break;
            }
            distances = nearer;
        }
        let mut rivals = Vec::with_capacity(self.nodes.len());
        for (child, issuers) in self.nodes.iter().zip(&mut issuers) {
            issuers.retain(|place| distances.get(*place).copied().flatten().is_some());
            issuers.sort_by_cached_key(|place| {
                let likelihood = self.nodes.get(*place).map(|node| {
                    let fit = fit(child.fields.authority_key_identifier(), node.fields.subject_key_identifier());
                    (fit, !node.is_in_date(at), distances.get(*place).copied(), Reverse(node.fields.not_after))
                });
                (likelihood, *place)
            });
            let mut keys = issuers.iter().filter_map(|place| Some(self.nodes.get(*place)?.fields.public_key));
            let first = keys.next();
            rivals.push(keys.any(|key| Some(key) != first));
        }
        for (((node, issuers), rivals), distance) in self.nodes.iter_mut().zip(issuers).zip(rivals).zip(distances) {
            node.issuers = issuers;
            node.has_rival_issuers = rivals;
            node.distance = distance;
        }
    }

    /// Why the names do not lead from the leaf to an anchor: told of the last certificate that they lead to. Who
    /// signed what does not matter where nobody vouches for anybody.
    pub(super) fn led_nowhere(&self) -> PathError {
        let mut passed: Vec<&Node<'_>> = Vec::new();
        let mut next = self.leaf();
        while let Some(node) = next {
            passed.push(node);
            next = self
                .nodes
                .iter()
                .find(|other| other.subject == node.issuer && !passed.iter().any(|one| one.is_same_authority(other)));
        }
        let mut error = match passed.last() {
            Some(last) if last.is_self_issued() => PathError::untrusted(format!(
                "{} is signed by itself and is no configured authority",
                title(last.fields.subject)
            )),
            Some(last) => PathError::untrusted(format!(
                "{} was issued by {}, which is no configured authority and whose certificate the client did not send",
                title(last.fields.subject),
                title(last.fields.issuer)
            )),
            None => PathError::untrusted("no certificate was presented"),
        };
        error.tried = passed.iter().map(|node| title(node.fields.subject)).collect();
        error.certificate = error
            .tried
            .last()
            .map(|subject| super::Place { position: error.tried.len() - 1, subject: subject.clone() });
        error
    }
}

impl<'a> Node<'a> {
    fn new(der: &'a CertificateDer<'a>, fields: Fields<'a>, anchors: &'a TrustAnchors, at: Timestamp) -> Self {
        let issuer = name::canonical(fields.issuer);
        let subject = if fields.subject == fields.issuer { issuer.clone() } else { name::canonical(fields.subject) };
        let mut named: Vec<&Anchor> = anchors.named(&issuer).collect();
        if named.len() > 1 {
            let authority = fields.authority_key_identifier();
            named.sort_by_key(|anchor| (fit(authority, anchor.key_identifier.as_deref()), !anchor.is_in_date(at)));
        }
        Self {
            der,
            fields,
            subject,
            issuer,
            sealed: OnceCell::new(),
            anchors: named,
            issuers: Vec::new(),
            has_rival_issuers: false,
            distance: None,
        }
    }

    /// What its issuer signed.
    ///
    /// # Errors
    /// When the algorithm is not accepted.
    pub(super) fn sealed(&self) -> Result<&Sealed, SignatureError> {
        let Fields { signature_algorithm, signed, signature, .. } = self.fields;
        self.sealed
            .get_or_init(|| Sealed::new(signature_algorithm, signed, signature))
            .as_ref()
            .map_err(SignatureError::clone)
    }

    /// Whether its issuer is of its own name (RFC 5280, section 6.1).
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether both certify one key under one name.
    pub(super) fn is_same_authority(&self, other: &Self) -> bool {
        self.fields.public_key == other.fields.public_key && self.subject == other.subject
    }

    fn is_in_date(&self, at: Timestamp) -> bool {
        self.fields.not_before <= at && at <= self.fields.not_after
    }
}

/// How well a key identifier fits the one that a certificate gives for its issuer's: lowest is best, and not to
/// be told is better than to differ.
fn fit(wanted: Option<&[u8]>, found: Option<&[u8]>) -> u8 {
    match (wanted, found) {
        (Some(wanted), Some(found)) if wanted == found => 0,
        (Some(_), Some(_)) => 2,
        _ => 1,
    }
}
