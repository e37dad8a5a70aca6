//! The playground: everything is up, and whoever started it may try things.

use std::time::Duration;

use lab::Result;
use tokio::time::sleep;

use crate::show;
use crate::stage::{Stage, UPDATE, example, repository, step};

/// Keeps everything running until `end`, showing what Auth0 receives.
pub(crate) async fn stay(stage: &mut Stage, end: impl Future<Output = Result<()>>) -> Result<()> {
    let manifest = example("user-update.yaml")?;
    step("applying user-update.yaml, waiting for Ready", async {
        stage.kubectl().apply(&manifest).await?;
        stage.wait_ready(UPDATE).await
    })
    .await?;
    invite(stage);
    tokio::select! {
        outcome = end => outcome,
        () = report_requests(stage) => Ok(()),
    }
}

fn invite(stage: &Stage) {
    let root = repository();
    show::heading("In another terminal");
    println!("cd {}", root.display());
    let programs = stage.plane.admin().program().parent().unwrap_or(&root).display();
    println!("export PATH={programs}:$PATH KUBECONFIG={}", stage.plane.kubeconfig().display());
    show::heading("Things to try");
    println!("kubectl get a0uu -o wide");
    println!("kubectl edit a0uu ann                                         # change a value");
    println!("kubectl apply -f examples/demo/user-update-edited.yaml        # clear a field and a key");
    println!("kubectl patch a0uu ann --type merge -p '{{\"spec\":{{\"clear\":[\"picture\"]}}}}'");
    println!("kubectl explain a0uu.spec                                     # every input");
    println!("kubectl get events                                            # what was done");
    println!("# the user as Auth0 holds it:");
    println!(
        "curl --cacert {} -H 'Authorization: Bearer {}' https://{}/__sandbox/users/auth0%7Cann",
        stage.ca.display(),
        stage.auth0.admin_token(),
        stage.auth0.domain()
    );
    println!("\nCtrl-C ends everything. What Auth0 receives:");
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
