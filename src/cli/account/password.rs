//! `wicketgate account password`: what is kept of a password is HA1 (RFC 7616), for each algorithm that
//! the configuration offers, and a hash for HTTP Basic, which is of no realm. The password itself is never an argument, which other users of the machine
//! could read.

use super::super::{Exit, Failure, print};
use super::{refused, with_configuration};
use crate::account::ha1;
use crate::account::password::{self, SALT};
use crate::base::secret::{Secret, SecretSource};
use crate::config::{Config, DigestAlgorithm};
use serde_json::json;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The longest password in octets.
const MAX_LENGTH: u64 = 1024;

/// The arguments of `account password`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The account's user name
    username: String,
    /// The realm that the password is for (default: the realm of `digest` in the configuration, if it is one)
    #[arg(long)]
    realm: Option<String>,
    /// Set it for HTTP Basic, and for no realm unless `--realm` names one; without this and without `--realm` it is set
    /// for both
    #[arg(long)]
    basic: bool,
    /// Read the password from the first line of standard input, instead of asking for it
    #[arg(long, conflicts_with_all = ["file", "remove"])]
    stdin: bool,
    /// Read the password from the first line of this file
    #[arg(long, conflicts_with = "remove")]
    file: Option<PathBuf>,
    /// Take the password away
    #[arg(long)]
    remove: bool,
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    with_configuration(&args.config, async |registry, config| {
        let username = args.username.as_str();
        let realm = match args {
            Args { basic: true, realm: None, .. } => None,
            _ => Some(realm(args, config)?),
        };
        let for_basic = args.basic || args.realm.is_none();
        let algorithms = match (&config.digest, args.remove) {
            (_, true) => Vec::new(),
            (Some(digest), false) => digest.hashes(),
            (None, false) => vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        };
        let password = if args.remove { None } else { Some(password(args)?) };
        for algorithm in DigestAlgorithm::ALL {
            let Some(realm) = realm else { break };
            // An algorithm that is not offered today may be offered again: the old password goes there, too.
            let offered = password.as_ref().filter(|_| algorithms.contains(&algorithm));
            let ha1 = offered.map(|password| ha1::compute(username, realm, password, algorithm));
            let set = registry.set_ha1(username, realm, algorithm, ha1.as_ref()).await;
            set.map_err(|error| refused("setting the password", username, &error))?;
        }
        if for_basic {
            let hash = password.as_ref().map(|password| hashed(password, username)).transpose()?;
            let set = registry.set_password(username, hash.as_ref()).await;
            set.map_err(|error| refused("setting the password", username, &error))?;
        }
        let algorithms: Vec<&str> = match realm {
            Some(_) => algorithms.iter().map(|algorithm| algorithm.as_str()).collect(),
            None => Vec::new(),
        };
        if args.json {
            let hash = (for_basic && !args.remove).then_some("argon2id");
            let said = json!({ "username": username, "realm": realm, "algorithms": algorithms, "hash": hash });
            print(&format!("{said:#}\n"))?;
            return Ok(Exit::Success);
        }
        if let Some(realm) = realm {
            print(&if args.remove {
                format!("{username} has no password in the realm {realm:?} any more\n")
            } else {
                format!("set the password of {username} in the realm {realm:?}, for {}\n", in_words(&algorithms))
            })?;
        }
        if for_basic {
            print(&if args.remove {
                format!("{username} has no password for Basic any more\n")
            } else {
                format!("set the password of {username} for Basic\n")
            })?;
        }
        Ok(Exit::Success)
    })
}

/// `a`, `a and b`, `a, b and c`.
fn in_words(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

fn realm<'a>(args: &'a Args, config: &'a Config) -> Result<&'a str, Failure> {
    let configured = config.digest.as_ref().map_or(&[][..], |digest| digest.realm.names());
    let fail = |why: &str| {
        Failure::new("setting the password", &args.username, why, "name one by --realm, or say --basic").bad()
    };
    match (&args.realm, configured) {
        (Some(realm), _) => Ok(realm),
        (None, [realm]) => Ok(realm),
        (None, []) => Err(fail("the configuration has no `digest`, and so no realm that the password could be for")),
        (None, several) => Err(fail(&format!(
            "the configuration has several realms, and a password is for one: {}",
            several.join(", ")
        ))),
    }
}

/// The hash for HTTP Basic.
fn hashed(password: &Secret, username: &str) -> Result<Secret, Failure> {
    let mut salt = [0; SALT];
    let salted = aws_lc_rs::rand::fill(&mut salt).ok();
    salted.and_then(|()| password::make(password, &salt)).ok_or_else(|| {
        let why = "the system gives no randomness, or has no 20 MiB of memory";
        Failure::new("hashing the password", username, why, "try again")
    })
}

fn password(args: &Args) -> Result<Secret, Failure> {
    let fail = |why: &str, what_to_do: &str| Failure::new("reading the password", &args.username, why, what_to_do);
    let input = std::io::stdin();
    let secret = if let Some(file) = &args.file {
        let read = SecretSource::File(file.clone()).read();
        read.map_err(|error| fail(&error.to_string(), "name a file whose first line is the password"))?
    } else if args.stdin {
        first_line(input.lock()).map_err(|error| fail(&error.to_string(), "try again"))?
    } else if input.is_terminal() {
        ask()
            .map_err(|error| fail(&error.to_string(), "use --stdin or --file"))?
            .ok_or_else(|| fail("the two are not the same", "try again"))?
    } else {
        return Err(fail("there is no terminal to ask at", "use --stdin or --file").bad());
    };
    let length = u64::try_from(secret.expose().len()).unwrap_or(u64::MAX);
    match length {
        0 => Err(fail("it is empty", "choose one that nobody guesses")),
        1..=MAX_LENGTH if secret.expose_str().is_none_or(|text| text.chars().any(char::is_control)) => {
            Err(fail("it is not UTF-8, or holds a control character", "choose one that a browser can send"))
        }
        1..=MAX_LENGTH => Ok(secret),
        _ => Err(fail("it is longer than 1024 octets", "choose a shorter one")),
    }
}

fn first_line(input: impl BufRead) -> std::io::Result<Secret> {
    // Room for all that is accepted: a buffer that grows leaves copies behind that nobody wipes.
    let mut line = Zeroizing::new(Vec::with_capacity(2 * usize::try_from(MAX_LENGTH).unwrap_or(usize::MAX)));
    input.take(MAX_LENGTH + 2).read_until(b'\n', &mut line)?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Secret::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec()))
}

/// Asks twice at the terminal, without showing what is typed; `None` if the answers differ.
fn ask() -> std::io::Result<Option<Secret>> {
    let first = Secret::new(rpassword::prompt_password("Password: ")?.into_bytes());
    let second = Secret::new(rpassword::prompt_password("Again: ")?.into_bytes());
    Ok((first == second).then_some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line() {
        let cases: [(&[u8], &[u8]); 5] =
            [(b"one\ntwo\n", b"one"), (b"one\r\n", b"one"), (b"one", b"one"), (b" one \n", b" one "), (b"", b"")];
        for (input, expected) in cases {
            assert_eq!(first_line(input).unwrap().expose(), expected, "{input:?}");
        }
        // One that is too long comes out as too long, and not cut to what is accepted.
        assert!(first_line(vec![b'x'; 5000].as_slice()).unwrap().expose().len() as u64 > MAX_LENGTH);
    }
}
