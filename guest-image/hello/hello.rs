//! The program of the `hello-world` image. It has neither the standard library nor a C library: two system calls are all
//! that it needs, and the image stays a few kilobytes.
//!
//! Compiled by `guest-image`; see `src/embedded.rs` there.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

const BEFORE: &[u8] = b"
Hello from Berth!

If you can read this, your machine works. This is what just happened:

 1. Your client (`docker` or `berth`) sent a request to the engine socket on this computer.
 2. Berth carried its bytes over the link into a small virtual machine.
 3. There Berth's own engine found the image \"hello-world\": it came with the machine, nothing was downloaded.
 4. The engine made a container from it: a file system of its own, a network of its own, its own process numbers,
    and started the program in it that prints this text.
 5. The text went back the same way, to your terminal.

";

const AFTER: &[u8] = b"
What to try next:

    docker run -it --rm busybox sh                             a shell in a container; its image came with the machine
    docker run -d -p 8080:80 busybox httpd -f -h /var/www      a web server on http://localhost:8080
    berth status                                               what the machine is doing

";

/// `struct new_utsname` of linux/utsname.h: six fields of 65 bytes.
const FIELD: usize = 65;

/// Numbers of the system calls (asm/unistd_64.h; asm-generic/unistd.h).
#[cfg(target_arch = "x86_64")]
mod number {
    pub const WRITE: usize = 1;
    pub const UNAME: usize = 63;
    pub const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const WRITE: usize = 64;
    pub const UNAME: usize = 160;
    pub const EXIT_GROUP: usize = 94;
}

#[unsafe(no_mangle)]
extern "C" fn berth_hello() -> ! {
    write(BEFORE);
    // Not zeroed: that might become a call of memset, which there is none of.
    let mut names = MaybeUninit::<[u8; 6 * FIELD]>::uninit();
    // SAFETY: uname(2) writes one struct new_utsname, for which `names` has room.
    if unsafe { syscall(number::UNAME, names.as_mut_ptr() as usize, 0, 0) } == 0 {
        // SAFETY: it did.
        let names = unsafe { names.assume_init_ref() };
        write(b"Seen from inside: container ");
        write(text(names, 1));
        write(b" on kernel ");
        write(text(names, 0));
        write(b" ");
        write(text(names, 2));
        write(b", which is the machine's, not your computer's.\n");
    }
    write(AFTER);
    // SAFETY: exit_group(2) does not return.
    unsafe { syscall(number::EXIT_GROUP, 0, 0, 0) };
    loop {}
}

/// The text of one field of the names.
fn text(names: &[u8], field: usize) -> &[u8] {
    let all = names.get(field * FIELD..(field + 1) * FIELD).unwrap_or(&[]);
    let mut length = 0;
    while let Some(byte) = all.get(length)
        && *byte != 0
    {
        length += 1;
    }
    all.get(..length).unwrap_or(&[])
}

/// Writes all of `bytes` to standard output; gives up on the first error, as there is nobody to tell.
fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: write(2) reads `bytes.len()` bytes from a live slice.
        let written = unsafe { syscall(number::WRITE, 1, bytes.as_ptr() as usize, bytes.len()) };
        match usize::try_from(written).ok().and_then(|written| bytes.get(written..)) {
            Some(rest) if written > 0 => bytes = rest,
            _ => return,
        }
    }
}

/// One system call with three arguments.
///
/// # Safety
/// The arguments must be what the kernel expects of call `number`.
#[cfg(target_arch = "x86_64")]
unsafe fn syscall(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result: isize;
    // SAFETY: the x86-64 convention (System V ABI, AMD64 supplement A.2.1): rcx and r11 are overwritten.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// One system call with three arguments.
///
/// # Safety
/// The arguments must be what the kernel expects of call `number`.
#[cfg(target_arch = "aarch64")]
unsafe fn syscall(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result: isize;
    // SAFETY: the convention of arm64 (arch/arm64/kernel/entry.S): x0 alone is overwritten.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, options(nostack));
    }
    result
}

// The kernel enters with the stack aligned but without a return address, which a Rust function would expect.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "call {main}", "ud2", main = sym berth_hello);

#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "bl {main}", "udf #0", main = sym berth_hello);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
