//! `tracing`: where traces go. That this build can send any is for the start and for `wicketgate check` to say.

use super::Context;
use crate::base::secret::SecretSource;
use crate::config::raw;
use crate::config::read::{At, Field, short};
use crate::config::traces::ALL_REQUESTS;
use crate::config::values::parse_server_url;
use crate::config::{ServerName, Tracing};
use std::net::IpAddr;

/// What the gate says itself to the collector.
const OURS: [&str; 5] = ["host", "content-type", "content-length", "transfer-encoding", "connection"];

impl Context<'_> {
    /// The outer `None` is a fault.
    pub(super) fn tracing(&mut self, raw: &Field<raw::Tracing>) -> Option<Option<Tracing>> {
        let At { place, value: raw } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(tracing) => tracing,
        };
        let endpoint = self.required(&raw.endpoint, *place, "endpoint");
        let endpoint = endpoint.and_then(|endpoint| self.parsed(endpoint, collector));
        let ca = self.optional_path(&raw.ca);
        let sample = match &raw.sample {
            Field::Absent => Some(ALL_REQUESTS / 100),
            Field::Faulty => None,
            Field::Given(share) => self.parsed(share, share_of_requests),
        };
        let sampled_by = self.address_ranges(&raw.sampled_by);
        let service = match &raw.service {
            Field::Absent => Some("wicketgate".to_owned()),
            Field::Faulty => None,
            Field::Given(service) => self.text(service),
        };
        let account = match &raw.account {
            Field::Faulty => None,
            account => Some(account.value().copied().unwrap_or(false)),
        };
        let headers = self.collector_headers(raw);
        let ((server, tls), ca) = (endpoint?, ca?);
        match (tls, &raw.ca) {
            (true, Field::Absent) => {
                let why = ": it names the authorities that the certificate of an `https://` collector may come from";
                return self.missing(*place, "ca", why);
            }
            (false, Field::Given(ca)) => {
                let help = "write `https://` before the endpoint, or remove it".to_owned();
                return self.error(ca.place, "the collector is not spoken to over TLS", help);
            }
            _ => {}
        }
        if let (false, Some(headers), Some(At { place, .. })) = (tls, &headers, raw.headers.given())
            && !headers.is_empty()
            && !is_this_machine(&server)
        {
            let help = "speak to it over `https://`, or to a collector on this machine".to_owned();
            self.warn(*place, "whoever listens on the way to the collector can read these", help);
        }
        Some(Some(Tracing {
            server,
            ca,
            sample: sample?,
            sampled_by: sampled_by?,
            service: service?,
            account: account?,
            headers: headers?,
        }))
    }

    fn collector_headers(&mut self, raw: &raw::Tracing) -> Option<Vec<(String, SecretSource)>> {
        if matches!(raw.headers, Field::Faulty) {
            return None;
        }
        let mut headers = Vec::new();
        let mut sound = true;
        for (name, value) in raw.headers.value().into_iter().flatten() {
            let place = value.given().map(|value| value.place);
            let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
            if let Some(place) = place.filter(|_| !token || ours) {
                let why = if ours { "the gate says this itself" } else { "this is not the name of a header field" };
                let _: Option<()> = self.error(place, format!("`{}`: {why}", short(name)), None);
                sound = false;
                continue;
            }
            match self.secret(value) {
                Some(Some(value)) => headers.push((name.to_ascii_lowercase(), value)),
                _ => sound = false,
            }
        }
        sound.then_some(headers)
    }
}

/// Whether nothing that is sent there leaves this machine.
fn is_this_machine(server: &ServerName) -> bool {
    server.host == "localhost" || server.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `http://127.0.0.1:4318`, or over TLS.
fn collector(text: &str) -> Result<(ServerName, bool), String> {
    let server = parse_server_url(text)?;
    if server.name.socket().is_some() {
        return Err(format!("`{}` is a socket: write `http://127.0.0.1:4318`", short(text)));
    }
    Ok((server.name, server.tls))
}

/// `1%`, `0.01%`: of a million requests.
fn share_of_requests(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{}` is not a share from 0% to 100%: write `1%` or `0.05%`", short(text));
    let (whole, parts) = {
        let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
        number.split_once('.').unwrap_or((number, ""))
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || parts.len() > 4 || !digits(whole) || !digits(parts) {
        return Err(wrong());
    }
    // Four digits after the point are millionths of all requests.
    let millionths = format!("{whole}{parts:0<4}").parse::<u32>().map_err(|_| wrong())?;
    if millionths > ALL_REQUESTS { Err(wrong()) } else { Ok(millionths) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_to_the_millionth() {
        for (text, expected) in [
            ("1%", Some(10_000)),
            ("0.05%", Some(500)),
            ("100%", Some(1_000_000)),
            ("0%", Some(0)),
            ("0.0001 %", Some(1)),
            ("12.5%", Some(125_000)),
            ("100.1%", None),
            ("0.00001%", None),
            ("0.5", None),
            (".5%", None),
            ("-1%", None),
            ("1e1%", None),
            ("%", None),
        ] {
            assert_eq!(share_of_requests(text).ok(), expected, "{text}");
        }
    }
}
