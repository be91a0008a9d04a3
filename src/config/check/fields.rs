//! Names of header fields that routes have no say in: those that end at each hop or frame a message, and those in which the
//! gate says who the client is or removes what clients say of it.

use super::rewrite::Change;
use crate::config::raw;
use crate::config::read::{Field, short};
use crate::config::values::comparable_header;
use std::collections::BTreeSet;

/// What frames a message, says where it goes, or is between two hops (RFC 9110, section 7.6.1).
const OF_THE_HOP: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the gate says itself, and what it takes off because clients could pass for it, or for somebody else, by it.
const OF_THE_GATE: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "forwarded",
    "front-end-https",
    "proxy",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-url-scheme",
    "x-wicketgate-assertion",
];

/// The names under which any upstream of the file is told who the client is, in the form in which names are compared.
pub(super) fn told(file: &raw::File) -> BTreeSet<String> {
    let upstreams = file.upstreams.value().into_iter().flatten().filter_map(|(_, upstream)| upstream.value());
    let mut told = BTreeSet::new();
    for upstream in upstreams {
        let assertion = upstream.assertion.value().and_then(|assertion| assertion.header.value());
        told.extend(assertion.map(|name| comparable_header(name)));
        let Some(headers) = upstream.headers.value() else { continue };
        let named = [&headers.user, &headers.email, &headers.name, &headers.groups];
        let named = named.into_iter().filter_map(|field| field.value()?.0.as_deref());
        told.extend(named.map(comparable_header));
        told.extend(headers.set.value().into_iter().flatten().map(|(name, _)| comparable_header(name)));
    }
    told
}

/// A name of a field that routes may read or write, in lower case.
///
/// # Errors
/// Why they may not.
pub(super) fn of_routes(name: &str, told: &BTreeSet<String>) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(token) {
        return Err(format!("`{}` is not the name of a header field: letters, digits and `-` make one", short(name)));
    }
    let comparable = comparable_header(name);
    if OF_THE_HOP.contains(&comparable.as_str()) {
        return Err(format!("`{}` is between two hops, or says where a message ends or goes", short(name)));
    }
    let ours = OF_THE_GATE.contains(&comparable.as_str()) || comparable.starts_with("x-forwarded-");
    if ours || told.contains(&comparable) {
        return Err(format!("`{}` is the gate's own: what clients say in it is removed", short(name)));
    }
    Ok(name.to_ascii_lowercase())
}

/// Names in which routes make the gate itself tell something of accounts.
pub(super) fn said(file: &raw::File) -> BTreeSet<String> {
    let routes = file.routes.value().into_iter().flatten().filter_map(Field::value);
    let edits = routes.filter_map(|route| route.rewrite.value()?.request_headers.value()?.set.value());
    let of_accounts = edits.flatten().filter(|(_, text)| text.value().is_some_and(|text| text.contains('{')));
    of_accounts.map(|(name, _)| comparable_header(name)).collect()
}

/// What an answer's head has to do with its framing, and with who may ask.
const OF_ANSWERS: &[&str] = &[
    "authentication-info",
    "content-encoding",
    "content-range",
    "proxy-authentication-info",
    "set-cookie",
    "www-authenticate",
];

/// A name of a field of answers that routes may write or remove, in lower case.
///
/// # Errors
/// Why they may not.
pub(super) fn of_answers(name: &str, change: Change) -> Result<String, String> {
    let lower = of_routes(name, &BTreeSet::new())?;
    if change != Change::Remove && OF_ANSWERS.contains(&lower.as_str()) {
        return Err(format!("`{}` is the application's to say, and not a route's", short(name)));
    }
    if matches!(lower.as_str(), "content-encoding" | "content-range") {
        return Err(format!("without `{}` nobody could read the answer's body", short(name)));
    }
    Ok(lower)
}

/// Whether this is a value of a field, with nothing at its ends that would be lost on the way (RFC 9110, section 5.5).
pub(super) fn check_value(value: &str) -> Result<(), String> {
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if !visible || value.trim() != value || value.is_empty() || value.len() > 4000 {
        return Err("a value is visible ASCII, 4,000 characters at most, with no space at its ends".to_owned());
    }
    Ok(())
}

/// Whether a key is there with the value `true`, or not at all.
pub(super) fn is_true(field: &Field<bool>) -> bool {
    !field.is_there() || field.value() == Some(&true)
}
