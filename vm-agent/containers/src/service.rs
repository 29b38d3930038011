//! The service: a cheap handle on all containers of the engine.

use crate::create::resources::Abilities;
use crate::execs::Execs;
use crate::handle::{Handle, LogSlot, View};
use crate::record::Record;
use crate::sandboxes::Sandboxes;
use crate::seccomp::Filters;
use crate::state::State;
use crate::stdio::LogSink;
use crate::{Counts, Error, LogOptions, Result};
use runtime::cgroup::Hierarchy;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Table;

/// dockerd's words before the reason why a log cannot be begun.
const LOG_PREFIX: &str = "failed to create task for container: failed to initialize logging driver: ";

/// The other services that containers are made of.
#[derive(Debug, Clone)]
pub struct Services {
    pub store: store::Store,
    pub events: events::Events,
    /// Of the host's, when the engine runs in the machine.
    pub folders: folders::Folders,
    pub layers: layers::Layers,
    pub images: images::Images,
    /// Of programs that this processor does not run itself.
    pub emulation: emulation::Emulation,
    pub volumes: volumes::Volumes,
    pub networks: network::Networks,
    pub supervisor: supervisor::Supervisor,
}

/// Where the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the virtual machine: the user's own files are not here.
    Vm,
    /// As root on a Linux machine: paths of binds are this machine's.
    Native,
}

/// What the composition root decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `containers/` lies beneath.
    pub root: PathBuf,
    pub mode: Mode,
    /// What `/var/run/docker.sock` in a bind means: the engine's own socket.
    pub engine_socket: PathBuf,
    /// What else means it: its paths on the machine that clients run on, when that is another one.
    pub engine_sockets: Vec<String>,
    /// Cgroups of containers are made beneath this group of the cgroup2 tree, e.g. `berth`.
    pub cgroup_parent: String,
    /// The engine's own resolver configuration, copied into containers.
    pub resolv_conf: PathBuf,
}

/// All containers. Clones share one state.
#[derive(Debug, Clone)]
pub struct Containers {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) services: Services,
    pub(crate) settings: Settings,
    pub(crate) table: Table<Record>,
    pub(crate) hierarchy: Hierarchy,
    pub(crate) abilities: Abilities,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) execs: Execs,
    pub(crate) filters: Filters,
    index: Mutex<Index>,
    logs: Mutex<HashMap<String, Arc<LogSlot>>>,
    /// Variables of containers that are not to be found in their records, by ID.
    concealed: Mutex<HashMap<String, Vec<String>>>,
    /// One prune at a time, as dockerd.
    pub(crate) pruning: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Index {
    by_id: BTreeMap<String, Arc<Handle>>,
    /// Every reserved name, also of containers that are being made.
    names: HashMap<String, String>,
}

impl Inner {
    pub(crate) fn new(services: Services, settings: Settings, hierarchy: Hierarchy, abilities: Abilities) -> Inner {
        let table = services.store.table("containers");
        Inner {
            services,
            settings,
            table,
            hierarchy,
            abilities,
            sandboxes: Sandboxes::default(),
            execs: Execs::default(),
            filters: Filters::default(),
            index: Mutex::default(),
            logs: Mutex::default(),
            concealed: Mutex::default(),
            pruning: tokio::sync::Mutex::default(),
        }
    }

    /// The container's own directory.
    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.settings.root.join("containers").join(id)
    }

    pub(crate) fn upper(&self, id: &str) -> layers::UpperDir {
        let directory = self.directory(id);
        layers::UpperDir { upper: directory.join("upper"), work: directory.join("work") }
    }

    /// By full id, name (with or without the slash) or unique id prefix, in that order, as dockerd.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Handle>> {
        let missing = || Error::NoSuchContainer(name.to_owned());
        if name.is_empty() {
            return Err(missing());
        }
        let index = self.index();
        if let Some(handle) = index.by_id.get(name) {
            return Ok(Arc::clone(handle));
        }
        let bare = name.strip_prefix('/').unwrap_or(name);
        if let Some(handle) = index.names.get(bare).and_then(|id| index.by_id.get(id)) {
            return Ok(Arc::clone(handle));
        }
        let mut matching = index.by_id.range(name.to_owned()..).take_while(|(id, _)| id.starts_with(name));
        match (matching.next(), matching.next()) {
            (Some((_, handle)), None) => Ok(Arc::clone(handle)),
            (Some(_), Some(_)) => Err(Error::Ambiguous(name.to_owned())),
            (None, _) => Err(missing()),
        }
    }

    /// By full id or name, no part of an id.
    pub(crate) fn find_whole(&self, name: &str) -> Result<Arc<Handle>> {
        let index = self.index();
        let id = index.names.get(name.strip_prefix('/').unwrap_or(name)).map_or(name, String::as_str);
        index.by_id.get(id).cloned().ok_or_else(|| Error::NoSuchContainer(name.to_owned()))
    }

    /// The id that alone begins so.
    pub(crate) fn id_of_prefix(&self, prefix: &str) -> Option<String> {
        let index = self.index();
        let mut matching = index.by_id.range(prefix.to_owned()..).take_while(|(id, _)| id.starts_with(prefix));
        match (matching.next(), matching.next()) {
            (Some((id, _)), None) if !prefix.is_empty() => Some(id.clone()),
            _ => None,
        }
    }

    /// By full id only.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Handle>> {
        self.index().by_id.get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.index().by_id.values().cloned().collect()
    }

    pub(crate) fn views(&self) -> Vec<Arc<View>> {
        self.index().by_id.values().map(|handle| handle.view()).collect()
    }

    pub(crate) fn add(&self, handle: Arc<Handle>) {
        self.index().by_id.insert(handle.id.clone(), handle);
    }

    /// Keeps variables of a container in memory alone, until it is removed.
    pub(crate) fn conceal(&self, id: &str, variables: Vec<String>) {
        let mut concealed = self.concealed.lock().unwrap_or_else(PoisonError::into_inner);
        if variables.is_empty() {
            concealed.remove(id)
        } else {
            concealed.insert(id.to_owned(), variables)
        };
    }

    pub(crate) fn concealed(&self, id: &str) -> Vec<String> {
        let concealed = self.concealed.lock().unwrap_or_else(PoisonError::into_inner);
        concealed.get(id).cloned().unwrap_or_default()
    }

    /// Forgets a removed container and frees its names, and those that its links gave to others.
    pub(crate) fn forget(&self, id: &str) {
        let mut index = self.index();
        index.by_id.remove(id);
        let own =
            |(name, holder): (&String, &String)| (holder == id && !name.contains('/')).then(|| format!("{name}/"));
        let own: Vec<String> = index.names.iter().filter_map(own).collect();
        index.names.retain(|name, holder| holder != id && !own.iter().any(|own| name.starts_with(own)));
        drop(index);
        self.conceal(id, Vec::new());
        self.logs().remove(id);
    }

    /// Takes `name` for `id`; refused with dockerd's words when somebody has it.
    pub(crate) fn reserve_name(&self, name: &str, id: &str) -> Result<()> {
        let mut index = self.index();
        match index.names.get(name) {
            Some(holder) if holder != id => Err(Error::NameTaken { name: name.to_owned(), id: holder.clone() }),
            Some(_) => Ok(()),
            None => {
                index.names.insert(name.to_owned(), id.to_owned());
                Ok(())
            }
        }
    }

    pub(crate) fn release_name(&self, name: &str) {
        self.index().names.remove(name);
    }

    /// Frees `old`, which is `new` by now, and renames the links of the container that was called so.
    pub(crate) fn renamed(&self, old: &str, new: &str) {
        let mut index = self.index();
        index.names.remove(old);
        let prefix = format!("{old}/");
        let moved: Vec<(String, String)> = index.names.extract_if(|name, _| name.starts_with(&prefix)).collect();
        index.names.extend(moved.into_iter().map(|(name, child)| (format!("{new}/{}", &name[prefix.len()..]), child)));
    }

    /// Gives the containers that `record` has links to their further names: `parent/alias`.
    pub(crate) fn name_links(&self, record: &Record) {
        let mut index = self.index();
        for link in &record.links {
            if index.by_id.contains_key(&link.child) {
                index.names.insert(format!("{}/{}", record.name, link.alias), link.child.clone());
            }
        }
    }

    /// The containers with links to this one.
    pub(crate) fn linked_to(&self, child: &str) -> Vec<Arc<Handle>> {
        let index = self.index();
        let parents: BTreeSet<&str> = index
            .names
            .iter()
            .filter(|(_, holder)| *holder == child)
            .filter_map(|(name, _)| name.split_once('/').map(|(parent, _)| parent))
            .collect();
        parents.into_iter().filter_map(|parent| index.by_id.get(index.names.get(parent)?).cloned()).collect()
    }

    /// Names that containers have by the links of others, sorted, by container.
    pub(crate) fn names_by_links(&self) -> HashMap<String, BTreeSet<String>> {
        let mut names: HashMap<String, BTreeSet<String>> = HashMap::new();
        for (name, id) in self.index().names.iter().filter(|(name, _)| name.contains('/')) {
            names.entry(id.clone()).or_default().insert(name.clone());
        }
        names
    }

    /// The container's log; `None` when its driver keeps nothing.
    pub(crate) async fn log(&self, record: &Record) -> Result<Option<Arc<LogSink>>> {
        let slot = Arc::clone(self.logs().entry(record.id.clone()).or_default());
        let directory = self.directory(&record.id);
        slot.get(|| async move {
            let config = &record.host.log_config;
            let options = LogOptions::parse(&config.driver, &config.config.clone().unwrap_or_default())
                .map_err(|error| Error::Start { message: format!("{LOG_PREFIX}{error}"), exit_code: 128 })?;
            if !options.enabled {
                return Ok(None);
            }
            let attrs = crate::create::log_attributes(record, &options);
            let sink = blocking(move || {
                LogSink::open(&directory, &options, attrs).map_err(Error::path("open the log in", directory))
            })
            .await?;
            Ok(Some(Arc::new(sink)))
        })
        .await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Every change is complete before anything that may panic.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<String, Arc<LogSlot>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Containers {
    /// The full id behind a name, id or unique id prefix.
    pub fn resolve(&self, id: &str) -> Result<String> {
        Ok(self.inner.find(id)?.id.clone())
    }

    /// Whether a container runs, is about to run, or is being removed.
    pub fn are_at_work(&self) -> bool {
        self.inner.views().iter().any(|view| match view.record.state {
            State::Created(_) | State::Exited(_) => false,
            State::Starting(_) | State::Running(_) | State::Paused(_) | State::Restarting(_) | State::Removing(_) => {
                true
            }
        })
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for view in self.inner.views() {
            match view.record.state {
                State::Running(_) => counts.running += 1,
                State::Paused(_) => counts.paused += 1,
                State::Created(_)
                | State::Starting(_)
                | State::Restarting(_)
                | State::Exited(_)
                | State::Removing(_) => {
                    counts.stopped += 1;
                }
            }
        }
        counts
    }
}

/// Runs blocking work away from the async workers. A panic in it goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopping),
        },
    }
}
