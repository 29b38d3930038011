//! The device filter of a container's cgroup: an eBPF program of our own making.
//!
//! cgroup v2 has no device controller files; a `BPF_PROG_TYPE_CGROUP_DEVICE` program attached to the cgroup decides each
//! open and mknod (Documentation/admin-guide/cgroup-v2.rst, "Device controller"). Without one, any container with the
//! default MKNOD capability could read the data disk.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::{Error, Result};

// include/uapi/linux/bpf.h, `struct bpf_cgroup_dev_ctx` and following.
const DEV_BLOCK: i32 = 1;
const DEV_CHAR: i32 = 2;
const ACC_MKNOD: i32 = 1;
const ACC_READ: i32 = 2;
const ACC_WRITE: i32 = 4;

/// `struct bpf_insn`: opcode, destination and source register, jump offset, constant.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

// r1: context. r2: type, r3: access, r4: major, r5: minor; r0: answer; r6: scratch.
const fn load_word(dst: u8, src: u8, offset: i16) -> Instruction {
    Instruction { code: 0x61, registers: src << 4 | dst, offset, immediate: 0 }
}
const fn move_immediate(dst: u8, immediate: i32) -> Instruction {
    Instruction { code: 0xb4, registers: dst, offset: 0, immediate }
}
const fn move_register(dst: u8, src: u8) -> Instruction {
    Instruction { code: 0xbc, registers: src << 4 | dst, offset: 0, immediate: 0 }
}
const fn and_immediate(dst: u8, immediate: i32) -> Instruction {
    Instruction { code: 0x54, registers: dst, offset: 0, immediate }
}
const fn shift_right(dst: u8, immediate: i32) -> Instruction {
    Instruction { code: 0x74, registers: dst, offset: 0, immediate }
}
const fn jump_unless_equal(dst: u8, immediate: i32, offset: i16) -> Instruction {
    Instruction { code: 0x56, registers: dst, offset, immediate }
}
const EXIT: Instruction = Instruction { code: 0x95, registers: 0, offset: 0, immediate: 0 };

/// The devices a container may use unless its spec says otherwise: the default nodes, its ptys, mknod of anything
/// (opening what was made is decided separately). As runc's `specconv.AllowedDevices` has them.
pub fn default_rules() -> Vec<LinuxDeviceCgroup> {
    let rule = |typ, major: Option<i64>, minor: Option<i64>, access: &str| {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(true);
        rule.set_typ(Some(typ));
        rule.set_major(major);
        rule.set_minor(minor);
        rule.set_access(Some(access.to_owned()));
        rule
    };
    use LinuxDeviceType::{B, C};
    let mut rules = vec![rule(C, None, None, "m"), rule(B, None, None, "m")];
    // null, zero, full, random, urandom, tty, console, ptmx
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)] {
        rules.push(rule(C, Some(major), Some(minor), "rwm"));
    }
    rules.push(rule(C, Some(136), None, "rwm")); // pts
    rules
}

/// Compiles rules; a later rule overrides an earlier one, and what no rule names is refused.
pub fn compile(rules: &[LinuxDeviceCgroup]) -> Result<Vec<Instruction>> {
    let mut program = vec![
        load_word(2, 1, 0),
        and_immediate(2, 0xffff),
        load_word(3, 1, 0),
        shift_right(3, 16),
        load_word(4, 1, 4),
        load_word(5, 1, 8),
    ];
    for rule in rules.iter().rev() {
        let allow = i32::from(rule.allow());
        let mut tests: Vec<Instruction> = Vec::new();
        // Offsets are filled in once the block's length is known.
        match rule.typ() {
            Some(LinuxDeviceType::B) => tests.push(jump_unless_equal(2, DEV_BLOCK, 0)),
            Some(LinuxDeviceType::C | LinuxDeviceType::U) => tests.push(jump_unless_equal(2, DEV_CHAR, 0)),
            _ => {}
        }
        let access = access_bits(rule.access().as_deref().unwrap_or("rwm"))?;
        if access != ACC_MKNOD | ACC_READ | ACC_WRITE {
            // A rule holds if the request asks for nothing beyond it.
            tests.push(move_register(6, 3));
            tests.push(and_immediate(6, !access));
            tests.push(jump_unless_equal(6, 0, 0));
        }
        for (register, number) in [(4, rule.major()), (5, rule.minor())] {
            if let Some(number) = number.filter(|n| *n >= 0) {
                tests.push(jump_unless_equal(register, number as i32, 0));
            }
        }
        let everything = tests.is_empty();
        let block = tests.len() + 2;
        for (i, test) in tests.iter_mut().enumerate() {
            if test.code == 0x56 {
                test.offset = (block - i - 1) as i16;
            }
        }
        program.append(&mut tests);
        program.extend([move_immediate(0, allow), EXIT]);
        if everything {
            // Nothing after this can be reached, and the kernel's verifier refuses unreachable code.
            return Ok(program);
        }
    }
    program.extend([move_immediate(0, 0), EXIT]);
    Ok(program)
}

fn access_bits(access: &str) -> Result<i32> {
    access.chars().try_fold(0, |bits, c| match c {
        'r' => Ok(bits | ACC_READ),
        'w' => Ok(bits | ACC_WRITE),
        'm' => Ok(bits | ACC_MKNOD),
        _ => Err(Error::DeviceAccess(access.to_owned())),
    })
}

/// Loads the program and attaches it to a cgroup, replacing nothing: the kernel keeps it as long as the cgroup exists.
pub fn attach(cgroup: BorrowedFd<'_>, program: &[Instruction]) -> Result<()> {
    let (loaded, log) = load(program);
    let refused = |source| Error::DeviceFilter { log: log.clone(), source };
    let loaded = loaded.map_err(refused)?;
    #[repr(C)]
    struct Attach {
        target_fd: u32,
        attach_bpf_fd: u32,
        attach_type: u32,
        attach_flags: u32,
    }
    const BPF_PROG_ATTACH: i32 = 8;
    const BPF_CGROUP_DEVICE: u32 = 6;
    const BPF_F_ALLOW_MULTI: u32 = 2;
    let attach = Attach {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_bpf_fd: loaded.as_raw_fd() as u32,
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: BPF_F_ALLOW_MULTI,
    };
    // SAFETY: `attach` has the shape of bpf_attr for this command and lives through the call.
    let done = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, &attach, mem::size_of::<Attach>()) };
    if done < 0 { Err(refused(io::Error::last_os_error())) } else { Ok(()) }
}

/// The verifier's log comes with a refusal.
fn load(program: &[Instruction]) -> (io::Result<OwnedFd>, String) {
    #[repr(C)]
    #[derive(Default)]
    struct Load {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
    }
    const BPF_PROG_LOAD: i32 = 5;
    const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
    let mut attr = Load {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: program.len() as u32,
        insns: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..Load::default()
    };
    let call = |attr: &Load| {
        // SAFETY: `attr` has the shape of bpf_attr for this command; what it points to lives through the call.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, attr, mem::size_of::<Load>()) };
        // SAFETY: a non-negative answer is a new descriptor (close-on-exec by the kernel's choice).
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }) }
    };
    let first = call(&attr);
    if first.is_ok() {
        return (first, String::new());
    }
    let mut log = vec![0u8; 16 * 1024];
    attr.log_level = 1;
    attr.log_size = log.len() as u32;
    attr.log_buf = log.as_mut_ptr() as u64;
    let second = call(&attr);
    let length = log.iter().position(|b| *b == 0).unwrap_or(0);
    (second, String::from_utf8_lossy(&log[..length]).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Executes the subset of eBPF that `compile` emits.
    fn run(program: &[Instruction], typ: i32, access: i32, major: i32, minor: i32) -> bool {
        let context = [typ | access << 16, major, minor];
        let mut r = [0i32; 7];
        let mut pc = 0;
        loop {
            let i = program[pc];
            let (dst, src) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            pc += 1;
            match i.code {
                0x61 => r[dst] = context[i.offset as usize / 4],
                0xb4 => r[dst] = i.immediate,
                0xbc => r[dst] = r[src],
                0x54 => r[dst] &= i.immediate,
                0x74 => r[dst] = (r[dst] as u32 >> i.immediate) as i32,
                0x56 if r[dst] != i.immediate => pc += i.offset as usize,
                0x56 => {}
                0x95 => return r[0] != 0,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn default_rules_allow_null_and_refuse_disks() {
        let p = compile(&default_rules()).expect("compiles");
        let rw = ACC_READ | ACC_WRITE;
        assert!(run(&p, DEV_CHAR, rw, 1, 3));
        assert!(run(&p, DEV_CHAR, rw, 136, 7));
        assert!(run(&p, DEV_BLOCK, ACC_MKNOD, 254, 0));
        assert!(!run(&p, DEV_BLOCK, ACC_READ, 254, 0));
        assert!(!run(&p, DEV_CHAR, ACC_READ, 1, 1), "/dev/mem");
        assert!(!run(&p, DEV_BLOCK, rw, 1, 3), "a block device of null's number");
    }

    #[test]
    fn later_rules_override() {
        let mut rules = default_rules();
        let mut all = LinuxDeviceCgroup::default();
        all.set_allow(true);
        all.set_access(Some("rwm".to_owned()));
        rules.push(all.clone());
        let p = compile(&rules).expect("compiles");
        assert!(run(&p, DEV_BLOCK, ACC_READ, 254, 0));
        let mut one = LinuxDeviceCgroup::default();
        one.set_allow(true);
        one.set_typ(Some(LinuxDeviceType::C));
        one.set_major(Some(10));
        one.set_minor(Some(200));
        one.set_access(Some("r".to_owned()));
        let p = compile(&[one]).expect("compiles");
        assert!(run(&p, DEV_CHAR, ACC_READ, 10, 200));
        assert!(!run(&p, DEV_CHAR, ACC_WRITE, 10, 200));
        assert!(!run(&p, DEV_CHAR, ACC_READ | ACC_WRITE, 10, 200));
        all.set_access(Some("x".to_owned()));
        assert!(matches!(compile(&[all]), Err(Error::DeviceAccess(_))));
    }
}
