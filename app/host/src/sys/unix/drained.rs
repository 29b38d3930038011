//! Whether the other end of a local stream has read what was written.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::LocalStream;

pub(in crate::sys) fn drained(stream: &LocalStream) -> impl Fn() -> BoxFuture<'static, ()> + Send + Unpin + use<> {
    let descriptor = stream.as_fd().try_clone_to_owned().ok().map(Arc::new);
    move || {
        let descriptor = descriptor.clone();
        Box::pin(async move {
            let Some(descriptor) = descriptor else { return };
            let begun = Instant::now();
            // The system tells nobody when a queue has become empty. A client that is awake needs microseconds.
            while begun.elapsed() < READ && matches!(unread(&descriptor), Ok(1..)) {
                if begun.elapsed() < SOON {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        })
    }
}

/// How long a client that reads at all may take for it.
const READ: Duration = Duration::from_secs(1);

const SOON: Duration = Duration::from_micros(100);

/// How much of what was written the other end has not read, in bytes of the system's own memory.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library has a safe call for this question")]
fn unread(socket: &impl AsFd) -> io::Result<i32> {
    // SAFETY: SIOCOUTQ (unix(7)) writes an int.
    let request = unsafe { rustix::ioctl::Getter::<{ rustix::ioctl::opcode::none(0x54, 0x11) }, i32>::new() };
    // SAFETY: as above; it changes nothing.
    Ok(unsafe { rustix::ioctl::ioctl(socket, request) }?)
}

/// macOS tells it by `SO_NWRITE`, for which there is no safe call: nothing is waited for.
#[cfg(not(target_os = "linux"))]
fn unread(_socket: &impl AsFd) -> io::Result<i32> {
    Ok(0)
}
