//! `wicketgate ca export`: the authority's certificates in the forms that others read, and its root key, which is
//! taken away by this.

use super::audit::record;
use super::open::{directory, section};
use crate::ca::directory::Directory;
use crate::ca::files::{Access, write};
use crate::ca::history::{Act, Entry, whoever_runs_this};
use crate::ca::{pem, pkcs7};
use crate::cli::{Exit, Failure, OrFail, configuration, print};
use crate::config::Config;
use clap::ValueEnum;
use rustls_pki_types::CertificateDer;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The arguments of `ca export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Which certificates
    #[arg(value_enum, default_value_t = Which::All)]
    which: Which,
    /// The form
    #[arg(long, value_enum, default_value_t = Form::Pem)]
    form: Form,
    /// Where they are written to; by default to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the root's key, encrypted as it is, instead. With --output it is moved: the authority goes on without it,
    /// and only a new intermediate needs it
    #[arg(long, conflicts_with_all = ["which", "form"])]
    root_key: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// The root, and all intermediates, former ones too
    All,
    /// The root
    Root,
    /// The intermediate that issues now
    Intermediate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// PEM, one after another
    Pem,
    /// DER, of a single certificate
    Der,
    /// A PKCS#7 message that holds nothing but certificates (.p7c)
    Pkcs7,
}

/// Writes what was asked for.
///
/// # Errors
/// When there is no authority, its root key is elsewhere, or the file cannot be written.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.config)?;
    let directory = directory(section(&config)?)?;
    if args.root_key {
        return root_key(&config, &directory, args.output.as_deref());
    }
    let certificates: Vec<CertificateDer<'static>> = match args.which {
        Which::All => directory.certificates(),
        Which::Root => vec![directory.root().clone()],
        Which::Intermediate => {
            let current = directory.current();
            let current = current.or_fail("reading the authority", directory.path().display(), "look at the reason")?;
            vec![current.certificate().clone()]
        }
    };
    let octets = encode(&certificates, args.form)?;
    match &args.output {
        Some(file) => write(file, &octets, Access::Public).or_fail(
            "writing certificates",
            file.display(),
            "name a file in a folder that may be written to",
        )?,
        None => raw(&octets)?,
    }
    Ok(Exit::Success)
}

fn encode(certificates: &[CertificateDer<'static>], form: Form) -> Result<Vec<u8>, Failure> {
    const WHAT: (&str, &str) = ("encoding certificates", "look at the reason");
    Ok(match (form, certificates) {
        (Form::Pem, all) => pem::certificates(all).or_fail(WHAT.0, "the authority", WHAT.1)?.into_bytes(),
        (Form::Der, [one]) => one.to_vec(),
        (Form::Der, several) => {
            let why = format!("DER holds one certificate, and these are {}", several.len());
            let what_to_do = "name `root` or `intermediate`, or choose another --form";
            return Err(Failure::new(WHAT.0, "the authority", why, what_to_do).bad());
        }
        (Form::Pkcs7, all) => pkcs7::certs_only(all).or_fail(WHAT.0, "the authority", WHAT.1)?,
    })
}

/// Octets to standard output. A reader that has gone away is no failure.
fn raw(octets: &[u8]) -> Result<(), Failure> {
    if let Ok(text) = std::str::from_utf8(octets) {
        return print(text);
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(octets).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new("writing", "standard output", error, "look whether the disk it goes to is full"))
        }
        _ => Ok(()),
    }
}

fn root_key(config: &Config, directory: &Directory, output: Option<&Path>) -> Result<Exit, Failure> {
    const WHAT: &str = "taking the root's key away";
    let on = directory.path().display();
    let key = match directory.sealed_root_key() {
        Ok(Some(key)) => key,
        Ok(None) => {
            let why = "it has been taken away already";
            return Err(Failure::new(WHAT, on, why, "look where it was taken to"));
        }
        Err(error) => return Err(super::open::failure(WHAT, on, &error)),
    };
    let entry = Entry::new(Act::ExportRootKey, &whoever_runs_this());
    let Some(file) = output else {
        record(config, directory.path(), entry)?;
        // Whether whoever reads this keeps it, nobody knows here.
        let text = "the root's key stays in the folder as well; with --output FILE it is moved\n";
        let _ = std::io::stderr().write_all(text.as_bytes());
        raw(&key)?;
        return Ok(Exit::Success);
    };
    if directory.root_issues() {
        let why = "the root itself has issued certificates, and its revocation lists need its key";
        return Err(Failure::new(WHAT, on, why, "keep it until the last certificate that it issued has ended"));
    }
    if file.symlink_metadata().is_ok() {
        return Err(Failure::new(WHAT, file.display(), "the file exists already", "name another").bad());
    }
    record(config, directory.path(), Entry { detail: Some(file.display().to_string()), ..entry })?;
    let written = write(file, &key, Access::Private);
    written.or_fail(WHAT, file.display(), "name a file in a folder that may be written to")?;
    // Nothing is removed before it has been seen elsewhere.
    let copied = std::fs::read(file).or_fail(WHAT, file.display(), "use a medium that can be read")?;
    if copied != key {
        let why = "what was written is not what is read";
        return Err(Failure::new(WHAT, file.display(), why, "use a medium that works; the key is still in the folder"));
    }
    directory.forget_root_key().map_err(|error| super::open::failure(WHAT, directory.path().display(), &error))?;
    print(&format!(
        "moved the root's key to {}\n\
         it is encrypted with the passphrase of the authority; keep both, and not together\n\
         copies of it may be left in backups of {on}\n",
        file.display()
    ))?;
    Ok(Exit::Success)
}
