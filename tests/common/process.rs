//! Child processes: ended by their id, never by a name, and never left behind by a test that fails.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running program whose output is collected line by line.
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a program; standard output and standard error are collected together.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        Self { child, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has written so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal by its name, `HUP` or `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status().unwrap();
        assert!(status.success(), "signal {name} was not delivered");
    }

    /// Waits for the end, at most so long.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if start.elapsed() > at_most {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The most memory that it has ever held, in KiB; `None` once it has ended.
    pub(crate) fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
    }

    /// A field of `/proc/ID/status` in KiB: `VmHWM` is the most memory that it ever held, `VmRSS` what it holds.
    pub(crate) fn memory_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Asked first, so that what a test has found open is seen to be left in order; but clients that the
            // test still holds would keep a gate waiting for its whole `drain`.
            self.signal("TERM");
            if self.wait(Duration::from_millis(300)).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() {
            eprintln!("--- what process {} wrote:\n{}---", self.id(), self.output());
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    });
}
