//! Lists that are signed with another key than the certificates are.

use super::*;

/// A world whose intermediate has a second certificate, with another key and its own serial number 0x22.
fn two_keys(change: impl FnOnce(&mut CertificateParams)) -> (World, Authority) {
    let world = world(|_| {}, |_| {});
    let second = world.root.below_with("Middle", |params| {
        params.serial_number = Some(vec![0x22].into());
        change(params);
    });
    (world, second)
}

fn of_root(world: &World) -> Vec<u8> {
    draft(&[]).signed_by(&world.root)
}

#[test]
fn a_list_may_be_signed_with_another_key_of_its_issuer_that_the_configuration_shows() {
    let (world, second) = two_keys(|_| {});
    let list = draft(&[&[0x12, 0x34]]).signed_by(&second);
    let not_signed = "no revocation list of CN=Middle is signed with its key and in force";
    assert_eq!(said(world.ask(vec![list.clone(), of_root(&world)])), not_signed);
    let world = world.with_intermediates(&[&second]);
    assert_eq!(said(world.ask(vec![list, of_root(&world)])), "0 revoked: unspecified");
    let nothing = draft(&[]).signed_by(&second);
    assert_eq!(said(world.ask(vec![nothing, of_root(&world)])), "good");
}

#[test]
fn lists_of_both_keys_of_an_issuer_are_asked() {
    let (world, second) = two_keys(|_| {});
    let world = world.with_intermediates(&[&second]);
    let of = |key: u8, number_of: u8, serials: &[&[u8]]| Draft {
        extensions: vec![number(number_of), extension(35, false, &sequence(&[&[0x80, 1, key]]))],
        ..draft(serials)
    };
    let lists =
        vec![of(1, 3, &[&[0x12, 0x34]]).signed_by(&world.middle), of(2, 9, &[]).signed_by(&second), of_root(&world)];
    assert_eq!(said(world.ask(lists)), "0 revoked: unspecified");
}

#[test]
fn a_key_for_lists_alone_will_do_and_one_for_certificates_alone_will_not() {
    let usages: [(Vec<KeyUsagePurpose>, &str); 2] = [
        (vec![KeyUsagePurpose::CrlSign], "good"),
        (vec![KeyUsagePurpose::KeyCertSign], "no revocation list of CN=Middle is signed with its key and in force"),
    ];
    for (usages, expected) in usages {
        let (world, second) = two_keys(|params| params.key_usages = usages);
        let world = world.with_intermediates(&[&second]);
        assert_eq!(said(world.ask(vec![draft(&[]).signed_by(&second), of_root(&world)])), expected);
    }
}

#[test]
fn a_signer_must_lead_to_the_authority_that_the_path_leads_to() {
    let (world, _) = two_keys(|_| {});
    let stranger = Authority::root("Stranger");
    let theirs = stranger.below("Middle");
    let anchors = TrustAnchors::new(vec![world.root.der.clone(), stranger.der.clone()]).unwrap();
    let world = World { anchors, ..world }.with_intermediates(&[&theirs]);
    let lists = vec![draft(&[]).signed_by(&theirs), of_root(&world)];
    assert_eq!(said(world.ask(lists)), "no revocation list of CN=Middle is signed with its key and in force");
}

#[test]
fn a_signer_that_was_revoked_or_has_expired_is_not_believed() {
    let (world, second) = two_keys(|_| {});
    let world = world.with_intermediates(&[&second]);
    let list = draft(&[]).signed_by(&second);
    let above = draft(&[&[0x22]]).signed_by(&world.root);
    assert_eq!(
        said(world.ask(vec![list.clone(), above])),
        "the signer of the revocation list of CN=Middle was revoked"
    );
    let unknown = "whether the signer of the revocation list of CN=Middle was revoked is not known";
    assert_eq!(said(world.ask(vec![list.clone()])), unknown);
    // Who asks about the client's certificate alone needs no list about authorities, but heeds one.
    let leaf = |lists| said(world.load(lists).unwrap().check(&world.path(), Scope::Leaf, NOW));
    assert_eq!(leaf(vec![list.clone()]), "good");
    let above = draft(&[&[0x22]]).signed_by(&world.root);
    assert_eq!(leaf(vec![list, above]), "the signer of the revocation list of CN=Middle was revoked");

    let (world, second) = two_keys(|params| params.not_after = date_time_ymd(2026, 5, 1));
    let world = world.with_intermediates(&[&second]);
    let answer = world.ask(vec![draft(&[]).signed_by(&second), of_root(&world)]);
    assert_eq!(said(answer), "no revocation list of CN=Middle is signed with its key and in force");
}

#[test]
fn an_answer_is_good_until_the_signer_expires() {
    let (world, second) = two_keys(|params| params.not_after = date_time_ymd(2026, 6, 1));
    let world = world.with_intermediates(&[&second]);
    let early = Timestamp::from_unix(NOW.as_unix() - 3600);
    let list = draft(&[]).signed_by(&second);
    let lists = vec![(origin(0), vec![parse(&list).unwrap()]), (origin(1), vec![parse(&of_root(&world)).unwrap()])];
    let set = CrlSet::load(lists, &world.anchors, CLOCK_TOLERANCE, early).unwrap();
    assert!(is_good_until(set.check(&world.path(), Scope::Chain, early), NOW));
    assert!(
        said(set.check(&world.path(), Scope::Chain, NOW.plus(Duration::from_secs(1)))).contains("signed with its key")
    );
}

#[test]
fn a_list_of_a_rolled_root_covers_what_either_key_signed() {
    let world = world(|_| {}, |_| {});
    let next = Authority::root("Root");
    let lists = |world: &World| vec![draft(&[]).signed_by(&world.middle), draft(&[&[0x0f]]).signed_by(&next)];
    assert!(world.load(lists(&world)).is_err(), "nobody of this name has signed it");
    let anchors = TrustAnchors::new(vec![world.root.der.clone(), next.der.clone()]).unwrap();
    let world = World { anchors, ..world };
    assert_eq!(said(world.ask(lists(&world))), "1 revoked: unspecified");
}

#[test]
fn a_key_for_lists_alone_may_be_covered_by_the_lists_that_it_signs() {
    let world = world(|_| {}, |_| {});
    let second = world.middle.below_with("Middle", |params| {
        params.serial_number = Some(vec![0x33].into());
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    });
    let certificates = vec![second.der.clone(), world.middle.der.clone()];
    let world = World { anchors: world.anchors.with_intermediates(certificates).unwrap(), ..world };
    let ask = |serials: &[&[u8]]| said(world.ask(vec![draft(serials).signed_by(&second), of_root(&world)]));
    assert_eq!(ask(&[]), "good");
    assert_eq!(ask(&[&[0x12, 0x34]]), "0 revoked: unspecified");
    assert_eq!(ask(&[&[0x33]]), "the signer of the revocation list of CN=Middle was revoked");
}
