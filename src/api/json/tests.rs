use crate::api::json::*;
use serde_json::json;

fn object(text: &[u8]) -> Option<Value> {
    read::<Object>(text)?.0.map(Value::Object)
}

fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":["#.repeat(levels / 2), "]}".repeat(levels / 2))
}

#[test]
fn halves_of_surrogate_pairs_are_replaced_and_nothing_else_is_touched() {
    for (written, read) in [
        (r"hi \ud83d", "hi \u{fffd}"),
        (r"\uD83D\n", "\u{fffd}\n"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
        (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
        (r#"\ud83d \\ud83d \" \\\\ \/ é"#, "\u{fffd} \\ud83d \" \\\\ / \u{e9}"),
    ] {
        let text = format!(r#"{{"{written}":"{written}"}}"#);
        assert_eq!(object(text.as_bytes()), Some(json!({read: read})), "{written}");
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(object(b"{\"a\":\"caf\xe9\",\"b\":1.5}"), Some(json!({"a": "caf\u{fffd}", "b": 1.5})));
}

#[test]
fn what_is_no_json_is_not_read() {
    for text in
        ["", "{", "[]", "null", r#"{"a":"\ud83"}"#, r#"{"a":\ud83d}"#, r#"{"a":"\"#, "{\"a\":\"\\\u{e9}\"}"]
    {
        assert_eq!(object(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn no_depth_is_a_failure_and_what_a_spec_may_have_is_read_whole() {
    let whole = nested(crate::api::MOST_LEVELS);
    for levels in [124, 130, 2_000, 9_000, 200_000] {
        let text = format!(r#"{{"user_metadata":{{"whole":{whole},"deep":{}}},"after":1}}"#, nested(levels));
        let read = object(text.as_bytes()).unwrap();
        assert_eq!(read["user_metadata"]["whole"].to_string(), whole);
        assert_eq!(read["after"], 1);
        let levels = read["user_metadata"]["deep"].to_string().matches(['{', '[']).count();
        assert_eq!(levels, LEVELS - 2);
    }
}

#[test]
fn a_key_of_serde_jsons_own_is_a_key() {
    let text = json!({"a": {"$serde_json::private::RawValue": "[1]", "b": 1}, "c": {"$serde_json::private::RawValue": "["}});
    assert_eq!(object(text.to_string().as_bytes()), Some(text));
}

/// As many objects as there may be values, and so twice as many values, in so many bytes for each.
fn small_objects() -> String {
    format!("[{}]", vec![r#"{"":0}"#; MOST_VALUES].join(","))
}

#[test]
fn a_map_of_too_many_values_is_left_out_whole_and_one_of_as_many_as_there_may_be_is_read() {
    #[derive(Deserialize)]
    struct Spec {
        #[serde(deserialize_with = "map")]
        map: Option<Map<String, Value>>,
        #[serde(deserialize_with = "list_if_any")]
        list: Option<Vec<Value>>,
        #[serde(deserialize_with = "map_if_any")]
        output: Option<Map<String, Value>>,
    }
    let spec = |values: usize| {
        let many = vec!["0"; values].join(",");
        let text = format!(r#"{{"map":{{"k":[{many}]}},"list":[0,{many}],"output":{{"k":[{many}]}}}}"#);
        serde_json::from_str::<Spec>(&text).unwrap()
    };
    let read = spec(MOST_VALUES - 1);
    assert_eq!(read.map.unwrap()["k"].as_array().unwrap().len(), MOST_VALUES - 1);
    assert!(read.list.is_some() && read.output.is_some());
    let read = spec(MOST_VALUES);
    let map = read.map.unwrap();
    assert!(map.len() == 1 && is_left_out(map[""].as_str().unwrap()));
    assert!(read.list.is_none() && read.output.is_none());
}

#[test]
fn a_user_keeps_every_name_and_every_attribute_whatever_its_values_are() {
    let (many, names) = (small_objects(), 2 * MOST_VALUES);
    let keys: Vec<String> = (0..names).map(|key| format!(r#""{key}":{{"a":[{key}]}}"#)).collect();
    let text = format!(
        r#"{{"a_claim":{many},"app_metadata":{{"a":{many},"b":{many},"c":1,"d":[]}},"blocked":true,
            "identities":[{{"provider":"auth0","user_id":"1"}}],"user_id":"auth0|1",
            "user_metadata":{{"0":{{"a":[0]}},{}}}}}"#,
        keys.join(",")
    );
    let user = read::<User>(text.as_bytes()).unwrap().0.unwrap();
    let is_absent = |value: &Value| value.as_str().is_some_and(is_left_out);
    assert!(is_absent(&user["a_claim"]) && is_absent(&user["app_metadata"]["a"]));
    assert!(is_absent(&user["app_metadata"]["b"]) && user["app_metadata"]["c"] == 1);
    assert_eq!(user["blocked"], true);
    assert_eq!(user["identities"], json!([{"provider": "auth0", "user_id": "1"}]));
    let metadata = user["user_metadata"].as_object().unwrap();
    assert_eq!(metadata.len(), names);
    assert_eq!(metadata["0"], json!({"a": [0]}));
    assert!(is_absent(&metadata[&(names - 1).to_string()]));
}
