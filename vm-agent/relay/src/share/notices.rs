//! What changed on the host: a process of the mount's own tells the kernel and repeats the change in the mount (`echo`). Both wait for
//! locks that are held until the host answers, and a process that waits so cannot be killed: nothing that carries answers may do it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use control::notice;
use echo::{Part, Worker};
use nix::libc;
use tracing::{debug, warn};

use super::pending::{Pending, Stream};
use crate::memory;

/// Before a process that ended is started again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Notices {
    /// With the number of the way that each came on.
    queue: mpsc::Sender<(u64, Vec<u8>)>,
    now: Arc<Now>,
}

#[derive(Debug, Default)]
struct Now {
    /// Whose requests come of which notice: the thread's number, and the notice's in the low 16 bits.
    doing: AtomicU64,
    /// Counts the ways to the host.
    way: AtomicU64,
}

impl Notices {
    /// For the mount at `place`, until this is dropped. `program` does it, called with the word `echo`.
    pub(super) fn start(
        program: PathBuf,
        place: PathBuf,
        device: OwnedFd,
        pending: Arc<Pending>,
    ) -> io::Result<Notices> {
        let (queue, notices) = mpsc::channel::<(u64, Vec<u8>)>();
        let now = Arc::new(Now::default());
        let of = Arc::clone(&now);
        let mut process = Process { program, place, device, running: None };
        std::thread::Builder::new().name("share-notices".into()).spawn(move || {
            while let Ok((way, message)) = notices.recv() {
                of.deal(&mut process, way, &message, &pending);
            }
        })?;
        Ok(Notices { queue, now })
    }

    /// There is another way to the host: it numbers its notices anew.
    pub(super) fn connected(&self) {
        self.now.way.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn came(&self, message: Vec<u8>) {
        // The thread lives as long as this.
        let _ = self.queue.send((self.now.way.load(Ordering::Acquire), message));
    }

    /// Whether a request of the kernel's may be carried: marked, if it comes of a change being repeated.
    pub(super) fn mark(&self, request: &mut [u8]) -> bool {
        let doing = self.now.doing.load(Ordering::Acquire);
        notice::mark(request, (doing != 0).then_some(((doing >> 16) as u32, doing as u16)))
    }
}

impl Now {
    fn deal(&self, process: &mut Process, way: u64, message: &[u8], pending: &Pending) {
        let Some(number) = notice::number(message) else { return debug!("a notice of the host's that is none") };
        let is_heard = || self.way.load(Ordering::Acquire) == way;
        // On another way the host knows nothing of it, and would take what comes of it for a new change; what the kernel has is wrong still.
        let mut part = if is_heard() { Part::Whole } else { Part::Caches };
        loop {
            let dealt = process.worker().and_then(|worker| {
                self.doing.store(u64::from(worker.thread()) << 16 | u64::from(number), Ordering::Release);
                worker.deal(message, part)
            });
            self.doing.store(0, Ordering::Release);
            match dealt {
                Ok(Ok(())) => break,
                Ok(Err(error)) => break debug!(%error, "a change of the host's is not repeated"),
                Err(_) if pending.is_closed() => return,
                Err(error) => {
                    warn!(%error, "who repeats the host's changes ended, and is started again");
                    process.running = None;
                    // How far it came nobody knows.
                    part = Part::Caches;
                    std::thread::sleep(AGAIN);
                }
            }
        }
        if is_heard() {
            pending.push(Stream::Names, Arc::new(notice::acknowledgement(number).to_vec()));
        }
    }
}

/// Who does it: started when there is something to do, and again when it ended.
#[derive(Debug)]
struct Process {
    program: PathBuf,
    place: PathBuf,
    device: OwnedFd,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    /// It ends with its socket, which goes first.
    worker: Option<Worker>,
    child: Child,
}

impl Process {
    fn worker(&mut self) -> io::Result<&mut Worker> {
        if self.running.is_none() {
            let (ours, theirs) = UnixStream::pair()?;
            let child = start(&self.program, &self.place, &self.device, theirs)?;
            let mut running = Running { worker: None, child };
            running.worker = Some(Worker::new(ours)?);
            self.running = Some(running);
        }
        let worker = self.running.as_mut().and_then(|running| running.worker.as_mut());
        worker.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.worker.take());
        let _ = self.child.wait();
    }
}

fn start(program: &Path, place: &Path, device: &OwnedFd, socket: UnixStream) -> io::Result<Child> {
    let device = device.as_raw_fd();
    let mut command = Command::new(program);
    command.arg0("berth-agent").arg("echo").arg(place).arg(device.to_string());
    command.stdin(OwnedFd::from(socket)).stdout(Stdio::null());
    // SAFETY: all that is called is async-signal-safe: integers, one open and one write.
    unsafe {
        command.pre_exec(move || {
            // It changes files and carries nothing for the kernel: what it writes is carried by the relay. Refused where it was so before.
            let _ = memory::carries_nothing();
            // The relay's own descriptors are not its child's, those that it was started with among them.
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            match libc::fcntl(device, libc::F_SETFD, 0) {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    command.spawn()
}

/// The role `echo`: the arguments say where the mount is and which descriptor its device; the socket is standard input.
///
/// # Errors
/// The arguments are none, or as [`echo::serve`].
pub fn repeat(arguments: &[String]) -> io::Result<()> {
    let [place, device] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    let device: i32 = device.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the relay has put both there for this process, which is the only one to use them.
    let (device, socket) = unsafe {
        use std::os::fd::FromRawFd;
        (OwnedFd::from_raw_fd(device), UnixStream::from_raw_fd(libc::STDIN_FILENO))
    };
    echo::serve(Path::new(place), device, socket)
}
