use super::{Pace, Phase, Rate, Ticker, Ticks};
use std::time::Duration;

#[test]
fn a_deadline_is_never_early() {
    let ticker = Ticker::default();
    let deadlines = ticker.watch();
    deadlines.arm(Phase::Head, Duration::from_millis(250).into());
    for now in 1..=3 {
        ticker.advance(now);
        assert!(!deadlines.expired(Phase::Head), "tick {now}");
    }
    ticker.advance(4);
    assert!(deadlines.expired(Phase::Head));
    assert!(!deadlines.expired(Phase::Idle));
    deadlines.disarm(Phase::Head);
    assert!(!deadlines.expired(Phase::Head));
}

#[test]
fn a_closed_connection_is_no_longer_watched() {
    let ticker = Ticker::default();
    let one = ticker.watch();
    let two = ticker.watch();
    assert_eq!(ticker.watched(), 2);
    drop(one);
    assert_eq!(ticker.watched(), 1);
    ticker.drain();
    assert!(two.draining());
}

#[test]
fn a_connection_may_hibernate_when_nothing_but_a_request_is_expected_for_a_while() {
    let ticker = Ticker::default();
    let deadlines = ticker.watch();
    deadlines.hibernate_when_idle(Ticks(600));
    let rests_at = |now: u32| {
        ticker.advance(now);
        deadlines.may_hibernate()
    };
    assert!(!rests_at(100), "nothing says that it is idle");
    deadlines.arm(Phase::Idle, Ticks(600));
    assert!(!rests_at(119) && rests_at(120));
    deadlines.arm(Phase::Write, Ticks(300));
    assert!(!rests_at(121), "an answer is still being written");
    deadlines.disarm(Phase::Write);
    assert!(rests_at(122));
    deadlines.arm(Phase::Idle, Ticks(600));
    assert!(!deadlines.may_hibernate(), "there was a request just now");
    assert!(!rests_at(123) && rests_at(142));
}

/// Whether a peer lasts that moves so many bytes each so many ticks.
fn outlasts(rate: u32, bytes: usize, every: u32) -> bool {
    let ticker = Ticker::default();
    let deadlines = ticker.watch();
    let mut pace = Pace::new(Ticks(20), Rate::per_second(rate));
    for now in 1..=2000 {
        pace.waiting(&deadlines, Phase::Body);
        ticker.advance(now);
        if deadlines.expired(Phase::Body) {
            return false;
        }
        if now % every == 0 {
            pace.moved(bytes, &deadlines, Phase::Body);
        }
    }
    true
}

#[test]
fn a_dripping_peer_runs_out_of_budget_and_a_fast_one_never() {
    assert!(!outlasts(2048, 1, 1));
    assert!(!outlasts(2048, 180, 1));
    assert!(outlasts(2048, 204, 1));
}

#[test]
fn a_peer_that_is_quiet_for_a_while_is_judged_by_its_average() {
    assert!(outlasts(2048, 3100, 15), "above the rate, in bursts");
    assert!(!outlasts(2048, 3000, 15), "below it, in bursts");
    assert!(!outlasts(2048, 1 << 20, 21), "a pause longer than the budget");
}

#[test]
fn without_a_least_rate_any_byte_makes_up_for_a_wait() {
    assert!(outlasts(0, 1, 19));
    assert!(!outlasts(0, 1, 21));
}

/// What is too little for a tick is not lost.
#[test]
fn small_pieces_earn_as_much_as_large_ones() {
    let ticker = Ticker::default();
    let deadlines = ticker.watch();
    let mut pace = Pace::new(Ticks(20), Rate::per_second(1000));
    for now in 1..=1000 {
        ticker.advance(now);
        for _ in 0..3 {
            pace.waiting(&deadlines, Phase::Body);
            assert!(!deadlines.expired(Phase::Body), "at {now}");
            pace.moved(34, &deadlines, Phase::Body);
        }
        pace.waiting(&deadlines, Phase::Body);
    }
}
