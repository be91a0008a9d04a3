//! curl, as an administrator would call it.

use super::gate::Gate;
use std::process::Command;

/// What curl gave back.
#[derive(Debug)]
pub(crate) struct Output {
    /// 0 if there was no response.
    pub(crate) status: u16,
    /// curl's own exit code.
    pub(crate) exit: i32,
    pub(crate) body: String,
    /// What it wrote to standard error, with `-v` the heads.
    pub(crate) errors: String,
}

impl Gate {
    /// Runs curl on a path of `https://gate.example.org`, which leads to this gate, with more options.
    pub(crate) fn curl(&self, path: &str, options: &[&str]) -> Output {
        let port = self.address.port();
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--write-out", "\n%{http_code}"])
            .arg("--cacert")
            .arg(self.folder().join("ca.pem"))
            .args(["--resolve", &format!("gate.example.org:{port}:{}", self.address.ip())])
            .args(options)
            .arg(format!("https://gate.example.org:{port}{path}"))
            .env("HOME", self.folder())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        Output {
            status: status.parse().unwrap(),
            exit: output.status.code().unwrap(),
            body: body.to_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
