//! The task, with paused time and the limiter of the client.

use super::*;
use crate::auth0::Rate;
use std::pin::pin;
use tokio::time::{sleep, timeout};

const HOST: &str = "example.auth0.com";
const SECOND: Duration = Duration::from_secs(1);

fn key(name: &str) -> Key {
    Key::new(Kind::Update, "a", name)
}

/// A dispatcher whose hosts share this limiter.
fn dispatcher(rate: Rate) -> (Arc<Dispatcher>, Arc<auth0::Limiter>) {
    let limiter = Arc::<auth0::Limiter>::default();
    limiter.set_rate(rate);
    let shared = Arc::clone(&limiter);
    (Dispatcher::new(8, move |_| Arc::clone(&shared)), limiter)
}

/// A limiter that is never in the way.
fn plenty() -> (Arc<Dispatcher>, Arc<auth0::Limiter>) {
    dispatcher(Rate { per_minute: 60_000, burst: 1_000 })
}

/// Ten that wait for a limiter of one request a minute.
fn crowd() -> Arc<Dispatcher> {
    let (dispatcher, limiter) = dispatcher(Rate { per_minute: 1, burst: 1 });
    limiter.spend();
    for index in 0..10 {
        dispatcher.add(key(&index.to_string()), Some(HOST), Priority::Change, Instant::now());
    }
    dispatcher
}

/// The pass that is started within this time.
async fn within(time: Duration, dispatcher: &Dispatcher) -> Option<Key> {
    timeout(time, dispatcher.next()).await.ok()
}

async fn now(dispatcher: &Dispatcher) -> Option<Key> {
    within(Duration::ZERO, dispatcher).await
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_limiter_is_not_overdue() {
    let dispatcher = crowd();
    let mut passes = 0;
    let run = async {
        loop {
            let permit = dispatcher.permit(&dispatcher.next().await).unwrap();
            permit.begin();
            passes += 1;
        }
    };
    timeout(Duration::from_mins(6), run).await.unwrap_err();
    assert!(passes >= 5 && dispatcher.overdue() < SECOND, "{passes}");
    assert!(dispatcher.waiting().iter().any(|waiting| waiting.oldest >= Duration::from_mins(6)));
}

#[tokio::test(start_paused = true)]
async fn a_pass_says_how_long_it_has_waited_since_its_time_came() {
    let (dispatcher, limiter) = dispatcher(Rate { per_minute: 60, burst: 1 });
    for (ready_in, is_spent, waited) in [(0, true, 1), (60, false, 0), (60, true, 1)] {
        let ready_at = Instant::now() + ready_in * SECOND;
        dispatcher.add(key("a"), Some(HOST), Priority::Change, ready_at);
        if is_spent {
            tokio::time::sleep_until(ready_at).await;
            limiter.spend();
        }
        let started = dispatcher.next().await;
        assert_eq!(dispatcher.permit(&started).unwrap().waited().as_secs(), waited, "{ready_in} s");
        sleep(10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whom_nobody_starts_is_overdue() {
    let dispatcher = crowd();
    sleep(Duration::from_mins(6)).await;
    assert_eq!(dispatcher.overdue(), Duration::from_mins(6));
}

#[tokio::test(start_paused = true)]
async fn a_timer_starts_its_pass_and_what_is_added_meanwhile_goes_first() {
    let (dispatcher, _) = plenty();
    let begun = Instant::now();
    dispatcher.add(key("resync"), Some(HOST), Priority::Resync, begun + 60 * SECOND);
    let mut next = pin!(dispatcher.next());
    assert!(timeout(SECOND, &mut next).await.is_err());
    assert!(dispatcher.waiting().iter().all(|waiting| waiting.count == 0));
    dispatcher.add(key("edit"), Some(HOST), Priority::Change, Instant::now());
    assert_eq!(next.await, key("edit"));
    assert_eq!(begun.elapsed(), SECOND);
    assert_eq!(dispatcher.next().await, key("resync"));
    assert_eq!(begun.elapsed(), 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_leaves_workers_for_the_others_and_the_end_of_a_pass_wakes() {
    let (dispatcher, _) = plenty();
    for index in 0..20 {
        dispatcher.add(key(&index.to_string()), Some(HOST), Priority::Change, Instant::now());
    }
    let mut permits = Vec::new();
    while let Some(key) = now(&dispatcher).await {
        permits.extend(dispatcher.permit(&key));
    }
    assert_eq!(permits.len(), 6);
    let quick = Key::new(Kind::Update, "b", "quick");
    dispatcher.add(quick.clone(), Some("other.auth0.com"), Priority::Change, Instant::now());
    assert_eq!(now(&dispatcher).await, Some(quick));
    let (next, ()) = tokio::join!(within(9 * SECOND, &dispatcher), async {
        sleep(SECOND).await;
        permits.pop();
    });
    assert!(next.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_permit_pays_for_what_the_start_waited_for_and_gives_back_the_rest() {
    let (dispatcher, limiter) = dispatcher(Rate { per_minute: 1, burst: 2 });
    let begun = Instant::now();
    for sent in [0, 1, 2] {
        dispatcher.add(key("one"), Some(HOST), Priority::Change, begun);
        let permit = dispatcher.permit(&dispatcher.next().await).unwrap();
        if sent > 0 {
            permit.begin();
        }
        if sent > 1 {
            permit.acquire(&limiter).await.unwrap();
        }
    }
    // One request was sent in the second pass: the third waited for its successor, and is paid for both.
    assert_eq!(begun.elapsed(), Duration::from_mins(1));
    assert!(auth0::Limiter::start(&limiter, 1).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_does_not_begin_holds_no_worker_and_keeps_what_is_asked_for_since() {
    let (dispatcher, limiter) = dispatcher(Rate { per_minute: 1, burst: 2 });
    let now = Instant::now();
    dispatcher.add(key("gone"), Some(HOST), Priority::Change, now);
    assert_eq!(dispatcher.next().await, key("gone"));
    dispatcher.add(key("gone"), Some(HOST), Priority::Block, now);
    dispatcher.skipped(&key("gone"));
    assert!(dispatcher.permit(&key("gone")).is_none());
    assert_eq!(within(Duration::ZERO, &dispatcher).await, Some(key("gone")));
    dispatcher.add(key("gone"), Some(HOST), Priority::Block, now);
    dispatcher.remove(&key("gone"));
    assert_eq!(within(9 * SECOND, &dispatcher).await, None);
    assert_eq!(auth0::Limiter::start(&limiter, 2), Ok(2), "what was paid for is back");
}

#[tokio::test(start_paused = true)]
async fn after_a_list_only_what_it_holds_waits() {
    let (dispatcher, _) = plenty();
    let begun = Instant::now();
    let tenant = Key::new(Kind::Tenant, "a", "0");
    dispatcher.add(tenant.clone(), Some(HOST), Priority::Block, begun);
    for index in 0..4 {
        dispatcher.add(key(&index.to_string()), Some(HOST), Priority::Change, begun);
    }
    let waiting = || dispatcher.waiting().iter().map(|waiting| waiting.count).sum::<usize>();
    assert_eq!(now(&dispatcher).await, Some(tenant));
    assert_eq!(now(&dispatcher).await, Some(key("0")));
    dispatcher.retain(Kind::Update, Some("b"), &HashSet::new());
    assert_eq!(waiting(), 3);
    dispatcher.retain(Kind::Update, Some("a"), &HashSet::from([key("1"), key("2")]));
    assert_eq!((waiting(), dispatcher.permit(&key("0")).is_none()), (2, true));
    dispatcher.retain(Kind::Update, None, &HashSet::new());
    assert_eq!(waiting(), 0);
    assert!(dispatcher.permit(&Key::new(Kind::Tenant, "a", "0")).is_some(), "of another kind");
}

#[tokio::test(start_paused = true)]
async fn a_resync_waits_while_little_is_left() {
    let (dispatcher, limiter) = plenty();
    let begun = Instant::now();
    for (name, priority) in [("resync", Priority::Resync), ("retry", Priority::Retry)] {
        dispatcher.add(key(name), Some(HOST), priority, begun);
    }
    limiter.record(Budget { limit: 50, remaining: 9, reset: 1, reset_in: SECOND });
    assert_eq!(dispatcher.next().await, key("retry"));
    assert_eq!(dispatcher.next().await, key("resync"));
    assert_eq!(begun.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_calls_nobody_gives_its_trial_back() {
    let (dispatcher, limiter) = plenty();
    for _ in 0..10 {
        drop(limiter.send(true).await);
    }
    sleep(3 * SECOND).await;
    for name in ["next", "trial"] {
        dispatcher.add(key(name), Some(HOST), Priority::Change, Instant::now());
    }
    let first = dispatcher.next().await;
    assert_eq!(within(SECOND, &dispatcher).await, None, "one finds out for all");
    drop(dispatcher.permit(&first));
    assert!(now(&dispatcher).await.is_some());
}
