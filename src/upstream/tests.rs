use super::*;
use crate::config::{Ejection, HealthCheck, Retries, ServerName, UpstreamLimits};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn entry(port: u16) -> UpstreamServer {
    UpstreamServer { name: ServerName { host: "127.0.0.1".to_owned(), port }, weight: 1, backup: false }
}

fn upstream_of(servers: Vec<UpstreamServer>, balancing: Balancing) -> Upstream {
    let settings = config::Upstream {
        servers,
        http: HttpVersion::One,
        proxy_protocol: false,
        balancing,
        tls: None,
        authorization: None,
        timeouts: UpstreamTimeouts { connect: SECOND, response: SECOND, idle: SECOND },
        headers: config::IdentityHeaders {
            user: None,
            email: None,
            name: None,
            groups: None,
            client_cert: false,
            xfcc: false,
            set: Vec::new(),
        },
        assertion: None,
    };
    // Numbers are the process's, and tests run at the same time.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    Upstream::new(&format!("app{}", NUMBER.fetch_add(1, Relaxed)), &settings, None, None)
}

fn upstream(ports: std::ops::RangeInclusive<u16>) -> Upstream {
    upstream_of(ports.map(entry).collect(), Balancing::default())
}

/// The port of the next server of a tour, and what was chosen.
async fn next<'u>(tour: &mut Tour<'u>) -> Option<(u16, Chosen<'u>)> {
    tour.next().await.unwrap().map(|chosen| (chosen.name().port, chosen))
}

async fn ports(upstream: &Upstream) -> Vec<u16> {
    let mut tour = upstream.tour(None);
    let mut ports = Vec::new();
    while let Some((port, _)) = next(&mut tour).await {
        ports.push(port);
    }
    ports
}

fn fail(upstream: &Upstream, port: u16, times: u32) {
    let view = upstream.view.load();
    let server = view.servers.iter().find(|server| server.name().port == port).unwrap();
    (0..times).for_each(|_| upstream.failed(server, UpstreamFailure::Broken, &"a test"));
}

fn states(upstream: &Upstream) -> Vec<&'static str> {
    upstream.standings().iter().map(|standing| standing.state.as_str()).collect()
}

#[tokio::test]
async fn servers_are_taken_in_turn_and_each_once() {
    let upstream = upstream(1..=3);
    let first = ports(&upstream).await;
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 2, 3]);
    let from = |place: usize| first.iter().cycle().skip(place).take(3).copied().collect::<Vec<_>>();
    assert_eq!(ports(&upstream).await, from(1));
    assert_eq!(ports(&upstream).await, from(2));
    assert_eq!(ports(&upstream).await, from(0));
}

#[tokio::test]
async fn no_more_servers_are_tried_than_retries_allow() {
    let balancing = Balancing { retries: Retries { times: 1, ..Retries::default() }, ..Balancing::default() };
    let upstream = upstream_of((1..=4).map(entry).collect(), balancing);
    assert_eq!(ports(&upstream).await.len(), 2);
}

#[tokio::test]
async fn one_server_without_options_is_not_counted() {
    let upstream = upstream(7..=7);
    let mut tour = upstream.tour(None);
    let (port, chosen) = next(&mut tour).await.unwrap();
    assert_eq!((port, chosen.ticket().is_none(), upstream.has_choice()), (7, true, false));
    assert!(!tour.may_go_on() && next(&mut tour).await.is_none());
    fail(&upstream, 7, 100);
    assert_eq!(ports(&upstream).await, [7], "the only one is never ejected");
}

#[tokio::test]
async fn a_server_that_fails_requests_is_passed_over_and_never_are_too_many() {
    let upstream = upstream(1..=4);
    fail(&upstream, 2, 4);
    upstream.answered(&upstream.view.load().servers[1], StatusCode::from_u16(200).unwrap(), SECOND);
    fail(&upstream, 2, 4);
    assert_eq!(states(&upstream), ["up"; 4], "an answer in between begins the count anew");
    fail(&upstream, 2, 1);
    assert_eq!(states(&upstream), ["up", "ejected", "up", "up"]);
    fail(&upstream, 3, 5);
    fail(&upstream, 4, 50);
    assert_eq!(states(&upstream), ["up", "ejected", "ejected", "up"], "half of four are two");
    for _ in 0..8 {
        let mut tried = ports(&upstream).await;
        tried.sort_unstable();
        assert_eq!(tried, [1, 4]);
    }
}

#[tokio::test]
async fn statuses_count_as_failures_where_they_are_said_to() {
    let upstream = upstream(1..=2);
    let server = |index: usize| Arc::clone(&upstream.view.load().servers[index]);
    (0..50).for_each(|_| upstream.answered(&server(0), StatusCode::from_u16(500).unwrap(), SECOND));
    assert_eq!(states(&upstream), ["up", "up"]);
    (0..5).for_each(|_| upstream.answered(&server(1), StatusCode::from_u16(503).unwrap(), SECOND));
    assert_eq!(states(&upstream), ["up", "ejected"]);
}

#[tokio::test]
async fn an_ejected_server_comes_back_and_one_failure_ejects_it_again() {
    let first = Duration::from_millis(20);
    let ejection = Ejection { first, ..Ejection::default() };
    let upstream =
        upstream_of((1..=2).map(entry).collect(), Balancing { ejection: Some(ejection), ..Balancing::default() });
    fail(&upstream, 1, 5);
    assert_eq!(states(&upstream), ["ejected", "up"]);
    let due = upstream.next_change(Instant::now()).unwrap();
    upstream.refresh(due);
    assert_eq!(states(&upstream), ["up", "up"]);
    fail(&upstream, 1, 1);
    assert_eq!(states(&upstream), ["ejected", "up"]);
    assert_eq!(upstream.standings()[0].numbers.ejections.get(), 2);
}

#[tokio::test]
async fn what_becomes_of_retries_is_counted() {
    let balancing = Balancing { retries: Retries { budget: 0, ..Retries::default() }, ..Balancing::default() };
    let upstream = upstream_of((1..=3).map(entry).collect(), balancing);
    let mut tour = upstream.tour(None);
    assert!(next(&mut tour).await.is_some());
    assert!(!tour.may_go_on() && next(&mut tour).await.is_some(), "where nothing was sent, no budget is asked");
    assert_eq!((upstream.numbers.over_budget.get(), upstream.numbers.retried.get()), (1, 1));
    assert_eq!(
        (upstream.retries_left(), upstream_of(vec![entry(1)], Balancing::default()).retries_left()),
        (Some(0), None)
    );
}

#[tokio::test]
async fn servers_that_only_accounts_name_share_their_numbers() {
    let like = upstream(1..=1);
    assert!(like.homes().is_none());
    let homes: Vec<Upstream> = (2..=3).map(|port| like.at(entry(port).name)).collect();
    for home in &homes {
        let mut tour = home.tour(None);
        let (_, chosen) = next(&mut tour).await.unwrap();
        home.answered(&chosen, StatusCode::OK, SECOND);
    }
    assert_eq!(like.homes().unwrap().answers.all_responses(), 2);
    assert_eq!(like.standings()[0].numbers.answers.all_responses(), 0);
}

#[tokio::test]
async fn backups_are_for_when_nobody_else_can_be_asked() {
    let backup = UpstreamServer { backup: true, ..entry(9) };
    let check = HealthCheck {
        path: "/".to_owned(),
        statuses: vec![200..=299],
        every: SECOND,
        timeout: SECOND,
        rise: 1,
        fall: 1,
        host: None,
    };
    let balancing = Balancing { health: Some(check), ..Balancing::default() };
    let upstream = upstream_of(vec![backup, entry(1), entry(2)], balancing);
    for _ in 0..4 {
        assert_eq!(ports(&upstream).await.last(), Some(&9));
    }
    let servers: Vec<_> = upstream.view.load().servers.to_vec();
    upstream.checked(&servers[1], Err("a test".to_owned()));
    upstream.checked(&servers[2], Err("a test".to_owned()));
    assert_eq!(ports(&upstream).await, [9]);
    upstream.checked(&servers[0], Err("a test".to_owned()));
    assert_eq!(ports(&upstream).await, [0_u16; 0], "what fails its checks gets nothing, even if it is the last one");
    upstream.checked(&servers[2], Ok(()));
    assert_eq!(ports(&upstream).await, [2]);
}

#[tokio::test]
async fn the_less_busy_server_is_preferred() {
    let balancing = Balancing { balance: Balance::LeastRequests, ..Balancing::default() };
    let upstream = upstream_of((1..=2).map(entry).collect(), balancing);
    let mut held = Vec::new();
    for round in 0..10 {
        let (_, chosen) = next(&mut upstream.tour(None)).await.unwrap();
        held.push(chosen);
        let active: Vec<u32> = upstream.standings().iter().map(|standing| standing.active).collect();
        assert!(active[0].abs_diff(active[1]) <= 1, "after {round}: {active:?}");
    }
    drop(held);
    assert!(upstream.standings().iter().all(|standing| standing.active == 0));
}

#[tokio::test]
async fn the_same_key_leads_to_the_same_server_and_to_another_when_it_has_failed() {
    let balance = Balance::Hash(HashKey::Account);
    let upstream = upstream_of((1..=5).map(entry).collect(), Balancing { balance, ..Balancing::default() });
    for key in (0..50).map(balance::mix) {
        let mut tour = upstream.tour(Some(key));
        let (first, _chosen) = next(&mut tour).await.unwrap();
        let (second, _) = next(&mut tour).await.unwrap();
        assert_ne!(first, second);
        assert_eq!(next(&mut upstream.tour(Some(key))).await.unwrap().0, first);
    }
}

fn limited(queue: u32, wait: Duration) -> Upstream {
    let limits = UpstreamLimits { requests: Some(2), queue, wait };
    upstream_of(vec![entry(1), entry(2)], Balancing { limits, ..Balancing::default() })
}

#[tokio::test]
async fn a_server_gets_no_more_than_its_limit_and_the_rest_waits() {
    let upstream = limited(1, 30 * SECOND);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(next(&mut upstream.tour(None)).await.unwrap());
    }
    assert!(upstream.standings().iter().all(|standing| standing.active == 2));
    let mut tour = upstream.tour(None);
    let mut waiting = Box::pin(tour.next());
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    assert!(matches!(upstream.tour(None).next().await, Err(Busy::Full(1))));
    let (port, given_back) = held.swap_remove(2);
    drop(given_back);
    let chosen = waiting.await.unwrap().unwrap();
    assert_eq!(chosen.name().port, port);
    assert!(upstream.standings().iter().all(|standing| standing.active == 2));
}

#[tokio::test]
async fn nobody_waits_for_longer_than_allowed() {
    let upstream = limited(10, Duration::from_millis(20));
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(next(&mut upstream.tour(None)).await.unwrap());
    }
    for _ in 0..20 {
        let busy = upstream.tour(None).next().await.err().unwrap();
        assert_eq!(busy, Busy::Waited(Duration::from_millis(20)), "who has waited no longer counts among the waiting");
    }
}

#[tokio::test]
async fn a_server_that_came_back_starts_slowly() {
    let ejection = Ejection { first: SECOND, ..Ejection::default() };
    let balancing = Balancing { slow_start: 16 * SECOND, ejection: Some(ejection), ..Balancing::default() };
    let upstream = upstream_of((1..=2).map(entry).collect(), balancing);
    fail(&upstream, 1, 5);
    let back = upstream.next_change(Instant::now()).unwrap();
    for (seconds, expected) in [(0, 1), (4, 4), (8, 8), (16, 16)] {
        upstream.refresh(back + seconds * SECOND);
        let weights: Vec<u32> = upstream.view.load().main.candidates().iter().map(|one| one.weight).collect();
        assert_eq!(weights, [expected, 16], "after {seconds}s");
    }
    assert_eq!(upstream.next_change(back + 16 * SECOND), None);
}
