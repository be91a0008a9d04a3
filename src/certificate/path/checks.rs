//! RFC 5280, section 6.1, on one path whose names and signatures fit: from the anchor down to the leaf, what each
//! certificate must say for itself and allow those below it. What the gate demands beyond the RFC (section 6.2)
//! stands here as well: the dates of the anchor, the length of the path, and what a client's certificate is for.

use super::anchors::Anchor;
use super::error::{FURTHER_LIMIT, Fault, title};
use super::graph::Node;
use super::{Purpose, Requirements, Violation, policy};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::der;
use crate::certificate::facts::{FactsError, sha256};
use crate::certificate::fields::{
    BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, CRL_DISTRIBUTION_POINTS, CRL_SIGN, DIGITAL_SIGNATURE, EXTENDED_KEY_USAGE,
    Fields, INHIBIT_ANY_POLICY, KEY_CERT_SIGN, KEY_USAGE, NAME_CONSTRAINTS, POLICY_CONSTRAINTS, POLICY_MAPPINGS,
    SUBJECT_ALTERNATIVE_NAME,
};
use crate::certificate::signature;

/// id-kp-clientAuth.
const CLIENT_AUTHENTICATION: &str = "1.3.6.1.5.5.7.3.2";
/// anyExtendedKeyUsage.
const ANY_PURPOSE: &str = "2.5.29.37.0";
/// Microsoft's smart-card logon.
const SMART_CARD_LOGON: &str = "1.3.6.1.4.1.311.20.2.2";

// The sections that a certificate can fail by.
const VALIDITY: &str = "RFC 5280, 6.1.3(a)(2)";
const BASIC_CONSTRAINTS_CHECK: &str = "RFC 5280, 6.1.4(k)";
const PATH_LENGTH: &str = "RFC 5280, 6.1.4(l)";
const CERTIFICATE_SIGNING: &str = "RFC 5280, 6.1.4(n)";
const CRITICAL_OF_AUTHORITY: &str = "RFC 5280, 6.1.4(o)";
const CRITICAL_OF_LEAF: &str = "RFC 5280, 6.1.5(f)";
const LIST_SIGNING: &str = "RFC 5280, 6.3.3(f)";
const VERSION: &str = "RFC 5280, 4.1.2.1";
const PUBLIC_KEY: &str = "RFC 5280, 4.1.2.7";
const EXTENSIONS: &str = "RFC 5280, 4.2";
const USAGE: &str = "RFC 5280, 4.2.1.3";
const PURPOSES: &str = "RFC 5280, 4.2.1.12";

/// The extensions that are processed, or may be passed over by what they mean, on every certificate.
const UNDERSTOOD: [&[u8]; 6] = [
    SUBJECT_ALTERNATIVE_NAME,
    KEY_USAGE,
    BASIC_CONSTRAINTS,
    NAME_CONSTRAINTS,
    CRL_DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
];

/// Those that are processed below the anchor alone: policies begin there (section 6.1.1).
const POLICY_EXTENSIONS: [&[u8]; 4] = [CERTIFICATE_POLICIES, POLICY_MAPPINGS, POLICY_CONSTRAINTS, INHIBIT_ANY_POLICY];

/// The first critical extension of an anchor's certificate that is not understood there, in dotted form.
pub(super) fn unknown_critical_of_anchor(fields: &Fields<'_>) -> Option<String> {
    unknown_critical(fields, &[])
}

/// The first critical extension that is neither understood everywhere nor one of these, in dotted form.
fn unknown_critical(fields: &Fields<'_>, besides: &[&[u8]]) -> Option<String> {
    let is_understood = |identifier| UNDERSTOOD.contains(identifier) || besides.contains(identifier);
    fields
        .extensions
        .iter()
        .find(|extension| extension.critical && !is_understood(&extension.identifier))
        .map(|extension| der::dotted(extension.identifier).unwrap_or_else(|_| "that cannot be read".to_owned()))
}

/// One certificate of a path.
pub(super) struct Step<'a> {
    /// Its place; the leaf's is 0.
    position: usize,
    fields: &'a Fields<'a>,
    self_issued: bool,
}

/// How many authorities may still follow below the one that is looked at (max_path_length of section 6.1.2(k)),
/// and who says so: a step's place, or the anchor where there is none.
type Room = Option<(u32, Option<usize>)>;

/// Checks the certificates of a path to this anchor, the leaf first, and tells the policies it is valid for.
pub(super) fn path(
    steps: &[Step<'_>],
    anchor: &Anchor,
    requirements: &Requirements,
    at: Timestamp,
) -> Result<policy::Outcome, Fault> {
    let of_anchor = |reason, detail| Fault { position: steps.len(), reason, section: FURTHER_LIMIT, detail };
    dates(anchor.not_before, anchor.not_after, at)
        .map_err(|(reason, why)| of_anchor(reason, format!("the authority {} {why}", anchor.title)))?;
    let depth = steps.len() + 1;
    if depth > requirements.max_depth {
        let detail =
            format!("the path to {} has {depth} certificates, {} are allowed", anchor.title, requirements.max_depth);
        return Err(of_anchor(Reason::CertificateUnsuitable, detail));
    }
    let mut names = anchor.constraints.clone();
    let mut policies = policy::State::new(&requirements.policies, steps.len());
    let mut room: Room = anchor.path_length.map(|left| (left, None));
    for step in steps.iter().rev() {
        let (fields, last) = (step.fields, step.position == 0);
        step.is_in_date(at)?;
        names.check(fields.subject, fields, last, step.self_issued).map_err(|why| step.breaks(why))?;
        policies.certificate(fields, last, step.self_issued).map_err(|why| step.breaks(why))?;
        if last {
            step.is_leaf_for(requirements.purpose)?;
            continue;
        }
        names.apply(fields).map_err(|why| step.breaks(why))?;
        step.is_authority(requirements.purpose)?;
        room = step.takes_room(room).map_err(|set_by| {
            let detail = match set_by.and_then(|place| steps.get(place)) {
                Some(above) => format!("{} has more authorities below it than it allows", above.title()),
                None => format!("more authorities stand below {} than it allows", anchor.title),
            };
            Fault { position: step.position, reason: Reason::CertificateUnsuitable, section: PATH_LENGTH, detail }
        })?;
    }
    let policies = policies.finish().map_err(|why| match steps.first() {
        Some(leaf) => leaf.breaks(why),
        None => of_anchor(Reason::CertificateUnsuitable, why.to_string()),
    })?;
    if !has_issuer(steps, anchor, &requirements.issuers) {
        let detail = format!("no authority of the path to {} is one of those that are allowed", anchor.title);
        return Err(of_anchor(Reason::IssuerNotAllowed, detail));
    }
    Ok(policies)
}

/// Whether an authority of the path has one of these keys, as [`Requirements::issuers`] names them, if it names any.
fn has_issuer(steps: &[Step<'_>], anchor: &Anchor, issuers: &[[u8; 32]]) -> bool {
    let keys = steps.iter().skip(1).map(|step| step.fields.public_key).chain([anchor.public_key.as_slice()]);
    issuers.is_empty() || keys.map(sha256).any(|key| issuers.contains(&key))
}

impl<'a> Step<'a> {
    pub(super) fn new(position: usize, node: &'a Node<'_>) -> Self {
        Self { position, fields: &node.fields, self_issued: node.is_self_issued() }
    }

    fn title(&self) -> String {
        title(self.fields.subject)
    }

    /// Section 6.1.3(a)(2).
    fn is_in_date(&self, at: Timestamp) -> Result<(), Fault> {
        dates(self.fields.not_before, self.fields.not_after, at).map_err(|(reason, why)| Fault {
            position: self.position,
            reason,
            section: VALIDITY,
            detail: format!("{} {why}", self.title()),
        })
    }

    /// Section 6.1.4, from (k) to (o), and what issuers must allow beyond it.
    fn is_authority(&self, purpose: Purpose) -> Result<(), Fault> {
        let fields = self.fields;
        if fields.version != 3 {
            return Err(self.unfit(BASIC_CONSTRAINTS_CHECK, "issued a certificate and is not of version 3"));
        }
        if fields.authority().map_err(|why| self.unreadable(&why))?.is_none() {
            let why = "issued a certificate and is no authority's by its basicConstraints";
            return Err(self.unfit(BASIC_CONSTRAINTS_CHECK, why));
        }
        if !fields.allows(KEY_CERT_SIGN).map_err(|why| self.unreadable(&why))? {
            let why = "issued a certificate and has a keyUsage that does not allow it";
            return Err(self.unfit(CERTIFICATE_SIGNING, why));
        }
        self.is_understood(CRITICAL_OF_AUTHORITY)?;
        self.serves(purpose)
    }

    /// Section 6.1.4(l) and (m): who adds no authority takes no room. The error is whose limit is exceeded.
    fn takes_room(&self, room: Room) -> Result<Room, Option<usize>> {
        let left = match room {
            Some((left, set_by)) if !self.self_issued => Some((left.checked_sub(1).ok_or(set_by)?, set_by)),
            room => room,
        };
        let own = self.fields.authority().ok().flatten().flatten().map(|most| (most, Some(self.position)));
        Ok([left, own].into_iter().flatten().min_by_key(|(most, _)| *most))
    }

    /// Section 6.1.5(f), and what the leaf is for.
    fn is_leaf_for(&self, purpose: Purpose) -> Result<(), Fault> {
        let fields = self.fields;
        self.is_understood(CRITICAL_OF_LEAF)?;
        self.serves(purpose)?;
        let allows = |usage| fields.allows(usage).map_err(|why| self.unreadable(&why));
        match purpose {
            Purpose::Client { .. } => {
                // Of what stands below version 3 nobody can say whether it is an authority's.
                if fields.version != 3 {
                    return Err(self.unfit(VERSION, "is not of version 3"));
                }
                if fields.authority().map_err(|why| self.unreadable(&why))?.is_some() {
                    let why = "is an authority's certificate, which cannot stand for a client";
                    return Err(self.unfit(FURTHER_LIMIT, why));
                }
                if !allows(DIGITAL_SIGNATURE)? {
                    return Err(self.unfit(USAGE, "has a keyUsage that does not allow digital signatures"));
                }
                signature::check_key(fields.public_key)
                    .map_err(|why| self.unfit(PUBLIC_KEY, &format!("cannot be used: {why}")))
            }
            Purpose::ListSigner if !allows(CRL_SIGN)? => {
                Err(self.unfit(LIST_SIGNING, "has a keyUsage that does not allow signing revocation lists"))
            }
            Purpose::ListSigner | Purpose::Any => Ok(()),
        }
    }

    fn is_understood(&self, section: &'static str) -> Result<(), Fault> {
        match unknown_critical(self.fields, &POLICY_EXTENSIONS) {
            Some(extension) => {
                let why = format!("has the critical extension {extension}, which is not understood");
                Err(self.unfit(section, &why))
            }
            None => Ok(()),
        }
    }

    /// Whether extendedKeyUsage, if there is one, allows the purpose. The RFC speaks of it on leaves alone; on an
    /// authority's it is taken to limit what that authority issues, as everybody takes it.
    fn serves(&self, purpose: Purpose) -> Result<(), Fault> {
        let Purpose::Client { smart_card_logon } = purpose else { return Ok(()) };
        let Some(purposes) = self.fields.purposes().map_err(|why| self.unreadable(&why))? else { return Ok(()) };
        let serves = |one: &String| match one.as_str() {
            CLIENT_AUTHENTICATION | ANY_PURPOSE => true,
            SMART_CARD_LOGON => smart_card_logon,
            _ => false,
        };
        if purposes.iter().any(serves) {
            return Ok(());
        }
        Err(self.unfit(PURPOSES, "has an extendedKeyUsage without TLS client authentication"))
    }

    fn breaks(&self, violation: Violation) -> Fault {
        self.unfit(violation.section, &violation.detail)
    }

    fn unfit(&self, section: &'static str, why: &str) -> Fault {
        let detail = format!("{} {why}", self.title());
        Fault { position: self.position, reason: Reason::CertificateUnsuitable, section, detail }
    }

    fn unreadable(&self, why: &FactsError) -> Fault {
        let detail = format!("{} cannot be used: {why}", self.title());
        Fault { position: self.position, reason: Reason::CertificateUntrusted, section: EXTENSIONS, detail }
    }
}

/// Whether these dates hold; if not, the reason and what to say of whatever has them.
fn dates(not_before: Timestamp, not_after: Timestamp, at: Timestamp) -> Result<(), (Reason, String)> {
    if at > not_after {
        return Err((Reason::CertificateExpired, format!("expired at {not_after}")));
    }
    if at < not_before {
        return Err((Reason::CertificateNotYetValid, format!("is valid only from {not_before} on")));
    }
    Ok(())
}
