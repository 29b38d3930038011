//! Sockets on which the command of a step asks its client's SSH agent. They are there for as long as the step is.

use super::Owner;
use super::prepare::own;
use crate::error::{Result, disk};
use crate::watch::Agent;
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener as Listener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const NAME: &str = "agent";

/// How many connections a step has at once; the others wait. Each takes something of the engine.
const MOST: usize = 256;

/// How long nobody is served when a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Dropped, it is gone with all its connections.
#[derive(Debug)]
pub(super) struct Socket {
    directory: TempDir,
    _serving: JoinSet<()>,
}

impl Socket {
    /// One in a directory of its own, which nobody else looks into, beneath another one.
    pub(super) fn open(beneath: &Path, owner: Owner, agent: Arc<dyn Agent>) -> Result<Socket> {
        let directory = tempfile::tempdir_in(beneath).map_err(disk(beneath))?;
        let path = directory.path().join(NAME);
        let listener = bind(directory.path()).map_err(disk(&path))?;
        own(&path, owner)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, agent));
        Ok(Socket { directory, _serving: serving })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }
}

/// The kernel takes some hundred bytes of a socket's path, and the engine's directory may have a longer one.
fn bind(directory: &Path) -> std::io::Result<UnixListener> {
    let opened = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let listener = Listener::bind(format!("/proc/self/fd/{}/{NAME}", opened.as_raw_fd()))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn serve(listener: UnixListener, agent: Arc<dyn Agent>) {
    let room = Arc::new(Semaphore::new(MOST));
    let mut talks = JoinSet::new();
    // It is never closed.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Such as too many open files, of which there may be fewer soon.
                tracing::warn!(%error, "a connection to the SSH agent of a step is not served");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while talks.try_join_next().is_some() {}
        let talk = agent.talk(stream);
        talks.spawn(async move {
            talk.await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Later;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    /// Says everything twice.
    #[derive(Debug)]
    struct Echo;

    impl Agent for Echo {
        fn talk(&self, mut stream: UnixStream) -> Later<'static, ()> {
            Box::pin(async move {
                let mut bytes = [0; 16];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    let twice = bytes[..length].repeat(2);
                    stream.write_all(&twice).await.expect("heard");
                }
            })
        }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn whoever_connects_talks_to_the_agent() {
        run(async {
            let root = tempfile::tempdir().expect("a directory");
            let long = root.path().join("long".repeat(40));
            std::fs::create_dir(&long).expect("made");
            let own = std::fs::metadata(&long).expect("there");
            let owner = Owner { mode: 0o641, uid: own.uid(), gid: own.gid() };
            let socket = Socket::open(&long, owner, Arc::new(Echo)).expect("opened");
            let found = std::fs::metadata(socket.path()).expect("there");
            assert!(found.file_type().is_socket());
            assert_eq!(found.mode() & 0o777, 0o641);
            let short = root.path().join("s");
            std::os::unix::fs::symlink(&long, &short).expect("linked");
            let at = short.join(socket.path().strip_prefix(&long).expect("beneath"));
            let mut heard = Vec::new();
            for said in ["a", "bc"] {
                let mut stream = UnixStream::connect(&at).await.expect("connected");
                stream.write_all(said.as_bytes()).await.expect("said");
                stream.shutdown().await.expect("ended");
                stream.read_to_end(&mut heard).await.expect("heard");
            }
            assert_eq!(heard, b"aabcbc");
            let mut open = UnixStream::connect(&at).await.expect("connected");
            open.write_all(b"d").await.expect("said");
            assert_eq!(open.read(&mut [0; 16]).await.expect("heard"), 2);
            drop(socket);
            assert_eq!(open.read(&mut [0; 16]).await.expect("ended"), 0, "connections end with it");
            assert!(UnixStream::connect(&at).await.is_err());
            assert!(std::fs::read_dir(&long).expect("there").next().is_none());
        });
    }
}
