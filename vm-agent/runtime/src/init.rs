//! Process 1 of a container that asked for `--init`: reaps, forwards signals, ends as the program ends.
//!
//! It has the program's user, capabilities and filter, and no descriptor but the three standard ones.

use std::{io, ptr};

use crate::sys;

/// Returns in the program's process; the caller becomes the reaper and never returns.
pub(crate) fn split(program: &[String]) -> io::Result<()> {
    // Before the fork: the program may look at process 1 before that comes to run again. Its own names come with exec.
    let _ = sys::prctl(libc::PR_SET_NAME, c"docker-init".as_ptr() as u64, 0);
    show_arguments(program);
    let mut all = empty();
    // SAFETY: an initialised set. Blocked before the fork, so that a signal can come at any time.
    unsafe {
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, ptr::null_mut());
    }
    // SAFETY: one thread; the parent ends in reap, the child in exec. clone with plain flags, as the container's filter
    // allows it (clone3 it answers with ENOSYS).
    let pid = sys::check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32)?;
    if pid > 0 {
        reap(pid, &all);
    }
    // SAFETY: plain calls on this process. Its own process group is the terminal's foreground one (if there is a
    // terminal), or the shell could not do job control; SIGTTOU, which that change would raise, is still blocked.
    unsafe {
        libc::setpgid(0, 0);
        libc::tcsetpgrp(0, libc::getpid());
        libc::sigprocmask(libc::SIG_SETMASK, &empty(), ptr::null_mut());
    }
    Ok(())
}

/// Puts what dockerd shows here where process lists look: this process is a copy of the supervisor, whose own command line
/// is nothing for the container to read. PR_SET_MM_ARG_START would want CAP_SYS_RESOURCE, so the words are overwritten.
fn show_arguments(program: &[String]) {
    // Fields 48 and 49, proc_pid_stat(5), counted from the state, which follows the parenthesis.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field = |nth: usize| fields.get(nth - 3).and_then(|text| text.parse::<usize>().ok());
    let (Some(start), Some(end)) = (field(48), field(49)) else { return };
    if start == 0 || end <= start {
        return;
    }
    let mut words = "/sbin/docker-init\0--\0".to_owned() + &program.join("\0");
    words.push('\0');
    // The kernel takes what lies behind a last byte that is no NUL for more of the command line.
    let length = words.len().min(end - start - 1);
    // SAFETY: start..end is this process's own argument area on the stack, which nothing reads any more.
    unsafe {
        ptr::write_bytes(start as *mut u8, 0, end - start);
        ptr::copy_nonoverlapping(words.as_ptr(), start as *mut u8, length);
    }
}

fn empty() -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}

fn reap(program: i32, signals: &libc::sigset_t) -> ! {
    // The status socket goes with the rest, or the engine would wait for an exec that is long done.
    let _ = sys::close_from(3);
    loop {
        // SAFETY: an initialised set; no information wanted but the number.
        let signal = unsafe { libc::sigwaitinfo(signals, ptr::null_mut()) };
        match signal {
            libc::SIGCHLD => loop {
                let mut status = 0;
                // SAFETY: status lives through the call.
                let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
                if pid <= 0 {
                    break;
                }
                if pid == program {
                    let code = if libc::WIFSIGNALED(status) {
                        128 + libc::WTERMSIG(status)
                    } else {
                        libc::WEXITSTATUS(status)
                    };
                    // SAFETY: the process ends here; the kernel kills what is left in its namespace.
                    unsafe { libc::_exit(code) }
                }
            },
            // These come from the terminal to the whole foreground group, the program included; a reaper has no use for them.
            libc::SIGTTIN | libc::SIGTTOU | libc::SIGTSTP => {}
            signal if signal > 0 => {
                // SAFETY: integers only.
                unsafe { libc::kill(program, signal) };
            }
            _ => {}
        }
    }
}
