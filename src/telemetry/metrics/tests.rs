use super::*;

#[test]
fn the_numbers_of_names_are_their_places() {
    assert!(Handshake::ALL.iter().enumerate().all(|(place, (result, _))| *result as usize == place));
    assert!(Closed::ALL.iter().enumerate().all(|(place, (cause, _))| *cause as usize == place));
    assert!(UpstreamFailure::ALL.iter().enumerate().all(|(place, (cause, _))| *cause as usize == place));
    assert!(CacheKind::ALL.iter().enumerate().all(|(place, (kind, _))| *kind as usize == place));
    assert!(CacheResult::ALL.iter().enumerate().all(|(place, (result, _))| *result as usize == place));
    assert!(TraceFate::ALL.iter().enumerate().all(|(place, (fate, _))| *fate as usize == place));
    assert!(Reason::ALL.iter().enumerate().all(|(place, reason)| *reason as usize == place));
}

#[test]
fn each_verdict_is_counted_by_itself() {
    let route = RouteNumbers::default();
    let permits = [Authentication::Certificate, Authentication::Digest, Authentication::Session, Authentication::Basic]
        .map(|authentication| Verdict::Permit(Some(authentication)));
    let refusals = Reason::ALL.iter().flat_map(|reason| [Verdict::Challenge(*reason), Verdict::Refuse(*reason)]);
    let all: Vec<Verdict> =
        permits.into_iter().chain([Verdict::Permit(None), Verdict::Redirect]).chain(refusals).collect();
    for (number, verdict) in all.iter().enumerate() {
        (0..=number).for_each(|_| route.verdict(verdict.code()));
    }
    let mut shown = Vec::new();
    route.for_each_verdict(|verdict, reason, authentication, count| {
        shown.push((format!("{verdict}/{reason}/{authentication}"), count));
    });
    assert_eq!(shown.len(), all.len());
    let name = |verdict: &Verdict| match verdict {
        Verdict::Permit(None) => "permit//none".to_owned(),
        Verdict::Permit(Some(authentication)) => format!("permit//{}", authentication.as_str()),
        Verdict::Redirect => "redirect//".to_owned(),
        Verdict::Challenge(reason) => format!("challenge/{reason}/"),
        Verdict::Refuse(reason) => format!("refuse/{reason}/"),
    };
    for (number, verdict) in all.iter().enumerate() {
        assert!(shown.contains(&(name(verdict), number as u64 + 1)), "{verdict:?}: {shown:?}");
    }
}

#[test]
fn requests_are_counted_by_method_and_class_of_status_whatever_a_client_thinks_of() {
    let route = RouteNumbers::default();
    for (method, status) in [("GET", 200), ("GET", 204), ("GET", 404), ("BREW", 200), ("get", 999), ("TRACE", 101)] {
        let method = method_index(&method.parse().unwrap());
        route.answered(method, StatusCode::from_u16(status).ok(), Duration::from_millis(1), 10);
    }
    route.answered(usize::MAX, None, Duration::ZERO, 0);
    let mut counted = Vec::new();
    for (method, name) in METHODS.iter().enumerate() {
        for (class, status) in STATUS_CLASSES.iter().enumerate() {
            let count = route.requests(method, class);
            if count > 0 {
                counted.push((*name, *status, count));
            }
        }
    }
    let expected = [
        ("GET", "2xx", 2),
        ("GET", "4xx", 1),
        ("TRACE", "1xx", 1),
        ("other", "none", 1),
        ("other", "2xx", 1),
        ("other", "5xx", 1),
    ];
    assert_eq!(counted, expected);
    assert_eq!((route.octets(), route.duration().snapshot().count), (60, 7));
}
