//! Name constraints along a path (RFC 5280, sections 4.2.1.10, 6.1.3 (b) and (c), and 6.1.4 (g)): whether a
//! certificate bears only names for which the authorities above it may vouch. Pure: the certificates come one
//! by one from the anchor's side. How names of each kind are compared is in `subtree`.
//!
//! A constraint speaks of names of its own kind and of no others. What is not understood, or cannot be
//! compared, is refused where it is constrained, even by an extension that is not critical:
//!
//! - names of kinds for which no comparison is defined (otherName, user principal names among them,
//!   x400Address, ediPartyName, registeredID);
//! - an international address (SmtpUTF8Mailbox, RFC 9598), which is an otherName and counts as an rfc822Name as well.
//!
//! The emailAddress attributes of the subject are held against the constraints of rfc822Name always, not only in
//! a certificate without a subject alternative name as section 4.2.1.10 has it: identity rules read them always.
//! No constraint speaks of the rest of the subject but those of directoryName.

mod subtree;

use super::error::FURTHER_LIMIT;
use super::violation::Violation;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::facts;
use crate::certificate::fields::{Fields, NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME};
use crate::certificate::name;
use std::collections::BTreeSet;
use std::fmt;
use subtree::{Name, Subtree};

/// How many times a name of one certificate may be held against a subtree.
const MAX_COMPARISONS: usize = 1 << 16;
/// The content of the OBJECT IDENTIFIER of SmtpUTF8Mailbox, 1.3.6.1.5.5.7.8.9.
const SMTP_UTF8_MAILBOX: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x09];

const EXTENSION: &str = "RFC 5280, 4.2.1.10";
const NAMES: &str = "RFC 5280, 4.2.1.6";
const PERMITTED: &str = "RFC 5280, 6.1.3(b)";
const EXCLUDED: &str = "RFC 5280, 6.1.3(c)";

/// What names the certificates below those passed may bear.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// For each certificate that permits: the subtrees that it permits. A name must be within one of each that has
    /// any of its kind, which is what intersecting them comes to.
    permitted: Vec<Vec<Subtree>>,
    excluded: Vec<Subtree>,
    /// The kinds of all of them.
    kinds: BTreeSet<Kind>,
}

/// The alternatives of a GeneralName (RFC 5280, section 4.2.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Other,
    Email,
    Dns,
    X400Address,
    Directory,
    EdiParty,
    Uri,
    Address,
    Registered,
}

impl Kind {
    fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            facts::OTHER_NAME => Self::Other,
            facts::RFC822_NAME => Self::Email,
            facts::DNS_NAME => Self::Dns,
            facts::X400_ADDRESS => Self::X400Address,
            facts::DIRECTORY_NAME => Self::Directory,
            facts::EDI_PARTY_NAME => Self::EdiParty,
            facts::URI => Self::Uri,
            facts::IP_ADDRESS => Self::Address,
            facts::REGISTERED_ID => Self::Registered,
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Other => "otherName",
            Self::Email => "rfc822Name",
            Self::Dns => "dNSName",
            Self::X400Address => "x400Address",
            Self::Directory => "directoryName",
            Self::EdiParty => "ediPartyName",
            Self::Uri => "uniformResourceIdentifier",
            Self::Address => "iPAddress",
            Self::Registered => "registeredID",
        })
    }
}

/// A name that a certificate bears, not yet looked into.
struct Borne {
    kind: Kind,
    /// The content of the GeneralName.
    content: Vec<u8>,
}

impl State {
    /// No constraints: every name is permitted and none excluded.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds the names of a certificate against the constraints of those above it: `subject` is its whole subject,
    /// `last` whether it is the client's own, `self_issued` whether its subject is its issuer. A self-issued
    /// certificate that is not the last renews its authority, and is exempt.
    ///
    /// # Errors
    /// When one of its names is excluded, not permitted, or constrained and not to be compared, or there are more
    /// comparisons to be made than are.
    pub fn check(&self, subject: &[u8], fields: &Fields<'_>, last: bool, self_issued: bool) -> Result<(), Violation> {
        if self.kinds.is_empty() || (self_issued && !last) {
            return Ok(());
        }
        let mut names = self.of_subject(subject)?;
        self.of_extension(fields, &mut names)?;
        let subtrees = self.permitted.iter().map(Vec::len).sum::<usize>() + self.excluded.len();
        if names.len().saturating_mul(subtrees) > MAX_COMPARISONS {
            let detail = format!("has {} names to be held against {subtrees} name constraints", names.len());
            return Err(Violation::new(FURTHER_LIMIT, detail));
        }
        names.iter().try_for_each(|name| self.check_name(name))
    }

    /// Takes the constraints of a certificate that issued others, or of the anchor.
    ///
    /// # Errors
    /// When they are malformed, empty, or have a minimum or a maximum.
    pub fn apply(&mut self, fields: &Fields<'_>) -> Result<(), Violation> {
        let Some(extension) = fields.extension(NAME_CONSTRAINTS) else { return Ok(()) };
        let read = || {
            let mut reader = Reader::new(der::single(extension.value, der::SEQUENCE)?);
            let lists = (reader.optional(der::constructed(0))?, reader.optional(der::constructed(1))?);
            reader.finish()?;
            Ok(lists)
        };
        let (permitted, excluded) = read().map_err(malformed)?;
        if permitted.is_none() && excluded.is_none() {
            return Err(Violation::new(EXTENSION, "has name constraints that constrain nothing"));
        }
        if let Some(permitted) = permitted {
            let subtrees = subtrees(permitted.content)?;
            self.kinds.extend(subtrees.iter().map(Subtree::kind));
            self.permitted.push(subtrees);
        }
        if let Some(excluded) = excluded {
            let subtrees = subtrees(excluded.content)?;
            self.kinds.extend(subtrees.iter().map(Subtree::kind));
            self.excluded.extend(subtrees);
        }
        Ok(())
    }

    /// The names of the subject that are constrained: itself, unless it is empty, and its addresses.
    fn of_subject(&self, subject: &[u8]) -> Result<Vec<Borne>, Violation> {
        let mut names = Vec::new();
        if self.kinds.contains(&Kind::Directory) && subject != [der::SEQUENCE, 0] {
            names.push(Borne { kind: Kind::Directory, content: subject.to_vec() });
        }
        if self.kinds.contains(&Kind::Email) {
            let subject = name::read(subject).map_err(|why| {
                let detail = format!("has a subject that cannot be held against name constraints: {why}");
                Violation::new(EXTENSION, detail)
            })?;
            let addresses = subject.attributes.into_iter().filter(|attribute| attribute.oid == name::EMAIL_ADDRESS);
            names.extend(addresses.map(|attribute| Borne { kind: Kind::Email, content: attribute.value.into_bytes() }));
        }
        Ok(names)
    }

    /// The subject alternative names that are constrained.
    fn of_extension(&self, fields: &Fields<'_>, names: &mut Vec<Borne>) -> Result<(), Violation> {
        let Some(extension) = fields.extension(SUBJECT_ALTERNATIVE_NAME) else { return Ok(()) };
        let malformed =
            |why: DerError| Violation::new(NAMES, format!("has malformed subject alternative names: {why}"));
        let mut list = Reader::new(der::single(extension.value, der::SEQUENCE).map_err(malformed)?);
        while !list.is_empty() {
            let name = list.element().map_err(malformed)?;
            let Some(kind) = Kind::of(name.tag) else {
                return Err(malformed(DerError::Value("a name")));
            };
            if kind == Kind::Other && self.kinds.contains(&Kind::Email) {
                let identifier = Reader::new(name.content).expect(der::OBJECT_IDENTIFIER).map_err(malformed)?;
                if identifier.content == SMTP_UTF8_MAILBOX {
                    let detail = "has an international address (SmtpUTF8Mailbox), which cannot be held against the \
                                  constraints of addresses";
                    return Err(Violation::new(EXTENSION, detail));
                }
            }
            if self.kinds.contains(&kind) {
                names.push(Borne { kind, content: name.content.to_vec() });
            }
        }
        Ok(())
    }

    fn check_name(&self, borne: &Borne) -> Result<(), Violation> {
        let kind = borne.kind;
        let name = Name::read(kind, &borne.content).map_err(|why| {
            let detail = format!("has {}, which is constrained and cannot be compared: {why}", borne.title());
            Violation::new(EXTENSION, detail)
        })?;
        let refused = |section, why| Err(Violation::new(section, format!("has {}, which {why}", borne.title())));
        for permitted in &self.permitted {
            let mut alike = permitted.iter().filter(|subtree| subtree.kind() == kind).peekable();
            if alike.peek().is_some() && !alike.any(|subtree| subtree.holds(&name)) {
                return refused(PERMITTED, "an authority above it does not permit");
            }
        }
        if self.excluded.iter().any(|subtree| subtree.touches(&name)) {
            return refused(EXCLUDED, "an authority above it excludes");
        }
        Ok(())
    }
}

impl Borne {
    /// The name with its kind, fit for a line of a log.
    fn title(&self) -> String {
        const LONGEST: usize = 100;
        let text = match self.kind {
            Kind::Directory => name::read(&self.content).map(|name| name.text).unwrap_or_default(),
            Kind::Email | Kind::Dns | Kind::Uri => String::from_utf8_lossy(&self.content).escape_debug().to_string(),
            Kind::Address => facts::ip_address(&self.content).map(|address| address.to_string()).unwrap_or_default(),
            Kind::Other | Kind::X400Address | Kind::EdiParty | Kind::Registered => String::new(),
        };
        let cut: String = text.chars().take(LONGEST).collect();
        let more = if cut.len() < text.len() { "…" } else { "" };
        let space = if text.is_empty() { "" } else { " " };
        format!("the {}{space}{cut}{more}", self.kind)
    }
}

fn malformed(why: DerError) -> Violation {
    Violation::new(EXTENSION, format!("has malformed name constraints: {why}"))
}

/// The GeneralSubtrees of this content; at least one.
fn subtrees(content: &[u8]) -> Result<Vec<Subtree>, Violation> {
    let mut list = Reader::new(content);
    let mut subtrees = Vec::new();
    loop {
        let mut read = || {
            let mut reader = list.inside(der::SEQUENCE)?;
            let base = reader.element()?;
            let (minimum, maximum) = (reader.optional(der::primitive(0))?, reader.optional(der::primitive(1))?);
            reader.finish()?;
            Ok((base, minimum.is_none_or(|minimum| minimum.content == [0]) && maximum.is_none()))
        };
        let (base, unbounded) = read().map_err(malformed)?;
        if !unbounded {
            let detail = "has name constraints with a minimum or a maximum, which have no meaning";
            return Err(Violation::new(EXTENSION, detail));
        }
        let kind = Kind::of(base.tag).ok_or_else(|| malformed(DerError::Value("a name")))?;
        let subtree = Subtree::read(kind, base.content).map_err(|why| {
            let detail = format!("has a name constraint of the kind {kind} that is malformed: {why}");
            Violation::new(EXTENSION, detail)
        })?;
        subtrees.push(subtree);
        if list.is_empty() {
            return Ok(subtrees);
        }
    }
}

#[cfg(test)]
mod tests;
