//! Reads a file of accounts record by record, in memory that is bounded whatever stands in the file, and hands
//! the records over in batches: a thread reads, parses and checks while the database works.

use super::Format;
use super::csv::{self, Splitter};
use super::jsonl;
use super::record::{Field, Person, Record, Refusal};
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// The longest record in octets. An account with a thousand aliases and a thousand groups is shorter.
const LONGEST: usize = 1 << 20;

/// How many records a batch holds.
pub(super) const BATCH: usize = 500;

/// Batches that may wait to be taken.
const AHEAD: usize = 4;

/// A file cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system says so.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The first line of a CSV file does not name columns of accounts.
    #[error("the first line does not name the columns: {0}")]
    Header(String),
    /// It is not known where a record ends, nor therefore where the next one begins.
    #[error("in line {line} a quote is opened and not closed again within 1 MiB, or to the end of the file")]
    Unclosed {
        /// The line in which the record begins.
        line: u64,
    },
    /// What was read last is not what was read before.
    #[error("it was changed while it was read")]
    Changed,
}

/// One record of a file.
#[derive(Debug)]
pub(super) struct Line {
    /// The number of the line in which it begins; 1 is the first of the file.
    pub(super) number: u64,
    /// What it says, and the account that it makes where there is none.
    pub(super) said: Result<(Record, Person), Refusal>,
}

/// What the thread hands over.
#[derive(Debug)]
pub(super) enum Part {
    /// The next records, and how many octets of the file were read so far.
    Lines(Vec<Line>, u64),
    /// The end of the file, and the SHA-256 of all of it.
    End([u8; 32]),
}

/// Reads a file from its beginning on a thread of its own. The thread ends with the file, with an error, or when
/// nobody takes what it has read.
pub(super) fn read(file: &File, format: Format) -> Result<mpsc::Receiver<Result<Part, ReadError>>, ReadError> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = read_to(file, format, &sender) {
            // Whoever has stopped listening wants no error either.
            let _ = sender.blocking_send(Err(error));
        }
    });
    Ok(receiver)
}

fn read_to(file: File, format: Format, to: &mpsc::Sender<Result<Part, ReadError>>) -> Result<(), ReadError> {
    let mut reader = Reader::new(BufReader::with_capacity(1 << 18, Digested::new(file)), format)?;
    let mut lines = Vec::with_capacity(BATCH);
    loop {
        let line = reader.next()?;
        let ended = line.is_none();
        lines.extend(line);
        if lines.len() == BATCH || (ended && !lines.is_empty()) {
            let full = std::mem::replace(&mut lines, Vec::with_capacity(BATCH));
            if to.blocking_send(Ok(Part::Lines(full, reader.octets))).is_err() {
                return Ok(());
            }
        }
        if ended {
            let _ = to.blocking_send(Ok(Part::End(reader.input.into_inner().finish())));
            return Ok(());
        }
    }
}

/// What is read passes through a digest on its way.
struct Digested<R> {
    input: R,
    context: Context,
}

impl<R> Digested<R> {
    fn new(input: R) -> Self {
        Self { input, context: Context::new(&SHA256) }
    }

    fn finish(self) -> [u8; 32] {
        let mut octets = [0; 32];
        octets.iter_mut().zip(self.context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        octets
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.context.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The records of one input.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: R,
    /// The columns of CSV; `None` for JSON lines.
    columns: Option<Vec<Field>>,
    buffer: Zeroizing<Vec<u8>>,
    /// How many lines were read.
    lines: u64,
    /// How many octets were read.
    octets: u64,
}

/// The line in which the next record begins and what it holds; `None` at the end of the file.
type Next<T> = Result<Option<(u64, Result<T, Refusal>)>, ReadError>;

/// How the reading of one line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is in the buffer.
    Line,
    /// It was longer than a record may be, and was passed over.
    TooLong,
    /// There is none.
    End,
}

impl<R: BufRead> Reader<R> {
    /// Reads the names of the columns, where there are any.
    pub(super) fn new(input: R, format: Format) -> Result<Self, ReadError> {
        let buffer = Zeroizing::new(Vec::new());
        let mut reader = Self { input, columns: None, buffer, lines: 0, octets: 0 };
        if format == Format::Csv {
            let header = match reader.next_csv()? {
                Some((_, header)) => header.map_err(|refusal| ReadError::Header(refusal.why))?,
                None => return Err(ReadError::Header("the file is empty".to_owned())),
            };
            reader.columns = Some(csv::columns(&header).map_err(ReadError::Header)?);
        }
        Ok(reader)
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line>, ReadError> {
        let read = match self.columns.take() {
            Some(columns) => {
                let next = self.next_csv();
                let read = next.map(|next| {
                    next.map(|(number, fields)| (number, fields.and_then(|fields| csv::record(&columns, fields))))
                });
                self.columns = Some(columns);
                read?
            }
            None => self.next_json()?,
        };
        Ok(read.map(|(number, record)| Line {
            number,
            said: record.and_then(|record| {
                let made = record.made()?;
                Ok((record, made))
            }),
        }))
    }

    /// The fields of the next record that is not empty, and the line in which it begins.
    fn next_csv(&mut self) -> Next<Vec<String>> {
        loop {
            let mut splitter = Splitter::new();
            let mut length = 0;
            let mut begin = None;
            loop {
                let read = self.read_line()?;
                let line = *begin.get_or_insert(self.lines);
                length += self.buffer.len();
                match read {
                    Reading::TooLong => return Err(ReadError::Unclosed { line }),
                    Reading::End if length == 0 => return Ok(None),
                    Reading::End if splitter.finish() => break,
                    Reading::End => return Err(ReadError::Unclosed { line }),
                    Reading::Line if length > LONGEST => return Err(ReadError::Unclosed { line }),
                    Reading::Line if splitter.take(&self.buffer) => break,
                    Reading::Line => {}
                }
            }
            let fields = splitter.fields();
            // An empty line is one field without anything.
            if !matches!(&fields, Ok(fields) if matches!(fields.as_slice(), [only] if only.is_empty())) {
                return Ok(Some((begin.unwrap_or(self.lines), fields)));
            }
        }
    }

    fn next_json(&mut self) -> Next<Record> {
        loop {
            let record = match self.read_line()? {
                Reading::End => return Ok(None),
                Reading::TooLong => Err(Refusal::of_line("it is longer than 1 MiB")),
                Reading::Line if self.buffer.trim_ascii().is_empty() => continue,
                Reading::Line => jsonl::record(&self.buffer),
            };
            return Ok(Some((self.lines, record)));
        }
    }

    /// Reads a line with its line feed into the buffer.
    fn read_line(&mut self) -> Result<Reading, ReadError> {
        self.buffer.clear();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let mut count = (&mut self.input).take(most).read_until(b'\n', &mut self.buffer)?;
        let mut read = if count == 0 { Reading::End } else { Reading::Line };
        if count == LONGEST && !self.buffer.ends_with(b"\n") {
            read = Reading::TooLong;
            count += self.input.skip_until(b'\n')?;
        }
        if count > 0 && self.lines == 0 {
            // What spreadsheets put before UTF-8.
            if self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
        }
        self.lines += u64::from(count > 0);
        self.octets += u64::try_from(count).unwrap_or(0);
        Ok(read)
    }
}
