//! Which Auth0 tenant a command reads, with which credentials: those of the environment, or of the cluster.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0Tenant, Auth0UserUpdate, RateLimit, SecretVersion};
use crate::auth0::{self, AllowedDomains, Client, Credentials, Error, Limiter, Proof, Rate, SigningKey};
use crate::cluster::client::within_deadline;
use crate::cluster::secrets::{Content, Use, version};
use crate::command::Problem;
use crate::reconcile::tenant::clients::credentials;
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::config::KubeConfigOptions;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Not a flag: command lines are seen by every process of a machine.
const CLIENT_SECRET: &str = "AUTH0_CLIENT_SECRET";

/// Longest time that a call waits because Auth0 asks to slow down.
const PATIENCE: Duration = Duration::from_mins(10);

/// Namespace of what names none where there is no cluster, as kubectl has it.
const DEFAULT_NAMESPACE: &str = "default";

/// How often a call is made that Auth0 does not answer.
const TRIES: u32 = 3;

/// Which tenant to read. `--context` takes precedence over `AUTH0_DOMAIN`, and `AUTH0_DOMAIN` over the current
/// context.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Auth0 tenant and credentials")]
pub struct AccountFlags {
    /// Domain of the Auth0 tenant, for use without a cluster; also needs `AUTH0_CLIENT_ID`, and `AUTH0_CLIENT_SECRET`
    /// or `AUTH0_PRIVATE_KEY_FILE`.
    #[arg(long, env = "AUTH0_DOMAIN")]
    pub domain: Option<String>,

    /// Client id of a machine-to-machine application with the scope read:users.
    #[arg(long, env = "AUTH0_CLIENT_ID")]
    pub client_id: Option<String>,

    /// File with the private key of the application, in PEM (`private_key_jwt`).
    #[arg(long, env = "AUTH0_PRIVATE_KEY_FILE")]
    pub private_key_file: Option<PathBuf>,

    /// Algorithm of the private key: RS256, RS384 or PS256. Default: RS256.
    #[arg(long, env = "AUTH0_SIGNING_ALGORITHM")]
    pub signing_algorithm: Option<String>,

    /// Context of the kubeconfig; tenants and their credentials are read from that cluster.
    #[arg(long, env = "AUTH0_USER_OPERATOR_CONTEXT")]
    pub context: Option<String>,

    /// Namespace of manifests that name none. Default: the namespace of the context, or `default` without a cluster.
    #[arg(short, long, env = "AUTH0_USER_OPERATOR_NAMESPACE")]
    pub namespace: Option<String>,

    /// Which domains may be called.
    #[command(flatten)]
    pub allowed: AllowedFlag,

    /// Rate limit: requests to Auth0 a minute. Default: `spec.rateLimit` of the tenant, or 60 without a cluster.
    #[arg(long, env = "AUTH0_USER_OPERATOR_REQUESTS_PER_MINUTE", value_parser = clap::value_parser!(u32).range(1..))]
    pub requests_per_minute: Option<u32>,
}

/// Which domains may be called, in every command that calls any.
#[derive(Args, Clone, Debug)]
pub struct AllowedFlag {
    /// Auth0 domain that may be called; *.example.com allows every host below it; repeat the flag for several.
    #[arg(
        long,
        env = "AUTH0_USER_OPERATOR_ALLOWED_DOMAIN",
        value_delimiter = ',',
        default_value = "*.auth0.com"
    )]
    pub allowed_domain: Vec<String>,
}

/// Where tenants and credentials come from.
pub enum Source {
    /// One tenant that the environment names.
    Environment(Box<Account>),
    /// Those of a cluster.
    Cluster(Box<Cluster>),
}

/// An Auth0 tenant that can be asked.
pub struct Account {
    /// Host, with its port.
    pub host: String,
    client: Client,
}

/// A cluster, with the rights of the person who runs the command.
pub struct Cluster {
    kubernetes: kube::Client,
    /// Namespace of what names none.
    pub namespace: String,
    flags: AccountFlags,
}

impl AccountFlags {
    /// Where tenants and credentials come from. Nothing is sent yet.
    ///
    /// # Errors
    /// Where the environment names a tenant without usable credentials, or there is no kubeconfig.
    pub async fn source(&self) -> Result<Source, Problem> {
        match self.domain.as_deref().filter(|_| self.is_by_environment()) {
            Some(domain) => {
                let credentials = self.credentials_of_environment()?;
                let domain = domain.trim_start_matches("https://").trim_end_matches('/').to_ascii_lowercase();
                let account = self.account_of(&domain, credentials, None, None)?;
                Ok(Source::Environment(Box::new(account)))
            }
            None => Ok(Source::Cluster(Box::new(self.cluster().await?))),
        }
    }

    /// The tenant of the environment, or the `Auth0Tenant` of this name in the cluster: `NAME` or `NAMESPACE/NAME`.
    ///
    /// # Errors
    /// As [`AccountFlags::source`], and where the cluster has no such tenant, or not its credentials.
    pub async fn account(&self, tenant: Option<&str>) -> Result<Account, Problem> {
        let cluster = match self.source().await? {
            Source::Environment(account) => return Ok(*account),
            Source::Cluster(cluster) => cluster,
        };
        let named = tenant.ok_or_else(|| {
            Problem("no tenant selected: name its Auth0Tenant with --tenant, or set AUTH0_DOMAIN".to_owned())
        })?;
        let (namespace, name) = named.split_once('/').unwrap_or((&cluster.namespace, named));
        let found = cluster.tenant(namespace, name).await?;
        let tenant = found
            .ok_or_else(|| Problem(format!("there is no Auth0Tenant {name:?} in namespace {namespace}")))?;
        cluster.account(&tenant).await
    }

    fn credentials_of_environment(&self) -> Result<Credentials, Problem> {
        let missing = |what: &str| Problem(format!("AUTH0_DOMAIN is set, and {what}"));
        let client_id = self.client_id.clone().filter(|id| !id.is_empty());
        let client_id = client_id.ok_or_else(|| missing("AUTH0_CLIENT_ID is not: set it too"))?;
        let secret = std::env::var(CLIENT_SECRET).ok().filter(|secret| !secret.is_empty());
        let proof = match (&self.private_key_file, secret) {
            (Some(file), None) => Proof::Key(self.signing_key(file)?),
            (None, Some(secret)) => Proof::Secret(SecretString::from(secret)),
            (None, None) => {
                return Err(missing(
                    "neither AUTH0_CLIENT_SECRET nor AUTH0_PRIVATE_KEY_FILE is: set one of them",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(missing(
                    "so are both AUTH0_CLIENT_SECRET and AUTH0_PRIVATE_KEY_FILE: remove the one that the application does not use",
                ));
            }
        };
        Ok(Credentials { client_id, proof })
    }

    fn signing_key(&self, file: &Path) -> Result<SigningKey, Problem> {
        let shown = file.display();
        let pem = std::fs::read_to_string(file)
            .map(SecretString::from)
            .map_err(|error| Problem(format!("the private key {shown} cannot be read: {error}")))?;
        let algorithm = self.signing_algorithm.as_deref().filter(|algorithm| !algorithm.is_empty());
        SigningKey::new(secrecy::ExposeSecret::expose_secret(&pem), algorithm).map_err(|_| {
            Problem(format!(
                "{shown} is not an RSA private key in PEM of at least 2048 bits, or AUTH0_SIGNING_ALGORITHM is not RS256, RS384 or PS256"
            ))
        })
    }

    fn account_of(
        &self,
        domain: &str,
        credentials: Credentials,
        custom_domain: Option<&str>,
        limit: Option<&RateLimit>,
    ) -> Result<Account, Problem> {
        let allowed = AllowedDomains::parse(&self.allowed.allowed_domain).map_err(Problem)?;
        if !allowed.allows(domain) {
            return Err(Problem(format!(
                "the domain {domain} is not allowed: add --allowed-domain {domain}"
            )));
        }
        let limiter = Arc::new(Limiter::default());
        limiter.set_rate(self.rate(limit));
        let http = auth0::http_client(&allowed)?;
        let client = Client::new(http, domain, credentials, limiter)?.with_custom_domain(custom_domain)?;
        Ok(Account { host: domain.to_owned(), client })
    }

    /// A tenant's own rate, unless a flag says another one.
    fn rate(&self, limit: Option<&RateLimit>) -> Rate {
        let default = Rate::default();
        let (of_tenant, burst) = limit.map_or((None, None), |limit| (limit.requests_per_minute, limit.burst));
        let per_minute = self.requests_per_minute.or(of_tenant).unwrap_or(default.per_minute);
        Rate { per_minute, burst: burst.unwrap_or(default.burst) }
    }

    /// Namespace of what names none.
    pub async fn namespace(&self) -> String {
        if let Some(namespace) = &self.namespace {
            return namespace.clone();
        }
        let config = if self.is_by_environment() { None } else { self.config().await.ok() };
        config.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |config| config.default_namespace)
    }

    fn is_by_environment(&self) -> bool {
        self.context.is_none() && self.domain.as_deref().is_some_and(|domain| !domain.is_empty())
    }

    async fn config(&self) -> Result<kube::Config, String> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        match self.context {
            Some(_) => kube::Config::from_kubeconfig(&options).await.map_err(|error| error.to_string()),
            None => kube::Config::infer().await.map_err(|error| error.to_string()),
        }
    }

    /// The cluster of the context, whatever tenant the environment names.
    ///
    /// # Errors
    /// Where there is no kubeconfig, or it cannot be used.
    pub async fn cluster(&self) -> Result<Cluster, Problem> {
        let config = self.config().await.map_err(|error| {
            Problem(match &self.context {
                Some(context) => format!("the context {context:?} cannot be used: correct --context or the kubeconfig ({error})"),
                None if self.is_by_environment() => format!("no cluster to read: use a kubeconfig, or leave --live out ({error})"),
                None => format!("no tenant to read: set AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, or use a kubeconfig ({error})"),
            })
        })?;
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let kubernetes = kube::Client::try_from(config)
            .map_err(|error| Problem(format!("the kubeconfig cannot be used: {error}")))?;
        Ok(Cluster { kubernetes, namespace, flags: self.clone() })
    }
}

impl Cluster {
    /// A tenant, if it is there.
    ///
    /// # Errors
    /// Where the cluster does not answer, or does not allow it.
    pub async fn tenant(&self, namespace: &str, name: &str) -> Result<Option<Auth0Tenant>, Problem> {
        let api: Api<Auth0Tenant> = Api::namespaced(self.kubernetes.clone(), namespace);
        within_deadline(api.get_opt(name))
            .await
            .map_err(|error| Problem(format!("the Auth0Tenant {namespace}/{name} cannot be read: {error}")))
    }

    /// The one tenant of the namespace.
    ///
    /// # Errors
    /// Where there is none, or several.
    pub async fn only_tenant(&self) -> Result<Auth0Tenant, Problem> {
        let api: Api<Auth0Tenant> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let unread =
            |error| Problem(format!("the Auth0Tenants of {} cannot be read: {error}", self.namespace));
        let found = within_deadline(api.list(&ListParams::default())).await.map_err(unread)?.items;
        let names: Vec<String> = found.iter().map(kube::ResourceExt::name_any).collect();
        <[Auth0Tenant; 1]>::try_from(found).map(|[tenant]| tenant).map_err(|_| {
            let hint = "name one with --tenant NAME or --tenant NAMESPACE/NAME";
            Problem(match names.as_slice() {
                [] => format!("namespace {} has no Auth0Tenant: {hint}", self.namespace),
                several => format!(
                    "namespace {} has the Auth0Tenants {}: {hint}",
                    self.namespace,
                    several.join(", ")
                ),
            })
        })
    }

    /// A resource, if it is there.
    ///
    /// # Errors
    /// Where the cluster does not answer, or does not allow it, or the resource cannot be read.
    pub async fn update(&self, namespace: &str, name: &str) -> Result<Option<Auth0UserUpdate>, Problem> {
        let api: Api<Auth0UserUpdate> = Api::namespaced(self.kubernetes.clone(), namespace);
        within_deadline(api.get_opt(name)).await.map_err(|error| {
            Problem(format!("the Auth0UserUpdate {namespace}/{name} cannot be read: {error}"))
        })
    }

    /// Which content a Secret has, if it is there.
    ///
    /// # Errors
    /// Why it cannot be used; `None` where this person may not know.
    pub async fn secret_version(
        &self,
        namespace: &str,
        name: &str,
        use_: Use,
    ) -> Result<Option<SecretVersion>, Option<Failure>> {
        let api: Api<Secret> = Api::namespaced(self.kubernetes.clone(), namespace);
        let found = within_deadline(api.get_metadata_opt(name)).await.map_err(|_| None)?;
        let Some(PartialObjectMeta { metadata, .. }) = found else { return Ok(None) };
        use_.check(namespace, &metadata).map_err(Some)?;
        Ok(Some(version(&metadata)))
    }

    /// A tenant with the credentials that its Secret holds.
    ///
    /// # Errors
    /// Where the Secret cannot be read, or holds no credentials that can be right.
    pub async fn account(&self, tenant: &Auth0Tenant) -> Result<Account, Problem> {
        let spec = &tenant.spec;
        let content = self.credentials(tenant).await?;
        let credentials = credentials(&spec.credentials_secret_ref.name, &content, &spec.domain)?;
        self.flags.account_of(
            &spec.domain,
            credentials,
            spec.custom_domain.as_deref(),
            spec.rate_limit.as_ref(),
        )
    }

    async fn credentials(&self, tenant: &Auth0Tenant) -> Result<Content, Problem> {
        let name = &tenant.spec.credentials_secret_ref.name;
        let namespace = tenant.namespace().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.kubernetes.clone(), &namespace);
        let secret = within_deadline(api.get_opt(name))
            .await
            .map_err(|error| Problem(format!("the Secret {namespace}/{name} cannot be read: {error}")))?;
        let secret = secret.ok_or_else(|| {
            let message =
                format!("the Secret {namespace}/{name} with the tenant's credentials does not exist");
            Failure::new(Reason::SecretNotFound, message)
        })?;
        Use::Credentials.check(&namespace, &secret.metadata)?;
        Ok(Content::from(secret))
    }
}

impl Account {
    /// Makes a call at the pace of the tenant's host. Where Auth0 asks to slow down, it waits; an answer that does not
    /// come is asked for again.
    ///
    /// # Errors
    /// What keeps the call from being answered.
    pub async fn ask<T>(&self, call: impl AsyncFn(&Client) -> Result<T, Error>) -> Result<T, Error> {
        let (end, mut tries) = (Instant::now() + PATIENCE, 0);
        loop {
            let answer = match self.client.limiter().acquire(false).await {
                Ok(()) => call(&self.client).await,
                Err(error) => Err(error),
            };
            let Err(error) = answer else { return answer };
            let wait = error.retry_after.unwrap_or(Duration::from_secs(1));
            tries += u32::from(error.failure.reason == Reason::Auth0Unavailable);
            let passes = matches!(error.failure.reason, Reason::RateLimited | Reason::Auth0Unavailable);
            if !passes || tries >= TRIES || Instant::now() + wait > end {
                return Err(error);
            }
            sleep(wait).await;
        }
    }

    /// How many users to search for at once.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.client.batch()
    }
}
