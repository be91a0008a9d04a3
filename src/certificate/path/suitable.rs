//! What the certificates of a path must allow besides being signed and in date (RFC 5280, sections
//! 4.2.1.3, 4.2.1.9 and 4.2.1.12): key usages, purposes, lengths, and nothing that is not understood.

use super::anchors::Anchor;
use super::{PathError, title};
use crate::certificate::der;
use crate::certificate::fields::{
    BASIC_CONSTRAINTS, CRL_DISTRIBUTION_POINTS, DIGITAL_SIGNATURE, EXTENDED_KEY_USAGE, Fields, KEY_CERT_SIGN,
    KEY_USAGE, NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME,
};
use crate::certificate::signature;

/// id-kp-clientAuth.
const CLIENT_AUTHENTICATION: &str = "1.3.6.1.5.5.7.3.2";

/// The extensions that are processed, or may be passed over by what they mean.
const UNDERSTOOD: [&[u8]; 6] = [
    SUBJECT_ALTERNATIVE_NAME,
    KEY_USAGE,
    BASIC_CONSTRAINTS,
    NAME_CONSTRAINTS,
    CRL_DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
];

/// The first critical extension that is not understood, in dotted form.
pub(super) fn unknown_critical(fields: &Fields<'_>) -> Option<String> {
    fields
        .extensions
        .iter()
        .find(|extension| extension.critical && !UNDERSTOOD.contains(&extension.identifier))
        .map(|extension| der::dotted(extension.identifier).unwrap_or_else(|_| "that cannot be read".to_owned()))
}

/// Checks a client's own certificate.
pub(super) fn for_client(fields: &Fields<'_>) -> Result<(), PathError> {
    let title = title(fields.subject);
    let fails = |why: &str| Err(PathError::unsuitable(format!("{title} {why}")));
    common(fields)?;
    if fields.authority().map_err(|why| PathError::unreadable(&title, &why))?.is_some() {
        return fails("is an authority's certificate, which cannot stand for a client");
    }
    if !fields.allows(DIGITAL_SIGNATURE).map_err(|why| PathError::unreadable(&title, &why))? {
        return fails("has a keyUsage that does not allow digital signatures");
    }
    signature::check_key(fields.public_key).or_else(|why| fails(&format!("cannot be used: {why}")))
}

/// Checks the certificates of a path, the client's first, and that it is not too long.
pub(super) fn path(steps: &[Fields<'_>], anchor: &Anchor, max_depth: usize) -> Result<(), PathError> {
    let mut authorities_below = 0;
    for (position, fields) in steps.iter().enumerate() {
        if position == 0 {
            for_client(fields)?;
        } else {
            for_authority(fields, authorities_below)?;
            // A self-issued certificate renews its authority and adds none (RFC 5280, section 6.1).
            authorities_below += u32::from(fields.subject != fields.issuer);
        }
    }
    if anchor.path_length.is_some_and(|most| authorities_below > most) {
        return Err(PathError::unsuitable(format!("more authorities stand below {} than it allows", anchor.title)));
    }
    let depth = steps.len() + 1;
    if depth > max_depth {
        return Err(PathError::unsuitable(format!(
            "the path to {} has {depth} certificates, {max_depth} are allowed",
            anchor.title
        )));
    }
    Ok(())
}

fn for_authority(fields: &Fields<'_>, authorities_below: u32) -> Result<(), PathError> {
    let title = title(fields.subject);
    let fails = |why: &str| Err(PathError::unsuitable(format!("{title} {why}")));
    common(fields)?;
    match fields.authority().map_err(|why| PathError::unreadable(&title, &why))? {
        None => return fails("issued a certificate and is no authority's by its basicConstraints"),
        Some(Some(most)) if authorities_below > most => return fails("has more authorities below it than it allows"),
        Some(_) => {}
    }
    if !fields.allows(KEY_CERT_SIGN).map_err(|why| PathError::unreadable(&title, &why))? {
        return fails("issued a certificate and has a keyUsage that does not allow it");
    }
    Ok(())
}

fn common(fields: &Fields<'_>) -> Result<(), PathError> {
    let title = title(fields.subject);
    let fails = |why: &str| Err(PathError::unsuitable(format!("{title} {why}")));
    if fields.version != 3 {
        return fails("is not of version 3");
    }
    if let Some(extension) = unknown_critical(fields) {
        return fails(&format!("has the critical extension {extension}, which is not understood"));
    }
    match fields.purposes().map_err(|why| PathError::unreadable(&title, &why))? {
        Some(purposes) if !purposes.iter().any(|purpose| purpose == CLIENT_AUTHENTICATION) => {
            fails("has an extendedKeyUsage without TLS client authentication")
        }
        _ => Ok(()),
    }
}
