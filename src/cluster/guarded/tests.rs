use crate::api::{Auth0Tenant, Auth0UserUpdate, Auth0UserUpdateStatus, MOST_LEVELS, json};
use crate::cluster::guarded::*;
use crate::plan::{Desired, KEY_BYTES, Memory, Password, Plan, Progress, Situation, TriggerKey, plan};
use crate::user::User;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{ObjectList, PartialObjectMeta, WatchEvent};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// The object as the API server writes it, with this text under `userMetadata.deep`.
fn object(name: &str, value: &str) -> String {
    format!(
        r#"{{"apiVersion":"auth0-user-operator.dev/v1alpha1","kind":"Auth0UserUpdate","metadata":{{"name":"{name}","namespace":"a","uid":"u","resourceVersion":"7","generation":3}},"spec":{{"passEmptyValues":"No","tenantRef":{{"name":"t"}},"userId":"auth0|1","userMetadata":{{"deep":{value}}}}},"status":{{"conditions":[],"observedGeneration":-1}}}}"#
    )
}

fn list(objects: &[String]) -> Vec<Guarded<Auth0UserUpdate>> {
    let text = format!(
        r#"{{"apiVersion":"auth0-user-operator.dev/v1alpha1","items":[{}],"kind":"Auth0UserUpdateList","metadata":{{"resourceVersion":"9"}}}}"#,
        objects.join(",")
    );
    serde_json::from_str::<ObjectList<_>>(&text).unwrap().items
}

fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[test]
fn no_depth_and_no_type_breaks_the_list_or_the_watch_that_it_stands_in() {
    let depths = [124, 130, 2_000, 9_000];
    let mut objects: Vec<String> = depths.iter().map(|levels| object("deep", &nested(*levels))).collect();
    objects.push(object("large", &json!("x".repeat(1_400_000)).to_string()));
    objects.push(object("odd", "1").replace(r#""userId":"auth0|1""#, r#""userId":["canary"]"#));
    objects.push(object("good", "1"));
    let read = list(&objects);
    let names: Vec<_> = read.iter().map(|object| object.meta().name.as_deref().unwrap()).collect();
    assert_eq!(names, ["deep", "deep", "deep", "deep", "large", "odd", "good"]);
    let readable: Vec<_> = read.iter().map(|object| object.0.is_ok()).collect();
    assert_eq!(readable, [true, true, true, true, true, false, true]);
    for object in &objects {
        let event = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
        let event: WatchEvent<Guarded<Auth0UserUpdate>> = serde_json::from_str(&event).unwrap();
        assert!(matches!(event, WatchEvent::Modified(_)));
    }
}

#[test]
fn a_value_that_is_too_deep_is_told_by_its_name_and_the_limit() {
    let judge = |levels| {
        Desired::read(&list(&[object("deep", &nested(levels))])[0].0.as_ref().unwrap().spec, None, &[])
    };
    assert!(judge(MOST_LEVELS).is_ok());
    for levels in [MOST_LEVELS + 1, 124, 130, 9_000] {
        let failure = judge(levels).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidRequest);
        assert!(
            failure.message.starts_with("userMetadata.deep is nested deeper than 64 levels"),
            "{failure}"
        );
    }
}

#[test]
fn the_field_is_named_and_its_value_is_not() {
    let odd = |field: &str, value: &str, named: &str, reason| {
        let text = object("odd", "1");
        let text = match field.split_once('.') {
            Some(("metadata", field)) => text.replace(r#""uid""#, &format!(r#""{field}":{value},"uid""#)),
            Some(("status", field)) => {
                text.replace(r#""status":{"#, &format!(r#""status":{{"{field}":{value},"#))
            }
            _ => text.replace(r#""spec":{"#, &format!(r#""spec":{{"{field}":{value},"#)),
        };
        let Err(undecodable) = serde_json::from_str::<Guarded<Auth0UserUpdate>>(&text).unwrap().0 else {
            panic!("{text}")
        };
        let failure = &undecodable.failure;
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(failure.message.starts_with(named) && !failure.message.contains("canary"), "{failure}");
        let metadata = &undecodable.metadata;
        assert_eq!((metadata.name.as_deref(), metadata.generation), (Some("odd"), Some(3)));
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
    };
    let deep = format!(r#"[{{"fieldsV1":{{"canary":{}}}}}]"#, nested(9_000));
    for (field, value, named) in [
        ("blocked", r#""canary""#, "spec.blocked cannot"),
        ("appMetadata", r#"["canary"]"#, "spec.appMetadata cannot"),
        ("clear", r#"["name",{"canary":1}]"#, "spec.clear[1] cannot"),
        ("passwordSecretRef", r#"{"name":"s","key":["canary"]}"#, "spec.passwordSecretRef.key cannot"),
        ("passwordSecretRef", r#"{"name":"canary"}"#, "spec.passwordSecretRef cannot"),
        ("nickname", &nested(9_000), "spec.nickname cannot"),
        ("metadata.managedFields", &deep, "metadata.managedFields[0]"),
        ("metadata.labels", r#"{"a":["canary"]}"#, "metadata.labels.a"),
    ] {
        odd(field, value, named, Reason::InvalidRequest);
    }
    odd("status.triggers", r#"{"name":"canary"}"#, "the status of this resource", Reason::InternalError);
    let tenant =
        r#"{"metadata":{"name":"t"},"spec":{"domain":"example.auth0.com","credentialsSecretRef":"canary"}}"#;
    let tenant: Guarded<Auth0Tenant> = serde_json::from_str(tenant).unwrap();
    assert!(tenant.0.unwrap_err().failure.message.starts_with("spec.credentialsSecretRef cannot"));
}

#[test]
fn metadata_alone_is_read_as_leniently() {
    let deep = format!(r#"[{{"fieldsV1":{}}}]"#, nested(9_000));
    let secret = |fields: &str| {
        format!(r#"{{"metadata":{{"managedFields":{fields},"name":"s","uid":"u","resourceVersion":"7"}}}}"#)
    };
    let text = format!(r#"{{"metadata":{{}},"items":[{},{}]}}"#, secret(&deep), secret("[]"));
    let read = serde_json::from_str::<ObjectList<Guarded<PartialObjectMeta<Secret>>>>(&text).unwrap().items;
    for (secret, is_ok) in read.iter().zip([false, true]) {
        assert_eq!((secret.0.is_ok(), secret.meta().resource_version.as_deref()), (is_ok, Some("7")));
    }
    assert!(
        <Guarded<PartialObjectMeta<Secret>>>::metadata_api(),
        "the API server is not asked for the content"
    );
}

#[test]
fn conditions_of_what_cannot_be_read_are_kept() {
    let condition = r#"{"type":"Ready","status":"True","reason":"Applied","message":"m","lastTransitionTime":"2026-01-02T03:04:05Z"}"#;
    let text = object("odd", "1")
        .replace(r#""conditions":[]"#, &format!(r#""conditions":[{condition}]"#))
        .replace(r#""userId":"auth0|1""#, r#""userId":1"#);
    let undecodable = list(&[text])[0].0.clone().unwrap_err();
    assert_eq!(undecodable.conditions[0].reason, "Applied");
}

#[test]
fn an_output_that_cannot_be_read_is_absent_and_costs_nothing_else() {
    let status = |text: &str| serde_json::from_str::<Auth0UserUpdateStatus>(text).unwrap();
    let deep = nested(9_000);
    for user in ["7", r#"{"loginsCount":"many"}"#, r#"{"email":["x"]}"#] {
        let read = status(&format!(r#"{{"observedGeneration":2,"rawOutput":["x"],"user":{user}}}"#));
        assert_eq!(
            read,
            Auth0UserUpdateStatus { observed_generation: Some(2), ..Auth0UserUpdateStatus::default() }
        );
    }
    let read = status(&format!(
        r#"{{"rawOutput":{deep},"user":{{"id":"i","userMetadata":{deep},"multifactor":{{}}}}}}"#
    ));
    let user = read.user.unwrap();
    assert_eq!((user.id.as_deref(), user.multifactor.as_ref()), (Some("i"), None));
    assert!(user.user_metadata.is_some() && read.raw_output.is_some());
}

/// A stream of numbers that differ in every bit (splitmix64).
struct Entropy(u64);

impl Entropy {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn text(&mut self) -> String {
        let end = [0x20, 0x80, 0x800, 0x11_0000][usize::try_from(self.below(4)).unwrap()];
        (0..self.below(8)).filter_map(|_| char::from_u32(u32::try_from(self.below(end)).unwrap())).collect()
    }

    fn float(&mut self) -> Value {
        match self.below(3) {
            0 => json!(f64::from_bits(self.next())),
            // Coordinates, amounts, probabilities: what people write.
            1 => json!(f64::from(u32::try_from(self.below(1 << 32)).unwrap()) / 1e7),
            _ => format!("{}.{}e-{}", self.below(1000), self.next(), self.below(30))
                .parse::<f64>()
                .unwrap()
                .into(),
        }
    }

    /// A document of at most so many levels.
    fn document(&mut self, levels: u64) -> Value {
        const EDGES: [i128; 9] = [
            0,
            -1,
            1 << 53,
            (1 << 53) + 1,
            -(1 << 53) - 1,
            i64::MIN as i128,
            i64::MAX as i128,
            (i64::MAX as i128) + 1,
            u64::MAX as i128,
        ];
        match self.below(if levels == 0 { 8 } else { 12 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(EDGES[usize::try_from(self.below(9)).unwrap()]),
            3 => json!(self.next().cast_signed() >> self.below(64)),
            4 => json!(self.next()),
            5 | 6 => self.float(),
            7 => json!(self.text()),
            8 => (0..self.below(levels)).fold(json!(self.next()), |inner, _| json!([inner])),
            9 => (0..self.below(3)).map(|_| self.document(levels / 2)).collect(),
            _ => {
                Value::Object((0..self.below(3)).map(|_| (self.text(), self.document(levels / 2))).collect())
            }
        }
    }
}

fn planned(desired: &Desired, user: &User) -> Plan {
    plan(&Situation {
        desired,
        user,
        password: &Password::Undeclared,
        memory: &Memory::default(),
        progress: &Progress::default(),
        key: &TriggerKey::new([7; KEY_BYTES]),
        host: "example.auth0.com",
        user_id: "auth0|1",
    })
    .unwrap()
}

/// Puts documents as text through spec and wire, and as Auth0's answer into status.
fn come_through(documents: &str) {
    let text = object("any", "0").replace(r#"{"deep":0}"#, documents);
    let update = list(&[text]).remove(0).0.unwrap();
    let desired = Desired::read(&update.spec, None, &[]).unwrap();
    let nobody = User::from(json!({"user_id": "auth0|1"}).as_object().unwrap().clone());
    let sent = planned(&desired, &nobody).steps[0].body.bytes();
    let answer = format!(r#"{{"user_id":"auth0|1","user_metadata":{documents}}}"#);
    assert_eq!(
        std::str::from_utf8(sent.expose_secret()).unwrap(),
        format!(r#"{{"user_metadata":{documents}}}"#)
    );

    let user = User::from(json::read::<json::Object>(answer.as_bytes()).unwrap().0.unwrap());
    assert!(planned(&desired, &user).steps.is_empty(), "{documents}");
    let status = Auth0UserUpdateStatus {
        user: Some(user.outputs()),
        raw_output: Some(user.raw_output()),
        ..Default::default()
    };
    let expected =
        format!(r#"{{"user":{{"id":"auth0|1","userMetadata":{documents}}},"rawOutput":{answer}}}"#);
    let written = serde_json::to_string(&status).unwrap();
    assert_eq!(written, expected);
    let read: Auth0UserUpdateStatus = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), expected);
}

#[test]
fn a_number_keeps_its_digits() {
    for number in [
        "12.917521550408111",
        "3.7388361979263187e-10",
        "9223372036854775807",
        "-9223372036854775808",
        "5e-324",
    ] {
        come_through(&format!(r#"{{"number":{number}}}"#));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_hundred_thousand_documents_come_through_unchanged(seeds in proptest::collection::vec(any::<u64>(), 100)) {
        let documents: Vec<Value> = seeds.into_iter().map(|seed| Entropy(seed).document(59)).collect();
        come_through(&json!({"all": documents}).to_string());
    }
}
