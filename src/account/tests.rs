use super::*;

fn account() -> Account {
    Account {
        username: "admin".to_owned(),
        email: Some("admin@example.org".to_owned()),
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: vec!["postmaster@Example.org".to_owned(), "root".to_owned()],
        groups: Vec::new(),
    }
}

#[test]
fn an_account_matches_only_the_name_that_was_asked_for() {
    use LookupKind::{Alias, Email, Username};
    let cases = [
        (Username, "admin", true),
        (Username, "Admin", false),
        (Username, "admin ", false),
        (Username, "admín", false),
        (Username, "ａdmin", false),
        (Username, "root", false),
        (Username, "admin@example.org", false),
        (Alias, "root", true),
        (Alias, "ROOT", false),
        (Alias, "admin", false),
        (Alias, "postmaster@Example.org", true),
        (Email, "admin@example.org", true),
        (Email, "Admin@example.org", false),
        (Email, "admin@example.org ", false),
        (Email, "admin@exämple.org", false),
        (Email, "admin@ｅxample.org", false),
        // An alias is an address whichever way the database writes its domain.
        (Email, "postmaster@example.org", true),
        (Email, "root", false),
        (Email, "", false),
    ];
    for (kind, name, expected) in cases {
        let lookup = Lookup { kind, name: name.to_owned() };
        assert_eq!(lookup.matches(&account()), expected, "{lookup:?}");
    }
}

#[test]
fn a_status_is_read_as_it_is_written() {
    for status in [Status::Active, Status::Locked, Status::Closed] {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    for other in ["", "Active", "active ", "enabled"] {
        assert!(other.parse::<Status>().is_err(), "{other:?}");
    }
}

#[test]
fn a_certificate_is_known_by_its_issuers_name_its_issuers_key_and_its_serial() {
    let key = CertificateKey::new(b"name", b"key", &[5]);
    assert_eq!(CertificateKey::new(b"name", b"key", &[0, 0, 5]), key);
    for (name, spki, serial) in
        [(b"eman", b"key", [5]), (b"name", b"yek", [5]), (b"name", b"key", [6]), (b"name", b"key", [0])]
    {
        assert_ne!(CertificateKey::new(name, spki, &serial), key);
    }
    assert_eq!(CertificateKey::new(b"name", b"key", &[0, 0]).serial, [0]);
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let before = Account { groups: vec!["old".to_owned(), "staff".to_owned()], ..account() };
    assert_eq!(Edit::default().apply(before.clone()), before);
    let edit = Edit {
        email: Some(None),
        display_name: Some(Some("Ann".to_owned())),
        status: Some(Status::Closed),
        home: None,
        add_aliases: vec!["new".to_owned()],
        remove_aliases: vec!["root".to_owned()],
        add_groups: vec!["staff".to_owned()],
        remove_groups: vec!["old".to_owned()],
    };
    let after = edit.apply(before.clone());
    assert_eq!((after.email, after.display_name.as_deref(), after.status), (None, Some("Ann"), Status::Closed));
    assert_eq!(after.aliases, ["postmaster@Example.org", "new"]);
    assert_eq!(
        names::checked(&Account { aliases: Vec::new(), email: None, ..edit.apply(before) }).unwrap().groups,
        ["staff"]
    );
}
