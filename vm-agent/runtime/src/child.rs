//! Runs a plan in the process that was cloned for it, and becomes the program.
//!
//! The supervisor has one thread and clones without sharing memory, so everything here may allocate. Order matters:
//!
//! 1. not dumpable, own session, default signals, `oom_score_adj` while `/proc` is still ours;
//! 2. *intermediate only* (exec, joined pid namespace): enter namespaces, clone with CLONE_PARENT, hand the new process
//!    over, exit;
//! 3. join and unshare the remaining namespaces; build the file system ([`crate::setup`]);
//! 4. terminal or stdio, limits, user, seccomp, capabilities, exec.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use crate::{
    capabilities, exec_path, init,
    plan::{Join, JoinSource, Plan, Process, fd},
    seccomp, setup,
    status::{self, Failure, Message},
    sys::{self, Cloned, check},
    terminal,
};

/// What a cloned process got.
#[derive(Debug)]
pub struct Start {
    /// A file holding the plan.
    pub plan: OwnedFd,
    /// Named descriptors ([`fd`]).
    pub fds: Vec<(String, OwnedFd)>,
    /// The child's end of [`status::pair`].
    pub status: OwnedFd,
}

/// A process made by an intermediate, as told to the supervisor; its pidfd comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handoff {
    /// The intermediate's process id.
    pub by: i32,
    pub pid: i32,
}

impl Handoff {
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.by.to_ne_bytes());
        bytes[4..].copy_from_slice(&self.pid.to_ne_bytes());
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Handoff> {
        let (by, pid) = bytes.split_at_checked(4)?;
        Some(Handoff { by: i32::from_ne_bytes(by.try_into().ok()?), pid: i32::from_ne_bytes(pid.try_into().ok()?) })
    }
}

/// The first process of a container. Never returns.
pub fn run(start: Start) -> ! {
    let result = prepare(&start).and_then(|plan| become_program(&plan, &start));
    let Err(failure) = result;
    give_up(&start, failure)
}

/// The intermediate: makes a sibling in other namespaces and tells `handoff` about it. Never returns.
pub fn run_intermediate(start: Start, handoff: BorrowedFd<'_>) -> ! {
    let result = prepare(&start).and_then(|plan| {
        make_sibling(&plan, &start, handoff)?;
        become_program(&plan, &start)
    });
    let Err(failure) = result;
    give_up(&start, failure)
}

pub(crate) type Step<T> = Result<T, Failure>;

/// Says what was being done when a system call failed.
pub(crate) trait During<T> {
    fn during(self, step: impl FnOnce() -> String) -> Step<T>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, step: impl FnOnce() -> String) -> Step<T> {
        self.map_err(|e| {
            let step = step();
            Failure {
                errno: e.raw_os_error().unwrap_or(0),
                message: format!("{step}: {}", text(&e)),
                step,
                exit_hint: 128,
            }
        })
    }
}

/// The system's words without Rust's `(os error 2)`, lower case as Go and runc print them.
pub(crate) fn text(error: &io::Error) -> String {
    let full = error.to_string();
    let bare = full.split(" (os error").next().unwrap_or(&full);
    let mut chars = bare.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

impl Start {
    pub(crate) fn fd(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.fds.iter().find(|(n, _)| n == name).map(|(_, fd)| fd.as_fd())
    }

    pub(crate) fn need(&self, name: &str) -> Step<BorrowedFd<'_>> {
        self.fd(name).ok_or_else(|| Failure {
            step: "descriptors".to_owned(),
            errno: libc::EBADF,
            message: format!("the plan names the descriptor {name}, which was not passed"),
            exit_hint: 128,
        })
    }
}

fn give_up(start: &Start, failure: Failure) -> ! {
    let code = failure.exit_hint;
    // The engine may be gone; then nobody wants to know.
    let _ = status::send(start.status.as_fd(), &Message::Failed(failure), None);
    // SAFETY: no destructors: this is a copy of the supervisor's memory.
    unsafe { libc::_exit(code) }
}

fn prepare(start: &Start) -> Step<Plan> {
    // Before any namespace of a container is entered: nobody in there may ptrace us or look through /proc/PID.
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0).during(|| "prctl dumpable".to_owned())?;
    default_signals();
    // SAFETY: no arguments. Fails only if we lead a session already.
    unsafe { libc::setsid() };
    let mut bytes = Vec::new();
    let mut file = File::from(start.plan.try_clone().during(|| "read the plan".to_owned())?);
    file.read_to_end(&mut bytes).during(|| "read the plan".to_owned())?;
    let plan = Plan::from_bytes(&bytes).map_err(|e| Failure {
        step: "read the plan".to_owned(),
        errno: libc::EINVAL,
        message: e.to_string(),
        exit_hint: 128,
    })?;
    // The supervisor is protected from the OOM killer and children inherit that, so the value is always written.
    if let Some(adjustment) = plan.process.oom_score_adj {
        let current = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        if current.trim() != adjustment.to_string() {
            fs::write("/proc/self/oom_score_adj", adjustment.to_string())
                .during(|| format!("set oom_score_adj to {adjustment}"))?;
        }
    }
    Ok(plan)
}

/// The supervisor blocks signals (it reads them from a descriptor) and ignores SIGPIPE; both survive exec. Its other signals
/// are at their defaults.
fn default_signals() {
    // SAFETY: plain signal calls on this process; the set is initialised by sigemptyset.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

fn join(list: &[Join], start: &Start) -> Step<()> {
    for entry in list {
        let (fd, name) = match &entry.source {
            JoinSource::Fd(name) => (start.need(name)?.try_clone_to_owned(), name.clone()),
            JoinSource::Path(path) => (File::open(path).map(OwnedFd::from), path.display().to_string()),
        };
        let step = || format!("join namespaces of {name}");
        sys::setns(fd.during(step)?.as_fd(), entry.flags).during(step)?;
    }
    Ok(())
}

/// Returns in the sibling only, once the supervisor has been told about it.
fn make_sibling(plan: &Plan, start: &Start, handoff: BorrowedFd<'_>) -> Step<()> {
    let clone = || "clone into the container".to_owned();
    // Found while /proc and /sys are still ours.
    let fallback = start.fd(fd::TARGET).and_then(cgroup_of);
    join(&plan.join_before, start)?;
    let (told, wait) = io::pipe().map(|(r, w)| (w, r)).during(clone)?;
    let flags = plan.clone_flags | libc::CLONE_PARENT;
    // SAFETY: this process has one thread; both sides of the fork end in exec or _exit.
    let mut cloned = unsafe { sys::clone3(flags, start.fd(fd::CGROUP)) };
    // A container that manages its own cgroups (systemd, Docker in Docker) has no processes of its own at the top, and the
    // kernel wants it to stay so: go where its first process is.
    let busy = matches!(&cloned, Err(e) if matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EOPNOTSUPP)));
    if let Some(cgroup) = fallback.filter(|_| busy) {
        // SAFETY: as above.
        cloned = unsafe { sys::clone3(flags, Some(cgroup.as_fd())) };
    }
    match cloned.during(clone)? {
        Cloned::Child => {
            drop(told);
            // End of file: the supervisor's queue has our process id, so our exit can no longer come as a surprise.
            let _ = (&wait).read(&mut [0]);
            Ok(())
        }
        Cloned::Parent { pid, pidfd } => {
            // SAFETY: no arguments.
            let by = unsafe { libc::getpid() };
            let sent = sys::send(handoff, &Handoff { by, pid }.to_bytes(), &[pidfd.as_raw_fd()], 0);
            if sent.is_err() {
                let _ = sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
            }
            // SAFETY: as in give_up.
            unsafe { libc::_exit(i32::from(sent.is_err())) }
        }
    }
}

/// The cgroup of the process behind a pidfd, as a directory of the cgroup2 tree.
fn cgroup_of(pidfd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let pid = info.lines().find_map(|l| l.strip_prefix("Pid:"))?.trim().to_owned();
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = cgroups.lines().find_map(|l| l.strip_prefix("0::/"))?.to_owned();
    File::open(crate::cgroup::mount_point().ok()?.join(path)).ok().map(OwnedFd::from)
}

fn become_program(plan: &Plan, start: &Start) -> Step<std::convert::Infallible> {
    // After an intermediate this is a new process: a session of its own again.
    // SAFETY: no arguments.
    unsafe { libc::setsid() };
    let null = File::options().read(true).write(true).open("/dev/null").during(|| "open /dev/null".to_owned())?;
    join(&plan.join, start)?;
    if plan.unshare_flags != 0 {
        sys::unshare(plan.unshare_flags).during(|| "unshare".to_owned())?;
    }
    if let Some(setup) = &plan.setup {
        setup::run(setup, start)?;
    }
    let process = &plan.process;
    match process.terminal {
        Some(size) => terminal::open(size, process.uid, plan.setup.is_some(), start)?,
        None => stdio(process, start, &null)?,
    }
    limits(process)?;
    // Everything else that is open belongs to the supervisor or to this set-up.
    sys::close_on_exec_from(3).during(|| "close_range".to_owned())?;
    exec(process)
}

fn stdio(process: &Process, start: &Start, null: &File) -> Step<()> {
    let null_device = null.metadata().during(|| "stat /dev/null".to_owned())?.rdev();
    for (number, name) in [fd::STDIN, fd::STDOUT, fd::STDERR].into_iter().enumerate() {
        let source = start.fd(name).unwrap_or(null.as_fd());
        let duplicate = source.try_clone_to_owned().map(File::from).during(|| format!("dup {name}"))?;
        let metadata = duplicate.metadata().during(|| format!("stat {name}"))?;
        // SAFETY: integers only.
        check(unsafe { libc::dup2(source.as_raw_fd(), number as i32) }).during(|| format!("dup2 {name}"))?;
        let owned = metadata.uid() == process.uid || metadata.rdev() == null_device;
        if process.uid != 0 && !owned {
            // So that the program can open /dev/stdout anew. What cannot be given away (sockets, read-only) stays as it is.
            // SAFETY: integers only.
            unsafe { libc::fchown(number as i32, process.uid, u32::MAX) };
        }
    }
    Ok(())
}

fn limits(process: &Process) -> Step<()> {
    for (resource, soft, hard) in &process.rlimits {
        let limit = libc::rlimit { rlim_cur: *soft, rlim_max: *hard };
        // SAFETY: the limit lives through the call.
        check(unsafe { libc::setrlimit(*resource, &limit) })
            .during(|| format!("error setting rlimits for ready process: error setting rlimit type {resource}"))?;
    }
    Ok(())
}

fn exec(process: &Process) -> Step<std::convert::Infallible> {
    let env = environment(process);
    let entered = std::env::set_current_dir(&process.cwd);
    let sets = capabilities::drop_bounding(process.capabilities).during(|| "drop bounding capabilities".to_owned())?;
    become_user(process)?;
    if entered.is_err() {
        // A directory that only the user may enter (NFS without root), as runc tries it.
        std::env::set_current_dir(&process.cwd)
            .during(|| format!("chdir to cwd ({:?}) set in config.json failed", process.cwd.display().to_string()))?;
    }
    let program = exec_path::find(&process.args[0], &env)?;
    // SAFETY: integers only.
    unsafe { libc::umask(process.umask) };
    if process.no_new_privileges {
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).during(|| "set no_new_privs".to_owned())?;
    }
    // Our full permitted set is still in force: a filter needs CAP_SYS_ADMIN or no_new_privs. From here on only what every
    // usable filter allows: capset, execve, and with --init also fork and wait.
    if let Some(program) = &process.seccomp {
        seccomp::install(program).during(|| "install the seccomp filter".to_owned())?;
    }
    capabilities::set(sets).during(|| "set capabilities".to_owned())?;
    if process.init {
        init::split(&process.args).during(|| "start the init process".to_owned())?;
    }
    let strings = |list: &[String]| -> io::Result<Vec<CString>> {
        list.iter().map(|s| CString::new(s.as_str()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))).collect()
    };
    let args = strings(&process.args).during(|| "arguments".to_owned())?;
    let env = strings(&env).during(|| "environment".to_owned())?;
    let error = execve(&program, &args, &env);
    exec_refused(&program, &error)
}

/// The file was found and the kernel does not take it (wrong format, missing interpreter, noexec). With runc the container
/// counts as started by then: the words go to its own stderr, and it ends with 255.
fn exec_refused(program: &Path, error: &io::Error) -> ! {
    let line = format!("exec {}: {}\n", program.display(), text(error));
    // SAFETY: a live buffer; no destructors in a copy of the supervisor's memory.
    unsafe {
        libc::write(2, line.as_ptr().cast(), line.len());
        libc::_exit(255)
    }
}

fn execve(program: &Path, args: &[CString], env: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    match sys::cstring(program) {
        Ok(path) => {
            // SAFETY: null-terminated arrays of C strings that live through the call.
            unsafe { libc::execve(path.as_ptr(), pointers(args).as_ptr(), pointers(env).as_ptr()) };
            io::Error::last_os_error()
        }
        Err(e) => e,
    }
}

/// The spec's environment, with HOME from the container's passwd file if it is missing, as runc does.
fn environment(process: &Process) -> Vec<String> {
    let mut env = process.env.clone();
    if !env.iter().any(|e| e.starts_with("HOME=") && e.len() > 5) {
        env.retain(|e| !e.starts_with("HOME="));
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let home = passwd.lines().find_map(|line| {
            let mut fields = line.split(':').skip(2);
            (fields.next()?.parse() == Ok(process.uid)).then(|| fields.nth(2).unwrap_or("/").to_owned())
        });
        env.push(format!("HOME={}", home.filter(|h| !h.is_empty()).unwrap_or_else(|| "/".to_owned())));
    }
    env
}

fn become_user(process: &Process) -> Step<()> {
    sys::prctl(libc::PR_SET_KEEPCAPS, 1, 0).during(|| "keep capabilities".to_owned())?;
    // SAFETY: the list lives through the call; the raw system calls, since glibc's wrappers want to tell other threads.
    unsafe {
        let groups = libc::syscall(libc::SYS_setgroups, process.groups.len(), process.groups.as_ptr());
        check(groups as i32).during(|| "setgroups".to_owned())?;
        let gid = process.gid;
        check(libc::syscall(libc::SYS_setresgid, gid, gid, gid) as i32).during(|| format!("setgid {gid}"))?;
        let uid = process.uid;
        check(libc::syscall(libc::SYS_setresuid, uid, uid, uid) as i32).during(|| format!("setuid {uid}"))?;
    }
    sys::prctl(libc::PR_SET_KEEPCAPS, 0, 0).during(|| "keep capabilities".to_owned())?;
    // Leaving uid 0 cleared the effective set.
    capabilities::raise_effective().during(|| "raise capabilities".to_owned())
}
