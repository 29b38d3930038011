//! The built-in profile against what dockerd lets through, number by number.
//!
//! `dockerd_28_5.txt` has the same facts as `default.rs` in another form, taken call by call from moby's profile by a program, and
//! is read here by a few lines that know nothing of profiles and BPF.

use super::compile::Machine;
use super::interpret::{ABIS, ALLOW, ENOSYS, EPERM, compiled, run};
use super::syscalls::number;

/// Every number that a kernel may give to a call for years; x32 has its own from 512 on.
const NUMBERS: u32 = 600;
/// Where Arm has calls of its own.
const OF_ARM: std::ops::Range<u32> = 0xf_0000..0xf_0008;

/// First arguments at which rules turn, and what lies around them.
const ARGUMENTS: [u64; 26] = [
    0,
    1,
    2,
    8,
    9,
    16,
    17,
    38,
    39,
    40,
    41,
    40 | 64,
    0x2_0000,
    0x2_0008,
    0x2_0011,
    0x40_0000,
    0x200_0000,
    0x1000_0011,
    0x7e02_0000,
    0x81fd_ffff,
    0xffff_ffff,
    1 << 32,
    40 | 1 << 32,
    41 | 1 << 32,
    0x7e02_0000 << 32,
    u64::MAX,
];

const ALL: &[&str] = &[
    "DAC_READ_SEARCH",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYS_NICE",
    "SYSLOG",
    "BPF",
    "PERFMON",
];

/// `name rule...`, as the file's head explains.
struct Call {
    name: &'static str,
    rules: Vec<&'static str>,
}

/// What moby's profile adds for "arm" and "arm64"; all else in the table that they have is the same there.
const ON_ARM: &str = "arm_fadvise64_64 everybody
arm_sync_file_range everybody
breakpoint everybody
cacheflush everybody
set_tls everybody";

fn calls(machine: Machine) -> Vec<Call> {
    let more = if machine == Machine::Aarch64 { ON_ARM } else { "" };
    let lines = include_str!("dockerd_28_5.txt").lines().chain(more.lines()).filter(|line| !line.starts_with('#'));
    let call = |line: &'static str| {
        let mut words = line.split(' ');
        Call { name: words.next().expect("a name"), rules: words.collect() }
    };
    lines.map(call).collect()
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("{text} is no number"))
}

/// What a rule says; nothing when it does not hold.
fn verdict(rule: &str, held: &[&str], argument: u64) -> Option<u32> {
    let mut verdict = ALLOW;
    for condition in rule.split(',') {
        let holds = if condition == "everybody" {
            true
        } else if let Some(capability) = condition.strip_prefix('+') {
            held.contains(&capability)
        } else if let Some(capability) = condition.strip_prefix('-') {
            !held.contains(&capability)
        } else if condition == "errno38" {
            verdict = ENOSYS;
            true
        } else if let Some((mask, value)) = condition.strip_prefix("arg0&").and_then(|rest| rest.split_once('=')) {
            argument & hex(mask) == hex(value)
        } else if let Some(value) = condition.strip_prefix("arg0!=") {
            argument != hex(value)
        } else if let Some(value) = condition.strip_prefix("arg0=") {
            argument == hex(value)
        } else {
            panic!("{condition} in {rule}")
        };
        if !holds {
            return None;
        }
    }
    Some(verdict)
}

fn expected(call: Option<&Call>, held: &[&str], argument: u64) -> u32 {
    let said: Vec<u32> =
        call.into_iter().flat_map(|call| &call.rules).filter_map(|rule| verdict(rule, held, argument)).collect();
    if said.contains(&ALLOW) { ALLOW } else { said.first().copied().unwrap_or(EPERM) }
}

/// The one difference, on purpose (decision 0009): a family that the kernel reads as AF_VSOCK, and numbers of no family that look
/// like it in their low six bits.
fn is_vsock_in_disguise(name: Option<&str>, argument: u64) -> bool {
    name == Some("socket") && argument & 0x3f == 40 && argument != 40
}

#[test]
fn every_call_is_judged_as_dockerd_judges_it() {
    let default: Vec<&str> = crate::capabilities::DEFAULT.iter().map(|name| name.trim_start_matches("CAP_")).collect();
    let with = |more: &[&'static str]| default.iter().copied().chain(more.iter().copied()).collect::<Vec<&str>>();
    let mut sets = vec![vec![], default.clone(), with(&["SYS_ADMIN"]), with(&["BPF", "PERFMON"]), with(ALL)];
    sets.extend(ALL.iter().map(|one| vec![*one]));
    let (mut different, mut allowed) = (Vec::new(), 0);
    for held in sets {
        for (machine, abi, arch, bit) in ABIS {
            let (calls, program) = (calls(machine), compiled(machine, &held));
            for nr in (0..NUMBERS).chain(OF_ARM) {
                let call = calls.iter().find(|call| number(abi, call.name) == Some(nr));
                let name = call.map(|call| call.name);
                for argument in ARGUMENTS {
                    let got = run(&program, arch, nr | bit, &[argument, 0, u64::MAX, 0, 0, 0]);
                    let mut wanted = expected(call, &held, argument);
                    if is_vsock_in_disguise(name, argument) {
                        assert_eq!(wanted, ALLOW);
                        wanted = EPERM;
                    }
                    allowed += usize::from(wanted == ALLOW);
                    if got != wanted {
                        different
                            .push(format!("{held:?} {abi:?} {nr} {name:?}({argument:#x}): {got:#x}, not {wanted:#x}"));
                    }
                }
            }
        }
    }
    assert!(allowed > 100_000, "the table is empty");
    assert!(different.is_empty(), "{} differences: {:#?}", different.len(), &different[..different.len().min(20)]);
}

/// No name of the profile is unknown to our numbers, which would let it fall out of both sides of the comparison.
#[test]
fn every_name_has_a_number() {
    // Of other architectures only.
    let foreign = ["riscv_hwprobe"];
    let unknown: Vec<&str> = calls(Machine::Aarch64)
        .iter()
        .map(|call| call.name)
        .filter(|name| ABIS.iter().all(|(_, abi, ..)| number(*abi, name).is_none()))
        .filter(|name| !foreign.contains(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
