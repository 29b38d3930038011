//! What each start-up step does. A step is a future without side effects on the machine's state: it may be dropped at any
//! await and leaves nothing running.

pub(super) mod link;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use control::message::EngineState;
use control::{LinkKind, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{boot, console, disk};
use crate::architecture::Architecture;
use crate::driver::{self, Driver, Hypervisor, Instance, MachineFiles, MachineSpec};
use crate::image::{self, GuestImage};
use crate::link::{Guest, LinkError};
use crate::paths::Paths;
use crate::proxies::InUse;
use crate::settings::{Accelerator, LinkChoice, Settings};
use crate::{Error, Result};

/// What a step hands to those after it.
#[derive(Debug)]
pub(super) enum Product {
    Check(Box<Ground>),
    Image(GuestImage),
    Disk,
    Boot(Booted),
    Link(Guest),
    Engine,
}

/// What a start stands on, fixed at its first step.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) driver: Arc<dyn Driver>,
    /// What processor the guest is for.
    pub(super) guest: Architecture,
    pub(super) hypervisor: Hypervisor,
    pub(super) settings: Settings,
    pub(super) link: LinkKind,
}

#[derive(Debug)]
pub(super) struct Booted {
    pub(super) instance: Arc<dyn Instance>,
    pub(super) secret: Secret,
}

pub(super) async fn check(paths: Paths) -> Result<Ground> {
    paths.create()?;
    let settings = Settings::load(&paths.settings())?;
    let guest = {
        let paths = paths.clone();
        blocking(move || Ok(image::architecture(&paths))).await?
    };
    let driver = driver::for_this_system(&settings, guest)?;
    let hypervisor = driver.check().await?;
    let link = match settings.link {
        LinkChoice::Auto => hypervisor.links[0],
        LinkChoice::Vsock => LinkKind::Vsock,
        LinkChoice::Serial => LinkKind::Serial,
    };
    Ok(Ground { driver: Arc::from(driver), guest, hypervisor, settings, link })
}

pub(super) async fn find_image(paths: Paths) -> Result<GuestImage> {
    blocking(move || image::find(&paths)).await
}

pub(super) async fn prepare_disk(paths: Paths, ground: Ground) -> Result<()> {
    blocking(move || disk::prepare(ground.driver.disks(), &paths.data_disk(), ground.settings.disk_gib)).await
}

pub(super) async fn boot(paths: Paths, ground: Ground, image: GuestImage, accelerator: Accelerator) -> Result<Booted> {
    if !image.devices.iter().any(|devices| devices == ground.driver.devices()) {
        return Err(Error::ImageDevices { version: image.version, hypervisor: ground.hypervisor.version });
    }
    let secret = Secret::random().map_err(LinkError::Control)?;
    // What the desktop says the guest is told by the link.
    let proxies = InUse::without_desktop(&ground.settings);
    let spec = {
        let (paths, ground, secret) = (paths.clone(), ground.clone(), secret.clone());
        blocking(move || {
            console::rotate(&paths.console_log())?;
            let mut info = boot::boot_info(&ground.settings, ground.link, secret, &proxies);
            info.engine.renew_images = paths.renewal_mark().exists();
            info.engine.sockets = vec![paths.engine_socket().to_string_lossy().into_owned()];
            boot::write_initrd(&paths.initrd(), &image.initramfs, &info)?;
            Ok(spec(&paths, &ground, &image, accelerator))
        })
        .await?
    };
    let instance = ground.driver.start(&spec).await?;
    Ok(Booted { instance: Arc::from(instance), secret })
}

fn spec(paths: &Paths, ground: &Ground, image: &GuestImage, accelerator: Accelerator) -> MachineSpec {
    MachineSpec {
        name: crate::context::name(paths.machine()),
        architecture: image.architecture,
        cpus: ground.settings.cpus,
        memory_mib: ground.settings.memory_mib,
        accelerator,
        link: ground.link,
        network: ground.settings.network,
        kernel: image.kernel.clone(),
        initrd: paths.initrd(),
        command_line: command_line(image.architecture),
        root: image.root.clone(),
        data: paths.data_disk(),
        files: files(paths),
    }
}

/// A panic resets, which ends QEMU (`-no-reboot`); only errors and worse go to the slow serial line; the kernel's tests of its
/// own ciphers cost an eighth of its emulated boot and are those of its maker; x86's test of the timer counts ticks, of which an emulated
/// machine on a busy host may see too few, and panics (Documentation/admin-guide/kernel-parameters).
fn command_line(architecture: Architecture) -> String {
    let (console, timer) = match architecture {
        Architecture::X86_64 => ("ttyS0", " no_timer_check"),
        Architecture::Aarch64 => ("ttyAMA0", ""),
    };
    format!("console={console} panic=-1 loglevel=4 random.trust_cpu=on cryptomgr.notests{timer}")
}

fn files(paths: &Paths) -> MachineFiles {
    MachineFiles {
        qmp_socket: paths.qmp_socket(),
        pid_file: paths.qemu_pid_file(),
        launch_record: paths.launch_record(),
        console_log: paths.console_log(),
        hypervisor_log: paths.qemu_log(),
        hypervisor_command: paths.qemu_command(),
        root_disk: paths.root_disk(),
        vhost_socket: paths.vhost_socket(),
        vsock_socket: paths.vsock_socket(),
        vsock_device_log: paths.vsock_device_log(),
        serial_control_socket: paths.serial_control_socket(),
        serial_bulk_socket: paths.serial_bulk_socket(),
    }
}

/// Waits until the engine answers a request, however often it has to be started.
pub(super) async fn await_engine(guest: Guest) -> Result<()> {
    let mut state = guest.engine();
    loop {
        state.wait_for(|state| *state == EngineState::Ready).await.map_err(|_| LinkError::Down)?;
        if ping(&guest).await.unwrap_or(false) {
            return Ok(());
        }
        // It went away between its word and our question: it says so again when it is back.
        tokio::select! {
            changed = state.changed() => changed.map_err(|_| LinkError::Down)?,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
}

/// Whether the engine answers `GET /_ping` with success.
async fn ping(guest: &Guest) -> std::io::Result<bool> {
    let mut stream = guest.connect_engine().await.map_err(std::io::Error::other)?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n").await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    Ok(head == *b"HTTP/1.1 200")
}

/// Runs file work off the event loop.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    joined(tokio::task::spawn_blocking(work)).await
}

/// Runs `work` also when nobody waits for it any more: the future of a request is dropped with its client's connection.
pub(crate) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    joined(tokio::spawn(work)).await
}

async fn joined<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<T> {
    task.await.unwrap_or_else(|error| {
        let source = std::io::Error::other(error.to_string());
        Err(Error::Spawn { program: PathBuf::from("a worker thread"), source })
    })
}
