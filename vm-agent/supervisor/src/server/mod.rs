//! The loop: receive, clone, reap, answer. One thread, one poll.
//!
//! What it must never do is in the crate's doc; what follows from it here: every socket is non-blocking, answers that do not
//! fit are queued, and what a container's first process has to say goes past us to the engine.

mod channels;
mod children;
mod requests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io, mem,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    ptr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use runtime::sys;

use crate::{
    Error, Result,
    entries::Entries,
    protocol::{MAX_PACKET, Notice, ShutdownMode},
    roles::{Running, State},
    shutdown::{self, Phase},
};
pub use crate::{roles::Role, shutdown::Ending};

/// What to supervise.
#[derive(Debug)]
pub struct Config {
    /// The agent itself: a sealed memfd, or a file nobody can write.
    pub executable: OwnedFd,
    pub engine: Role,
    /// Native mode may have none.
    pub relay: Option<Role>,
    pub ending: Ending,
}

/// A socket to engine or relay.
struct Channel {
    socket: OwnedFd,
    queue: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
}

/// An intermediate that has not reported yet.
struct Pending {
    seq: u64,
    id: String,
    keep: Vec<(String, OwnedFd)>,
}

const ENGINE: usize = 0;

struct Server {
    executable: OwnedFd,
    ending: Ending,
    /// The engine first.
    roles: Vec<Running>,
    channels: Vec<Option<Channel>>,
    entries: Entries,
    /// Descriptors of no process, by name.
    held: BTreeMap<String, OwnedFd>,
    pending: HashMap<i32, Pending>,
    handoff: (OwnedFd, OwnedFd),
    signals: OwnedFd,
    phase: Phase,
    /// Whether an engine has ever served.
    served: bool,
    /// Why the server returns, unless it was asked to.
    failure: Option<Error>,
    buffer: Vec<u8>,
}

/// Runs until the end of the machine; returns in native mode only. The process must have one thread.
///
/// # Errors
///
/// [`Error::EngineFailed`] in native mode, when the first engine ends by itself before it serves: somebody waits at a terminal and can
/// mend what it says.
pub fn run(config: Config) -> Result<()> {
    let start = |step| move |source| Error::Start { step, source };
    sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0).map_err(start("become subreaper"))?;
    // What runs as root must not be traced by a container that shares our process namespace.
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(start("become non-dumpable"))?;
    let handoff = sys::seqpacket_pair().map_err(start("make the handoff socket"))?;
    sys::set_nonblocking(handoff.0.as_fd()).map_err(start("make the handoff socket"))?;
    let roles: Vec<Running> = [config.engine].into_iter().chain(config.relay).map(Running::new).collect();
    let mut server = Server {
        executable: config.executable,
        ending: config.ending,
        channels: roles.iter().map(|_| None).collect(),
        roles,
        entries: Entries::default(),
        held: BTreeMap::new(),
        pending: HashMap::new(),
        handoff,
        signals: signal_fd().map_err(start("read signals"))?,
        phase: Phase::Running,
        served: false,
        failure: None,
        buffer: vec![0; MAX_PACKET],
    };
    while !server.turn() {}
    server.failure.map_or(Ok(()), Err)
}

/// Blocks the signals we live by and makes them readable. The others go back to their defaults: what we were started with
/// (nohup ignores SIGHUP) would otherwise reach every container. std ignores SIGPIPE, and that stays for us.
fn signal_fd() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised; a non-negative answer of signalfd is a new descriptor.
    unsafe {
        for signal in (1..=64).filter(|signal| *signal != libc::SIGPIPE) {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set = mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT] {
            libc::sigaddset(&mut set, signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &set, ptr::null_mut());
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

impl Server {
    /// One round; true at the end of everything.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        self.start_roles(now);
        if let (Phase::Killing { mode, .. }, true) = (self.phase, self.reap()) {
            return self.finish(mode);
        }
        if self.phase.deadline().is_some_and(|deadline| now >= deadline) {
            match self.phase {
                Phase::Draining { mode, .. } => self.kill_all(mode, now),
                Phase::Killing { mode, .. } => return self.finish(mode),
                Phase::Running => {}
            }
        }
        let mut fds = vec![poll_fd(&self.signals, libc::POLLIN), poll_fd(&self.handoff.0, libc::POLLIN)];
        let open: Vec<usize> = (0..self.channels.len()).filter(|i| self.channels[*i].is_some()).collect();
        for channel in self.channels.iter().flatten() {
            let more = if channel.queue.is_empty() { 0 } else { libc::POLLOUT };
            fds.push(poll_fd(&channel.socket, libc::POLLIN | more));
        }
        // SAFETY: the array lives through the call.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as u64, self.timeout(now)) };
        if fds[1].revents != 0 {
            self.read_handoffs();
        }
        if fds[0].revents != 0 {
            self.read_signals();
            self.reap();
        }
        for (i, poll) in open.into_iter().zip(&fds[2..]) {
            if poll.revents & libc::POLLOUT != 0 {
                self.flush(i);
            }
            if poll.revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0 {
                self.read_channel(i);
            }
        }
        false
    }

    fn timeout(&self, now: Instant) -> i32 {
        let starts = self.roles.iter().filter_map(|role| match role.state {
            State::Down { until } if self.phase == Phase::Running => Some(until),
            _ => None,
        });
        match starts.chain(self.phase.deadline()).min() {
            Some(next) => (next.saturating_duration_since(now) + Duration::from_millis(1)).as_millis() as i32,
            None => -1,
        }
    }

    fn start_roles(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        for i in 0..self.roles.len() {
            if !matches!(self.roles[i].state, State::Down { until } if now >= until) {
                continue;
            }
            match self.roles[i].start(self.executable.as_fd()) {
                Ok(socket) => {
                    let _ = sys::set_nonblocking(socket.as_fd());
                    self.channels[i] = Some(Channel { socket, queue: VecDeque::new() });
                }
                Err(e) => {
                    eprintln!("berth-agent: cannot start {}: {e}", self.roles[i].role.name);
                    self.roles[i].ended(now);
                }
            }
        }
    }

    fn shut_down(&mut self, mode: ShutdownMode) {
        if self.phase != Phase::Running {
            return;
        }
        let now = Instant::now();
        self.phase = Phase::drain(mode, now);
        if self.channels[ENGINE].is_some() {
            self.notify(Notice::Shutdown);
        } else {
            self.kill_all(mode, now);
        }
    }

    fn kill_all(&mut self, mode: ShutdownMode, now: Instant) {
        self.phase = Phase::kill(mode, now);
        if let Ending::Machine { .. } = self.ending {
            // SAFETY: integers only; everything but us.
            unsafe { libc::kill(-1, libc::SIGKILL) };
        } else {
            for pidfd in self.entries.running() {
                let _ = sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
            }
            for pid in self.roles.iter().filter_map(Running::pid) {
                // SAFETY: integers only; a child of ours that is not reaped yet.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
    }

    fn finish(&mut self, mode: ShutdownMode) -> bool {
        match &self.ending {
            Ending::Return => true,
            Ending::Machine { unmount } => {
                shutdown::end_machine(mode, unmount);
                self.phase = Phase::kill(mode, Instant::now());
                false
            }
        }
    }
}

fn poll_fd(fd: &OwnedFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }
}

fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}
