//! The playground: everything is up, and whoever started it may try things.

use std::time::Duration;

use auth0_sandbox::{Client, Connection};
use lab::{Error, Result};
use tokio::time::sleep;

use crate::show;
use crate::stage::{Stage, UPDATE, example, repository, step};

/// Keeps everything running until `end`, showing what Auth0 receives.
pub(crate) async fn stay(stage: &mut Stage, end: impl Future<Output = Result<()>>) -> Result<()> {
    step("applying tenant-client-secret.yaml and user-update.yaml", apply(stage)).await?;
    invite(stage);
    tokio::select! {
        outcome = end => outcome,
        () = report_requests(stage) => Ok(()),
    }
}

/// What the other files of `examples/` need: their tenant, its application, and their users.
async fn apply(stage: &mut Stage) -> Result<()> {
    let scopes = ["read:users", "update:users", "update:users_app_metadata", "read:connections"];
    stage.auth0.put_client(Client::with_secret("YOUR_CLIENT_ID", "YOUR_CLIENT_SECRET").scopes(&scopes));
    stage.auth0.put_connection(Connection::database("Partners"));
    for user in lab::people::of_examples() {
        stage.auth0.put_user(user).map_err(Error::Failed)?;
    }
    let domain = stage.auth0.domain();
    stage
        .kubectl()
        .apply(&example("tenant-client-secret.yaml")?.replace("example.eu.auth0.com", &domain))
        .await?;
    stage.kubectl().apply(&example("demo/user-update.yaml")?).await?;
    stage.wait_ready("auth0tenant/example").await?;
    stage.wait_ready(UPDATE).await
}

fn show_users(stage: &Stage) {
    show::heading("The users of the tenant, for spec.userId");
    for id in stage.auth0.user_ids() {
        let user = stage.auth0.user(&id).unwrap_or_default();
        println!("{id:<44} {}", user["email"].as_str().or(user["phone_number"].as_str()).unwrap_or_default());
    }
}

fn invite(stage: &Stage) {
    let root = repository();
    let (ca, kubeconfig) = (stage.ca.display(), stage.plane.kubeconfig().display());
    show_users(stage);
    show::heading("In another terminal");
    println!("cd {}", root.display());
    let programs = stage.plane.admin().program().parent().unwrap_or(&root).display();
    let own = std::env::current_exe().unwrap_or_default();
    let own = own.parent().unwrap_or(&root).display();
    println!("export PATH={programs}:{own}:$PATH KUBECONFIG={kubeconfig}");
    let (domain, token) = (stage.auth0.domain(), stage.auth0.admin_token());
    println!("export SSL_CERT_FILE={ca} AUTH0_USER_OPERATOR_ALLOWED_DOMAIN={domain}");
    println!(
        "auth0() {{ curl -sS --cacert {ca} -H 'Authorization: Bearer {token}' \"https://{domain}/__sandbox/$@\"; }}"
    );
    things_to_try();
    match &stage.operator {
        Some(operator) => println!("tail -f {}   # the operator's log", operator.log_file().display()),
        None => println!(
            "# the operator, under a debugger if you like:\ncargo run -- run --health-address 127.0.0.1:0"
        ),
    }
    println!("\nCtrl-C ends everything. What Auth0 receives:");
}

fn things_to_try() {
    show::heading("Things to try");
    println!("kubectl get a0uu -o wide");
    println!("kubectl edit a0uu ann                                         # change a value");
    println!("kubectl apply -f examples/demo/user-update-edited.yaml        # clear a field and a key");
    println!(
        "kubectl apply -f examples/change-email.yaml                   # any file there but other tenants"
    );
    println!("kubectl patch a0uu ann --type merge -p '{{\"spec\":{{\"clear\":[\"picture\"]}}}}'");
    println!("kubectl explain a0uu.spec                                     # every input");
    println!("kubectl get events                                            # what was done");
    println!("auth0-user-operator export --tenant example --email ben@example.com > ben.yaml");
    println!("auth0-user-operator diff -f ben.yaml                          # after an edit");
    println!("auth0 users/auth0%7Cann                                       # the user as Auth0 holds it");
    println!("# an administrator changes the user in Auth0 itself:");
    println!(
        "auth0 users/auth0%7Cann | sed 's/\"annie\"/\"drift\"/; s/.*/{{\"profile\":&}}/' | auth0 users -X PUT -d @-"
    );
}

async fn report_requests(stage: &Stage) {
    let mut shown = 0;
    loop {
        for exchange in stage.auth0.log().iter().filter(|exchange| exchange.status.is_some()) {
            if exchange.sequence > shown {
                println!("{}", show::request(exchange));
                shown = exchange.sequence;
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}
