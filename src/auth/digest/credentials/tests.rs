use super::super::MAX_PARAMETERS;
use super::*;
use proptest::prelude::*;

const RESPONSE: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

/// A header that is right, with some parameters replaced, added, or with an empty value left out.
fn header(changes: &[(&str, &str)]) -> String {
    let mut parameters = vec![
        ("username", r#""Mufasa""#.to_owned()),
        ("realm", r#""http-auth@example.org""#.to_owned()),
        ("nonce", r#""7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v""#.to_owned()),
        ("uri", r#""/dir/index.html?a=b,c""#.to_owned()),
        ("algorithm", "SHA-256".to_owned()),
        ("response", format!("\"{RESPONSE}\"")),
        ("cnonce", r#""f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ""#.to_owned()),
        ("nc", "0000000a".to_owned()),
        ("qop", "auth".to_owned()),
    ];
    for (name, value) in changes {
        match parameters.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = (*value).to_owned(),
            None => parameters.push((name, (*value).to_owned())),
        }
    }
    let written = parameters.iter().filter(|(_, value)| !value.is_empty());
    format!("Digest {}", written.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "))
}

fn parse(header: &str) -> Result<Option<Credentials>, Malformed> {
    Credentials::parse(header.as_bytes())
}

fn syntax(why: &'static str) -> Malformed {
    ParametersError::Syntax(why).into()
}

fn duplicate(name: &str) -> Malformed {
    ParametersError::Duplicate(name.to_owned()).into()
}

fn right(header: &str) -> Credentials {
    parse(header).expect(header).expect(header)
}

#[test]
fn a_header_is_read_whole() {
    let credentials = right(&header(&[("opaque", r#""x""#), ("auth-param-to-come", r#""y""#)]));
    assert_eq!(credentials.username(), "Mufasa");
    assert_eq!(credentials.realm(), "http-auth@example.org");
    assert_eq!(credentials.nonce, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
    assert_eq!(credentials.uri, "/dir/index.html?a=b,c");
    assert_eq!(credentials.algorithm(), ChallengeAlgorithm::Sha256);
    assert_eq!(credentials.response, Secret::new(hex::decode(RESPONSE).unwrap()));
    assert_eq!(credentials.cnonce, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
    assert_eq!((credentials.count_digits.as_str(), credentials.count), ("0000000a", 10));
}

#[test]
fn another_scheme_is_left_to_others() {
    let others: [&[u8]; 8] = [
        b"",
        b"  ",
        b"Basic dTpw",
        b"Bearer \xff\xfe",
        b"Digestive realm=\"x\"",
        b"Digest-x y",
        b"=Digest",
        &[b'b'; 100_000],
    ];
    for header in others {
        assert_eq!(Credentials::parse(header), Ok(None), "{:?}", String::from_utf8_lossy(header));
    }
}

#[test]
fn what_clients_write_differently_means_the_same() {
    let plain = right(&header(&[]));
    let same = [
        header(&[]).replace("Digest ", "dIGEST   "),
        header(&[]).replace("Digest ", " Digest "),
        header(&[]).replace("username=", "USERNAME="),
        header(&[]).replace(", ", ","),
        header(&[]).replace(", ", " ,, \t, ") + " , ",
        header(&[]).replace('=', " = ").replace("a = b", "a=b"),
        // python-requests quotes these two.
        header(&[("qop", r#""auth""#), ("algorithm", r#""SHA-256""#)]),
        header(&[("nc", r#""0000000a""#)]),
        header(&[("algorithm", "sha-256")]),
        header(&[("userhash", "false")]),
        header(&[("response", &format!("\"{}\"", RESPONSE.to_uppercase()))]),
        header(&[("username", r#""Mu\f\asa""#)]),
    ];
    for header in same {
        assert_eq!(right(&header), plain, "{header}");
    }
}

#[test]
fn escapes_in_quotes_are_undone() {
    let cases = [
        (r#""a\"b""#, "a\"b"),
        (r#""\\""#, "\\"),
        (r#""\a\,\=""#, "a,="),
        (r#""a, realm=\"x\"""#, "a, realm=\"x\""),
        ("\"J\u{e4}s\u{f8}n \u{65e5}\u{672c}\"", "J\u{e4}s\u{f8}n \u{65e5}\u{672c}"),
        ("\"\\\u{65e5}x\"", "\u{65e5}x"),
    ];
    for (written, expected) in cases {
        assert_eq!(right(&header(&[("username", written)])).username(), expected, "{written}");
    }
}

#[test]
fn a_header_without_an_algorithm_is_md5() {
    let md5 = r#""8ca523f5e9506fed4657c9700eebdbec""#;
    assert_eq!(right(&header(&[("algorithm", ""), ("response", md5)])).algorithm(), ChallengeAlgorithm::Md5);
}

#[test]
fn what_cannot_be_used_says_what_is_wrong() {
    let long = format!("\"{}\"", "x".repeat(MAX_USERNAME + 1));
    let cases: Vec<(String, Malformed)> = vec![
        ("Digest".into(), Malformed::Missing("qop")),
        ("Digest ,".into(), Malformed::Missing("qop")),
        ("Digest\tqop=auth".into(), syntax("no space follows the scheme")),
        ("Digest,qop=auth".into(), syntax("no space follows the scheme")),
        ("Digest dTpw".into(), syntax("no = follows a name")),
        ("Digest \"a\"=b".into(), syntax("a name is expected")),
        ("Digest a=".into(), syntax("a value is expected")),
        ("Digest a=,b=c".into(), syntax("a value is expected")),
        ("Digest a=b c=d".into(), syntax("no comma follows a value")),
        ("Digest a=\"b\"c".into(), syntax("no comma follows a value")),
        ("Digest a=\"b".into(), syntax("a quoted value has no end")),
        ("Digest a=\"b\\".into(), syntax("a quoted value has no end")),
        ("Digest a=\"b\\\"".into(), syntax("a quoted value has no end")),
        (header(&[("REALM", r#""other""#)]), duplicate("REALM")),
        (header(&[("x", "1"), ("X", "1")]), duplicate("X")),
        (header(&[("username", "\"a\tb\"")]), Malformed::Parameters(ParametersError::ControlCharacter)),
        (header(&[("username", "\"a\\\nb\"")]), Malformed::Parameters(ParametersError::ControlCharacter)),
        (header(&[("username", "\"a\0b\"")]), Malformed::Parameters(ParametersError::ControlCharacter)),
        (header(&[("username", "\"a\u{85}b\"")]), Malformed::Parameters(ParametersError::ControlCharacter)),
        (header(&[("username", "\"\"")]), Malformed::NoUsername),
        (header(&[("username", &long)]), Malformed::UsernameTooLong),
        (header(&[("userhash", "true")]), Malformed::HashedUsername(ChallengeAlgorithm::Sha256)),
        (header(&[("userhash", "maybe")]), Malformed::Userhash),
        (header(&[("qop", "AUTH")]), Malformed::Qop("AUTH".into())),
        (header(&[("algorithm", "SHA-512")]), Malformed::Algorithm("SHA-512".into())),
        (header(&[("algorithm", "SHA-256-Session")]), Malformed::Algorithm("SHA-256-Session".into())),
        (header(&[("algorithm", &"x".repeat(99))]), Malformed::Algorithm("x".repeat(32))),
        (header(&[("algorithm", "MD5")]), Malformed::Response(ChallengeAlgorithm::Md5)),
        (header(&[("response", "\"\"")]), Malformed::Response(ChallengeAlgorithm::Sha256)),
        (header(&[("response", &format!("\"{RESPONSE}:\""))]), Malformed::Response(ChallengeAlgorithm::Sha256)),
        (header(&[("response", &format!("\"{}x\"", &RESPONSE[1..]))]), Malformed::Response(ChallengeAlgorithm::Sha256)),
    ];
    for (header, expected) in cases {
        assert_eq!(parse(&header), Err(expected), "{header}");
    }
    for count in ["0000000", "000000001", "00000000", "+0000001", "0000000g", "0x000001", "\" 0000001\""] {
        assert_eq!(parse(&header(&[("nc", count)])), Err(Malformed::Count), "{count}");
    }
    assert_eq!(Credentials::parse(b"Digest username=\"\xff\""), Err(Malformed::NotUtf8));
}

#[test]
fn all_that_rfc_7616_has_is_read() {
    for algorithm in ChallengeAlgorithm::ALL {
        let digits = "0F".repeat(algorithm.hash().length());
        let quoted = format!("\"{digits}\"");
        let changes = [("algorithm", algorithm.as_str()), ("response", &quoted), ("qop", "auth-int")];
        let credentials = right(&header(&changes));
        assert_eq!((credentials.algorithm(), credentials.quality()), (algorithm, Quality::AuthInt));
        assert!(!credentials.is_hashed());
        let hashed = right(&header(&[&changes[..], &[("username", &*quoted), ("userhash", "true")]].concat()));
        assert!(hashed.is_hashed());
        assert_eq!(hashed.username(), digits.to_lowercase());
    }
}

#[test]
fn a_name_may_come_encoded() {
    let name = |value: &str| parse(&header(&[("username", ""), ("username*", value)]));
    let cases = [
        // The example of RFC 7616, section 3.9.2.
        ("UTF-8''J%C3%A4s%C3%B8n%20Doe", "Jäsøn Doe"),
        ("utf-8'en'a%c3%a4", "aä"),
        ("UTF-8''a%27b%2A", "a'b*"),
        ("UTF-8''!#$&+-.^_`|~", "!#$&+-.^_`|~"),
    ];
    for (value, expected) in cases {
        assert_eq!(name(value).unwrap().unwrap().username(), expected, "{value}");
    }
    let extended = |why| Err(Malformed::ExtendedUsername(why));
    let long = format!("UTF-8''{}", "%41".repeat(MAX_USERNAME + 1));
    let cases = [
        ("\"UTF-8''a\"", extended("it is quoted")),
        ("a", extended("it is not charset'language'value")),
        ("UTF-8'a", extended("it is not charset'language'value")),
        ("ISO-8859-1''%E4", extended("it is not in UTF-8")),
        ("UTF-8''%E4", extended("it is not in UTF-8")),
        ("UTF-8''%C3", extended("it is not in UTF-8")),
        ("UTF-8''a%4", extended("a % is not followed by two hexadecimal digits")),
        ("UTF-8''a%+4", extended("a % is not followed by two hexadecimal digits")),
        ("UTF-8''a*", extended("it holds what must be encoded")),
        ("UTF-8''a'b", extended("it holds what must be encoded")),
        ("UTF-8''a%00", extended("it holds a control character")),
        ("UTF-8''a%0D%0A", extended("it holds a control character")),
        ("UTF-8''a%C2%85", extended("it holds a control character")),
        ("UTF-8''", Err(Malformed::NoUsername)),
        (&long, Err(Malformed::UsernameTooLong)),
    ];
    for (value, expected) in cases {
        assert_eq!(name(value), expected, "{value}");
    }
    let beside = parse(&header(&[("username*", "UTF-8''a")]));
    assert_eq!(beside, extended("it stands beside username"));
    let hashed = parse(&header(&[("username", ""), ("username*", "UTF-8''a"), ("userhash", "true")]));
    assert_eq!(hashed, extended("a hash needs no other alphabet"));
}

#[test]
fn each_parameter_is_missed_by_its_name() {
    for name in ["username", "realm", "nonce", "uri", "response", "cnonce", "nc", "qop"] {
        assert_eq!(parse(&header(&[(name, "")])), Err(Malformed::Missing(name)));
    }
}

#[test]
fn what_must_be_quoted_is_refused_without_quotes() {
    for name in ["username", "realm", "nonce", "uri", "response", "cnonce"] {
        assert_eq!(parse(&header(&[(name, "token")])), Err(Malformed::NotQuoted(name)));
    }
}

#[test]
fn a_header_is_bounded_in_length_and_in_parameters() {
    let base = header(&[]);
    let filled = |length: usize| format!("{base}, x=\"{}\"", "y".repeat(length - base.len() - 6));
    assert!(parse(&filled(MAX_HEADER)).is_ok_and(|credentials| credentials.is_some()));
    assert_eq!(parse(&filled(MAX_HEADER + 1)), Err(Malformed::TooLong));
    let with = |more: usize| (0..more).fold(base.clone(), |header, number| format!("{header}, x{number}=y"));
    assert!(parse(&with(MAX_PARAMETERS - 9)).is_ok_and(|credentials| credentials.is_some()));
    assert_eq!(parse(&with(MAX_PARAMETERS - 8)), Err(ParametersError::TooMany.into()));
}

#[test]
fn of_several_headers_none_is_chosen() {
    let digest = header(&[]);
    let [digest, basic, broken]: [&[u8]; 3] = [digest.as_bytes(), b"Basic dTpw", b"Digest x"];
    assert_eq!(Credentials::parse_all([]), Ok(None));
    assert_eq!(Credentials::parse_all([basic]), Ok(None));
    assert_eq!(Credentials::parse_all([basic, basic]), Ok(None));
    assert!(Credentials::parse_all([digest]).is_ok_and(|credentials| credentials.is_some()));
    for several in [[digest, digest], [digest, basic], [basic, digest]] {
        assert_eq!(Credentials::parse_all(several), Err(Malformed::Repeated));
    }
    assert!(Credentials::parse_all([basic, broken]).is_err());
}

#[test]
fn the_response_is_not_shown() {
    let shown = format!("{:?}", right(&header(&[])));
    assert!(shown.contains("Mufasa") && shown.contains("[secret]") && !shown.contains("753927"), "{shown}");
}

/// A header as RFC 7616 has clients write it.
fn format(credentials: &Credentials) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#));
    header(&[
        ("username", &quote(&credentials.username)),
        ("realm", &quote(&credentials.realm)),
        ("nonce", &quote(&credentials.nonce)),
        ("uri", &quote(&credentials.uri)),
        ("algorithm", credentials.algorithm.as_str()),
        ("response", &quote(&hex::encode(credentials.response.expose()))),
        ("cnonce", &quote(&credentials.cnonce)),
        ("nc", &credentials.count_digits),
        ("qop", credentials.quality.as_str()),
        ("userhash", if credentials.hashed { "true" } else { "" }),
    ])
}

prop_compose! {
    fn credentials()(
        username in r#"\PC{1,60}"#,
        texts in prop::array::uniform4(r#"[ -~äλ日]{0,40}"#),
        algorithm in prop::sample::select(ChallengeAlgorithm::ALL.to_vec()),
        covers in any::<bool>(),
        hashed in any::<bool>(),
        octets in prop::collection::vec(any::<u8>(), 32),
        count in 1_u32..,
    ) -> Credentials {
        let quality = if covers { Quality::AuthInt } else { Quality::Auth };
        let username = if hashed { "0a".repeat(algorithm.hash().length()) } else { username };
        let [realm, nonce, uri, cnonce] = texts;
        Credentials {
            username, hashed, realm, nonce, uri, algorithm, quality, cnonce, count,
            response: Secret::new(octets[..algorithm.hash().length()].to_vec()),
            count_digits: format!("{count:08x}"),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(credentials in credentials()) {
        prop_assert_eq!(parse(&format(&credentials)), Ok(Some(credentials)));
    }

    #[test]
    fn no_octets_end_the_process(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Credentials::parse(&octets);
        let _ = Credentials::parse(&[b"Digest ".as_slice(), &octets].concat());
    }

    #[test]
    fn no_damage_to_a_right_header_is_read_with_a_control_character_or_beyond_the_bounds(
        credentials in credentials(),
        at in any::<prop::sample::Index>(),
        piece in prop::sample::select(vec!["\"", "\\", ",", "=", "\0", "\n", " ", "nc=00000001", "\u{9f}", "x"]),
    ) {
        let mut header = format(&credentials);
        let places: Vec<usize> = header.char_indices().map(|(at, _)| at).collect();
        header.insert_str(*at.get(&places), piece);
        if let Ok(Some(read)) = parse(&header) {
            for text in [&read.username, &read.realm, &read.nonce, &read.uri, &read.cnonce] {
                prop_assert!(!text.chars().any(char::is_control));
            }
            prop_assert!(!read.username.is_empty() && read.username.len() <= MAX_USERNAME);
            prop_assert!(read.count >= 1 && u32::from_str_radix(&read.count_digits, 16) == Ok(read.count));
        }
    }
}
