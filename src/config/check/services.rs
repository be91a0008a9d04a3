//! Which services of the gate itself a file configures, so that routes may lead to them by name.

use crate::config::raw;
use std::collections::BTreeSet;

/// The names of the services that the sections of the file call for.
pub(super) fn configured(_: &raw::File) -> BTreeSet<&'static str> {
    BTreeSet::new()
}
