//! How much of the computer's memory a process holds.

#[cfg(target_os = "linux")]
pub(crate) fn process_memory(pid: u32, part: u64) -> Option<u64> {
    held(&std::fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?, part)
}

/// The resident bytes of the mappings of exactly `part` bytes, which is how a hypervisor maps its guest's memory (proc_pid_smaps(5)).
/// `None` when there is none such.
#[cfg(target_os = "linux")]
fn held(smaps: &str, part: u64) -> Option<u64> {
    let kilobytes = |line: &str, name: &str| -> Option<u64> {
        line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|size| size << 10)
    };
    let (mut within, mut sum) = (false, None);
    for line in smaps.lines() {
        if let Some(size) = kilobytes(line, "Size:") {
            within = size == part;
        } else if let (true, Some(resident)) = (within, kilobytes(line, "Rss:")) {
            sum = Some(sum.unwrap_or(0) + resident);
        }
    }
    sum
}

/// Of the whole process: ps(1) tells no parts apart.
#[cfg(not(target_os = "linux"))]
pub(crate) fn process_memory(pid: u32, _part: u64) -> Option<u64> {
    let out = std::process::Command::new("/bin/ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().ok()?;
    String::from_utf8(out.stdout).ok()?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::ptr::null_mut;

    use rustix::mm::{self, MapFlags, ProtFlags};

    use super::*;

    #[test]
    fn only_the_mapping_of_the_guest_s_memory_counts() {
        let mapping = |size: u64, rss: u64| {
            format!(
                "7f0000000000-7f0040000000 rw-s 00000000 00:01 5 /memfd:x (deleted)\nSize: {size:>18} kB\nKernelPageSize: 4 kB\nRss: {rss:>19} kB\nPss: 1 kB\n"
            )
        };
        let smaps = [mapping(1 << 20, 900), mapping(524_288, 1234), mapping(4, 4)].concat();
        assert_eq!(held(&smaps, 512 << 20), Some(1234 << 10));
        assert_eq!(held(&smaps, 513 << 20), None);
        assert_eq!(held("", 1), None);
    }

    #[test]
    fn memory_is_held_once_it_is_written_to() {
        // Of a size that no other mapping of this process has.
        let part = 37 << 20;
        let pid = std::process::id();
        let memory = Shared::of(part);
        let before = process_memory(pid, part as u64).unwrap();
        memory.write(8 << 20);
        let after = process_memory(pid, part as u64).unwrap();
        assert!(after >= before + (8 << 20), "{before}, then {after}");
    }

    /// Shared memory, as a guest's is: two private mappings side by side become one (mm/vma.c), of another size.
    struct Shared {
        at: *mut std::ffi::c_void,
        size: usize,
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    impl Shared {
        fn of(size: usize) -> Shared {
            // SAFETY: the kernel chooses where, so that nothing else lies there.
            let at =
                unsafe { mm::mmap_anonymous(null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED) };
            Shared { at: at.unwrap(), size }
        }

        fn write(&self, bytes: usize) {
            assert!(bytes <= self.size);
            // SAFETY: all of it is inside of the mapping, which nobody else reads.
            unsafe { self.at.cast::<u8>().write_bytes(1, bytes) };
        }
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    impl Drop for Shared {
        fn drop(&mut self) {
            // SAFETY: it is a mapping of its own, and nothing points into it any more.
            unsafe { mm::munmap(self.at, self.size) }.unwrap();
        }
    }
}
