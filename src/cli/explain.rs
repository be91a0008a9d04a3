//! `wicketgate explain`: what would happen to a certificate, stage by stage.

use super::{Exit, Failure, OrFail, print, runtime};
use crate::app::explain::{Explanation, Query, explain};
use crate::base::clock::Timestamp;
use crate::config;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// PEM file of the certificate, followed by intermediates as its owner presents them
    #[arg(value_name = "CERT.pem")]
    certificate: PathBuf,
    /// The listener that the client comes in by (the first one if absent)
    #[arg(long)]
    listener: Option<String>,
    /// The host that is asked for
    #[arg(long)]
    host: Option<String>,
    /// The path that is asked for
    #[arg(long, default_value = "/")]
    path: String,
    /// The method of the request, where routes are chosen by it
    #[arg(long, default_value = "GET")]
    method: String,
    /// A header field of the request, where routes are chosen by it; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// What the client says it is, in the header that the route's `claim` names
    #[arg(long, value_name = "VALUE")]
    claim: Option<String>,
    /// The address that the client comes from, where the route asks for it
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The time by which dates and revocation lists are judged: RFC 3339 or seconds since the epoch (now if absent)
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what each stage finds and what comes out; exits with 1 unless the certificate passes.
///
/// # Errors
/// When the configuration or the certificate cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let loaded = config::load(&args.config).or_fail(
        "reading the configuration",
        args.config.display(),
        "mend the faults that are named",
    );
    let config = loaded.map_err(Failure::bad)?.config;
    let query = Query {
        certificate: &args.certificate,
        listener: args.listener.as_deref(),
        host: args.host.as_deref(),
        path: &args.path,
        method: &args.method,
        headers: &args.headers,
        claim: args.claim.as_deref(),
        from: args.from,
        at: args.at.unwrap_or_else(Timestamp::now),
    };
    let explanation = runtime()?.block_on(explain(&config, &query)).or_fail(
        "explaining",
        args.certificate.display(),
        format!("see whether `wicketgate check -c {}` is content", args.config.display()),
    )?;
    print(&if args.json { json(&explanation) } else { text(&explanation) })?;
    Ok(if explanation.verdict == "permit" { Exit::Success } else { Exit::No })
}

/// A field as curl takes it.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    for stage in &explanation.stages {
        let _ = writeln!(text, "{:>10}  {}", stage.name, stage.found);
    }
    let reason = explanation.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let _ = writeln!(text, "{:>10}  {}{reason}", "verdict", explanation.verdict);
    for (name, value) in &explanation.headers {
        let _ = writeln!(text, "{:>10}  {name}: {value}", "told");
    }
    text
}

fn json(explanation: &Explanation) -> String {
    let stages: Vec<_> = explanation
        .stages
        .iter()
        .map(|stage| serde_json::json!({ "stage": stage.name, "found": stage.found }))
        .collect();
    let headers: serde_json::Map<_, _> =
        explanation.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let value = serde_json::json!({
        "stages": stages,
        "verdict": explanation.verdict,
        "reason": explanation.reason.map(|reason| reason.as_str()),
        "headers": headers,
    });
    format!("{value:#}\n")
}
