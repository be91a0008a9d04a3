//! How a certificate that is ordered on the command line becomes files. They are written beside their places first,
//! then the certificate is recorded, and then the files take their places: a full disk shows before anything is on
//! record, and nobody has a certificate that is not.

use super::desk::{Desk, as_json, refused};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::secret::{Secret, SecretSource};
use crate::ca::files::{self, Access};
use crate::ca::office::{Issued, Order, Prepared};
use crate::ca::password::{self, Password};
use crate::ca::pem;
use crate::ca::pkcs12::Form;
use crate::ca::register::OnRecord;
use crate::cli::{Exit, Failure, OrFail, print};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How a key that is made here is handed out.
#[derive(Debug, clap::Args)]
pub(super) struct Packing {
    /// Write the older form of PKCS#12 (3DES, SHA-1), for older systems of Apple and Windows
    #[arg(long)]
    legacy: bool,
    /// Read the password of the file from the first line of this file; without it, one is generated and shown once
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Write PEM instead of PKCS#12, for servers: the chain, and beside it the key in a file that ends with .key,
    /// not encrypted
    #[arg(long, conflicts_with_all = ["legacy", "password_file"])]
    pem: bool,
    /// The file to write; it must not exist (default: the account's name with .p12 or .pem)
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// A file beside its place.
struct Waiting {
    beside: PathBuf,
    place: PathBuf,
}

impl Packing {
    /// The form of PKCS#12.
    pub(super) fn form(&self) -> Form {
        if self.legacy { Form::Legacy } else { Form::Modern }
    }

    /// Whether a password was chosen.
    pub(super) fn is_chosen(&self) -> bool {
        self.password_file.is_some()
    }

    /// Whether PEM is wanted.
    pub(super) fn is_pem(&self) -> bool {
        self.pem
    }

    fn password(&self) -> Result<Password, Failure> {
        const WHAT: &str = "reading the password";
        match &self.password_file {
            None => password::generate().or_fail("generating a password", "the system", "try again"),
            Some(path) => {
                let what_to_do = "give a file whose first line is the password";
                let secret = SecretSource::File(path.clone()).read().or_fail(WHAT, path.display(), what_to_do)?;
                Password::chosen(secret).or_fail(WHAT, path.display(), "choose another password")
            }
        }
    }
}

/// Packs a key and its certificate, records the certificate, and says where the files are. A generated password is
/// shown, this once.
pub(super) async fn packed(
    desk: &Desk,
    order: Order<'_>,
    prepared: Prepared,
    packing: &Packing,
    json: bool,
    now: Timestamp,
) -> Result<Exit, Failure> {
    const WHAT: &str = "issuing a certificate";
    let on = order.username.unwrap_or("no account");
    let extension = if packing.pem { "pem" } else { "p12" };
    let stem = order.username.map_or_else(|| hex::encode(&prepared.entry().certificate.key.serial), plain);
    let out = packing.out.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}.{extension}")));
    let unpacked = "report this as a fault of Wicketgate";
    let (files, password) = if packing.pem {
        let chain = pem::certificates(&prepared.whole_chain(&desk.office)).or_fail(WHAT, on, unpacked)?;
        let empty = Secret::new(Vec::new());
        let key = pem::private_key(prepared.key().unwrap_or(&empty)).or_fail(WHAT, on, unpacked)?;
        let files = vec![
            wait(&out.with_extension("key"), key.expose(), Access::Private)?,
            wait(&out, chain.as_bytes(), Access::Public)?,
        ];
        (files, None)
    } else {
        let password = packing.password()?;
        let file = prepared.pkcs12(&desk.office, packing.form(), &password).or_fail(WHAT, on, unpacked)?;
        (vec![wait(&out, &file.unwrap_or_default(), Access::Private)?], Some(password))
    };
    let issued = entered(desk, order, prepared, files, now).await?;
    let shown = password.as_ref().filter(|_| !packing.is_chosen()).and_then(|password| password.secret().expose_str());
    report(&issued, Some(&out), shown, json, now)
}

/// Records a certificate for somebody else's key, and writes its chain to a file or to standard output.
pub(super) async fn signed(
    desk: &Desk,
    order: Order<'_>,
    prepared: Prepared,
    out: Option<&Path>,
    json: bool,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let on = order.username.unwrap_or("no account");
    let chain = pem::certificates(&prepared.whole_chain(&desk.office));
    let chain = chain.or_fail("issuing a certificate", on, "report this as a fault of Wicketgate")?;
    let files = match out {
        Some(out) => vec![wait(out, chain.as_bytes(), Access::Public)?],
        None => Vec::new(),
    };
    let issued = entered(desk, order, prepared, files, now).await?;
    match (out, json) {
        (None, false) => {
            print(&chain)?;
            Ok(Exit::Success)
        }
        (None, true) => {
            let mut value = value(&issued, now);
            if let Value::Object(fields) = &mut value {
                fields.insert("pem".to_owned(), Value::from(chain));
            }
            print(&format!("{value:#}\n"))?;
            Ok(Exit::Success)
        }
        (Some(_), _) => report(&issued, out, None, json, now),
    }
}

async fn entered(
    desk: &Desk,
    order: Order<'_>,
    prepared: Prepared,
    files: Vec<Waiting>,
    now: Timestamp,
) -> Result<Issued, Failure> {
    let on = order.username.unwrap_or("no account");
    let issued = match desk.office.enter(prepared, order, now).await {
        Ok(issued) => issued,
        Err(error) => {
            for file in &files {
                // The error that counts is the one that is returned.
                let _ = std::fs::remove_file(&file.beside);
            }
            return Err(refused("issuing a certificate", on, &error));
        }
    };
    for file in &files {
        let what_to_do = format!("the certificate is on record; its file lies in {}", file.beside.display());
        std::fs::rename(&file.beside, &file.place).or_fail("writing", file.place.display(), what_to_do)?;
    }
    Ok(issued)
}

fn wait(place: &Path, content: &[u8], access: Access) -> Result<Waiting, Failure> {
    if place.symlink_metadata().is_ok() {
        let why = "it exists, and may be somebody's key";
        return Err(Failure::new("writing", place.display(), why, "move it away, or say --out"));
    }
    let mut beside = place.as_os_str().to_owned();
    beside.push(".issuing");
    let beside = PathBuf::from(beside);
    files::write(&beside, content, access).or_fail(
        "writing",
        place.display(),
        "look whether its folder exists and the disk has room; nothing was issued",
    )?;
    Ok(Waiting { beside, place: place.to_owned() })
}

fn report(
    issued: &Issued,
    out: Option<&Path>,
    password: Option<&str>,
    json: bool,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let record = &issued.record;
    if json {
        let mut value = value(issued, now);
        if let Value::Object(fields) = &mut value {
            fields.insert("file".to_owned(), out.map(|out| out.display().to_string()).into());
            fields.insert("password".to_owned(), password.into());
        }
        print(&format!("{value:#}\n"))?;
        return Ok(Exit::Success);
    }
    let whom = record.username.as_deref().unwrap_or(&record.subject);
    let mut text = format!("issued {} to {whom}, until {}\n", hex::encode(&record.key.serial), record.not_after);
    for superseded in &issued.superseded {
        text.push_str(&format!("revoked {} (superseded)\n", hex::encode(&superseded.serial)));
    }
    if let Some(out) = out {
        text.push_str(&format!("file      {}\n", out.display()));
    }
    if let Some(password) = password {
        text.push_str(&format!("password  {password}\n"));
    }
    print(&text)?;
    Ok(Exit::Success)
}

fn value(issued: &Issued, now: Timestamp) -> Value {
    let mut value = as_json(&OnRecord { certificate: issued.record.clone(), revoked: None }, now);
    if let Value::Object(fields) = &mut value {
        let superseded: Vec<String> = issued.superseded.iter().map(|key| hex::encode(&key.serial)).collect();
        fields.insert("superseded".to_owned(), superseded.into());
    }
    value
}

/// A user name as a file may be called.
fn plain(username: &str) -> String {
    let name: String = username
        .chars()
        .map(|character| if character.is_alphanumeric() || "-_@+.".contains(character) { character } else { '_' })
        .collect();
    name.trim_start_matches('.').to_owned()
}
