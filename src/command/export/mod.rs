//! `export`: users that are in Auth0 as `Auth0UserUpdate` manifests. Applying them changes nothing.

mod manifest;
mod output;
mod select;
mod spec;
mod valid;

pub use manifest::Manifest;

use crate::api::TenantRef;
use crate::command::Problem;
use crate::command::account::{Account, AccountFlags, Source};
use clap::Args;
use kube::ResourceExt as _;
use select::Selection;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `export`.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// Which users.
    #[command(flatten)]
    pub selection: Selection,

    /// The `Auth0Tenant` that the manifests refer to: NAME or NAMESPACE/NAME. Default: the only one in the namespace.
    #[arg(long, env = "AUTH0_USER_OPERATOR_TENANT")]
    pub tenant: Option<String>,

    /// Folder to write to: one file for each user, and a kustomization.yaml if the folder has none. Default: standard
    /// output.
    #[arg(long, env = "AUTH0_USER_OPERATOR_OUTPUT_DIR")]
    pub output_dir: Option<PathBuf>,

    /// Overwrite existing files in the folder that have other content.
    #[arg(long, env = "AUTH0_USER_OPERATOR_OVERWRITE")]
    pub overwrite: bool,

    /// Where the tenant is.
    #[command(flatten)]
    pub account: AccountFlags,
}

/// Exports. Nothing is written unless all users were found.
///
/// # Errors
/// Where a user cannot be read, no user matches, or not all that match can be had.
pub async fn run(export: Export) -> Result<ExitCode, Problem> {
    let (account, tenant) = export.tenant().await?;
    let users = export.selection.users(&account).await?;
    let namespace = export.account.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let manifests = users.values().map(|user| Manifest::of(user, &tenant, namespace));
    let manifests = manifests.collect::<Result<Vec<_>, _>>()?;
    match export.output_dir.filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => output::write_files(&folder, &manifests, export.overwrite)?,
        None => output::print(&manifests)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Export {
    /// The tenant to read, and how the manifests name it.
    async fn tenant(&self) -> Result<(Account, TenantRef), Problem> {
        let named = self.tenant.as_deref().filter(|named| !named.is_empty());
        let named = named.map(|named| match named.split('/').collect::<Vec<_>>().as_slice() {
            [name] => Ok((None, (*name).to_owned())),
            [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                Ok((Some((*namespace).to_owned()), (*name).to_owned()))
            }
            _ => Err(Problem(format!("--tenant {named:?} is neither NAME nor NAMESPACE/NAME: correct it"))),
        });
        let named = named.transpose()?;
        let (cluster, named) = match (self.account.source().await?, named) {
            (Source::Environment(account), Some((namespace, name))) => {
                return Ok((*account, self.reference(namespace, name)));
            }
            (Source::Environment(_), None) => {
                let message = "no Auth0Tenant selected for the manifests: name it with --tenant NAME";
                return Err(Problem(message.to_owned()));
            }
            (Source::Cluster(cluster), named) => (cluster, named),
        };
        let Some((namespace, name)) = named else {
            let tenant = cluster.only_tenant().await?;
            return Ok((cluster.account(&tenant).await?, self.reference(None, tenant.name_any())));
        };
        let home = namespace.as_ref().unwrap_or(&cluster.namespace);
        let tenant = cluster.tenant(home, &name).await?.ok_or_else(|| {
            Problem(format!("there is no Auth0Tenant {name:?} in namespace {home}: correct --tenant"))
        })?;
        Ok((cluster.account(&tenant).await?, self.reference(namespace, name)))
    }

    /// Names the namespace of a tenant only where it is another one than that of the manifests.
    fn reference(&self, namespace: Option<String>, name: String) -> TenantRef {
        TenantRef {
            name,
            namespace: namespace.filter(|namespace| Some(namespace) != self.account.namespace.as_ref()),
        }
    }
}
