//! `wicketgate reload`: has a running gate read its configuration and every file anew, and says what that has changed,
//! or all that is wrong.

use super::gate::{self, Answer};
use super::{Exit, Failure, OrFail, print, runtime};
use crate::admin::Reloaded;
use crate::admin::server::Outcome;
use http::Method;

/// What `reload` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    gate: gate::Args,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reloads.
///
/// # Errors
/// When the gate cannot be asked.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let gate = args.gate.gate()?;
    let Answer { body, .. } = runtime()?.block_on(gate.ask(Method::POST, "/reload"))?;
    let outcome: Outcome = serde_json::from_slice(&body).or_fail(
        "reading the answer",
        gate.address(),
        "ask a gate of the same version",
    )?;
    let exit = if matches!(outcome, Outcome::Reloaded(_)) { Exit::Success } else { Exit::No };
    print(&if args.json { format!("{}\n", String::from_utf8_lossy(&body).trim()) } else { text(&outcome) })?;
    Ok(exit)
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reloaded(Reloaded { epoch, changes }) => {
            let mut text = format!("configuration {epoch} is in force\n");
            if changes.is_empty() {
                text.push_str("  nothing is another than before; the cache of accounts was flushed\n");
            }
            changes.iter().for_each(|change| text.push_str(&format!("  {change}\n")));
            text
        }
        Outcome::Refused(why) => format!("refused; the old configuration goes on\n{}\n", why.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_has_changed_or_what_is_wrong() {
        let reloaded = |changes: &[&str]| {
            let changes = changes.iter().map(|change| (*change).to_owned()).collect();
            text(&Outcome::Reloaded(Reloaded { epoch: 3, changes }))
        };
        assert_eq!(
            reloaded(&["trust set staff was made anew"]),
            "configuration 3 is in force\n  trust set staff was made anew\n"
        );
        assert!(reloaded(&[]).contains("nothing is another than before"));
        let refused = text(&Outcome::Refused("two faults\n".to_owned()));
        assert_eq!(refused, "refused; the old configuration goes on\ntwo faults\n");
    }
}
