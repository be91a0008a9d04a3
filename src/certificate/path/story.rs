//! Why no path was found, told so that somebody can act on it. webpki gives one error for the whole
//! search, without the certificate it is about; here the most likely path is walked once more, by
//! names and signatures alone, and what fails first on it is told: that it leads nowhere, then dates, then
//! unsuitable certificates. Of a certificate that nobody vouches for nothing else is said, since
//! whatever else it says could be made up.

use super::anchors::{Anchor, TrustAnchors};
use super::{PathError, suitable, title};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::fields::{Fields, NAME_CONSTRAINTS};
use crate::certificate::signature::{Sealed, SignatureError};
use rustls_pki_types::CertificateDer;
use std::cell::Cell;

/// Where a walk from the client's certificate upwards ended.
struct Walk<'a> {
    /// The certificates passed, the client's first.
    steps: Vec<Fields<'a>>,
    /// The authority that it led to, or why it led to none.
    end: Result<&'a Anchor, PathError>,
}

/// The story of a search that webpki ended with this error.
pub(super) fn tell(
    error: &webpki::Error,
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    max_depth: usize,
    at: Timestamp,
) -> PathError {
    let Some(walk) = walk(chain, anchors, at) else { return by_error(error) };
    let anchor = match walk.end {
        Ok(anchor) => anchor,
        Err(error) => return error,
    };
    walk.steps
        .iter()
        .try_for_each(|step| PathError::check_dates(&title(step.subject), step.not_before, step.not_after, at))
        .and_then(|()| anchor.check_dates(at))
        .and_then(|()| suitable::path(&walk.steps, anchor, max_depth))
        .err()
        .unwrap_or_else(|| match error {
            webpki::Error::NameConstraintViolation => by_constraints(&walk.steps, anchor),
            _ => by_error(error),
        })
}

/// This error about the client's own certificate, unless nobody vouches for it or it is out of date.
pub(super) fn unless_untrusted(
    error: PathError,
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    at: Timestamp,
) -> PathError {
    let Some(walk) = walk(chain, anchors, at) else { return error };
    let dates = |step: &Fields<'_>| PathError::check_dates(&title(step.subject), step.not_before, step.not_after, at);
    match walk.end {
        Err(untrusted) if untrusted.reason == Reason::CertificateUntrusted => untrusted,
        _ => walk.steps.iter().try_for_each(dates).err().unwrap_or(error),
    }
}

/// How many signatures a walk checks at most: a client that sends many certificates of one name, large keys on
/// all of them, is not to be told its story at any price.
const MAX_SIGNATURES: usize = 16;

fn walk<'a>(chain: &'a [CertificateDer<'_>], anchors: &'a TrustAnchors, at: Timestamp) -> Option<Walk<'a>> {
    let (leaf, others) = chain.split_first()?;
    let mut unused: Vec<Fields<'a>> = others.iter().filter_map(|other| Fields::read(other).ok()).collect();
    // Of several issuers the one that is valid now makes the better story.
    unused.sort_by_key(|fields| !(fields.not_before <= at && at <= fields.not_after));
    let budget = Cell::new(MAX_SIGNATURES);
    let made_by = |sealed: &Sealed, key: &[u8]| {
        let left = budget.get();
        budget.set(left.saturating_sub(1));
        left > 0 && sealed.verify(key).is_ok()
    };
    let mut steps = Vec::new();
    let mut current = Fields::read(leaf).ok()?;
    loop {
        let sealed = match Sealed::new(current.signature_algorithm, current.signed, current.signature) {
            Ok(sealed) => sealed,
            Err(why) => {
                let detail = format!("{} cannot be verified: {why}", title(current.subject));
                steps.push(current);
                return Some(Walk { steps, end: Err(PathError::unsuitable(detail)) });
            }
        };
        let mut signers: Vec<&Anchor> =
            anchors.named(current.issuer).filter(|anchor| made_by(&sealed, &anchor.public_key)).collect();
        signers.sort_by_key(|anchor| anchor.check_dates(at).is_err());
        if let Some(anchor) = signers.first() {
            steps.push(current);
            return Some(Walk { steps, end: Ok(anchor) });
        }
        let next =
            unused.iter().position(|other| other.subject == current.issuer && made_by(&sealed, other.public_key));
        let Some(next) = next else {
            let end = Err(led_nowhere(&current, &sealed, anchors, &unused));
            steps.push(current);
            return Some(Walk { steps, end });
        };
        steps.push(std::mem::replace(&mut current, unused.remove(next)));
    }
}

fn led_nowhere(last: &Fields<'_>, sealed: &Sealed, anchors: &TrustAnchors, unused: &[Fields<'_>]) -> PathError {
    let (subject, issuer) = (title(last.subject), title(last.issuer));
    let mut keys = anchors
        .named(last.issuer)
        .map(|anchor| anchor.public_key.as_slice())
        .chain(unused.iter().filter(|other| other.subject == last.issuer).map(|other| other.public_key));
    if let Some(key) = keys.next() {
        let why = sealed.verify(key).err().unwrap_or(SignatureError::Wrong);
        return PathError::untrusted(format!("{subject} was not issued by the {issuer} that is known: {why}"));
    }
    PathError::untrusted(if last.subject == last.issuer {
        format!("{subject} is signed by itself and is no configured authority")
    } else {
        format!(
            "{subject} was issued by {issuer}, which is no configured authority and whose certificate the client did not send"
        )
    })
}

fn by_constraints(steps: &[Fields<'_>], anchor: &Anchor) -> PathError {
    let constrained = steps.iter().rev().find(|step| step.extension(NAME_CONSTRAINTS).is_some());
    let by = constrained.map_or_else(|| anchor.title.clone(), |step| title(step.subject));
    let of = steps.first().map(|leaf| title(leaf.subject)).unwrap_or_default();
    PathError::unsuitable(format!(
        "the name constraints of {by} exclude a name of {of} or of an authority between them, or are of a kind that is \
         not supported"
    ))
}

/// What webpki's error means where walking the path showed nothing.
fn by_error(error: &webpki::Error) -> PathError {
    use webpki::Error as E;
    let (reason, what) = match error {
        E::CertExpired { .. } => (Reason::CertificateExpired, "a certificate of the path has expired"),
        E::CertNotValidYet { .. } => (Reason::CertificateNotYetValid, "a certificate of the path is not yet valid"),
        E::UnknownIssuer => (Reason::CertificateUntrusted, "no path leads to a configured authority"),
        E::InvalidSignatureForPublicKey | E::SignatureAlgorithmMismatch => {
            (Reason::CertificateUntrusted, "a signature on the path is wrong")
        }
        E::CertDistrusted => (Reason::CertificateUntrusted, "a key on the path is known to be compromised"),
        E::MaximumPathBuildCallsExceeded
        | E::MaximumSignatureChecksExceeded
        | E::MaximumNameConstraintComparisonsExceeded => {
            (Reason::CertificateUntrusted, "the certificates are too many-branched to be searched")
        }
        E::BadDer
        | E::BadDerTime
        | E::TrailingData(_)
        | E::MalformedExtensions
        | E::ExtensionValueInvalid
        | E::InvalidSerialNumber => (Reason::CertificateUntrusted, "a certificate of the path is malformed"),
        E::MaximumPathDepthExceeded => (Reason::CertificateUnsuitable, "the path is too long"),
        E::PathLenConstraintViolated => {
            (Reason::CertificateUnsuitable, "an authority of the path has more authorities below it than it allows")
        }
        E::UnsupportedCriticalExtension => {
            (Reason::CertificateUnsuitable, "a critical extension on the path is not understood")
        }
        _ => (Reason::CertificateUnsuitable, "a certificate of the path cannot be used"),
    };
    let error: String = format!("{error:?}").chars().take(100).collect();
    PathError { reason, detail: format!("{what} ({error})") }
}
