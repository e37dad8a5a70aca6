//! Compares every resource of the manifests with its user.

use crate::access::Access;
use crate::api::reason::Failure;
use crate::api::{Auth0UserUpdate, Mode};
use crate::command::Problem;
use crate::command::diff::live::Live;
use crate::command::diff::preview::{Asked, Conflict, Preview, Secret};
use crate::command::diff::report::{Entry, Report, State};
use crate::command::diff::tenants::Tenants;
use crate::command::diff::users::{Read, Users};
use crate::command::manifests::Manifests;
use crate::command::progress::Progress;
use crate::ownership::Named;
use crate::plan::Desired;
use crate::reconcile::object::schedule;
use crate::reconcile::pass::conflicts::Conflicts;
use crate::reconcile::tenant::directory::{self, resolve};
use crate::user::{Target, User};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use std::sync::Arc;

/// What all resources are judged by.
pub struct Comparison {
    tenants: Tenants,
    conflicts: Conflicts,
    live: Option<Live>,
    resources: Vec<Resource>,
    elsewhere: usize,
    /// What is not there yet is younger than all that is.
    now: Time,
}

/// The account and the host of a tenant, or why the operator would ask nothing; `None` where only this command cannot
/// ask.
type Place = Option<Result<(usize, String), Failure>>;

/// One resource, before its user is known.
struct Resource {
    object: Auth0UserUpdate,
    tenant: Named,
    access: Access,
    place: Place,
    secret: Secret,
}

impl Comparison {
    /// Judges what can be judged without a call. `only`: those of this tenant.
    #[must_use]
    pub fn new(manifests: &Manifests, tenants: Tenants, live: Option<Live>, only: Option<&Named>) -> Self {
        let conflicts = Conflicts { ownership: Arc::default(), tenants: tenants.directory.clone() };
        let (resources, now) = (Vec::new(), Time(Timestamp::now()));
        let mut comparison = Self { tenants, conflicts, live, resources, elsewhere: 0, now };
        for update in &manifests.updates {
            comparison.take(update.clone(), only);
        }
        comparison
    }

    fn take(&mut self, mut object: Auth0UserUpdate, only: Option<&Named>) {
        let named = named(&object);
        let tenant = object.spec.tenant_ref.resolve(&named.0);
        if only.is_some_and(|only| *only != tenant) {
            self.elsewhere += 1;
            return;
        }
        let live = self.live.as_ref().and_then(|live| live.update(&named));
        let created = live.and_then(|live| live.metadata.creation_timestamp.clone());
        let written = object.metadata.creation_timestamp;
        object.metadata.creation_timestamp = created.or(written).or_else(|| Some(self.now.clone()));
        object.metadata.uid = Some(format!("{}/{}", named.0, named.1));
        object.metadata.resource_version = None;
        object.metadata.deletion_timestamp = None;
        let nulls = live.map(|live| live.remembered_nulls().to_vec()).unwrap_or_default();
        object.status.get_or_insert_default().explicit_nulls = nulls;
        self.conflicts.ownership.update(&object);
        let (access, place) = self.place(&object, &named.0, &tenant);
        let secret = self.live.as_ref().map(|live| live.secret(&object)).unwrap_or_default();
        self.resources.push(Resource { object, tenant, access, place, secret });
    }

    fn place(&self, object: &Auth0UserUpdate, namespace: &str, tenant: &Named) -> (Access, Place) {
        let (access, found) = resolve(&self.tenants.directory, namespace, tenant, &object.spec.user_id);
        let found = match found {
            Ok(found) => found,
            Err(failure) => return (access, Some(Err(failure))),
        };
        let read = Desired::read(&object.spec, None, object.remembered_nulls());
        if let Err(failure) = read.and_then(|_| schedule::resync_interval(&object.spec)) {
            return (access, Some(Err(failure)));
        }
        let account = self.tenants.accounts_by_name.get(tenant).copied();
        (access, account.map(|account| Ok((account, found.host))))
    }

    /// Reads the users, and tells what each resource would send.
    pub async fn run(&self, most_confirmed: usize, report: &mut Report) {
        report.elsewhere = self.elsewhere;
        report.problems.extend(self.tenants.problems.iter().map(|problem| Problem(problem.clone())));
        let mut entries: Vec<Option<Entry>> = Vec::new();
        for resource in &self.resources {
            let refused = resource.place.as_ref().and_then(|place| place.as_ref().err());
            entries
                .push(refused.map(|failure| self.entry(resource, Preview::refused(failure.clone()), false)));
        }
        let users: usize = (0..self.tenants.accounts.len()).map(|account| self.ids(account).len()).sum();
        let mut progress = Progress::new(users);
        for account in 0..self.tenants.accounts.len() {
            if let Err(problem) = self.compare(account, most_confirmed, &mut entries, &mut progress).await {
                progress.end();
                report.problems.push(problem);
            }
        }
        progress.end();
        report.entries = entries.into_iter().flatten().collect();
        report.uncompared = self.resources.len() - report.entries.len();
    }

    /// The users of an account, each once.
    fn ids(&self, account: usize) -> Vec<&str> {
        let of_account = self.of_account(account).map(|(_, resource)| resource.object.spec.user_id.as_str());
        let mut ids: Vec<&str> = of_account.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn of_account(&self, account: usize) -> impl Iterator<Item = (usize, &Resource)> {
        let is_of =
            move |resource: &Resource| matches!(&resource.place, Some(Ok((own, _))) if *own == account);
        self.resources.iter().enumerate().filter(move |(_, resource)| is_of(resource))
    }

    async fn compare(
        &self,
        account: usize,
        most_confirmed: usize,
        entries: &mut [Option<Entry>],
        progress: &mut Progress,
    ) -> Result<(), Problem> {
        let (ids, Some(asked)) = (self.ids(account), self.tenants.accounts.get(account)) else {
            return Ok(());
        };
        if ids.is_empty() {
            return Ok(());
        }
        let of_host = |error| {
            let Problem(message) = Problem::from(error);
            Problem(format!("{}: {message}", asked.host))
        };
        let mut users = Users::find(asked, &ids, progress).await.map_err(of_host)?;
        let mut confirmed = 0;
        for (at, resource) in self.of_account(account) {
            let id = resource.object.spec.user_id.as_str();
            let Some((read, is_searched)) = users.get(id) else { continue };
            let mut preview = self.preview(resource, read);
            let confirms = is_searched && !preview.is_quiet() && confirmed < most_confirmed;
            if confirms {
                confirmed += 1;
                users.read(id).await.map_err(of_host)?;
                let read = users.get(id).map(|(read, _)| self.preview(resource, read));
                preview = read.unwrap_or(preview);
            }
            if let Some(entry) = entries.get_mut(at) {
                *entry = Some(self.entry(resource, preview, is_searched && !confirms));
            }
        }
        Ok(())
    }

    fn entry(&self, resource: &Resource, preview: Preview, is_searched: bool) -> Entry {
        let object = &resource.object;
        let state = match object.mode() {
            _ if object.is_paused() => State::Paused,
            Mode::Observe => State::Observes,
            Mode::Apply => State::Applies,
        };
        let host = self.tenants.directory.get(&resource.tenant.0, &resource.tenant.1);
        let host = host.and_then(|tenant| tenant.0.as_ref().ok().map(|tenant| tenant.spec.domain.clone()));
        Entry {
            resource: named(object),
            user_id: object.spec.user_id.clone(),
            host: host.unwrap_or_default(),
            state,
            is_searched,
            preview,
        }
    }

    fn preview(&self, resource: &Resource, read: &Read) -> Preview {
        let (user, host) = match (read, &resource.place) {
            (Ok(user), Some(Ok((_, host)))) => (user, host),
            (Err(failure), _) | (_, Some(Err(failure))) => return Preview::refused(failure.clone()),
            (Ok(_), None) => return Preview::default(),
        };
        let Resource { object, tenant, access, secret, .. } = resource;
        let named = named(object);
        let title = directory::title(tenant, &named.0);
        let asked = Asked {
            object,
            live: self.live.as_ref().and_then(|live| live.update(&named)),
            host,
            access,
            names: (&title, &named.0),
            secret,
            judge: &|user, target, digest| self.judge(object, host, user, target, digest),
        };
        asked.preview(user)
    }

    /// Judges a resource beside the others of the manifests.
    fn judge(
        &self,
        object: &Auth0UserUpdate,
        host: &str,
        user: &User,
        target: &Target,
        digest: Option<&str>,
    ) -> Result<(), Conflict> {
        self.conflicts.judge(object, host, user, target, digest).map_err(|failure| Conflict {
            failure,
            owns_block: self.conflicts.contest_block(object, host, user.primary_connection()),
        })
    }
}

fn named(object: &Auth0UserUpdate) -> Named {
    (object.namespace().unwrap_or_default(), object.name_any())
}
