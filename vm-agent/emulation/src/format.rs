//! binfmt_misc's text: what it is told of an interpreter, and what it says of one (Documentation/admin-guide/binfmt-misc.rst).

use std::fmt::Write as _;

use crate::processor::Processor;

/// What the guest has of an emulator's registration beside magic and mask. `F`: the emulator is opened now, and is found in every mount
/// namespace. `C`: a set-user-ID program keeps its meaning, and an unreadable one runs (with it comes `O`). `P`: the program's own first
/// word stays. Decision 0073 says why.
const FLAGS: &str = "PCF";

/// The line that registers `emulator` for the programs of `processor`.
pub fn registration(processor: &Processor, emulator: &str) -> String {
    let (magic, mask) = (escaped(&processor.header()), escaped(&processor.mask()));
    format!(":qemu-{}:M:0:{magic}:{mask}:{emulator}:{FLAGS}", processor.qemu)
}

/// Every byte in digits: NUL and the separator cannot stand as they are.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\x{byte:02x}").expect("a String takes what it is given");
        text
    })
}

/// One interpreter as the file of its name tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    enabled: bool,
    /// Whether the kernel holds it open: else it has to be in the container's own files.
    fixed: bool,
    offset: usize,
    magic: Vec<u8>,
    /// As long as the magic.
    mask: Vec<u8>,
}

impl Entry {
    /// Reads such a file; `None` when it is none, or an interpreter is found by the name of a file.
    pub(crate) fn parse(text: &str) -> Option<Entry> {
        let mut lines = text.lines();
        let enabled = match lines.next()? {
            "enabled" => true,
            "disabled" => false,
            _ => return None,
        };
        let (mut fixed, mut offset, mut magic, mut mask) = (false, 0, None, None);
        for line in lines {
            match line.split_once(' ')? {
                ("flags:", flags) => fixed = flags.contains('F'),
                ("offset", digits) => offset = digits.parse().ok()?,
                ("magic", digits) => magic = Some(bytes(digits)?),
                ("mask", digits) => mask = Some(bytes(digits)?),
                _ => {}
            }
        }
        let magic = magic?;
        let mask = mask.unwrap_or_else(|| vec![0xff; magic.len()]);
        (mask.len() == magic.len()).then_some(Entry { enabled, fixed, offset, magic, mask })
    }

    /// Whether programs of `processor` are started by it, in a container as well as outside.
    pub(crate) fn takes(&self, processor: &Processor) -> bool {
        let header = processor.header();
        let Some(part) = header.get(self.offset..).and_then(|rest| rest.get(..self.magic.len())) else { return false };
        let same = part.iter().zip(&self.magic).zip(&self.mask).all(|((is, magic), mask)| (is ^ magic) & mask == 0);
        self.enabled && self.fixed && same
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PROCESSORS;

    fn processor(oci: &str) -> Processor {
        *PROCESSORS.iter().find(|processor| processor.oci == oci).expect("known")
    }

    /// Magics as QEMU's own registrations have them (scripts/qemu-binfmt-conf.sh).
    #[test]
    fn lines_have_the_magic_that_qemu_documents() {
        for (oci, magic) in [
            ("amd64", "7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 02 00 3e 00"),
            ("arm64", "7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 02 00 b7 00"),
            ("arm", "7f 45 4c 46 01 01 01 00 00 00 00 00 00 00 00 00 02 00 28 00"),
            ("riscv64", "7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 02 00 f3 00"),
            ("ppc64le", "7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 02 00 15 00"),
            ("s390x", "7f 45 4c 46 02 02 01 00 00 00 00 00 00 00 00 00 00 02 00 16"),
            ("loong64", "7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 02 00 02 01"),
        ] {
            let magic: String = magic.split(' ').map(|byte| format!("\\x{byte}")).collect();
            let line = registration(&processor(oci), "/e");
            assert_eq!(line.split(':').nth(4), Some(magic.as_str()), "{oci}");
        }
        assert_eq!(
            registration(&processor("arm64"), "/usr/bin/qemu-aarch64"),
            r":qemu-aarch64:M:0:\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64:PCF"
        );
        // The kernel takes no more than that (fs/binfmt_misc.c, MAX_REGISTER_LENGTH).
        assert!(PROCESSORS.iter().all(|processor| registration(processor, "/usr/bin/qemu-loongarch64").len() <= 1920));
    }

    const ARM64: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: POCF\noffset 0\n\
         magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn taken(text: &str) -> Vec<&'static str> {
        let entry = Entry::parse(text).expect("an entry");
        PROCESSORS.iter().filter(|processor| entry.takes(processor)).map(|processor| processor.oci).collect()
    }

    #[test]
    fn entries_say_whose_programs_they_take() {
        assert_eq!(taken(ARM64), ["arm64"]);
        assert_eq!(taken(&ARM64.replace("enabled", "disabled")), [""; 0]);
        // Without `F` the container would have to bring the emulator.
        assert_eq!(taken(&ARM64.replace("POCF", "POC")), [""; 0]);
        // Wherever they look, and however little they look at.
        assert_eq!(taken("enabled\ninterpreter /e\nflags: F\noffset 18\nmagic f300\n"), ["riscv64"]);
        assert_eq!(taken("enabled\ninterpreter /e\nflags: F\noffset 4\nmagic 0102\nmask ff00\n"), ["386", "arm"]);
        // Beyond the header there is nothing to compare.
        assert_eq!(taken("enabled\ninterpreter /e\nflags: F\noffset 18\nmagic b70000\n"), [""; 0]);
        assert_eq!(taken("enabled\ninterpreter /jexec\nflags: F\noffset 0\nmagic cafebabe\n"), [""; 0]);
    }

    #[test]
    fn what_is_registered_is_understood() {
        for processor in PROCESSORS {
            let line = registration(&processor, "/e");
            let part = |number: usize| line.split(':').nth(number).expect("a part").replace("\\x", "");
            let (magic, mask) = (part(4), part(5));
            let said = format!("enabled\ninterpreter /e\nflags: POCF\noffset 0\nmagic {magic}\nmask {mask}\n");
            assert_eq!(taken(&said), [processor.oci]);
        }
    }

    #[test]
    fn other_files_are_no_entries() {
        for text in [
            "",
            "enabled",
            "enabled\n",
            "enabled\ninterpreter /usr/bin/run\nflags: \nextension .jar\n",
            "enabled\nflags: F\noffset 0\nmagic 7f4\n",
            "enabled\nflags: F\noffset 0\nmagic 7f45\nmask ff\n",
            "enabled\nflags: F\noffset x\nmagic 7f\n",
        ] {
            assert_eq!(Entry::parse(text), None, "{text:?}");
        }
    }
}
