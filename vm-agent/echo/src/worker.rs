//! Talking to the process that does it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// The longest message that is taken: as long as one of the link may be.
pub(crate) const LONGEST: usize = control::share::REQUEST_MAX;

/// How much of a notice is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The kernel is told of its caches.
    Caches,
    /// And what was done is repeated.
    Whole,
}

/// The other end of [`serve`](crate::serve)'s socket: one notice at a time. Everything blocks.
#[derive(Debug)]
pub struct Worker {
    socket: UnixStream,
    thread: u32,
}

impl Worker {
    /// Waits until it is ready.
    ///
    /// # Errors
    /// It ended.
    pub fn new(mut socket: UnixStream) -> io::Result<Worker> {
        let mut thread = [0; 4];
        socket.read_exact(&mut thread)?;
        Ok(Worker { socket, thread: u32::from_le_bytes(thread) })
    }

    /// By what the kernel knows its requests.
    pub fn thread(&self) -> u32 {
        self.thread
    }

    /// Has a notice dealt with; what it answers is how repeating it went.
    ///
    /// # Errors
    /// It ended.
    pub fn deal(&mut self, message: &[u8], part: Part) -> io::Result<io::Result<()>> {
        self.socket.write_all(&[part as u8])?;
        self.socket.write_all(message)?;
        let mut error = [0; 4];
        self.socket.read_exact(&mut error)?;
        Ok(match i32::from_le_bytes(error) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        })
    }
}
