//! Plays cells: brings every resource to its earlier state, hands over every wish, and compares.

use super::send::{Objects, Sender};
use super::table::cell::Cell;
use super::table::judge::{assert_as_told, compare, compare_users, plain, told};
use super::table::meaning::password;
use super::table::way::Start;
use crate::world::{DEADLINE, World, condition};
use auth0_sandbox::Connection;
use lab::wait_until;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Plays cells in a namespace of their own.
pub async fn play(namespace: &str, cells: &[Cell]) {
    if cells.is_empty() {
        return println!("not a cell of this test");
    }
    let world = world(namespace).await;
    let sender = Sender::new(&world.kubectl, &world.objects);
    for cell in cells {
        world.sandbox.put_user(cell.seed().into()).unwrap();
    }
    let mut wrong = prepare(&world, &sender, cells).await;
    let refused = sender.wish(cells).await;
    let exist = cells.iter().filter(|cell| cell.start != Start::Nothing || !refused.contains_key(&cell.name));
    sender.settled(exist.count()).await;
    world.until_all_is_quiet().await;
    let (objects, events) = until_told(&world, &sender, cells).await;
    let mut bodies = bodies(&world);
    for cell in cells {
        let seen = Seen {
            refused: refused.get(&cell.name),
            object: objects.get(&cell.name),
            bodies: bodies.remove(&cell.name).unwrap_or_default(),
            user: user(&world, &cell.name),
            events: events.iter().filter(|name| **name == cell.name).count(),
        };
        judge(&mut wrong, cell, &seen);
    }
    assert_as_told(&wrong);
}

/// Brings every resource that a wish will change to its earlier state, and answers what was wrong with it.
async fn prepare(world: &World, sender: &Sender<'_>, cells: &[Cell]) -> Vec<String> {
    let mut wrong = Vec::new();
    let cells: Vec<&Cell> = cells.iter().filter(|cell| cell.start != Start::Nothing).collect();
    let refused = sender.prepare(&cells).await;
    assert!(refused.is_empty(), "{refused:?}");
    sender.settled(cells.len()).await;
    let mut bodies = bodies(world);
    for cell in cells {
        let bodies = bodies.remove(&cell.name).unwrap_or_default();
        compare(&mut wrong, cell, "bodies before", &cell.earlier.bodies, &bodies);
    }
    world.sandbox.clear_log();
    wrong
}

/// Resources by name, and whom the events `NullDropped` are about, once they say what they have to. What is
/// not said in time is judged like all else, cell by cell.
async fn until_told(world: &World, sender: &Sender<'_>, cells: &[Cell]) -> (Objects, Vec<String>) {
    let mut seen = (Objects::new(), Vec::new());
    let of_cell = |cell: &Cell| cell.expected.as_ref().map(|(_, outcome)| outcome.told.clone());
    let tellings: Vec<_> = cells.iter().filter_map(|cell| Some((&cell.name, of_cell(cell)?))).collect();
    let expected = tellings.iter().filter(|(_, names)| !names.is_empty()).count();
    let result = wait_until("dropped nulls told", DEADLINE, async || {
        seen = (sender.objects().await?, dropped_events(world).await?);
        let silent = tellings
            .iter()
            .filter(|(name, told)| seen.0.get(*name).is_some_and(|object| says(object) != *told));
        match silent.count() {
            0 if seen.1.len() == expected => Ok(()),
            count => Err(format!("{count} resources, {} events instead of {expected}", seen.1.len())),
        }
    })
    .await;
    if let Err(error) = result {
        println!("{error}");
    }
    seen
}

fn says(object: &Value) -> BTreeSet<String> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
    told(ready.next().and_then(|ready| ready["message"].as_str()).unwrap_or_default())
}

/// The name of the resource of each event `NullDropped`.
async fn dropped_events(world: &World) -> Result<Vec<String>, String> {
    let arguments = ["get", "events.events.k8s.io", "--field-selector=reason=NullDropped", "--output=json"];
    let output = world.kubectl.run(arguments, "").await.and_then(lab::Output::ok);
    let text = output.map_err(|error| error.to_string())?;
    let list: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let names = list["items"].as_array().into_iter().flatten();
    Ok(names.map(|event| event["regarding"]["name"].as_str().unwrap_or_default().to_owned()).collect())
}

/// A world whose connection clears whatever Auth0 may clear, and whose tenant has no narrow budget.
async fn world(namespace: &str) -> World {
    let world = World::start(namespace).await;
    world
        .sandbox
        .put_connection(Connection::database("People").with_phone().with("requires_username", json!(true)));
    world.sandbox.change_rules(|rules| {
        rules.username_clearable = true;
        rules.email_change_resets_verified = false;
        rules.phone_change_resets_verified = false;
    });
    let wide = json!({"spec": {"rateLimit": {"requestsPerMinute": 300_000, "burst": 5000}}});
    world.objects.patch("auth0tenant/example", &wide).await.unwrap();
    world.until_ready("auth0tenant/example").await;
    world.apply_secret("passwords", &json!({"old": password("old"), "new": password("new")})).await;
    world.sandbox.clear_log();
    world
}

/// What was seen of a cell.
struct Seen<'a> {
    refused: Option<&'a String>,
    object: Option<&'a Value>,
    bodies: Vec<Value>,
    user: Map<String, Value>,
    /// How many events `NullDropped` are about it.
    events: usize,
}

fn judge(wrong: &mut Vec<String>, cell: &Cell, seen: &Seen<'_>) {
    let Some((stored, outcome)) = &cell.expected else {
        compare(wrong, cell, "refused", &true, &seen.refused.is_some());
        let generation = seen.object.map(|object| &object["metadata"]["generation"]);
        let untouched = json!(1);
        compare(
            wrong,
            cell,
            "generation",
            &(cell.start != Start::Nothing).then_some(&untouched),
            &generation,
        );
        compare(wrong, cell, "bodies", &Vec::new(), &seen.bodies);
        compare_users(wrong, cell, &cell.earlier.user, &seen.user);
        return;
    };
    if let Some(message) = seen.refused {
        wrong.push(format!("{cell}\n    refused: {message}"));
        return;
    }
    let Some(object) = seen.object else { return wrong.push(format!("{cell}\n    not there")) };
    let spec = &object["spec"];
    compare(wrong, cell, "stored", &stored.value.as_ref(), &spec.get(cell.field.name));
    compare(wrong, cell, "stored clear", &stored.clear.as_ref(), &spec.get("clear"));
    compare(wrong, cell, "bodies", &outcome.bodies, &seen.bodies);
    compare_users(wrong, cell, &outcome.user, &seen.user);
    let ignored = object["status"]["ignoredFields"].as_array().into_iter().flatten();
    let ignored: Vec<_> = ignored.map(|entry| entry["field"].as_str().unwrap()).collect();
    compare(wrong, cell, "ignored", &outcome.ignored, &ignored);
    compare(wrong, cell, "told", &outcome.told, &says(object));
    compare(wrong, cell, "events", &usize::from(!outcome.told.is_empty()), &seen.events);
    compare(wrong, cell, "reason", &outcome.reason, &condition(object, "Ready").1.as_str());
}

/// The bodies that Auth0 received since the log was cleared, by the user's name.
fn bodies(world: &World) -> BTreeMap<String, Vec<Value>> {
    let mut bodies: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for patch in world.sandbox.patches() {
        let name = patch.path.rsplit("%7C").next().unwrap().to_owned();
        bodies.entry(name).or_default().extend(patch.body);
    }
    bodies
}

fn user(world: &World, name: &str) -> Map<String, Value> {
    let id = format!("auth0|{name}");
    let user = world.sandbox.user(&id).unwrap().as_object().unwrap().clone();
    plain(user, world.sandbox.password(&id, "People"))
}
