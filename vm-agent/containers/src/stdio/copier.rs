//! Takes a process's output to its log and to the attached clients.

use super::hub::Hub;
use super::pipe::{Endpoint, Shared};
use super::sink::LogSink;
use crate::streams::Stream;
use bytes::Bytes;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

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
    End,
}

/// Copies from a pipe until its last writer is gone.
pub(crate) async fn copy_pipe(from: Arc<Endpoint>, stream: Stream, log: Option<Arc<LogSink>>, hub: Arc<Hub>) {
    copy(from, stream, log, hub, take_pipe).await;
}

/// Copies from a pty master until the last slave is closed.
pub(crate) async fn copy_terminal(from: Arc<Endpoint>, log: Option<Arc<LogSink>>, hub: Arc<Hub>) {
    copy(from, Stream::Stdout, log, hub, take_terminal).await;
}

type Take = fn(&Shared, Stream, Option<&LogSink>) -> io::Result<Taken>;

async fn copy(from: Arc<Endpoint>, stream: Stream, log: Option<Arc<LogSink>>, hub: Arc<Hub>, take: Take) {
    loop {
        let Ok(mut ready) = from.as_async().readable().await else { return };
        let (fd, sink) = (from.shared(), log.clone());
        // Files block; a full or slow disk must hold back this container only.
        let taken = tokio::task::spawn_blocking(move || take(&fd, stream, sink.as_deref())).await;
        match taken {
            Ok(Ok(Taken::Some(bytes))) => hub.publish(stream, bytes).await,
            Ok(Ok(Taken::Empty)) => ready.clear_ready(),
            Ok(Ok(Taken::End)) => return,
            Ok(Err(error)) => {
                tracing::error!(%error, stream = stream.name(), "a container's output cannot be read");
                return;
            }
            // The runtime is shutting down.
            Err(_) => return,
        }
    }
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
        // A pty master whose slaves are all closed says EIO.
        Ok(0) | Err(Errno::IO) => Ok(Taken::End),
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
}
