//! The role `engine`: all services, composed, behind the Docker API.

mod binds;
mod embedded;
mod emulators;
mod forwarder;
mod host_network;
mod names;
mod reclaim;
mod registry;
mod shared;
mod trim;

use std::{
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::Context;
use containers::{Containers, Mode};
use control::{NetworkKind, message::BootStep};
use emulation::Emulation;
use events::Events;
use folders::Folders;
use images::Images;
use layers::Layers;
use network::Networks;
use relay::RelayClient;
use runtime::cgroup::Hierarchy;
use store::{Durability, Store};
use supervisor::{Notices, Supervisor};
use tokio::{net::UnixListener, sync::watch};
use volumes::{Binds, Here, Volumes};

use crate::{
    handover::{Handover, step},
    listener, log,
    supervise::{self, Places},
};

/// The relay starts beside the engine.
const RELAY_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let places = Places::from_args(args)?;
    let handover = Handover::receive()?;
    log::start(handover.boot.log.as_deref());
    // Two: one request that computes must not keep the others waiting. What blocks goes to tokio's blocking threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(Duration::from_secs(2))
        .on_thread_start(leave_the_reserve)
        .enable_all()
        .build()
        .context("an async runtime")?;
    runtime.block_on(serve(places, handover))
}

async fn serve(places: Places, handover: Handover) -> anyhow::Result<()> {
    let (supervisor, notices) = Supervisor::from_fd(supervise::channel()).await.context("the supervisor")?;
    let relay = RelayClient::connect(&places.run.join("relay.sock"), RELAY_PATIENCE).await.context("the relay")?;
    let mut steps = vec![step("engine-started")];
    // Its writer thread inherits this one's capabilities, the reserve of the data disk among them. Nobody else needs it.
    let store = Store::open(&places.root.join("store.redb")).context("the metadata store")?;
    leave_the_reserve();
    let emulation =
        if places.native { Emulation::of_this_computer() } else { Emulation::prepared_by(emulators::register) };
    let services = open(&places, &handover, &relay, supervisor.clone(), &emulation, &store, &mut steps).await?;
    let (containers, images) = (services.containers.clone(), services.images.clone());
    // From here on, so that what the first client removes is seen.
    let removals = services.events.subscribe_for_good();
    let (starts, on_host) = (services.events.subscribe_for_good(), services.containers.clone());
    let following = tokio::spawn(follow(containers, notices));
    let registries = Arc::clone(&services.facts.registry);
    tokio::spawn(registry::follow(relay.clone(), handover.boot.engine.clone(), images.clone(), registries));
    let listener = listener::inherited();
    let ours = listener.try_clone().context("a duplicate of the engine's socket")?;
    let listener = UnixListener::from_std(listener).context("the engine's socket")?;
    let (stop, stopping) = watch::channel(false);
    let mut ended = stopping.clone();
    let api = api::serve(listener, services, async move {
        // The sender lives as long as this function.
        let _ = ended.wait_for(|stopping| *stopping).await;
    });
    let api = tokio::spawn(api);
    steps.push(step("api"));
    if !places.native {
        // Clients that do not wait for the host to call the machine ready are answered meanwhile.
        let renew = handover.boot.engine.renew_images;
        embedded::load(Path::new("/usr/share/berth/images"), &store, &images, renew).await;
        steps.push(step("embedded-images"));
        tokio::spawn(async move {
            emulation.ready().await;
            tokio::task::spawn_blocking(crate::init::modules::load_late);
        });
    }
    if !places.native {
        tokio::spawn(host_network::follow(on_host, Arc::new(forwarder::RelayForwarder::new(relay.clone())), starts));
        tokio::spawn(reclaim::when_idle());
    }
    let trimming = (!places.native).then(|| tokio::spawn(trim::now_and_then(places.root.clone(), removals)));
    steps.push(step("engine"));
    supervisor.serving().await.context("tell the supervisor")?;
    relay.engine_ready(steps).await.context("tell the relay")?;
    tracing::info!(socket = %places.socket.display(), "the engine is ready");

    following.await.context("the task that follows the containers")?;
    tracing::info!("stopping");
    stop.send_replace(true);
    listener::shut(&ours);
    let _ = fs::remove_file(&places.socket);
    if let Err(error) = api.await.context("the API's task")? {
        tracing::error!(%error, "the API ended badly");
    }
    if let Some(trimming) = trimming {
        trimming.abort();
    }
    if places.native
        && let Err(error) = Hierarchy::dissolve(&cgroup_parent(&places))
    {
        tracing::warn!(%error, "a cgroup stays behind");
    }
    if let Err(error) = relay.stopped().await {
        tracing::warn!(%error, "the host was not told that everything is stopped");
    }
    supervisor.finished().await.context("the supervisor")?;
    // The supervisor ends this process.
    std::future::pending().await
}

/// Layers, logs and volumes must not eat what the data disk keeps for metadata (`init::format`): blocks that CAP_SYS_RESOURCE opens.
fn leave_the_reserve() {
    if let Err(error) = runtime::capabilities::lower("CAP_SYS_RESOURCE") {
        tracing::warn!(%error, "this thread may use the room that is reserved for metadata");
    }
}

/// Until the supervisor wants the engine to end, and then until every container has.
async fn follow(containers: Containers, notices: Notices) {
    // Exits arrive while containers are stopped too, so following goes on underneath.
    let (exits, shutdown) = split(notices);
    let following = {
        let containers = containers.clone();
        tokio::spawn(async move { containers.follow(exits).await })
    };
    // An error means that the supervisor is gone, and then everything ends.
    let _ = shutdown.await;
    containers.shutdown().await;
    following.abort();
}

/// One receiver for the exits, and the moment of the shutdown on its own.
fn split(mut notices: Notices) -> (Notices, tokio::sync::oneshot::Receiver<()>) {
    let (exits, receiver) = tokio::sync::mpsc::unbounded_channel();
    let (tell, shutdown) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut tell = Some(tell);
        while let Some(notice) = notices.recv().await {
            match notice {
                supervisor::Notice::Shutdown => drop(tell.take().map(|tell| tell.send(()))),
                exit => drop(exits.send(exit)),
            }
        }
    });
    (receiver, shutdown)
}

/// By which interface containers' packets leave, if the host takes them from the link.
fn outside(network: NetworkKind) -> Option<network::Outside> {
    use control::outside::{GUEST, GUEST_IPV6, LINK, LISTENER, MARK};
    (network == NetworkKind::Link).then(|| network::Outside {
        link: LINK.to_owned(),
        addresses: vec![IpAddr::from(GUEST).into(), IpAddr::from(GUEST_IPV6).into()],
        listener: LISTENER,
        mark: MARK,
    })
}

/// Opens every service, in the order of their dependencies.
async fn open(
    places: &Places,
    handover: &Handover,
    relay: &RelayClient,
    supervisor: Supervisor,
    emulation: &Emulation,
    store: &Store,
    steps: &mut Vec<BootStep>,
) -> anyhow::Result<api::Services> {
    let root = &places.root;
    let settings = &registry::usable(&handover.boot.engine);
    let events = Events::new();
    let layers = Layers::open(&root.join("layers"), store).context("the layers")?;
    let registry = registry::config(&handover.boot, settings)?;
    let images = Images::open(root, store, &layers, registry).context("the images")?;
    images.cut_loops().await.context("the images")?;
    let host = shared::RelayHost::new(relay.clone(), supervisor.clone()).await.context("the mounted folders")?;
    let folders = Folders::new(places.run.join("folders"), Arc::new(host));
    let binds: Arc<dyn Binds> =
        if places.native { Arc::new(Here) } else { Arc::new(binds::SharedBinds(folders.clone())) };
    let volumes = Volumes::open(&root.join("volumes"), store, binds).await.context("the volumes")?;
    steps.push(step("metadata"));
    let forwarder = Arc::new(forwarder::RelayForwarder::new(relay.clone()));
    let names = Arc::new(names::RelayNames::new(relay.clone()));
    let resolv_conf = Path::new("/etc/resolv.conf");
    let networks_settings = network::Settings {
        icc: !settings.without_icc,
        outside: outside(handover.boot.network),
        host_gateway: (handover.boot.network == NetworkKind::Link).then_some(control::outside::HOST.into()),
        ..network::Settings::default()
    };
    if !places.native && Networks::on_parents(store).context("the networks")? {
        // Containers that start with the machine wait for these drivers.
        tokio::task::spawn_blocking(crate::init::modules::load_late).await.context("kernel modules")?;
    }
    let networks = Networks::open(store.clone(), events.clone(), forwarder, names, networks_settings)
        .await
        .context("the networks")?;
    steps.push(step("networks"));
    let containers = Containers::open(
        containers::Services {
            store: store.clone(),
            events: events.clone(),
            folders,
            layers: layers.clone(),
            images: images.clone(),
            emulation: emulation.clone(),
            volumes: volumes.clone(),
            networks: networks.clone(),
            supervisor,
        },
        containers::Settings {
            root: root.clone(),
            mode: if places.native { Mode::Native } else { Mode::Vm },
            engine_socket: places.socket.clone(),
            engine_sockets: settings.sockets.clone(),
            cgroup_parent: cgroup_parent(places),
            resolv_conf: resolv_conf.to_owned(),
        },
    )
    .await
    .context("the containers")?;
    steps.push(step("containers"));
    let mut facts = api::Facts::probe(root, identity(store).await?, env!("CARGO_PKG_VERSION"));
    facts.registry = Arc::new(RwLock::new(registry::facts(settings)));
    facts.container_env = settings.container_proxies.variables();
    facts.warnings = networks.warnings().await;
    for warning in &facts.warnings {
        tracing::warn!("{warning}");
    }
    let services = build::Services {
        containers: containers.clone(),
        images: images.clone(),
        layers,
        events: events.clone(),
        arguments: facts.container_env.clone(),
    };
    let builds = build::Builds::open(services, &root.join("builds")).context("the builds")?;
    let buildkit = buildkit::Kit::open(buildkit::Services {
        builds: builds.clone(),
        images: images.clone(),
        emulation: emulation.clone(),
        engine: facts.version.clone(),
        worker: facts.id.clone(),
        host_gateway: networks.host_gateway(),
        settings: builder(&settings.builder),
        directory: root.join("sessions"),
        history: root.join("history"),
    })
    .context("the sessions of builds")?;
    buildkit.collect_later();
    Ok(api::Services {
        builds,
        buildkit,
        containers,
        images,
        networks,
        volumes,
        events,
        facts: Arc::new(facts),
        work: api::Work::default(),
    })
}

fn builder(settings: &control::BuilderSettings) -> buildkit::Settings {
    let control::BuilderSettings { without_gc, reserved_space, max_used_space, min_free_space, insecure } = *settings;
    let room = buildkit::Room { reserved: reserved_space, max_used: max_used_space, min_free: min_free_space };
    buildkit::Settings { without_gc, room, insecure }
}

/// In the machine there is one engine; on a host several may run, each on a root of its own.
fn cgroup_parent(places: &Places) -> String {
    if !places.native {
        return "berth".to_owned();
    }
    // FNV-1a: short, stable, and not for secrets.
    let hash = places
        .root
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("berth-{hash:016x}")
}

/// The engine's own name for itself, kept for good.
async fn identity(store: &Store) -> anyhow::Result<String> {
    let table = store.table::<String>("engine");
    if let Some(id) = table.get("id").context("the engine's identity")? {
        return Ok(id);
    }
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").context("a random identity")?;
    let id = random.trim().to_owned();
    table.put("id", &id, Durability::Durable).await.context("the engine's identity")?;
    Ok(id)
}
