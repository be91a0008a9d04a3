//! `wicketgate crl show FILE`: what the revocation lists of a file say, and whether their signatures are good.

use super::{Exit, Failure, OrFail, print};
use crate::base::hex;
use crate::certificate::facts::sha256;
use crate::certificate::fields::{CRL_SIGN, Fields};
use crate::certificate::{name, pem};
use crate::revocation::crl::{self, Limits, List};
use clap::Subcommand;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// What `crl` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what the revocation lists of a file say
    Show(Show),
}

/// What `crl show` takes.
#[derive(Debug, clap::Args)]
struct Show {
    /// Revocation lists in PEM or DER
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// PEM file of certificates of the lists' issuers, with whose keys the signatures are checked
    #[arg(long, value_name = "CERT.pem")]
    issuer: Option<PathBuf>,
    /// Print every entry as well
    #[arg(long)]
    entries: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `crl show`; exits with 1 if a signature is not good.
///
/// # Errors
/// When a file cannot be read or holds nothing that can be used.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Command::Show(show) = &args.command;
    show.run()
}

/// What a certificate of the issuer says of a list's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    /// No certificate was given.
    NotChecked,
    /// A key of the issuer made it.
    Good,
    /// A key of the issuer made it that may not: its keyUsage lacks cRLSign.
    NotAllowed,
    /// No key of the issuer made it.
    Bad,
    /// There is no certificate of this issuer among those given.
    OtherIssuer,
}

impl Signature {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotChecked => "not checked",
            Self::Good => "good",
            Self::NotAllowed => "made with a key whose keyUsage lacks cRLSign",
            Self::Bad => "bad",
            Self::OtherIssuer => "of another issuer than the certificates given",
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::NotChecked | Self::Good)
    }
}

impl Show {
    fn run(&self) -> Result<Exit, Failure> {
        let lists = crl::read_file(&self.file, &Limits::default()).or_fail(
            "reading revocation lists",
            self.file.display(),
            "give a file of lists in PEM or DER that can be used",
        )?;
        let issuers = match &self.issuer {
            None => None,
            Some(file) => Some(pem::certificates(file).or_fail(
                "reading the issuer's certificate",
                file.display(),
                "give a PEM file that holds it",
            )?),
        };
        let keys = issuers.map(|certificates| certificates.iter().filter_map(|der| Key::of(der)).collect::<Vec<_>>());
        let all: Vec<_> = lists
            .iter()
            .map(|list| (list.as_ref(), keys.as_deref().map_or(Signature::NotChecked, |keys| signature(list, keys))))
            .collect();
        let text = if self.json {
            let values: Vec<Value> = all.iter().map(|(list, signature)| self.json(list, *signature)).collect();
            format!("{:#}\n", Value::Array(values))
        } else {
            let texts: Vec<String> = all.iter().map(|(list, signature)| self.text(list, *signature)).collect();
            texts.join("\n")
        };
        print(&text)?;
        Ok(if all.iter().all(|(_, signature)| signature.is_good()) { Exit::Success } else { Exit::No })
    }

    fn text(&self, list: &List, signature: Signature) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:>12}  {value}");
        };
        line("issuer", list.issuer_name().to_owned());
        line("number", list.number().map_or_else(|| "none".to_owned(), ToString::to_string));
        if let Some(base) = list.base() {
            line("delta of", base.to_string());
        }
        line("this update", list.this_update().to_string());
        line("next update", list.next_update().to_string());
        line("scope", list.coverage().to_string());
        line("entries", list.len().to_string());
        line("algorithm", list.algorithm().to_owned());
        line("signature", signature.as_str().to_owned());
        if self.entries {
            for (issuer, serial, said) in list.entries() {
                let issuer = if issuer == list.issuer_canonical() { "" } else { "  (of another issuer)" };
                let serial = hex::encode(serial);
                line("revoked", format!("{serial}  {}  {}{issuer}", said.at, said.reason.as_str()));
            }
        }
        text
    }

    fn json(&self, list: &List, signature: Signature) -> Value {
        let value = json!({
            "issuer": list.issuer_name(),
            "number": list.number().map(ToString::to_string),
            "delta_of": list.base().map(ToString::to_string),
            "this_update": list.this_update().to_string(),
            "next_update": list.next_update().to_string(),
            "scope": list.coverage().to_string(),
            "indirect": list.coverage().indirect,
            "entries": list.len(),
            "algorithm": list.algorithm(),
            "signature": signature.as_str(),
        });
        let Value::Object(mut value) = value else { return value };
        if self.entries {
            let revoked = list.entries().map(|(issuer, serial, said)| {
                json!({
                    "serial": hex::encode(serial),
                    "at": said.at.to_string(),
                    "reason": said.reason.as_str(),
                    "of_another_issuer": issuer != list.issuer_canonical(),
                })
            });
            value.insert("revoked".to_owned(), revoked.collect());
        }
        value.into()
    }
}

/// What of an issuer's certificate counts for its lists.
struct Key {
    /// Its subject's canonical name.
    subject: Vec<u8>,
    public_key: Vec<u8>,
    signs_lists: bool,
}

impl Key {
    fn of(certificate: &[u8]) -> Option<Self> {
        let fields = Fields::read(certificate).ok()?;
        Some(Self {
            subject: name::canonical(fields.subject),
            public_key: fields.public_key.to_vec(),
            signs_lists: fields.allows(CRL_SIGN).ok()?,
        })
    }
}

fn signature(list: &List, keys: &[Key]) -> Signature {
    let mut verdict = Signature::OtherIssuer;
    for key in keys.iter().filter(|key| key.subject == list.issuer_canonical()) {
        match (list.is_signed_with(&sha256(&key.public_key), &key.public_key), key.signs_lists) {
            (true, true) => return Signature::Good,
            (true, false) => verdict = Signature::NotAllowed,
            (false, _) if verdict == Signature::OtherIssuer => verdict = Signature::Bad,
            (false, _) => {}
        }
    }
    verdict
}
