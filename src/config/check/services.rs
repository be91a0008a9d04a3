//! Which services of the gate itself a file configures, so that routes may lead to them by name.

use crate::config::raw;
use std::collections::BTreeSet;

/// The names of the services that the sections of the file call for.
pub(super) fn configured(file: &raw::File) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::from(["health", "ready"]);
    if file.assertion.is_there() {
        names.insert("jwks");
    }
    // What the authority publishes is in our own tables.
    let mysql = file.accounts.value().and_then(|accounts| accounts.mysql.value());
    if mysql.is_none_or(|mysql| !mysql.queries.is_there() && !mysql.tables.is_there()) {
        names.extend(["certificates", "crl", "ocsp"]);
    }
    if file.authority.value().is_some_and(|authority| authority.est.is_there()) {
        names.insert("est");
    }
    names
}
