//! Accounts as comma-separated values (RFC 4180): a line of column names, then a line for each account. What
//! other readers guess at is refused: a quote in the middle of a field, a line with too few fields. A field that
//! holds several values separates them by semicolons; a semicolon or a backslash in a value has a backslash before it.

use super::record::{Credential, Field, Record, Refusal};
use crate::account::Ha1;
use crate::base::secret::Secret;
use std::fmt::Write;

/// Where the reader of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// Between the quotes of a field.
    Quoted,
    /// Behind a quote that ended a field, or is the first of two that stand for one.
    Closed,
}

/// A record that is read line by line, since a field in quotes may go over several.
#[derive(Debug)]
pub(super) struct Splitter {
    state: State,
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
    fault: Option<&'static str>,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self { state: State::Start, fields: Vec::new(), field: Vec::new(), fault: None }
    }

    /// Takes a line with its line feed, and says whether the record ends with it.
    pub(super) fn take(&mut self, line: &[u8]) -> bool {
        let mut octets = line.iter().copied().peekable();
        while let Some(octet) = octets.next() {
            match (self.state, octet) {
                (State::Quoted, b'"') => self.state = State::Closed,
                (State::Quoted, _) => self.field.push(octet),
                (State::Closed, b'"') => {
                    self.field.push(octet);
                    self.state = State::Quoted;
                }
                (_, b'\n') => return self.end(),
                (_, b'\r') if octets.peek() == Some(&b'\n') => return self.end(),
                (_, b',') => self.end_field(),
                (State::Start, b'"') => self.state = State::Quoted,
                (State::Start | State::Plain, _) => {
                    if octet == b'"' {
                        self.fault = Some("a quote stands in a field that does not begin with one");
                    }
                    self.state = State::Plain;
                    self.field.push(octet);
                }
                (State::Closed, _) => {
                    self.fault = Some("something stands between the quote that ends a field and the comma");
                }
            }
        }
        // The line ends without a line feed, or within quotes.
        false
    }

    /// The end of the file: whether the record is whole.
    pub(super) fn finish(&mut self) -> bool {
        self.state != State::Quoted && self.end()
    }

    fn end(&mut self) -> bool {
        self.end_field();
        true
    }

    fn end_field(&mut self) {
        self.fields.push(std::mem::take(&mut self.field));
        self.state = State::Start;
    }

    /// The fields of the record.
    pub(super) fn fields(self) -> Result<Vec<String>, Refusal> {
        if let Some(fault) = self.fault {
            return Err(Refusal::of_line(fault));
        }
        let texts = self.fields.into_iter().map(String::from_utf8).collect::<Result<_, _>>();
        // The error of the conversion would hold the text.
        texts.map_err(|_| Refusal::of_line("it is not UTF-8"))
    }
}

/// The columns that the first line names.
pub(super) fn columns(header: &[String]) -> Result<Vec<Field>, String> {
    let mut columns = Vec::new();
    for name in header {
        let Some(field) = Field::of_name(name) else {
            let known: Vec<&str> = Field::ALL.into_iter().map(Field::as_str).collect();
            return Err(format!("{name:?} is no column of accounts; there are {}", known.join(", ")));
        };
        if columns.contains(&field) {
            return Err(format!("the column {name:?} is there twice"));
        }
        columns.push(field);
    }
    if !columns.contains(&Field::Username) {
        return Err("there is no column \"username\"".to_owned());
    }
    Ok(columns)
}

/// What a record says, by its columns.
pub(super) fn record(columns: &[Field], fields: Vec<String>) -> Result<Record, Refusal> {
    if fields.len() != columns.len() {
        let (found, wanted) = (fields.len(), columns.len());
        return Err(Refusal::of_line(format!("it has {found} fields where the first line names {wanted}")));
    }
    let mut record = Record::default();
    for (column, text) in columns.iter().zip(fields) {
        let list = |text: &str| split(text).map_err(|why| Refusal::of(*column, why));
        match column {
            Field::Username => record.username = text,
            Field::Email => record.email = Some(not_empty(text)),
            Field::Name => record.display_name = Some(not_empty(text)),
            Field::Home => record.home = Some(not_empty(text)),
            Field::Status if text.is_empty() => {}
            Field::Status => record.status = Some(super::status(&text)?),
            Field::Aliases => record.aliases = Some(list(&text)?),
            Field::Groups => record.groups = Some(list(&text)?),
            Field::Digest => {
                record.digest = Some(list(&text)?.iter().map(|text| credential(text)).collect::<Result<_, _>>()?);
            }
            Field::PasswordHash => record.password_hash = Some(not_empty(text).map(super::password_hash).transpose()?),
        }
    }
    Ok(record)
}

fn not_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// `ALGORITHM:HA1:REALM`. Of the three only a realm may hold a colon.
fn credential(text: &str) -> Result<Credential, Refusal> {
    let mut parts = text.splitn(3, ':');
    let (Some(algorithm), Some(ha1), Some(realm)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Refusal::of(Field::Digest, "a value is not ALGORITHM:HA1:REALM"));
    };
    Ok(Credential { realm: realm.to_owned(), algorithm: super::algorithm(algorithm)?, ha1: Ha1(Secret::from(ha1)) })
}

/// The values of a field; none of an empty one.
fn split(text: &str) -> Result<Vec<String>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = Vec::new();
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => values.push(std::mem::take(&mut value)),
            '\\' => match characters.next() {
                Some(escaped @ (';' | '\\')) => value.push(escaped),
                _ => return Err("a backslash stands before something other than a semicolon or a backslash"),
            },
            other => value.push(other),
        }
    }
    values.push(value);
    Ok(values)
}

fn join<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let escaped: Vec<String> = values.map(|value| value.replace('\\', "\\\\").replace(';', "\\;")).collect();
    escaped.join(";")
}

/// The first line of a file that holds all fields; of credentials only if they are wanted.
pub(super) fn header(credentials: bool) -> String {
    let fields = Field::ALL.into_iter().filter(|field| credentials || !field.is_credential());
    let names: Vec<&str> = fields.map(Field::as_str).collect();
    names.join(",") + "\r\n"
}

/// The line of a record, in the columns of [`header`].
pub(super) fn write(record: &Record, credentials: bool, out: &mut String) {
    let text = |value: &Option<Option<String>>| value.clone().flatten().unwrap_or_default();
    let list = |values: &Option<Vec<String>>| join(values.iter().flatten().map(String::as_str));
    let digest: Vec<String> = record.digest.iter().flatten().map(written).collect();
    let password_hash = record.password_hash.iter().flatten().find_map(Secret::expose_str);
    let fields = [
        record.username.clone(),
        text(&record.email),
        text(&record.display_name),
        record.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        text(&record.home),
        list(&record.aliases),
        list(&record.groups),
        join(digest.iter().map(String::as_str)),
        password_hash.unwrap_or_default().to_owned(),
    ];
    let written = Field::ALL.iter().zip(fields).filter(|(field, _)| credentials || !field.is_credential());
    for (index, (_, field)) in written.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.contains([',', '"', '\r', '\n']) {
            // Writing to a string does not fail.
            let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
        } else {
            out.push_str(&field);
        }
    }
    out.push_str("\r\n");
}

fn written(credential: &Credential) -> String {
    let ha1 = credential.ha1.0.expose_str().unwrap_or_default();
    format!("{}:{ha1}:{}", credential.algorithm.as_str(), credential.realm)
}
