//! The engine as a whole.

use std::sync::PoisonError;

use containers::ListRequest;
use engine_api::system::{
    AddressPool, Commit, ComponentVersion, FirewallBackend, IndexInfo, PlatformName, Plugins, RegistryConfig,
    RuntimeInfo,
};
use engine_api::volume::VolumeUsage;
use engine_api::{API_VERSION, DiskUsage, MIN_API_VERSION, Map, SystemInfo, SystemVersion, Timestamp};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA};
use serde_json::{Value, json};

use super::images::{signed, summarise, users};
use super::{Call, volumes};
use crate::Services;
use crate::body::Body;
use crate::facts::{DOCKER_VERSION, RegistryFacts};
use crate::failure::Failure;
use crate::reply::{self, Answer, Outcome};

/// What clients call the runtime, the default name first: dockerd's names, since scripts ask for them.
const RUNTIMES: [&str; 2] = ["runc", "io.containerd.runc.v2"];

pub(super) async fn ping(_call: Call) -> Answer {
    let mut response = hyper::Response::new(Body::Full("OK".into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    // Clients build by BuildKit's protocol unless they are told otherwise.
    headers.insert(HeaderName::from_static("builder-version"), HeaderValue::from_static("2"));
    headers.insert(HeaderName::from_static("swarm"), HeaderValue::from_static("inactive"));
    Ok(Outcome::Reply(response))
}

/// Any path at all.
pub(super) async fn options(_call: Call) -> Answer {
    reply::ok()
}

pub(super) async fn version(call: Call) -> Answer {
    let facts = &call.services.facts;
    let details = Map::from(
        [
            ("ApiVersion", API_VERSION),
            ("MinAPIVersion", MIN_API_VERSION),
            ("Os", "linux"),
            ("Arch", facts.architecture()),
            ("KernelVersion", &facts.kernel_version),
            ("GitCommit", &facts.commit),
            ("GoVersion", ""),
            ("BuildTime", &facts.built),
            ("Experimental", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let own = Map::from([("GitCommit".to_owned(), facts.commit.clone())]);
    reply::json(&SystemVersion {
        platform: PlatformName { name: format!("Berth {}", facts.version) },
        components: vec![
            ComponentVersion { name: "Engine".to_owned(), version: DOCKER_VERSION.to_owned(), details },
            ComponentVersion { name: "Berth".to_owned(), version: facts.version.clone(), details: own },
        ],
        version: DOCKER_VERSION.to_owned(),
        api_version: API_VERSION.to_owned(),
        min_api_version: MIN_API_VERSION.to_owned(),
        git_commit: facts.commit.clone(),
        go_version: String::new(),
        os: "linux".to_owned(),
        arch: facts.architecture().to_owned(),
        kernel_version: facts.kernel_version.clone(),
        experimental: false,
        build_time: facts.built.clone(),
    })
}

pub(super) async fn info(call: Call) -> Answer {
    let info = gather(&call.services)?;
    if call.since(1, 50) {
        return reply::json(&info);
    }
    let mut value = serde_json::to_value(&info).expect("a struct of plain fields");
    adapt(&mut value, &call);
    reply::json(&value)
}

fn gather(services: &Services) -> Result<SystemInfo, Failure> {
    let facts = &services.facts;
    let counts = services.containers.counts();
    let cgroups = facts.cgroups;
    let reached = facts.registry.read().unwrap_or_else(PoisonError::into_inner).clone();
    let forwarding = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1");
    let mut warnings = cgroups.warnings();
    if !forwarding {
        warnings.push("WARNING: IPv4 forwarding is disabled".to_owned());
    }
    warnings.extend(facts.warnings.iter().map(|text| format!("WARNING: {text}")));
    let texts = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let runtime = RuntimeInfo { path: "berth-agent".to_owned(), ..RuntimeInfo::default() };
    Ok(SystemInfo {
        id: facts.id.clone(),
        containers: count(counts.running + counts.paused + counts.stopped),
        containers_running: count(counts.running),
        containers_paused: count(counts.paused),
        containers_stopped: count(counts.stopped),
        images: count(services.images.list()?.len()),
        driver: "overlay2".to_owned(),
        driver_status: facts.storage.clone(),
        plugins: Plugins {
            volume: texts(&["local"]),
            network: texts(&["bridge", "host", "ipvlan", "macvlan", "null", "overlay"]),
            authorization: None,
            // As with dockerd `none` is no driver.
            log: texts(&["json-file", "local"]),
        },
        memory_limit: cgroups.memory,
        swap_limit: cgroups.swap,
        kernel_memory_tcp: false,
        cpu_cfs_period: cgroups.cpu,
        cpu_cfs_quota: cgroups.cpu,
        cpu_shares: cgroups.cpu,
        cpu_set: cgroups.cpuset,
        pids_limit: cgroups.pids,
        ipv4_forwarding: forwarding,
        debug: false,
        n_fd: std::fs::read_dir("/proc/self/fd").map_or(-1, |entries| count(entries.count())),
        oom_kill_disable: false,
        n_goroutines: count(tokio::runtime::Handle::current().metrics().num_alive_tasks()),
        system_time: Timestamp::now().to_string(),
        logging_driver: "json-file".to_owned(),
        cgroup_driver: "cgroupfs".to_owned(),
        // The only one that this engine works with, whatever else the machine has mounted.
        cgroup_version: "2".to_owned(),
        n_events_listener: count(services.events.listeners()),
        kernel_version: facts.kernel_version.clone(),
        operating_system: facts.operating_system.clone(),
        os_version: facts.os_version.clone(),
        os_type: "linux".to_owned(),
        architecture: facts.machine.clone(),
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        registry_config: Some(registry(&reached)),
        ncpu: count(facts.cpus),
        mem_total: signed(facts.memory),
        generic_resources: None,
        docker_root_dir: facts.root.to_string_lossy().into_owned(),
        http_proxy: reached.http_proxy,
        https_proxy: reached.https_proxy,
        no_proxy: reached.no_proxy,
        name: facts.hostname.clone(),
        labels: Vec::new(),
        experimental_build: false,
        server_version: DOCKER_VERSION.to_owned(),
        runtimes: RUNTIMES.iter().map(|name| ((*name).to_owned(), runtime.clone())).collect(),
        default_runtime: RUNTIMES[0].to_owned(),
        live_restore_enabled: true,
        init_binary: "berth-agent".to_owned(),
        runc_commit: Commit { id: facts.commit.clone(), ..Commit::default() },
        security_options: facts.security_options.clone(),
        default_address_pools: Vec::<AddressPool>::new(),
        firewall_backend: Some(FirewallBackend { driver: "nftables".to_owned(), info: Vec::new() }),
        cdi_spec_dirs: Some(Vec::new()),
        containerd: None,
        warnings: (!warnings.is_empty()).then_some(warnings),
        ..SystemInfo::default()
    })
}

fn registry(facts: &RegistryFacts) -> RegistryConfig {
    let networks = ["127.0.0.0/8", "::1/128"].iter().map(|network| (*network).to_owned());
    let index = |name: &str, official: bool| IndexInfo {
        name: name.to_owned(),
        mirrors: if official { facts.mirrors.clone() } else { Vec::new() },
        secure: official,
        official,
    };
    let hosts = facts.insecure_hosts.iter().map(|host| (host.clone(), index(host, false)));
    RegistryConfig {
        insecure_registry_cidrs: facts.insecure_networks.iter().cloned().chain(networks).collect(),
        index_configs: hosts.chain([("docker.io".to_owned(), index("docker.io", true))]).collect(),
        mirrors: (!facts.mirrors.is_empty()).then(|| facts.mirrors.clone()),
    }
}

/// What older clients expect to find, or not to find.
fn adapt(info: &mut Value, call: &Call) {
    let Some(members) = info.as_object_mut() else { return };
    if !call.since(1, 50) {
        for name in ["BridgeNfIptables", "BridgeNfIp6tables"] {
            members.insert(name.to_owned(), Value::Bool(false));
        }
    }
    if !call.since(1, 49) {
        members.remove("FirewallBackend");
        for name in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            if let Some(commit) = members.get_mut(name) {
                commit["Expected"] = commit["ID"].clone();
            }
        }
    }
    if !call.since(1, 47)
        && let Some(config) = members.get_mut("RegistryConfig")
    {
        config["AllowNondistributableArtifactsCIDRs"] = Value::Null;
        config["AllowNondistributableArtifactsHostnames"] = Value::Null;
    }
    if !call.since(1, 25) {
        // Names only, without `name=` and options.
        members.insert("SecurityOptions".to_owned(), json!(["seccomp"]));
    }
}

/// A kind that was not asked for stays `null`.
pub(super) async fn disk_usage(call: Call) -> Answer {
    let services = &call.services;
    let mut wanted: Vec<&str> = call.query.all("type").collect();
    if let Some(unknown) = wanted.iter().find(|kind| !KINDS.contains(kind)) {
        return Err(Failure::bad_request(format!("unknown object type: {unknown}")));
    }
    if wanted.is_empty() || !call.since(1, 42) {
        wanted = KINDS.to_vec();
    }
    let mut usage = DiskUsage::default();
    if wanted.contains(&"container") {
        let request = ListRequest { all: true, size: true, ..ListRequest::default() };
        usage.containers = Some(services.containers.list(request).await?);
    }
    if wanted.contains(&"image") {
        let users = users(services).await?;
        let images = services.images.disk_usage()?;
        usage.layers_size = signed(images.layers_size);
        let shown = images.images.into_iter().filter(|image| !image.is_intermediate());
        let mut list: Vec<_> = shown.map(|image| summarise(image, &users)).collect();
        for image in &mut list {
            image.repo_tags = image.repo_tags.take().filter(|names| !names.is_empty());
            image.repo_digests = image.repo_digests.take().filter(|names| !names.is_empty());
            image.virtual_size = if call.since(1, 44) { 0 } else { image.size };
        }
        usage.images = Some(list);
    }
    if wanted.contains(&"volume") {
        usage.volumes = Some(volume_usage(services).await?);
    }
    if wanted.contains(&"build-cache") {
        let list = super::build::usage(services, call.since(1, 42)).await?;
        if !call.since(1, 42) {
            usage.builder_size = list.iter().filter_map(|item| item["Size"].as_i64()).sum();
        }
        usage.build_cache = Some(list);
    }
    reply::json(&usage)
}

const KINDS: [&str; 4] = ["container", "image", "volume", "build-cache"];

/// Volumes with mount options are left out: their data is not on this disk.
async fn volume_usage(services: &Services) -> Result<Vec<engine_api::Volume>, Failure> {
    let mut list = Vec::new();
    for volume in services.volumes.list()?.into_iter().filter(|volume| volume.options.is_empty()) {
        let size = services.volumes.size(&volume.name).await?;
        let ref_count = count(volumes::holders(services, &volume.name).len());
        let mut described = volumes::describe(services, volume);
        described.usage_data = Some(VolumeUsage { ref_count, size: signed(size) });
        list.push(described);
    }
    Ok(list)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
