use super::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::task::Waker;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

fn client(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
}

fn share(number: u8, octets: u64, still: u64) -> Share {
    Share { prefix: AddressPrefix::of(client(number)), octets, still: Duration::from_secs(still) }
}

/// A connection and what it holds.
struct Open {
    activity: Arc<Activity>,
    holding: Holding,
}

impl Open {
    fn of(buffers: &Arc<Buffers>, number: u8) -> Self {
        let activity = Arc::new(Activity::new(false, Instant::now()));
        Self { holding: buffers.holding(client(number), &activity), activity }
    }

    fn hold(&mut self, octets: u64) -> bool {
        self.activity.hold(octets);
        self.stays()
    }

    fn stays(&mut self) -> bool {
        self.holding.poll(0, &Context::from_waker(Waker::noop())).is_pending()
    }
}

#[test]
fn who_holds_the_most_for_the_longest_gives_way() {
    let cases: [(&[Share], u64, &[usize]); 7] = [
        // The largest, where all stand equally long.
        (&[share(1, 10, 0), share(2, 30, 0), share(3, 20, 0)], 1, &[1]),
        (&[share(1, 10, 0), share(2, 30, 0), share(3, 20, 0)], 31, &[1, 2]),
        // One that takes holds its place beside one that does not, though it holds more.
        (&[share(1, 300, 0), share(2, 100, 10)], 1, &[1]),
        // Many of one address are heavier than one of another, and leave one after the other until they are not.
        (&[share(1, 95, 5), share(2, 50, 5), share(2, 60, 5), share(2, 40, 5)], 100, &[2, 0]),
        (&[share(1, 95, 5), share(2, 50, 5), share(2, 60, 5), share(2, 40, 5)], 60, &[2]),
        // After a minute all stand still alike.
        (&[share(1, 10, 61), share(2, 9, 100_000)], 1, &[0]),
        // More than there is cannot be freed.
        (&[share(1, 10, 0)], 1000, &[0]),
    ];
    for (shares, octets, expected) in cases {
        assert_eq!(who_gives_way(shares, octets), expected, "{shares:?} for {octets}");
    }
    assert!(who_gives_way(&[], 1).is_empty() && who_gives_way(&[share(1, 1, 1)], 0).is_empty());
}

#[test]
fn clients_of_one_address_give_way_before_others_do() {
    let buffers = Buffers::new(16 * MIB);
    let mut other = Open::of(&buffers, 2);
    assert!(other.hold(300 * KIB));
    let mut greedy: Vec<Open> = (0..100).map(|_| Open::of(&buffers, 1)).collect();
    let closed: Vec<bool> = greedy.iter_mut().map(|open| !open.hold(300 * KIB)).collect();
    let gone: Vec<bool> = greedy.iter_mut().map(|open| !open.stays()).collect();
    assert!(closed.iter().any(|closed| *closed) || gone.iter().any(|gone| *gone), "nobody gave way");
    greedy.retain_mut(Open::stays);
    assert!(buffers.all() <= 16 * MIB, "{}", buffers.all());
    assert!(buffers.all() > 8 * MIB, "more gave way than had to: {}", buffers.all());
    assert!(other.stays());
    drop((greedy, other));
    assert_eq!((buffers.all(), buffers.staying(), buffers.holders().by_number.len()), (0, 0, 0));
    assert_eq!(buffers.leaving.load(Relaxed), 0);
}

#[test]
fn nothing_is_counted_of_what_goes_on_at_once_and_a_connection_that_has_made_way_stays() {
    let buffers = Buffers::new(16 * MIB);
    let mut open = Open::of(&buffers, 1);
    open.activity.hold(MIB);
    open.activity.pass(MIB);
    assert!(open.stays() && open.holding.holder.is_none());
    assert!(open.hold(10), "a little");
    assert_eq!(buffers.all(), STEP);
    let mut large = Open::of(&buffers, 2);
    assert!(!large.hold(20 * MIB), "it is too much at once");
    assert_eq!(large.holding.counted, 20 * MIB);
    large.activity.pass(20 * MIB);
    assert!(large.stays(), "there is nothing to be had from closing it");
    assert_eq!((buffers.all(), buffers.staying()), (STEP, STEP));
    assert!(large.hold(MIB));
}

#[test]
fn a_connection_is_woken_by_what_its_streams_wait_with_and_when_it_must_give_way() {
    #[derive(Default)]
    struct Count(AtomicU64);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let buffers = Buffers::new(16 * MIB);
    let (count, activity) = (Arc::<Count>::default(), Arc::new(Activity::new(true, Instant::now())));
    let waker = Waker::from(Arc::clone(&count));
    let mut holding = buffers.holding(client(1), &activity);
    let mut stays = || holding.poll(0, &Context::from_waker(&waker)).is_pending();
    assert!(stays());
    activity.hold(10 * KIB);
    assert_eq!(count.0.load(Relaxed), 0, "that is little");
    activity.hold(10 * KIB);
    assert_eq!(count.0.load(Relaxed), 1);
    assert!(stays());
    activity.hold(10 * KIB);
    assert_eq!(count.0.load(Relaxed), 1, "it knows of the others");
    buffers.take(17 * MIB);
    assert_eq!(count.0.load(Relaxed), 2);
    assert!(!stays());
}

#[test]
fn what_is_taken_for_good_makes_connections_give_way() {
    let buffers = Buffers::new(16 * MIB);
    let mut open = Open::of(&buffers, 1);
    assert!(open.hold(2 * MIB));
    buffers.take(15 * MIB);
    assert!(!open.stays());
    drop(open);
    assert_eq!(buffers.all(), 15 * MIB);
    buffers.give_back(15 * MIB);
    let mut open = Open::of(&buffers, 1);
    assert!(open.hold(12 * MIB));
    buffers.set(8 * MIB);
    assert!(open.stays(), "a smaller limit shows when something more is held");
    assert!(!open.hold(MIB));
}

proptest! {
    #[test]
    fn what_gives_way_is_enough_and_nobody_leaves_needlessly(
        shares in prop::collection::vec((0_u8..6, 1..1000_u64, 0..100_u64), 0..60), octets in 0..20_000_u64,
    ) {
        let shares: Vec<Share> = shares.into_iter().map(|(number, octets, still)| share(number, octets, still)).collect();
        let leaving = who_gives_way(&shares, octets);
        let sum = |places: &[usize]| places.iter().map(|place| shares[*place].octets).sum::<u64>();
        let all = shares.iter().map(|share| share.octets).sum::<u64>();
        prop_assert!(sum(&leaving) >= octets.min(all));
        if let Some((_, before)) = leaving.split_last() {
            prop_assert!(sum(before) < octets);
        }
        let mut places = leaving.clone();
        places.sort_unstable();
        places.dedup();
        prop_assert_eq!(places.len(), leaving.len());
    }

    #[test]
    fn all_is_what_each_counts(acts in prop::collection::vec((0_usize..8, 0..3 * MIB, 0_u8..4), 0..200)) {
        let buffers = Buffers::new(16 * MIB);
        let mut open: Vec<Option<Open>> = (0..8).map(|number| Some(Open::of(&buffers, number))).collect();
        for (place, octets, act) in acts {
            let number = u8::try_from(place).unwrap();
            match (act, &mut open[place]) {
                (0, one) => *one = None,
                (_, one @ None) => *one = Some(Open::of(&buffers, number)),
                (1, Some(one)) => {
                    one.activity.pass(octets);
                    if !one.stays() {
                        open[place] = None;
                    }
                }
                (_, Some(one)) => {
                    if !one.hold(octets) {
                        open[place] = None;
                    }
                }
            }
            // Whoever was told gives way when its task runs.
            open.iter_mut().for_each(|one| if one.as_mut().is_some_and(|one| !one.stays()) { *one = None });
            let counted: u64 = open.iter().flatten().map(|one| one.holding.counted).sum();
            prop_assert_eq!((buffers.all(), buffers.leaving.load(Relaxed)), (counted, 0));
            prop_assert!(counted <= 16 * MIB);
            for one in open.iter().flatten() {
                let (held, _) = one.activity.held();
                prop_assert!(one.holding.counted >= held && (one.holding.counted <= 2 * held + 2 * STEP));
            }
        }
    }
}
