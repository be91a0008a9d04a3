//! `wicketgate status`: what a running gate does, on one page. It exits with 1 when the gate cannot serve requests.

use super::gate::{self, Gate};
use super::{Exit, Failure, OrFail, print, runtime};
use crate::admin::status::{Certificate, List, Server, Status, Upstream};
use http::Method;
use std::fmt::Write;

/// How many lines a part of the page has at most; JSON has all.
const MOST: usize = 12;

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    gate: gate::Args,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what the gate says of itself.
///
/// # Errors
/// When the gate cannot be asked.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let gate = args.gate.gate()?;
    let (status, json) = runtime()?.block_on(ask(&gate))?;
    print(&if args.json { json } else { text(&status) })?;
    Ok(if status.ready { Exit::Success } else { Exit::No })
}

/// What a gate does, and the JSON that said so.
///
/// # Errors
/// When the gate cannot be asked, or answers something else.
pub(super) async fn ask(gate: &Gate) -> Result<(Status, String), Failure> {
    let answer = gate.ask(Method::GET, "/status").await?;
    let what_to_do = "ask a gate of the same version";
    let status = serde_json::from_slice(&answer.body).or_fail("reading the answer", gate.address(), what_to_do)?;
    Ok((status, String::from_utf8_lossy(&answer.body).into_owned()))
}

/// The page. Writing to a text never fails.
fn text(status: &Status) -> String {
    let mut page = String::new();
    let Status { version, epoch, loaded, connections, requests, accounts, .. } = status;
    let ready = if status.ready { "ready" } else { "NOT READY" };
    let _ = writeln!(page, "wicketgate {version}: {ready}, up for {}", period(status.uptime_seconds));
    for check in status.checks.iter().filter(|check| !check.ok) {
        let _ = writeln!(page, "  not as it must be: {}: {}", check.name, check.detail);
    }
    let _ = writeln!(page, "configuration {epoch}, taken up {loaded}");
    for listener in &status.listeners {
        let _ = writeln!(page, "listener {} on {}", listener.name, listener.address);
    }
    let _ = writeln!(
        page,
        "connections {} of {}, tunnels {}; accepted {}, handshakes {} full, {} resumed, {} failed",
        connections.open,
        connections.limit,
        connections.tunnels,
        connections.accepted,
        connections.full_handshakes,
        connections.resumed,
        connections.failed
    );
    let classes = requests.by_status.iter().filter(|(_, count)| *count > 0);
    let classes: Vec<String> = classes.map(|(class, count)| format!("{class} {count}")).collect();
    let _ = writeln!(page, "requests {} ({}), under way {}", requests.total, classes.join(", "), requests.under_way);
    let _ = writeln!(
        page,
        "accounts in {}: {}; cache: {} hits, {} misses, {} stale, {} unavailable",
        accounts.store,
        if accounts.up { "answers" } else { "DOES NOT ANSWER" },
        accounts.hits,
        accounts.misses,
        accounts.stale,
        accounts.unavailable
    );
    let _ = writeln!(page, "memory {} MiB, CPU {:.1} s", status.resident_bytes / (1024 * 1024), status.cpu_seconds);
    tables(&mut page, status);
    page
}

fn tables(page: &mut String, status: &Status) {
    if !status.routes.is_empty() {
        let _ =
            writeln!(page, "\n{:<40} {:>10} {:>8} {:>8} {:>9} {:>9}", "ROUTE", "REQUESTS", "4XX", "5XX", "P50", "P99");
    }
    for route in status.routes.iter().take(MOST) {
        let (median, p99) = (milliseconds(route.median_seconds), milliseconds(route.p99_seconds));
        let (name, errors) = (short(&route.name, 40), (route.client_errors, route.server_errors));
        let _ =
            writeln!(page, "{name:<40} {:>10} {:>8} {:>8} {median:>9} {p99:>9}", route.requests, errors.0, errors.1);
    }
    if !status.upstreams.is_empty() {
        let _ = writeln!(page, "\n{:<40} {:>10} {:>8} {:>9}", "UPSTREAM", "ANSWERS", "FAILED", "P50");
    }
    for upstream in status.upstreams.iter().take(MOST) {
        let (name, median) = (short(&upstream.name, 40), milliseconds(upstream.median_seconds));
        let _ = writeln!(page, "{name:<40} {:>10} {:>8} {median:>9}", upstream.responses, upstream.failures);
    }
    servers(page, &status.upstreams);
    if !status.refusals.is_empty() {
        let _ = writeln!(page, "\n{:<40} {:>10}", "TURNED AWAY FOR", "REQUESTS");
    }
    for refusal in status.refusals.iter().take(MOST) {
        let _ = writeln!(page, "{:<40} {:>10}", refusal.reason, refusal.count);
    }
    if !status.lists.is_empty() {
        let _ = writeln!(page, "\n{:<40} {:>10} {:>16}", "REVOCATION LIST", "ENTRIES", "GOOD FOR");
    }
    for List { origin, entries, remaining_seconds, .. } in status.lists.iter().take(MOST) {
        let _ = writeln!(page, "{:<40} {entries:>10} {:>16}", last(origin, 40), remaining(*remaining_seconds));
    }
    if !status.certificates.is_empty() {
        let _ = writeln!(page, "\n{:<12} {:<16} {:<40} {:>16}", "CERTIFICATE", "OF", "SUBJECT", "VALID FOR");
    }
    for Certificate { role, name, subject, remaining_seconds, .. } in status.certificates.iter().take(MOST) {
        let (name, subject) = (short(name, 16), short(subject, 40));
        let _ = writeln!(page, "{role:<12} {name:<16} {subject:<40} {:>16}", remaining(*remaining_seconds));
    }
}

/// The servers of all upstreams, those first that get no requests.
fn servers(page: &mut String, upstreams: &[Upstream]) {
    let mut rows: Vec<(&str, &Server)> =
        upstreams.iter().flat_map(|upstream| upstream.servers.iter().map(|server| (&*upstream.name, server))).collect();
    rows.sort_by_key(|(_, server)| server.state.as_deref() == Some("up"));
    if !rows.is_empty() {
        let _ = writeln!(
            page,
            "\n{:<32} {:<16} {:<8} {:>8} {:>10} {:>8} {:>7} {:>9} {:>9}",
            "SERVER", "OF", "STATE", "UNDERWAY", "ANSWERS", "FAILED", "EJECTED", "CONN", "P50"
        );
    }
    for (upstream, server) in rows.into_iter().take(MOST) {
        let _ = writeln!(
            page,
            "{:<32} {:<16} {:<8} {:>8} {:>10} {:>8} {:>7} {:>9} {:>9}",
            short(&server_name(server), 32),
            short(upstream, 16),
            server.state.as_deref().unwrap_or("-"),
            server.under_way,
            server.responses,
            server.failures,
            server.ejections,
            format!("{}/{}", server.connections_open.saturating_sub(server.connections_idle), server.connections_open),
            milliseconds(server.median_seconds)
        );
    }
    for upstream in upstreams.iter().filter(|upstream| upstream.unresolved > 0) {
        let _ = writeln!(page, "{}: the addresses of {} names cannot be had", upstream.name, upstream.unresolved);
    }
}

/// What tells a server from the others of its upstream: its address, where its name has several.
pub(super) fn server_name(server: &Server) -> String {
    match &server.address {
        Some(address) => format!("{} {address}", server.name),
        None => server.name.clone(),
    }
}

/// Its beginning, if it is too long.
pub(super) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Its end, if it is too long: of paths that says more.
fn last(text: &str, most: usize) -> String {
    let count = text.chars().count();
    match count > most {
        true => ['…'].into_iter().chain(text.chars().skip(count - most + 1)).collect(),
        false => text.to_owned(),
    }
}

pub(super) fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1000.0)
}

fn remaining(seconds: i64) -> String {
    if seconds < 0 { format!("OVER since {}", period(-seconds)) } else { period(seconds) }
}

/// The two largest units of a period.
pub(super) fn period(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_told_in_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(period(seconds), expected);
        }
        assert_eq!(remaining(-61), "OVER since 1 min 1 s");
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        assert_eq!(short("äöüß", 4), "äöüß");
        assert_eq!(short("äöüßx", 4), "äöü…");
        assert_eq!(last("/etc/äöü", 4), "…äöü");
    }
}
