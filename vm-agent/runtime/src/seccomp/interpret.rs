//! An interpreter of the few instructions the compiler uses, for tests that need no privileges and no kernel.

use std::collections::BTreeSet;

use oci_spec::runtime::LinuxSeccomp;

use super::compile::{
    AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Abi, Machine, Program, X32_BIT, compile_for,
};
use super::{Profile, capability_names, default, syscalls::number};

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
        Abi::Aarch64 => run(program, AUDIT_ARCH_AARCH64, nr, args),
        Abi::Arm => run(program, AUDIT_ARCH_ARM, nr, args),
    }
}

pub(super) const ABIS: [(Machine, Abi, u32, u32); 5] = [
    (Machine::X86_64, Abi::X86_64, AUDIT_ARCH_X86_64, 0),
    (Machine::X86_64, Abi::I386, AUDIT_ARCH_I386, 0),
    (Machine::X86_64, Abi::X32, AUDIT_ARCH_X86_64, X32_BIT),
    (Machine::Aarch64, Abi::Aarch64, AUDIT_ARCH_AARCH64, 0),
    (Machine::Aarch64, Abi::Arm, AUDIT_ARCH_ARM, 0),
];

pub(super) fn default_filter(machine: Machine, capabilities: &[&str]) -> LinuxSeccomp {
    default::profile(machine).resolve(machine, &capability_names(capabilities.iter().copied()))
}

pub(super) fn compiled(machine: Machine, capabilities: &[&str]) -> Program {
    compile_for(machine, &default_filter(machine, capabilities)).expect("the default profile compiles")
}

fn custom(machine: Machine, json: &str) -> Program {
    let profile = Profile::parse(json).expect("parses");
    compile_for(machine, &profile.resolve(machine, &BTreeSet::new())).expect("compiles")
}

#[test]
fn default_profile_of_a_plain_container() {
    for (machine, abi, ..) in ABIS {
        let p = compiled(machine, &crate::capabilities::DEFAULT);
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
    let p = compiled(Machine::X86_64, &crate::capabilities::DEFAULT);
    assert_eq!(call(&p, Abi::I386, "socketcall", &[1]), ALLOW);
    assert_eq!(call(&p, Abi::X86_64, "personality", &[1 << 32]), EPERM);
    assert_eq!(call(&p, Abi::X86_64, "socket", &[40 | 1 << 32]), EPERM);
    assert_eq!(run(&p, AUDIT_ARCH_AARCH64, 63, &[]), KILL, "a foreign architecture");
    assert_eq!(run(&p, AUDIT_ARCH_X86_64, 9999, &[]), EPERM);
    assert_eq!(run(&p, AUDIT_ARCH_X86_64, u32::MAX, &[]), EPERM);

    let p = compiled(Machine::Aarch64, &crate::capabilities::DEFAULT);
    for name in ["recv", "set_tls", "cacheflush", "arm_fadvise64_64", "open"] {
        assert_eq!(call(&p, Abi::Arm, name, &[]), ALLOW, "{name}");
    }
    assert_eq!(call(&p, Abi::Aarch64, "personality", &[1 << 32]), EPERM);
    assert_eq!(run(&p, AUDIT_ARCH_X86_64, 0, &[]), KILL, "a foreign architecture");
    assert_eq!(run(&p, AUDIT_ARCH_AARCH64, 9999, &[]), EPERM);
    assert_eq!(run(&p, AUDIT_ARCH_AARCH64, u32::MAX, &[]), EPERM);
}

#[test]
fn capabilities_widen_it() {
    for (machine, abi) in [(Machine::X86_64, Abi::X86_64), (Machine::Aarch64, Abi::Aarch64)] {
        let p = compiled(machine, &["CAP_SYS_ADMIN", "sys_time", "BPF"]);
        for name in ["mount", "clone3", "unshare", "bpf", "settimeofday"] {
            assert_eq!(call(&p, abi, name, &[]), ALLOW, "{name}");
        }
        assert_eq!(call(&p, abi, "clone", &[0x7e02_0000]), ALLOW);
        assert_eq!(call(&p, abi, "reboot", &[]), EPERM);
    }
}

/// The kernel looks at the low half of the register only, and so must the filter.
#[test]
fn every_family_but_vsock() {
    for (machine, abi, ..) in ABIS {
        let p = compiled(machine, &crate::capabilities::DEFAULT);
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
    for (machine, abi, arch, bit) in ABIS {
        let filter = default_filter(machine, &crate::capabilities::DEFAULT);
        let p = compile_for(machine, &filter).expect("compiles");
        for nr in (0..600).chain(0xf_0000..0xf_0008) {
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
        let p = custom(Machine::X86_64, &json);
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
    let p = custom(Machine::X86_64, json);
    assert_eq!(call(&p, Abi::X86_64, "mkdir", &[]), 0x0005_000d);
    assert_eq!(call(&p, Abi::X86_64, "rmdir", &[]), KILL);
    assert_eq!(call(&p, Abi::X86_64, "rename", &[]), 0x7ffc_0000);
    assert_eq!(call(&p, Abi::X86_64, "read", &[]), ALLOW);
    assert_eq!(call(&p, Abi::I386, "read", &[]), KILL, "an architecture that is not named");
    assert!(super::custom_profile("{", []).is_err());
}

#[test]
fn entries_and_architectures_are_those_of_the_machine() {
    let json = r#"{"defaultAction":"SCMP_ACT_ERRNO",
        "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},
                   {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
        "syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm","arm64"]}},
                    {"names":["write"],"action":"SCMP_ACT_ALLOW","excludes":{"arches":["arm64"]}}]}"#;
    for (machine, abi, read, write) in [
        (Machine::X86_64, Abi::X86_64, EPERM, ALLOW),
        (Machine::X86_64, Abi::I386, EPERM, ALLOW),
        (Machine::Aarch64, Abi::Aarch64, ALLOW, EPERM),
        (Machine::Aarch64, Abi::Arm, ALLOW, EPERM),
    ] {
        let p = custom(machine, json);
        assert_eq!((call(&p, abi, "read", &[]), call(&p, abi, "write", &[])), (read, write), "{abi:?}");
    }
    let native = custom(Machine::Aarch64, r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_NATIVE"]}"#);
    assert_eq!(call(&native, Abi::Aarch64, "read", &[]), ALLOW);
    assert_eq!(call(&native, Abi::Arm, "read", &[]), KILL, "an architecture that is not named");
}
