//! What an upstream is told of the connection: `Forwarded` (RFC 7239) and the older `X-Forwarded-For`,
//! `-Host`, `-Port` and `-Proto`, set anew because the gate is where the outer network ends.

use super::Prepared;
use http::header::{FORWARDED, HeaderName, HeaderValue};
use std::net::IpAddr;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The fields for a client's address, the port it came in by, and the host and port that it asked for as it
/// wrote them. They are the same for all requests of a connection that ask for the same host, and worth
/// keeping for as long. The protocol is always https, for the gate listens to nothing else.
#[must_use]
pub fn prepare(client: IpAddr, port: u16, authority: Option<&HeaderValue>) -> Prepared {
    let client = client.to_canonical();
    let mut forwarded = match client {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    let mut fields = Prepared::default();
    fields.push(&FOR, client.to_string());
    if let Some(authority) = authority {
        if let Ok(text) = authority.to_str() {
            forwarded.push_str(";host=");
            push_token_or_quoted(text, &mut forwarded);
        }
        fields.0.push((HOST, authority.clone()));
    }
    forwarded.push_str(";proto=https");
    fields.push(&PORT, port.to_string());
    fields.0.push((PROTO, HeaderValue::from_static("https")));
    fields.push(&FORWARDED, forwarded);
    fields
}

/// A value as RFC 7239, section 4 has it: bare if it is a token, else a quoted string.
fn push_token_or_quoted(text: &str, field: &mut String) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        field.push_str(text);
        return;
    }
    field.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            field.push('\\');
        }
        field.push(character);
    }
    field.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_learns_who_asked_for_what() {
        let cases = [
            ("192.0.2.7", Some("example.org"), "192.0.2.7", "for=192.0.2.7;host=example.org;proto=https"),
            ("::ffff:192.0.2.7", Some("h:8443"), "192.0.2.7", "for=192.0.2.7;host=\"h:8443\";proto=https"),
            ("2001:db8::1", Some("[::1]:1"), "2001:db8::1", "for=\"[2001:db8::1]\";host=\"[::1]:1\";proto=https"),
            ("192.0.2.7", Some("a\"b\\c"), "192.0.2.7", "for=192.0.2.7;host=\"a\\\"b\\\\c\";proto=https"),
            ("192.0.2.7", None, "192.0.2.7", "for=192.0.2.7;proto=https"),
        ];
        for (client, authority, address, forwarded) in cases {
            let authority = authority.map(HeaderValue::from_static);
            let mut headers = http::HeaderMap::new();
            headers.insert(FOR, HeaderValue::from_static("10.0.0.1"));
            prepare(client.parse().unwrap(), 8443, authority.as_ref()).apply(&mut headers);
            let expected = [
                (FOR, Some(address)),
                (PORT, Some("8443")),
                (PROTO, Some("https")),
                (FORWARDED, Some(forwarded)),
                (HOST, authority.as_ref().map(|value| value.to_str().unwrap())),
            ];
            for (name, value) in expected {
                let values: Vec<_> = headers.get_all(&name).iter().map(|value| value.to_str().unwrap()).collect();
                assert_eq!(values, value.into_iter().collect::<Vec<_>>(), "{client} {name}");
            }
        }
    }
}
