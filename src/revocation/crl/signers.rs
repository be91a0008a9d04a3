//! Who may sign a list besides the authorities of a presented path: the configured authorities, and certificates
//! of the list issuer's name from the configuration that lead to one (RFC 5280, section 6.3.3, (f)). So a list may be
//! signed with another key than the certificates are, with one that was rolled, or by an indirect issuer.

use super::fault::Fault;
use super::list::List;
use crate::base::clock::Timestamp;
use crate::certificate::facts::sha256;
use crate::certificate::fields::Fields;
use crate::certificate::path::{self, Requirements, TrustAnchors, ValidPath};
use crate::certificate::{MAX_CHAIN, name};

/// One who signed a list and may do so.
#[derive(Debug)]
pub(super) struct Signer {
    /// The canonical name of the authority that stands behind it. Two authorities of one name and with different
    /// keys, both trusted, are one whose key was rolled.
    pub(super) anchor: Vec<u8>,
    /// Its own path to that authority; `None` if it is the authority.
    pub(super) path: Option<ValidPath>,
    /// From when it may be believed.
    pub(super) from: Timestamp,
    /// Until when it may be believed.
    pub(super) until: Timestamp,
}

/// Finds those who signed a list, by what is valid at the time `at`. There may be none: the key may turn up with a
/// presented path.
///
/// # Errors
/// When the list bears the name of an authority and is signed neither by it nor by another of its name.
pub(super) fn find(list: &List, anchors: &TrustAnchors, at: Timestamp) -> Result<Vec<Signer>, Fault> {
    let signed_with = |public_key: &[u8]| list.is_signed_with(&sha256(public_key), public_key);
    let mut signers = Vec::new();
    let (mut is_known, mut may_sign) = (false, false);
    for authority in anchors.authorities(list.issuer()) {
        is_known = true;
        may_sign |= authority.signs_lists;
        if authority.signs_lists && signed_with(authority.public_key) {
            signers.push(Signer {
                anchor: list.issuer_canonical().to_vec(),
                path: None,
                from: authority.not_before,
                until: authority.not_after,
            });
        }
    }
    let mut is_others = false;
    for certificate in anchors.intermediates(list.issuer()) {
        // The pool has read it before.
        let Ok(fields) = Fields::read(certificate) else { continue };
        if !signed_with(fields.public_key) {
            continue;
        }
        is_others = true;
        for subject in anchors.subjects() {
            let Some(anchor) = anchors.only(&subject) else { continue };
            let requirements = Requirements::for_list_signers(MAX_CHAIN);
            if let Ok(path) = path::validate(std::slice::from_ref(certificate), &anchor, &requirements, at) {
                signers.push(Signer {
                    anchor: name::canonical(&subject),
                    from: fields.not_before,
                    until: path.not_after,
                    path: Some(path),
                });
            }
        }
    }
    match (is_known && signers.is_empty() && !is_others, may_sign) {
        (true, false) => Err(Fault::MayNotSign),
        (true, true) => Err(Fault::Signature),
        (false, _) => Ok(signers),
    }
}
