//! Classic BPF for seccomp_data, as a small tree of blocks laid out backwards so that all jumps go forwards.
//!
//! `struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }` (include/uapi/linux/seccomp.h),
//! little-endian: the low half of an argument comes first.

/// (code, jt, jf, k), `struct sock_filter`.
pub(super) type Instruction = (u16, u8, u8, u32);

// include/uapi/linux/bpf_common.h
const LD_W_ABS: u16 = 0x20;
const ALU_AND_K: u16 = 0x54;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGT_K: u16 = 0x25;
const JMP_JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

pub(super) const OFFSET_NR: u32 = 0;
pub(super) const OFFSET_ARCH: u32 = 4;

pub(super) fn argument_low(index: usize) -> u32 {
    16 + 8 * index as u32
}

/// The target of a jump: the distance from the program's end at which a block starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    Equal(u32),
    Greater(u32),
    GreaterOrEqual(u32),
}

/// Emits from the last instruction to the first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    reversed: Vec<Instruction>,
}

impl Assembler {
    pub(super) fn here(&self) -> Label {
        Label(self.reversed.len())
    }

    pub(super) fn ret(&mut self, value: u32) -> Label {
        self.reversed.push((RET_K, 0, 0, value));
        self.here()
    }

    pub(super) fn load(&mut self, offset: u32) -> Label {
        self.reversed.push((LD_W_ABS, 0, 0, offset));
        self.here()
    }

    pub(super) fn and(&mut self, mask: u32) -> Label {
        self.reversed.push((ALU_AND_K, 0, 0, mask));
        self.here()
    }

    /// Continue at `target` (nothing is emitted if it is the next instruction anyway).
    pub(super) fn goto(&mut self, target: Label) -> Label {
        if target == self.here() {
            return target;
        }
        let distance = self.reversed.len() - target.0;
        self.reversed.push((JMP_JA, 0, 0, distance as u32));
        self.here()
    }

    /// Conditional offsets have eight bits; farther targets get a trampoline.
    pub(super) fn branch(&mut self, test: Test, yes: Label, no: Label) -> Label {
        let (mut yes, mut no) = (yes, no);
        // A trampoline for one moves the other one instruction away, hence 254.
        if self.reversed.len() - yes.0 > 254 {
            yes = self.goto(yes);
        }
        if self.reversed.len() - no.0 > 254 {
            no = self.goto(no);
            // `yes` was near and is at most 255 now; a far `yes` was just placed.
        }
        let offset = |label: Label, length: usize| (length - label.0) as u8;
        let length = self.reversed.len();
        let (code, k) = match test {
            Test::Equal(k) => (JMP_JEQ_K, k),
            Test::Greater(k) => (JMP_JGT_K, k),
            Test::GreaterOrEqual(k) => (JMP_JGE_K, k),
        };
        self.reversed.push((code, offset(yes, length), offset(no, length), k));
        self.here()
    }

    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }
}
