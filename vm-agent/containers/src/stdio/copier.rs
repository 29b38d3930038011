//! Takes a process's output to its log and to the attached clients.

use super::hangup::Edges;
use super::hub::Hub;
use super::pipe::{Endpoint, Shared};
use super::sink::LogSink;
use crate::streams::Stream;
use bytes::Bytes;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Bytes taken at once: a pipe's default capacity.
const CHUNK: usize = 64 * 1024;

thread_local! {
    /// Where `tee` puts its copy. Always empty between two uses.
    static SCRATCH: io::Result<(OwnedFd, OwnedFd)> =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(io::Error::from);
}

/// What one look at a descriptor brought.
enum Taken {
    Some(Bytes),
    /// Nothing now.
    Empty,
    /// Nobody has the terminal open now.
    HungUp,
    End,
}

/// What copies a process's output.
#[derive(Debug)]
pub(crate) struct Copiers {
    task: JoinHandle<()>,
    /// Held while the process lives.
    alive: oneshot::Sender<()>,
}

impl Copiers {
    /// Starts what `copy` makes; it is given what resolves at the end of the process.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(
        copy: impl FnOnce(oneshot::Receiver<()>) -> F,
    ) -> Self {
        let (alive, ended) = oneshot::channel();
        Self { task: tokio::spawn(copy(ended)), alive }
    }

    /// The process has ended: waits at most `limit` for what it wrote last, and then for nothing more.
    pub(crate) async fn finish(mut self, limit: Duration) {
        drop(self.alive);
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Copies from a pipe until its last writer is gone.
pub(crate) async fn copy_pipe(from: Arc<Endpoint>, stream: Stream, log: Option<Arc<LogSink>>, hub: Arc<Hub>) {
    copy(from, stream, log, hub, take_pipe).await;
}

/// Copies from a pty master until its process has `ended` and no slave is open. One that nobody has open may be opened again
/// while the process lives.
pub(crate) async fn copy_terminal(
    from: Arc<Endpoint>,
    log: Option<Arc<LogSink>>,
    hub: Arc<Hub>,
    mut ended: oneshot::Receiver<()>,
) {
    copy(Arc::clone(&from), Stream::Stdout, log.clone(), Arc::clone(&hub), take_terminal).await;
    let edges = match Edges::new(from.shared(), EventFlags::IN) {
        Ok(edges) => edges,
        Err(error) => return tracing::error!(%error, "a terminal that hung up cannot be watched"),
    };
    let mut alive = true;
    while alive {
        tokio::select! {
            _ = &mut ended => alive = false,
            next = edges.next() => if next.is_err() { return },
        }
        while let Some(Taken::Some(bytes)) = look(&from, Stream::Stdout, log.clone(), take_terminal).await {
            hub.publish(Stream::Stdout, bytes).await;
        }
    }
}

type Take = fn(&Shared, Stream, Option<&LogSink>) -> io::Result<Taken>;

async fn copy(from: Arc<Endpoint>, stream: Stream, log: Option<Arc<LogSink>>, hub: Arc<Hub>, take: Take) {
    loop {
        let Ok(mut ready) = from.as_async().readable().await else { return };
        match look(&from, stream, log.clone(), take).await {
            Some(Taken::Some(bytes)) => hub.publish(stream, bytes).await,
            Some(Taken::Empty) => ready.clear_ready(),
            Some(Taken::HungUp | Taken::End) | None => return,
        }
    }
}

/// Takes what is there. `None`: it cannot be read any more.
async fn look(from: &Endpoint, stream: Stream, log: Option<Arc<LogSink>>, take: Take) -> Option<Taken> {
    let fd = from.shared();
    // Files block; a full or slow disk must hold back this container only.
    let taken = tokio::task::spawn_blocking(move || take(&fd, stream, log.as_deref())).await;
    // Else the runtime is shutting down.
    taken
        .ok()?
        .inspect_err(|error| tracing::error!(%error, stream = stream.name(), "a container's output cannot be read"))
        .ok()
}

/// Copies the pipe's content aside, logs it, and only then takes it out: what a killed engine had not logged is
/// still in the pipe, which the supervisor keeps.
fn take_pipe(fd: &Shared, stream: Stream, log: Option<&LogSink>) -> io::Result<Taken> {
    let Some(log) = log else { return take_terminal(fd, stream, None) };
    SCRATCH.with(|scratch| {
        let Ok((scratch_out, scratch_in)) = scratch else { return take_terminal(fd, stream, Some(log)) };
        let count = match rustix::pipe::tee(fd, scratch_in, CHUNK, SpliceFlags::NONBLOCK) {
            Ok(0) => return Ok(Taken::End),
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Taken::Empty),
            Err(Errno::INVAL) => return take_terminal(fd, stream, Some(log)),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = vec![0; count];
        read_exactly(scratch_out, &mut bytes)?;
        write_log(log, stream, &bytes);
        read_exactly(fd, &mut bytes)?;
        Ok(Taken::Some(bytes.into()))
    })
}

/// Reads, then logs. A terminal cannot be copied aside.
fn take_terminal(fd: &Shared, stream: Stream, log: Option<&LogSink>) -> io::Result<Taken> {
    let mut bytes = vec![0; CHUNK];
    match rustix::io::read(fd, &mut bytes) {
        Ok(0) => Ok(Taken::End),
        // A pty master whose slaves are all closed (pty(7)).
        Err(Errno::IO) => Ok(Taken::HungUp),
        Ok(count) => {
            bytes.truncate(count);
            if let Some(log) = log {
                write_log(log, stream, &bytes);
            }
            bytes.shrink_to_fit();
            Ok(Taken::Some(bytes.into()))
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(Taken::Empty),
        Err(error) => Err(error.into()),
    }
}

/// A disk that refuses the log must not stop the container: dockerd drops the message too.
fn write_log(log: &LogSink, stream: Stream, bytes: &[u8]) {
    if let Err(error) = log.write(stream, bytes) {
        tracing::error!(%error, stream = stream.name(), bytes = bytes.len(), "a container's output was not logged");
    }
}

fn read_exactly(fd: impl std::os::fd::AsFd, bytes: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::read(&fd, &mut bytes[done..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::pipe::pipe;
    use super::*;
    use crate::logs::LogOptions;
    use std::collections::BTreeMap;
    use std::io::Write;

    #[tokio::test]
    async fn output_reaches_log_and_client_and_ends() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let options = LogOptions::parse("json-file", &BTreeMap::new()).expect("default");
        let log = Arc::new(LogSink::open(dir.path(), &options, String::new()).expect("open"));
        let hub = Arc::new(Hub::new());
        let (_, mut output) = hub.subscribe(true, true);
        let (read, write) = pipe().expect("pipe");
        let from = Arc::new(Endpoint::new(read).expect("endpoint"));
        let copier = tokio::spawn(copy_pipe(from, Stream::Stdout, Some(Arc::clone(&log)), Arc::clone(&hub)));
        let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        let bytes = text.clone().into_bytes();
        let writer = tokio::task::spawn_blocking(move || {
            let mut file = std::fs::File::from(write);
            io::Write::write_all(&mut file, &bytes)
        });
        let mut seen = Vec::new();
        while seen.len() < text.len() {
            seen.extend_from_slice(&output.recv().await.expect("more output").bytes);
        }
        writer.await.expect("thread").expect("write");
        copier.await.expect("copier ends with its pipe");
        assert_eq!(String::from_utf8(seen).expect("UTF-8"), text);
        let lines = std::fs::read_to_string(dir.path().join("log.json")).expect("log").lines().count();
        assert_eq!(lines, 20_000);
    }

    /// What init systems do with the console that they are given.
    #[tokio::test]
    async fn a_terminal_that_hung_up_may_be_opened_again() {
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        for _ in 0..20 {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("pty");
            grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlocked");
            let slave = || ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("slave");
            let say = |text: &str| std::fs::File::from(slave()).write_all(text.as_bytes()).expect("written");
            let hub = Arc::new(Hub::new());
            let (_, mut output) = hub.subscribe(true, false);
            let from = Arc::new(Endpoint::new(master.try_clone().expect("dup")).expect("endpoint"));
            let copiers = Copiers::start(|ended| copy_terminal(from, None, Arc::clone(&hub), ended));
            for text in ["one", "two", "three"] {
                // Its last slave is closed after each.
                say(text);
                let mut seen = Vec::new();
                while seen.len() < text.len() {
                    seen.extend_from_slice(&output.recv().await.expect("the copier goes on").bytes);
                }
                assert_eq!(seen, text.as_bytes());
            }
            say("last");
            copiers.finish(Duration::from_secs(60)).await;
            assert_eq!(output.recv().await.expect("what was written before the end").bytes, "last");
        }
    }
}
