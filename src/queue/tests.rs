//! The order of starts, with a toy limiter.

use super::*;
use std::sync::Mutex;

const SECOND: Duration = Duration::from_secs(1);

/// So many permits at once; each that is sent comes back after a second.
struct Toy {
    burst: u32,
    left: u32,
    empty_until: Option<Instant>,
    scarce_until: Option<Instant>,
}

#[derive(Clone)]
struct Bucket(Arc<Mutex<Toy>>);

impl Bucket {
    fn new(burst: u32) -> Self {
        Self(Arc::new(Mutex::new(Toy { burst, left: burst, empty_until: None, scarce_until: None })))
    }

    fn left(&self) -> u32 {
        self.0.lock().unwrap().left
    }
}

impl Limiter for Bucket {
    fn start(&mut self, requests: u32, now: Instant) -> Result<u32, Instant> {
        let mut toy = self.0.lock().unwrap();
        if toy.empty_until.is_some_and(|until| until <= now) {
            (toy.left, toy.empty_until) = (toy.left + 1, None);
        }
        let requests = requests.min(toy.burst);
        if toy.left < requests {
            return Err(*toy.empty_until.get_or_insert(now + SECOND));
        }
        toy.left -= requests;
        Ok(requests)
    }

    fn give_back(&mut self, permits: u32, _: Instant) {
        self.0.lock().unwrap().left += permits;
    }

    fn scarce_for(&self, now: Instant) -> Duration {
        let until = self.0.lock().unwrap().scarce_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

fn queue(workers: usize) -> Queue<Bucket> {
    Queue::new(workers, |_| Bucket::new(1_000_000))
}

/// A queue whose hosts share this limiter.
fn limited(workers: usize, bucket: &Bucket) -> Queue<Bucket> {
    let bucket = bucket.clone();
    Queue::new(workers, move |_| bucket.clone())
}

fn key(namespace: &str, name: &str) -> Key {
    Key::new(Kind::Update, namespace, name)
}

fn text(key: &Key) -> String {
    format!("{}/{}", key.namespace(), key.name())
}

fn add(queue: &mut Queue<Bucket>, namespace: &str, name: &str, priority: Priority, at: Instant) {
    queue.add(key(namespace, name), Some("h"), priority, at);
}

/// Starts the next, which goes on.
fn start(queue: &mut Queue<Bucket>, now: Instant) -> Option<String> {
    match queue.next(now) {
        Next::Start(key, _) => Some(text(&key)),
        Next::Wait(_) | Next::Idle => None,
    }
}

/// Starts the next, which ends at once and has spent all that it paid for.
fn pass(queue: &mut Queue<Bucket>, now: Instant) -> Option<String> {
    let Next::Start(key, _) = queue.next(now) else { return None };
    queue.done(&key, 0, now);
    Some(text(&key))
}

fn all(queue: &mut Queue<Bucket>, now: Instant) -> Vec<String> {
    std::iter::from_fn(|| pass(queue, now)).collect()
}

/// How many of the first starts are of the namespace.
fn starts_of(namespace: &str, order: &[String]) -> usize {
    order.iter().filter(|who| who.split_once('/').unwrap().0 == namespace).count()
}

/// What is left behind where nothing waits and nothing runs.
fn is_clean(queue: &Queue<Bucket>) -> bool {
    queue.entries.is_empty()
        && queue.timers.is_empty()
        && queue.running.is_empty()
        && queue.hosts.is_empty()
        && queue.namespaces.is_empty()
}

#[test]
fn the_more_urgent_comes_first() {
    let (mut queue, now) = (queue(8), Instant::now());
    for priority in Priority::ALL.into_iter().rev() {
        add(&mut queue, "a", priority.name(), priority, now);
    }
    assert_eq!(all(&mut queue, now), ["a/block", "a/change", "a/retry", "a/resync"]);
    assert!(is_clean(&queue));
}

#[test]
fn a_resync_waits_in_the_queue_and_an_edit_overtakes_it() {
    let (mut queue, now) = (queue(8), Instant::now());
    add(&mut queue, "a", "one", Priority::Resync, now + 60 * SECOND);
    assert_eq!(queue.next(now), Next::Wait(now + 60 * SECOND));
    add(&mut queue, "a", "one", Priority::Change, now);
    assert_eq!(all(&mut queue, now), ["a/one"]);
    assert_eq!(queue.next(now + 60 * SECOND), Next::Idle, "one entry for each resource");
}

#[test]
fn of_two_wishes_the_more_urgent_and_the_earlier_count() {
    let (mut queue, now) = (queue(8), Instant::now());
    add(&mut queue, "a", "first", Priority::Change, now);
    add(&mut queue, "a", "second", Priority::Resync, now + 9 * SECOND);
    add(&mut queue, "a", "second", Priority::Block, now + SECOND);
    add(&mut queue, "a", "second", Priority::Retry, now + 5 * SECOND);
    assert_eq!(queue.next(now + SECOND), Next::Start(key("a", "second"), 2));
    assert_eq!(all(&mut queue, now), ["a/first"]);
}

#[test]
fn who_was_ready_first_comes_first() {
    let (mut queue, now) = (queue(8), Instant::now());
    add(&mut queue, "a", "a-later", Priority::Change, now + SECOND);
    add(&mut queue, "a", "b-sooner", Priority::Change, now);
    assert_eq!(all(&mut queue, now + SECOND), ["a/b-sooner", "a/a-later"]);
}

#[test]
fn a_resource_that_turns_to_another_host_waits_there() {
    let bucket = Bucket::new(1);
    bucket.clone().start(1, Instant::now()).unwrap();
    let (mut queue, now) = (queue(8), Instant::now());
    queue.limiter_of = Box::new(move |host| if host == "h" { bucket.clone() } else { Bucket::new(9) });
    add(&mut queue, "a", "one", Priority::Change, now);
    assert!(matches!(queue.next(now), Next::Wait(_)));
    queue.add(key("a", "one"), Some("other"), Priority::Change, now);
    assert_eq!(all(&mut queue, now), ["a/one"]);
    assert!(is_clean(&queue));
}

#[test]
fn a_resource_without_a_host_waits_for_a_worker_alone() {
    let bucket = Bucket::new(1);
    let (mut queue, now) = (limited(2, &bucket), Instant::now());
    add(&mut queue, "a", "calls", Priority::Block, now);
    for name in ["one", "two"] {
        queue.add(key("a", name), None, Priority::Resync, now);
    }
    let Next::Start(calls, 1) = queue.next(now) else { panic!("the block comes first") };
    assert_eq!(queue.next(now), Next::Start(key("a", "one"), 0));
    assert_eq!(queue.next(now), Next::Idle, "no worker is free");
    queue.done(&calls, 0, now);
    assert_eq!(queue.next(now), Next::Start(key("a", "two"), 0));
    assert_eq!(bucket.left(), 0);
}

#[test]
fn a_crowded_namespace_takes_turns_with_the_others() {
    let (mut queue, now) = (queue(8), Instant::now());
    for index in 0..1_000 {
        add(&mut queue, "crowd", &format!("{index:03}"), Priority::Change, now);
    }
    add(&mut queue, "small", "one", Priority::Change, now);
    assert_eq!([(); 2].map(|()| pass(&mut queue, now).unwrap()), ["crowd/000", "small/one"]);
}

#[test]
fn edits_have_every_second_start_beside_a_namespace_that_keeps_its_blocks_edited() {
    for other_host in ["h", "other"] {
        let (mut queue, mut now) = (queue(8), Instant::now());
        for index in 0..2_400 {
            add(&mut queue, "blocks", &index.to_string(), Priority::Block, now);
        }
        for index in 0..200 {
            queue.add(key("edits", &index.to_string()), Some(other_host), Priority::Change, now);
        }
        let mut order = Vec::new();
        for _ in 0..200 {
            now += SECOND / 100;
            let started = pass(&mut queue, now).unwrap();
            let (namespace, name) = started.split_once('/').unwrap();
            if namespace == "blocks" {
                add(&mut queue, namespace, name, Priority::Block, now);
            }
            order.push(started);
        }
        assert_eq!(starts_of("edits", &order), 100, "{other_host}");
    }
}

#[test]
fn a_block_goes_before_the_resyncs_of_another_namespace() {
    let (mut queue, now) = (queue(8), Instant::now());
    for (namespace, name, priority) in [
        ("a", "resync", Priority::Resync),
        ("b", "block", Priority::Block),
        ("b", "resync", Priority::Resync),
    ] {
        add(&mut queue, namespace, name, priority, now);
    }
    let order = all(&mut queue, now);
    let place = |who| order.iter().position(|other| other == who).unwrap();
    assert!(place("b/block") <= 1 && place("b/block") < place("b/resync"), "{order:?}");
}

#[test]
fn the_urgent_of_a_namespace_goes_first_whichever_host_it_calls() {
    let (mut queue, now) = (queue(8), Instant::now());
    for index in 0..20 {
        let name = index.to_string();
        queue.add(key("a", &name), Some(&format!("host-{name}")), Priority::Resync, now);
    }
    queue.add(key("a", "block"), Some("last"), Priority::Block, now);
    assert_eq!(pass(&mut queue, now).unwrap(), "a/block");
}

#[test]
fn a_host_with_resyncs_alone_has_its_turn_beside_one_with_blocks() {
    let (mut queue, now) = (queue(8), Instant::now());
    for index in 0..100 {
        add(&mut queue, "a", &format!("block-{index}"), Priority::Block, now);
    }
    for host in ["i", "j"] {
        queue.add(key("a", host), Some(host), Priority::Resync, now);
    }
    let order = all(&mut queue, now);
    for name in ["a/i", "a/j"] {
        assert!(order.iter().position(|who| who == name).unwrap() < 17, "{order:?}");
    }
}

#[test]
fn no_priority_starves_and_nothing_is_lost() {
    let (mut queue, now) = (queue(8), Instant::now());
    for index in 0..100 {
        add(&mut queue, "a", &format!("block-{index}"), Priority::Block, now);
        add(&mut queue, "a", &format!("edit-{index}"), Priority::Change, now);
    }
    for (name, priority) in [("retry", Priority::Retry), ("resync", Priority::Resync)] {
        add(&mut queue, "a", name, priority, now);
    }
    let order = all(&mut queue, now);
    assert_eq!(order.len(), 202);
    for name in ["a/edit-0", "a/retry", "a/resync"] {
        assert!(order.iter().position(|who| who == name).unwrap() < 40, "{order:?}");
    }
    assert!(order[..7].iter().all(|who| who.contains("block")));
}

#[test]
fn a_retry_is_served_while_edits_and_resyncs_keep_coming() {
    let (mut queue, now) = (queue(8), Instant::now());
    for index in 0..1_000 {
        add(&mut queue, "a", &format!("resync-{index}"), Priority::Resync, now);
    }
    add(&mut queue, "a", "retry", Priority::Retry, now);
    let mut served = Vec::new();
    for index in 0..40 {
        add(&mut queue, "a", &format!("edit-{index}"), Priority::Change, now);
        add(&mut queue, "a", &format!("resync-{}", 1_000 + index), Priority::Resync, now);
        served.extend(pass(&mut queue, now));
    }
    assert!(served.contains(&"a/retry".to_owned()), "{served:?}");
}

#[test]
fn a_namespace_whose_only_resource_keeps_being_edited_takes_turns_too() {
    let (mut queue, now) = (queue(8), Instant::now());
    for index in 0..100 {
        add(&mut queue, "crowd", &index.to_string(), Priority::Change, now);
    }
    let mut order = Vec::new();
    for index in 0..100 {
        // Its resync is asked for at the end of each pass, its edit a moment later.
        queue.add(key("busy", "one"), Some("other"), Priority::Resync, now + 60 * SECOND);
        queue.add(key("busy", "one"), Some("other"), Priority::Change, now + index * SECOND / 1_000);
        let Next::Start(key, _) = queue.next(now + SECOND) else { panic!("{index}") };
        if &**key.namespace() == "busy" {
            queue.add(key.clone(), Some("other"), Priority::Resync, now + 60 * SECOND);
        }
        queue.done(&key, 0, now);
        order.push(text(&key));
    }
    assert_eq!(starts_of("crowd", &order), 50);
}

#[test]
fn what_is_asked_for_during_a_pass_comes_after_it_and_never_beside_it() {
    let (mut queue, now) = (queue(8), Instant::now());
    add(&mut queue, "a", "one", Priority::Change, now);
    assert!(start(&mut queue, now).is_some());
    // An edit, and then the resync that the pass asks for at its end.
    add(&mut queue, "a", "one", Priority::Block, now);
    add(&mut queue, "a", "one", Priority::Resync, now + 60 * SECOND);
    assert_eq!(queue.next(now), Next::Idle);
    queue.done(&key("a", "one"), 0, now);
    assert!(start(&mut queue, now).is_some());
    add(&mut queue, "a", "one", Priority::Change, now);
    queue.remove(&key("a", "one"));
    queue.done(&key("a", "one"), 0, now);
    assert_eq!(queue.next(now), Next::Idle);
    assert!(is_clean(&queue));
}

#[test]
fn the_same_name_of_another_kind_is_another_resource() {
    let (mut queue, now) = (queue(8), Instant::now());
    let tenant = Key::new(Kind::Tenant, "a", "one");
    queue.add(tenant.clone(), Some("h"), Priority::Change, now);
    add(&mut queue, "a", "one", Priority::Change, now);
    let mut started = [queue.next(now), queue.next(now)];
    started.sort_by_key(|next| format!("{next:?}"));
    assert!(started.contains(&Next::Start(tenant, 1)), "a tenant reads a page: {started:?}");
    assert!(started.contains(&Next::Start(key("a", "one"), 2)), "an edit reads and changes: {started:?}");
}

#[test]
fn who_is_gone_holds_no_place() {
    let (mut queue, now) = (queue(8), Instant::now());
    for (name, at) in [("gone", now), ("gone-later", now + SECOND), ("there", now)] {
        add(&mut queue, "a", name, Priority::Change, at);
    }
    queue.add(key("a", "running"), None, Priority::Block, now);
    assert_eq!(start(&mut queue, now).unwrap(), "a/running");
    add(&mut queue, "a", "running", Priority::Change, now);
    queue.retain(|key| key.name() == "there");
    queue.done(&key("a", "running"), 0, now);
    assert_eq!(all(&mut queue, now + SECOND), ["a/there"]);
    assert!(is_clean(&queue));
}

#[test]
fn a_slow_host_and_a_slow_namespace_leave_workers_for_the_others() {
    // One host of several namespaces, or one namespace with several hosts.
    for (namespaces, hosts) in [(20, 1), (1, 20)] {
        let (mut queue, now) = (queue(8), Instant::now());
        for index in 0..20 {
            let (namespace, host) = (format!("a-{}", index % namespaces), format!("slow-{}", index % hosts));
            queue.add(key(&namespace, &format!("{index:02}")), Some(&host), Priority::Block, now);
        }
        let under_way = std::iter::from_fn(|| start(&mut queue, now)).count();
        assert_eq!(under_way, 6);
        queue.add(key("b", "quick"), Some("quick"), Priority::Resync, now);
        assert_eq!(start(&mut queue, now).unwrap(), "b/quick");
        queue.done(&key("a-0", "00"), 0, now);
        assert!(start(&mut queue, now).unwrap().starts_with("a-"));
        assert_eq!(start(&mut queue, now), None);
    }
}

#[test]
fn an_urgent_tenant_is_visited_beside_a_crowd_of_tenants_that_wait_for_their_budgets() {
    let (mut queue, now) = (Queue::new(8, |_: &str| Bucket::new(1)), Instant::now());
    for index in 0..140 {
        let (name, host) = (format!("tenant-{index}"), format!("host-{index}"));
        queue.add(Key::new(Kind::Tenant, "crowd", &name), Some(&host), Priority::Change, now);
        queue.add(key("crowd", &name), Some(&host), Priority::Change, now);
    }
    // Each of the crowd's hosts has spent its budget once.
    let spent = all(&mut queue, now).len();
    assert!(spent >= 140, "{spent}");
    queue.add(Key::new(Kind::Tenant, "small", "one"), Some("quick"), Priority::Change, now);
    assert_eq!(pass(&mut queue, now).unwrap(), "small/one");
    // Nor while they all want to start.
    let later = now + SECOND;
    queue.add(Key::new(Kind::Tenant, "small", "one"), Some("quick"), Priority::Change, later);
    let order = [(); 2].map(|()| pass(&mut queue, later + SECOND).unwrap());
    assert!(order.contains(&"small/one".to_owned()), "{order:?}");
}

#[test]
fn a_resync_waits_while_little_is_left_and_holds_up_nobody() {
    let (bucket, now) = (Bucket::new(9), Instant::now());
    let mut queue = limited(8, &bucket);
    bucket.0.lock().unwrap().scarce_until = Some(now + SECOND);
    add(&mut queue, "a", "resync", Priority::Resync, now);
    assert_eq!(queue.next(now), Next::Wait(now + SECOND));
    add(&mut queue, "b", "retry", Priority::Retry, now);
    assert_eq!(pass(&mut queue, now).unwrap(), "b/retry");
    assert_eq!(queue.next(now), Next::Wait(now + SECOND));
    assert_eq!(all(&mut queue, now + SECOND), ["a/resync"]);
}

#[test]
fn who_waits_for_the_limiter_holds_no_worker_and_what_is_not_sent_comes_back() {
    let bucket = Bucket::new(2);
    let (mut queue, now) = (limited(8, &bucket), Instant::now());
    for name in ["one", "two"] {
        add(&mut queue, "a", name, Priority::Change, now);
    }
    assert_eq!(queue.next(now), Next::Start(key("a", "one"), 2));
    assert_eq!(queue.next(now), Next::Wait(now + SECOND));
    queue.done(&key("a", "one"), 2, now);
    assert_eq!(queue.next(now), Next::Start(key("a", "two"), 2));
    queue.remove(&key("a", "two"));
    queue.done(&key("a", "two"), 1, now);
    assert_eq!(bucket.left(), 1);
    assert!(is_clean(&queue));
}

#[test]
fn only_what_is_ready_is_counted_and_only_what_nobody_starts_is_overdue() {
    let bucket = Bucket::new(1);
    let (mut queue, now) = (limited(8, &bucket), Instant::now());
    for (name, priority, at) in [
        ("running", Priority::Block, now),
        ("edit", Priority::Change, now + SECOND),
        ("edit too", Priority::Change, now + 2 * SECOND),
        ("resync", Priority::Resync, now + 3600 * SECOND),
    ] {
        add(&mut queue, "a", name, priority, at);
    }
    let start = now + 2 * SECOND;
    assert_eq!(queue.overdue(start), 2 * SECOND);
    let expected = |block, change, since| {
        [
            (Priority::Block, block, (block > 0).then_some(now)),
            (Priority::Change, change, since),
            (Priority::Retry, 0, None),
            (Priority::Resync, 0, None),
        ]
    };
    assert_eq!(queue.depths(start), expected(1, 2, Some(now + SECOND)), "before any is promoted");
    assert!(matches!(queue.next(start), Next::Start(..)));
    assert_eq!(queue.next(start), Next::Wait(start + SECOND));
    assert_eq!(queue.depths(start), expected(0, 2, Some(now + SECOND)));
    assert_eq!([start, start + 61 * SECOND].map(|at| queue.overdue(at)), [Duration::ZERO, 60 * SECOND]);
}

/// Numbers that look random, the same for each seed.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
    move |sides| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % sides
    }
}

/// Whatever is added, removed, started and ended in whatever order: at most `workers` run, none twice at a time, nothing
/// before its time, everything that is wanted in the end, no permit is lost, and nothing is left behind.
#[test]
fn in_any_order_nothing_runs_twice_at_once_and_nothing_is_forgotten() {
    for seed in 0..500 {
        let (mut roll, bucket, begun) = (dice(seed), Bucket::new(5), Instant::now());
        let (mut queue, mut now) = (limited(3, &bucket), begun);
        // The earliest time of each that is wanted.
        let (mut running, mut wanted) = (Vec::<(Key, u32)>::new(), BTreeMap::<Key, Instant>::new());
        let (mut sent, mut refilled) = (0, 0);
        let starts = |queue: &mut Queue<Bucket>, wanted: &mut BTreeMap<Key, Instant>, now| {
            let before = bucket.left();
            let Next::Start(key, permits) = queue.next(now) else { return (None, bucket.left() - before) };
            assert!(wanted.remove(&key).is_some_and(|at| at <= now), "{seed}: {key:?} was not wanted");
            (Some((key, permits)), bucket.left() + permits - before)
        };
        for _ in 0..200 {
            now += Duration::from_millis(roll(400) as u64);
            let who = key(["a", "b"][roll(2)], &roll(5).to_string());
            match roll(5) {
                0 | 1 => {
                    let (host, priority) = ([Some("h"), Some("i"), None][roll(3)], Priority::ALL[roll(4)]);
                    let at = now + Duration::from_secs(roll(3) as u64);
                    queue.add(who.clone(), host, priority, at);
                    wanted.entry(who).and_modify(|known| *known = at.min(*known)).or_insert(at);
                }
                2 | 3 => {
                    let (started, more) = starts(&mut queue, &mut wanted, now);
                    refilled += more;
                    if let Some(started) = started {
                        assert!(!running.iter().any(|(key, _)| *key == started.0), "{seed}");
                        running.push(started);
                    }
                    assert!(running.len() <= 3, "{seed}");
                }
                _ if roll(4) == 0 => {
                    queue.remove(&who);
                    wanted.remove(&who);
                }
                _ if !running.is_empty() => {
                    let (key, permits) = running.remove(roll(running.len()));
                    let unspent = u32::try_from(roll(3)).unwrap().min(permits);
                    sent += permits - unspent;
                    queue.done(&key, unspent, now);
                }
                _ => {}
            }
            let held: u32 = running.iter().map(|(_, permits)| permits).sum();
            assert_eq!(bucket.left() + held + sent, 5 + refilled, "{seed}");
        }
        for (key, permits) in running.drain(..) {
            queue.done(&key, permits, now);
        }
        while let next @ (Next::Start(..) | Next::Wait(_)) = {
            let (started, _) = starts(&mut queue, &mut wanted, now);
            started.map_or_else(|| queue.next(now), |(key, permits)| Next::Start(key, permits))
        } {
            match next {
                Next::Start(key, permits) => queue.done(&key, permits, now),
                Next::Wait(until) => now = until,
                Next::Idle => {}
            }
        }
        assert!(wanted.is_empty() && is_clean(&queue), "{seed}: {wanted:?}");
    }
}

/// Adds so many entries, starts and ends each, adds all again and removes them; how long that took.
fn time_of(many: usize) -> Duration {
    let (mut queue, now) = (queue(8), Instant::now());
    let keys: Vec<Key> =
        (0..many).map(|index| key(&format!("team-{}", index % 100), &format!("update-{index:06}"))).collect();
    let begun = std::time::Instant::now();
    for (index, key) in (0_u64..).zip(&keys) {
        let at = now + Duration::from_micros(index * 7_919 % 100_000);
        queue.add(key.clone(), Some("h"), Priority::Resync, at);
    }
    assert_eq!(std::iter::from_fn(|| pass(&mut queue, now + SECOND)).count(), many);
    for key in &keys {
        queue.add(key.clone(), Some("h"), Priority::Resync, now);
    }
    for key in &keys {
        queue.remove(key);
    }
    assert!(is_clean(&queue));
    begun.elapsed()
}

/// Eight times as many would take 64 times as long if each step scanned all. The best of three tries, since the machine may
/// be busy.
#[test]
fn the_time_of_a_step_hardly_grows_with_the_entries() {
    let best_of_three = |many| (0..3).map(|_| time_of(many)).min().unwrap_or_default();
    let (few, many) = (best_of_three(4_000), best_of_three(32_000));
    assert!(many < 40 * few, "4,000: {few:?}, 32,000: {many:?}");
}

#[test]
fn resyncs_of_a_host_come_together_and_only_those_that_are_soon() {
    let (now, mut queue) = (Instant::now(), queue(1));
    let names = ["ready", "soon", "later", "edited", "elsewhere"];
    let [ready, soon, later, edited, elsewhere] = names.map(|name| Key::new(Kind::Update, "n", name));
    queue.add(soon.clone(), Some("h"), Priority::Resync, now + SECOND * 9);
    queue.add(later, Some("h"), Priority::Resync, now + SECOND * 11);
    queue.add(ready.clone(), Some("h"), Priority::Resync, now);
    queue.add(edited.clone(), Some("h"), Priority::Change, now);
    queue.add(elsewhere, Some("i"), Priority::Resync, now);
    queue.add(Key::new(Kind::Tenant, "n", "tenant"), Some("h"), Priority::Resync, now);
    assert_eq!(queue.next(now), Next::Start(edited, 2));
    let until = now + SECOND * 10;
    assert_eq!(queue.resyncs("h", until, 9), [ready.clone(), soon]);
    assert_eq!(queue.resyncs("h", until, 1), [ready]);
    assert_eq!(queue.resyncs("k", until, 9), []);
}
