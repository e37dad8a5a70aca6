//! What the API server refuses and admits by schema and CEL.

mod metadata;
mod show;
mod table;
mod tenant;

use crate::world::update;
use lab::{Mode, Patch};
use serde_json::{Value, json};
use table::{
    Verdict::{Admitted, NoNull, Refused},
    admitted, judge, namespace, refused, whole, with,
};

const UPDATE: &str = "Auth0UserUpdate";

fn letters(count: usize) -> Value {
    "x".repeat(count).into()
}

#[tokio::test]
async fn texts_take_a_value_an_empty_text_and_null_up_to_auth0s_length() {
    let mut cases = Vec::new();
    for (field, longest) in
        [("name", 300), ("givenName", 150), ("familyName", 150), ("nickname", 300), ("username", 128)]
    {
        cases.extend(admitted(
            field,
            [letters(1), letters(longest), "Zoë Ł 李".into(), "".into(), Value::Null],
        ));
        cases.extend(refused(field, [letters(longest + 1)], &["Too long"]));
        cases.extend(refused(field, [json!(5), json!(true), json!(["a"])], &["string"]));
    }
    for field in ["clientId", "connection"] {
        cases.extend(admitted(field, ["x".into(), "".into(), Value::Null]));
        cases.extend(refused(field, [json!(5)], &["string"]));
    }
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_user_id_is_required_and_has_1_to_1024_characters() {
    let mut cases = Vec::new();
    cases.extend(admitted("userId", ["a".into(), "auth0|5 %/ü".into(), letters(1024)]));
    cases.extend(refused("userId", ["".into()], &["spec.userId", "at least 1 char"]));
    cases.extend(refused("userId", [letters(1025)], &["spec.userId", "Too long"]));
    cases.extend(refused("userId", [Value::Null, json!(5)], &["spec.userId"]));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_picture_is_a_url() {
    let mut cases = Vec::new();
    cases.extend(admitted(
        "picture",
        ["https://example.com/a.png?x=1".into(), "http://example.com".into(), "".into(), Value::Null],
    ));
    cases.extend(refused(
        "picture",
        ["ada.png".into(), "a b".into()],
        &["spec.picture", "absolute URL", "https://"],
    ));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn an_email_is_one_address() {
    let mut cases = Vec::new();
    let longest = format!("{}@example.com", "x".repeat(242));
    cases.extend(admitted(
        "email",
        ["ann@example.com".into(), "a+b@c".into(), longest.clone().into(), "".into(), Value::Null],
    ));
    let wrong = ["ann", "ann@", "@example.com", "a@b@c", "a b@c", "a@b ", "a@b\n"];
    cases.extend(refused(
        "email",
        wrong.map(Value::from),
        &["spec.email", "one address such as ada@example.com"],
    ));
    cases.extend(refused("email", [format!("x{longest}").into()], &["spec.email", "Too long"]));
    cases.extend(refused("email", [json!(5)], &["string"]));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_phone_number_is_in_e164_form() {
    let mut cases = Vec::new();
    cases.extend(admitted("phoneNumber", ["+1".into(), "+123456789012345".into(), "".into(), Value::Null]));
    let wrong = ["015551234", "+", "+1 555", "+1-555", "tel:+1", "++1", "+1\n"];
    cases.extend(refused(
        "phoneNumber",
        wrong.map(Value::from),
        &["spec.phoneNumber", "+ and 1 to 15 digits in quotes"],
    ));
    cases.extend(refused("phoneNumber", ["+1234567890123456".into()], &["spec.phoneNumber", "Too long"]));
    cases.extend(refused("phoneNumber", [json!(15_551_234)], &["spec.phoneNumber", "string"]));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_resync_interval_is_never_or_at_least_a_minute() {
    let mut cases = Vec::new();
    let fine = ["0s", "0", "1m", "60s", "1h30m", "1.5h", "60000ms", "2h0m0.5s", "99999h", ""];
    cases.extend(admitted("resyncInterval", fine.map(Value::from)));
    cases.extend(admitted("resyncInterval", [Value::Null]));
    let words = &["spec.resyncInterval", "at least 1m such as 30m", "or 0s for never"];
    let wrong = ["59s", "1s", "59999ms", "-1h", "never", "1d", "P1D", "1h 2m", "9999999999h"];
    cases.extend(refused("resyncInterval", wrong.map(Value::from), words));
    cases.extend(refused("resyncInterval", [letters(33)], &["spec.resyncInterval", "Too long"]));
    cases.extend(refused("resyncInterval", [json!(60)], &["spec.resyncInterval", "string"]));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn flags_take_true_false_and_null() {
    let mut cases = Vec::new();
    for field in ["blocked", "emailVerified", "verifyEmail", "phoneVerified"] {
        cases.extend(admitted(field, [json!(true), json!(false), Value::Null]));
        cases.extend(refused(field, ["true".into(), "".into(), json!(1)], &["boolean"]));
    }
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn pass_empty_values_takes_every_spelling_of_yes_and_no_and_is_required() {
    let mut cases = Vec::new();
    let (yes, no) = (
        ["Yes".into(), "yes".into(), "true".into(), json!(true)],
        ["No".into(), "no".into(), "false".into(), json!(false)],
    );
    cases.extend(admitted("passEmptyValues", yes).chain(admitted("passEmptyValues", no)));
    let wrong = ["YES".into(), "maybe".into(), "".into(), json!(1), json!([]), json!({})];
    cases.extend(refused(
        "passEmptyValues",
        wrong,
        &["spec.passEmptyValues", "supported values: \"Yes\", \"No\""],
    ));
    cases.extend(refused("passEmptyValues", [Value::Null], &["spec.passEmptyValues"]));
    let without = json!({"tenantRef": {"name": "example"}, "userId": "auth0|ann"});
    cases.push(whole(without, Refused(&["spec.passEmptyValues", "Required"])));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn mode_and_output_are_plain_choices() {
    let mut cases = Vec::new();
    for (field, choices) in [("mode", &["Apply", "Observe"][..]), ("output", &["Full", "Mapped", "None"])] {
        cases.extend(choices.iter().map(|choice| with(json!({field: choice}), Admitted)));
        cases.extend(refused(field, ["".into(), "apply".into(), "full".into()], &["supported values"]));
        cases.extend(refused(field, [json!(1)], &["string"]));
    }
    cases.push(with(json!({"mode": null}), NoNull(&["spec.mode", "\"Apply\", \"Observe\""])));
    cases.push(with(json!({"output": null}), NoNull(&["spec.output", "\"Full\", \"Mapped\", \"None\""])));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_password_is_a_key_of_a_secret_or_null() {
    let mut cases = Vec::new();
    let field = "passwordSecretRef";
    cases.extend(admitted(field, [json!({"name": "a", "key": "b"}), Value::Null]));
    cases.extend(refused(
        field,
        [json!({}), json!({"key": "b"})],
        &["spec.passwordSecretRef.name", "Required"],
    ));
    cases.extend(refused(field, [json!({"name": "a"})], &["spec.passwordSecretRef.key", "Required"]));
    let blank = [json!({"name": "", "key": "b"}), json!({"name": "a", "key": ""})];
    cases.extend(refused(field, blank, &["spec.passwordSecretRef.", "at least 1 char"]));
    let long = [json!({"name": letters(254), "key": "b"}), json!({"name": "a", "key": letters(254)})];
    cases.extend(refused(field, long, &["spec.passwordSecretRef.", "Too long"]));
    cases.extend(refused(field, ["hunter2".into()], &["spec.passwordSecretRef"]));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_tenant_is_named() {
    let mut cases = Vec::new();
    let named =
        [json!({"name": "a"}), json!({"name": "a", "namespace": "b"}), json!({"name": "a", "namespace": ""})];
    cases.extend(admitted("tenantRef", named));
    cases.extend(refused("tenantRef", [json!({})], &["spec.tenantRef.name", "Required"]));
    cases.extend(refused("tenantRef", [json!({"name": ""})], &["spec.tenantRef.name", "at least 1 char"]));
    let long = [json!({"name": letters(254)}), json!({"name": "a", "namespace": letters(64)})];
    cases.extend(refused("tenantRef", long, &["spec.tenantRef.", "Too long"]));
    cases.extend(refused("tenantRef", [Value::Null, "a".into()], &["spec.tenantRef"]));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn clear_is_a_set_of_names_that_can_be_cleared() {
    let mut cases = Vec::new();
    let scalars =
        ["name", "givenName", "familyName", "nickname", "picture", "email", "phoneNumber", "username"];
    let keys = ["userMetadata.plan", "appMetadata.a-b_c", "appMetadata.a b"];
    cases.extend(admitted(
        "clear",
        [json!([]), json!(scalars), json!(keys), json!(["userMetadata", "appMetadata"])],
    ));
    let unknown = [
        "blocked",
        "emailVerified",
        "passwordSecretRef",
        "connection",
        "clientId",
        "Name",
        "",
        "metadata",
        "userMetadata.",
        "userMetadata.a.b",
        "userMetadata.$a",
        "name.first",
    ];
    cases.extend(unknown.iter().map(|name| {
        with(json!({"clear": [name]}), Refused(&["spec.clear", "clear takes name,", "userMetadata.KEY"]))
    }));
    cases.extend(refused("clear", [json!(["name", "name"])], &["spec.clear", "uplicate"]));
    let many: Vec<String> = (0..65).map(|index| format!("userMetadata.k{index}")).collect();
    cases.extend(refused("clear", [json!(many)], &["spec.clear", "Too many"]));
    cases.extend(refused("clear", [json!([format!("userMetadata.{}", "x".repeat(300))])], &["Too long"]));
    cases.extend(refused("clear", ["name".into(), json!([1])], &["spec.clear"]));
    cases.push(with(json!({"clear": null}), NoNull(&["spec.clear", "array"])));
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn a_field_is_not_cleared_and_given_a_value_at_once() {
    let mut cases = Vec::new();
    for (field, value, words) in [
        ("name", "x", &["name is listed in clear and has a value"]),
        ("givenName", "x", &["givenName is listed in clear and has a value"]),
        ("familyName", "x", &["familyName is listed in clear and has a value"]),
        ("nickname", "x", &["nickname is listed in clear and has a value"]),
        ("picture", "https://example.com", &["picture is listed in clear and has a value"]),
        ("email", "a@b.c", &["email is listed in clear and has a value"]),
        ("phoneNumber", "+1", &["phoneNumber is listed in clear and has a value"]),
        ("username", "x", &["username is listed in clear and has a value"]),
    ] {
        cases.push(with(json!({"clear": [field], field: value}), Refused(words)));
        cases.push(with(json!({"clear": ["userMetadata.k", field], field: value}), Refused(words)));
        cases.push(with(json!({"clear": [field], field: ""}), Admitted));
        cases.push(with(json!({"clear": [field], field: null}), Admitted));
        cases.push(with(json!({"clear": [field]}), Admitted));
        cases.push(with(json!({"clear": ["appMetadata.name"], field: value}), Admitted));
    }
    judge(UPDATE, cases).await;
}

#[tokio::test]
async fn the_user_of_a_resource_does_not_change() {
    let kubectl = namespace("schema").await;
    kubectl.apply(&update("ann", json!({}))).await.unwrap();
    let other = update("ann", json!({"userId": "auth0|bob"}));
    for mode in [Mode::Apply, Mode::ServerSideApply] {
        let refusal = kubectl.submit(mode, &other).await.unwrap();
        assert!(!refusal.status.success(), "{mode:?}");
        let words = "userId is immutable: create another Auth0UserUpdate for another user";
        assert!(refusal.stderr.contains(words), "{mode:?}: {refusal}");
    }
    kubectl.apply(&update("ann", json!({"name": "Ann"}))).await.unwrap();
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_name() {
    let kubectl = namespace("schema").await;
    for mode in [Mode::Create, Mode::Apply, Mode::ServerSideApply] {
        for (card, field) in [
            (json!({"nmae": "Ann"}), "nmae"),
            (json!({"password": "hunter2"}), "password"),
            (json!({"tenantRef": {"name": "example", "kind": "x"}}), "kind"),
        ] {
            let refusal = kubectl.submit(mode, &update("ann", card)).await.unwrap();
            assert!(!refusal.status.success(), "{mode:?}: {field}");
            assert!(refusal.stderr.contains(field), "{mode:?}: {refusal}");
            assert!(
                refusal.stderr.contains("unknown field") || refusal.stderr.contains("not declared"),
                "{refusal}"
            );
        }
    }
}

#[tokio::test]
async fn a_patch_is_judged_as_a_whole_object_is() {
    let kubectl = namespace("schema").await;
    kubectl.apply(&update("ann", json!({"name": "Ann"}))).await.unwrap();
    let merge = json!({"spec": {"clear": ["name"]}});
    let refusal = kubectl.patch("a0uu/ann", Patch::Merge, &merge).await.unwrap();
    assert!(refusal.stderr.contains("name is listed in clear and has a value"), "{refusal}");
    let add = json!([{"op": "add", "path": "/spec/nickname", "value": null}]);
    kubectl.patch("a0uu/ann", Patch::Json, &add).await.unwrap().ok().unwrap();
    let stored = kubectl.get("a0uu/ann").await.unwrap();
    assert_eq!(stored["spec"].as_object().unwrap().get("nickname"), Some(&Value::Null));
}
