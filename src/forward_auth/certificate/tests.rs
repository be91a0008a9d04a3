//! What fronts write, and what only looks like it.

use super::*;
use crate::certificate::testing::Authority;
use CertificateForm::{Envoy, Haproxy, Nginx, Rfc9440, Traefik};
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

fn encoded(der: &[u8]) -> String {
    BASE64_STANDARD.encode(der)
}

/// In PEM, as OpenSSL writes it.
fn pem_of(der: &[u8]) -> String {
    let text = encoded(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}

/// Everything but letters, digits and `-._~` as `%` and two digits.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a form makes of a chain: the field, and that of the rest.
fn written(form: CertificateForm, chain: &[Certificate]) -> (String, Option<String>) {
    let (own, rest) = chain.split_first().unwrap();
    let joined = |parts: Vec<String>, between: &str| (!parts.is_empty()).then(|| parts.join(between));
    let sequence = |der: &Certificate| format!(":{}:", encoded(der));
    match form {
        Rfc9440 => (sequence(own), joined(rest.iter().map(sequence).collect(), ", ")),
        Nginx => (escaped(&pem_of(own)), None),
        Haproxy => {
            let rest: Vec<u8> = rest.iter().flat_map(|der| der.to_vec()).collect();
            (encoded(own), (!rest.is_empty()).then(|| encoded(&rest)))
        }
        Traefik => (joined(chain.iter().map(|der| encoded(der)).collect(), ",").unwrap(), None),
        Envoy => {
            let whole: String = chain.iter().map(|der| pem_of(der)).collect();
            (format!("Hash=00;Cert=\"{}\";Chain=\"{}\";URI=spiffe://a", escaped(&pem_of(own)), escaped(&whole)), None)
        }
    }
}

fn chain(length: usize) -> Vec<Certificate> {
    let root = Authority::root("Root");
    (0..length).map(|number| root.leaf(&format!("number {number}"))).collect()
}

fn read_text(form: CertificateForm, own: &str, chain: Option<&str>) -> Result<Vec<Certificate>, Unreadable> {
    read(form, Some(own.as_bytes()), chain.map(str::as_bytes))
}

#[test]
fn each_form_is_read_as_its_front_writes_it() {
    for form in [Rfc9440, Nginx, Haproxy, Traefik, Envoy] {
        for length in [1, 2, 3] {
            let chain = chain(if form == Nginx { 1 } else { length });
            let (own, rest) = written(form, &chain);
            assert_eq!(read_text(form, &own, rest.as_deref()), Ok(chain.clone()), "{form:?}");
            assert_eq!(read_text(form, &format!(" {own}\t"), rest.as_deref()), Ok(chain), "{form:?} with padding");
        }
    }
}

#[test]
fn variants_that_fronts_write_are_read_too() {
    let both = chain(2);
    let (own, other) = (encoded(&both[0]), encoded(&both[1]));
    // Older versions of Traefik percent-encode the whole value.
    assert_eq!(read_text(Traefik, &escaped(&format!("{own},{other}")), None), Ok(both.clone()));
    // Some put the client's own at the head of the chain as well.
    let whole = encoded(&[both[0].to_vec(), both[1].to_vec()].concat());
    assert_eq!(read_text(Haproxy, &own, Some(&whole)), Ok(both.clone()));
    // A byte sequence may come without padding (RFC 9651, section 4.2.7).
    let bare = format!(":{}:", own.trim_end_matches('='));
    assert_eq!(read_text(Rfc9440, &bare, None), Ok(both[..1].to_vec()));
    for end in ["\r\n", "\n"] {
        let text = escaped(&pem_of(&both[0]).replace('\n', end));
        assert_eq!(read_text(Nginx, &text, None), Ok(both[..1].to_vec()));
    }
    let cert = escaped(&pem_of(&both[0]));
    assert_eq!(read_text(Envoy, &format!("Cert={cert}"), None), Ok(both[..1].to_vec()));
    assert_eq!(read_text(Envoy, &format!("subject=\"CN=a\\\"b;c,d\";CERT=\"{cert}\""), None), Ok(both[..1].to_vec()));
}

#[test]
fn nobody_is_said_by_what_each_front_writes_for_nothing() {
    for form in [Rfc9440, Nginx, Haproxy, Traefik, Envoy] {
        for nothing in [None, Some(&b""[..]), Some(b" ")] {
            assert_eq!(read(form, nothing, None), Ok(Vec::new()), "{form:?} {nothing:?}");
        }
        let dash = read(form, Some(b"-"), None);
        assert_eq!(dash == Ok(Vec::new()), matches!(form, Nginx | Haproxy), "{form:?}: {dash:?}");
        assert_eq!(says_none(form, CADDY_HAS_NONE), form == Haproxy);
    }
    let (_, rest) = written(Rfc9440, &chain(2));
    assert_eq!(read(Rfc9440, None, rest.as_deref().map(str::as_bytes)), Err(Unreadable::ChainAlone));
    assert_eq!(read(Rfc9440, Some(b""), rest.as_deref().map(str::as_bytes)), Err(Unreadable::ChainAlone));
}

#[test]
fn nothing_is_guessed_at() {
    let both = chain(2);
    let (own, other) = (encoded(&both[0]), encoded(&both[1]));
    let cert = escaped(&pem_of(&both[0]));
    let two = format!("{cert}{}", escaped(&pem_of(&both[1])));
    let cases: &[(CertificateForm, String, Unreadable)] = &[
        (Rfc9440, own.clone(), Unreadable::ByteSequence),
        (Rfc9440, ":".to_owned(), Unreadable::ByteSequence),
        (Rfc9440, "::".to_owned(), Unreadable::Der(DerError::Truncated)),
        (Rfc9440, format!(":{own}:;a=1"), Unreadable::ByteSequence),
        (Rfc9440, format!(":{own}:, :{other}:"), Unreadable::Base64),
        (Rfc9440, format!(":{own}"), Unreadable::ByteSequence),
        (Nginx, pem_of(&both[0]).replace('\n', "\t"), Unreadable::Percent),
        (Nginx, own.clone(), Unreadable::Pem),
        (Nginx, two.clone(), Unreadable::Several),
        (Nginx, format!("{cert}x"), Unreadable::Pem),
        (Nginx, format!("x{cert}"), Unreadable::Pem),
        (Nginx, "(null)".to_owned(), Unreadable::Pem),
        (Nginx, "%".to_owned(), Unreadable::Percent),
        (Nginx, "%4".to_owned(), Unreadable::Percent),
        (Nginx, "%zz".to_owned(), Unreadable::Percent),
        (Nginx, "%ff".to_owned(), Unreadable::Pem),
        (Haproxy, format!("{own},{other}"), Unreadable::Base64),
        (Haproxy, encoded(&[both[0].to_vec(), both[1].to_vec()].concat()), Unreadable::Der(DerError::Leftover)),
        (Haproxy, "AAAA".to_owned(), Unreadable::Der(DerError::Tag { expected: der::SEQUENCE, found: 0 })),
        (Traefik, format!("{own},"), Unreadable::Der(DerError::Truncated)),
        (Traefik, format!("{own};{other}"), Unreadable::Base64),
        (Envoy, format!("By=a;Cert={cert},By=b;Cert={cert}"), Unreadable::Element),
        (Envoy, format!("Cert={cert};Cert={cert}"), Unreadable::Ambiguous),
        (Envoy, format!("Cert={};Chain={cert}", escaped(&pem_of(&both[1]))), Unreadable::Ambiguous),
        (Envoy, format!("Cert={two}"), Unreadable::Several),
        (Envoy, "Hash=00;Subject=\"CN=a\"".to_owned(), Unreadable::NotShown),
        (Envoy, format!("Cert=\"{cert}"), Unreadable::Element),
        (Envoy, format!("Cert=\"{cert}\"x"), Unreadable::Element),
        (Envoy, format!("Certificate={cert}"), Unreadable::Element),
        (Envoy, cert.clone(), Unreadable::Element),
    ];
    for (form, text, expected) in cases {
        assert_eq!(read_text(*form, text, None), Err(expected.clone()), "{form:?} {text}");
    }
}

#[test]
fn no_more_is_read_than_anybody_needs() {
    let many = chain(MAX_CHAIN + 1);
    for form in [Rfc9440, Haproxy, Traefik, Envoy] {
        let (own, rest) = written(form, &many);
        assert_eq!(read_text(form, &own, rest.as_deref()), Err(Unreadable::TooMany), "{form:?}");
        let (own, rest) = written(form, &many[1..]);
        assert_eq!(read_text(form, &own, rest.as_deref()).map(|chain| chain.len()), Ok(MAX_CHAIN), "{form:?}");
        let large = "A".repeat(MOST_OCTETS + 1);
        assert_eq!(read_text(form, &large, None), Err(Unreadable::TooLarge(MOST_OCTETS + 1)));
    }
}

fn any_form() -> impl Strategy<Value = CertificateForm> {
    prop::sample::select(vec![Rfc9440, Nginx, Haproxy, Traefik, Envoy])
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(
        form in any_form(),
        own in prop::collection::vec(any::<u8>(), 0..200),
        rest in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        if let Ok(chain) = read(form, Some(&own), rest.as_deref()) {
            prop_assert!(chain.len() <= MAX_CHAIN);
            prop_assert!(!chain.is_empty() || says_none(form, &own));
        }
    }

    #[test]
    fn a_field_that_was_changed_shows_another_certificate_or_none(
        form in any_form(),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let chain = chain(1);
        let (own, _) = written(form, &chain);
        let mut changed = own.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = octet;
        // The same certificate is read from another spelling only where both spellings mean the same octets.
        if let Ok(read) = read(form, Some(&changed), None) {
            prop_assert!(read.len() <= 1, "{}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn what_is_said_after_one_certificate_is_never_passed_over(form in any_form(), more in "[ -~]{1,40}") {
        let chain = chain(1);
        let (own, _) = written(form, &chain);
        let longer = format!("{own}{more}");
        if let Ok(read) = read(form, Some(longer.as_bytes()), None) {
            // Padding alone says nothing; of Envoy's field the keys that show no certificate say nothing either.
            prop_assert!(more.trim().is_empty() || form == Envoy, "{longer}");
            prop_assert_eq!(read, chain);
        }
    }
}
