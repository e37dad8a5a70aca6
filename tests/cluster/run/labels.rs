//! Secrets that do not say what they are for.

use crate::world::{World, condition, object, unhurried};
use lab::{Mode, USE_LABEL};
use serde_json::json;

#[tokio::test]
async fn the_value_of_a_secret_goes_to_auth0_only_where_its_label_says_that_it_may() {
    let world = World::start("labels").await;
    let dsn = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"},
        "stringData": {"dsn": "Orchid-Garden-7", "clientId": "operator", "clientSecret": "x"},
    });
    world.objects.apply(&dsn.to_string()).await.unwrap();
    world.apply(json!({"name": "Ann L.", "passwordSecretRef": {"name": "database", "key": "dsn"}})).await;
    let told = world.until_reason("auth0userupdate/ann", "SecretForbidden").await;
    let command =
        format!("label --overwrite secret database --namespace {} {USE_LABEL}=password", world.namespace);
    let conditions = told["status"]["conditions"].to_string();
    assert!(conditions.contains(&format!("run: kubectl {command}")), "{conditions}");
    assert_eq!(world.bodies(), [json!({"name": "Ann L."})], "the password alone is held");

    // The command that the message prints.
    world.kubectl.run(command.split(' '), "").await.unwrap().ok().unwrap();
    world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.bodies()[1..], [json!({"password": "Orchid-Garden-7"})]);

    // What was sent stays; a label that is taken away is told.
    world.objects.label("secret/database", &format!("{USE_LABEL}-")).await.unwrap();
    let told = world.until("auth0userupdate/ann", "SecretForbidden", |object| {
        condition(object, "Synced") == ("Unknown".into(), "SecretForbidden".into())
    });
    told.await;
    assert_eq!(world.bodies().len(), 2);

    // The same Secret is no tenant's credentials either.
    world.objects.label("secret/database", &format!("{USE_LABEL}=password")).await.unwrap();
    let spec = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "database"}, "rateLimit": unhurried(),
    });
    world.objects.apply(&object("Auth0Tenant", "theirs", &spec)).await.unwrap();
    world.until_reason("auth0tenant/theirs", "SecretForbidden").await;
}

#[tokio::test]
async fn the_api_server_refuses_names_that_no_secret_can_have() {
    let world = World::start("secret-names").await;
    for name in ["?watch=true", "creds?x=", "creds\nx", "../secrets", "Creds", "creds-"] {
        let card = json!({"passwordSecretRef": {"name": name, "key": "k"}});
        let refused =
            world.kubectl.submit(Mode::ServerSideApply, &crate::world::update("ann", card)).await.unwrap();
        let error = refused.ok().unwrap_err().to_string();
        assert!(error.contains("passwordSecretRef.name") && error.contains("must be a DNS name"), "{error}");
    }
}
