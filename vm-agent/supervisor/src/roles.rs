//! The agent's own other processes, engine and relay: started from the supervisor's sealed executable, started again when
//! they end.

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    time::{Duration, Instant},
};

use runtime::sys::{self, Cloned};

use crate::protocol::CHANNEL_FD;

/// What to start. The process finds its socket to the supervisor as descriptor 3 and `inherit` from 4 on.
#[derive(Debug)]
pub struct Role {
    /// For the log.
    pub name: &'static str,
    /// Without the program's name.
    pub args: Vec<String>,
    pub inherit: Vec<OwnedFd>,
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A process that lived this long did not fail at its start.
const STABLE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) role: Role,
    pub(crate) state: State,
    pause: Duration,
}

#[derive(Debug)]
pub(crate) enum State {
    Up {
        pid: i32,
        since: Instant,
    },
    /// To be started then.
    Down {
        until: Instant,
    },
}

impl Running {
    pub(crate) fn new(role: Role) -> Running {
        Running { role, state: State::Down { until: Instant::now() }, pause: SHORTEST_PAUSE }
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        match self.state {
            State::Up { pid, .. } => Some(pid),
            State::Down { .. } => None,
        }
    }

    /// The pause before the next start doubles as long as starts fail.
    pub(crate) fn ended(&mut self, now: Instant) {
        if let State::Up { since, .. } = self.state {
            self.pause = if now - since >= STABLE { SHORTEST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        }
        self.state = State::Down { until: now + self.pause };
    }

    /// Starts the process; answers the supervisor's end of its socket.
    pub(crate) fn start(&mut self, executable: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let (ours, theirs) = sys::seqpacket_pair()?;
        let mut args = vec![c"berth-agent".to_owned()];
        for arg in &self.role.args {
            args.push(CString::new(arg.as_str())?);
        }
        let inherit: Vec<i32> =
            [theirs.as_raw_fd()].into_iter().chain(self.role.inherit.iter().map(AsRawFd::as_raw_fd)).collect();
        // SAFETY: one thread; the child execs or exits.
        match unsafe { sys::clone3(0, None) }? {
            Cloned::Parent { pid, .. } => {
                self.state = State::Up { pid, since: Instant::now() };
                Ok(ours)
            }
            Cloned::Child => exec_executable(executable, &args, &inherit),
        }
    }
}

/// In the child: `inherit` becomes 3, 4, ...; everything else goes at exec.
fn exec_executable(executable: BorrowedFd<'_>, args: &[CString], inherit: &[i32]) -> ! {
    default_signals();
    let mut argv: Vec<*const libc::c_char> = args.iter().map(|a| a.as_ptr()).collect();
    argv.push(ptr::null());
    // SAFETY: integers and null-terminated arrays that live through the calls. Sources are moved above the targets first,
    // so that none is overwritten before it is used.
    unsafe {
        let base = 100 + inherit.len() as i32;
        let moved: Vec<i32> = inherit.iter().map(|fd| libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, base)).collect();
        let program = libc::fcntl(executable.as_raw_fd(), libc::F_DUPFD_CLOEXEC, base);
        for (i, fd) in moved.iter().enumerate() {
            libc::dup2(*fd, CHANNEL_FD + i as i32);
        }
        let _ = sys::close_on_exec_from(CHANNEL_FD + inherit.len() as i32);
        unsafe extern "C" {
            static environ: *const *const libc::c_char;
        }
        libc::syscall(libc::SYS_execveat, program, c"".as_ptr(), argv.as_ptr(), environ, libc::AT_EMPTY_PATH);
        libc::_exit(127)
    }
}

/// Children must not inherit the supervisor's blocked signals.
pub(crate) fn default_signals() {
    // SAFETY: plain signal calls on this process; the set is initialised by sigemptyset.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// In the child of a helper: the three descriptors, the program by its absolute path.
pub(crate) fn exec_helper(argv: &[String], env: &[String], stdio: &[OwnedFd]) -> ! {
    default_signals();
    let strings = |list: &[String]| list.iter().map(|s| CString::new(s.as_str()).ok()).collect::<Option<Vec<_>>>();
    if let (Some(argv), Some(env)) = (strings(argv), strings(env)) {
        let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
            list.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
        };
        let (argv, env) = (pointers(&argv), pointers(&env));
        // SAFETY: as above; received descriptors are above 2.
        unsafe {
            for (target, fd) in stdio.iter().enumerate() {
                libc::dup2(fd.as_raw_fd(), target as i32);
            }
            let _ = sys::close_on_exec_from(3);
            libc::execve(argv[0], argv.as_ptr(), env.as_ptr());
        }
    }
    // SAFETY: no destructors in a copy of the supervisor.
    unsafe { libc::_exit(127) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_recover() {
        let mut role = Running::new(Role { name: "x", args: Vec::new(), inherit: Vec::new() });
        let start = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            role.state = State::Up { pid: 1, since: start };
            role.ended(start);
            pauses.push(role.pause.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        role.state = State::Up { pid: 1, since: start };
        role.ended(start + STABLE);
        assert_eq!(role.pause, SHORTEST_PAUSE);
    }
}
