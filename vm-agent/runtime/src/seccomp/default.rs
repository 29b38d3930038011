//! Docker's default profile as a table (the facts of moby's `profiles/seccomp/default.json` at 28.5, for x86 and Arm).
//!
//! Everything not listed fails with EPERM.

use oci_spec::runtime::{Arch, LinuxSeccompAction, LinuxSeccompOperator};

use super::compile::Machine;
use super::profile::{Architecture, Argument, Condition, Entry, Profile};

/// Allowed to everybody.
const ALWAYS: &str = "
    accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32
    clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
    epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
    exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2
    fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
    fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
    futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
    getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
    getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area
    gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set
    io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
    lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
    lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock
    mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
    mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync
    munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause pidfd_open
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv
    preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64
    pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
    remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send
    sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
    setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr
    setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall
    socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo
    tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill
    truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork
    vmsplice wait4 waitid waitpid write writev";

/// Allowed to everybody on Arm, and there alone.
const ALWAYS_ON_ARM: &str = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2";

/// Allowed to holders of one capability.
const BY_CAPABILITY: [(&str, &str); 14] = [
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
         lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
         sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// Execution domains that change only what uname and address layout look like: PER_LINUX, PER_LINUX32, UNAME26, both, and
/// "tell me the current one".
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

const AF_VSOCK: u64 = 40;

pub(super) fn profile(machine: Machine) -> Profile {
    use LinuxSeccompOperator::{ScmpCmpEq, ScmpCmpMaskedEq};
    let mut syscalls = vec![allow(ALWAYS), any_socket_but_vsock()];
    let architecture = match machine {
        Machine::X86_64 => Architecture {
            architecture: "SCMP_ARCH_X86_64".to_owned(),
            sub_architectures: Some(vec![Arch::ScmpArchX86, Arch::ScmpArchX32]),
        },
        Machine::Aarch64 => {
            syscalls.push(allow(ALWAYS_ON_ARM));
            Architecture {
                architecture: "SCMP_ARCH_AARCH64".to_owned(),
                sub_architectures: Some(vec![Arch::ScmpArchArm]),
            }
        }
    };
    syscalls.extend(PERSONALITIES.iter().map(|value| allow_if("personality", ScmpCmpEq, *value)));
    for (capability, names) in BY_CAPABILITY {
        syscalls.push(Entry { includes: holding(capability), ..allow(names) });
    }
    syscalls.push(Entry { excludes: holding("CAP_SYS_ADMIN"), ..allow_if("clone", ScmpCmpMaskedEq, CLONE_NAMESPACES) });
    // Its flags are in memory, where a filter cannot look: "no such call" makes C libraries fall back to clone.
    syscalls.push(Entry {
        action: LinuxSeccompAction::ScmpActErrno,
        errno_ret: Some(libc::ENOSYS as u32),
        excludes: holding("CAP_SYS_ADMIN"),
        ..allow("clone3")
    });
    Profile {
        default_action: LinuxSeccompAction::ScmpActErrno,
        default_errno_ret: Some(libc::EPERM as u32),
        architectures: None,
        arch_map: Some(vec![architecture]),
        flags: None,
        syscalls: Some(syscalls),
    }
}

fn allow(names: &str) -> Entry {
    Entry {
        name: None,
        names: names.split_whitespace().map(str::to_owned).collect(),
        action: LinuxSeccompAction::ScmpActAllow,
        errno_ret: None,
        args: None,
        includes: Condition::default(),
        excludes: Condition::default(),
    }
}

/// On the first argument.
fn allow_if(name: &str, op: LinuxSeccompOperator, value: u64) -> Entry {
    Entry { args: Some(vec![Argument { index: 0, value, value_two: 0, op }]), ..allow(name) }
}

/// The host's control channel is a vsock peer of everything that may open such a socket (decision 0009).
///
/// The kernel takes the low 32 bits of the register as the family, so "is not 40" must not look at the upper ones, and there
/// is no masked comparison for inequality: a family is another one if one of its bits differs. Six bits cover every family
/// that exists (AF_MAX is 46); of the numbers beyond, some get EPERM instead of EAFNOSUPPORT.
fn any_socket_but_vsock() -> Entry {
    let differs = |bit: u64| Argument {
        index: 0,
        value: bit,
        value_two: !AF_VSOCK & bit,
        op: LinuxSeccompOperator::ScmpCmpMaskedEq,
    };
    // Conditions on one argument are alternatives.
    Entry { args: Some((0..6).map(|shift| differs(1 << shift)).collect()), ..allow("socket") }
}

fn holding(capability: &str) -> Condition {
    Condition { caps: vec![capability.to_owned()], ..Condition::default() }
}
