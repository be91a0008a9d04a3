//! Sockets that come from elsewhere: does the service manager pass what the configuration has a use for, and can the
//! socket be made that sockets are handed over on.

use super::{Examiner, Finding, Named};
use crate::app::activation;
use crate::config::{Config, Severity, Takeover};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const MEND: &str = "mend the socket unit (ListenStream=, FileDescriptorName=) or the configuration";

/// Examines the sockets that were passed to this process, if it was started by a socket unit. To be called once, and
/// before other threads are started.
#[must_use]
pub fn examine_passed(config: &Config) -> Vec<Finding> {
    let finding = |why: String| Finding {
        severity: Severity::Error,
        what: "a socket that was passed cannot be used".to_owned(),
        on: "LISTEN_FDS".to_owned(),
        why,
        what_to_do: MEND.to_owned(),
    };
    match activation::sockets() {
        Ok(inherited) => inherited.mismatches(config).iter().map(|mismatch| finding(mismatch.to_string())).collect(),
        Err(error) => vec![finding(format!("{error:#}"))],
    }
}

impl Examiner {
    /// The folder of the socket that sockets are handed over on. systemd may make it only when the service starts.
    pub(super) fn takeover(&mut self, Takeover { socket }: &Takeover) {
        let folder = socket.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = Named { path: folder, key: "takeover.socket" };
        match std::fs::metadata(folder) {
            Ok(found) if !found.is_dir() => {
                let what_to_do = "name a socket in a folder of the gate's own";
                self.error("the socket cannot be made", file, "this is no folder".to_owned(), what_to_do);
            }
            Ok(found) if found.permissions().mode() & 0o022 != 0 => {
                let why = format!("its mode is {:04o}", found.permissions().mode() & 0o7777);
                let what_to_do = "take a folder that the gate's user alone may write to: RuntimeDirectory= in its unit";
                self.warn(
                    "others may keep the gate from being taken over, with a socket of theirs",
                    file,
                    why,
                    what_to_do,
                );
            }
            Ok(_) => {}
            Err(error) => {
                let what_to_do = "make it, or have systemd make it (RuntimeDirectory= in the gate's unit)";
                self.warn("the folder is not there yet", file, error.to_string(), what_to_do);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use std::collections::HashSet;

    #[test]
    fn a_folder_that_others_may_write_to_or_that_is_absent_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, mode) in [("ours", 0o700), ("everybodys", 0o777)] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::write(path("file"), "").unwrap();
        for (name, expected) in [
            ("ours", None),
            ("everybodys", Some(Severity::Warning)),
            ("absent", Some(Severity::Warning)),
            ("file", Some(Severity::Error)),
        ] {
            let mut examiner = Examiner { now: Timestamp::from_unix(0), findings: Vec::new(), seen: HashSet::new() };
            examiner.takeover(&Takeover { socket: path(name).join("takeover.sock") });
            assert_eq!(examiner.findings.first().map(|finding| finding.severity), expected, "{name}");
        }
    }
}
