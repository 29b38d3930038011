//! `docker create`: from a request to a recorded container.

pub(crate) mod merge;
pub(crate) mod mounts;
pub(crate) mod promises;
pub(crate) mod resources;
mod step;
mod validate;

pub use step::{Step, StepFiles, StepMount};

use crate::actor::{Actor, Beginning, endpoint_settings, wish};
use crate::logs::now;
use crate::record::{Mounted, Record, Source};
use crate::service::{Inner, Settings, blocking};
use crate::state::State;
use crate::stdio::Hub;
use crate::{Containers, Error, Invalid, LogOptions, Result, names, spec};
use engine_api::{
    ContainerConfig, ContainerCreateRequest, ContainerCreateResponse, EndpointSettings, HostConfig, Map,
    NetworkingConfig,
};
use images::Image;
use mounts::{Wanted, What};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::Arc;
use store::Durability;

/// Bytes.
const DEFAULT_SHM: i64 = 64 << 20;

impl Containers {
    /// Makes a container. An unknown image is `NoSuchImage`, which makes clients pull it.
    pub async fn create(
        &self,
        name: Option<&str>,
        request: ContainerCreateRequest,
        platform: Option<&str>,
    ) -> Result<ContainerCreateResponse> {
        self.create_with(name, request, platform, Step::default()).await
    }

    /// Makes the container of a build's step.
    ///
    /// # Errors
    ///
    /// As [`create`](Containers::create).
    pub async fn create_step(&self, request: ContainerCreateRequest, step: Step) -> Result<ContainerCreateResponse> {
        self.create_with(None, request, None, step).await
    }

    async fn create_with(
        &self,
        name: Option<&str>,
        request: ContainerCreateRequest,
        platform: Option<&str>,
        step: Step,
    ) -> Result<ContainerCreateResponse> {
        let inner = &self.inner;
        let ContainerCreateRequest { mut config, host_config, networking_config, read_only_non_recursive } = request;
        let mut host = host_config.unwrap_or_default();
        let name = name.map(|name| name.strip_prefix('/').unwrap_or(name)).filter(|name| !name.is_empty());
        if let Some(name) = name
            && !names::is_valid(name)
        {
            return Err(Invalid::Name(name.to_owned()).into());
        }
        // The request alone: what the image adds, such as its exposed ports, conflicts with nothing.
        validate::config(&config)?;
        validate::host(&host, &config)?;
        let mut warnings: Vec<String> = host
            .mounts
            .iter()
            .flatten()
            .filter(|mount| mount.kind == "image")
            .map(|_| "Image mount is an experimental feature".to_owned())
            .collect();
        warnings.extend(resources::adapt(&mut host.resources, &inner.abilities, false).map_err(Invalid::from)?);
        let platform = platform.filter(|text| !text.is_empty());
        // Without an image the root is empty, and volumes are all that there is to run.
        let image = match config.image.as_str() {
            "" => None,
            reference => Some(inner.image(reference, platform)?),
        };
        warnings.extend(image.as_ref().filter(|_| platform.is_none()).and_then(|image| foreign(image)));
        // Between here and the record nobody may remove the image.
        let _hold = image.as_ref().map(|image| inner.services.images.hold(&image.id)).transpose()?;
        let image_config = match image.as_ref().and_then(|image| image.raw.get("config")) {
            Some(value) if !value.is_null() => engine_api::decode(value.to_string().as_bytes())
                .map_err(|error| Invalid::ImageConfig(error.to_string()))?,
            _ => ContainerConfig::default(),
        };
        merge::merge(&mut config, image_config);
        if step.without_volumes {
            config.volumes = None;
        }
        if merge::command(&config).is_empty() {
            return Err(Invalid::NoCommand.into());
        }
        validate::config(&config)?;
        if host.network_mode == "host" && host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty()) {
            warnings.push("Published ports are discarded when using host network mode".to_owned());
        }
        let own = step.mounts.into_iter().map(Wanted::from).collect();
        let wanted = wanted_mounts(&config, &host, read_only_non_recursive, own, inner)?;
        inner.resolve_shared(&mut host)?;
        let endpoints = inner.endpoints(&config, &mut host, networking_config)?;
        warnings.extend(promises::check(&config, &host, &endpoints, &inner.abilities)?);
        let links = inner.links(&host)?;
        host.links = None;
        let id = step.id.map_or_else(Step::new_id, Ok)?;
        let name = inner.new_name(name, &id)?;
        complete(&mut config, &mut host, &id)?;
        let record = Record {
            id: id.clone(),
            name: name.clone(),
            created: now(),
            image: image.as_ref().map(|image| image.id.to_string()).unwrap_or_default(),
            chain: image.map(|image| image.chain.clone()).unwrap_or_default(),
            config,
            host,
            endpoints,
            links,
            mounts: Vec::new(),
            state: State::Created(None),
            backoff: crate::restart::Backoff::default(),
            stopped_by_user: false,
            health: None,
            held: false,
        };
        inner.conceal(&id, step.variables);
        let mut made = Vec::new();
        match inner.make(record, wanted, &mut made).await {
            Ok(()) => Ok(ContainerCreateResponse { id, warnings }),
            Err(error) => {
                inner.unmake(&id, &name, &made).await;
                Err(error)
            }
        }
    }
}

impl Inner {
    fn image(&self, reference: &str, platform: Option<&str>) -> Result<Arc<Image>> {
        let images = &self.services.images;
        let wanted = platform.map(images::Platform::parse).transpose()?;
        // The client pulls the right one when it is told that this one is not there.
        let id = images.resolve_for(reference, wanted.as_ref()).map_err(|error| match error {
            images::Error::NoSuchImage(_) => {
                let familiar = images::Reference::parse(reference).map(|parsed| parsed.or_latest().familiar());
                Error::NoSuchImage(familiar.unwrap_or_else(|_| reference.to_owned()))
            }
            error => error.into(),
        })?;
        Ok(images.image(&id)?)
    }

    /// Reserves the wanted name, or invents one that is free.
    fn new_name(&self, wanted: Option<&str>, id: &str) -> Result<String> {
        if let Some(name) = wanted {
            self.reserve_name(name, id)?;
            return Ok(name.to_owned());
        }
        for attempt in 0..6 {
            let name = names::invent(attempt).map_err(Error::io("invent a name"))?;
            if self.reserve_name(&name, id).is_ok() {
                return Ok(name);
            }
        }
        // As dockerd: the short id is free for certain.
        let name = id[..12].to_owned();
        self.reserve_name(&name, id)?;
        Ok(name)
    }

    /// `container:<name>` becomes `container:<id>`: names change. As in dockerd one whose network is not there yet is an
    /// error of the start.
    fn resolve_shared(&self, host: &mut HostConfig) -> Result<(), Invalid> {
        let modes = [(&mut host.network_mode, true), (&mut host.pid_mode, false), (&mut host.ipc_mode, false)];
        for (mode, later) in modes {
            let Some(name) = mode.strip_prefix("container:") else { continue };
            match self.find(name) {
                Ok(other) => *mode = format!("container:{}", other.id),
                Err(_) if later => {}
                Err(_) => return Err(Invalid::OtherContainer(name.to_owned())),
            }
        }
        Ok(())
    }

    /// The networks to join, keyed by their names, however they were named. One that is not there yet is an error of the
    /// start. As in dockerd the mode says which network comes first, and stands alone only where no network is named beside it.
    fn endpoints(
        &self,
        config: &ContainerConfig,
        host: &mut HostConfig,
        given: Option<NetworkingConfig>,
    ) -> Result<Map<EndpointSettings>> {
        let networks = &self.services.networks;
        let canonical = |name: &str| match name {
            "" | "default" | "bridge" => "bridge".to_owned(),
            "host" | "none" => name.to_owned(),
            other => networks.find(other).map_or_else(|_| other.to_owned(), |found| found.name),
        };
        let given = given.and_then(|config| config.endpoints_config).unwrap_or_default();
        let shares = host.network_mode.starts_with("container:");
        if shares || config.network_disabled {
            // Clients name the mode itself here, too.
            let mode =
                |name: &String| name.starts_with("container:") || canonical(name) == canonical(&host.network_mode);
            return match given.keys().find(|name| !mode(name)) {
                Some(_) if shares => Err(network::Error::Shared.into()),
                Some(name) => Err(Invalid::DisabledNetwork(name.clone()).into()),
                None => Ok(Map::new()),
            };
        }
        host.network_mode = canonical(&host.network_mode);
        let mut endpoints = Map::new();
        for (name, settings) in given {
            let refused = |reason| Invalid::Endpoint { network: name.clone(), reason: Box::new(reason) };
            let settings = settings.ok_or_else(|| Invalid::NoEndpointSettings(name.clone()))?;
            networks.understand(&name, &wish(&settings)).map_err(refused)?;
            endpoints.insert(canonical(&name), endpoint_settings(Some(settings)));
        }
        if endpoints.is_empty() {
            endpoints.insert(host.network_mode.clone(), EndpointSettings::default());
        }
        Ok(endpoints)
    }

    /// Directory, volumes, record, task: in this order, so that a crash leaves at most an orphaned directory.
    /// Names the anonymous volumes it made in `made`, for whoever has to undo it.
    async fn make(self: &Arc<Self>, mut record: Record, wanted: Vec<Wanted>, made: &mut Vec<String>) -> Result<()> {
        let (inner, id, chain) = (Arc::clone(self), record.id.clone(), record.chain.clone());
        blocking(move || {
            let directory = inner.directory(&id);
            std::fs::create_dir_all(&directory).map_err(Error::path("make the container's directory", &directory))?;
            let upper = inner.upper(&id);
            inner.services.layers.prepare_upper(&chain, &upper)?;
            // By this file programs know that they are in a container.
            let mark = upper.upper.join(".dockerenv");
            std::fs::write(&mark, "").map_err(Error::path("make", mark))?;
            // The record that follows is durable by itself: its flush writes one file's data and commits no directory.
            let made = std::fs::File::open(&directory).and_then(|directory| directory.sync_all());
            made.map_err(Error::path("flush the container's directory", &directory))
        })
        .await?;
        let mut filled = Vec::new();
        for wanted in wanted {
            let (mounted, copy_to) = self.make_mount(&record, wanted, made).await?;
            if let Some(volume) = copy_to {
                filled.push((mounted.destination.clone(), volume));
            }
            record.mounts.push(mounted);
        }
        if !filled.is_empty() {
            self.fill_volumes(&record, filled).await?;
        }
        self.table.put(&record.id, &record, Durability::Durable).await?;
        let handle = Actor::spawn(Arc::clone(self), record.clone(), Arc::new(Hub::new()), Beginning::default());
        // While nobody can rename it.
        self.name_links(&record);
        self.add(handle);
        self.emit(&record, "create");
        Ok(())
    }

    /// What the image has at their destinations goes into volumes that are empty.
    async fn fill_volumes(self: &Arc<Self>, record: &Record, filled: Vec<(String, String)>) -> Result<()> {
        let (inner, chain, upper) = (Arc::clone(self), record.chain.clone(), self.upper(&record.id));
        let root = blocking(move || inner.mount_root(&chain, upper)).await?;
        for (destination, volume) in filled {
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
            let source = match runtime::sys::open_in_root(root.as_fd(), Path::new(&destination), flags, 0) {
                Ok(source) => source,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    let flags = libc::O_PATH | libc::O_CLOEXEC;
                    let is_file = runtime::sys::open_in_root(root.as_fd(), Path::new(&destination), flags, 0).is_ok();
                    // dockerd looks at the volumes of the configuration only; what else is in the way fails at the start.
                    if is_file && of_configuration(record, &destination) {
                        return Err(Error::VolumeOverFile(destination));
                    }
                    continue;
                }
                Err(error) => return Err(Error::path("read the image's content of", destination)(error)),
            };
            // The tree is nobody else's yet, so its paths stay what they are while they are walked.
            let path = Path::new("/proc/self/fd").join(source.as_raw_fd().to_string()).join(".");
            self.services.volumes.fill(&volume, path).await?;
        }
        Ok(())
    }

    /// Undoes what `make` had done; `made` are the anonymous volumes, which nobody else can know of.
    async fn unmake(&self, id: &str, name: &str, made: &[String]) {
        let volumes = &self.services.volumes;
        self.release_name(name);
        self.conceal(id, Vec::new());
        volumes.release_all(id);
        for volume in made {
            match volumes.remove(volume, true).await {
                Ok(Some(_)) => self.emit_volume("destroy", volume, &[]),
                Ok(None) => {}
                Err(error) => tracing::warn!(volume, %error, "a volume of a failed create stays behind"),
            }
        }
        self.delete_directory(self.directory(id)).await;
    }

    /// Makes the volume or finds the source; also tells where the image's content goes.
    async fn make_mount(
        &self,
        record: &Record,
        wanted: Wanted,
        made: &mut Vec<String>,
    ) -> Result<(Mounted, Option<String>)> {
        let Wanted { what, destination, mode, rw, propagation, recursive_read_only } = wanted;
        let mut mounted = Mounted {
            source: Source::Tmpfs { options: Vec::new() },
            destination,
            mode,
            rw,
            propagation,
            recursive_read_only,
            anonymous: false,
            hidden: false,
        };
        let mut copy_to = None;
        mounted.source = match what {
            What::EngineSocket => {
                mounted.propagation = "rprivate".to_owned();
                Source::Bind { path: self.settings.engine_socket.clone(), recursive: true }
            }
            What::Bind { path, must_exist, recursive } => {
                if must_exist && std::fs::symlink_metadata(&path).is_err() {
                    let reason = format!("bind source path does not exist: {path}");
                    return Err(Invalid::Mount { kind: "bind".to_owned(), reason }.into());
                }
                mounted.propagation = self.settings.bind_propagation(Path::new(&path), mounted.propagation)?;
                Source::Bind { path: path.into(), recursive }
            }
            What::Share { path, must_exist } => {
                let shared = self.services.folders.look(&path, !must_exist).await.map_err(not_shared)?;
                // What the host lets nobody change is not to look as if it could be: the mount in the guest itself is never read-only.
                mounted.rw &= !shared.read_only;
                // How mounts pass between host and container is nothing that files tell.
                if mounted.propagation.is_empty() {
                    mounted.propagation = "rprivate".to_owned();
                }
                Source::Share { path }
            }
            What::Tmpfs { options, hidden } => {
                mounted.hidden = hidden;
                Source::Tmpfs { options }
            }
            What::Image { reference, subpath } => {
                let image = self.image(&reference, None)?;
                mounted.rw = false;
                mounted.propagation = "rprivate".to_owned();
                Source::Image { reference, id: image.id.to_string(), chain: image.chain.clone(), subpath }
            }
            What::Overlay { overlay, subpath } => {
                mounted.propagation = "rprivate".to_owned();
                Source::Overlay { overlay, subpath }
            }
            What::Volume { name, driver, options, labels, subpath, copy } => {
                mounted.anonymous = name.is_empty();
                let create = volumes::Create { name, driver, options, labels, holder: Some(record.id.clone()) };
                let created = self.services.volumes.create(create).await?;
                let name = created.volume.name.clone();
                if created.new {
                    self.emit_volume("create", &name, &[]);
                    if mounted.anonymous {
                        made.push(name.clone());
                    }
                }
                if mounted.mode.is_empty() {
                    mounted.mode = "z".to_owned();
                }
                if copy && subpath.is_empty() {
                    copy_to = Some(name.clone());
                }
                Source::Volume { name, subpath }
            }
        };
        Ok((mounted, copy_to))
    }
}

/// All mounts in dockerd's order of precedence: those of other containers, `-v`, `--mount`, `--tmpfs`, the image's volumes.
/// `shallow`: what the request makes read-only does not make what is mounted beneath it so.
fn wanted_mounts(
    config: &ContainerConfig,
    host: &HostConfig,
    shallow: bool,
    own: Vec<Wanted>,
    inner: &Inner,
) -> Result<Vec<Wanted>> {
    let Settings { mode, engine_sockets, .. } = &inner.settings;
    let sources = mounts::Sources { mode: *mode, engine_sockets };
    let mut given = own;
    for raw in host.binds.iter().flatten() {
        given.push(mounts::parse_bind(raw, &host.volume_driver, sources).map_err(|error| mounts::of_bind(raw, error))?);
    }
    for mount in host.mounts.iter().flatten() {
        given.push(mounts::parse_mount(mount, sources)?);
    }
    given.iter_mut().for_each(|wanted| wanted.recursive_read_only &= !shallow);
    for (path, options) in host.tmpfs.iter().flatten() {
        given.push(mounts::parse_tmpfs(path, options)?);
    }
    let mut destinations = BTreeSet::new();
    for wanted in &given {
        if !destinations.insert(wanted.destination.clone()) {
            return Err(Invalid::DuplicateMount(wanted.destination.clone()).into());
        }
    }
    let mut list: Vec<Wanted> = Vec::new();
    for from in host.volumes_from.iter().flatten() {
        let (id, read_only) = mounts::parse_volumes_from(from)?;
        let other = inner.find(id).map_err(|_| Invalid::OtherContainer(id.to_owned()))?;
        for mounted in &other.view().record.mounts {
            if destinations.insert(mounted.destination.clone()) {
                list.extend(inherited(mounted, read_only));
            }
        }
    }
    list.extend(given);
    for path in config.volumes.iter().flatten().map(|(path, _)| path) {
        let wanted = mounts::anonymous(path)?;
        if destinations.insert(wanted.destination.clone()) {
            list.push(wanted);
        }
    }
    Ok(list)
}

/// Whether the image's `VOLUME` or a `-v` without a source, and no other mount, put a volume there.
fn of_configuration(record: &Record, destination: &str) -> bool {
    let mounted = record.mounts.iter().find(|mounted| mounted.destination == destination);
    let mut wanted = record.config.volumes.iter().flatten().filter_map(|(path, _)| mounts::anonymous(path).ok());
    mounted.is_some_and(|mounted| mounted.anonymous) && wanted.any(|wanted| wanted.destination == destination)
}

/// Whose fault it is that a folder of the host's is not mounted.
fn not_shared(error: folders::Error) -> Error {
    match error {
        folders::Error::Missing(_) => Invalid::Mount { kind: "bind".to_owned(), reason: error.to_string() }.into(),
        folders::Error::NotShared(reason) => Invalid::NotShared(reason).into(),
        other => Error::Folder(other),
    }
}

/// A mount of another container; tmpfs mounts are not shared.
fn inherited(mounted: &Mounted, read_only: bool) -> Option<Wanted> {
    let what = match &mounted.source {
        Source::Bind { path, recursive } => {
            What::Bind { path: path.to_string_lossy().into_owned(), must_exist: false, recursive: *recursive }
        }
        Source::Share { path } => What::Share { path: path.clone(), must_exist: false },
        Source::Volume { name, subpath } => What::Volume {
            name: name.clone(),
            driver: String::new(),
            options: Map::new(),
            labels: Map::new(),
            subpath: subpath.clone(),
            copy: false,
        },
        Source::Image { id, subpath, .. } => What::Image { reference: id.clone(), subpath: subpath.clone() },
        Source::Tmpfs { .. } | Source::Overlay { .. } => return None,
    };
    Some(Wanted {
        what,
        destination: mounted.destination.clone(),
        mode: mounted.mode.clone(),
        rw: mounted.rw && !read_only,
        propagation: mounted.propagation.clone(),
        recursive_read_only: mounted.recursive_read_only || read_only,
    })
}

/// What an image says that it is made for: system, architecture, variant.
fn made_for(image: &Image) -> [&str; 3] {
    ["os", "architecture", "variant"]
        .map(|name| image.raw.get(name).and_then(serde_json::Value::as_str).unwrap_or_default())
}

/// Whether this processor does not run the image's programs by itself.
pub(crate) fn is_foreign(image: &Image) -> bool {
    let [os, architecture, variant] = made_for(image);
    !images::Platform::detected().runs(os, architecture, variant)
}

/// The warning that an image is made for another processor, as dockerd has it.
fn foreign(image: &Image) -> Option<String> {
    if !is_foreign(image) {
        return None;
    }
    let ([os, architecture, variant], here) = (made_for(image), images::Platform::detected());
    let given = [os, architecture, variant].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("/");
    Some(format!(
        "The requested image's platform ({given}) does not match the detected host platform ({here}) and no specific platform was \
         requested"
    ))
}

/// Fills in what dockerd fills in, so that inspect shows the same.
fn complete(config: &mut ContainerConfig, host: &mut HostConfig, id: &str) -> Result<()> {
    if config.hostname.is_empty() {
        config.hostname = if host.network_mode == "host" || host.uts_mode == "host" {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
            name.map_err(Error::path("read", "/proc/sys/kernel/hostname"))?.trim().to_owned()
        } else {
            id[..12].to_owned()
        };
    }
    if host.shm_size == 0 {
        host.shm_size = DEFAULT_SHM;
    }
    let default = |value: &mut String, text: &str| {
        if value.is_empty() {
            text.clone_into(value);
        }
    };
    default(&mut host.ipc_mode, "private");
    default(&mut host.cgroupns_mode, "private");
    default(&mut host.log_config.driver, "json-file");
    default(&mut host.restart_policy.name, "no");
    default(&mut host.runtime, "runc");
    host.log_config.config.get_or_insert_default();
    if host.privileged || host.ipc_mode == "host" || host.pid_mode == "host" {
        // dockerd notes it where no SELinux is, too.
        let options = host.security_opt.get_or_insert_default();
        if !options.iter().any(|option| option.split('=').next() == Some("label")) {
            options.push("label=disable".to_owned());
        }
    }
    if !host.privileged {
        host.masked_paths.get_or_insert_with(spec::masked_paths);
        host.readonly_paths.get_or_insert_with(spec::readonly_paths);
    }
    Ok(())
}

/// The `attrs` of every log record, as JSON; empty when there are none.
pub(crate) fn log_attributes(record: &Record, options: &LogOptions) -> String {
    // Checked when the options were parsed.
    let pattern = |text: &Option<String>| text.as_ref().and_then(|text| regex_lite::Regex::new(text).ok());
    let (labels, variables) = (pattern(&options.labels_regex), pattern(&options.env_regex));
    let chosen = |names: &[String], pattern: &Option<regex_lite::Regex>, name: &str| {
        names.iter().any(|known| known == name) || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name))
    };
    let mut attrs = Map::new();
    for (label, value) in record.labels() {
        if chosen(&options.labels, &labels, label) {
            attrs.insert(label.clone(), value.clone());
        }
    }
    for variable in record.config.env.iter().flatten() {
        if let Some((name, value)) = variable.split_once('=')
            && chosen(&options.env, &variables, name)
        {
            attrs.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(tag) = &options.tag {
        let tag = tag
            .replace("{{.ID}}", record.short_id())
            .replace("{{.FullID}}", &record.id)
            .replace("{{.Name}}", &record.name)
            .replace("{{.ImageName}}", &record.config.image);
        attrs.insert("tag".to_owned(), tag);
    }
    if attrs.is_empty() {
        return String::new();
    }
    serde_json::to_string(&attrs).expect("a map of strings is JSON")
}
