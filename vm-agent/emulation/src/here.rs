//! What runs on this computer: by its own processor, and by emulators.

use std::fs;
use std::path::Path;

use crate::format::Entry;
use crate::processor::{PROCESSORS, Processor};

/// Where binfmt_misc is mounted, here as everywhere.
pub const BINFMT_MISC: &str = "/proc/sys/fs/binfmt_misc";

/// Processors whose programs run beside those of the engine's own; `formats` is binfmt_misc's mount point, mounted or not.
pub(crate) fn others(formats: &Path) -> Vec<Processor> {
    let off = fs::read_to_string(formats.join("status")).is_ok_and(|status| status.trim() == "disabled");
    let files = fs::read_dir(formats).into_iter().flatten().flatten().filter(|_| !off);
    let entries: Vec<Entry> = files.filter_map(|file| Entry::parse(&fs::read_to_string(file.path()).ok()?)).collect();
    let runs = |processor: &Processor| runs_itself(processor) || entries.iter().any(|entry| entry.takes(processor));
    PROCESSORS.into_iter().filter(|processor| !processor.is_own() && runs(processor)).collect()
}

/// Whether the kernel runs programs of the smaller processor that this one has in it.
#[cfg(target_arch = "x86_64")]
fn runs_itself(processor: &Processor) -> bool {
    // There with CONFIG_IA32_EMULATION (arch/x86/entry/vdso/vdso32-setup.c).
    processor.oci == "386" && Path::new("/proc/sys/abi/vsyscall32").exists()
}

/// Not every processor of Arm's runs 32-bit programs, and no file tells.
#[cfg(not(target_arch = "x86_64"))]
fn runs_itself(_: &Processor) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulators_that_are_registered_count() {
        let formats = tempfile::tempdir().expect("a folder");
        let names = |path: &Path| others(path).into_iter().map(|processor| processor.oci).collect::<Vec<_>>();
        let without = names(&formats.path().join("not mounted"));
        let write = |name: &str, text: &str| fs::write(formats.path().join(name), text).expect("written");
        write("status", "enabled\n");
        write("jar", "enabled\ninterpreter /jexec\nflags: \noffset 0\nmagic cafebabe\n");
        assert_eq!(names(formats.path()), without);
        write("qemu-s390x", "enabled\ninterpreter /e\nflags: F\noffset 18\nmagic 0016\n");
        let mut with = names(formats.path());
        assert!(with.contains(&"s390x"), "{with:?}");
        with.retain(|name| *name != "s390x");
        assert_eq!(with, without);
        assert!(PROCESSORS.iter().all(|processor| !processor.is_own() || !with.contains(&processor.oci)), "{with:?}");
        write("qemu-own", "enabled\ninterpreter /e\nflags: F\noffset 0\nmagic 7f454c46\n");
        assert_eq!(names(formats.path()).len(), PROCESSORS.len() - 1);
        write("status", "disabled\n");
        assert_eq!(names(formats.path()), without);
    }
}
