//! What the gate fetches by itself, against servers that mean no good: whither a connection may lead, how much
//! is read in how much time, and which list is in force after all that.
#![cfg(test)]

mod common;

use bytes::Bytes;
use common::eventually;
use common::origin::{Origin, page};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use wicketgate::base::clock::Timestamp;
use wicketgate::base::url::{HttpUrl, UrlError};
use wicketgate::config::{CrlFetch, PrivateAddresses};
use wicketgate::fetch::crl::{CrlFetcher, State, Taken};
use wicketgate::fetch::guard::Guard;
use wicketgate::fetch::http::{Answer, Bounds, FetchError, Question, Validators, ask};

const BOUNDS: Bounds = Bounds { deadline: Duration::from_secs(10), size: 1000 };

fn anywhere() -> Guard {
    Guard::new(PrivateAddresses::Allow)
}

fn within(range: &str) -> Guard {
    Guard::new(PrivateAddresses::Within(vec![range.parse().unwrap()]))
}

async fn get(url: &str, guard: &Guard) -> Result<Answer, FetchError> {
    get_if(url, guard, None, BOUNDS).await
}

async fn get_if(
    url: &str,
    guard: &Guard,
    validators: Option<&Validators>,
    bounds: Bounds,
) -> Result<Answer, FetchError> {
    let url: HttpUrl = url.parse().unwrap();
    ask(&Question { url: &url, accept: "*/*", validators, body: None }, guard, bounds).await
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn an_address_inside_is_not_connected_to_by_whatever_name() {
    let origin = Origin::saying(page("", b"secret"));
    let port = origin.address().port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "[64:ff9b::7f00:1]", "0.0.0.0"] {
        let refused = get(&format!("http://{host}:{port}/"), &Guard::default()).await;
        assert!(matches!(refused, Err(FetchError::Address { .. })), "{host}: {refused:?}");
    }
    assert!(origin.requests().is_empty(), "nothing was asked");
    assert!(get(&origin.url("/"), &within("127.0.0.0/8")).await.is_ok());
    assert!(get(&origin.url("/"), &within("10.0.0.0/8")).await.is_err());
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_guarded_like_the_first_url() {
    let end = Origin::saying(page("", b"here"));
    let start = |to: &str| Origin::saying(redirect(to));
    let loopback = within("127.0.0.0/8");
    let content = |answer: Result<Answer, FetchError>| match answer {
        Ok(Answer::Content { octets, .. }) => Ok(String::from_utf8(octets).unwrap()),
        Ok(Answer::Unchanged { .. }) => panic!("nothing was known before"),
        Err(error) => Err(error),
    };
    let one = start(&end.url("/list"));
    assert_eq!(content(get(&one.url("/"), &loopback).await), Ok("here".to_owned()));
    assert!(end.requests()[0].starts_with("GET /list HTTP/1.1\r\n"), "{:?}", end.requests());

    let inside = start("http://10.0.0.1/");
    assert!(matches!(get(&inside.url("/"), &loopback).await, Err(FetchError::Address { .. })));
    let secret = start("http://169.254.169.254/latest/meta-data");
    assert!(matches!(get(&secret.url("/"), &loopback).await, Err(FetchError::Address { .. })));
    let tls = start("https://example.org/");
    assert_eq!(get(&tls.url("/"), &loopback).await, Err(FetchError::Redirect(UrlError::Https)));
    let file = start("file:///etc/passwd");
    assert_eq!(get(&file.url("/"), &loopback).await, Err(FetchError::Redirect(UrlError::Scheme)));
    let around = start("/again");
    assert_eq!(get(&around.url("/"), &loopback).await, Err(FetchError::Redirects));
    assert_eq!(around.requests().len(), 4, "three redirects are followed");
    let nowhere = Origin::saying("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(get(&nowhere.url("/"), &loopback).await, Err(FetchError::Redirects));

    let url: HttpUrl = one.url("/").parse().unwrap();
    let body = Some(("text/plain", Bytes::from_static(b"question")));
    let posted = ask(&Question { url: &url, accept: "*/*", validators: None, body }, &loopback, BOUNDS).await;
    assert_eq!(posted, Err(FetchError::Status(302)), "what is posted is not posted elsewhere");
}

#[tokio::test]
async fn no_more_is_read_than_was_agreed() {
    let exact = Origin::saying(page("", &[b'x'; 1000]));
    assert!(
        matches!(get(&exact.url("/"), &anywhere()).await, Ok(Answer::Content { octets, .. }) if octets.len() == 1000)
    );
    let promised = Origin::saying("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nx");
    assert_eq!(get(&promised.url("/"), &anywhere()).await, Err(FetchError::TooLarge(1000)));
    let endless = Origin::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream
            .write_all(
                b"64\r\n0123456789012345678901234567890123456789012345678901234567890123456789\
                                 012345678901234567890123456789\r\n",
            )
            .is_ok()
        {}
    });
    assert_eq!(get(&endless.url("/"), &anywhere()).await, Err(FetchError::TooLarge(1000)));
    let until_the_end = Origin::saying([&b"HTTP/1.0 200 OK\r\n\r\n"[..], &[b'x'; 1001]].concat());
    assert_eq!(get(&until_the_end.url("/"), &anywhere()).await, Err(FetchError::TooLarge(1000)));
    let head = Origin::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
    });
    assert!(matches!(get(&head.url("/"), &anywhere()).await, Err(FetchError::Exchange(_))));
}

#[tokio::test]
async fn a_slow_server_holds_nobody_up() {
    let drip = Origin::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let silent = Origin::start(|_, _| std::thread::sleep(Duration::from_secs(20)));
    let slowly_redirecting = Origin::start(|_, stream| {
        std::thread::sleep(Duration::from_millis(300));
        let _ = stream.write_all(&redirect("/again"));
    });
    let deadline = Duration::from_millis(500);
    for origin in [&drip, &silent, &slowly_redirecting] {
        let start = Instant::now();
        let answer = get_if(&origin.url("/"), &anywhere(), None, Bounds { deadline, size: 1000 }).await;
        assert_eq!(answer, Err(FetchError::TooSlow(deadline)));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn what_is_known_is_not_fetched_again() {
    let origin = Origin::start(|request, stream| {
        let answer = if request.contains("if-none-match: \"one\"") {
            b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n".to_vec()
        } else {
            page("ETag: \"one\"\r\nLast-Modified: Sat, 21 Nov 2026 09:53:32 GMT\r\nCache-Control: max-age=30\r\n", b"x")
        };
        let _ = stream.write_all(&answer);
    });
    let Ok(Answer::Content { octets, validators, fresh_for }) = get(&origin.url("/"), &anywhere()).await else {
        panic!("there is no answer");
    };
    assert_eq!((octets.as_slice(), fresh_for), (&b"x"[..], Some(Duration::from_secs(30))));
    assert_eq!(validators.last_modified.as_deref(), Some("Sat, 21 Nov 2026 09:53:32 GMT"));
    let again = get_if(&origin.url("/"), &anywhere(), Some(&validators), BOUNDS).await;
    assert_eq!(again, Ok(Answer::Unchanged { fresh_for: Some(Duration::from_secs(60)) }));
    assert!(origin.requests()[1].contains("if-modified-since: Sat, 21 Nov 2026 09:53:32 GMT\r\n"));
}

#[tokio::test]
async fn what_is_no_plain_good_answer_is_an_error() {
    let cases = [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx", FetchError::Status(404)),
        ("HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", FetchError::Status(206)),
        ("HTTP/1.1 204 No Content\r\n\r\n", FetchError::Status(204)),
        // Nobody asked whether it changed.
        ("HTTP/1.1 304 Not Modified\r\n\r\n", FetchError::Status(304)),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", FetchError::Encoding),
    ];
    for (answer, expected) in cases {
        assert_eq!(get(&Origin::saying(answer).url("/"), &anywhere()).await, Err(expected), "{answer}");
    }
    for broken in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let answer = get(&Origin::saying(broken).url("/"), &anywhere()).await;
        assert!(matches!(answer, Err(FetchError::Exchange(_))), "{broken}: {answer:?}");
    }
    let closed = { Origin::saying("").url("/").replace("127.0.0.1", "127.0.0.99") };
    assert!(matches!(get(&closed, &anywhere()).await, Err(FetchError::Connect { .. })));
    let nameless = get("http://no-such-name.invalid/", &anywhere()).await;
    assert!(matches!(nameless, Err(FetchError::Resolve { .. })), "{nameless:?}");
}

/// What was taken up, and from where: a list is whatever begins with `list`, and holds for an hour from now on.
#[derive(Clone, Default)]
struct Lists(Arc<Mutex<Vec<String>>>);

impl Lists {
    fn fetch(&self, settings: CrlFetch) -> CrlFetcher {
        let lists = self.clone();
        let take_up = move |_: &HttpUrl, octets: &[u8]| {
            let text = String::from_utf8_lossy(octets).into_owned();
            if !text.starts_with("list") {
                return Err("this is no list".to_owned());
            }
            lists.0.lock().unwrap().push(text);
            let now = Timestamp::now();
            Ok(Taken { this_update: now, next_update: now.plus(Duration::from_secs(3600)) })
        };
        CrlFetcher::new("staff", settings, Handle::current(), take_up).unwrap()
    }

    fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn settings(urls: &[String], cache: Option<&Path>) -> CrlFetch {
    CrlFetch {
        urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
        refresh: Duration::from_millis(100),
        cache: cache.map(Path::to_owned),
        private_addresses: PrivateAddresses::Allow,
        ..CrlFetch::default()
    }
}

fn wait_for(fetcher: &CrlFetcher, what: &str, is: impl Fn(&State) -> bool) -> State {
    eventually(what, || fetcher.states().into_iter().next().filter(|state| is(state)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_fetched_again_and_again_and_a_bad_one_changes_nothing() {
    let origin = Origin::saying(page("", b"list 1"));
    let lists = Lists::default();
    let fetcher = lists.fetch(settings(&[origin.url("/a.crl")], None));
    wait_for(&fetcher, "the same list to be seen a second time", |state| state.unchanged >= 1);
    assert_eq!(lists.taken(), ["list 1"], "what is the same is taken up once");

    origin.behave(|_, stream| _ = stream.write_all(&page("", b"<html>maintenance</html>")));
    let state = wait_for(&fetcher, "the page to be refused", |state| state.refused >= 1);
    assert_eq!(state.error.as_deref(), Some("this is no list"));
    assert!(state.taken.is_some(), "the old list stays");
    assert_eq!(lists.taken(), ["list 1"]);

    origin.behave(|_, stream| _ = stream.write_all(&page("", b"list 2")));
    let state = wait_for(&fetcher, "the next list", |state| state.fetched == 2);
    assert_eq!((state.error, lists.taken()), (None, vec!["list 1".to_owned(), "list 2".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_list_survives_a_restart_in_the_cache_folder() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let origin = Origin::saying(page("ETag: \"one\"\r\n", b"list 1"));
    let settings = settings(&[origin.url("/a.crl")], Some(&cache));
    let first = Lists::default();
    let fetcher = first.fetch(settings.clone());
    wait_for(&fetcher, "the list", |state| state.fetched == 1);
    origin.behave(|_, stream| _ = stream.write_all(&page("", b"no such page")));
    wait_for(&fetcher, "the page to be refused", |state| state.refused >= 1);
    drop(fetcher);

    // The server answers nothing but what was known before: the list is there all the same, and at once.
    origin.behave(|request, stream| {
        let known = request.contains("if-none-match: \"one\"");
        let answer = if known { "HTTP/1.1 304 Not Modified\r\n\r\n" } else { "HTTP/1.1 500 Oh\r\n\r\n" };
        let _ = stream.write_all(answer.as_bytes());
    });
    let second = Lists::default();
    let fetcher = second.fetch(settings.clone());
    assert_eq!(second.taken(), ["list 1"], "it is taken up before anybody is asked");
    assert!(fetcher.states()[0].taken.is_some());
    wait_for(&fetcher, "the server to say that it is still the newest", |state| state.unchanged >= 1);
    drop(fetcher);

    // What lies in the folder is judged like what is fetched.
    for entry in std::fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap().replace("list 1", "forged");
        std::fs::write(path, text).unwrap();
    }
    let third = Lists::default();
    let fetcher = third.fetch(settings);
    assert!(third.taken().is_empty() && fetcher.states()[0].taken.is_none());
    wait_for(&fetcher, "the server to be asked without a condition", |state| state.failed >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_fetched_from_once_at_a_time_however_often_it_is_named() {
    let origin = Origin::start(|_, stream| {
        std::thread::sleep(Duration::from_millis(400));
        let _ = stream.write_all(&page("", b"list 1"));
    });
    let url = origin.url("/a.crl");
    let lists = Lists::default();
    let fetcher = lists.fetch(CrlFetch {
        from_certificates: true,
        refresh: Duration::from_secs(600),
        ..settings(std::slice::from_ref(&url), None)
    });
    for _ in 0..100 {
        fetcher.found([url.as_str()]);
    }
    wait_for(&fetcher, "the list", |state| state.fetched == 1);
    assert_eq!((origin.requests().len(), fetcher.states().len()), (1, 1));
    fetcher.found([origin.url("/b.crl").as_str()]);
    eventually("the other list", || (lists.taken().len() == 2).then_some(()));
}
