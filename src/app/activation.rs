//! Socket activation (sd_listen_fds(3)): the service manager opens the sockets, ports below 1024 too, keeps them over
//! restarts of the gate, and passes them to it as descriptors 3 and following. `LISTEN_PID` says whom they are for,
//! `LISTEN_FDS` how many there are, `LISTEN_FDNAMES` what they are called.

use super::inherit::{Giver, Inherited, Label, Passed};
use anyhow::{Context, bail};
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use std::env;

/// The first descriptor that is passed.
const FIRST: usize = 3;
/// More than anybody has listeners.
const MOST: usize = 4096;

/// The sockets that the environment says were passed to this process. To be called once, and before other threads are
/// started: the variables are taken out of the environment, so that no process that this one starts takes them for its own.
///
/// # Errors
/// When what was passed is no socket that connections can be accepted on.
pub(super) fn sockets() -> anyhow::Result<Inherited> {
    let ours = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    let count = env::var("LISTEN_FDS").ok().filter(|_| ours).and_then(|count| count.parse::<usize>().ok());
    let Some(count) = count.filter(|count| *count > 0) else { return Ok(Inherited::default()) };
    if count > MOST {
        bail!("LISTEN_FDS says that {count} sockets were passed, and no service manager passes so many");
    }
    let names = names(&env::var("LISTEN_FDNAMES").unwrap_or_default());
    let mut passed = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for number in 0..count {
        let name = names.get(number).cloned().flatten();
        let what = || {
            let name = name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("descriptor {}{name} of the service manager", number + FIRST)
        };
        let socket = passed.take_tcp_listener(number).with_context(what)?;
        let socket = socket.with_context(|| format!("{} is not there", what()))?;
        if !socket_acceptconn(&socket).with_context(what)? {
            bail!(
                "{}: connections cannot be accepted there: the socket unit must say ListenStream=, and not Accept=yes",
                what()
            );
        }
        let bound = socket.local_addr().with_context(what)?;
        inherited.sockets.push(Passed { label: Label { name, bound, giver: Giver::Manager }, socket });
    }
    Ok(inherited)
}

/// What the sockets are called, in their order; `unknown` is systemd's word for one that has no name.
fn names(text: &str) -> Vec<Option<String>> {
    let known = |name: &&str| !name.is_empty() && *name != "unknown";
    text.split(':').map(|name| Some(name).filter(known).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_separated_by_colons_and_may_be_missing() {
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(names("guarded:unknown::admin"), [name("guarded"), None, None, name("admin")]);
        assert_eq!(names(""), [None]);
    }
}
