//! The limiter, with paused time.

use crate::auth0::limiter::breaker::{PROBE, THRESHOLD};
use crate::auth0::limiter::*;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(per_minute: u32, burst: u32) -> Limiter {
    let limiter = Limiter::default();
    limiter.set_rate(Rate { per_minute, burst });
    limiter
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_rate_is_spent_in_any_stretch_of_time() {
    let limiter = limiter(120, 3);
    let begun = Instant::now();
    let mut starts = 0;
    while begun.elapsed() < 60 * SECOND {
        match limiter.start(1) {
            Ok(_) => {
                starts += 1;
                limiter.acquire(false).await.unwrap();
            }
            Err(wait) => tokio::time::sleep(wait).await,
        }
    }
    // A start and a turn each; the burst comes on top.
    assert!((2 * starts) <= 123 && 2 * starts >= 120, "{starts}");
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_comes_first() {
    let limiter = limiter(60, 1);
    assert_eq!(limiter.start(1), Ok(1));
    let begun = Instant::now();
    let (turn, ()) = tokio::join!(limiter.acquire(false), async {
        tokio::task::yield_now().await;
        assert!(limiter.start(1).unwrap_err() > SECOND);
    });
    turn.unwrap();
    assert!(begun.elapsed() >= SECOND && begun.elapsed() < 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_429_closes_it_for_everybody_for_at_least_as_long_as_asked() {
    let limiter = limiter(6000, 100);
    limiter.close(20 * SECOND);
    let wait = limiter.start(1).unwrap_err();
    assert!(wait >= 20 * SECOND && wait <= 24 * SECOND, "{wait:?}");
    let refused = limiter.acquire(false).await.unwrap_err();
    assert_eq!((refused.failure.reason, refused.effect), (Reason::RateLimited, Effect::None));
    limiter.close(SECOND);
    assert!(limiter.start(1).unwrap_err() > 19 * SECOND, "a later 429 does not open it");
    tokio::time::sleep(wait).await;
    assert_eq!(limiter.start(1), Ok(1));
    // Another client spends, too: not all that is left is ours.
    limiter.record(Budget { limit: 50, remaining: 5, reset: 6, reset_in: SECOND });
    assert_eq!(limiter.start(1), Err(GLANCE));
}

#[tokio::test(start_paused = true)]
async fn who_was_let_in_before_a_429_heeds_it_too() {
    let limiter = limiter(6000, 100);
    assert_eq!(limiter.start(1), Ok(1));
    limiter.close(SECOND);
    let begun = Instant::now();
    drop(limiter.send(false).await.unwrap());
    assert!(begun.elapsed() >= SECOND && begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
    limiter.close(10 * SECOND);
    let begun = Instant::now();
    let refused = limiter.send(false).await.err().unwrap();
    assert_eq!((refused.failure.reason, refused.effect), (Reason::RateLimited, Effect::None));
    assert!(refused.retry_after.unwrap() >= 10 * SECOND && begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn after_a_429_one_finds_out_for_all() {
    let limiter = limiter(6000, 100);
    limiter.close(SECOND);
    limiter.opened(); // an answer to a request of before
    let first = limiter.send(false).await.unwrap();
    let begun = Instant::now();
    let second = async {
        drop(limiter.send(false).await.unwrap());
        begun.elapsed()
    };
    let (waited, ()) = tokio::join!(second, async {
        assert_eq!(limiter.start(1), Err(GLANCE));
        tokio::time::sleep(SECOND).await;
        limiter.opened();
        drop(first);
    });
    assert!(waited >= SECOND && waited < 2 * SECOND, "{waited:?}");
    let (_first, _second) = (limiter.send(false).await.unwrap(), limiter.send(false).await.unwrap());
    assert!(begun.elapsed() < 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_start_pays_for_all_that_the_burst_allows_and_gets_back_what_is_not_sent() {
    for (burst, paid) in [(1, 1), (3, 2)] {
        let limiter = limiter(60, burst);
        assert_eq!(limiter.start(USUAL), Ok(paid));
        if burst == 3 {
            assert_eq!(limiter.start(USUAL), Err(SECOND), "one is left");
            limiter.give_back(1);
            assert_eq!(limiter.start(USUAL), Ok(2));
            limiter.acquire(true).await.unwrap();
        }
        assert_eq!(limiter.start(1), Err(SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_overtaken_waits_until_there_is_enough_for_a_look_too() {
    let limiter = limiter(60, 2);
    assert_eq!(limiter.start(1), Ok(1));
    let begun = Instant::now();
    assert!(limiter.acquire_spare(begun + 10 * SECOND).await);
    assert!(begun.elapsed() >= SECOND && begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(limiter.start(1), Ok(1), "it took one");
    (0..20).for_each(|_| limiter.spend());
    let begun = Instant::now();
    assert!(!limiter.acquire_spare(begun + 10 * SECOND).await && begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn the_last_fifth_is_for_logins() {
    let limiter = limiter(6000, 100);
    let told = |remaining| Budget { limit: 50, remaining, reset: 3, reset_in: 3 * SECOND };
    limiter.record(told(10));
    assert_eq!(limiter.snapshot().scarce_for, Duration::ZERO);
    limiter.record(told(9));
    assert_eq!(limiter.snapshot().scarce_for, 3 * SECOND);
    assert_eq!(limiter.start(1), Ok(1));
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(limiter.snapshot().scarce_for, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_full_bucket_for_reading_does_not_hide_an_empty_one_for_writing() {
    let limiter = limiter(6000, 100);
    limiter.record(Budget { limit: 20, remaining: 0, reset: 3, reset_in: 3 * SECOND });
    limiter.record(Budget { limit: 40, remaining: 39, reset: 1, reset_in: SECOND });
    assert_eq!((limiter.snapshot().scarce_for, limiter.start(1)), (3 * SECOND, Err(GLANCE)));
    assert_eq!(limiter.snapshot().budget.unwrap().limit, 40);
    limiter.record(Budget { limit: 20, remaining: 20, reset: 4, reset_in: SECOND });
    assert_eq!((limiter.snapshot().scarce_for, limiter.start(1)), (Duration::ZERO, Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_an_answer_costs_a_trickle_and_the_first_answer_ends_it() {
    let limiter = limiter(600_000, 10_000);
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < 3600 * SECOND {
        match limiter.start(1) {
            Ok(_) => {
                calls += 1;
                tokio::time::sleep(SECOND / 10).await;
                assert!(calls <= THRESHOLD || limiter.start(1).is_err(), "only one tries");
                drop(limiter.send(true).await);
            }
            Err(wait) => tokio::time::sleep(wait).await,
        }
    }
    assert!((55..=80).contains(&calls), "{calls}");
    if limiter.start(1).is_ok() {
        drop(limiter.send(true).await);
    }
    assert_eq!(limiter.acquire(false).await.unwrap_err().failure.reason, Reason::Auth0Unavailable);
    limiter.with(|state, _| state.breaker.answered());
    assert_eq!((limiter.start(1), limiter.start(1)), (Ok(1), Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn calls_lost_together_count_once_and_a_lost_trial_is_not_waited_for() {
    let limiter = limiter(600_000, 10_000);
    for _ in 0..100 {
        drop(limiter.send(true).await);
    }
    let wait = limiter.start(1).unwrap_err();
    assert!(wait <= 2 * SECOND, "{wait:?}");
    tokio::time::sleep(wait).await;
    assert_eq!(limiter.start(1), Ok(1));
    assert_eq!(limiter.start(1), Err(PROBE));
    tokio::time::sleep(PROBE).await;
    assert_eq!(limiter.start(1), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_emptied_is_left_alone_for_a_moment() {
    let limiter = limiter(6000, 100);
    let told = |remaining, reset_in| Budget { limit: 50, remaining, reset: 9, reset_in };
    limiter.record(told(9, Duration::ZERO));
    limiter.record(told(7, Duration::ZERO));
    let begun = Instant::now();
    let first = limiter.send(false).await.unwrap();
    let second = limiter.send(false).await.unwrap();
    assert!(begun.elapsed().is_zero() && limiter.start(1).is_err(), "two on their way leave five");
    drop((first, second));
    limiter.record(told(5, 60 * SECOND));
    let first = limiter.send(false).await.unwrap();
    assert!(begun.elapsed() >= MOMENT && begun.elapsed() < MOMENT + SECOND, "{:?}", begun.elapsed());
    // The others wait for its answer.
    let (second, ()) = tokio::join!(limiter.send(false), async {
        tokio::time::sleep(SECOND).await;
        limiter.record(Budget { reset: 12, ..told(40, SECOND) });
        drop(first);
    });
    let second = second.unwrap();
    assert!(begun.elapsed() < MOMENT + 2 * SECOND);
    drop(second);
    assert_eq!(limiter.start(1), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_lower_rate_counts_at_once() {
    let limiter = limiter(6000, 100);
    limiter.set_rate(Rate { per_minute: 60, burst: 1 });
    assert_eq!(limiter.start(1), Ok(1));
    assert!(limiter.start(1).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_counts_once_and_any_answer_closes_the_breaker() {
    let answer = |status| Answer {
        status: reqwest::StatusCode::from_u16(status).unwrap(),
        headers: reqwest::header::HeaderMap::new(),
        body: Vec::new(),
    };
    let limiter = limiter(6000, 100);
    for status in [500, 400, 500, 503, 502, 500] {
        limiter.send(true).await.unwrap().on_response(&answer(status));
    }
    assert_eq!(limiter.start(1), Ok(1), "four in a row");
    drop(limiter.send(true).await);
    assert!(limiter.start(1).is_err(), "five in a row");
    limiter.send(true).await.unwrap().on_response(&answer(404));
    assert_eq!(limiter.start(1), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_acquired_only_when_its_request_can_be_sent() {
    let limiter = limiter(6000, 100);
    limiter.record(Budget { limit: 20, remaining: 0, reset: 3, reset_in: 3 * SECOND });
    let begun = Instant::now();
    limiter.acquire(true).await.unwrap();
    assert_eq!(begun.elapsed(), 3 * SECOND, "what the pass reads again from here on is fresh");
}
