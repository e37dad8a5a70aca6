//! Addresses and headers, without a call.

use crate::auth0::Proof;
use crate::auth0::client::*;

fn client(domain: &str) -> Result<Client, Failure> {
    let credentials = Credentials { client_id: "id".to_owned(), proof: Proof::Secret("secret".into()) };
    Client::new(reqwest::Client::new(), domain, credentials, Arc::default())
}

#[test]
fn an_id_is_one_segment_encoded_once() {
    let client = client("Example.auth0.com").unwrap();
    for (id, segment) in [
        ("auth0|507f", "auth0%7C507f"),
        ("oauth2|siwe|eip155%3A5", "oauth2%7Csiwe%7Ceip155%253A5"),
        ("samlp|a/b/../c", "samlp%7Ca%2Fb%2F..%2Fc"),
        ("a b\t\n+?#&;=@\\", "a%20b%09%0A%2B%3F%23%26%3B%3D%40%5C"),
        ("\u{e4}-._~", "%C3%A4-._~"),
        ("%2e%2e", "%252e%252e"),
        ("...", "..."),
    ] {
        let url = client.user_url(id).unwrap();
        assert_eq!(url.as_str(), format!("https://example.auth0.com/api/v2/users/{segment}"));
    }
    for id in ["", ".", ".."] {
        let error = client.user_url(id).unwrap_err();
        assert_eq!((error.failure.reason, error.effect), (Reason::InvalidRequest, Effect::None));
    }
}

#[test]
fn only_a_host_makes_a_client() {
    for domain in ["", "a@b", "a/b", "https://a.auth0.com", "0x7f.1", "127.1", "a.auth0.com."] {
        assert!(client(domain).is_err(), "{domain}");
    }
    assert_eq!(client("127.0.0.1:4433").unwrap().origin, "https://127.0.0.1:4433");
}

#[test]
fn a_correlation_id_fits_its_header() {
    let value = |id: &str| correlation(id).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(value("uid/7\r\nx: y").as_deref(), Some("uid/7x:y"));
    assert_eq!(value(&"a".repeat(100)).unwrap().len(), 64);
    assert_eq!(value("\n"), None);
}

#[test]
fn a_user_is_read_whatever_their_metadata_holds() {
    for bio in [
        r#""hi \ud83d""#.to_owned(),
        format!("{}{}", "[".repeat(9_000), "]".repeat(9_000)),
        "1e308".to_owned(),
    ] {
        let body = format!(r#"{{"user_id":"auth0|1","nickname":"n","user_metadata":{{"bio":{bio}}}}}"#);
        let answer = Answer {
            status: reqwest::StatusCode::OK,
            headers: reqwest::header::HeaderMap::new(),
            body: body.into_bytes(),
        };
        let user = read_user(&answer).unwrap();
        assert_eq!(user.text("nickname"), Some("n"));
        assert!(user.metadata("user_metadata").unwrap().contains_key("bio"));
    }
}
