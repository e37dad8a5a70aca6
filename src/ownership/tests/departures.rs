//! What others see of a resource that left, and for how long.

use crate::ownership::tests::*;

/// An owner, a rival that wants the name otherwise, and a third one that agrees with the rival.
fn contested() -> [Auth0UserUpdate; 3] {
    let of = |name: &str, created, value: &str| resource(name, created, &json!({"name": value}));
    [of("old", 1, "A"), of("new", 2, "B"), of("third", 3, "B")]
}

/// Lets the owner leave its name in one way or another.
fn leave(ownership: &Ownership, way: &str) {
    let [mut old, ..] = contested();
    let moved = |card: &Value| ownership.update(&resource("old", 1, card));
    match way {
        "gone" => ownership.remove(Uid::new("old")),
        "not listed" => ownership.retain(None, &["new", "third"].map(Uid::new).into()),
        "being deleted" => {
            old.metadata.deletion_timestamp = old.metadata.creation_timestamp.clone();
            ownership.update(&old);
        }
        "dropped" => moved(&json!({"nickname": "A"})),
        "observes" => moved(&json!({"name": "A", "mode": "Observe"})),
        _ => moved(&json!({"name": "A", "tenantRef": {"name": "other"}})),
    }
}

#[test]
fn a_takeover_waits_and_wakes_the_followers_once() {
    for way in ["gone", "not listed", "being deleted", "dropped", "observes", "another tenant"] {
        let [old, new, third] = contested();
        let ownership = ownership_of([&old, &new, &third]);
        let before = [contest(&ownership, &new), contest(&ownership, &third)];
        let mut woken = ownership.subscribe();
        leave(&ownership, way);
        assert_eq!(conflicts(&ownership, &new), [pair("name", "old")], "{way}");
        assert_eq!([contest(&ownership, &new), contest(&ownership, &third)], before, "{way}");
        // Whose host another tenant is, only a judgement can tell.
        assert_eq!(names(&mut woken).is_empty(), way != "another tenant", "{way}");
        take_over(&ownership);
        assert_eq!(names(&mut woken), ["new", "third"], "{way}");
        assert_eq!((conflicts(&ownership, &new), conflicts(&ownership, &third)), (vec![], vec![]), "{way}");
        assert_ne!(contest(&ownership, &new), before[0], "{way}");
        take_over(&ownership);
        assert!(woken.try_recv().is_err(), "{way}");
    }
}

#[test]
fn rivals_that_leave_one_after_the_other_are_in_conflict_until_the_end() {
    let [old, new, _] = contested();
    let ownership = ownership_of([&old, &new]);
    ownership.remove(Uid::new("old"));
    assert!(!conflicts(&ownership, &new).is_empty());
    ownership.remove(Uid::new("new"));
    take_over(&ownership);
    assert!(ownership.with(|state| state.index.users.is_empty()));
    assert_eq!(ownership.with(|state| state.index.next_due()), None, "nothing is left of them");
}

#[test]
fn an_owner_that_comes_back_in_time_is_the_owner_with_what_it_wants_then() {
    let [old, new, third] = contested();
    let ownership = ownership_of([&old, &new, &third]);
    let before = contest(&ownership, &new);
    let mut woken = ownership.subscribe();
    ownership.update(&resource("old", 1, &json!({"nickname": "n"})));
    ownership.update(&old);
    assert_eq!(contest(&ownership, &new), before);
    take_over(&ownership);
    assert_eq!(contest(&ownership, &new), before);
    ownership.update(&resource("old", 1, &json!({"nickname": "n"})));
    ownership.update(&resource("old", 1, &json!({"name": "B"})));
    assert_eq!(conflicts(&ownership, &new), [], "it agrees now");
    names(&mut woken);
    take_over(&ownership);
    assert_eq!(names(&mut woken), [""; 0], "it owns the field again");
}

#[test]
fn of_an_owner_that_left_the_last_wish_counts() {
    let old = |card: &Value| resource("old", 1, card);
    let new = resource("new", 2, &json!({"name": "B", "nickname": "n"}));
    let ownership = ownership_of([&old(&json!({"name": "A", "nickname": "m"})), &new]);
    ownership.update(&old(&json!({"name": "A"})));
    ownership.update(&old(&json!({"name": "B"})));
    ownership.remove(Uid::new("old"));
    assert_eq!(conflicts(&ownership, &new), [pair("nickname", "old")]);
}

#[test]
fn a_new_resource_does_not_wait_for_one_that_left_before_it_nor_for_its_own_predecessor() {
    let [old, new, _] = contested();
    let ownership = ownership_of([&old, &new]);
    ownership.remove(Uid::new("old"));
    ownership.remove(Uid::new("new"));
    let late = resource("late", 3, &json!({"name": "C"}));
    ownership.update(&late);
    assert_eq!(conflicts(&ownership, &late), []);

    let mut again = resource("old", 3, &json!({"name": "C"}));
    again.metadata.uid = Some("again".to_owned());
    let ownership = ownership_of([&old, &again]);
    let mut woken = ownership.subscribe();
    assert_eq!(conflicts(&ownership, &again), [pair("name", "old")], "the old one is not known to be gone");
    ownership.remove(Uid::new("old"));
    assert_eq!(conflicts(&ownership, &again), []);
    assert_eq!(names(&mut woken), ["old"], "at once");
}

#[tokio::test(start_paused = true)]
async fn the_task_lets_each_takeover_happen_in_its_time() {
    let [old, new, third] = contested();
    let ownership = Arc::new(Ownership::default());
    let mut woken = ownership.subscribe();
    let task = {
        let ownership = Arc::clone(&ownership);
        tokio::spawn(async move { ownership.run().await })
    };
    tokio::time::sleep(Duration::from_mins(1)).await;
    let next = async |woken: &mut UnboundedReceiver<Named>| {
        let begun = Instant::now();
        let (_, name) = timeout(INHERITANCE, woken.recv()).await.unwrap().unwrap();
        (name, begun.elapsed().as_secs())
    };
    ownership.update(&old);
    ownership.update(&new);
    ownership.remove(Uid::new("old"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    ownership.update(&third);
    ownership.remove(Uid::new("new"));
    // At the end of the first wait nothing has changed for the third, which came later.
    assert_eq!(next(&mut woken).await, ("third".to_owned(), 3));
    assert_eq!(next(&mut woken).await, ("third".to_owned(), 2));
    task.abort();
}

const PASSWORD: &str = "passwordSecretRef";

fn digests(ownership: &Ownership, object: &Auth0UserUpdate) -> Vec<String> {
    siblings(ownership, object).into_iter().map(|entry| entry.digest).collect()
}

fn pass(ownership: &Ownership, time: Duration) {
    ownership.change(|index, now| index.take_over(now + time));
}

#[test]
fn what_was_sent_is_known_to_a_successor_however_long_its_first_check_takes() {
    for created_first in [true, false] {
        let old = with_password("old", 1, "s", Some("one"));
        let new = with_password("new", 2, "s", None);
        let ownership = ownership_of([&old]);
        if created_first {
            ownership.update(&new);
            ownership.remove(Uid::new("old"));
        } else {
            ownership.remove(Uid::new("old"));
            pass(&ownership, INHERITANCE / 2);
            ownership.update(&new);
        }
        pass(&ownership, Duration::from_hours(1));
        // An edit of something else is no first check.
        let edited = json!({"passwordSecretRef": {"name": "s", "key": "password"}, "name": "Ada"});
        ownership.update(&resource("new", 2, &edited));
        assert_eq!(digests(&ownership, &new), ["one"], "{created_first}");
        let entry = &siblings(&ownership, &new)[0];
        assert_eq!((entry.state, entry.secret.as_ref()), (crate::api::TriggerState::Sent, None));
        ownership.update(&with_password("new", 2, "s", Some("one")));
        assert!(digests(&ownership, &new).is_empty(), "it has noted it down itself");
        assert!(ownership.with(|state| state.index.next_due()).is_none());
    }
}

#[test]
fn what_was_sent_is_forgotten_after_ten_minutes_unless_inherited() {
    let old = with_password("old", 1, "s", Some("one"));
    let noted = with_password("noted", 2, "s", Some("two"));
    let ownership = ownership_of([&old, &noted]);
    ownership.remove(Uid::new("old"));
    assert_eq!(digests(&ownership, &noted), ["one"]);
    pass(&ownership, INHERITANCE.mul_f64(0.99));
    assert_eq!(digests(&ownership, &noted), ["one"], "it may be about to act on a changed Secret");
    pass(&ownership, INHERITANCE);
    assert_eq!(digests(&ownership, &noted), [""; 0]);
    let late = with_password("late", 3, "s", None);
    ownership.update(&late);
    assert_eq!(digests(&ownership, &late), ["two"], "of the one that is there");
}

#[test]
fn a_new_resource_of_the_same_name_inherits_nothing_and_one_of_another_name_does() {
    let old = with_password("old", 1, "s", Some("one"));
    let mut again = with_password("old", 2, "s", None);
    again.metadata.uid = Some("again".to_owned());
    let renamed = with_password("renamed", 2, "s", None);
    let elsewhere = {
        let card =
            json!({"passwordSecretRef": {"name": "s", "key": "password"}, "tenantRef": {"name": "other"}});
        resource("elsewhere", 2, &card)
    };
    let plain = resource("plain", 2, &json!({"name": "A"}));
    let ownership = ownership_of([&old]);
    ownership.remove(Uid::new("old"));
    for object in [&again, &renamed, &elsewhere, &plain] {
        ownership.update(object);
    }
    assert_eq!(digests(&ownership, &again), [""; 0]);
    assert_eq!(digests(&ownership, &renamed), ["one"]);
    assert_eq!(digests(&ownership, &plain), [""; 0], "it sends no password");
    assert_eq!(ownership.siblings(Uid::new("elsewhere"), "other.example.com", &rights_of).len(), 0);
}

#[test]
fn what_was_sent_to_another_host_is_not_sent_to_this_one() {
    let elsewhere = |mut object: Auth0UserUpdate| {
        object.spec.tenant_ref.name = "other".to_owned();
        object
    };
    let sent = with_password("sent", 1, "s", Some("one"));
    for (other, known) in [(sent.clone(), vec!["one".to_owned()]), (elsewhere(sent), vec![])] {
        let new = with_password("new", 2, "s", None);
        assert_eq!(digests(&ownership_of([&other, &new]), &new), known);
    }
}

#[test]
fn a_note_of_a_resource_that_is_gone_claims_nothing() {
    let (gone, other) = (resource("a", 1, &json!({"name": "A"})), resource("b", 2, &json!({"name": "B"})));
    let ownership = ownership_of([&gone, &other]);
    ownership.remove(Uid::of(&gone));
    ownership.note(&gone);
    take_over(&ownership);
    assert_eq!(conflicts(&ownership, &other), []);
}

#[test]
fn what_a_successor_could_not_take_over_is_left_to_the_one_after_it() {
    let ownership =
        ownership_of([&with_password("a", 1, "s", Some("one")), &with_password("b", 2, "s", None)]);
    ownership.remove(Uid::new("a"));
    pass(&ownership, INHERITANCE);
    ownership.remove(Uid::new("b"));
    let c = with_password("c", 3, "s", None);
    ownership.update(&c);
    assert_eq!(digests(&ownership, &c), ["one"]);
}

#[test]
fn only_what_was_sent_and_lasts_is_inherited() {
    let verify = "verifyEmail";
    let card =
        json!({"passwordSecretRef": {"name": "s", "key": "password"}, "verifyEmail": true, "name": "A"});
    let memory = |password, mail| [(PASSWORD, password, "password"), (verify, mail, "mail")];
    let old = || resource("old", 1, &card);
    let new = resource("new", 2, &card);
    for (old, living, left) in [
        (with_memory(old(), memory("Sent", "Sent")), &["password", "mail"][..], &["password", "mail"][..]),
        (with_memory(old(), memory("Sending", "Refused")), &["password", "mail"], &[]),
        (in_conflict(with_memory(old(), memory("Sent", "Sent"))), &["password"], &["password"]),
        (in_conflict(with_memory(old(), memory("Sending", "Sent"))), &[], &[]),
    ] {
        let ownership = ownership_of([&old, &new]);
        assert_eq!(digests(&ownership, &new), living);
        ownership.remove(Uid::new("old"));
        assert_eq!(digests(&ownership, &new), left);
    }
}
