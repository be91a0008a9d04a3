//! The first reading of a file, which writes nothing: what is to be done with each line, and which cannot be taken.
//! Of the names in the file only hashes are kept, eight octets for each; those that come twice are looked for in
//! another reading.

use super::known::{Known, Question, Verdict, look};
use super::read::{Line, Part, ReadError, read};
use super::record::{Person, Record, Refusal};
use super::{ImportError, OnExisting, Options, Phase, Rejection, Watch, statements};
use crate::store::{Database, Fault};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};

/// What becomes of a line that adds no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It changes an account.
    Update,
    /// The account is as it says.
    Unchanged,
    /// The account is there, and stays as it is.
    Skipped,
    /// It cannot be taken.
    Rejected,
}

/// What a file comes to.
#[derive(Debug)]
pub(super) struct Survey {
    /// The number of the last change of the database, from before anything was looked up.
    pub(super) counter: i64,
    /// The SHA-256 of the file.
    pub(super) digest: [u8; 32],
    /// How many records there are.
    pub(super) read: u64,
    /// The lines that add no account, by their numbers.
    pub(super) fates: BTreeMap<u64, Fate>,
    /// Why lines cannot be taken, in the order of the lines.
    pub(super) rejections: Vec<Rejection>,
}

impl Survey {
    /// How many lines have this fate.
    pub(super) fn count(&self, fate: Fate) -> u64 {
        u64::try_from(self.fates.values().filter(|other| **other == fate).count()).unwrap_or(u64::MAX)
    }

    /// How many accounts are added.
    pub(super) fn added(&self) -> u64 {
        self.read.saturating_sub(u64::try_from(self.fates.len()).unwrap_or(u64::MAX))
    }

    fn reject(&mut self, line: u64, username: Option<String>, refusal: Refusal) {
        self.fates.insert(line, Fate::Rejected);
        self.rejections.push(Rejection { line, username, refusal });
    }
}

/// Reads the file and asks the database about it.
pub(super) async fn survey(
    database: &Database,
    file: &File,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Survey, ImportError> {
    let before = database.read_current((), |session, ()| {
        Box::pin(async move {
            let rows = session.query(statements::COUNTER, Vec::new()).await?;
            let Some(row) = rows.first() else {
                return Err(Fault::Unexpected("change_counter has lost its row".to_owned()).into());
            };
            let counter = row.integer(0)?;
            Ok::<_, crate::store::Abort<Infallible>>((
                counter,
                session.query(statements::ANY, Vec::new()).await?.is_empty(),
            ))
        })
    });
    let (counter, empty) = super::answered(database, "reading the database", before.await)?;
    let mut survey = Survey { counter, digest: [0; 32], read: 0, fates: BTreeMap::new(), rejections: Vec::new() };
    let size = file.metadata().map_err(ReadError::from)?.len();
    let hasher = RandomState::new();
    let mut hashes: Vec<u64> = Vec::new();
    let mut parts = read(file, options.format)?;
    while let Some(part) = parts.recv().await {
        if watch.is_stopped() {
            return Err(ImportError::Stopped);
        }
        match part? {
            Part::Lines(lines, octets) => {
                let known = if empty { Known::default() } else { ask(database, &lines, options.on_existing).await? };
                for line in lines {
                    survey.read += 1;
                    judge(&mut survey, line, &known, options.on_existing, |person| {
                        hashes.extend(person.names().iter().map(|(_, name)| hasher.hash_one(name)));
                    });
                }
                watch.progress(Phase::Checking, octets, size);
            }
            Part::End(digest) => survey.digest = digest,
        }
    }
    let twice = twice(hashes);
    if !twice.is_empty() {
        find_duplicates(&mut survey, file, options, |name| twice.contains(&hasher.hash_one(name))).await?;
    }
    Ok(survey)
}

async fn ask(database: &Database, lines: &[Line], on_existing: OnExisting) -> Result<Known, ImportError> {
    let mut question = Question { persons: on_existing == OnExisting::Update, ..Question::default() };
    for (_, person) in lines.iter().filter_map(|line| line.said.as_ref().ok()) {
        question.add(person);
    }
    let found = database.read_current(question, |session, question| {
        Box::pin(async move { Ok::<_, crate::store::Abort<Infallible>>(look(session, question).await?) })
    });
    Ok(super::answered(database, "looking up accounts", found.await)?)
}

fn judge(survey: &mut Survey, line: Line, known: &Known, on_existing: OnExisting, accepted: impl FnOnce(&Person)) {
    let Line { number, said } = line;
    let (record, person): (Record, Person) = match said {
        Ok(said) => said,
        Err(refusal) => return survey.reject(number, None, refusal),
    };
    let fate = match known.verdict(&record, &person, on_existing) {
        Verdict::Add => None,
        Verdict::Update => Some(Fate::Update),
        Verdict::Unchanged => Some(Fate::Unchanged),
        Verdict::Skip => Some(Fate::Skipped),
        Verdict::Refuse(refusal) => return survey.reject(number, Some(record.username), refusal),
    };
    accepted(&person);
    if let Some(fate) = fate {
        survey.fates.insert(number, fate);
    }
}

/// The hashes that are there more than once.
fn twice(mut hashes: Vec<u64>) -> HashSet<u64> {
    hashes.sort_unstable();
    hashes.iter().zip(hashes.iter().skip(1)).filter(|(one, next)| one == next).map(|(one, _)| *one).collect()
}

/// Rejects every line with a name that a line before it has.
async fn find_duplicates(
    survey: &mut Survey,
    file: &File,
    options: &Options,
    is_suspect: impl Fn(&str) -> bool,
) -> Result<(), ImportError> {
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut parts = read(file, options.format)?;
    while let Some(part) = parts.recv().await {
        let lines = match part? {
            Part::Lines(lines, _) => lines,
            Part::End(digest) if digest == survey.digest => continue,
            Part::End(_) => return Err(ReadError::Changed.into()),
        };
        for Line { number, said } in lines {
            let Ok((_, person)) = said else { continue };
            if survey.fates.get(&number) == Some(&Fate::Rejected) {
                continue;
            }
            let suspects: Vec<_> = person.names().into_iter().filter(|(_, name)| is_suspect(name)).collect();
            let taken = suspects.iter().find_map(|(field, name)| Some((*field, *name, *seen.get(*name)?)));
            if let Some((field, name, line)) = taken {
                let refusal = Refusal::of(field, format!("{name:?} stands in line {line} already"));
                survey.reject(number, Some(person.account.username.clone()), refusal);
                continue;
            }
            for (_, name) in suspects {
                if let Entry::Vacant(entry) = seen.entry(name.to_owned()) {
                    entry.insert(number);
                }
            }
        }
    }
    survey.rejections.sort_by_key(|rejection| rejection.line);
    Ok(())
}
