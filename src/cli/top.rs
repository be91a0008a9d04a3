//! `wicketgate top`: what a running gate does at this moment, again and again, by plain escape sequences that every
//! terminal knows (ECMA-48). `q` and Ctrl-C end it; with `--once`, or where there is no terminal, it prints and ends.

use super::gate;
use super::status::{ask, milliseconds, period, server_name, short};
use super::{Exit, Failure, print, runtime};
use crate::admin::status::{Route, Server, Status, Upstream};
use crate::base::number::float;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fmt::Write as _;
use std::io::{IsTerminal, Read, stdin, stdout};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Clears the terminal and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// How many routes and upstreams are shown, the busiest first.
const MOST: usize = 15;

/// What `top` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    gate: gate::Args,
    /// Print the rates of one interval and end
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
}

/// Shows the gate until it is told to end.
///
/// # Errors
/// When the gate cannot be asked.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let gate = args.gate.gate()?;
    let interval = Duration::from_secs(args.interval);
    let live = !args.once && stdout().is_terminal();
    let with_keys = live && stdin().is_terminal();
    let _keys = with_keys.then(Keys::unbuffered).flatten();
    runtime()?.block_on(async {
        let mut pressed = keys(with_keys);
        let (mut before, _) = ask(&gate).await?;
        let mut looked = Instant::now();
        if live {
            print(&format!("{CLEAR}asking {} …\n", gate.address()))?;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                Some(()) = pressed.recv(), if live => return Ok(Exit::Success),
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Success),
            }
            let (now, _) = ask(&gate).await?;
            let passed = looked.elapsed();
            looked = Instant::now();
            let table = table(&before, &now, passed);
            if !live {
                print(&table)?;
                return Ok(Exit::Success);
            }
            print(&format!("{CLEAR}{table}\nq ends\n"))?;
            before = now;
        }
    })
}

/// A terminal that gives each key as it is pressed; put back on drop.
struct Keys(Termios);

impl Keys {
    fn unbuffered() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &modes).ok()?;
        Some(Self(before))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing any more.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// Says that `q` was pressed, where there is a keyboard. The thread ends with the process: nothing wakes one that reads a terminal.
fn keys(there_are_any: bool) -> mpsc::Receiver<()> {
    let (press, pressed) = mpsc::channel(1);
    if !there_are_any {
        return pressed;
    }
    std::thread::spawn(move || {
        let quit = |key: &Result<u8, std::io::Error>| matches!(key, Ok(b'q' | b'Q'));
        if stdin().lock().bytes().any(|key| quit(&key)) {
            let _ = press.blocking_send(());
        } else {
            // The end of the input is no wish to end: wait with whoever listens.
            std::thread::park();
        }
    });
    pressed
}

/// What has happened between two looks.
fn table(before: &Status, now: &Status, passed: Duration) -> String {
    let seconds = passed.as_secs_f64().max(0.001);
    let rate = |before: u64, now: u64| float(now.saturating_sub(before)) / seconds;
    let mut text = String::new();
    let ready = if now.ready { "ready" } else { "NOT READY" };
    let cpu = (now.cpu_seconds - before.cpu_seconds).max(0.0) / seconds * 100.0;
    // Writing to a text never fails.
    let _ = writeln!(
        text,
        "wicketgate {}  {ready}  up {}  configuration {}  CPU {cpu:.0}%  memory {} MiB",
        now.version,
        period(now.uptime_seconds),
        now.epoch,
        now.resident_bytes / (1024 * 1024)
    );
    for check in now.checks.iter().filter(|check| !check.ok) {
        let _ = writeln!(text, "NOT as it must be: {}: {}", check.name, check.detail);
    }
    let (was, is) = (&before.connections, &now.connections);
    let _ = writeln!(
        text,
        "connections {} of {}  tunnels {}  new {:.1}/s  full {:.1}/s  resumed {:.1}/s  failed {:.1}/s",
        is.open,
        is.limit,
        is.tunnels,
        rate(was.accepted, is.accepted),
        rate(was.full_handshakes, is.full_handshakes),
        rate(was.resumed, is.resumed),
        rate(was.failed, is.failed)
    );
    let _ = writeln!(
        text,
        "requests {:.1}/s  under way {}  {:.2} MiB/s  cache misses {:.1}/s  database {}",
        rate(before.requests.total, now.requests.total),
        now.requests.under_way,
        rate(before.requests.response_bytes, now.requests.response_bytes) / (1024.0 * 1024.0),
        rate(before.accounts.misses, now.accounts.misses),
        if now.accounts.up { "up" } else { "DOWN" }
    );
    routes(&mut text, &before.routes, &now.routes, &rate);
    upstreams(&mut text, &before.upstreams, &now.upstreams, &rate);
    let mut refusals: Vec<(&str, f64)> = now
        .refusals
        .iter()
        .map(|refusal| {
            let was = before.refusals.iter().find(|was| was.reason == refusal.reason).map_or(0, |was| was.count);
            (refusal.reason.as_str(), rate(was, refusal.count))
        })
        .filter(|(_, rate)| *rate > 0.0)
        .collect();
    refusals.sort_by(|one, other| other.1.total_cmp(&one.1));
    if !refusals.is_empty() {
        let _ = writeln!(text, "\n{:<40} {:>9}", "TURNED AWAY FOR", "REQ/S");
    }
    for (reason, rate) in refusals.iter().take(MOST) {
        let _ = writeln!(text, "{reason:<40} {rate:>9.1}");
    }
    text
}

fn routes(text: &mut String, before: &[Route], now: &[Route], rate: &impl Fn(u64, u64) -> f64) {
    let _ = writeln!(text, "\n{:<40} {:>9} {:>8} {:>8} {:>9} {:>9}", "ROUTE", "REQ/S", "4XX/S", "5XX/S", "P50", "P99");
    let mut rows: Vec<(f64, String)> = now
        .iter()
        .map(|route| {
            let was = before.iter().find(|was| was.name == route.name);
            let since = |count: fn(&Route) -> u64| rate(was.map_or(0, count), count(route));
            let requests = since(|route| route.requests);
            let row = format!(
                "{:<40} {requests:>9.1} {:>8.1} {:>8.1} {:>9} {:>9}",
                short(&route.name, 40),
                since(|route| route.client_errors),
                since(|route| route.server_errors),
                milliseconds(route.median_seconds),
                milliseconds(route.p99_seconds)
            );
            (requests, row)
        })
        .collect();
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    rows.iter().take(MOST).for_each(|(_, row)| text.push_str(&format!("{row}\n")));
}

fn upstreams(text: &mut String, before: &[Upstream], now: &[Upstream], rate: &impl Fn(u64, u64) -> f64) {
    if now.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{:<40} {:>9} {:>8} {:>9}", "UPSTREAM", "REQ/S", "FAILED/S", "P50");
    for upstream in now.iter().take(MOST) {
        let was = before.iter().find(|was| was.name == upstream.name);
        let _ = writeln!(
            text,
            "{:<40} {:>9.1} {:>8.1} {:>9}",
            short(&upstream.name, 40),
            rate(was.map_or(0, |was| was.responses), upstream.responses),
            rate(was.map_or(0, |was| was.failures), upstream.failures),
            milliseconds(upstream.median_seconds)
        );
    }
    servers(text, before, now, rate);
}

/// The servers of all upstreams: those that get no requests, and then the busiest.
fn servers(text: &mut String, before: &[Upstream], now: &[Upstream], rate: &impl Fn(u64, u64) -> f64) {
    let mut rows: Vec<(bool, f64, String)> = Vec::new();
    for upstream in now {
        let was = before.iter().find(|was| was.name == upstream.name);
        for server in &upstream.servers {
            let is_same = |was: &&Server| was.name == server.name && was.address == server.address;
            let was = was.and_then(|was| was.servers.iter().find(is_same));
            let answers = rate(was.map_or(0, |was| was.responses), server.responses);
            let row = format!(
                "{:<40} {answers:>9.1} {:>8.1} {:>9} {:<8} {:>8} {}",
                short(&server_name(server), 40),
                rate(was.map_or(0, |was| was.failures), server.failures),
                milliseconds(server.median_seconds),
                server.state.as_deref().unwrap_or("-"),
                server.under_way,
                short(&upstream.name, 16)
            );
            rows.push((server.state.as_deref() == Some("up"), answers, row));
        }
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| other.1.total_cmp(&one.1)));
    let _ = writeln!(
        text,
        "\n{:<40} {:>9} {:>8} {:>9} {:<8} {:>8} OF",
        "SERVER", "REQ/S", "FAILED/S", "P50", "STATE", "UNDERWAY"
    );
    rows.iter().take(MOST).for_each(|(_, _, row)| text.push_str(&format!("{row}\n")));
}
