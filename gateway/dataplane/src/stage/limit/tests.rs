use std::collections::HashMap;
use std::time::Instant;

use governor::clock::FakeRelativeClock;
use proptest::prelude::*;

use super::*;

fn limiter(requests: u32, window: u32, keys: usize) -> (Limiter<u32, FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limiter::new("address", Rate::new(requests, window).unwrap(), keys, clock.clone()), clock)
}

fn passes<K: Copy + Eq + Hash, C: Clock>(limiter: &Limiter<K, C>, key: K) -> bool {
    limiter.check(&key).within(RefusalCode::AddressRateLimited).is_ok()
}

fn key(text: &str) -> AddressKey {
    text.parse::<IpAddr>().unwrap().into()
}

#[test]
fn a_rate_that_limits_nothing_or_everything_is_refused() {
    assert_eq!(Rate::new(0, 60), Err(RateError::Zero));
    assert_eq!(Rate::new(10, 0), Err(RateError::Zero));
    assert_eq!(Rate::new(1_000_001, 1), Err(RateError::TooLarge));
    assert_eq!(Rate::new(1, 86_401), Err(RateError::TooLarge));
    assert!(Rate::new(1_000_000, 1).is_ok());
}

#[test]
fn the_request_over_the_rate_is_refused_with_the_time_to_wait() {
    let (limiter, _) = limiter(3, 60, 8);
    for _ in 0..3 {
        assert!(passes(&limiter, 1));
    }
    let refusal = limiter.check(&1).within(RefusalCode::AddressRateLimited).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::AddressRateLimited);
    assert_eq!(refusal.challenge, Challenge::RetryAfter(20));
    assert!(passes(&limiter, 2), "another key is another matter");
}

#[test]
fn requests_are_regained_one_by_one() {
    let (limiter, clock) = limiter(3, 60, 8);
    for _ in 0..3 {
        assert!(passes(&limiter, 1));
    }
    clock.advance(Duration::from_millis(19_999));
    assert_eq!(limiter.check(&1).retry_after_seconds, Some(1), "less than a second is not zero");
    clock.advance(Duration::from_millis(1));
    assert!(passes(&limiter, 1));
    assert!(!passes(&limiter, 1));
}

#[test]
fn refused_requests_do_not_prolong_the_wait() {
    let (limiter, clock) = limiter(1, 10, 8);
    assert!(passes(&limiter, 1));
    for _ in 0..9 {
        clock.advance(Duration::from_secs(1));
        assert!(!passes(&limiter, 1));
    }
    clock.advance(Duration::from_secs(1));
    assert!(passes(&limiter, 1));
}

#[test]
fn an_ipv6_subscriber_is_one_address_and_ipv4_has_one_spelling() {
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    assert_ne!(key("0.0.0.1"), key("0:0:0:1::"));
}

#[test]
fn an_answer_tells_where_its_caller_stands_refused_or_not() {
    let limiter = RateLimiter(Limiter::new("address", Rate::new(2, 60).unwrap(), 8, FakeRelativeClock::default()));
    let client = IpAddr::from([192, 0, 2, 1]);
    let tell = || {
        let mut answer = Vec::new();
        let verdict = limit(&limiter, client, &mut answer);
        let fields: Vec<_> =
            answer.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        (verdict.is_ok(), fields)
    };
    let terms = "ratelimit-policy: \"address\";q=2;w=60".to_owned();
    assert_eq!(tell(), (true, vec!["ratelimit: \"address\";r=1;t=30".to_owned(), terms.clone()]));
    assert_eq!(tell(), (true, vec!["ratelimit: \"address\";r=0;t=60".to_owned(), terms.clone()]));
    assert_eq!(tell(), (false, vec!["ratelimit: \"address\";r=0;t=30".to_owned(), terms]));
}

#[test]
fn a_million_addresses_take_no_more_memory_than_a_few() {
    let store = BoundedStore::<AddressKey>::new(4096);
    assert_eq!(store.capacity(), 4096);
    assert!(size_of::<Option<(AddressKey, u64)>>() <= 24, "3 MiB for 128 Ki addresses");
    let (limiter, _) = limiter(10, 60, 4096);
    for key in 0..1_000_000 {
        assert!(passes(&limiter, key));
    }
    // All of its memory was taken at first: the store has no way to grow.
    assert_eq!(limiter.cells.into_state_store().capacity(), 4096);
}

#[test]
fn a_flood_of_other_addresses_sets_nobody_free() {
    let (limiter, clock) = limiter(10, 60, 1024);
    while passes(&limiter, 0) {}
    for other in 1..200_000 {
        let _ = limiter.check(&other);
    }
    clock.advance(Duration::from_secs(5));
    for other in 200_000..400_000 {
        let _ = limiter.check(&other);
    }
    assert!(!passes(&limiter, 0));
}

#[test]
fn a_check_costs_the_same_however_many_addresses_there_are() {
    let limiters = [10u32, 100_000].map(|addresses| {
        let limiter = RateLimiter::new(Rate::new(1000, 60).unwrap(), RateLimiter::ADDRESSES_MAX);
        let keys: Vec<AddressKey> = (0..addresses).map(AddressKey::V4).collect();
        keys.iter().for_each(|key| drop(limiter.0.check(key)));
        (limiter, keys)
    });
    // Interleaved, and the best of several rounds, so that what else the machine does falls on both.
    let round = |(limiter, keys): &(RateLimiter, Vec<AddressKey>)| {
        let started = Instant::now();
        keys.iter().cycle().take(20_000).for_each(|key| drop(limiter.0.check(key)));
        started.elapsed()
    };
    let rounds: Vec<_> = (0..9).map(|_| limiters.each_ref().map(round)).collect();
    let [few, many] = [0, 1].map(|which| rounds.iter().map(|times| times[which]).min().unwrap());
    // 10,000 times the addresses. A search among them would show; caches of the processor make some difference.
    assert!(many < few * 20, "{many:?} against {few:?} for 20,000 checks");
}

proptest! {
    #[test]
    fn forgetting_never_refuses_and_room_means_exactness(
        requests in prop::collection::vec((0u32..12, 0u64..2_000), 1..200),
        room in prop::sample::select(vec![1usize, 8, 4096]),
    ) {
        let (bounded, clock) = limiter(5, 10, room);
        let mut states: HashMap<u32, Limiter<u32, FakeRelativeClock>> = HashMap::new();
        for (key, wait) in requests {
            clock.advance(Duration::from_millis(wait));
            let alone = states.entry(key).or_insert_with(|| {
                Limiter::new("address", Rate::new(5, 10).unwrap(), 1, clock.clone())
            });
            let (bounded, alone) = (passes(&bounded, key), passes(alone, key));
            // A store with room says what a store for this key alone says. One without may forget, and then allows.
            if room == 4096 {
                prop_assert_eq!(bounded, alone);
            }
        }
    }
}
