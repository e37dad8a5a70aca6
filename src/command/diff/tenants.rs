//! The tenants that manifests name, and what is asked of Auth0 for them.

use crate::api::Auth0Tenant;
use crate::cluster::guarded::Guarded;
use crate::command::Problem;
use crate::command::account::{Account, Cluster, Source};
use crate::command::manifests::Manifests;
use crate::ownership::Named;
use crate::reconcile::tenant::directory::Directory;
use kube_runtime::reflector;
use kube_runtime::watcher::Event;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The tenants of all resources.
pub struct Tenants {
    /// As the operator would know them, were all of them ready.
    pub directory: Directory,
    /// Those that can be asked.
    pub accounts: Vec<Account>,
    /// Which account is that of a tenant.
    pub accounts_by_name: BTreeMap<Named, usize>,
    /// Why others cannot be asked.
    pub problems: Vec<String>,
}

impl Tenants {
    /// Finds the tenants that resources name. `only`: no other is needed.
    ///
    /// # Errors
    /// Where it is not clear which of several tenants the environment means.
    pub async fn find(source: Source, manifests: &Manifests, only: Option<&Named>) -> Result<Self, Problem> {
        let named = manifests.updates.iter().map(|update| {
            update.spec.tenant_ref.resolve(update.metadata.namespace.as_deref().unwrap_or_default())
        });
        let needed: BTreeSet<Named> = named.filter(|named| only.is_none_or(|only| only == named)).collect();
        if let Some((namespace, name)) = only.filter(|_| needed.is_empty()) {
            return Err(Problem(format!(
                "no resource of the manifests names the Auth0Tenant {namespace}/{name}"
            )));
        }
        match source {
            Source::Environment(account) => of_environment(*account, manifests, &needed),
            Source::Cluster(cluster) => of_cluster(&cluster, manifests, &needed).await,
        }
    }
}

/// All resources are of one tenant, unless its manifest says otherwise.
fn of_environment(
    account: Account,
    manifests: &Manifests,
    needed: &BTreeSet<Named>,
) -> Result<Tenants, Problem> {
    let declared = |named: &Named| manifests.tenants.iter().find(|tenant| is_named(tenant, named));
    let unknown: Vec<String> = needed.iter().filter(|named| declared(named).is_none()).map(title).collect();
    if unknown.len() > 1 || (unknown.len() == 1 && needed.len() > 1) {
        return Err(Problem(format!(
            "the manifests name several tenants, and AUTH0_DOMAIN is one: say which with --tenant, or add the manifests of the Auth0Tenants {}",
            unknown.join(", ")
        )));
    }
    let (mut tenants, mut accounts_by_name, mut problems) = (Vec::new(), BTreeMap::new(), Vec::new());
    for named in needed {
        let tenant = declared(named).cloned().or_else(|| assumed(named, &account.host));
        let Some(tenant) = tenant else { continue };
        let (domain, host) = (&tenant.spec.domain, &account.host);
        if domain == host {
            accounts_by_name.insert(named.clone(), 0);
        } else {
            let title = title(named);
            problems.push(format!(
                "the Auth0Tenant {title} is for {domain}, and AUTH0_DOMAIN is {host}: say with --tenant which one is meant"
            ));
        }
        tenants.push(tenant);
    }
    Ok(Tenants { directory: directory(tenants), accounts: vec![account], accounts_by_name, problems })
}

/// The tenants of a cluster with what their manifests grant. A manifest alone does not say where credentials are sent.
async fn of_cluster(
    cluster: &Cluster,
    manifests: &Manifests,
    needed: &BTreeSet<Named>,
) -> Result<Tenants, Problem> {
    let (mut accounts, mut tenants) = (Vec::new(), Vec::new());
    let (mut accounts_by_name, mut problems) = (BTreeMap::new(), Vec::new());
    for named in needed {
        let Some(mut tenant) = cluster.tenant(&named.0, &named.1).await? else { continue };
        match cluster.account(&tenant).await {
            Ok(account) => {
                accounts_by_name.insert(named.clone(), accounts.len());
                accounts.push(account);
            }
            Err(problem) => problems.push(format!("the Auth0Tenant {}: {problem}", title(named))),
        }
        if let Some(declared) = manifests.tenants.iter().find(|tenant| is_named(tenant, named)) {
            tenant.spec.access.clone_from(&declared.spec.access);
            tenant.spec.allowed_namespaces.clone_from(&declared.spec.allowed_namespaces);
        }
        tenants.push(tenant);
    }
    Ok(Tenants { directory: directory(tenants), accounts, accounts_by_name, problems })
}

/// A tenant of which nothing is written: every namespace may do everything, since its grants are not known.
fn assumed((namespace, name): &Named, domain: &str) -> Option<Auth0Tenant> {
    let tenant = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "domain": domain, "credentialsSecretRef": {"name": "environment"},
            "access": [{"namespaces": ["*"], "fields": ["*"], "outputs": "Full"}],
        },
    });
    serde_json::from_value(tenant).ok()
}

/// As the operator would know them, were all of them ready: only a tenant whose credentials have worked gives claims.
fn directory(tenants: Vec<Auth0Tenant>) -> Directory {
    let (store, mut writer) = reflector::store();
    for mut tenant in tenants {
        let generation = tenant.metadata.generation.unwrap_or_default();
        let ready = json!({
            "observedGeneration": generation, "credentials": {"uid": "", "resourceVersion": ""},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Available", "message": "",
                "observedGeneration": generation, "lastTransitionTime": "1970-01-01T00:00:00Z",
            }],
        });
        tenant.status = serde_json::from_value(ready).ok();
        writer.apply_watcher_event(&Event::Apply(Guarded(Ok(tenant))));
    }
    Directory::new([store])
}

fn is_named(tenant: &Auth0Tenant, (namespace, name): &Named) -> bool {
    tenant.metadata.namespace.as_ref() == Some(namespace) && tenant.metadata.name.as_ref() == Some(name)
}

fn title((namespace, name): &Named) -> String {
    format!("{namespace}/{name}")
}
