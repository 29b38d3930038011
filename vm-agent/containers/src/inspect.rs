//! `docker inspect`: the full view of one container.

use crate::actor::EtcFiles;
use crate::create::merge::command;
use crate::handle::View;
use crate::logs::rfc3339;
use crate::record::Record;
use crate::service::{Inner, blocking};
use crate::state::{Exit, State};
use crate::{Containers, Error, Result};
use engine_api::host_config::{PortBinding, PortMap};
use engine_api::inspect::DriverData;
use engine_api::{ContainerInspect, ContainerState, EndpointSettings, HostConfig, Map, NetworkSettings};
use network::Endpoint;
use std::path::Path;
use std::sync::Arc;

impl Containers {
    pub async fn inspect(&self, id: &str, size: bool) -> Result<ContainerInspect> {
        let handle = self.inner.find(id)?;
        let view = handle.view();
        let record = &view.record;
        let inner = &self.inner;
        let directory = inner.directory(&record.id);
        // Files that the first start makes; as with dockerd they have no names before.
        let text = |path: &Path| match record.state {
            State::Created(None) => String::new(),
            _ => path.to_string_lossy().into_owned(),
        };
        let files = match record.host.network_mode.strip_prefix("container:").map(|other| inner.find(other)) {
            Some(Ok(other)) => EtcFiles::in_directory(&inner.directory(&other.id)),
            Some(Err(_)) | None => EtcFiles::in_directory(&directory),
        };
        let (size_rw, size_root_fs) = if size {
            let (rw, root) = inner.sizes(record).await?;
            (Some(rw), Some(root))
        } else {
            (None, None)
        };
        let words = command(&record.config);
        let (path, args) = words.split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap_or_default();
        let execs = inner.execs.of_container(&record.id);
        Ok(ContainerInspect {
            id: record.id.clone(),
            created: rfc3339(record.created),
            path,
            args,
            state: state(&view),
            image: record.image.clone(),
            resolv_conf_path: text(&files.resolv_conf),
            hostname_path: text(&files.hostname),
            hosts_path: text(&files.hosts),
            log_path: match record.host.log_config.driver.as_str() {
                "json-file" => text(&directory.join("log.json")),
                _ => String::new(),
            },
            name: format!("/{}", record.name),
            restart_count: i64::from(record.backoff.count),
            driver: "overlay2".to_owned(),
            platform: "linux".to_owned(),
            exec_ids: (!execs.is_empty()).then_some(execs),
            host_config: HostConfig { links: inner.shown_links(record), ..record.host.clone() },
            graph_driver: DriverData { name: "overlay2".to_owned(), data: Some(inner.directories(&view)) },
            size_rw,
            size_root_fs,
            mounts: inner.mounts(record),
            config: record.config.clone(),
            network_settings: inner.network_settings(&view),
            ..ContainerInspect::default()
        })
    }
}

impl Inner {
    pub(crate) fn mounts(&self, record: &Record) -> Vec<engine_api::MountPoint> {
        let volumes = &self.services.volumes;
        record.mounts.iter().filter_map(|mount| mount.report(|name| volumes.mountpoint(name))).collect()
    }

    /// What the container's root is made of, under the names of dockerd's driver. The root itself is mounted for its own
    /// processes only: while it runs, `MergedDir` is their view of it.
    fn directories(&self, view: &View) -> Map {
        let record = &view.record;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let upper = self.upper(&record.id);
        // A layer that is missing is told of by whoever needs it.
        let lowers =
            self.services.layers.overlay(&record.chain, None).map(|overlay| overlay.lowers).unwrap_or_default();
        let lowers: Vec<String> = lowers.iter().map(|path| text(path)).collect();
        let merged = match &view.run {
            Some(run) => format!("/proc/{}/root", run.pid),
            None => text(&self.directory(&record.id).join("merged")),
        };
        let data = [
            ("ID", record.id.clone()),
            ("LowerDir", lowers.join(":")),
            ("MergedDir", merged),
            ("UpperDir", text(&upper.upper)),
            ("WorkDir", text(&upper.work)),
        ];
        data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Bytes: (written by the container, with the image). Of one that is removed meanwhile, [`Error::NoSuchContainer`].
    pub(crate) async fn sizes(self: &Arc<Self>, record: &Record) -> Result<(i64, i64)> {
        let upper = self.upper(&record.id).upper;
        let written = blocking(move || Ok(layers::Layers::upper_size(&upper)?)).await;
        // Its files are deleted after it is forgotten.
        let written = written.map_err(|error| match self.by_id(&record.id) {
            Some(_) => error,
            None => Error::NoSuchContainer(record.id.clone()),
        })?;
        let layers = &self.services.layers;
        let image: u64 = record.chain.iter().filter_map(|layer| layers.size(layer).ok()).sum();
        let number = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        Ok((number(written), number(image.saturating_add(written))))
    }

    /// The container's endpoints; none while it does not run.
    pub(crate) fn live_endpoints(&self, view: &View) -> Vec<Endpoint> {
        view.run.as_ref().map(|_| self.services.networks.endpoints(&view.record.id)).unwrap_or_default()
    }

    /// The container's networks: as they are while it runs, as configured otherwise.
    pub(crate) fn networks(&self, view: &View, live: &[Endpoint]) -> Map<EndpointSettings> {
        let record = &view.record;
        let mut networks = Map::new();
        for (name, configured) in &record.endpoints {
            let endpoint = live.iter().find(|endpoint| endpoint.network_name == *name || endpoint.network_id == *name);
            let settings = match endpoint {
                Some(endpoint) => live_settings(configured, endpoint),
                None => {
                    let network_id = self.services.networks.find(name).map(|network| network.id);
                    EndpointSettings { network_id: network_id.unwrap_or_default(), ..configured.clone() }
                }
            };
            let name = endpoint.map_or(name, |endpoint| &endpoint.network_name);
            networks.insert(name.clone(), settings);
        }
        networks
    }

    fn network_settings(&self, view: &View) -> NetworkSettings {
        let live = self.live_endpoints(view);
        let networks = self.networks(view, &live);
        let mut settings = NetworkSettings::default();
        if let Some(run) = &view.run {
            settings.sandbox_id.clone_from(&view.record.id);
            settings.sandbox_key = format!("/proc/{}/ns/net", run.pid);
        }
        // Old clients look for the default bridge's endpoint here.
        if let Some(bridge) = networks.get(network::DEFAULT_BRIDGE) {
            settings.endpoint_id.clone_from(&bridge.endpoint_id);
            settings.gateway.clone_from(&bridge.gateway);
            settings.ip_address.clone_from(&bridge.ip_address);
            settings.ip_prefix_len = bridge.ip_prefix_len;
            settings.ipv6_gateway.clone_from(&bridge.ipv6_gateway);
            settings.global_ipv6_address.clone_from(&bridge.global_ipv6_address);
            settings.global_ipv6_prefix_len = bridge.global_ipv6_prefix_len;
            settings.mac_address.clone_from(&bridge.mac_address);
        }
        settings.ports = Some(ports(view, &live));
        settings.networks = Some(networks);
        settings
    }
}

/// Exposed and published ports with what they are really bound to; nothing while it does not run.
pub(crate) fn ports(view: &View, live: &[Endpoint]) -> PortMap {
    let mut ports = PortMap::new();
    if view.run.is_none() {
        return ports;
    }
    // As in dockerd: a port is exposed to what lies beyond a bridge.
    let beyond = |e: &Endpoint| !e.host_interface.is_empty() && (e.gateway_ipv4.is_some() || e.gateway_ipv6.is_some());
    let exposed = view.record.config.exposed_ports.iter().flatten().filter(|_| live.iter().any(beyond));
    for port in exposed.map(|(port, _)| port) {
        ports.insert(if port.contains('/') { port.clone() } else { format!("{port}/tcp") }, None);
    }
    for bound in live.iter().flat_map(|endpoint| &endpoint.ports) {
        let key = format!("{}/{}", bound.container_port, bound.protocol);
        let binding = PortBinding { host_ip: bound.host_ip.to_string(), host_port: shown_port(bound.host_port) };
        ports.entry(key).or_default().get_or_insert_default().push(binding);
    }
    ports
}

/// A port of a routed network has none of the machine's.
fn shown_port(port: u16) -> String {
    if port == 0 { String::new() } else { port.to_string() }
}

fn live_settings(configured: &EndpointSettings, endpoint: &Endpoint) -> EndpointSettings {
    let text = |address: Option<String>| address.unwrap_or_default();
    EndpointSettings {
        network_id: endpoint.network_id.clone(),
        endpoint_id: endpoint.id.clone(),
        gateway: text(endpoint.gateway_ipv4.map(|address| address.to_string())),
        ip_address: text(endpoint.ipv4.map(|(address, _)| address.to_string())),
        ip_prefix_len: endpoint.ipv4.map_or(0, |(_, prefix)| i64::from(prefix)),
        ipv6_gateway: text(endpoint.gateway_ipv6.map(|address| address.to_string())),
        global_ipv6_address: text(endpoint.ipv6.map(|(address, _)| address.to_string())),
        global_ipv6_prefix_len: endpoint.ipv6.map_or(0, |(_, prefix)| i64::from(prefix)),
        mac_address: text(endpoint.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"))),
        dns_names: (!endpoint.dns_names.is_empty()).then(|| endpoint.dns_names.clone()),
        ..configured.clone()
    }
}

/// The booleans of Docker, computed here and nowhere else.
fn state(view: &View) -> ContainerState {
    let state = &view.record.state;
    let Exit { code, oom_killed, started_at, finished_at, error } = state.last_exit();
    let restarting = state.status() == "restarting";
    ContainerState {
        status: state.status().to_owned(),
        running: state.counts_as_running(),
        paused: matches!(state, State::Paused(_)),
        restarting,
        oom_killed,
        dead: false,
        pid: state.process().map_or(0, |process| i64::from(process.pid)),
        exit_code: i64::from(code),
        error,
        started_at: rfc3339(started_at),
        finished_at: rfc3339(finished_at),
        health: view.health.as_ref().map(|health| health.report()),
    }
}
