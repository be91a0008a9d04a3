//! Reading lists (RFC 5280, section 5.1) in one pass, so that of a list of a million entries nothing is in memory at
//! any time but the index that is being made and a chunk of its DER. PEM is decoded on the way.

use super::coverage::Coverage;
use super::entries::{Builder, Entry};
use super::fault::{CrlError, Fault};
use super::list::{Edition, List, Number, Origin};
use super::reason::RevocationReason;
use super::stream::{Stream, StreamError};
use crate::base::clock::Timestamp;
use crate::certificate::armour::Armour;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::distribution::{self, DistributionPoint};
use crate::certificate::facts::FactsError;
use crate::certificate::fields::{self, Extension, FRESHEST_CRL};
use crate::certificate::name;
use crate::certificate::signature::{SignatureError, algorithm_name};
use arc_swap::ArcSwap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// How many lists one file may hold.
const MAX_LISTS: usize = 1024;
/// How many extensions one entry may have.
const MAX_ENTRY_EXTENSIONS: usize = 16;

// The identifiers' content, all under 2.5.29.
const ISSUER_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x12];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 0x18];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 0x1d];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most octets of one file or answer.
    pub octets: u64,
    /// The most entries of one list.
    pub entries: usize,
}

impl Default for Limits {
    /// 256 MiB, and 10 million entries, which take 240 MiB.
    fn default() -> Self {
        Self { octets: 256 * 1024 * 1024, entries: 10_000_000 }
    }
}

/// Reads the lists of a file: PEM, or one or several lists in DER. At least one comes out.
///
/// # Errors
/// When it cannot be read or holds no list, or one that cannot be used.
pub fn read_file(path: &Path, limits: &Limits) -> Result<Vec<Arc<List>>, CrlError> {
    let origin = Origin::File(path.to_owned());
    match File::open(path) {
        Ok(file) => read(&origin, file, limits),
        Err(why) => Err(CrlError::Unreadable { origin, why }),
    }
}

/// Reads the lists that stream in from anywhere, as [`read_file`] does; `origin` is kept with them.
///
/// # Errors
/// As [`read_file`].
pub fn read(origin: &Origin, source: impl Read, limits: &Limits) -> Result<Vec<Arc<List>>, CrlError> {
    let mut source = BufReader::with_capacity(64 * 1024, source);
    let begin = source.fill_buf().map_err(|why| CrlError::Unreadable { origin: origin.clone(), why })?;
    let mut lists = Vec::new();
    // No text begins as a SEQUENCE does but the digit 0, which begins no line of PEM.
    if begin.first() == Some(&der::SEQUENCE) {
        let mut stream = Stream::new(source, limits.octets);
        loop {
            add(&mut lists, read_list(&mut stream, origin, limits)?, origin)?;
            match peek(&mut stream, origin)? {
                None => return Ok(lists),
                Some(der::SEQUENCE) => {}
                Some(_) => return Err(leftover(origin, &lists)),
            }
        }
    }
    let text = text_kind(begin);
    let failed = |error| failed(origin, String::new(), StreamError::Source(error).into());
    // The text of what is read is a third larger, and comments may stand in it.
    let mut armour = Armour::new(source.take(limits.octets.saturating_mul(2)), "X509 CRL");
    let mut left = limits.octets;
    while armour.next_section().map_err(failed)? {
        let mut stream = Stream::new(&mut armour, left);
        add(&mut lists, read_list(&mut stream, origin, limits)?, origin)?;
        if peek(&mut stream, origin)?.is_some() {
            return Err(leftover(origin, &lists));
        }
        left = left.saturating_sub(stream.place());
    }
    if lists.is_empty() {
        let others = armour.others();
        let found = if others.is_empty() { text.to_owned() } else { others.join(", ") };
        return Err(CrlError::NoList { origin: origin.clone(), found });
    }
    Ok(lists)
}

/// Something that is no list stands behind the last one.
fn leftover(origin: &Origin, lists: &[Arc<List>]) -> CrlError {
    let issuer = lists.last().map(|list| list.issuer_name().to_owned()).unwrap_or_default();
    CrlError::List { origin: origin.clone(), issuer, why: DerError::Leftover.into() }
}

fn add(lists: &mut Vec<Arc<List>>, list: List, origin: &Origin) -> Result<(), CrlError> {
    if lists.len() == MAX_LISTS {
        return Err(CrlError::TooManyLists { origin: origin.clone(), most: MAX_LISTS });
    }
    lists.push(Arc::new(list));
    Ok(())
}

/// What a text without sections is, by how it begins.
fn text_kind(begin: &[u8]) -> &'static str {
    let begin = begin.trim_ascii_start();
    let is = |mark: &str| begin.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()));
    if begin.is_empty() {
        "nothing"
    } else if is("<!doctype html") || is("<html") {
        "a page of HTML"
    } else {
        "neither DER nor a PEM section"
    }
}

impl List {
    /// Reads one list in DER.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(der: &[u8], origin: &Origin) -> Result<Self, CrlError> {
        let mut stream = Stream::new(der, Limits::default().octets);
        let list = read_list(&mut stream, origin, &Limits::default())?;
        if peek(&mut stream, origin)?.is_some() {
            let why = DerError::Leftover.into();
            return Err(CrlError::List { origin: origin.clone(), issuer: list.issuer_name().to_owned(), why });
        }
        Ok(list)
    }
}

/// What ends the reading of a list.
enum Failure {
    Stream(StreamError),
    Fault(Fault),
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

macro_rules! fault_from {
    ($($error:ty)+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Fault(error.into())
            }
        })+
    };
}

fault_from! { Fault DerError FactsError SignatureError }

fn failed(origin: &Origin, issuer: String, failure: Failure) -> CrlError {
    let origin = origin.clone();
    match failure {
        Failure::Stream(StreamError::Source(why)) if why.kind() == ErrorKind::InvalidData => {
            CrlError::Damaged { origin, why: why.to_string() }
        }
        Failure::Stream(StreamError::Source(why)) => CrlError::Unreadable { origin, why },
        Failure::Stream(StreamError::TooLarge(most)) => CrlError::TooLarge { origin, most },
        Failure::Stream(StreamError::Der(why)) => CrlError::List { origin, issuer, why: why.into() },
        Failure::Fault(why) => CrlError::List { origin, issuer, why },
    }
}

fn peek<R: Read>(stream: &mut Stream<R>, origin: &Origin) -> Result<Option<u8>, CrlError> {
    stream.peek().map_err(|error| failed(origin, String::new(), error.into()))
}

fn read_list<R: Read>(stream: &mut Stream<R>, origin: &Origin, limits: &Limits) -> Result<List, CrlError> {
    let mut issuer = String::new();
    read_fields(stream, origin, limits, &mut issuer).map_err(|failure| failed(origin, issuer, failure))
}

/// Reads the fields of a list in their order. `issuer_text` is set as soon as it is known, for errors.
fn read_fields<R: Read>(
    stream: &mut Stream<R>,
    origin: &Origin,
    limits: &Limits,
    issuer_text: &mut String,
) -> Result<List, Failure> {
    let end = stream.enter(der::SEQUENCE, u64::MAX)?;
    stream.hold();
    let body = stream.enter(der::SEQUENCE, end)?;
    let version = match next_tag(stream, body)? {
        Some(der::INTEGER) if stream.element(body)?.content == [1] => 2,
        Some(der::INTEGER) => return Err(Fault::Version.into()),
        _ => 1,
    };
    let algorithm = stream.expect(der::SEQUENCE, body)?.content.to_vec();
    let issuer = stream.expect(der::SEQUENCE, body)?.whole.to_vec();
    *issuer_text = name::read(&issuer)?.text;
    // Not before the issuer is known: an algorithm that is not accepted is told with its name.
    stream.seal(&algorithm)?;
    let issuer_canonical: Arc<[u8]> = name::canonical(&issuer).into();
    let this_update = time(stream.element(body)?.whole)?;
    let next_update = match next_tag(stream, body)? {
        Some(der::UTC_TIME | der::GENERALIZED_TIME) => Some(time(stream.element(body)?.whole)?),
        _ => None,
    };
    let mut entries = Entries { builder: Builder::new(&issuer_canonical, limits.entries), foreign: false };
    if next_tag(stream, body)? == Some(der::SEQUENCE) {
        entries.read(stream, body)?;
    }
    let extensions = match next_tag(stream, body)? {
        Some(_) if version == 1 => return Err(Fault::ExtensionsInVersion1.into()),
        Some(_) => {
            let extensions = stream.expect(der::constructed(0), body)?.content;
            Extensions::read(der::single(extensions, der::SEQUENCE)?, &issuer)?
        }
        None => Extensions::NONE,
    };
    stream.leave(body)?;
    let sealing = stream.sealed();
    if stream.expect(der::SEQUENCE, end)?.content != algorithm {
        return Err(DerError::Value("the second naming of the signature algorithm").into());
    }
    let signature = Reader::new(stream.expect(der::BIT_STRING, end)?.whole).octets_of_bit_string()?.to_vec();
    stream.leave(end)?;

    let next_update = next_update.ok_or(Fault::NoNextUpdate)?;
    if next_update < this_update {
        return Err(Fault::Dates.into());
    }
    if entries.foreign && !extensions.coverage.indirect {
        return Err(Fault::ForeignEntry.into());
    }
    let sealing = sealing.ok_or(DerError::Value("the list"))?;
    let Extensions { number, base, coverage, authority_key, freshest } = extensions;
    Ok(List {
        index: entries.builder.finish(base.is_some()),
        edition: Arc::new(Edition {
            origin: origin.clone(),
            issuer: issuer_text.clone(),
            number,
            base,
            this_update,
            next_update,
        }),
        issuer,
        issuer_canonical,
        coverage,
        authority_key,
        freshest,
        algorithm: algorithm_name(&algorithm),
        sealed: sealing.finish(&signature),
        verdicts: ArcSwap::default(),
    })
}

/// The tag of the next element before `end`.
fn next_tag<R: Read>(stream: &mut Stream<R>, end: u64) -> Result<Option<u8>, StreamError> {
    if stream.place() < end { stream.peek() } else { Ok(None) }
}

fn time(element: &[u8]) -> Result<Timestamp, DerError> {
    Reader::new(element).time()
}

/// The extensions of a list (RFC 5280, section 5.2).
struct Extensions {
    number: Option<Number>,
    base: Option<Number>,
    coverage: Coverage,
    authority_key: Option<Vec<u8>>,
    freshest: Vec<DistributionPoint>,
}

impl Extensions {
    const NONE: Self =
        Self { number: None, base: None, coverage: Coverage::WHOLE, authority_key: None, freshest: Vec::new() };

    fn read(extensions: &[u8], issuer: &[u8]) -> Result<Self, Fault> {
        let mut all = Self::NONE;
        for extension in fields::read_extensions(Reader::new(extensions))? {
            match extension.identifier {
                CRL_NUMBER => all.number = Some(number(extension.value)?),
                DELTA_CRL_INDICATOR => all.base = Some(number(extension.value)?),
                ISSUING_DISTRIBUTION_POINT => all.coverage = Coverage::read(extension.value, issuer)?,
                AUTHORITY_KEY_IDENTIFIER => all.authority_key = Some(extension.value.to_vec()),
                FRESHEST_CRL => all.freshest = distribution::read(extension.value, issuer)?,
                // It names the issuer to people.
                ISSUER_ALTERNATIVE_NAME => {}
                _ => refuse_if_critical(&extension)?,
            }
        }
        if all.base.is_some() && all.number.is_none() {
            return Err(Fault::DeltaWithoutNumber);
        }
        Ok(all)
    }
}

fn number(value: &[u8]) -> Result<Number, DerError> {
    let mut reader = Reader::new(value);
    let octets = reader.integer()?;
    reader.finish()?;
    if octets.len() > Number::LONGEST {
        return Err(DerError::Value("the number of the list"));
    }
    Ok(Number::new(octets.to_vec()))
}

fn refuse_if_critical(extension: &Extension<'_>) -> Result<(), Fault> {
    if extension.critical {
        let identifier = der::dotted(extension.identifier).unwrap_or_else(|_| "that cannot be read".to_owned());
        return Err(Fault::CriticalExtension(identifier));
    }
    Ok(())
}

/// The entries as they come in.
struct Entries {
    builder: Builder,
    /// Whether one names the issuer of its certificate.
    foreign: bool,
}

impl Entries {
    fn read<R: Read>(&mut self, stream: &mut Stream<R>, body: u64) -> Result<(), Failure> {
        let end = stream.enter(der::SEQUENCE, body)?;
        let octets = end - stream.place();
        let mut first = true;
        while stream.place() < end {
            let entry = stream.expect(der::SEQUENCE, end)?;
            if first {
                // Entries of one list are mostly of one size; a little room more saves a copy of them all.
                let estimate = octets / entry.whole.len().max(1) as u64;
                self.builder.expect(usize::try_from(estimate + estimate / 16 + 1).unwrap_or(usize::MAX));
                first = false;
            }
            self.read_entry(Reader::new(entry.content))?;
        }
        Ok(())
    }

    /// Reads an entry (RFC 5280, section 5.3).
    fn read_entry(&mut self, mut entry: Reader<'_>) -> Result<(), Fault> {
        let mut ahead = entry;
        let negative = ahead.expect(der::INTEGER)?.content.first().is_some_and(|first| *first >= 0x80);
        let serial = entry.integer()?;
        let at = entry.time()?;
        let (mut reason, mut issuer) = (None, None);
        if let Some(extensions) = entry.optional(der::SEQUENCE)? {
            let mut extensions = Reader::new(extensions.content);
            for count in 0.. {
                if extensions.is_empty() {
                    break;
                }
                if count == MAX_ENTRY_EXTENSIONS {
                    return Err(FactsError::TooMany("extensions of an entry").into());
                }
                let extension = Extension::read(&mut extensions)?;
                let twice = match extension.identifier {
                    REASON_CODE => reason.replace(read_reason(extension.value)?).is_some(),
                    CERTIFICATE_ISSUER => issuer.replace(read_issuer(extension.value)?).is_some(),
                    INVALIDITY_DATE => false,
                    _ => refuse_if_critical(&extension).map(|()| false)?,
                };
                if twice {
                    return Err(FactsError::Twice(der::dotted(extension.identifier).unwrap_or_default()).into());
                }
            }
        }
        entry.finish()?;
        // It holds for the entries that follow as well (section 5.3.3).
        if let Some(issuer) = issuer {
            self.foreign = true;
            self.builder.turn_to(name::canonical(issuer))?;
        }
        let reason = reason.unwrap_or(RevocationReason::Unspecified);
        self.builder.push(Entry::new(serial, negative, at, reason).ok_or(Fault::LongSerial)?)
    }
}

fn read_reason(value: &[u8]) -> Result<RevocationReason, DerError> {
    match der::single(value, der::ENUMERATED)? {
        [code] => RevocationReason::from_code(*code).ok_or(DerError::Value("a reason")),
        _ => Err(DerError::Value("a reason")),
    }
}

fn read_issuer(value: &[u8]) -> Result<&[u8], Fault> {
    match distribution::directory_names(der::single(value, der::SEQUENCE)?)?.as_slice() {
        [one] => Ok(one),
        _ => Err(Fault::EntryIssuer),
    }
}
