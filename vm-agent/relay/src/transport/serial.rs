//! Lanes over two virtio-serial ports (kernel: drivers/char/virtio_console.c).
//!
//! A port's read gives 0 while nobody on the host has it open, and its poll reports a hang-up that later goes away. tokio's
//! readiness remembers a hang-up for ever, so these descriptors have an epoll instance of their own, edge-triggered, on a
//! thread that only wakes whoever waits.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use control::mux::{Lane, LaneIo, Responder};
use control::port::SERIAL_LANES;
use nix::libc::O_NONBLOCK;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::{Error, Result};

const CLASS: &str = "/sys/class/virtio-ports";
/// How long the host must be away before its session is over: a new daemon may be there much sooner.
const ABSENCE: Duration = Duration::from_millis(500);

/// Opens both ports, then serves them for ever.
pub(super) async fn serve(responder: &Responder) -> Result<Infallible> {
    let paths = [find(SERIAL_LANES[0])?, find(SERIAL_LANES[1])?];
    let [control, bulk] = open_lanes(&paths)?;
    let ended = tokio::join!(responder.serve(Lane::Control, control), responder.serve(Lane::Bulk, bulk));
    ended.0?;
    ended.1?;
    Err(Error::Io(io::ErrorKind::UnexpectedEof.into()))
}

/// The device of the port that QEMU was told to name `name`. Without udev only sysfs knows names; devtmpfs has vportNpM.
fn find(name: &'static str) -> Result<PathBuf> {
    let ports = fs::read_dir(CLASS).into_iter().flatten().flatten();
    for port in ports {
        if fs::read_to_string(port.path().join("name")).is_ok_and(|found| found.trim() == name) {
            return Ok(Path::new("/dev").join(port.file_name()));
        }
    }
    Err(Error::NoSerialPort(name))
}

/// Both ports, opened before either is used: a host that hears from one finds the other open.
fn open_lanes(paths: &[PathBuf; 2]) -> Result<[LaneIo; 2]> {
    let open = |path: &PathBuf| {
        let file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path);
        file.map_err(|source| Error::Open { path: path.clone(), source })
    };
    let ports = [Arc::new(Port::new(open(&paths[0])?)), Arc::new(Port::new(open(&paths[1])?))];
    watch(&ports)?;
    Ok(ports.map(|port| LaneIo {
        reader: Box::new(Reader { port: port.clone(), present: false, absence: None }),
        writer: Box::new(Writer(port)),
        persistent: true,
    }))
}

#[derive(Debug)]
struct Port {
    file: File,
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    read: Option<Waker>,
    write: Option<Waker>,
}

impl Port {
    fn new(file: File) -> Self {
        Port { file, wakers: Mutex::default() }
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that wakes the ports' users at every change of their state; it ends with the process.
fn watch(ports: &[Arc<Port>; 2]) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
    for (index, port) in (0..).zip(ports) {
        epoll.add(&port.file, EpollEvent::new(interest, index))?;
    }
    let ports = ports.clone();
    std::thread::Builder::new().name("serial-ports".to_owned()).spawn(move || {
        let mut events = [EpollEvent::empty(); 2];
        loop {
            let n = match epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(n) => n,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "the serial ports cannot be watched");
                    return;
                }
            };
            for event in &events[..n] {
                let Some(port) = usize::try_from(event.data()).ok().and_then(|index| ports.get(index)) else {
                    continue;
                };
                let Wakers { read, write } = std::mem::take(&mut *port.wakers());
                read.into_iter().chain(write).for_each(Waker::wake);
            }
        }
    })?;
    Ok(())
}

/// Gives 0 once when the host stays away, and then waits until it is back.
///
/// The kernel hears of the host's coming and going in a work queue, which the bytes of the next host overtake: an absence is
/// believed only when it lasts.
struct Reader {
    port: Arc<Port>,
    present: bool,
    absence: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The waker first: a change between a look and its registration would be missed otherwise.
        self.port.wakers().read = Some(cx.waker().clone());
        let read = (&self.port.file).read(buffer.initialize_unfilled());
        match read {
            Ok(0) if self.present => {
                let absence = self.absence.get_or_insert_with(|| Box::pin(tokio::time::sleep(ABSENCE)));
                ready!(absence.as_mut().poll(cx));
                self.present = false;
                self.absence = None;
                Poll::Ready(Ok(()))
            }
            Ok(0) => Poll::Pending,
            Ok(n) => {
                self.absence = None;
                self.present = true;
                buffer.advance(n);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.absence = None;
                self.present = true;
                Poll::Pending
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

struct Writer(Arc<Port>);

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.wakers().write = Some(cx.waker().clone());
        match (&self.0.file).write(bytes) {
            Ok(n) => Poll::Ready(Ok(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
