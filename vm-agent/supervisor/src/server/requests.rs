//! What the engine asks for.

use std::{
    mem,
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

use runtime::{
    child::{self, Start},
    plan::fd,
    sys::{self, Cloned},
};

use super::{Pending, Server, clock};
use crate::{
    entries::Entry,
    protocol::{Answer, Ask, Failed, Request, ShutdownMode, VERSION},
    roles,
    shutdown::Phase,
};

impl Server {
    pub(super) fn serve(&mut self, request: Request, mut fds: Vec<OwnedFd>) {
        let seq = request.seq;
        let answer = match request.ask {
            Ask::Hello { .. } => Answer::Hello { version: VERSION },
            Ask::Spawn { id, flags, intermediate, fds: names, keep } => {
                match self.spawn(seq, id, flags, intermediate, &names, &keep, fds) {
                    Some(failed) => Answer::Failed(failed),
                    None => return,
                }
            }
            Ask::Helper { id, argv, env } => match self.helper(seq, id, &argv, &env, &fds) {
                Some(failed) => Answer::Failed(failed),
                None => return,
            },
            Ask::Hold { id, name } if id.is_empty() => match fds.pop() {
                Some(fd) => {
                    self.held.insert(name, fd);
                    Answer::Done
                }
                None => malformed("hold without a descriptor"),
            },
            Ask::Release { id, name } if id.is_empty() => {
                self.held.remove(&name);
                Answer::Done
            }
            Ask::Hold { id, name } => match (self.entries.get_mut(&id), fds.pop()) {
                (Some(entry), Some(fd)) => {
                    entry.fds.retain(|(n, _)| *n != name);
                    entry.fds.push((name, fd));
                    Answer::Done
                }
                (None, _) => Answer::Failed(Failed::Unknown),
                (_, None) => malformed("hold without a descriptor"),
            },
            Ask::Release { id, name } => match self.entries.get_mut(&id) {
                Some(entry) => {
                    entry.fds.retain(|(n, _)| *n != name);
                    Answer::Done
                }
                None => Answer::Failed(Failed::Unknown),
            },
            Ask::Ack { id } if self.entries.remove_ended(&id) => Answer::Done,
            Ask::Ack { .. } => Answer::Failed(Failed::Unknown),
            Ask::List => {
                let entries = mem::take(&mut self.entries);
                for (info, entry) in entries.iter() {
                    let fds: Vec<_> =
                        entry.pidfd.iter().chain(entry.fds.iter().map(|(_, fd)| fd)).map(AsFd::as_fd).collect();
                    self.reply(seq, Answer::Entry(info), &fds);
                }
                self.entries = entries;
                let held = mem::take(&mut self.held);
                for (name, fd) in &held {
                    self.reply(seq, Answer::Held { name: name.clone() }, &[fd.as_fd()]);
                }
                self.held = held;
                Answer::End
            }
            Ask::Shutdown { mode } => {
                self.shut_down(mode);
                Answer::Done
            }
            Ask::Serving => {
                self.served = true;
                Answer::Done
            }
            Ask::Finished => {
                let mode = match self.phase {
                    Phase::Draining { mode, .. } | Phase::Killing { mode, .. } => mode,
                    Phase::Running => ShutdownMode::PowerOff,
                };
                self.reply(seq, Answer::Done, &[]);
                return self.kill_all(mode, Instant::now());
            }
        };
        self.reply(seq, answer, &[]);
    }

    /// `None`: answered, or to be answered when the intermediate reports.
    #[allow(clippy::too_many_arguments, reason = "the fields of one message")]
    pub(super) fn spawn(
        &mut self,
        seq: u64,
        id: String,
        flags: i32,
        intermediate: bool,
        names: &[String],
        keep: &[String],
        mut fds: Vec<OwnedFd>,
    ) -> Option<Failed> {
        if self.entries.contains(&id) || self.pending.values().any(|p| p.id == id) {
            return Some(Failed::Exists);
        }
        if fds.len() != names.len() + 2 {
            return Some(Failed::Malformed { what: "spawn with missing descriptors".to_owned() });
        }
        let named: Vec<(String, OwnedFd)> = names.iter().cloned().zip(fds.drain(2..)).collect();
        let status = fds.pop().expect("counted above");
        let plan = fds.pop().expect("counted above");
        let start = Start { plan, fds: named, status };
        let cgroup = start.fds.iter().find(|(name, _)| name == fd::CGROUP).map(|(_, fd)| fd.as_fd());
        // A new network namespace would make its end our business (netns clean-up holds a lock), so the bit never passes.
        let flags = flags & !libc::CLONE_NEWNET;
        let cloned = if intermediate {
            // SAFETY: one thread; the child ends in exec or _exit.
            unsafe { sys::clone3(0, None) }
        } else {
            // SAFETY: as above.
            unsafe { sys::clone3(flags, cgroup) }
        };
        match cloned {
            Err(e) => Some(Failed::Clone { errno: e.raw_os_error().unwrap_or(0) }),
            Ok(Cloned::Child) if intermediate => child::run_intermediate(start, self.handoff.1.as_fd()),
            Ok(Cloned::Child) => child::run(start),
            Ok(Cloned::Parent { pid, pidfd }) => {
                let keep: Vec<_> = start.fds.into_iter().filter(|(name, _)| keep.contains(name)).collect();
                if intermediate {
                    self.pending.insert(pid, Pending { seq, id, keep });
                } else {
                    let started_at = clock();
                    self.reply(seq, Answer::Spawned { pid, started_at }, &[pidfd.as_fd()]);
                    let entry = Entry { pid, pidfd: Some(pidfd), started_at, exit: None, fds: keep };
                    self.entries.insert(id, entry);
                }
                None
            }
        }
    }

    pub(super) fn helper(
        &mut self,
        seq: u64,
        id: String,
        argv: &[String],
        env: &[String],
        stdio: &[OwnedFd],
    ) -> Option<Failed> {
        if self.entries.contains(&id) {
            return Some(Failed::Exists);
        }
        if stdio.len() != 3 || argv.is_empty() {
            return Some(Failed::Malformed { what: "helper without three descriptors or a program".to_owned() });
        }
        // SAFETY: one thread; the child ends in exec or _exit.
        match unsafe { sys::clone3(0, None) } {
            Err(e) => Some(Failed::Clone { errno: e.raw_os_error().unwrap_or(0) }),
            Ok(Cloned::Child) => roles::exec_helper(argv, env, stdio),
            Ok(Cloned::Parent { pid, pidfd }) => {
                let started_at = clock();
                self.reply(seq, Answer::Spawned { pid, started_at }, &[pidfd.as_fd()]);
                let entry = Entry { pid, pidfd: Some(pidfd), started_at, exit: None, fds: Vec::new() };
                self.entries.insert(id, entry);
                None
            }
        }
    }
}

fn malformed(what: &str) -> Answer {
    Answer::Failed(Failed::Malformed { what: what.to_owned() })
}
