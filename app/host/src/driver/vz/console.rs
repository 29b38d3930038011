//! What the guest writes on its console, put into a file, and watched for the kernel's last words.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::net::unix::pipe::Receiver;

/// What the kernel says last of all when it gives up and stands still (kernel/panic.c).
const LAST_WORDS: &[u8] = b"---[ end Kernel panic";

#[derive(Debug)]
pub(super) struct Console {
    pipe: Receiver,
    log: File,
    watch: Watch,
}

impl Console {
    /// The console, and the end of it that the guest writes to. The file is appended to, so that a daemon can cut it meanwhile.
    pub(super) fn begin(log: &Path) -> io::Result<(Console, OwnedFd)> {
        let log = File::options().create(true).append(true).open(log)?;
        let (read, write) = io::pipe()?;
        Ok((Console { pipe: Receiver::from_owned_fd(read.into())?, log, watch: Watch::default() }, write.into()))
    }

    /// Resolves when the guest's kernel has given up. Nothing is lost when it is dropped.
    pub(super) async fn panicked(&mut self) {
        loop {
            if self.pipe.readable().await.is_err() || !self.take() {
                // Nobody writes any more.
                return std::future::pending().await;
            }
            if self.watch.panicked {
                return;
            }
        }
    }

    /// Writes down what is there; whether more may come.
    pub(super) fn take(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => {
                    let said = &buffer[..read];
                    self.watch.look(said);
                    if let Err(error) = self.log.write_all(said) {
                        tracing::debug!(%error, "what the guest writes on its console cannot be kept");
                    }
                }
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// Finds the last words, in however many pieces they come.
#[derive(Debug, Default)]
struct Watch {
    tail: Vec<u8>,
    panicked: bool,
}

impl Watch {
    fn look(&mut self, said: &[u8]) {
        self.tail.extend_from_slice(said);
        self.panicked |= self.tail.windows(LAST_WORDS.len()).any(|part| part == LAST_WORDS);
        let old = self.tail.len().saturating_sub(LAST_WORDS.len() - 1);
        self.tail.drain(..old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_heard_in_pieces() {
        let text = b"[ 1.2] Kernel panic - not syncing: VFS\n[ 1.3] ---[ end Kernel panic - not syncing: VFS ]---\n";
        for size in 1..text.len() {
            let mut watch = Watch::default();
            text.chunks(size).for_each(|piece| watch.look(piece));
            assert!(watch.panicked, "pieces of {size}");
        }
        let mut watch = Watch::default();
        watch.look(&text[..60]);
        assert!(!watch.panicked, "the trace is still to come");
    }
}
