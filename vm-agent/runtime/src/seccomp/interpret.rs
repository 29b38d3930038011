//! An interpreter of the few instructions the compiler uses, for tests that need no privileges and no kernel.

use super::compile::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Abi, Program, X32_BIT, compile};
use super::{custom_profile, default_profile, syscalls::number};

pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const EPERM: u32 = 0x0005_0001;
pub(super) const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;

pub(super) fn run(program: &Program, arch: u32, nr: u32, args: &[u64]) -> u32 {
    let mut data = [0u8; 64];
    data[0..4].copy_from_slice(&nr.to_le_bytes());
    data[4..8].copy_from_slice(&arch.to_le_bytes());
    for (i, arg) in args.iter().enumerate() {
        data[16 + 8 * i..24 + 8 * i].copy_from_slice(&arg.to_le_bytes());
    }
    let (mut pc, mut a) = (0usize, 0u32);
    loop {
        let (code, jt, jf, k) = program.instructions[pc];
        pc += 1;
        let jump = |yes: bool| usize::from(if yes { jt } else { jf });
        match code {
            0x20 => a = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().expect("four bytes")),
            0x54 => a &= k,
            0x05 => pc += k as usize,
            0x15 => pc += jump(a == k),
            0x25 => pc += jump(a > k),
            0x35 => pc += jump(a >= k),
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn call(program: &Program, abi: Abi, name: &str, args: &[u64]) -> u32 {
    let nr = number(abi, name).unwrap_or_else(|| panic!("{name} is not a call of {abi:?}"));
    match abi {
        Abi::X86_64 => run(program, AUDIT_ARCH_X86_64, nr, args),
        Abi::I386 => run(program, AUDIT_ARCH_I386, nr, args),
        Abi::X32 => run(program, AUDIT_ARCH_X86_64, nr | X32_BIT, args),
    }
}

fn compiled(capabilities: &[&str]) -> Program {
    compile(&default_profile(capabilities.iter().copied())).expect("the default profile compiles")
}

#[test]
fn default_profile_of_a_plain_container() {
    let p = compiled(&crate::capabilities::DEFAULT);
    for abi in [Abi::X86_64, Abi::I386, Abi::X32] {
        for (name, args, expect) in [
            ("read", &[][..], ALLOW),
            ("execve", &[], ALLOW),
            ("openat2", &[], ALLOW),
            ("chroot", &[], ALLOW),
            ("mount", &[], EPERM),
            ("reboot", &[], EPERM),
            ("bpf", &[], EPERM),
            ("keyctl", &[], EPERM),
            ("io_uring_setup", &[], EPERM),
            ("open_by_handle_at", &[], EPERM),
            ("kexec_load", &[], EPERM),
            ("ptrace", &[], ALLOW),
            ("clone3", &[], ENOSYS),
            ("clone", &[0x11], ALLOW),
            ("clone", &[0x1000_0011], EPERM),
            ("clone", &[0x0002_0011], EPERM),
            ("unshare", &[0], EPERM),
            ("socket", &[2, 1, 0], ALLOW),
            ("socket", &[16, 3, 0], ALLOW),
            ("socket", &[40, 1, 0], EPERM),
            ("personality", &[0xffff_ffff], ALLOW),
            ("personality", &[0x2_0008], ALLOW),
            ("personality", &[0x40_0000], EPERM),
            ("cachestat", &[], ALLOW),
            ("listmount", &[], ALLOW),
        ] {
            assert_eq!(call(&p, abi, name, args), expect, "{abi:?} {name} {args:x?}");
        }
    }
    assert_eq!(call(&p, Abi::I386, "socketcall", &[1]), ALLOW);
    assert_eq!(call(&p, Abi::X86_64, "personality", &[1 << 32]), EPERM);
    assert_eq!(call(&p, Abi::X86_64, "socket", &[40 | 1 << 32]), EPERM);
    assert_eq!(run(&p, 0xc000_00b7, 63, &[]), KILL, "a foreign architecture");
    assert_eq!(run(&p, AUDIT_ARCH_X86_64, 9999, &[]), EPERM);
    assert_eq!(run(&p, AUDIT_ARCH_X86_64, u32::MAX, &[]), EPERM);
}

#[test]
fn capabilities_widen_it() {
    let p = compiled(&["CAP_SYS_ADMIN", "sys_time", "BPF"]);
    for name in ["mount", "clone3", "unshare", "bpf", "settimeofday"] {
        assert_eq!(call(&p, Abi::X86_64, name, &[]), ALLOW, "{name}");
    }
    assert_eq!(call(&p, Abi::X86_64, "clone", &[0x7e02_0000]), ALLOW);
    assert_eq!(call(&p, Abi::X86_64, "reboot", &[]), EPERM);
}

/// The kernel looks at the low half of the register only, and so must the filter.
#[test]
fn every_family_but_vsock() {
    let p = compile(&default_profile(crate::capabilities::DEFAULT)).expect("compiles");
    for abi in [Abi::X86_64, Abi::I386, Abi::X32] {
        for family in 0..64_u64 {
            let wanted = if family == 40 { EPERM } else { ALLOW };
            for upper in [0, 1 << 32, 0xffff_ffff_0000_0000] {
                assert_eq!(call(&p, abi, "socket", &[family | upper, 1, 0]), wanted, "{abi:?} {family} {upper:x}");
            }
        }
    }
}

/// Every number of every ABI against a plain evaluation of the table.
#[test]
fn search_tree_agrees_with_the_table() {
    let filter = default_profile(crate::capabilities::DEFAULT);
    let p = compile(&filter).expect("compiles");
    for (abi, arch, bit) in
        [(Abi::X86_64, AUDIT_ARCH_X86_64, 0), (Abi::I386, AUDIT_ARCH_I386, 0), (Abi::X32, AUDIT_ARCH_X86_64, X32_BIT)]
    {
        for nr in 0..600 {
            let unconditional = filter.syscalls().iter().flatten().any(|s| {
                s.args().is_none()
                    && s.errno_ret().is_none()
                    && s.names().iter().any(|name| number(abi, name) == Some(nr))
            });
            let got = run(&p, arch, nr | bit, &[u64::MAX; 6]);
            if unconditional {
                assert_eq!(got, ALLOW, "{abi:?} {nr}");
            } else if Some(nr) != number(abi, "socket") {
                assert!(got == EPERM || got == ENOSYS, "{abi:?} {nr}: {got:#x}");
            }
        }
    }
}

#[test]
fn comparisons_are_of_64_bits() {
    const BIG: u64 = 0x1_0000_0005;
    let check = |op: &str, value: u64, two: u64, arg: u64| {
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",
                "args":[{{"index":2,"value":{value},"valueTwo":{two},"op":"{op}"}}]}}]}}"#
        );
        let p = compile(&custom_profile(&json, []).expect("parses")).expect("compiles");
        call(&p, Abi::X86_64, "read", &[0, 0, arg]) == ALLOW
    };
    let values = [0, 4, 5, 6, 0xffff_ffff, BIG - 1, BIG, BIG + 1, u64::MAX];
    for value in values {
        for arg in values {
            assert_eq!(check("SCMP_CMP_EQ", value, 0, arg), arg == value, "{arg:x} == {value:x}");
            assert_eq!(check("SCMP_CMP_NE", value, 0, arg), arg != value, "{arg:x} != {value:x}");
            assert_eq!(check("SCMP_CMP_GT", value, 0, arg), arg > value, "{arg:x} > {value:x}");
            assert_eq!(check("SCMP_CMP_GE", value, 0, arg), arg >= value, "{arg:x} >= {value:x}");
            assert_eq!(check("SCMP_CMP_LT", value, 0, arg), arg < value, "{arg:x} < {value:x}");
            assert_eq!(check("SCMP_CMP_LE", value, 0, arg), arg <= value, "{arg:x} <= {value:x}");
            for two in [0, value] {
                assert_eq!(check("SCMP_CMP_MASKED_EQ", value, two, arg), arg & value == two, "{arg:x} & {value:x}");
            }
        }
    }
}

#[test]
fn several_actions_in_one_filter() {
    let json = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
        {"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
        {"names":["rmdir"],"action":"SCMP_ACT_KILL_PROCESS"},
        {"names":["rename"],"action":"SCMP_ACT_LOG"},
        {"names":["no_such_call"],"action":"SCMP_ACT_KILL"}]}"#;
    let p = compile(&custom_profile(json, []).expect("parses")).expect("compiles");
    assert_eq!(call(&p, Abi::X86_64, "mkdir", &[]), 0x0005_000d);
    assert_eq!(call(&p, Abi::X86_64, "rmdir", &[]), KILL);
    assert_eq!(call(&p, Abi::X86_64, "rename", &[]), 0x7ffc_0000);
    assert_eq!(call(&p, Abi::X86_64, "read", &[]), ALLOW);
    assert_eq!(call(&p, Abi::I386, "read", &[]), KILL, "an architecture that is not named");
    assert!(custom_profile("{", []).is_err());
}
