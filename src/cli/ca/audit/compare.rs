//! `wicketgate ca audit compare`: whether the register still says what the history says, for whoever may write the
//! database can take a certificate out of it, or have one count again that was revoked.

use super::{MISSING, WITHOUT_DATABASE, heads, history, open};
use crate::account::sql::Store;
use crate::account::{CertificateKey, Directory};
use crate::base::hex;
use crate::ca::history::compare::{Difference, Registered, Told};
use crate::ca::history::files;
use crate::ca::history::verify::{VerifyError, identity, verify};
use crate::ca::register::{Listing, Register};
use crate::cli::ca::Common;
use crate::cli::{Exit, Failure, OrFail, print, runtime};
use serde_json::json;
use std::collections::HashMap;

const WHAT: &str = "reading the register";

/// How many certificates are asked for at once.
const BATCH: usize = 1000;

/// Compares, and says what differs.
///
/// # Errors
/// When the history is not sound or cannot be read, or the database does not answer.
pub(super) fn run(args: &Common) -> Result<Exit, Failure> {
    let (config, path) = history(args)?;
    let files = files(&path).or_fail("reading the history", path.display(), MISSING)?;
    let read = |error: VerifyError| {
        let what_to_do = "see `wicketgate ca audit verify`: what the history says counts only if it is sound";
        Failure::new("reading the history", path.display(), error, what_to_do)
    };
    let (kept, _) = heads(&config, &identity(files.first().unwrap_or(&path)).map_err(read)?)?;
    verify(&files, kept).map_err(read)?;
    let told = Told::read(&files).map_err(read)?;
    let store = &config.authority_store();
    let registered = runtime()?.block_on(async {
        let database = open(&config).await?;
        let all = Register::new(database.clone()).list_all(&Listing::all()).await;
        let all = all.or_fail(WHAT, store, WITHOUT_DATABASE)?;
        let mut registered: HashMap<CertificateKey, Registered> =
            all.into_iter().map(|found| (found.certificate.key, Registered::Counts)).collect();
        // As a gate asks, for which what is revoked need not be on record.
        let accounts = Store::new(database);
        let asked: Vec<CertificateKey> = told.certificates().cloned().collect();
        for asked in asked.chunks(BATCH) {
            let revoked = accounts.revoked(asked).await.or_fail(WHAT, store, WITHOUT_DATABASE)?;
            for (key, _) in asked.iter().zip(revoked).filter(|(_, at)| at.is_some()) {
                registered.insert(key.clone(), Registered::Revoked);
            }
        }
        Ok::<_, Failure>(registered)
    })?;
    let found = told.differences(|key| registered.get(key).copied().unwrap_or(Registered::Missing));
    print(&rendered(&found, told.certificates().count(), args.json))?;
    Ok(if found.is_empty() { Exit::Success } else { Exit::No })
}

fn rendered(found: &[Difference], certificates: usize, as_json: bool) -> String {
    if as_json {
        let found: Vec<_> = found
            .iter()
            .map(|one| json!({ "serial": hex::encode(&one.key.serial), "record": one.record, "what": one.what.as_str() }))
            .collect();
        return format!("{:#}\n", json!({ "certificates": certificates, "differences": found }));
    }
    let mut text: String = found
        .iter()
        .map(|one| format!("{} by record {}: {}\n", hex::encode(&one.key.serial), one.record, one.what.as_str()))
        .collect();
    if found.is_empty() {
        text = format!("the register says the same of {certificates} certificates as the history\n");
    } else {
        text.push_str(
            "revoke again what counts again, and look who may write the database; an act that a crash has cut off \
             looks the same\n",
        );
    }
    text
}
