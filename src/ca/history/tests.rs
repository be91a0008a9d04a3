use super::verify::{Chain, Sound, VerifyError, Wrong, verify};
use super::*;
use proptest::prelude::*;

const AT: Moment = Moment::from_unix_millis(1_795_254_812_007);

/// A folder with a history of `acts` records after the first.
fn history(acts: u64) -> (tempfile::TempDir, History) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    History::begin(&path, AT, "uid 0").unwrap();
    let history = History::at(&path);
    for number in 1..=acts {
        history.record(AT, &[issue(number)]).unwrap();
    }
    (folder, history)
}

fn issue(number: u64) -> Entry {
    Entry {
        account: Some(format!("person \"{number}\"\n")),
        serial: Some(number.to_be_bytes().to_vec()),
        ..Entry::new(Act::Issue, "uid 0")
    }
}

fn check(history: &History, kept: &[Head]) -> Result<Sound, (u64, Wrong)> {
    verify(&files(history.path()).unwrap(), kept.iter().copied()).map_err(|error| match error {
        VerifyError::Line { line, wrong, .. } => (line, wrong),
        VerifyError::Io { source, .. } => panic!("{source}"),
    })
}

fn lines(history: &History) -> Vec<String> {
    std::fs::read_to_string(history.path()).unwrap().lines().map(str::to_owned).collect()
}

fn put(history: &History, lines: &[String]) {
    std::fs::write(history.path(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn what_was_written_is_sound_and_its_last_line_says_what_was_done() {
    let (_folder, history) = history(3);
    let recorded = history.record(AT, &[issue(4), issue(5)]).unwrap();
    assert_eq!((recorded.first, recorded.head.seq), (5, 6));
    let sound = check(&history, &[recorded.head]).unwrap();
    assert_eq!((sound.first, sound.last, sound.confirmed, sound.mended, sound.torn), (1, 6, 1, 0, false));
    assert_eq!(format!("6:{}", sound.hash), recorded.head.to_string());
    let last: serde_json::Value = serde_json::from_str(lines(&history).last().unwrap()).unwrap();
    assert_eq!(last["act"], "issue");
    assert_eq!(last["account"], "person \"5\"\n");
    assert_eq!(last["serial"], "0000000000000005");
    assert_eq!(last["time"], "2026-11-21T09:53:32.007Z");
}

#[test]
fn a_line_that_was_changed_removed_moved_or_put_in_shows() {
    let (_folder, history) = history(6);
    let intact = lines(&history);
    let head = "7:0000000000000000000000000000000000000000000000000000000000000000".parse::<Head>().unwrap();
    type Deed = fn(&mut Vec<String>);
    let deeds: [(&str, Deed, u64, Wrong); 9] = [
        ("changed", |lines| lines[2] = lines[2].replace("issue", "renew"), 4, Wrong::Broken),
        ("changed at the end", |lines| lines[6] = lines[6].replace("issue", "renew"), 7, Wrong::NotAsKept(7)),
        ("removed", |lines| drop(lines.remove(2)), 3, Wrong::OutOfOrder { expected: 3, found: 4 }),
        ("moved", |lines| lines.swap(2, 3), 3, Wrong::OutOfOrder { expected: 3, found: 4 }),
        ("doubled", |lines| lines.insert(3, lines[2].clone()), 4, Wrong::OutOfOrder { expected: 4, found: 3 }),
        ("the beginning removed", |lines| drop(lines.remove(0)), 1, Wrong::BeginsLate(2)),
        ("the end cut off", |lines| lines.truncate(5), 5, Wrong::CutOff { last: 5, kept: 7 }),
        ("all removed", Vec::clear, 0, Wrong::CutOff { last: 0, kept: 7 }),
        ("put in", |lines| lines.insert(3, "{}".into()), 4, Wrong::NotARecord(String::new())),
    ];
    for (what, deed, line, expected) in deeds {
        let mut changed = intact.clone();
        deed(&mut changed);
        put(&history, &changed);
        // The head of the intact history, as the database keeps it.
        let kept = Head { hash: sha256(intact[6].as_bytes()), ..head };
        let (at, wrong) = check(&history, &[kept]).unwrap_err();
        assert_eq!(at, line, "{what}: {wrong}");
        assert_eq!(std::mem::discriminant(&wrong), std::mem::discriminant(&expected), "{what}: {wrong}");
        if !matches!(expected, Wrong::NotARecord(_)) {
            assert_eq!(wrong, expected, "{what}");
        }
    }
}

#[test]
fn a_chain_that_was_computed_anew_contradicts_a_head_that_was_kept() {
    let (_folder, history) = history(6);
    let kept: Vec<Head> =
        lines(&history).iter().zip(1..).map(|(line, seq)| Head { seq, hash: sha256(line.as_bytes()) }).collect();
    // Somebody who may write the file leaves record 4 out and makes the chain whole again.
    let mut forged: Vec<String> = lines(&history);
    forged.truncate(3);
    put(&history, &forged);
    let forger = History::at(history.path());
    for number in 4..=9 {
        forger.record(AT, &[issue(number)]).unwrap();
    }
    assert!(check(&history, &[]).is_ok(), "without a head nobody can tell");
    assert_eq!(check(&history, &kept[..3]).map(|sound| sound.confirmed), Ok(3));
    assert_eq!(check(&history, &kept), Err((4, Wrong::NotAsKept(4))));
    assert_eq!(check(&history, &kept[6..]), Err((7, Wrong::NotAsKept(7))));
    // Where two places have kept different ones, one of them speaks of another history.
    let contradicting = [kept[1], Head { hash: [7; 32], ..kept[1] }];
    assert_eq!(check(&history, &contradicting), Err((2, Wrong::NotAsKept(2))));
}

#[test]
fn a_record_of_another_history_is_none_of_this_one() {
    let (_folder, history) = history(2);
    let mut changed = lines(&history);
    let other = "f".repeat(32);
    let head = Head { seq: 2, hash: sha256(changed[1].as_bytes()) };
    let foreign = Writing { identity: &other, after: Some(head), at: AT };
    changed[2] = String::from_utf8(foreign.render(&issue(2)).unwrap().0).unwrap().trim_end().to_owned();
    put(&history, &changed);
    assert_eq!(check(&history, &[]), Err((3, Wrong::OtherHistory(other))));
}

#[test]
fn half_a_line_is_vouched_for_by_the_record_after_it() {
    let (_folder, history) = history(2);
    let whole = std::fs::read(history.path()).unwrap();
    for missing in [1, 2, 40] {
        std::fs::write(history.path(), &whole[..whole.len() - missing]).unwrap();
        let sound = check(&history, &[]).unwrap();
        assert_eq!((sound.last, sound.torn), (2, true), "{missing}");
        history.record(AT, &[issue(3)]).unwrap();
        let sound = check(&history, &[]).unwrap();
        // Of the record that lacked only its line end, nothing was lost.
        assert_eq!((sound.last, sound.mended, sound.torn), (4, u64::from(missing > 1), false), "{missing}");
    }
    // What nobody vouches for is no record, and nor are two halves.
    let mut changed = lines(&history);
    changed[2].push('x');
    put(&history, &changed);
    assert!(matches!(check(&history, &[]), Err((3, Wrong::NotARecord(_)))));
    changed.insert(2, "half".into());
    put(&history, &changed);
    assert!(matches!(check(&history, &[]), Err((3, Wrong::NotARecord(_)))));
}

#[test]
fn a_history_goes_on_in_a_new_file_when_it_is_rotated() {
    let (folder, history) = history(2);
    let other = History::at(history.path());
    other.record(AT, &[issue(3)]).unwrap();
    let rotated = history.rotate(AT, "uid 0").unwrap();
    assert_eq!(rotated.closed, folder.path().join("history.jsonl.5"));
    // Both notice that the file is another one.
    assert_eq!(other.record(AT, &[issue(4)]).unwrap().head.seq, 7);
    assert_eq!(history.record(AT, &[issue(5)]).unwrap().head.seq, 8);
    let second = other.rotate(AT, "uid 0").unwrap();
    let order = [rotated.closed.clone(), second.closed, history.path().to_owned()];
    assert_eq!(files(history.path()).unwrap(), order);
    let sound = check(&history, &[]).unwrap();
    assert_eq!((sound.first, sound.last), (1, 10));
    // Whoever keeps old files elsewhere verifies the rest against the last head of what is away.
    let last = std::fs::read_to_string(&rotated.closed).unwrap();
    let head = Head { seq: 5, hash: sha256(last.lines().last().unwrap().as_bytes()) };
    std::fs::remove_file(&rotated.closed).unwrap();
    assert_eq!(check(&history, &[]), Err((1, Wrong::BeginsLate(6))));
    assert_eq!(check(&history, &[head]).map(|sound| (sound.first, sound.confirmed)), Ok((6, 1)));
    assert_eq!(check(&history, &[Head { hash: [7; 32], ..head }]), Err((1, Wrong::Broken)));
}

#[test]
fn several_writers_at_once_make_one_chain() {
    let (_folder, history) = history(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A file of its own, as another process has it.
                let own = History::at(history.path());
                for number in 0..25 {
                    own.record(AT, &[issue(number)]).unwrap();
                }
            });
        }
    });
    assert_eq!(check(&history, &[]).map(|sound| sound.last), Ok(101));
}

#[test]
fn without_a_history_nothing_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let history = History::at(&path);
    assert!(matches!(history.record(AT, &[issue(1)]), Err(HistoryError::Missing(_))));
    History::begin(&path, AT, "uid 0").unwrap();
    assert!(matches!(History::begin(&path, AT, "uid 0"), Err(HistoryError::Exists(_))));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    history.record(AT, &[issue(1)]).unwrap();
    // Nor in one that was taken away, or that ends in something else.
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert!(matches!(history.record(AT, &[issue(2)]), Err(HistoryError::Missing(_))));
    std::fs::write(&path, "something else\n").unwrap();
    assert!(matches!(history.record(AT, &[issue(2)]), Err(HistoryError::Damaged { .. })));
    let long = Entry { detail: Some("x".repeat(LONGEST_LINE)), ..issue(2) };
    std::fs::remove_file(&path).unwrap();
    History::begin(&path, AT, "uid 0").unwrap();
    assert!(matches!(history.record(AT, &[issue(2), long]), Err(HistoryError::Long(_))));
    assert_eq!(check(&history, &[]).map(|sound| sound.last), Ok(1), "all or none");
}

#[test]
fn a_head_is_read_as_it_is_written() {
    let head = Head { seq: 1042, hash: [0xab; 32] };
    assert_eq!(head.to_string().parse(), Ok(head));
    for wrong in ["", "1042", "1042:ab", "x:00", ":", &format!("1:{}", "g".repeat(64))] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_octet_can_be_changed(at in any::<prop::sample::Index>(), change in 1_u8..) {
        let (_folder, history) = history(4);
        let mut octets = std::fs::read(history.path()).unwrap();
        let lines = lines(&history);
        let kept = Head { seq: 5, hash: sha256(lines[4].as_bytes()) };
        let at = at.index(octets.len());
        octets[at] ^= change;
        std::fs::write(history.path(), octets).unwrap();
        prop_assert!(check(&history, &[kept]).is_err());
    }

    #[test]
    fn whatever_stands_in_a_line_is_judged(lines in prop::collection::vec(any::<Vec<u8>>(), 0..4)) {
        let mut chain = Chain::new([]);
        let wrong = lines.iter().any(|line| chain.line(line).is_err());
        prop_assert!(wrong || chain.end(false).is_err());
    }
}
