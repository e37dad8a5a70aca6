use super::*;
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
