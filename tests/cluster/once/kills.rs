//! The operator is killed around every step of a plan.

use crate::once::counts::restart;
use crate::proxy::Proxy;
use crate::world::{DEADLINE, World, condition, person, replace_operator};
use auth0_sandbox::{Exchange, Fault, FaultKind};
use lab::wait_until;
use serde_json::{Value, json};

const OLD: &str = "Correct-Horse-1";
const NEW: &str = "Battery-Staple-2";
const PAUSED: &str = "auth0-user-operator.dev/paused";

/// Where the operator is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// While it waits for the answer to its first look.
    Looking,
    /// It has looked; what it writes next never arrives.
    Looked,
    /// The n-th PATCH is on its way and never takes effect.
    Lost(usize),
    /// The n-th PATCH took effect; its answer never arrives.
    Unanswered(usize),
    /// The n-th PATCH was answered; what the operator writes next never arrives.
    Answered(usize),
    /// Everything is done and written.
    Done,
    /// An applied resource's Secret changed; the PATCH of the new password never takes effect.
    LostRotation,
}

struct Bed {
    world: World,
    proxy: Proxy,
}

impl Bed {
    async fn start(name: &str) -> Self {
        let mut world = World::start(name).await;
        let path = world.plane.dir().join(format!("{}-proxied.kubeconfig", world.namespace));
        let proxy = Proxy::start(world.plane.kubeconfig(), world.plane.server(), path).await;
        let log = "info,auth0_user_operator=debug";
        replace_operator(&mut world, proxy.kubeconfig(), log).await;
        Self { world, proxy }
    }

    fn path(slug: &str) -> String {
        format!("/api/v2/users/auth0%7C{slug}")
    }

    fn patches(&self, slug: &str) -> Vec<Exchange> {
        self.world.calls_of(slug).into_iter().filter(|call| call.method == "PATCH").collect()
    }

    fn fault(&self, slug: &str, method: &str, skip: usize, kind: FaultKind) {
        let skip = u32::try_from(skip).unwrap();
        let fault = Fault::new(kind).method(method).path(&Self::path(slug));
        self.world.sandbox.fault(fault.skip(skip).times(1));
    }

    /// Applies the card and kills the operator at this point.
    async fn kill_at(&mut self, slug: &str, point: Point, card: Value) {
        self.world.apply_secret(slug, &json!({"password": OLD})).await;
        match point {
            Point::Looking | Point::Looked => self.fault(slug, "GET", 0, hold(false)),
            Point::Lost(number) => self.lose(slug, number - 1),
            Point::Unanswered(number) | Point::Answered(number) => {
                self.fault(slug, "PATCH", number - 1, hold(true));
            }
            Point::Done | Point::LostRotation => {}
        }
        self.world.apply_for(slug, card).await;
        match point {
            Point::Looking => self.until(slug, "GET", 1, |_| true).await,
            Point::Looked => self.until_answered(slug, "GET", 1).await,
            Point::Lost(number) => self.until(slug, "PATCH", number, |_| true).await,
            Point::Unanswered(number) => self.until(slug, "PATCH", number, |call| call.took_effect).await,
            Point::Answered(number) => self.until_answered(slug, "PATCH", number).await,
            Point::Done => drop(self.world.until_applied(slug).await),
            Point::LostRotation => {
                self.world.until_applied(slug).await;
                let sent = self.patches(slug).len();
                self.lose(slug, 0);
                self.world.apply_secret(slug, &json!({"password": NEW})).await;
                self.until(slug, "PATCH", sent + 1, |_| true).await;
            }
        }
        self.kill().await;
    }

    async fn kill(&mut self) {
        self.world.operator.kill().await.unwrap();
        self.world.sandbox.clear_faults();
        self.proxy.freeze(false);
    }

    fn lose(&self, slug: &str, skip: usize) {
        self.fault(slug, "PATCH", skip, hold(false));
        self.fault(slug, "PATCH", skip, FaultKind::Cut { after_effect: false });
    }

    async fn until(&self, slug: &str, method: &str, number: usize, holds: impl Fn(&Exchange) -> bool) {
        let arrived = wait_until("the request", DEADLINE, async || {
            let calls = self.world.calls_of(slug);
            let found = calls.iter().filter(|call| call.method == method).nth(number - 1);
            if found.is_some_and(&holds) { Ok(()) } else { Err(calls.len()) }
        });
        arrived.await.unwrap_or_else(|error| self.fail(slug, &error));
    }

    /// Cuts the way to the API server while the answer is held, and waits until it has come.
    async fn until_answered(&self, slug: &str, method: &str, number: usize) {
        self.until(slug, method, number, |_| true).await;
        self.proxy.freeze(true);
        self.world.sandbox.clear_faults();
        let object = format!("/{slug}.{}", self.world.namespace);
        let answer = format!("Auth0 answered method={method}");
        let answered = wait_until("the answer", DEADLINE, async || {
            let log = self.world.operator.log().unwrap();
            let lines = log.lines().filter(|line| line.contains(&object) && line.contains(&answer)).count();
            if lines >= number { Ok(()) } else { Err(lines) }
        });
        answered.await.unwrap_or_else(|error| self.fail(slug, &error));
    }

    /// Runs every point with its own user. Whoever was hit is paused before the operator comes back, so that
    /// no later kill hits it, too. In the end the operator is dead and everybody paused.
    async fn run(&mut self, points: &[Point], card: impl Fn(&str) -> Value) -> Vec<String> {
        let slugs: Vec<String> = (0..points.len()).map(|number| format!("k{number}")).collect();
        for (slug, point) in slugs.iter().zip(points) {
            restart(&mut self.world).await;
            let mut user = person(slug, "People");
            user["email_verified"] = json!(false);
            self.world.sandbox.put_user(user).unwrap();
            self.kill_at(slug, *point, card(slug)).await;
            self.world.run(["annotate", "auth0userupdates", slug, &format!("{PAUSED}=true")]).await;
        }
        slugs
    }

    /// Lets a new process find one resource, or `--all`, as the kill has left it.
    async fn resume(&mut self, which: &str) {
        self.world.run(["annotate", "auth0userupdates", which, &format!("{PAUSED}-")]).await;
        restart(&mut self.world).await;
    }

    async fn until_all(&self, holds: impl Fn(&Value) -> bool) {
        let all = wait_until("all resources", DEADLINE, async || {
            let list = self.world.objects.get("auth0userupdates").await?;
            let other = list["items"].as_array().unwrap().iter().find(|object| !holds(object)).cloned();
            other.map_or(Ok(()), |other| Err(other.to_string()))
        });
        all.await.unwrap_or_else(|error| self.fail("", &error));
    }

    fn fail(&self, slug: &str, error: &lab::Error) {
        panic!("{slug}: {error}\n--- operator ---\n{}", self.world.operator.log().unwrap());
    }
}

/// Until the faults are cleared, or for longer than the operator waits.
const fn hold(after_effect: bool) -> FaultKind {
    FaultKind::Delay { millis: 60_000, after_effect }
}

/// An order may be on its way.
fn is_begun(object: &Value) -> bool {
    let triggers = object["status"]["triggers"].as_array().cloned().unwrap_or_default();
    triggers.iter().any(|trigger| trigger["state"] == "Sending" || trigger["state"] == "Resending")
}

fn is_applied(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && condition(object, "Ready").0 == "True"
        && !is_begun(object)
}

/// How often a field was sent, and how often that took effect.
fn times(patches: &[Exchange], field: &str) -> (usize, usize) {
    let with = |call: &&Exchange| call.body.as_ref().is_some_and(|body| body.get(field).is_some());
    let sent = patches.iter().filter(with);
    (sent.clone().count(), sent.filter(|call| call.took_effect).count())
}

fn row(what: &str, columns: &[(usize, usize)]) -> String {
    let cells: Vec<String> = columns.iter().map(|(sent, done)| format!("{sent}/{done}")).collect();
    line(what, &cells)
}

fn line(what: &str, cells: &[impl std::fmt::Display]) -> String {
    cells.iter().fold(format!("{what:<22}"), |line, cell| format!("{line}{cell:>14}"))
}

fn head(columns: &[&str]) -> String {
    format!("{}   (sent/took effect)", line("killed when", columns))
}

fn assert_never_refused(patches: &[Exchange]) {
    assert!(patches.iter().all(|call| call.status.is_none_or(|status| status == 200)), "{patches:?}");
}

/// Both plans at once, because in the end each rests while an order may still be on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_the_user_ends_as_declared_and_only_what_got_lost_is_sent_twice() {
    let (first, second) = tokio::join!(password_email_and_username(), mail_and_whole_clear());
    println!("{first}\n\n{second}");
}

/// A plan of three requests.
async fn password_email_and_username() -> String {
    let mut bed = Bed::start("kills").await;
    let points = [
        Point::Looking,
        Point::Looked,
        Point::Lost(1),
        Point::Unanswered(1),
        Point::Answered(1),
        Point::Lost(2),
        Point::Unanswered(2),
        Point::Answered(2),
        Point::Lost(3),
        Point::Unanswered(3),
        Point::Answered(3),
        Point::Done,
        Point::LostRotation,
    ];
    let card = |slug: &str| {
        json!({
            "email": format!("{slug}@new.example.com"), "username": format!("{slug}-new"),
            "passwordSecretRef": {"name": slug, "key": "password"},
        })
    };
    let slugs = bed.run(&points, card).await;
    bed.resume("--all").await;
    bed.until_all(is_applied).await;
    let mut table = vec![head(&["password", "email", "username"])];
    for (slug, point) in slugs.iter().zip(points) {
        let patches = bed.patches(slug);
        let [password, email, username] =
            ["password", "email", "username"].map(|field| times(&patches, field));
        table.push(row(&format!("{point:?}"), &[password, email, username]));
        let id = format!("auth0|{slug}");
        let rotated = usize::from(point == Point::LostRotation);
        let wanted = if rotated == 1 { NEW } else { OLD };
        assert_eq!(bed.world.sandbox.password(&id, "People").as_deref(), Some(wanted), "{point:?}");
        let user = bed.world.sandbox.user(&id).unwrap();
        assert_eq!(user["email"], card(slug)["email"], "{point:?}");
        assert_eq!(user["username"], card(slug)["username"], "{point:?}");
        assert_never_refused(&patches);
        // Each took effect once: nothing that Auth0 shows was sent again.
        assert_eq!((password.1, email.1, username.1), (1 + rotated, 1, 1), "{point:?}");
        let lost = |number| usize::from(point == Point::Lost(number));
        assert_eq!(password.0, 1 + lost(1) + 2 * rotated, "{point:?}");
        assert_eq!((email.0, username.0), (1 + lost(2), 1 + lost(3)), "{point:?}");
    }
    table.join("\n")
}

/// A plan of two requests.
async fn mail_and_whole_clear() -> String {
    let mut bed = Bed::start("kills-mail").await;
    let points = [
        Point::Looking,
        Point::Looked,
        Point::Lost(1),
        Point::Unanswered(1),
        Point::Unanswered(1),
        Point::Answered(1),
        Point::Lost(2),
        Point::Unanswered(2),
        Point::Answered(2),
        Point::Done,
    ];
    let card = |slug: &str| {
        json!({
            "email": format!("{slug}@new.example.com"), "verifyEmail": true, "userMetadata": {},
            "username": format!("{slug}-new"),
        })
    };
    let slugs = bed.run(&points, card).await;
    // One of them is killed while it resends, too: then nobody knows, and nothing is sent any more.
    let again = "k4";
    bed.fault(again, "PATCH", 0, hold(true));
    bed.resume(again).await;
    bed.until(again, "PATCH", 2, |call| call.took_effect).await;
    bed.kill().await;
    bed.resume("--all").await;
    bed.until_all(is_applied).await;
    let mut table = vec![head(&["email", "verify_email", "clear", "username", "mails"])];
    for (slug, point) in slugs.iter().zip(points) {
        let patches = bed.patches(slug);
        let [email, mail, clear, username] =
            ["email", "verify_email", "user_metadata", "username"].map(|field| times(&patches, field));
        let id = format!("auth0|{slug}");
        let mails = usize::try_from(bed.world.sandbox.effects(&id).mails_sent).unwrap();
        let what = if slug == again { "Unanswered(1) twice".to_owned() } else { format!("{point:?}") };
        table.push(row(&what, &[email, mail, clear, username, (mails, mails)]));
        let user = bed.world.sandbox.user(&id).unwrap();
        assert_eq!(user["email"], card(slug)["email"], "{what}");
        assert_eq!(user["username"], card(slug)["username"], "{what}");
        assert!(user["user_metadata"].as_object().is_none_or(serde_json::Map::is_empty), "{what}: {user}");
        assert_never_refused(&patches);
        assert_eq!((email.1, clear.1, username.1), (1, 1, 1), "{what}");
        // Where the mail went out and nobody wrote it down, one more goes out, and never a third.
        let unknown = matches!(point, Point::Unanswered(1) | Point::Answered(1));
        assert_eq!(mails, 1 + usize::from(unknown), "{what}");
    }
    table.join("\n")
}
