//! Long work on a thread of its own, which nobody can drop: it looks whether somebody still wants it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Held by who waits for the work.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicBool>);

/// For the work: whether nobody waits any more.
#[derive(Debug, Clone)]
pub(crate) struct Wanted(Arc<AtomicBool>);

impl Waiting {
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted(Arc::clone(&self.0))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Wanted {
    /// The same bytes, until nobody waits for what they become: that is a failure, and not their end.
    pub(crate) fn reads<R: Read>(&self, source: R) -> Reads<R> {
        Reads { source, wanted: self.clone() }
    }

    /// Likewise for what is written.
    pub(crate) fn writes<W: Write>(&self, to: W) -> Writes<W> {
        Writes { to, wanted: self.clone() }
    }

    fn check(&self) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::Error::other("nobody waits for it any more")),
            false => Ok(()),
        }
    }
}

/// [`Wanted::reads`]
#[derive(Debug)]
pub(crate) struct Reads<R> {
    source: R,
    wanted: Wanted,
}

impl<R: Read> Read for Reads<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wanted.check()?;
        self.source.read(buffer)
    }
}

/// [`Wanted::writes`]
#[derive(Debug)]
pub(crate) struct Writes<W> {
    to: W,
    wanted: Wanted,
}

impl<W: Write> Write for Writes<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wanted.check()?;
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_is_not_read_to_its_end() {
        let waiting = Waiting::default();
        let mut source = waiting.wanted().reads(io::repeat(7));
        source.read_exact(&mut [0; 100]).unwrap();
        drop(waiting);
        let told = io::copy(&mut source, &mut io::sink()).unwrap_err();
        assert_eq!(told.to_string(), "nobody waits for it any more");
    }
}
