//! Many resources: how many requests that takes.

use crate::program::{World, manifest, person};
use auth0_sandbox::Plan;
use serde_json::json;

/// Manifests for so many users, of which the first few want another name.
fn crowd(world: &World, all: usize, differing: usize) -> String {
    let mut manifests = String::new();
    for number in 0..all {
        let slug = format!("user-{number:05}");
        let name = format!("User {number}");
        world.sandbox.put_user(person(&slug, &name)).unwrap();
        let wanted = if number < differing { "Another".to_owned() } else { name };
        manifests += &manifest(&slug, &slug, &json!({"name": wanted, "userMetadata": {"plan": "free"}}));
    }
    manifests
}

#[tokio::test]
async fn five_hundred_resources_cost_a_token_and_ten_searches_and_a_request_for_each_of_the_first_that_differ()
 {
    let world = World::start().await;
    for (differing, arguments, requests) in
        [(0, &[][..], 11), (5, &[], 16), (500, &[], 36), (500, &["--confirm", "0"], 11)]
    {
        let manifests = crowd(&world, 500, differing);
        world.requests();
        let output = world.piped(arguments, &manifests).await;
        assert_eq!(output.code, i32::from(differing > 0), "{}{}", output.out, output.err);
        assert_eq!(world.requests(), requests, "{differing} differ");
        let summary = output.out.lines().last().unwrap();
        let expected = format!(
            "500 resources: {differing} with differences ({differing} requests), {} without",
            500 - differing
        );
        assert!(summary.starts_with(&expected), "{summary}");
        assert_eq!(summary.contains("by Auth0's search"), differing == 500, "{summary}");
    }
}

#[tokio::test]
async fn what_a_search_shows_of_before_is_read_again() {
    let world = World::start().await;
    let manifests = crowd(&world, 20, 0);
    let name = |number: usize, name: &str| {
        let id = format!("auth0|user-{number:05}");
        world.sandbox.change_user(&id, |user| user.insert("name".into(), json!(name)));
    };
    (0..3).for_each(|number| name(number, "Old"));
    world.sandbox.change_rules(|rules| rules.search.lag_millis = 600_000);
    (0..3).for_each(|number| name(number, &format!("User {number}")));
    world.sandbox.put_user(person("late", "Late")).unwrap();
    world.requests();
    let late = manifest("late", "late", &json!({"name": "Late"}));
    let output = world.piped(&[], &(manifests + &late)).await;
    assert_eq!(output.out, "21 resources: 0 with differences (0 requests), 21 without\n");
    assert_eq!(
        world.requests(),
        6,
        "the token, a search, three that seem to differ, and one that does not come"
    );
}

#[tokio::test]
async fn searches_that_are_too_long_for_auth0_are_cut() {
    let world = World::start().await;
    let slugs: Vec<String> = (0..10).map(|number| format!("{number}{}", "|".repeat(500))).collect();
    let mut manifests = String::new();
    for (number, slug) in slugs.iter().enumerate() {
        let mut user = person("long", "Long");
        user["user_id"] = json!(format!("auth0|{slug}"));
        user["identities"][0]["user_id"] = json!(slug);
        (user["email"], user["username"]) =
            (json!(format!("long-{number}@example.com")), json!(format!("long-{number}")));
        world.sandbox.put_user(user).unwrap();
        manifests += &manifest(&format!("long-{number}"), slug, &json!({"name": "Long"}));
    }
    let output = world.piped(&[], &manifests).await;
    assert_eq!(output.out, "10 resources: 0 with differences (0 requests), 10 without\n", "{}", output.err);
    let refused = world.sandbox.log().iter().filter(|call| call.status == Some(414)).count();
    assert!(refused > 0, "none was too long");
}

#[tokio::test]
async fn few_users_are_read_at_once() {
    let world = World::start().await;
    let manifests = crowd(&world, 3, 3);
    world.requests();
    assert_eq!(world.piped(&[], &manifests).await.code, 1);
    assert_eq!(world.requests(), 4, "the token and three users");
}

#[tokio::test]
async fn where_auth0_asks_to_slow_down_it_waits() {
    let world = World::start().await;
    let manifests = crowd(&world, 3, 3);
    world.sandbox.set_plan(Plan::Custom { burst: 1, per_second: 1 });
    let output = world.piped(&[], &manifests).await;
    assert_eq!((output.code, output.err.as_str()), (1, ""), "{}", output.out);
}

#[tokio::test]
async fn ten_thousand_documents_are_compared() {
    let world = World::start().await;
    let manifests = crowd(&world, 10_000, 0);
    world.requests();
    let output = world.piped(&[], &manifests).await;
    assert_eq!(output.code, 0, "{}{}", output.out, output.err);
    assert_eq!(output.out, "10000 resources: 0 with differences (0 requests), 10000 without\n");
    assert_eq!(world.requests(), 201);
}
