//! The sockets to engine and relay.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use runtime::sys;

use super::{ENGINE, Server};
use crate::protocol::{Answer, Ask, FromSupervisor, Notice, Reply, Request};

impl Server {
    pub(super) fn read_channel(&mut self, i: usize) {
        loop {
            let Some(channel) = &self.channels[i] else { return };
            let (length, fds) = match sys::receive(channel.socket.as_fd(), &mut self.buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Ok((0, _)) | Err(_) => {
                    // Its process is about to be reaped.
                    self.channels[i] = None;
                    return;
                }
                Ok(packet) => packet,
            };
            match serde_json::from_slice::<Request>(&self.buffer[..length]) {
                Ok(request) if i == ENGINE => self.serve(request, fds),
                Ok(Request { ask: Ask::Shutdown { mode }, .. }) => self.shut_down(mode),
                // The relay faces the outside: nothing else is for it.
                Ok(_) => {}
                Err(e) => eprintln!("berth-agent: unreadable request: {e}"),
            }
        }
    }

    pub(super) fn reply(&mut self, seq: u64, answer: Answer, fds: &[BorrowedFd<'_>]) {
        self.send(&FromSupervisor::Reply(Reply { seq, answer }), fds);
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.send(&FromSupervisor::Notice(notice), &[]);
    }

    /// To the engine: now if it fits, else when it reads. Without an engine it is dropped; the next one asks for the list.
    pub(super) fn send(&mut self, message: &FromSupervisor, fds: &[BorrowedFd<'_>]) {
        let Some(channel) = &mut self.channels[ENGINE] else { return };
        let bytes = serde_json::to_vec(message).expect("messages have only string keys");
        if channel.queue.is_empty() {
            let raw: Vec<i32> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
            match sys::send(channel.socket.as_fd(), &bytes, &raw, libc::MSG_DONTWAIT) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // A broken socket is noticed by its reader.
                _ => return,
            }
        }
        let owned = fds.iter().filter_map(|fd| fd.try_clone_to_owned().ok()).collect();
        channel.queue.push_back((bytes, owned));
    }

    pub(super) fn flush(&mut self, i: usize) {
        let Some(channel) = &mut self.channels[i] else { return };
        while let Some((bytes, fds)) = channel.queue.front() {
            let raw: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
            match sys::send(channel.socket.as_fd(), bytes, &raw, libc::MSG_DONTWAIT) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                _ => channel.queue.pop_front(),
            };
        }
    }
}
