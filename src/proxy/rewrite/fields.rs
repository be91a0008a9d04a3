//! Header fields that a route sets, adds and removes.

use super::BadRewrite;
use crate::account::Account;
use crate::config::{FieldEdits, Template};
use crate::proxy::headers::identity::filled;
use crate::proxy::headers::strip::is_alike;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// What is changed, in this order.
#[derive(Debug, Default)]
pub(super) struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Value)>,
    add: Vec<(HeaderName, HeaderValue)>,
    /// Whether what is removed or set goes in every spelling that some application may take for it.
    in_every_spelling: bool,
}

#[derive(Debug)]
enum Value {
    Fixed(HeaderValue),
    OfAccount(Template),
}

impl Edits {
    pub(super) fn of_requests(
        settings: &FieldEdits<Template>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Self, BadRewrite> {
        let fixed =
            |name: &str, text: &str| HeaderValue::from_str(text).map_err(|_| BadRewrite::Value(name.to_owned()));
        let mut edits = Self { in_every_spelling: true, ..Self::default() };
        for (text, template) in &settings.set {
            let value = match template.as_constant() {
                // What is said of accounts is the gate's own, and taken off what clients send.
                None => Value::OfAccount(template.clone()),
                Some(_) if is_ours(text) => return Err(BadRewrite::Field(text.clone())),
                Some(constant) => Value::Fixed(fixed(text, constant)?),
            };
            edits.set.push((name(text)?, value));
        }
        for (text, template) in &settings.add {
            let constant = template.as_constant().filter(|_| !is_ours(text));
            let constant = constant.ok_or_else(|| BadRewrite::Field(text.clone()))?;
            edits.add.push((name(text)?, fixed(text, constant)?));
        }
        for text in &settings.remove {
            if is_ours(text) {
                return Err(BadRewrite::Field(text.clone()));
            }
            edits.remove.push(name(text)?);
        }
        Ok(edits)
    }

    pub(super) fn of_answers(settings: &FieldEdits<String>) -> Result<Self, BadRewrite> {
        let field = |(text, value): &(String, String)| -> Result<_, BadRewrite> {
            let value = HeaderValue::from_str(value).map_err(|_| BadRewrite::Value(text.clone()))?;
            Ok((name(text)?, value))
        };
        let set = settings.set.iter().map(|set| field(set).map(|(name, value)| (name, Value::Fixed(value))));
        Ok(Self {
            set: set.collect::<Result<_, _>>()?,
            add: settings.add.iter().map(field).collect::<Result<_, _>>()?,
            remove: settings.remove.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
            in_every_spelling: false,
        })
    }

    /// Changes a head, for whoever passes.
    pub(super) fn apply(&self, headers: &mut HeaderMap, account: Option<&Account>) {
        for name in &self.remove {
            self.take(headers, name);
        }
        for (name, value) in &self.set {
            self.take(headers, name);
            let value = match value {
                Value::Fixed(value) => Some(value.clone()),
                Value::OfAccount(template) => account.and_then(|account| filled(template, account)),
            };
            // What an account lacks is not said, and neither is what the client had said in its place.
            if let Some(value) = value {
                headers.insert(name.clone(), value);
            }
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }

    fn take(&self, headers: &mut HeaderMap, name: &HeaderName) {
        headers.remove(name);
        if self.in_every_spelling {
            let other =
                |headers: &HeaderMap| headers.keys().find(|known| is_alike(known.as_str(), name.as_str())).cloned();
            while let Some(other) = other(headers) {
                headers.remove(other);
            }
        }
    }
}

fn name(text: &str) -> Result<HeaderName, BadRewrite> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| BadRewrite::Field(text.to_owned()))
}
