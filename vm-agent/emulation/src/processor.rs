//! Processors that container images are made for, and how the kernel knows their programs: by the first bytes of the ELF header.

/// Length of [`Processor::header`].
pub(crate) const HEADER: usize = 20;

/// What `e_type` (offset 16) and `e_machine` (offset 18) take.
const HALF: usize = 2;

/// A processor's programs (gABI, "ELF Header"; numbers of machines: linux/elf-em.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor {
    /// As the OCI, after Go, calls it.
    pub oci: &'static str,
    /// As QEMU and `uname -m` call it.
    pub qemu: &'static str,
    is_64_bit: bool,
    is_little_endian: bool,
    machine: u16,
}

const fn little(oci: &'static str, qemu: &'static str, bits: u8, machine: u16) -> Processor {
    Processor { oci, qemu, is_64_bit: bits == 64, is_little_endian: true, machine }
}

const fn big(oci: &'static str, qemu: &'static str, bits: u8, machine: u16) -> Processor {
    Processor { is_little_endian: false, ..little(oci, qemu, bits, machine) }
}

/// Those that BuildKit looks for, in its order.
pub const PROCESSORS: [Processor; 10] = [
    little("amd64", "x86_64", 64, 62),
    little("arm64", "aarch64", 64, 183),
    little("riscv64", "riscv64", 64, 243),
    little("ppc64le", "ppc64le", 64, 21),
    big("s390x", "s390x", 64, 22),
    little("386", "i386", 32, 3),
    little("mips64le", "mips64el", 64, 8),
    big("mips64", "mips64", 64, 8),
    little("loong64", "loongarch64", 64, 258),
    little("arm", "arm", 32, 40),
];

impl Processor {
    /// Whether the engine itself is a program for it.
    pub fn is_own(&self) -> bool {
        self.qemu == std::env::consts::ARCH
    }

    /// The beginning of a program: identification, type (ET_EXEC) and machine.
    pub(crate) fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let (class, data) = (if self.is_64_bit { 2 } else { 1 }, if self.is_little_endian { 1 } else { 2 });
        header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data, 1]);
        header[16..18].copy_from_slice(&self.half(2));
        header[18..].copy_from_slice(&self.half(self.machine));
        header
    }

    /// Which bits of [`Processor::header`] count: neither the system's ABI nor, of the type, what tells ET_EXEC from ET_DYN.
    pub(crate) fn mask(&self) -> [u8; HEADER] {
        let mut mask = [0xff; HEADER];
        mask[7] = 0;
        mask[16..18].copy_from_slice(&self.half(0xfffe));
        mask
    }

    fn half(&self, value: u16) -> [u8; HALF] {
        if self.is_little_endian { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}
