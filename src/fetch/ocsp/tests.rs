//! What is made of what is known about the certificates of a path.

use super::*;
use crate::revocation::crl::RevocationReason;

const NOW: Timestamp = Timestamp::from_unix(1_000_000);

fn said(status: Status, this_update: i64, until: i64) -> Known {
    let [this_update, until] = [this_update, until].map(Timestamp::from_unix);
    Known::Said(Statement { status, this_update, until, next_update: None })
}

#[test]
fn one_answer_is_made_of_what_is_known_of_each_certificate() {
    let unknown = |why: &str| Known::Unknown { why: why.to_owned(), until: NOW };
    let reason = Some(RevocationReason::KeyCompromise);
    let out = || said(Status::Revoked { at: NOW, reason }, 5, 6);
    let good = |since: i64, until: i64| OcspAnswer::Good {
        since: Timestamp::from_unix(since),
        until: Timestamp::from_unix(until),
    };
    let revoked = |position| OcspAnswer::Revoked { position, at: NOW, reason, since: Timestamp::from_unix(5) };
    let silent = |why: &str| OcspAnswer::Unknown { why: why.to_owned(), until: NOW };
    let cases = [
        (Vec::new(), OcspAnswer::NoResponder),
        (vec![Known::NoResponder, Known::NoResponder], OcspAnswer::NoResponder),
        (vec![said(Status::Good, 5, 9), Known::NoResponder], good(5, 9)),
        (vec![said(Status::Good, 5, 9), said(Status::Good, 4, 8)], good(4, 8)),
        (vec![said(Status::Good, 5, 9), unknown("x")], silent("certificate 1 of the path: x")),
        (vec![unknown("x"), unknown("y")], silent("certificate 0 of the path: x")),
        (vec![said(Status::Good, 5, 9), out()], revoked(1)),
        (vec![unknown("x"), out()], revoked(1)),
        (vec![out(), unknown("x")], revoked(0)),
    ];
    for (known, expected) in cases {
        assert_eq!(combine(known), expected);
    }
}

#[test]
fn what_was_said_is_believed_until_it_runs_out_and_revoked_for_ever() {
    let kept = |status, fault: Option<&str>| Kept {
        statement: Some(Statement { status, this_update: NOW, until: NOW, next_update: None }),
        fault: fault.map(Arc::from),
        again: NOW,
    };
    let later = NOW.plus(Duration::from_secs(1));
    assert!(kept(Status::Good, None).at(NOW).is_ok());
    assert!(kept(Status::Good, Some("silence")).at(NOW).is_ok());
    assert_eq!(kept(Status::Good, Some("silence")).at(later), Err("silence".to_owned()));
    assert_eq!(kept(Status::Unknown, Some("silence")).at(later), Err("silence".to_owned()));
    assert!(kept(Status::Revoked { at: NOW, reason: None }, Some("silence")).at(later).is_ok());
    let nothing = Kept { statement: None, fault: Some(Arc::from("silence")), again: NOW };
    assert_eq!(nothing.at(NOW), Err("silence".to_owned()));
}
