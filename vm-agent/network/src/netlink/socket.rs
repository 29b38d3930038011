//! A blocking netlink socket. It belongs to the network namespace of the thread that opened it, for ever, whichever
//! thread uses it later: so a sandbox is worked on without entering it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::Batch;
use super::message::HEADER;
use super::parse::{attributes, text};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
/// In an error message: extended acknowledgement attributes follow.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// In an error message: the request's payload is not repeated.
const NLM_F_CAPPED: u16 = 0x100;
const SOL_NETLINK: libc::c_int = 270;

/// A message from the kernel: its type and what follows the netlink header.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) kind: u16,
    pub(crate) payload: Vec<u8>,
}

/// A netlink socket of one protocol (`NETLINK_ROUTE`, `NETLINK_NETFILTER`).
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open(protocol: libc::c_int) -> io::Result<Socket> {
        let protocol = std::num::NonZeroU32::new(protocol as u32).map(rustix::net::Protocol::from_raw);
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        // Readable causes instead of bare numbers; short error messages. Kernels without them (before 4.12) still work.
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let one: libc::c_int = 1;
            // SAFETY: `one` lives across the call and its size is given.
            unsafe {
                libc::setsockopt(
                    fd.as_raw_fd(),
                    SOL_NETLINK,
                    option,
                    (&raw const one).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                )
            };
        }
        // The kernel answers within the system call that asked; waiting means a lost answer, which must not hang a start.
        rustix::net::sockopt::set_socket_timeout(
            &fd,
            rustix::net::sockopt::Timeout::Recv,
            Some(std::time::Duration::from_secs(10)),
        )?;
        Ok(Socket { fd, sequence: 1, buffer: vec![0; 32 * 1024] })
    }

    /// Sends all messages and waits until each is acknowledged. The kernel carries out every message, even after one
    /// has failed; the first failure is returned.
    pub(crate) fn apply(&mut self, batch: Batch) -> io::Result<()> {
        let count = batch.count();
        if batch.is_empty() {
            return Ok(());
        }
        let base = self.send(batch, NLM_F_ACK, |_| true)?;
        let mut failure = None;
        let mut left = count;
        while left > 0 {
            self.receive(|kind, flags, sequence, payload| {
                if kind != NLMSG_ERROR || sequence.wrapping_sub(base) >= count {
                    return;
                }
                left = left.saturating_sub(1);
                if let Err(e) = acknowledgement(flags, payload) {
                    failure.get_or_insert(e);
                }
            })?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Sends an nfnetlink batch (first message `BATCH_BEGIN`, last `BATCH_END`): all or nothing.
    pub(crate) fn commit(&mut self, batch: Batch) -> io::Result<()> {
        let count = batch.count();
        assert!(count >= 3, "an nfnetlink batch has a beginning, a message and an end");
        // Success is announced by the last real message; every failure is announced at its message, and a failure of
        // the whole at the first one.
        let last = count - 2;
        let base = self.send(batch, NLM_F_ACK, |n| n == last)?;
        let mut failure = None;
        let mut done = false;
        while !done {
            self.receive(|kind, flags, sequence, payload| {
                let n = sequence.wrapping_sub(base);
                if kind != NLMSG_ERROR || n >= count {
                    return;
                }
                let answer = acknowledgement(flags, payload);
                done |= n == last || (n == 0 && answer.is_err());
                if let Err(e) = answer {
                    failure.get_or_insert(e);
                }
            })?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Asks one question that is answered by one message.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        family: &[u8],
        fill: impl FnOnce(&mut super::Attributes<'_>),
    ) -> io::Result<Reply> {
        let mut batch = Batch::new();
        batch.message(kind, NLM_F_REQUEST, family, fill);
        let base = self.send(batch, 0, |_| false)?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(|kind, flags, sequence, payload| {
                if sequence != base || answer.is_some() {
                    return;
                }
                answer = match kind {
                    NLMSG_ERROR => acknowledgement(flags, payload).err().map(Err),
                    _ => Some(Ok(Reply { kind, payload: payload.to_vec() })),
                };
            })?;
        }
        answer.expect("the loop ends with an answer")
    }

    /// Asks for a list.
    pub(crate) fn dump(&mut self, kind: u16, family: &[u8]) -> io::Result<Vec<Reply>> {
        let mut batch = Batch::new();
        batch.message(kind, NLM_F_REQUEST | NLM_F_DUMP, family, |_| {});
        let base = self.send(batch, 0, |_| false)?;
        let mut list = Vec::new();
        let mut end = None;
        while end.is_none() {
            self.receive(|kind, flags, sequence, payload| {
                if sequence != base {
                    return;
                }
                match kind {
                    NLMSG_ERROR => end = Some(acknowledgement(flags, payload)),
                    NLMSG_DONE => end = Some(Ok(())),
                    _ => list.push(Reply { kind, payload: payload.to_vec() }),
                }
            })?;
        }
        end.expect("the loop ends with an answer").map(|()| list)
    }

    /// Sends and answers the sequence number of the first message.
    fn send(&mut self, batch: Batch, flags: u16, which: impl Fn(u32) -> bool) -> io::Result<u32> {
        let base = self.sequence;
        self.sequence = self.sequence.wrapping_add(batch.count());
        let bytes = batch.finish(base, flags, which);
        rustix::net::send(&self.fd, &bytes, SendFlags::empty())?;
        Ok(base)
    }

    /// Receives one datagram and hands its messages over: (type, flags, sequence, payload).
    fn receive(&mut self, mut each: impl FnMut(u16, u16, u32, &[u8])) -> io::Result<()> {
        let length = loop {
            match rustix::net::recv(&self.fd, &mut self.buffer[..], RecvFlags::TRUNC) {
                // With MSG_TRUNC the true length is answered.
                Ok((_, length)) if length > self.buffer.len() => {
                    return Err(io::Error::other("netlink answer larger than the buffer"));
                }
                Ok((_, length)) => break length,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        };
        let mut rest = &self.buffer[..length];
        while let Some(header) = rest.first_chunk::<HEADER>() {
            let size = u32::from_ne_bytes(header[0..4].try_into().expect("four bytes")) as usize;
            let Some(payload) = rest.get(HEADER..size) else { break };
            each(
                u16::from_ne_bytes([header[4], header[5]]),
                u16::from_ne_bytes([header[6], header[7]]),
                u32::from_ne_bytes(header[8..12].try_into().expect("four bytes")),
                payload,
            );
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
        }
        Ok(())
    }
}

/// What an `NLMSG_ERROR` says: error number 0 is success. The kernel's own sentence, if it gave one, joins the error.
fn acknowledgement(flags: u16, payload: &[u8]) -> io::Result<()> {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let code = payload.first_chunk().map_or(-libc::EPROTO, |c| i32::from_ne_bytes(*c));
    if code == 0 {
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(-code);
    if flags & NLM_F_ACK_TLVS == 0 {
        return Err(error);
    }
    let echoed = payload.get(4..8).map_or(0, super::get_u32) as usize;
    let skip = if flags & NLM_F_CAPPED != 0 { HEADER } else { echoed.next_multiple_of(4) };
    let sentence =
        attributes(payload.get(4 + skip..).unwrap_or(&[])).find(|a| a.kind == NLMSGERR_ATTR_MSG).map(|a| text(a.value));
    Err(match sentence {
        Some(sentence) => io::Error::new(error.kind(), Explained { error, sentence }),
        None => error,
    })
}

/// An error number with the kernel's explanation.
#[derive(Debug, thiserror::Error)]
#[error("{error}: {sentence}")]
struct Explained {
    error: io::Error,
    sentence: String,
}

/// The error number of a failed request, explained or not.
pub(crate) fn errno(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Explained>()).and_then(|e| e.error.raw_os_error())
    })
}
