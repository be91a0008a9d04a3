//! What the kernel says of the process (proc(5)). Where it says nothing, there is nothing to show.

use crate::base::clock::Timestamp;
use crate::base::number::float;
use std::fs::{read_dir, read_to_string};

/// In which the kernel counts CPU time for programs, on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What the kernel says of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// CPU time in seconds, in user and system mode.
    pub(super) cpu: f64,
    /// Octets in RAM.
    pub(super) resident: u64,
    /// Open descriptors.
    pub(super) descriptors: usize,
    /// How many may be open.
    pub(super) most_descriptors: u64,
}

impl Usage {
    /// As it is now.
    pub(super) fn now() -> Option<Self> {
        Some(Self {
            cpu: cpu(&read_to_string("/proc/self/stat").ok()?)?,
            resident: resident(&read_to_string("/proc/self/status").ok()?)?,
            // The folder that is being read is open, too.
            descriptors: read_dir("/proc/self/fd").ok()?.count().saturating_sub(1),
            most_descriptors: rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX),
        })
    }
}

/// Fields 14 and 15 of the line; the second field is the program's name, which may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(float(user + system) / TICKS_PER_SECOND)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Seconds from one time to another, below 0 if that one comes before.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_unix().saturating_sub(from.as_unix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 1052 0 12 0 123 45 0 0 20 0 9 0 889 2 3";
        assert_eq!(cpu(stat), Some(1.68));
        assert_eq!(cpu("4711 (a) S"), None);
        assert_eq!(resident("Name:\ta\nVmRSS:\t   2048 kB\nThreads:\t9\n"), Some(2 * 1024 * 1024));
        assert_eq!(resident("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::now().unwrap();
        assert!(usage.resident > 0 && usage.descriptors > 2 && usage.most_descriptors >= 3);
    }
}
