//! Sets that follow one another.

use super::*;

fn numbered(own: u8, age: i64, serials: &[&[u8]]) -> Draft {
    Draft { this_update: Timestamp::from_unix(NOW.as_unix() - age), extensions: vec![number(own)], ..draft(serials) }
}

fn of_middle(draft: &Draft) -> Arc<List> {
    parse(&draft.signed_by(&WORLD.middle)).unwrap()
}

fn of_root(draft: &Draft) -> Arc<List> {
    parse(&draft.signed_by(&WORLD.root)).unwrap()
}

fn set(lists: Vec<Arc<List>>) -> CrlSet {
    CrlSet::load([(origin(0), lists)], &WORLD.anchors, CLOCK_TOLERANCE, NOW).unwrap()
}

fn replace(set: &CrlSet, lists: Vec<Arc<List>>) -> Replaced {
    set.with(&origin(0), lists, &WORLD.anchors, NOW)
}

fn leaf(set: &CrlSet) -> String {
    said(set.check(&WORLD.path(), Scope::Leaf, NOW))
}

#[test]
fn a_newer_list_takes_the_place_of_the_older_one_and_the_rest_is_shared() {
    let (old, root) = (of_middle(&numbered(7, 20, &[])), of_root(&numbered(1, 20, &[])));
    let set = set(vec![Arc::clone(&old)]).with(&origin(1), vec![Arc::clone(&root)], &WORLD.anchors, NOW).set;
    assert_eq!(leaf(&set), "good");
    let new = of_middle(&numbered(8, 10, &[&[0x12, 0x34]]));
    let Replaced { set: next, refused, warnings } = replace(&set, vec![Arc::clone(&new)]);
    assert!(refused.is_empty() && warnings.is_empty(), "{refused:?} {warnings:?}");
    assert_eq!(leaf(&next), "0 revoked: unspecified");
    assert_eq!(leaf(&set), "good", "a set never changes");
    let lists: Vec<_> = next.lists().collect();
    assert!(matches!(lists[..], [one, two] if Arc::ptr_eq(one, &new) && Arc::ptr_eq(two, &root)));
    assert_eq!(next.without(&origin(0)).lists().count(), 1);
    assert_eq!(next.origins().count(), 2);
    assert_eq!(next.lists_from(&origin(1)).count(), 1);
}

#[test]
fn the_same_list_read_again_is_the_one_before() {
    let draft = numbered(7, 20, &[&[1]]);
    let octets = draft.signed_by(&WORLD.middle);
    let old = parse(&octets).unwrap();
    let next = replace(&set(vec![Arc::clone(&old)]), vec![parse(&octets).unwrap()]).set;
    assert!(Arc::ptr_eq(next.lists().next().unwrap(), &old));
}

#[test]
fn a_list_that_went_back_is_refused_and_the_old_one_stays() {
    let cases = [
        (numbered(6, 10, &[]), "its number 6 is below 7, that of the list in force"),
        (Draft { extensions: vec![], ..numbered(6, 10, &[]) }, "its number 0 is below 7, that of the list in force"),
        (
            numbered(7, 30, &[]),
            "it was made at 2026-05-31T23:59:30Z, before the list in force, which was at 2026-05-31T23:59:40Z",
        ),
    ];
    for (new, expected) in cases {
        let set = set(vec![of_middle(&numbered(7, 20, &[&[0x12, 0x34]]))]);
        // The key of the intermediate is known once it was asked for.
        assert_eq!(leaf(&set), "0 revoked: unspecified");
        let Replaced { set: next, refused, .. } = replace(&set, vec![of_middle(&new)]);
        assert_eq!(
            refused[0].to_string(),
            format!("the revocation list of CN=Middle in 0.crl cannot be used: {expected}")
        );
        assert_eq!(leaf(&next), "0 revoked: unspecified");
    }
    // The lists of two distribution points are two.
    let set = set(vec![of_middle(&numbered(7, 20, &[]))]);
    let mut part = numbered(1, 10, &[]);
    part.extensions.push(extension(28, true, &sequence(&[&[0x81, 1, 0xff]])));
    assert!(replace(&set, vec![of_middle(&numbered(7, 20, &[])), of_middle(&part)]).refused.is_empty());
}

#[test]
fn a_forged_list_takes_nothing_away() {
    let good = of_middle(&numbered(7, 20, &[&[0x12, 0x34]]));
    let set = set(vec![Arc::clone(&good)]);
    assert_eq!(leaf(&set), "0 revoked: unspecified");
    let forged = parse(&numbered(200, 10, &[]).signed_by(&Authority::root("Middle"))).unwrap();
    let next = replace(&set, vec![forged]).set;
    assert_eq!(leaf(&next), "0 revoked: unspecified");
    assert_eq!(next.lists().count(), 2);
    // Nor does it keep the next good one out.
    let Replaced { set: next, refused, .. } = replace(&next, vec![of_middle(&numbered(8, 5, &[]))]);
    assert_eq!((refused.len(), next.lists().count(), leaf(&next).as_str()), (0, 1, "good"));
    // One in the name of a known authority is refused at once.
    let forged = parse(&numbered(200, 10, &[]).signed_by(&Authority::root("Root"))).unwrap();
    let refused = replace(&next, vec![forged]).refused;
    assert!(matches!(refused[..], [Refused { why: Fault::Signature, .. }]));
}

#[test]
fn a_list_that_shrank_or_has_gone_is_told_of() {
    let serials: Vec<[u8; 1]> = (1..=100).map(|serial| [serial]).collect();
    let some = |count: usize| serials.iter().take(count).map(<[u8; 1]>::as_slice).collect::<Vec<_>>();
    for (before, after, warned) in [(100, 49, true), (100, 50, false), (99, 0, false)] {
        let set = set(vec![of_root(&numbered(7, 20, &some(before)))]);
        let Replaced { warnings, refused, .. } = replace(&set, vec![of_root(&numbered(8, 10, &some(after)))]);
        assert!(refused.is_empty());
        assert_eq!(!warnings.is_empty(), warned, "{before} {after}");
        if warned {
            let expected = "the list 8 of CN=Root from 0.crl, made at 2026-05-31T23:59:50Z has 49 entries where the one before it has 100";
            assert_eq!(warnings[0].to_string(), expected);
        }
    }
    let set = set(vec![of_root(&numbered(7, 20, &[])), of_middle(&numbered(7, 20, &[]))]);
    let Replaced { set: next, warnings, .. } = replace(&set, vec![of_middle(&numbered(8, 10, &[]))]);
    assert_eq!(next.lists().count(), 1);
    assert!(matches!(&warnings[..], [Warning::Gone { list }] if list.issuer == "CN=Root"));
}

#[test]
fn what_was_revoked_between_two_sets_is_found() {
    let revoked = |old: &CrlSet, new: &CrlSet| {
        newly_revoked(old, new).map(|(issuer, serial)| (issuer.to_vec(), serial.to_vec())).collect::<Vec<_>>()
    };
    let middle = name::canonical(Fields::read(&WORLD.middle.der).unwrap().subject);
    let before = set(vec![of_middle(&numbered(7, 20, &[&[1], &[3], &[9]])), of_root(&numbered(1, 20, &[&[5]]))]);
    let lists =
        before.lists().skip(1).cloned().chain([of_middle(&numbered(8, 10, &[&[1], &[2], &[0x12, 0x34]]))]).collect();
    let after = replace(&before, lists).set;
    assert_eq!(revoked(&before, &after), [(middle.clone(), vec![2]), (middle.clone(), vec![0x12, 0x34])]);
    assert_eq!(revoked(&after, &after), []);
    assert_eq!(revoked(&CrlSet::new(CLOCK_TOLERANCE), &before).len(), 4);
    // A delta list that brings a certificate back no more revokes it again.
    let delta = |own: u8, entries: Vec<Vec<u8>>| {
        let extensions = vec![number(own), extension(27, true, &integer(&[1]))];
        of_middle(&Draft { entries, extensions, ..draft(&[]) })
    };
    let (back, gone) = (set(vec![delta(7, vec![entry(&[4], &[&reason(8)])])]), set(vec![delta(8, vec![])]));
    assert_eq!(revoked(&back, &gone), [(middle, vec![4])]);
    assert_eq!(revoked(&gone, &back), []);
}
