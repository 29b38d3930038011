//! Facts about this computer, and consoles at pipes.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::windows::named_pipe::{NamedPipeServer, PipeMode, ServerOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use windows_sys::Win32::System::Threading::{IsProcessorFeaturePresent, PF_VIRT_FIRMWARE_ENABLED};

use super::super::checks::Facts;
use super::super::host::{Console, Host};
use crate::sys::{Access, own_sid};

/// How long a machine that has ended may keep its console open.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(in super::super) struct ThisHost;

impl Host for ThisHost {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn facts(&self) -> io::Result<Facts> {
        // SAFETY: it takes a number and touches no memory.
        let firmware = unsafe { IsProcessorFeaturePresent(PF_VIRT_FIRMWARE_ENABLED) } != 0;
        Ok(Facts { hypervisor: is_root_of_hypervisor(), firmware, sid: own_sid()? })
    }

    fn listen(&self, name: &str, access: &str, log: &Path) -> io::Result<Box<dyn Console>> {
        let mut options = ServerOptions::new();
        options.first_pipe_instance(true).reject_remote_clients(true).pipe_mode(PipeMode::Byte);
        let pipe = Access::of(access).make(&options, OsStr::new(name))?;
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let (tell, connected) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(error) = keep(pipe, File::from_std(log), &tell).await {
                tracing::warn!(%error, "the machine's console is not kept any more");
            }
        });
        Ok(Box::new(ThisConsole { connected, _task: task }))
    }
}

/// Whether this Windows runs on a hypervisor of Microsoft's and may make machines on it, as no guest of one may (Hypervisor Top Level
/// Functional Specification: leaves 0x40000000, the maker, and 0x40000003, privileges, EBX bit 0, CreatePartitions).
#[cfg(target_arch = "x86_64")]
fn is_root_of_hypervisor() -> bool {
    use std::arch::x86_64::__cpuid;
    if __cpuid(1).ecx >> 31 == 0 {
        return false;
    }
    let maker = __cpuid(0x4000_0000);
    let name: Vec<u8> = [maker.ebx, maker.ecx, maker.edx].into_iter().flat_map(u32::to_le_bytes).collect();
    name == b"Microsoft Hv" && maker.eax >= 0x4000_0003 && __cpuid(0x4000_0003).ebx & 1 != 0
}

/// Other processors do not tell; the service does, when a machine is started.
#[cfg(not(target_arch = "x86_64"))]
fn is_root_of_hypervisor() -> bool {
    true
}

#[derive(Debug)]
struct ThisConsole {
    connected: watch::Receiver<bool>,
    /// Ends when it is dropped.
    _task: JoinSet<()>,
}

#[async_trait]
impl Console for ThisConsole {
    async fn drained(&self) {
        let mut connected = self.connected.clone();
        // Whoever keeps it open longer has nothing more to say; a listener that is gone hears nothing more.
        let _ = timeout(LAST_WORDS, connected.wait_for(|connected| !connected)).await;
    }
}

/// Whoever runs the machine may come more than once: a daemon that takes a machine over listens anew.
async fn keep(mut pipe: NamedPipeServer, mut log: File, tell: &watch::Sender<bool>) -> io::Result<()> {
    let mut room = vec![0; 4096];
    loop {
        pipe.connect().await?;
        tell.send_replace(true);
        // An error is how a pipe ends.
        while let Ok(read @ 1..) = pipe.read(&mut room).await {
            log.write_all(&room[..read]).await?;
            log.flush().await?;
        }
        tell.send_replace(false);
        pipe.disconnect()?;
    }
}
