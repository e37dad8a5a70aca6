//! The index against a judge that keeps whole values and compares every resource with every other.

use crate::api::JsonMap;
use crate::ownership::tests::*;
use crate::plan::same_json;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FIELDS: [&str; 7] =
    ["email", "name", "blocked", "userMetadata.a", "userMetadata.b", "passwordSecretRef", "verifyEmail"];

/// What resources of the namespace `m` are granted: neither `blocked: false`, nor the key `b`, nor the whole map.
const OF_M: [&str; 6] = ["email", "name", "block", "userMetadata.a", "passwordSecretRef", "verifyEmail"];

/// What a resource is made of: few fields and fewer values, so that resources often meet.
#[derive(Clone, Debug)]
struct Card {
    spec: Value,
    /// Whether kubectl dropped a null under the key `b`.
    drops: bool,
    /// The digest of its password that status remembers.
    digest: Option<String>,
}

fn card() -> impl Strategy<Value = Card> {
    let value = prop_oneof![
        Just(json!(1)),
        Just(json!(1.0)),
        Just(json!({"x": [1, null], "y": "z"})),
        Just(json!({"y": "z", "x": [1.0, null]})),
        Just(json!({"x": [1], "y": "z"})),
        Just(Value::Null)
    ];
    let keys = proptest::option::of(proptest::collection::btree_map("[ab]", value, 0..3));
    let connection = proptest::option::of(prop_oneof![Just("People"), Just("Staff")]);
    let text = || proptest::option::of("[xyX]");
    let tenant = prop_oneof![4 => Just("t"), 2 => Just("twin"), 1 => Just("other")];
    let mode = prop_oneof![9 => Just(None), 1 => Just(Some("Observe"))];
    let texts = (text(), text(), text(), proptest::option::of(text()), proptest::option::of(any::<bool>()));
    (texts, connection, keys, any::<[bool; 2]>(), tenant, mode, proptest::option::of(any::<bool>())).prop_map(
        |((name, email, secret, digest, blocked), connection, keys, [whole, drops], tenant, mode, verify)| {
            let given = [
                ("name", name.map(Value::from)),
                ("email", email.map(|name| json!(format!("{name}@example.com")))),
                ("passwordSecretRef", secret.map(|name| json!({"name": name, "key": "password"}))),
                ("verifyEmail", verify.map(Value::from)),
                ("blocked", blocked.map(Value::from)),
                ("connection", connection.map(Value::from)),
                ("userMetadata", keys.map(|keys| json!(keys))),
                ("clear", whole.then(|| json!(["userMetadata"]))),
                ("tenantRef", Some(json!({"name": tenant}))),
                ("mode", mode.map(Value::from)),
            ];
            let given = given.into_iter().filter_map(|(field, value)| Some((field, value?)));
            let spec = json!(given.collect::<BTreeMap<_, _>>());
            Card { spec, drops, digest: digest.flatten() }
        },
    )
}

/// `t` and `twin` are tenants of one host.
fn rights_of_twins((_, tenant): &Named, of: &str) -> Option<Rights> {
    static ACCESS_OF_M: LazyLock<Access> =
        LazyLock::new(|| rights_of_m(&OF_M, &[])(&Named::default(), "m").unwrap().access);
    let access = if of == "m" { ACCESS_OF_M.clone() } else { Access::Everything };
    (tenant != "other").then(|| Rights { host: "one".to_owned(), access })
}

fn made(name: &str, uid: &str, created: u32, card: &Card) -> Auth0UserUpdate {
    let object = resource(name, created, &card.spec);
    let object = if ["r4", "r5"].contains(&name) { of_namespace("m", object) } else { object };
    let map = object.spec.user_metadata.as_ref();
    let object = if card.drops && map.is_some_and(|map| !map.contains_key("b")) {
        with_dropped_null(object, "b")
    } else {
        object
    };
    let mut object =
        with_memory(object, card.digest.clone().map(|digest| ("passwordSecretRef", "Sent", digest)));
    object.metadata.uid = Some(uid.to_owned());
    object
}

/// A whole resource, and when it came and left.
#[derive(Clone, Debug)]
struct Known {
    object: Auth0UserUpdate,
    arrival: usize,
    /// Once it is a thing of the past: how many had come by then, and when it is forgotten.
    left: Option<(usize, Duration)>,
}

impl Known {
    fn connection(&self) -> Option<&str> {
        self.object.spec.connection.value().map(String::as_str)
    }

    fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap()
    }

    fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap()
    }

    fn namespace(&self) -> &str {
        self.object.metadata.namespace.as_deref().unwrap()
    }

    fn host(&self) -> Option<String> {
        let tenant = ("n".to_owned(), self.object.spec.tenant_ref.name.clone());
        rights_of_twins(&tenant, self.namespace()).map(|rights| rights.host)
    }

    fn digest(&self) -> Option<&str> {
        let entry = self.object.status.as_ref()?.triggers.first()?;
        Some(entry.digest.as_str())
    }

    /// What it wants of a field: `None` where it does not care, or where it has no say.
    fn wants(&self, field: &str) -> Option<Value> {
        let wanted = self.asks(field)?;
        let has_all = self.namespace() == "n";
        match field {
            "blocked" => (has_all || wanted == true).then_some(wanted),
            "userMetadata.b" => has_all.then_some(wanted),
            "userMetadata.a" if !has_all => {
                // Through the key alone, and beside an order for the whole map through its value alone.
                let spec = &self.object.spec;
                let key = spec.user_metadata.as_ref().and_then(|map| map.get("a"));
                key.filter(|value| spec.clear.is_empty() || !value.is_null()).map(|_| wanted)
            }
            _ => Some(wanted),
        }
    }

    fn asks(&self, field: &str) -> Option<Value> {
        let spec = &self.object.spec;
        if spec.mode == Some(crate::api::Mode::Observe) {
            return None;
        }
        let key = match field {
            "name" => return spec.name.value().map(|name| json!(name)),
            "email" => return spec.email.value().map(|email| json!(email.to_lowercase())),
            "blocked" => return spec.blocked.value().map(|flag| json!(flag)),
            "verifyEmail" => return spec.verify_email.value().map(|flag| json!(flag)),
            "passwordSecretRef" => {
                return spec.password_secret_ref.value().map(|secret| json!(secret.name));
            }
            key => key.strip_prefix("userMetadata.").unwrap(),
        };
        let drops = self.object.metadata.annotations.is_some();
        let (map, is_ordered) = (spec.user_metadata.clone(), !spec.clear.is_empty());
        let is_blank = map.as_ref().is_some_and(JsonMap::is_empty) && !drops;
        let map = map.unwrap_or_default();
        let replaces = is_ordered && map.values().any(|value| !value.is_null());
        let is_held = drops && replaces && key == "b";
        let wiped = ((is_ordered || is_blank) && !is_held).then_some(Value::Null);
        map.get(key).cloned().or(wiped)
    }

    fn agrees(&self, other: &Self, field: &str) -> bool {
        let (own, theirs) = (self.wants(field).unwrap(), other.wants(field).unwrap());
        let is_password = field == "passwordSecretRef";
        if is_password && self.namespace() != other.namespace() {
            return false;
        }
        let is_same = is_password && (self.digest().is_none() || self.digest() == other.digest());
        is_same || same_json(&own, &theirs)
    }
}

/// Which connections name one identity: the primary one has no name but in the first case.
type Identities = fn(Option<&str>) -> &str;
const IDENTITIES: [Identities; 3] = [
    |connection| connection.unwrap_or("People"),
    |connection| connection.unwrap_or_default(),
    |_| "the only one",
];

/// Everything that ever was, whole.
#[derive(Default)]
struct Model {
    known: Vec<Known>,
    arrivals: usize,
    now: Duration,
}

impl Model {
    fn living(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|known| known.left.is_none())
    }

    fn leave(&mut self, uid: &str) -> Option<Known> {
        let index = self.known.iter().position(|known| known.left.is_none() && known.uid() == uid)?;
        let mut old = self.known.remove(index);
        let before = old.clone();
        old.left = Some((self.arrivals, self.now + TAKEOVER));
        self.known.push(old);
        Some(before)
    }

    fn update(&mut self, object: Auth0UserUpdate) {
        let claims = object.spec.mode.is_none();
        let before = self.leave(object.metadata.uid.as_deref().unwrap());
        let arrival = before.filter(|before| before.object.spec.mode.is_none()).map(|before| before.arrival);
        let known = Known { object, arrival: arrival.unwrap_or(self.arrivals), left: None };
        self.arrivals += usize::from(claims && arrival.is_none());
        self.known.push(known);
    }

    /// Fields of which an older one wants something else than this resource, and whom it is told of.
    fn judged(&self, own: &Known, identity: Identities) -> Vec<(String, String)> {
        let concerns = |other: &&Known| match other.left {
            None => true,
            Some((arrivals, until)) => {
                until > self.now && own.arrival < arrivals && other.name() != own.name()
            }
        };
        let conflict = |field: &&str| {
            own.wants(field)?;
            let meets = |other: &&Known| {
                let is_scoped = !field.starts_with("userMetadata") && !["name", "blocked"].contains(field);
                other.host().as_deref() == Some("one")
                    && (!is_scoped || identity(other.connection()) == identity(own.connection()))
            };
            // Of one resource, what it is now goes before what it was, and that before what it was earlier.
            let rank = |(index, other): &(usize, &Known)| {
                let created = other.object.metadata.creation_timestamp.clone().unwrap().0;
                let first = (other.namespace() != "n", created, other.name().to_owned());
                (first, other.left.is_some(), usize::MAX - index)
            };
            let all = self.known.iter().enumerate();
            let others =
                all.filter(|(_, other)| other.asks(field).is_some() && concerns(other) && meets(other));
            let mut others: Vec<_> = others.collect();
            others.sort_by_key(rank);
            let mut known = Vec::new();
            let owner = others.into_iter().find(|claimant| {
                let (_, other) = claimant;
                if *field != "blocked" {
                    return other.wants(field).is_some() && rank(claimant).0 < rank(&(0, own)).0;
                }
                let is_now = !known.contains(&other.uid());
                known.push(other.uid());
                is_now && other.uid() != own.uid() && other.wants(field) == Some(json!(true))
            });
            let (_, owner) = owner?;
            let name = if owner.namespace() == own.namespace() {
                format!("{}/{}", owner.namespace(), owner.name())
            } else {
                "elsewhere".to_owned()
            };
            (!own.agrees(owner, field)).then(|| ((*field).to_owned(), name))
        };
        let mut judged: Vec<_> = FIELDS.iter().filter_map(conflict).collect();
        judged.sort();
        judged
    }
}

fn told(ownership: &Ownership, own: &Known, identity: Identities) -> Vec<(String, String)> {
    let same = |other: Option<&str>| identity(other) == identity(own.connection());
    named(ownership.conflicts(&own.object, "one", &rights_of_twins, own.digest(), &same, "People"))
}

#[derive(Clone, Debug)]
enum Step {
    /// Edits one of the resources there are.
    Edit(usize, Card),
    Remove(usize),
    /// Makes a new resource, perhaps with a name that there was already.
    Create(usize, u32, Card),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..6, card()).prop_map(|(which, card)| Step::Edit(which, card)),
        2 => (0_usize..6).prop_map(Step::Remove),
        2 => (0_usize..6, 0_u32..3, card()).prop_map(|(name, created, card)| Step::Create(name, created, card)),
        2 => (1_u64..7).prop_map(Step::Wait),
    ]
}

/// Carries out a step in both; answers with the uid of the resource that it was about.
fn apply(
    step: Step,
    number: usize,
    model: &mut Model,
    index: &mut Index,
    begun: Instant,
) -> (String, Affected) {
    let nth = |which: usize| {
        let living: Vec<_> = model.living().collect();
        living.get(which % living.len().max(1)).map(|known| known.object.clone())
    };
    let now = begun + model.now;
    let updated = |object: Auth0UserUpdate, model: &mut Model, index: &mut Index| {
        let uid = object.metadata.uid.clone().unwrap();
        let affected = index.update(&object, now);
        model.update(object);
        (uid, affected)
    };
    match step {
        Step::Edit(which, card) => {
            let Some(old) = nth(which) else { return (String::new(), Affected::new()) };
            let (name, uid) = (old.metadata.name.as_deref().unwrap(), old.metadata.uid.as_deref().unwrap());
            let mut object = made(name, uid, 0, &card);
            object.metadata.creation_timestamp = old.metadata.creation_timestamp.clone();
            updated(object, model, index)
        }
        Step::Remove(which) => {
            let Some(old) = nth(which) else { return (String::new(), Affected::new()) };
            let uid = old.metadata.uid.unwrap();
            model.leave(&uid);
            let affected = index.remove(Uid::new(&uid), now);
            (uid, affected)
        }
        Step::Create(name, created, card) => {
            let name = format!("r{name}");
            if model.living().any(|known| known.name() == name) {
                return (String::new(), Affected::new());
            }
            updated(made(&name, &format!("{name}-{number}"), created, &card), model, index)
        }
        Step::Wait(seconds) => {
            model.now += Duration::from_secs(seconds);
            (String::new(), index.take_over(begun + model.now))
        }
    }
}

type Views = BTreeMap<String, ([Vec<(String, String)>; 3], Contest)>;

fn views(ownership: &Ownership, model: &Model) -> Views {
    let view = |own: &Known| {
        let contest = ownership.contest(Uid::of(&own.object), "one", &rights_of_twins);
        (own.uid().to_owned(), (IDENTITIES.map(|identity| told(ownership, own, identity)), contest))
    };
    // Those that claim for another host are judged there.
    model.living().filter(|own| own.host().as_deref() == Some("one")).map(view).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    /// After every step each resource is told what a comparison of whole values says; and one that is told something
    /// new by a step of another was woken, and finds its fingerprint moved.
    #[test]
    fn the_index_agrees_with_comparing_whole_values(
        steps in proptest::collection::vec(step(), 1..20),
        first in proptest::collection::vec((card(), 0_u32..3), 1..6),
    ) {
        let (ownership, begun) = (Ownership::default(), Instant::now());
        let mut model = Model::default();
        let created = first.into_iter().enumerate();
        let created = created.map(|(name, (card, created))| Step::Create(name, created, card));
        let mut before = Views::new();
        for (number, step) in created.chain(steps).enumerate() {
            let (own, affected) =
                ownership.with(|state| apply(step.clone(), number, &mut model, &mut state.index, begun));
            let now = views(&ownership, &model);
            for known in model.living() {
                let uid = known.uid();
                let Some((told, contest)) = now.get(uid) else { continue };
                let judged = IDENTITIES.map(|identity| model.judged(known, identity));
                prop_assert_eq!(told, &judged, "{} after {:?}", uid, step);
                let by_name = model.judged(known, IDENTITIES[1]);
                prop_assert_eq!(contest.contested, !by_name.is_empty(), "{} after {:?}", uid, step);
                let Some((told_before, contest_before)) = before.get(uid).filter(|_| own != uid) else { continue };
                if told_before != told {
                    let is_woken = affected.iter().any(|(_, name)| name == known.name());
                    prop_assert!(is_woken, "{} was not woken by {:?}", uid, step);
                    prop_assert!(contest_before.fingerprint != contest.fingerprint, "{}'s stayed after {:?}", uid, step);
                }
            }
            before = now;
        }
    }
}
