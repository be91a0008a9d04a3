//! What it costs to hand out what the authority has published: an OCSP answer among a hundred thousand, from the octets
//! of a question to those of the answer, and a revocation list. All of it was signed ahead of time, so that no key is
//! in it. `cargo bench --bench publishing`; what a whole gate gives in a second, `tests/publishing_figures.rs` measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark whose setup fails has nothing to measure"
)]

use divan::Bencher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use wicketgate::account::CertificateKey;
use wicketgate::base::clock::Timestamp;
use wicketgate::ca::crl::{self, CrlReason, Edition, Revoked};
use wicketgate::ca::issue::Authority;
use wicketgate::ca::key::SoftwareKey;
use wicketgate::ca::ocsp::answer::sign;
use wicketgate::ca::ocsp::{Delegate, Issuer, Request, Statement};
use wicketgate::ca::profile::{Subject, Validity};
use wicketgate::ca::publish::tables::{Kind, StoredAnswer, StoredIssuer, StoredList};
use wicketgate::ca::publish::{Shelf, slug};
use wicketgate::certificate::facts::sha256;
use wicketgate::revocation::ocsp::request::encode;
use wicketgate::revocation::ocsp::{CertId, HashAlgorithm, Status};

/// How many certificates have an answer.
const CERTIFICATES: u32 = 100_000;
/// How many are in the list.
const REVOKED: u32 = 10_000;

fn main() {
    divan::main();
}

struct World {
    shelf: Shelf,
    /// The name of the authority in paths.
    name: String,
    questions: Vec<Vec<u8>>,
    now: Timestamp,
}

fn serial(number: u32) -> Vec<u8> {
    let number = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (number >> 1 | 1 << 126).to_be_bytes().to_vec()
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (now, hour) = (Timestamp::now(), Duration::from_secs(3600));
        let subject = Subject { common_name: "Bench".to_owned(), organization: None, names: Vec::new() };
        let key = Box::new(SoftwareKey::generate().unwrap());
        let authority = Authority::root(key, &subject, Validity::starting(now, hour * 100)).unwrap();
        let (name, public_key) = (authority.name_der().unwrap(), authority.public_key());
        let issuer = CertificateKey::new(&name, public_key, &[1]).issuer;
        let names = Issuer::new(&name, public_key).unwrap();
        let delegate = Delegate::new(&authority, now, hour * 24).unwrap();
        let signer = sha256(delegate.certificate());
        let next_update = now.plus(hour);
        let answers = (1..=CERTIFICATES).map(|number| {
            let statement = [Statement { serial: serial(number), status: Status::Good, this_update: now, next_update }];
            let signed = |algorithm| sign(&delegate, &names, algorithm, &statement, now).unwrap();
            let (by_sha1, by_sha256) = (signed(HashAlgorithm::Sha1), signed(HashAlgorithm::Sha256));
            let serial = serial(number);
            StoredAnswer { issuer, serial, this_update: now, next_update, signer, by_sha1, by_sha256, edition: 1 }
        });
        let entries: Vec<Revoked> = (1..=REVOKED)
            .map(|number| Revoked { serial: serial(number), at: now, reason: CrlReason::KeyCompromise })
            .collect();
        let edition = Edition { number: 1, this_update: now, next_update };
        let list = crl::make_in(&authority, edition, &crl::Form::default(), &entries).unwrap();
        let question =
            |number| encode(&CertId::new(HashAlgorithm::Sha1, &name, public_key, &serial(number)).unwrap(), None);
        let shelf = Shelf::default();
        let certificate = authority.certificate().to_vec();
        shelf.put_issuer(&StoredIssuer { issuer, certificate, above: Vec::new() }).unwrap();
        shelf.put_signers([(signer, delegate.certificate().to_vec())].into());
        shelf.put_answers(answers.collect());
        shelf.put_list(&issuer, Kind::Full, &StoredList { number: 1, this_update: now, next_update, der: list.into() });
        let questions = (1..=CERTIFICATES).step_by(10).map(question).collect();
        World { shelf, name: slug(&issuer), questions, now }
    })
}

/// A question that came by POST, each time another one, in no order.
#[divan::bench]
fn an_ocsp_answer(bencher: Bencher<'_, '_>) {
    let world = world();
    let next = AtomicUsize::new(0);
    bencher.bench(|| {
        let question = &world.questions[next.fetch_add(7919, Ordering::Relaxed) % world.questions.len()];
        let request = Request::read(divan::black_box(question)).unwrap();
        world.shelf.answer(&request, world.now).unwrap().der.len()
    });
}

/// A list of ten thousand entries, which is handed out without being copied.
#[divan::bench]
fn a_revocation_list(bencher: Bencher<'_, '_>) {
    let world = world();
    bencher.bench(|| {
        let published = world.shelf.named(divan::black_box(&world.name)).unwrap();
        let list = published.list(Kind::Full).unwrap();
        list.der.len()
    });
}
