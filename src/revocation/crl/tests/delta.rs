//! Delta lists and the lists that they complete.

use super::*;

/// A list of this number, and what it revokes.
fn whole(own: u8, serials: &[&[u8]]) -> Draft {
    Draft { extensions: vec![number(own)], ..draft(serials) }
}

/// A delta list of this number over the list of number `base`, with one entry for the leaf.
fn delta(own: u8, base: u8, code: Option<u8>) -> Draft {
    Draft {
        entries: code.map(|code| entry(&[0x12, 0x34], &[&reason(code)])).into_iter().collect(),
        extensions: vec![number(own), extension(27, true, &integer(&[base]))],
        ..draft(&[])
    }
}

const HOLD: Option<u8> = Some(6);
const REMOVED: Option<u8> = Some(8);
const SERIALS: &[&[u8]] = &[&[0x12, 0x34]];

#[test]
fn a_delta_list_completes_the_list_that_it_builds_on() {
    let old = |draft: Draft| Draft { next_update: Some(Timestamp::from_unix(NOW.as_unix() - 1)), ..draft };
    let ran_out = "the revocation list of CN=Middle ran out at 2026-05-31T23:59:59Z";
    let no_base = "there is a delta list of CN=Middle and not the revocation list that it completes";
    let cases = [
        ("nothing new", vec![whole(5, &[]), delta(7, 5, None)], "good"),
        ("newly revoked", vec![whole(5, &[]), delta(7, 5, HOLD)], "0 revoked: certificateHold"),
        ("brought back", vec![whole(5, SERIALS), delta(7, 5, REMOVED)], "good"),
        ("brought back over a newer base", vec![whole(6, SERIALS), delta(7, 5, REMOVED)], "good"),
        ("base too old to be brought back", vec![whole(4, SERIALS), delta(7, 5, REMOVED)], "0 revoked: unspecified"),
        ("base too old, yet revoked", vec![whole(4, &[]), delta(7, 5, HOLD)], "0 revoked: certificateHold"),
        ("still revoked", vec![whole(5, SERIALS), delta(7, 5, None)], "0 revoked: unspecified"),
        ("the whole list is newer", vec![whole(8, &[]), delta(7, 5, HOLD)], "good"),
        ("the whole list is as new", vec![whole(7, SERIALS), delta(7, 5, REMOVED)], "0 revoked: unspecified"),
        ("the newest delta counts", vec![whole(5, &[]), delta(7, 5, HOLD), delta(8, 5, REMOVED)], "good"),
        ("no base", vec![delta(7, 5, None)], no_base),
        ("no base, yet revoked", vec![delta(7, 5, HOLD)], "0 revoked: certificateHold"),
        ("no base, brought back", vec![delta(7, 5, REMOVED)], no_base),
        ("the base ran out, the delta did not", vec![old(whole(5, &[])), delta(7, 5, None)], "good"),
        ("the base ran out and is too old", vec![old(whole(4, &[])), delta(7, 5, None)], ran_out),
        ("the delta ran out", vec![whole(5, &[]), old(delta(7, 5, None))], "good"),
        ("the delta ran out and revokes", vec![whole(5, &[]), old(delta(7, 5, HOLD))], "0 revoked: certificateHold"),
        (
            "the delta ran out and brings back",
            vec![whole(5, SERIALS), old(delta(7, 5, REMOVED))],
            "0 revoked: unspecified",
        ),
        ("both ran out", vec![old(whole(5, &[])), old(delta(7, 5, None))], ran_out),
    ];
    for (what, lists, expected) in cases {
        assert_eq!(said(WORLD.ask_middle(&lists)), expected, "{what}");
    }
}

#[test]
fn an_answer_over_a_delta_list_is_good_until_it_or_its_base_runs_out() {
    let until =
        |draft: Draft, seconds| Draft { next_update: Some(Timestamp::from_unix(NOW.as_unix() + seconds)), ..draft };
    for (base, change, expected) in [(100, 50, 50), (50, 100, 50), (-1, 50, 50)] {
        let answer = WORLD.ask_middle(&[until(whole(5, &[]), base), until(delta(7, 5, None), change)]);
        assert!(is_good_until(answer, Timestamp::from_unix(NOW.as_unix() + expected)), "{base} {change}");
    }
}

#[test]
fn a_delta_list_for_something_else_or_of_another_key_completes_nothing() {
    let users = extension(28, true, &sequence(&[&[0x81, 1, 0xff]]));
    let key = extension(35, false, &sequence(&[&[0x80, 1, 7]]));
    for other in [users, key] {
        let mut change = delta(7, 5, REMOVED);
        change.extensions.push(other);
        assert_eq!(said(WORLD.ask_middle(&[whole(5, SERIALS), change])), "0 revoked: unspecified");
    }
}
