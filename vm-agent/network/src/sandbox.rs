//! A network namespace that a container lives in.
//!
//! Namespaces are made and entered on threads that end right afterwards, so no thread of the engine is ever left in a
//! container's namespace. Nothing waits for the end of a namespace: the kernel clears it up, slowly and with a global
//! lock, when the last descriptor and the last process in it are gone.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::link::Route;
use crate::{Error, Result};

/// A network namespace, kept alive by descriptors only: nothing is mounted, no process need be in it. Clones share the
/// descriptors.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    netns: OwnedFd,
    route: Mutex<Route>,
}

impl Sandbox {
    /// Makes an empty namespace with `lo` up and the sysctls that dockerd gives every container: any port may be
    /// bound by any user, any group may ping, and interfaces have no IPv6 until they are given an IPv6 address.
    pub async fn create() -> Result<Sandbox> {
        run(Sandbox::create_blocking).await
    }

    /// [`Sandbox::create`] for threads outside of the async runtime.
    pub fn create_blocking() -> Result<Sandbox> {
        on_thread(|| {
            // SAFETY: only file descriptor tables are dangerous to unshare; this is a network namespace.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                .map_err(kernel("make a network namespace"))?;
            for (name, value) in [
                ("ipv4/ip_unprivileged_port_start", "0"),
                ("ipv4/ping_group_range", "0 2147483647"),
                ("ipv6/conf/default/disable_ipv6", "1"),
            ] {
                // A kernel without IPv6 lacks the last one; a read-only /proc must not keep containers from starting.
                if let Err(error) = fs::write(format!("/proc/sys/net/{name}"), value) {
                    tracing::debug!(name, %error, "sysctl of a new network namespace");
                }
            }
            let sandbox = Sandbox::current()?;
            sandbox.route().up(1).map_err(kernel("bring up lo"))?;
            Ok(sandbox)
        })
    }

    /// Takes over a namespace that exists already: after a restart of the engine, or a process's own
    /// (`/proc/<pid>/ns/net`).
    pub async fn from_fd(netns: OwnedFd) -> Result<Sandbox> {
        run(move || {
            on_thread(move || {
                enter(netns.as_fd())?;
                let route = Route::open().map_err(kernel("open a route socket"))?;
                Ok(Sandbox { inner: Arc::new(Inner { netns, route: Mutex::new(route) }) })
            })
        })
        .await
    }

    /// A duplicate of the namespace's descriptor, close-on-exec, to give to a child for `setns`.
    pub fn netns(&self) -> Result<OwnedFd> {
        self.inner.netns.try_clone().map_err(kernel("duplicate a network namespace's descriptor"))
    }

    /// Runs `work` in the namespace, on a thread of its own.
    pub(crate) fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let sandbox = self.clone();
        on_thread(move || {
            enter(sandbox.as_fd())?;
            work()
        })
    }

    /// The namespace's route socket.
    pub(crate) fn route(&self) -> MutexGuard<'_, Route> {
        // A panic while holding it leaves at worst an unread answer, which the next request's sequence number skips.
        self.inner.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The namespace of the calling thread.
    fn current() -> Result<Sandbox> {
        let netns = fs::File::open("/proc/thread-self/ns/net").map_err(kernel("open the network namespace"))?.into();
        let route = Route::open().map_err(kernel("open a route socket"))?;
        Ok(Sandbox { inner: Arc::new(Inner { netns, route: Mutex::new(route) }) })
    }
}

impl AsFd for Sandbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.netns.as_fd()
    }
}

fn enter(netns: BorrowedFd<'_>) -> Result<()> {
    rustix::thread::move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))
        .map_err(kernel("enter a network namespace"))
}

/// Runs blocking work away from the async workers. A panic in it goes on in the caller.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopping),
        },
    }
}

/// Runs `work` on a thread that ends with it, so that a namespace it enters is left for certain.
fn on_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let thread = std::thread::Builder::new().name("netns".into()).stack_size(128 * 1024);
    let thread = thread.spawn(work).map_err(kernel("start a thread"))?;
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Names the step that the kernel refused.
pub(crate) fn kernel<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> Error {
    move |source| Error::Kernel { what, source: source.into() }
}
