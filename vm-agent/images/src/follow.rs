//! Reading a file while it is being written: a layer unpacks while it downloads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The writer's side. Dropping it before [`Writer::finish`] fails the reader.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

/// The reader's side: blocks until there is more.
#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    position: u64,
    shared: Arc<Shared>,
}

/// How far the reader is, for progress.
#[derive(Debug, Clone)]
pub(crate) struct Position(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    written: u64,
    read: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Complete,
    Failed,
}

/// A reader of `file` that follows the writer.
pub(crate) fn follow(file: File) -> (Writer, Reader) {
    let shared = Arc::new(Shared::default());
    (Writer { shared: Arc::clone(&shared) }, Reader { file, position: 0, shared })
}

impl Writer {
    /// Tells the reader that `size` bytes are there.
    pub(crate) fn advance(&self, size: u64) {
        self.shared.lock().written = size;
        self.shared.changed.notify_all();
    }

    /// There will be no more.
    pub(crate) fn finish(self) {
        self.shared.lock().end = Some(End::Complete);
    }

    /// Where the reader is.
    pub(crate) fn position(&self) -> Position {
        Position(Arc::clone(&self.shared))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().end.get_or_insert(End::Failed);
        self.shared.changed.notify_all();
    }
}

impl Position {
    pub(crate) fn get(&self) -> u64 {
        self.0.lock().read
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = {
            let mut state = self.shared.lock();
            state.read = self.position;
            loop {
                match (state.written - self.position, state.end) {
                    (_, Some(End::Failed)) => return Err(io::Error::other("the download broke off")),
                    (0, Some(End::Complete)) => return Ok(0),
                    (0, None) => {
                        state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    }
                    (available, _) => break available,
                }
            }
        };
        let wanted = usize::try_from(available).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_reader_sees_what_was_written_and_how_it_ended() {
        let mut file = tempfile::tempfile().unwrap();
        let (writer, mut reader) = follow(file.try_clone().unwrap());
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        for piece in 1..=3 {
            file.write_all(&[piece; 1000]).unwrap();
            writer.advance(1000 * u64::from(piece));
        }
        writer.finish();
        assert_eq!(thread.join().unwrap().unwrap().len(), 3000);

        let (writer, mut reader) = follow(file);
        let thread = std::thread::spawn(move || reader.read(&mut [0]));
        drop(writer);
        assert!(thread.join().unwrap().is_err());
    }
}
