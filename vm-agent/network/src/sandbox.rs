//! A network namespace that a container lives in.
//!
//! Namespaces are made and entered on threads that end right afterwards, so no thread of the engine is ever left in a
//! container's namespace. Nothing waits for the end of a namespace: the kernel clears it up, slowly and with a global
//! lock, when the last descriptor and the last process in it are gone.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::link::Route;
use crate::{Error, Result, procfs};

/// A network namespace, kept alive by descriptors only (nothing is mounted, no process need be in it), or found by the process
/// that lives in it. Clones share the descriptors.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    netns: Namespace,
    /// Kept from the making to the first use; afterwards a sandbox holds one descriptor, however many there are.
    route: Mutex<Option<Route>>,
}

#[derive(Debug)]
enum Namespace {
    Held(OwnedFd),
    /// The one of this process (a pidfd), which holds it.
    Of(Arc<OwnedFd>),
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
            let settings = [
                ("ipv4/ip_unprivileged_port_start", "0"),
                ("ipv4/ping_group_range", "0 2147483647"),
                ("ipv6/conf/default/disable_ipv6", "1"),
            ];
            // A kernel without IPv6 lacks the last one; a read-only /proc must not keep containers from starting.
            for (name, value) in settings {
                if let Err(error) = procfs::write(&format!("/proc/sys/net/{name}"), value) {
                    tracing::debug!(name, %error, "sysctl of a new network namespace");
                }
            }
            let netns = current()?;
            let mut route = Route::open().map_err(kernel("open a route socket"))?;
            route.up(1).map_err(kernel("bring up lo"))?;
            Ok(Sandbox::new(Namespace::Held(netns), Some(route)))
        })
    }

    /// The namespace of a process, by its pidfd, for as long as the process runs: no descriptor of its own.
    pub fn of_process(pidfd: Arc<OwnedFd>) -> Sandbox {
        Sandbox::new(Namespace::Of(pidfd), None)
    }

    fn new(netns: Namespace, route: Option<Route>) -> Sandbox {
        Sandbox { inner: Arc::new(Inner { netns, route: Mutex::new(route) }) }
    }

    /// A descriptor of the namespace, close-on-exec, to give to a child for `setns`. Blocks.
    pub fn netns(&self) -> Result<OwnedFd> {
        match &self.inner.netns {
            Namespace::Held(netns) => netns.try_clone().map_err(kernel("duplicate a network namespace's descriptor")),
            Namespace::Of(_) => self.inside(current),
        }
    }

    /// The same namespace, kept alive by a descriptor whatever becomes of the process in it. Blocks.
    pub(crate) fn held(&self) -> Result<Sandbox> {
        match &self.inner.netns {
            Namespace::Held(_) => Ok(self.clone()),
            Namespace::Of(_) => Ok(Sandbox::new(Namespace::Held(self.netns()?), None)),
        }
    }

    /// Runs `work` in the namespace, on a thread of its own.
    pub(crate) fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let sandbox = self.clone();
        on_thread(move || {
            enter(sandbox.as_fd())?;
            work()
        })
    }

    /// A route socket of the namespace: the one that is kept, else a new one. Blocks.
    pub(crate) fn route(&self) -> Result<Route> {
        match self.rest() {
            Some(kept) => Ok(kept),
            // A socket belongs to the namespace that it was made in, whoever uses it afterwards.
            None => self.inside(|| Route::open().map_err(kernel("open a route socket"))),
        }
    }

    /// Keeps no route socket any more; answers the one that was kept.
    pub(crate) fn rest(&self) -> Option<Route> {
        // Nobody panics between taking and giving.
        self.inner.route.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What `setns` takes: the namespace, or the process that is in it (setns(2), since Linux 5.8).
impl AsFd for Sandbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.inner.netns {
            Namespace::Held(netns) => netns.as_fd(),
            Namespace::Of(pidfd) => pidfd.as_fd(),
        }
    }
}

/// The namespace of the calling thread.
fn current() -> Result<OwnedFd> {
    Ok(fs::File::open("/proc/thread-self/ns/net").map_err(kernel("open the network namespace"))?.into())
}

fn enter(netns: BorrowedFd<'_>) -> Result<()> {
    match rustix::thread::move_into_link_name_space(netns, Some(LinkNameSpaceType::Network)) {
        // setns(2): the process of a pidfd exits, or has.
        Err(Errno::SRCH) => Err(Error::Ended),
        entered => entered.map_err(kernel("enter a network namespace")),
    }
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
