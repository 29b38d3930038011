//! From an OCI filter to classic BPF.
//!
//! Layout of the program: which ABI is this (arch, on x86 the x32 bit) -> binary search over the ranges of call numbers that share
//! a decision -> argument conditions -> return. A call from an ABI that the filter does not name kills the process, as
//! libseccomp's default for a bad architecture does. Calls without conditions read only `nr` and `arch`, which lets the
//! kernel cache their verdict.

use std::collections::BTreeMap;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator,
};
use serde::{Deserialize, Serialize};

use super::{
    assemble::{Assembler, Instruction, Label, OFFSET_ARCH, OFFSET_NR, Test, argument_low},
    syscalls,
};
use crate::{Error, Result};

/// A filter ready to be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// (code, jt, jf, k)
    pub instructions: Vec<(u16, u8, u8, u32)>,
    /// `SECCOMP_FILTER_FLAG_*`
    pub flags: u32,
}

/// What a program can run as: the first three on an x86_64 kernel, the others on an aarch64 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abi {
    X86_64,
    I386,
    X32,
    Aarch64,
    Arm,
}

/// The kernel that a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The one that this program runs on.
    pub(super) const NATIVE: Machine = if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };

    /// The architecture of its own programs, as the OCI names it.
    pub(super) fn arch(self) -> Arch {
        match self {
            Machine::X86_64 => Arch::ScmpArchX86_64,
            Machine::Aarch64 => Arch::ScmpArchAarch64,
        }
    }
}

// include/uapi/linux/audit.h
pub(super) const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
pub(super) const AUDIT_ARCH_I386: u32 = 0x4000_0003;
pub(super) const X32_BIT: u32 = 0x4000_0000;
pub(super) const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
pub(super) const AUDIT_ARCH_ARM: u32 = 0x4000_0028;

// include/uapi/linux/seccomp.h
const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

/// The kernel's BPF_MAXINSNS.
const MAX_INSTRUCTIONS: usize = 4096;

/// All rules of one call number: the first whose conditions hold decides, in the order of [`precedence`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rules {
    conditional: Vec<(Vec<Condition>, u32)>,
    otherwise: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    index: usize,
    mask: u64,
    value: u64,
    comparison: Comparison,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Compiles a filter. Names that an ABI does not have are passed over, as runc does.
pub fn compile(filter: &LinuxSeccomp) -> Result<Program> {
    compile_for(Machine::NATIVE, filter)
}

pub(super) fn compile_for(machine: Machine, filter: &LinuxSeccomp) -> Result<Program> {
    let default = verdict(filter.default_action(), filter.default_errno_ret())?;
    let named = filter.architectures().as_deref().unwrap_or(&[]);
    let own = named.is_empty() || named.contains(&machine.arch()) || named.contains(&Arch::ScmpArchNative);
    let has = |arch: Arch| named.contains(&arch);

    let mut out = Assembler::default();
    let kill = out.ret(RET_KILL_PROCESS);
    let mut entry = |abi: Abi, wanted: bool| -> Result<Label> {
        if wanted { search(&mut out, &rules(filter, abi, default)?, default) } else { Ok(kill) }
    };
    let (own_arch, compat_arch, compat) = match machine {
        Machine::X86_64 => {
            let i386 = entry(Abi::I386, has(Arch::ScmpArchX86))?;
            let x32 = entry(Abi::X32, has(Arch::ScmpArchX32))?;
            let x86_64 = entry(Abi::X86_64, own)?;
            // ld nr; jge x32 bit (minus it: the tables have bare numbers)
            let strip = {
                out.goto(x32);
                out.and(!X32_BIT)
            };
            // A number of -1 (a tracer skipped the call) has the bit too; it finds no rule and gets the default.
            let is_x32 = if x32 == kill { kill } else { strip };
            out.branch(Test::GreaterOrEqual(X32_BIT), is_x32, x86_64);
            (AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, i386)
        }
        Machine::Aarch64 => {
            let arm = entry(Abi::Arm, has(Arch::ScmpArchArm))?;
            let aarch64 = entry(Abi::Aarch64, own)?;
            out.goto(aarch64);
            (AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, arm)
        }
    };
    let native = out.load(OFFSET_NR);
    out.goto(compat);
    let compat = out.load(OFFSET_NR);
    let maybe_compat = out.branch(Test::Equal(compat_arch), compat, kill);
    out.branch(Test::Equal(own_arch), native, maybe_compat);
    out.load(OFFSET_ARCH);

    let instructions: Vec<Instruction> = out.finish();
    if instructions.len() > MAX_INSTRUCTIONS {
        return Err(Error::SeccompTooLong(instructions.len()));
    }
    let mut flags = 0;
    for flag in filter.flags().iter().flatten() {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
            _ => 0,
        };
    }
    Ok(Program { instructions, flags })
}

fn rules(filter: &LinuxSeccomp, abi: Abi, default: u32) -> Result<BTreeMap<u32, Rules>> {
    let mut table: BTreeMap<u32, Rules> = BTreeMap::new();
    for syscall in filter.syscalls().iter().flatten() {
        let action = verdict(syscall.action(), syscall.errno_ret())?;
        if action == default {
            // libseccomp refuses such rules and runc skips them: they say nothing new.
            continue;
        }
        for name in syscall.names() {
            let Some(number) = syscalls::number(abi, name) else { continue };
            let rules = table.entry(number).or_default();
            let args = syscall.args().as_deref().unwrap_or(&[]);
            if let Some(bad) = args.iter().find(|a| a.index() > 5) {
                return Err(Error::SeccompArgument { syscall: name.clone(), index: bad.index() });
            }
            let conditions: Vec<Condition> = args.iter().map(condition).collect();
            // runc: several conditions on one argument are alternatives, on different arguments all must hold.
            let mut seen = [0; 6];
            args.iter().for_each(|a| seen[a.index()] += 1);
            if conditions.is_empty() {
                let old = rules.otherwise.get_or_insert(action);
                *old = stricter(*old, action);
            } else if seen.iter().any(|n| *n > 1) {
                rules.conditional.extend(conditions.into_iter().map(|c| (vec![c], action)));
            } else {
                rules.conditional.push((conditions, action));
            }
        }
    }
    Ok(table)
}

/// Two unconditional rules of one call: the kernel's order of severity, lowest number first except for kill-process.
fn stricter(a: u32, b: u32) -> u32 {
    let rank = |v: u32| (v & 0xffff_0000) as i32;
    if rank(b) < rank(a) { b } else { a }
}

fn verdict(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or(libc::EPERM as u32) & 0xffff;
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => RET_KILL_THREAD,
        LinuxSeccompAction::ScmpActKillProcess => RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => RET_ERRNO | data,
        LinuxSeccompAction::ScmpActTrace => RET_TRACE | data,
        LinuxSeccompAction::ScmpActAllow => RET_ALLOW,
        LinuxSeccompAction::ScmpActLog => RET_LOG,
        LinuxSeccompAction::ScmpActNotify => return Err(Error::SeccompNotify("SCMP_ACT_NOTIFY".to_owned())),
    })
}

fn condition(arg: &LinuxSeccompArg) -> Condition {
    let value = arg.value();
    let (mask, value, comparison) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => (u64::MAX, value, Comparison::Equal),
        LinuxSeccompOperator::ScmpCmpNe => (u64::MAX, value, Comparison::NotEqual),
        LinuxSeccompOperator::ScmpCmpGt => (u64::MAX, value, Comparison::Greater),
        LinuxSeccompOperator::ScmpCmpGe => (u64::MAX, value, Comparison::GreaterOrEqual),
        LinuxSeccompOperator::ScmpCmpLt => (u64::MAX, value, Comparison::Less),
        LinuxSeccompOperator::ScmpCmpLe => (u64::MAX, value, Comparison::LessOrEqual),
        // value is the mask, valueTwo what remains must equal (OCI config-linux.md, seccomp)
        LinuxSeccompOperator::ScmpCmpMaskedEq => (value, arg.value_two().unwrap_or(0), Comparison::Equal),
    };
    Condition { index: arg.index(), mask, value, comparison }
}

/// Emits the decision over all call numbers; the accumulator holds the number on entry.
fn search(out: &mut Assembler, rules: &BTreeMap<u32, Rules>, default: u32) -> Result<Label> {
    // Runs of numbers with one decision, each from its first number on.
    let plain = Rules { conditional: Vec::new(), otherwise: Some(default) };
    let mut runs: Vec<(u32, Rules)> = vec![(0, plain.clone())];
    let mut push = |start: u32, rules: Rules| match runs.last_mut() {
        Some(last) if last.1 == rules && rules.conditional.is_empty() => {}
        Some(last) if last.0 == start => last.1 = rules,
        _ => runs.push((start, rules)),
    };
    let mut next = 0;
    for (&number, rule) in rules {
        if number > next {
            push(next, plain.clone());
        }
        let rule = Rules { conditional: rule.conditional.clone(), otherwise: Some(rule.otherwise.unwrap_or(default)) };
        push(number, rule);
        next = number + 1;
    }
    push(next, plain);

    let mut returns: BTreeMap<u32, Label> = BTreeMap::new();
    let leaves: Vec<(u32, Label)> = runs
        .into_iter()
        .map(|(start, rules)| {
            let label = decide(out, &rules, &mut returns);
            (start, label)
        })
        .collect();
    Ok(tree(out, &leaves))
}

fn tree(out: &mut Assembler, leaves: &[(u32, Label)]) -> Label {
    if let [(_, only)] = leaves {
        return *only;
    }
    let middle = leaves.len() / 2;
    let high = tree(out, &leaves[middle..]);
    let low = tree(out, &leaves[..middle]);
    out.branch(Test::GreaterOrEqual(leaves[middle].0), high, low)
}

/// The decision for one call. Of several conditional rules the most permissive that holds wins, as in libseccomp, where
/// rules of one call are alternatives.
fn decide(out: &mut Assembler, rules: &Rules, returns: &mut BTreeMap<u32, Label>) -> Label {
    let mut exit = |out: &mut Assembler, value: u32| *returns.entry(value).or_insert_with(|| out.ret(value));
    let mut otherwise = exit(out, rules.otherwise.expect("filled in by search"));
    for (conditions, action) in rules.conditional.iter().rev() {
        let mut then = exit(out, *action);
        for condition in conditions.iter().rev() {
            then = test(out, condition, then, otherwise);
        }
        otherwise = then;
    }
    otherwise
}

/// A 64-bit comparison in two halves.
fn test(out: &mut Assembler, c: &Condition, yes: Label, no: Label) -> Label {
    let half = |v: u64| ((v >> 32) as u32, v as u32);
    let ((high, low), (mask_high, mask_low)) = (half(c.value), half(c.mask));
    let (on_low, high_greater, high_less) = match c.comparison {
        Comparison::Equal => (Test::Equal(low), no, no),
        Comparison::NotEqual => (Test::Equal(low), yes, yes),
        Comparison::Greater => (Test::Greater(low), yes, no),
        Comparison::GreaterOrEqual => (Test::GreaterOrEqual(low), yes, no),
        Comparison::Less => (Test::GreaterOrEqual(low), no, yes),
        Comparison::LessOrEqual => (Test::Greater(low), no, yes),
    };
    let inverted = matches!(c.comparison, Comparison::NotEqual | Comparison::Less | Comparison::LessOrEqual);
    let (low_yes, low_no) = if inverted { (no, yes) } else { (yes, no) };
    out.branch(on_low, low_yes, low_no);
    if mask_low != u32::MAX {
        out.and(mask_low);
    }
    let low_half = out.load(argument_low(c.index));
    let different =
        if high_greater == high_less { high_greater } else { out.branch(Test::Greater(high), high_greater, high_less) };
    out.branch(Test::Equal(high), low_half, different);
    if mask_high != u32::MAX {
        out.and(mask_high);
    }
    out.load(argument_low(c.index) + 4)
}
