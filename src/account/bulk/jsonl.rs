//! Accounts as lines of JSON: one object for each account, with the field names of CSV. Read strictly: no field
//! that is unknown, none twice, each of its own type. The messages are our own, because those of the parser show
//! the value that they are about, which may be a secret.

use super::record::{Credential, Field, Record, Refusal};
use crate::account::Ha1;
use crate::base::secret::Secret;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// The members of an object, in their order, none of them lost.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.len() >= 2 * Field::ALL.len() {
                        return Err(A::Error::custom("there are too many fields"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

/// What a line says.
pub(super) fn record(line: &[u8]) -> Result<Record, Refusal> {
    let members: Members = serde_json::from_slice(line.trim_ascii()).map_err(|error| {
        Refusal::of_line(match error.classify() {
            serde_json::error::Category::Data => "it is no JSON object with the fields of an account".to_owned(),
            _ => format!("it is not JSON: the fault is at character {}", error.column()),
        })
    })?;
    let mut record = Record::default();
    let mut seen = Vec::new();
    for (name, value) in members.0 {
        let Some(field) = Field::of_name(&name) else {
            let shown = crate::account::names::beginning(&name);
            return Err(Refusal::of_line(format!("{shown:?} is no field of an account")));
        };
        if seen.contains(&field) {
            return Err(Refusal::of(field, "it is there twice"));
        }
        seen.push(field);
        match field {
            Field::Username => record.username = text(field, value)?,
            Field::Email => record.email = Some(optional_text(field, value)?),
            Field::Name => record.display_name = Some(optional_text(field, value)?),
            Field::Status => record.status = Some(super::status(&text(field, value)?)?),
            Field::Home => record.home = Some(optional_text(field, value)?),
            Field::Aliases => record.aliases = Some(texts(field, value)?),
            Field::Groups => record.groups = Some(texts(field, value)?),
            Field::Digest => {
                record.digest = Some(list(field, value)?.into_iter().map(credential).collect::<Result<_, _>>()?);
            }
            Field::PasswordHash => {
                record.password_hash = Some(optional_text(field, value)?.map(super::password_hash).transpose()?);
            }
        }
    }
    if !seen.contains(&Field::Username) {
        return Err(Refusal::of(Field::Username, "it is missing"));
    }
    Ok(record)
}

fn text(field: Field, value: Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Refusal::of(field, "it is not a string")),
    }
}

fn optional_text(field: Field, value: Value) -> Result<Option<String>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(Refusal::of(field, "it is neither a string nor null")),
    }
}

fn list(field: Field, value: Value) -> Result<Vec<Value>, Refusal> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Refusal::of(field, "it is not an array")),
    }
}

fn texts(field: Field, value: Value) -> Result<Vec<String>, Refusal> {
    list(field, value)?.into_iter().map(|value| text(field, value)).collect()
}

/// `{"realm": …, "algorithm": …, "ha1": …}`.
fn credential(value: Value) -> Result<Credential, Refusal> {
    let wrong = || Refusal::of(Field::Digest, "a value is not an object of realm, algorithm and ha1");
    let Value::Object(mut members) = value else { return Err(wrong()) };
    let mut take = |name: &str| match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(wrong()),
    };
    let (realm, algorithm, ha1) = (take("realm")?, take("algorithm")?, take("ha1")?);
    if !members.is_empty() {
        return Err(wrong());
    }
    Ok(Credential { realm, algorithm: super::algorithm(&algorithm)?, ha1: Ha1(Secret::new(ha1.into_bytes())) })
}

#[derive(Serialize)]
struct Line<'a> {
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<&'a Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aliases: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Vec<Written<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<Option<&'a str>>,
}

#[derive(Serialize)]
struct Written<'a> {
    realm: &'a str,
    algorithm: &'static str,
    ha1: &'a str,
}

impl<'a> Written<'a> {
    fn of(credential: &'a Credential) -> Self {
        Self {
            realm: &credential.realm,
            algorithm: credential.algorithm.as_str(),
            ha1: credential.ha1.0.expose_str().unwrap_or_default(),
        }
    }
}

/// The line of a record, with its line feed: what [`record`] reads as the same.
pub(super) fn write(record: &Record, out: &mut String) {
    let line = Line {
        username: &record.username,
        email: record.email.as_ref(),
        name: record.display_name.as_ref(),
        status: record.status.map(crate::account::Status::as_str),
        home: record.home.as_ref(),
        aliases: record.aliases.as_deref(),
        groups: record.groups.as_deref(),
        digest: record.digest.as_ref().map(|all| all.iter().map(Written::of).collect()),
        password_hash: record.password_hash.as_ref().map(|hash| hash.as_ref().and_then(Secret::expose_str)),
    };
    // Strings and lists of them can always be written.
    out.push_str(&serde_json::to_string(&line).unwrap_or_default());
    out.push('\n');
}
