use super::read::{Line, ReadError, Reader};
use super::*;
use crate::account::{Account, Ha1};
use crate::base::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const FORMATS: [Format; 2] = [Format::Csv, Format::JsonLines];

fn lines(format: Format, text: &[u8]) -> Result<Vec<Line>, ReadError> {
    let mut reader = Reader::new(text, format)?;
    let mut lines = Vec::new();
    while let Some(line) = reader.next()? {
        lines.push(line);
    }
    Ok(lines)
}

/// The records of a text that is good as a whole.
fn records(format: Format, text: &str) -> Vec<Record> {
    lines(format, text.as_bytes()).unwrap().into_iter().map(|line| line.said.unwrap().0).collect()
}

/// The number and the refusal of each line that is not taken.
fn refusals(format: Format, text: &[u8]) -> Vec<(u64, String)> {
    let refused = lines(format, text).unwrap().into_iter();
    refused.filter_map(|line| Some((line.number, line.said.err()?.to_string()))).collect()
}

fn credential(realm: &str, algorithm: DigestAlgorithm, digit: &str) -> Credential {
    let length = if algorithm == DigestAlgorithm::Md5 { 32 } else { 64 };
    Credential { realm: realm.to_owned(), algorithm, ha1: Ha1(Secret::from(digit.repeat(length).as_str())) }
}

#[test]
fn a_line_of_either_format_says_the_same() {
    let csv = "username,email,name,status,home,aliases,groups,digest,password_hash\r\n\
        ann,ann@example.org,\"Lee, \"\"Ann\"\"\",locked,mail1,a1;ann@example.com,staff,\
        SHA-256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:example.org;\
        MD5:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:a:b\\;c,\"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA\"\r\n";
    let json = r#"{"username":"ann","email":"ann@example.org","name":"Lee, \"Ann\"","status":"locked","home":"mail1",
        "aliases":["a1","ann@example.com"],"groups":["staff"],"digest":[{"realm":"example.org","algorithm":"SHA-256",
        "ha1":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"realm":"a:b;c","algorithm":"MD5","ha1":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}],
        "password_hash":"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"}"#;
    let expected = Record {
        username: "ann".to_owned(),
        email: Some(Some("ann@example.org".to_owned())),
        display_name: Some(Some("Lee, \"Ann\"".to_owned())),
        status: Some(Status::Locked),
        home: Some(Some("mail1".to_owned())),
        aliases: Some(vec!["a1".to_owned(), "ann@example.com".to_owned()]),
        groups: Some(vec!["staff".to_owned()]),
        digest: Some(vec![
            credential("example.org", DigestAlgorithm::Sha256, "a"),
            credential("a:b;c", DigestAlgorithm::Md5, "b"),
        ]),
        password_hash: Some(Some(Secret::from("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"))),
    };
    for (format, text) in [(Format::Csv, csv), (Format::JsonLines, json.replace('\n', "").as_str())] {
        assert_eq!(records(format, text), std::slice::from_ref(&expected));
    }
}

#[test]
fn what_a_line_is_silent_about_stays_as_it_is() {
    let before = Person {
        account: Account {
            username: "ann".to_owned(),
            email: Some("ann@example.org".to_owned()),
            display_name: Some("Ann".to_owned()),
            status: Status::Locked,
            home: Some("mail1".to_owned()),
            aliases: vec!["a1".to_owned()],
            groups: vec!["staff".to_owned()],
        },
        credentials: vec![credential("example.org", DigestAlgorithm::Md5, "c")],
        // Nobody gets in by it, and a line that says nothing of it is no place to complain.
        password_hash: Some(Secret::from("!locked")),
    };
    let after = |format, text: &str| records(format, text)[0].applied_to(before.clone()).checked().unwrap();
    for (format, text) in [(Format::Csv, "username\nann\n"), (Format::JsonLines, r#"{"username":"ann"}"#)] {
        assert_eq!(after(format, text), before);
    }
    let emptied = [
        (Format::Csv, "username,email,name,home,aliases,groups,digest,status,password_hash\nann,,,,,,,,\n"),
        (
            Format::JsonLines,
            r#"{"username":"ann","email":null,"name":null,"home":null,"aliases":[],"groups":[],"digest":[],
            "password_hash":null}"#,
        ),
    ];
    for (format, text) in emptied {
        let text = text.replace("\n            ", "");
        let text = text.as_str();
        let account = after(format, text).account;
        assert_eq!((account.email, account.display_name, account.home), (None, None, None));
        assert_eq!((account.aliases, account.groups), (Vec::<String>::new(), Vec::<String>::new()));
        assert_eq!(account.status, Status::Locked, "a status cannot be nothing");
        assert!(after(format, text).credentials.is_empty());
        assert_eq!(after(format, text).password_hash, None);
    }
}

#[test]
fn a_bad_line_is_named_with_its_field_and_the_next_one_is_read() {
    let csv = b"username,email,status,aliases,digest\r\n\
        good1,,,,\r\n\
        few,\r\n\
        b\"ad,,,,\r\n\
        \"quote\" behind,,,,\r\n\
        ,,,,\r\n\
        co:lon,,,,\r\n\
        ann,ann,,,\r\n\
        ann,,gone,,\r\n\
        ann,,,a\\b,\r\n\
        ann,,,a;;b,\r\n\
        ann,,,,MD5:short:realm\r\n\
        ann,,,,MD4:aa:realm\r\n\
        ann,,,,secretsecret\r\n\
        \xff,,,,\r\n\
        \"two\nlines\",,,,\r\n\
        \r\n\
        good2,,,,";
    let expected = [
        (3, "the line: it has 2 fields where the first line names 5"),
        (4, "the line: a quote stands in a field that does not begin with one"),
        (5, "the line: something stands between the quote that ends a field and the comma"),
        (6, "username: the user name \"\" is not acceptable: it is empty"),
        (
            7,
            "username: the user name \"co:lon\" is not acceptable: it holds a colon, which HTTP Digest cannot transport",
        ),
        (8, "email: the e-mail address \"ann\" is not acceptable: it is not LOCAL@DOMAIN with a valid domain"),
        (9, "status: it is none of active, locked and closed"),
        (10, "aliases: a backslash stands before something other than a semicolon or a backslash"),
        (11, "aliases: the alias \"\" is not acceptable: it is empty"),
        (12, "digest: the HA1 \"[secret]\" is not acceptable: it is not 32 lower-case hexadecimal digits"),
        (13, "digest: an algorithm is none of SHA-512-256, SHA-256, MD5"),
        (14, "digest: a value is not ALGORITHM:HA1:REALM"),
        (15, "the line: it is not UTF-8"),
        (16, "username: the user name \"two\\nlines\" is not acceptable: it holds a control character"),
    ];
    let found = refusals(Format::Csv, csv);
    assert_eq!(found, expected.map(|(line, why)| (line, why.to_owned())));
    let good: Vec<u64> =
        lines(Format::Csv, csv).unwrap().iter().filter(|line| line.said.is_ok()).map(|line| line.number).collect();
    assert_eq!(good, [2, 19], "the record of line 16 goes over two lines");

    let json = br#"{"username":"good1"}
{"username":"ann"
[]
{"email":null}
{"username":1}
{"username":"ann","password":"secretsecret"}
{"username":"ann","username":"ben"}
{"username":"ann","email":"secretsecret","email":null}
{"username":"ann","aliases":"secretsecret"}
{"username":"ann","groups":[1]}
{"username":"ann","digest":["secretsecret"]}
{"username":"ann","digest":[{"realm":"r","algorithm":"MD5","ha1":"secretsecret"}]}
{"username":"ann","digest":[{"realm":"r","algorithm":"MD5","ha1":"a","password":"secretsecret"}]}

{"username":"good2"}"#;
    let expected = [
        (2, "the line: it is not JSON: the fault is at character 17"),
        (3, "the line: it is no JSON object with the fields of an account"),
        (4, "username: it is missing"),
        (5, "username: it is not a string"),
        (6, "the line: \"password\" is no field of an account"),
        (7, "username: it is there twice"),
        (8, "email: it is there twice"),
        (9, "aliases: it is not an array"),
        (10, "groups: it is not a string"),
        (11, "digest: a value is not an object of realm, algorithm and ha1"),
        (12, "digest: the HA1 \"[secret]\" is not acceptable: it is not 32 lower-case hexadecimal digits"),
        (13, "digest: a value is not an object of realm, algorithm and ha1"),
    ];
    let found = refusals(Format::JsonLines, json);
    assert_eq!(found, expected.map(|(line, why)| (line, why.to_owned())));
    assert_eq!(lines(Format::JsonLines, json).unwrap().len(), expected.len() + 2);
}

#[test]
fn a_password_hash_is_one_that_can_be_used_and_is_never_shown() {
    let salted = |octets: &[u8]| format!("{{SSHA256}}{}", STANDARD.encode(octets));
    let cases = [
        ("secretsecret".to_owned(), "its layout is not known here"),
        ("{CLEARTEXT}secretsecret".to_owned(), "its layout in clear text is none that a password can be trusted to"),
        ("secretsecret".repeat(100), "it is longer than 1024 octets"),
        ("!secretsecret".to_owned(), "there is no password: none was set, or it is locked"),
        (salted(&[7; 32]), "it is no hash of salted SHA: it has no salt"),
        (
            "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA".to_owned(),
            "it would cost too much: the memory in KiB of argon2 is 99999999, and 131072 is the most",
        ),
        (salted(&[7; 36]), ""),
    ];
    for (hash, why) in cases {
        let csv = format!("username,password_hash\nann,\"{hash}\"\nben,\n");
        let json = format!("{{\"username\":\"ann\"}}\n{{\"username\":\"ann\",\"password_hash\":\"{hash}\"}}\n");
        for (format, text) in [(Format::Csv, &csv), (Format::JsonLines, &json)] {
            let refused = (!why.is_empty()).then(|| (2, format!("password_hash: {why}")));
            assert_eq!(refusals(format, text.as_bytes()), Vec::from_iter(refused), "{format:?}: {hash}");
            let shown = format!("{:?}", lines(format, text.as_bytes()).unwrap());
            assert!(!shown.contains(&hash) && !shown.contains("secretsecret"), "{shown}");
        }
    }
    let not_a_string = br#"{"username":"ann","password_hash":["secretsecret"]}"#;
    let why = "password_hash: it is neither a string nor null".to_owned();
    assert_eq!(refusals(Format::JsonLines, not_a_string), [(1, why)]);
}

#[test]
fn a_realm_has_one_value_for_each_algorithm() {
    let twice = |one: &str, other: &str| {
        let ha1 = "a".repeat(32);
        let text = format!(
            r#"{{"username":"ann","digest":[{{"realm":"{one}","algorithm":"MD5","ha1":"{ha1}"}},{{"realm":"{other}","algorithm":"MD5","ha1":"{ha1}"}}]}}"#
        );
        refusals(Format::JsonLines, text.as_bytes())
    };
    assert_eq!(twice("r", "r"), [(1, "digest: a realm has two values for one algorithm".to_owned())]);
    assert_eq!(twice("r", "s"), []);
}

#[test]
fn the_first_line_names_the_columns_or_nothing_is_read() {
    let cases = [
        ("", "the file is empty"),
        ("ann,ann@example.org\n", "\"ann\" is no column"),
        ("username,mail\n", "\"mail\" is no column of accounts; there are username, email, name, status"),
        ("username,email,username\n", "twice"),
        ("email\n", "there is no column \"username\""),
    ];
    for (text, expected) in cases {
        let error = lines(Format::Csv, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let with_mark = "\u{feff}email,username\nann@example.org,ann\n";
    assert_eq!(records(Format::Csv, with_mark)[0].username, "ann", "as spreadsheets write it");
}

#[test]
fn what_is_too_long_is_not_kept() {
    let long = "x".repeat(3 << 20);
    let text = format!("{{\"username\":\"{long}\"}}\n{{\"username\":\"ann\"}}\n");
    assert_eq!(refusals(Format::JsonLines, text.as_bytes()), [(1, "the line: it is longer than 1 MiB".to_owned())]);
    assert_eq!(lines(Format::JsonLines, text.as_bytes()).unwrap().len(), 2);
    let open_ended = format!("username,name\nann,\"Ann\nben,{}\n", "y\n".repeat(1 << 20));
    for text in [open_ended.as_str(), "username\n\"ann", "username,name\nann,\"Ann\nben,Ben\n"] {
        match lines(Format::Csv, text.as_bytes()) {
            Err(ReadError::Unclosed { line: 2 }) => {}
            other => panic!("{:?}", other.map(|lines| lines.len())),
        }
    }
}

/// Texts that are awkward in one of the formats, and yet names.
fn text() -> impl Strategy<Value = String> {
    "[a-zé;,\"\\\\'{}|~安-]([a-zé ;,\"\\\\'{}|~安-]{0,6}[a-zé;,\"\\\\'{}|~安-])?"
}

fn credentials() -> impl Strategy<Value = Vec<Credential>> {
    let one = (text(), prop::sample::select(&DigestAlgorithm::ALL[..]), "[0-9a-f]")
        .prop_map(|(realm, algorithm, digit)| credential(&format!("{realm}:{realm}"), algorithm, &digit));
    prop::collection::vec(one, 0..4).prop_map(|mut all| {
        all.sort_by(|one, other| (&one.realm, one.algorithm.as_str()).cmp(&(&other.realm, other.algorithm.as_str())));
        all.dedup_by(|one, other| (&one.realm, one.algorithm) == (&other.realm, other.algorithm));
        all
    })
}

/// As Django writes it, whose salt may be any text; or one of a layout with commas.
fn password_hash() -> impl Strategy<Value = Option<Secret>> {
    let octets = || prop::collection::vec(any::<u8>(), 32);
    let django =
        (text(), octets()).prop_map(|(salt, digest)| format!("pbkdf2_sha256$1000${salt}${}", STANDARD.encode(digest)));
    let argon2 = octets().prop_map(|digest| {
        let digest = STANDARD.encode(digest);
        format!("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ${}", digest.trim_end_matches('='))
    });
    prop::option::of(prop_oneof![django, argon2].prop_map(|text| Secret::from(text.as_str())))
}

fn person() -> impl Strategy<Value = Person> {
    let names = || prop::collection::btree_set(text(), 0..4);
    let status = prop::sample::select(vec![Status::Active, Status::Locked, Status::Closed]);
    let optional = || prop::option::of(text());
    (text(), any::<bool>(), optional(), status, optional(), names(), names(), credentials(), password_hash()).prop_map(
        |(username, email, display_name, status, home, aliases, groups, credentials, password_hash)| Person {
            account: Account {
                email: email.then(|| "ann@example.org".to_owned()),
                username,
                display_name,
                status,
                home,
                aliases: aliases.into_iter().collect(),
                groups: groups.into_iter().collect(),
            },
            credentials,
            password_hash,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(people in prop::collection::vec(person(), 1..4)) {
        for format in FORMATS {
            let mut text = header(format, true);
            people.iter().for_each(|person| write_line(format, person.clone(), true, &mut text));
            let read: Vec<Person> =
                lines(format, text.as_bytes()).unwrap().into_iter().map(|line| line.said.unwrap().1).collect();
            prop_assert_eq!(&read, &people, "{}", text);
        }
    }

    #[test]
    fn without_credentials_none_is_written(person in person()) {
        for format in FORMATS {
            let mut text = header(format, false);
            write_line(format, person.clone(), false, &mut text);
            let read = records(format, &text).remove(0);
            prop_assert_eq!((&read.digest, &read.password_hash), (&None, &None));
            prop_assert_eq!(read.applied_to(person.clone()), person.clone());
        }
    }

    #[test]
    fn a_file_reads_the_same_however_it_comes_in(
        octets in "[\"\\\\,;\n\r a-cä:{}\\[\\]\u{feff}]{0,80}", people in prop::collection::vec(person(), 0..3), size in 1_usize..9,
    ) {
        for format in FORMATS {
            let mut text = header(format, true);
            people.iter().for_each(|person| write_line(format, person.clone(), true, &mut text));
            text.push_str(&octets);
            let whole = lines(format, text.as_bytes());
            let in_pieces = std::io::BufReader::with_capacity(size, text.as_bytes());
            let pieces: Result<Vec<_>, _> = super::records(in_pieces, format).unwrap().collect();
            match (whole, pieces) {
                (Ok(whole), Ok(pieces)) => {
                    let made = |line: Line| (line.number, line.said.map(|(_, made)| made));
                    let whole: Vec<_> = whole.into_iter().map(made).collect();
                    prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
                    prop_assert!(pieces.windows(2).all(|two| two[0].0 < two[1].0));
                    prop_assert!(pieces.len() >= people.len());
                    for ((_, read), person) in pieces.iter().zip(&people) {
                        prop_assert_eq!(read.as_ref().ok(), Some(person));
                    }
                }
                (Err(one), Err(other)) => prop_assert_eq!(one.to_string(), other.to_string()),
                (one, other) => prop_assert!(false, "{:?} {:?}", one, other),
            }
        }
    }

    #[test]
    fn no_octets_end_the_process(octets in prop::collection::vec(any::<u8>(), 0..200), text in "[\"\\\\,;\na-c:{}\\[\\]]{0,60}") {
        for format in FORMATS {
            let _ = lines(format, &octets);
            let _ = lines(format, text.as_bytes());
            let _ = lines(format, &[b"username,aliases,password_hash\n", octets.as_slice()].concat());
            let _ = lines(format, format!("username,aliases,digest\n{text}").as_bytes());
            let _ = lines(format, format!("username,password_hash\nann,{text}").as_bytes());
        }
    }
}
