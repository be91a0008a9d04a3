//! One name against one subtree, as a table for each kind, and what must hold of all of them.

use super::*;
use crate::certificate::testing;
use proptest::prelude::*;

/// Whether the subtree holds and touches the name; or why one of them cannot be used.
fn compare(kind: Kind, subtree: &[u8], name: &[u8]) -> Compared {
    let (subtree, name) = (Subtree::read(kind, subtree)?, Name::read(kind, name)?);
    Ok((subtree.holds(&name), subtree.touches(&name)))
}

type Compared = Result<(bool, bool), Why>;

const INSIDE: Compared = Ok((true, true));
const OUTSIDE: Compared = Ok((false, false));
/// Neither permitted by the subtree nor free of it.
const BETWEEN: Compared = Ok((false, true));

type Row<'a> = (&'a str, &'a str, Compared);

fn check(kind: Kind, rows: &[Row<'_>]) {
    for (subtree, name, expected) in rows {
        assert_eq!(compare(kind, subtree.as_bytes(), name.as_bytes()), *expected, "{subtree:?} {name:?}");
    }
}

#[test]
fn a_dns_constraint_is_for_a_host_and_all_below_it() {
    const HOST: Compared = Err("it has no well-formed host name");
    check(
        Kind::Dns,
        &[
            ("example.org", "example.org", INSIDE),
            ("example.org", "www.example.org", INSIDE),
            ("example.org", "a.b.example.org", INSIDE),
            ("Example.ORG", "WWW.example.org", INSIDE),
            ("example.org", "badexample.org", OUTSIDE),
            ("example.org", "example.org.evil.example", OUTSIDE),
            ("example.org", "org", OUTSIDE),
            ("www.example.org", "example.org", OUTSIDE),
            (".example.org", "example.org", OUTSIDE),
            (".example.org", "www.example.org", INSIDE),
            (".example.org", "badexample.org", OUTSIDE),
            ("org", "example.org", INSIDE),
            ("", "anything.example", INSIDE),
            ("", "*.anything.example", INSIDE),
            ("example.org", "_srv.example.org", INSIDE),
            ("example.org", "example.org.", HOST),
            ("example.org", "", HOST),
            ("example.org", ".example.org", HOST),
            ("example.org", "a..example.org", HOST),
            ("example.org", "exa mple.org", HOST),
            ("example.org", "evil.example\0.example.org", HOST),
            ("example.org", "bücher.example", Err("it is not in ASCII")),
            ("example.org.", "example.org", HOST),
            ("*.example.org", "www.example.org", HOST),
            ("..", "example.org", HOST),
            (".", "example.org", HOST),
        ],
    );
    let long = format!("{}.example.org", "a".repeat(64));
    check(Kind::Dns, &[("example.org", &long, HOST)]);
    let long = format!("{}example.org", "a.".repeat(122));
    check(Kind::Dns, &[("example.org", &long, HOST), ("example.org", &long[2..], INSIDE)]);
}

#[test]
fn a_wildcard_is_permitted_whole_and_excluded_in_part() {
    check(
        Kind::Dns,
        &[
            ("example.org", "*.example.org", INSIDE),
            ("example.org", "*.www.example.org", INSIDE),
            (".example.org", "*.example.org", INSIDE),
            ("www.example.org", "*.example.org", BETWEEN),
            // No name of one label more is below www.
            (".www.example.org", "*.example.org", OUTSIDE),
            ("a.www.example.org", "*.example.org", OUTSIDE),
            ("www.example.org", "*.badexample.org", OUTSIDE),
            ("example.org", "*.org", BETWEEN),
            ("org", "*.org", INSIDE),
            ("example.org", "*", Err("it has no well-formed host name")),
            ("example.org", "*.", Err("it has no well-formed host name")),
            ("example.org", "w*.example.org", Err("it has no well-formed host name")),
            ("example.org", "*.*.example.org", Err("it has no well-formed host name")),
            ("example.org", "www.*.example.org", Err("it has no well-formed host name")),
        ],
    );
}

#[test]
fn an_address_constraint_is_for_a_mailbox_a_host_or_a_domain() {
    const LOCAL: Compared = Err("its local part is empty, quoted or no plain text");
    const HOST: Compared = Err("it has no well-formed host name");
    check(
        Kind::Email,
        &[
            ("root@example.org", "root@example.org", INSIDE),
            ("root@example.org", "root@EXAMPLE.org", INSIDE),
            ("root@example.org", "Root@example.org", BETWEEN),
            ("root@example.org", "toor@example.org", OUTSIDE),
            ("root@example.org", "root@www.example.org", OUTSIDE),
            ("example.org", "ann@example.org", INSIDE),
            ("example.org", "ann@Example.Org", INSIDE),
            ("example.org", "ann@www.example.org", OUTSIDE),
            ("example.org", "ann@badexample.org", OUTSIDE),
            ("@example.org", "ann@example.org", INSIDE),
            ("@example.org", "ann@www.example.org", OUTSIDE),
            (".example.org", "ann@example.org", OUTSIDE),
            (".example.org", "ann@www.example.org", INSIDE),
            (".example.org", "ann@a.b.example.org", INSIDE),
            ("", "ann@example.org", INSIDE),
            ("example.org", "example.org", Err("it is no e-mail address")),
            ("example.org", "", Err("it is no e-mail address")),
            ("example.org", "@example.org", LOCAL),
            ("example.org", "\"ann\"@example.org", LOCAL),
            ("example.org", "\"ann@evil.example\"@example.org", LOCAL),
            ("example.org", "ann lee@example.org", LOCAL),
            ("example.org", "Ann<ann@example.org", LOCAL),
            ("example.org", "ann\0@example.org", LOCAL),
            ("example.org", "ann@evil.example@example.org", HOST),
            ("example.org", "ann@evil.example\0.example.org", HOST),
            ("example.org", "ann@example.org.", HOST),
            ("example.org", "ann@[192.0.2.1]", HOST),
            ("example.org", "ann@", HOST),
            ("example.org", "änn@example.org", Err("it is not in ASCII")),
            ("@", "ann@example.org", HOST),
            ("ann@.example.org", "ann@www.example.org", HOST),
            ("ann@bob@example.org", "ann@example.org", HOST),
        ],
    );
}

#[test]
fn a_uri_constraint_is_for_the_host_of_the_uri() {
    const HOST: Compared = Err("it has no well-formed host name");
    const NONE: Compared = Err("it is no URI");
    const WITHOUT: Compared = Err("it has no host");
    const ADDRESS: Compared = Err("its host is an IP address");
    check(
        Kind::Uri,
        &[
            ("www.example.org", "https://www.example.org/a/b?c#d", INSIDE),
            ("www.example.org", "https://ann:pw@WWW.example.org:8443?x", INSIDE),
            ("www.example.org", "spiffe://www.example.org", INSIDE),
            ("example.org", "https://www.example.org/", OUTSIDE),
            (".example.org", "https://www.example.org/", INSIDE),
            (".example.org", "https://a.b.example.org/", INSIDE),
            (".example.org", "https://example.org/", OUTSIDE),
            (".example.org", "https://badexample.org/", OUTSIDE),
            (".example.org", "https://evil.example/.example.org", OUTSIDE),
            (".example.org", "https://evil.example?.example.org", OUTSIDE),
            (".example.org", "https://evil.example#.example.org", OUTSIDE),
            (".example.org", "https://www.example.org@evil.example/", OUTSIDE),
            (".example.org", "https://evil.example@www.example.org/", INSIDE),
            ("", "https://www.example.org/", INSIDE),
            (".example.org", "https://evil.example@a@www.example.org/", NONE),
            (".example.org", "https://evil.example\\.example.org/", NONE),
            (".example.org", "https://evil.example\\@www.example.org/", NONE),
            (".example.org", "https://evil .example.org/", NONE),
            (".example.org", "https://evil%2eexample.org/", HOST),
            (".example.org", "https://www.example.org./", HOST),
            (".example.org", "https://www.example.org:80a/", HOST),
            (".example.org", "https:///x", HOST),
            (".example.org", "https://ann@/x", HOST),
            (".example.org", "https://[2001:db8::1]/", HOST),
            (".example.org", "https://192.0.2.1/", ADDRESS),
            (".example.org", "https://0300.1/", ADDRESS),
            (".example.org", "https://a.0X7f/", ADDRESS),
            (".example.org", "https://intranet/", Err("its host is not fully qualified")),
            (".example.org", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", WITHOUT),
            (".example.org", "mailto:ann@www.example.org", WITHOUT),
            (".example.org", "https:/www.example.org", WITHOUT),
            (".example.org", "//www.example.org/", NONE),
            (".example.org", "1https://www.example.org/", NONE),
            (".example.org", "://www.example.org/", NONE),
            (".example.org", "", NONE),
            ("https://www.example.org", "https://www.example.org", HOST),
        ],
    );
}

#[test]
fn an_ip_constraint_is_an_address_and_a_mask_of_its_own_version() {
    const OCTETS: Compared = Err("it has neither 8 nor 32 octets");
    const HOLES: Compared = Err("its mask has holes");
    let v6 = |address: &str, ones: u32| {
        let mask = u128::MAX.checked_shl(128 - ones).unwrap_or(0);
        [address.parse::<Ipv6Addr>().unwrap().octets(), mask.to_be_bytes()].concat()
    };
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets().to_vec();
    let rows: [(Vec<u8>, Vec<u8>, Compared); 21] = [
        (vec![192, 0, 2, 0, 255, 255, 255, 0], vec![192, 0, 2, 77], INSIDE),
        (vec![192, 0, 2, 0, 255, 255, 255, 0], vec![192, 0, 3, 77], OUTSIDE),
        (vec![192, 0, 2, 9, 255, 255, 255, 0], vec![192, 0, 2, 77], INSIDE),
        (vec![192, 0, 2, 9, 255, 255, 255, 255], vec![192, 0, 2, 77], OUTSIDE),
        (vec![192, 0, 2, 9, 255, 255, 255, 255], vec![192, 0, 2, 9], INSIDE),
        (vec![0; 8], vec![192, 0, 2, 77], INSIDE),
        (vec![0; 8], address("2001:db8::1"), OUTSIDE),
        (vec![192, 0, 2, 0, 255, 255, 255, 0], address("::ffff:192.0.2.1"), BETWEEN),
        (vec![192, 0, 2, 0, 255, 255, 255, 0], address("::ffff:192.0.3.1"), OUTSIDE),
        (v6("2001:db8::", 32), address("2001:db8:5::1"), INSIDE),
        (v6("2001:db8::", 32), address("2001:db9::1"), OUTSIDE),
        (v6("2001:db8::1", 128), address("2001:db8::1"), INSIDE),
        (v6("::", 0), address("2001:db9::1"), INSIDE),
        (v6("::", 0), vec![192, 0, 2, 77], OUTSIDE),
        (vec![192, 0, 2, 0, 255, 0, 255, 0], vec![192, 0, 2, 77], HOLES),
        (vec![192, 0, 2, 0, 0, 255, 255, 255], vec![192, 0, 2, 77], HOLES),
        ([v6("::", 0), Vec::new()].concat().into_iter().take(31).chain([1]).collect(), vec![192, 0, 2, 77], HOLES),
        (vec![192, 0, 2, 0], vec![192, 0, 2, 77], OCTETS),
        (Vec::new(), vec![192, 0, 2, 77], OCTETS),
        (vec![0; 33], vec![192, 0, 2, 77], OCTETS),
        (vec![0; 8], vec![192, 0, 2], Err("it has neither 4 nor 16 octets")),
    ];
    for (subtree, name, expected) in rows {
        assert_eq!(compare(Kind::Address, &subtree, &name), expected, "{subtree:02x?} {name:02x?}");
    }
}

#[test]
fn a_directory_constraint_is_for_the_names_that_it_begins() {
    const O: &[u8] = &[0x55, 0x04, 0x0a];
    const CN: &[u8] = &[0x55, 0x04, 0x03];
    const UTF8: u8 = 0x0c;
    type Attributes<'a> = &'a [(&'a [u8], u8, &'a [u8])];
    let base: Attributes<'_> = &[(O, 0x13, b"Example")];
    type Row<'a> = (Attributes<'a>, Attributes<'a>, Compared);
    let rows: [Row<'_>; 8] = [
        (base, &[(O, UTF8, b"Example")], INSIDE),
        (base, &[(O, UTF8, b" EXAMPLE "), (CN, UTF8, b"ann")], INSIDE),
        (base, &[(O, UTF8, b"Example Inc"), (CN, UTF8, b"ann")], OUTSIDE),
        (base, &[(CN, UTF8, b"Example")], OUTSIDE),
        (base, &[(CN, UTF8, b"ann"), (O, UTF8, b"Example")], OUTSIDE),
        (base, &[], OUTSIDE),
        (&[(O, 0x13, b"Example"), (CN, UTF8, b"ann")], base, OUTSIDE),
        (&[], &[(CN, UTF8, b"ann")], INSIDE),
    ];
    for (subtree, name, expected) in rows {
        let (subtree, name) = (testing::name(subtree), testing::name(name));
        assert_eq!(compare(Kind::Directory, &subtree, &name), expected, "{subtree:02x?} {name:02x?}");
    }
    let name = testing::name(base);
    assert_eq!(compare(Kind::Directory, &[0x30, 0x01], &name), Err(NO_NAME));
    assert_eq!(compare(Kind::Directory, &name, b"O=Example"), Err(NO_NAME));
}

#[test]
fn of_kinds_that_nobody_compares_no_name_can_be_read() {
    for kind in [Kind::Other, Kind::X400Address, Kind::EdiParty, Kind::Registered] {
        assert_eq!(Subtree::read(kind, b"x"), Ok(Subtree::Unknown(kind)));
        assert!(Name::read(kind, b"x").is_err());
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Email, Kind::Dns, Kind::Directory, Kind::Uri, Kind::Address])
}

proptest! {
    #[test]
    fn what_is_permitted_by_a_subtree_is_excluded_by_it(
        kind in kinds(),
        subtree in "([aA]@)?[.]?[ab*]([.][ab]){0,3}|",
        name in "([aA]@|s://)?[ab*]([.][ab]){0,3}",
    ) {
        if let Ok((holds, touches)) = compare(kind, subtree.as_bytes(), name.as_bytes()) {
            prop_assert!(touches || !holds);
        }
    }

    #[test]
    fn a_wildcard_is_judged_as_all_the_names_that_it_stands_for(
        subtree in "[.]?[ab]([.][ab]){0,3}",
        parent in "[ab]([.][ab]){0,3}",
    ) {
        // `c` stands for any label that the subtree does not have.
        let names = ["a", "b", "c"].map(|label| format!("{label}.{parent}"));
        let held = names.map(|name| compare(Kind::Dns, subtree.as_bytes(), name.as_bytes()).unwrap().0);
        let wildcard = compare(Kind::Dns, subtree.as_bytes(), format!("*.{parent}").as_bytes()).unwrap();
        prop_assert_eq!(wildcard, (held.iter().all(|held| *held), held.iter().any(|held| *held)));
    }

    #[test]
    fn any_octets_are_compared_without_a_panic(
        kind in kinds(),
        subtree in prop::collection::vec(any::<u8>(), 0..40),
        name in prop::collection::vec(any::<u8>(), 0..40),
        text in "\\PC{0,30}",
    ) {
        for (subtree, name) in [(&subtree[..], &name[..]), (text.as_bytes(), &name), (&subtree, text.as_bytes()), (text.as_bytes(), text.as_bytes())] {
            let _ = compare(kind, subtree, name);
        }
    }
}
