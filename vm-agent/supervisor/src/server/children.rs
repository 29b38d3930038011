//! What ends, and what intermediates made.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Instant,
};

use runtime::{child::Handoff, sys};

use super::{ENGINE, Pending, Server, clock};
use crate::{
    Error,
    entries::Entry,
    protocol::{Answer, Failed, Notice, ShutdownMode},
    shutdown::{Ending, Phase},
};

impl Server {
    pub(super) fn read_signals(&mut self) {
        // SAFETY: plain data filled in by the kernel.
        let mut info: [libc::signalfd_siginfo; 8] = unsafe { mem::zeroed() };
        let size = mem::size_of::<libc::signalfd_siginfo>();
        loop {
            // SAFETY: the buffer has the stated size.
            let got = unsafe { libc::read(self.signals.as_raw_fd(), info.as_mut_ptr().cast(), size * info.len()) };
            if got <= 0 {
                return;
            }
            for signal in &info[..got as usize / size] {
                if signal.ssi_signo != libc::SIGCHLD as u32 {
                    self.shut_down(ShutdownMode::PowerOff);
                }
            }
        }
    }

    /// Looks at every ended child, records it, and only then lets it go. True if no child is left.
    pub(super) fn reap(&mut self) -> bool {
        loop {
            // SAFETY: info is plain data filled in by the kernel.
            let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
            // SAFETY: as above.
            let result =
                unsafe { libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) };
            if result != 0 {
                return io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD);
            }
            // SAFETY: these fields are set for an ended child; pid is 0 if there is none.
            let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
            if pid == 0 {
                return false;
            }
            if !self.pending.is_empty() {
                // Whatever it handed over, it did so before it ended.
                self.read_handoffs();
            }
            let signal = (info.si_code != libc::CLD_EXITED).then_some(status);
            let code = signal.map_or(status, |s| 128 + s);
            self.ended(pid, code, signal);
            // SAFETY: as above; exactly the child that was looked at.
            unsafe { libc::waitid(libc::P_PID, pid as u32, &mut info, libc::WEXITED | libc::WNOHANG) };
        }
    }

    pub(super) fn ended(&mut self, pid: i32, code: i32, signal: Option<i32>) {
        if let Some(exit) = self.entries.ended(pid, code, signal, clock()) {
            self.notify(Notice::Exit(exit));
        } else if let Some(pending) = self.pending.remove(&pid) {
            self.reply(pending.seq, Answer::Failed(Failed::NoSibling), &[]);
        } else if let Some(i) = self.roles.iter().position(|role| role.pid() == Some(pid)) {
            let now = Instant::now();
            if self.phase == Phase::Running
                && i == ENGINE
                && !self.served
                // Somebody else's doing; a panic of the guest's profile is SIGABRT.
                && signal != Some(libc::SIGKILL)
                && matches!(self.ending, Ending::Return)
            {
                self.failure = Some(Error::EngineFailed { code });
                self.kill_all(ShutdownMode::PowerOff, now);
            }
            if self.phase == Phase::Running {
                eprintln!("berth-agent: {} ended with {code} and is started again", self.roles[i].role.name);
            }
            self.roles[i].ended(now);
            self.channels[i] = None;
            if let (ENGINE, Phase::Draining { mode, .. }) = (i, self.phase) {
                self.kill_all(mode, now);
            }
        }
    }

    /// Siblings made by intermediates.
    pub(super) fn read_handoffs(&mut self) {
        let mut bytes = [0; 16];
        while let Ok((length, mut fds)) = sys::receive(self.handoff.0.as_fd(), &mut bytes) {
            let (Some(Handoff { by, pid }), Some(pidfd)) = (Handoff::from_bytes(&bytes[..length]), fds.pop()) else {
                continue;
            };
            let Some(Pending { seq, id, keep }) = self.pending.remove(&by) else { continue };
            let started_at = clock();
            self.reply(seq, Answer::Spawned { pid, started_at }, &[pidfd.as_fd()]);
            let reaped = is_reaped(&pidfd);
            self.entries.insert(id, Entry { pid, pidfd: Some(pidfd), started_at, exit: None, fds: keep });
            if reaped {
                // Killed with its container before we heard of it, and taken for an orphan.
                self.ended(pid, 128 + libc::SIGKILL, Some(libc::SIGKILL));
            }
        }
    }
}

/// Whether our child behind the pidfd was waited for already.
fn is_reaped(pidfd: &OwnedFd) -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: info is plain data filled in by the kernel.
    let result = unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as u32, &mut info, flags)
    };
    result != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD)
}
