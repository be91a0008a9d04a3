//! `wicketgate ca issue`, `ca sign` and `ca renew`: certificates for one account or server, with a key that is made
//! here or for the key of a request.

use super::Common;
use super::desk::{Desk, Granted, Named, refused, standing, with_office};
use super::hand_out::{Packing, packed, signed};
use super::many::{self, Many};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::history::whoever_runs_this;
use crate::ca::office::Order;
use crate::ca::office::recorder::Deed;
use crate::ca::request::{MAX_REQUEST, Request};
use crate::certificate::pem;
use crate::cli::{Exit, Failure, OrFail};
use std::path::{Path, PathBuf};

const WHAT: &str = "issuing a certificate";

/// The arguments of `ca issue`.
#[derive(Debug, clap::Args)]
pub(super) struct Issue {
    /// The account's user name; without it the certificate is for what --dns, --address and --uri say
    #[arg(conflicts_with_all = ["all", "group", "from"])]
    username: Option<String>,
    /// The profile
    #[arg(long, value_name = "NAME", default_value = "client")]
    profile: String,
    #[command(flatten)]
    granted: Granted,
    #[command(flatten)]
    packing: Packing,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    common: Common,
}

/// The arguments of `ca sign`.
#[derive(Debug, clap::Args)]
pub(super) struct Sign {
    /// The account's user name; without it the certificate is for what --dns, --address and --uri say
    #[arg(conflicts_with = "requests")]
    username: Option<String>,
    /// The request (PKCS#10, PEM or DER)
    #[arg(long, value_name = "FILE", required_unless_present = "requests")]
    csr: Option<PathBuf>,
    /// A folder of requests, USERNAME.csr for each account; --out is the folder for the certificates
    #[arg(long, value_name = "FOLDER", conflicts_with = "csr", requires = "out")]
    requests: Option<PathBuf>,
    /// The profile
    #[arg(long, value_name = "NAME", default_value = "client")]
    profile: String,
    #[command(flatten)]
    granted: Granted,
    /// The file to write; it must not exist (default: standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// The arguments of `ca renew`.
#[derive(Debug, clap::Args)]
pub(super) struct Renew {
    #[command(flatten)]
    named: Named,
    /// A request for the new certificate; without it a key is made here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["legacy", "password_file", "pem"])]
    csr: Option<PathBuf>,
    #[command(flatten)]
    packing: Packing,
    #[command(flatten)]
    common: Common,
}

/// Issues to one account, to many, or to a server.
///
/// # Errors
/// When it is refused, or fails.
pub(super) fn issue(args: &Issue) -> Result<Exit, Failure> {
    let names = args.granted.names();
    if args.many.is_asked() {
        return many::issue(&args.many, &args.profile, &args.packing, &names, &args.common);
    }
    if args.username.is_none() && names.is_empty() {
        let what_to_do = "name an account, --all, --group or --from, or the names of a server (--dns)";
        return Err(Failure::new(WHAT, "nobody", "nobody is named to issue it to", what_to_do).bad());
    }
    with_office(&args.common.config, async |desk| {
        let (now, by) = (Timestamp::now(), whoever_runs_this());
        let order = Order {
            username: args.username.as_deref(),
            profile: &args.profile,
            names: &names,
            by: &by,
            deed: Deed::Issue,
        };
        let prepared = ordered(&desk, order, None, now).await?;
        packed(&desk, order, prepared, &args.packing, args.common.json, now).await
    })
}

/// Issues for the key of a request.
///
/// # Errors
/// When it is refused, or fails.
pub(super) fn sign(args: &Sign) -> Result<Exit, Failure> {
    if let (Some(requests), Some(out)) = (&args.requests, &args.out) {
        return many::sign(requests, out, &args.profile, &args.common);
    }
    let Some(csr) = &args.csr else {
        return Err(Failure::new(WHAT, "nobody", "there is no request", "name one: --csr FILE").bad());
    };
    let request = request(csr)?;
    let names = args.granted.names();
    with_office(&args.common.config, async |desk| {
        let (now, by) = (Timestamp::now(), whoever_runs_this());
        let order = Order {
            username: args.username.as_deref(),
            profile: &args.profile,
            names: &names,
            by: &by,
            deed: Deed::Issue,
        };
        let prepared = ordered(&desk, order, Some(&request), now).await?;
        signed(&desk, order, prepared, args.out.as_deref(), args.common.json, now).await
    })
}

/// Issues in the place of a certificate that is on record.
///
/// # Errors
/// When it is not on record, revoked, or one of several; when the new one is refused, or fails.
pub(super) fn renew(args: &Renew) -> Result<Exit, Failure> {
    const WHAT: &str = "renewing a certificate";
    let request = args.csr.as_deref().map(request).transpose()?;
    with_office(&args.common.config, async |desk| {
        let (now, by) = (Timestamp::now(), whoever_runs_this());
        let mut found = args.named.find(desk.office.register()).await?;
        if args.named.account.is_some() {
            // Of an account, the one that lasts longest among those that count.
            found.retain(|found| found.revoked.is_none());
            found.sort_by_key(|found| found.certificate.not_after);
            found.drain(..found.len().saturating_sub(1));
        }
        let old = match found.as_slice() {
            [one] => &one.certificate.key,
            [] => {
                let why = "all of its certificates are revoked";
                return Err(Failure::new(WHAT, args.named.shown(), why, "issue a new one"));
            }
            several => {
                let lines: Vec<String> = several
                    .iter()
                    .map(|found| format!("{} ({})", hex::encode(&found.certificate.fingerprint), standing(found, now)))
                    .collect();
                let why = format!("several are on record: {}", lines.join(", "));
                return Err(Failure::new(WHAT, args.named.shown(), why, "name one of them by its SHA-256").bad());
            }
        };
        let renewal = desk.office.renewal(old).await;
        let renewal = renewal.map_err(|error| refused(WHAT, &args.named.shown(), &error))?;
        let order = renewal.order(&by);
        let prepared = ordered(&desk, order, request.as_ref(), now).await?;
        match &request {
            Some(_) => signed(&desk, order, prepared, args.packing.out.as_deref(), args.common.json, now).await,
            None => packed(&desk, order, prepared, &args.packing, args.common.json, now).await,
        }
    })
}

async fn ordered(
    desk: &Desk,
    order: Order<'_>,
    request: Option<&Request>,
    now: Timestamp,
) -> Result<crate::ca::office::Prepared, Failure> {
    let prepared = desk.office.order(order, request, now).await;
    prepared.map_err(|error| refused(WHAT, order.username.unwrap_or("no account"), &error))
}

fn request(path: &Path) -> Result<Request, Failure> {
    const WHAT: &str = "reading a request";
    let most = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX).saturating_mul(2);
    let octets = pem::read(path, most).or_fail(WHAT, path.display(), "give a file with a certificate request")?;
    Request::read_any(&octets).or_fail(WHAT, path.display(), "have another request made")
}
