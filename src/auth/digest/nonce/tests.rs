use super::*;
use proptest::prelude::*;

const REALM: &str = "example.org";
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

fn nonces() -> Nonces {
    Nonces::new(Some(&Secret::from("a secret for tests alone"))).unwrap()
}

#[test]
fn a_nonce_says_again_what_it_was_made_of() {
    let nonces = nonces();
    for (sequence, algorithm) in (1..).zip(ChallengeAlgorithm::ALL) {
        for (bound, from, elsewhere) in [(None, 1, false), (Some(CLIENT), 1, false), (Some(CLIENT), 2, true)] {
            let sequence = 3 * (sequence - 1) + if bound.is_none() { 1 } else { 1 + from };
            let text = nonces.issue(REALM, algorithm, bound, NOW);
            assert_eq!(text.len(), 64);
            let expected = Nonce { algorithm, issued: NOW, process: nonces.process(), sequence, elsewhere };
            let from = IpAddr::from([192, 0, 2, u8::try_from(from).unwrap()]);
            assert_eq!(nonces.open(&text, REALM, from, NOW), Opened::Authentic(expected));
        }
    }
}

#[test]
fn an_address_is_one_machine_or_one_network() {
    let nonces = nonces();
    let cases = [
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
    ];
    for (to, from, same) in cases {
        let text = nonces.issue(REALM, ChallengeAlgorithm::Md5, Some(to.parse().unwrap()), NOW);
        let opened = nonces.open(&text, REALM, from.parse().unwrap(), NOW);
        assert!(matches!(opened, Opened::Authentic(nonce) if nonce.elsewhere != same), "{to} {from}");
    }
}

#[test]
fn processes_with_one_secret_know_each_others_nonces_and_themselves_apart() {
    let (here, there) = (nonces(), nonces());
    assert_ne!(here.process(), there.process());
    let text = there.issue(REALM, ChallengeAlgorithm::Md5, None, NOW);
    assert!(
        matches!(here.open(&text, REALM, CLIENT, NOW), Opened::Authentic(nonce) if nonce.process == there.process())
    );
}

#[test]
fn a_nonce_of_another_secret_or_realm_is_not_authentic() {
    let text = nonces().issue(REALM, ChallengeAlgorithm::Md5, None, NOW);
    assert_eq!(nonces().open(&text, "example.com", CLIENT, NOW), Opened::Unauthentic);
    let others = [Some(Secret::from("another secret for tests")), None, None];
    for secret in others {
        assert_eq!(Nonces::new(secret.as_ref()).unwrap().open(&text, REALM, CLIENT, NOW), Opened::Unauthentic);
    }
}

#[test]
fn a_short_secret_is_refused() {
    let secret = |length| Secret::new(vec![7; length]);
    assert_eq!(Nonces::new(Some(&secret(MIN_SECRET - 1))).err(), Some(SetupError::ShortSecret));
    assert!(Nonces::new(Some(&secret(MIN_SECRET))).is_ok());
}

#[test]
fn what_has_not_the_form_of_a_nonce_is_told_apart() {
    let nonces = nonces();
    let text = nonces.issue(REALM, ChallengeAlgorithm::Md5, None, NOW);
    let unknown_version = URL_SAFE_NO_PAD.encode([9; 48]);
    let unknown_algorithm = URL_SAFE_NO_PAD.encode([&[VERSION, 9][..], &[0; 46]].concat());
    let cases =
        ["", "x", &text[1..], &text[..60], &format!("{text}AAAA"), &format!("{text}="), &text.replace(|_| true, "+")];
    for unlike in cases.into_iter().chain([&*unknown_version, &unknown_algorithm]) {
        assert_eq!(nonces.open(unlike, REALM, CLIENT, NOW), Opened::Unlike, "{unlike}");
    }
}

proptest! {
    #[test]
    fn no_changed_nonce_is_authentic(at in 0_usize..64, to in "[A-Za-z0-9_-]") {
        let nonces = nonces();
        let text = nonces.issue(REALM, ChallengeAlgorithm::Sha256, None, NOW);
        let mut changed = text.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(matches!(nonces.open(&changed, REALM, CLIENT, NOW), Opened::Authentic(_)), changed == text);
    }

    #[test]
    fn no_text_ends_the_process(text in r"\PC{0,80}") {
        prop_assert!(!matches!(nonces().open(&text, REALM, CLIENT, NOW), Opened::Authentic(_)));
    }
}
