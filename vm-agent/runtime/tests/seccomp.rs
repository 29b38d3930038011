//! The default filter in the kernel: a child installs it and tries calls. Needs no privileges (no_new_privs is set).

use std::{io, process::Command};

use runtime::{capabilities, seccomp, sys};

/// Runs `body` in a forked child under the default filter of a plain container; its answer is the exit code.
fn under_filter(body: impl FnOnce() -> i32) -> i32 {
    let program = seccomp::compile(&seccomp::default_profile(capabilities::DEFAULT)).expect("compiles");
    // SAFETY: the child of this process makes system calls and ends by _exit; it takes no locks that other threads hold.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "fork");
        if pid == 0 {
            let installed = sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).and_then(|_| seccomp::install(&program));
            libc::_exit(if installed.is_ok() { body() } else { 99 });
        }
        let mut status = 0;
        libc::waitpid(pid, &mut status, 0);
        if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
    }
}

/// The errno of a raw call, 0 on success.
fn errno(number: libc::c_long, args: [u64; 3]) -> i32 {
    // SAFETY: callers pass calls that are refused before they look at their arguments, or harmless ones.
    let result = unsafe { libc::syscall(number, args[0], args[1], args[2]) };
    if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

fn check(number: libc::c_long, args: [u64; 3], expect: i32) {
    assert_eq!(under_filter(|| errno(number, args)), expect, "call {number} {args:x?}");
}

#[test]
fn verdicts_of_the_kernel() {
    check(libc::SYS_getpid, [0; 3], 0);
    check(libc::SYS_clone3, [0; 3], libc::ENOSYS);
    check(libc::SYS_mount, [0; 3], libc::EPERM);
    check(libc::SYS_unshare, [libc::CLONE_NEWUSER as u64, 0, 0], libc::EPERM);
    check(libc::SYS_keyctl, [0; 3], libc::EPERM);
    check(libc::SYS_socket, [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0], 0);
    check(libc::SYS_socket, [libc::AF_VSOCK as u64, libc::SOCK_STREAM as u64, 0], libc::EPERM);
    check(libc::SYS_socket, [libc::AF_VSOCK as u64 | 1 << 32, libc::SOCK_STREAM as u64, 0], libc::EPERM);
    check(libc::SYS_personality, [0xffff_ffff, 0, 0], 0);
    check(libc::SYS_personality, [0x004_0000, 0, 0], libc::EPERM);
    // A number that no table has.
    check(9999, [0; 3], libc::EPERM);
}

/// A 32-bit program: socket through its own call and through socketcall.
#[test]
fn i386_programs_work() {
    let dir = tempfile::tempdir().expect("a directory");
    let (source, program) = (dir.path().join("i386.s"), dir.path().join("i386"));
    // write(1, "32\n", 3); clone3 (435) must answer ENOSYS (38), socket(AF_VSOCK) (359) EPERM (1); exit with their sum.
    std::fs::write(
        &source,
        ".globl _start\n_start:\n\
         movl $4,%eax; movl $1,%ebx; movl $text,%ecx; movl $3,%edx; int $0x80\n\
         movl $435,%eax; xorl %ebx,%ebx; int $0x80; negl %eax; movl %eax,%esi\n\
         movl $359,%eax; movl $40,%ebx; movl $1,%ecx; xorl %edx,%edx; int $0x80; negl %eax; addl %eax,%esi\n\
         movl $1,%eax; movl %esi,%ebx; int $0x80\n\
         .data\ntext: .ascii \"32\\n\"\n",
    )
    .expect("write");
    let built = Command::new("gcc").args(["-m32", "-nostdlib", "-static", "-o"]).arg(&program).arg(&source).output();
    if !built.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: i386_programs_work: gcc -m32 cannot build a static program here");
        return;
    }
    let plain = Command::new(&program).output();
    if plain.map_or(true, |output| output.stdout != b"32\n") {
        println!("SKIPPED: i386_programs_work: this kernel runs no 32-bit programs");
        return;
    }
    let path = std::ffi::CString::new(program.to_str().expect("text")).expect("no zero");
    let code = under_filter(|| {
        let argv = [path.as_ptr(), std::ptr::null()];
        // SAFETY: null-terminated array of C strings that live through the call.
        unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
        98
    });
    assert_eq!(code, libc::ENOSYS + libc::EPERM);
}
