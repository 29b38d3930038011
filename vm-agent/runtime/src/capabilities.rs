//! Capability sets as bit masks.
//!
//! Docker's inheritable and ambient sets are empty; the bounding set is lowered and never raised, so what the kernel
//! already took from us (a host that runs us without some capability) stays away without an error.

use std::io;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    sys::{self, check},
};

/// Names by number (capabilities(7), include/uapi/linux/capability.h).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What Docker gives a container that asked for nothing.
pub const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// One bit per capability number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sets {
    pub bounding: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub permitted: u64,
    pub ambient: u64,
}

impl Sets {
    pub(crate) fn from_spec(spec: Option<&LinuxCapabilities>) -> Sets {
        let Some(spec) = spec else { return Sets::default() };
        let mask = |set: &Option<Capabilities>| set.iter().flatten().map(|c| 1u64 << number_of(*c)).sum();
        Sets {
            bounding: mask(spec.bounding()),
            effective: mask(spec.effective()),
            inheritable: mask(spec.inheritable()),
            permitted: mask(spec.permitted()),
            ambient: mask(spec.ambient()),
        }
    }
}

/// All names, without `CAP_`, in the kernel's order.
pub fn all() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// The number of `CAP_CHOWN`, `chown`, `CHOWN`.
pub fn number(name: &str) -> Result<u32> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let found = NAMES.iter().position(|n| *n == bare).ok_or_else(|| Error::Capability(name.to_owned()))?;
    Ok(found as u32)
}

/// The spec's value for a name in any spelling.
pub fn parse(name: &str) -> Result<Capability> {
    let number = number(name)? as usize;
    NAMES[number].parse().map_err(|_| Error::Capability(name.to_owned()))
}

fn number_of(capability: Capability) -> u32 {
    // The Display form is the kernel's name without CAP_.
    number(&capability.to_string()).expect("the crate and the kernel know the same capabilities")
}

// ---- the calling thread's own sets (capget(2), version 3: two 32-bit words per set)

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

fn capget() -> io::Result<[Word; 2]> {
    let mut words = [Word::default(); 2];
    let header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: both structures have the kernel's layout and live through the call.
    check(unsafe { libc::syscall(libc::SYS_capget, &header, words.as_mut_ptr()) } as i32)?;
    Ok(words)
}

fn permitted() -> io::Result<u64> {
    let words = capget()?;
    Ok(u64::from(words[1].permitted) << 32 | u64::from(words[0].permitted))
}

/// Takes a capability out of the calling thread's effective set. It stays permitted: what this thread starts as root gets it back.
///
/// # Errors
///
/// capset(2)'s, or [`io::ErrorKind::InvalidInput`] for a name that is none.
pub fn lower(name: &str) -> io::Result<()> {
    let number = number(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut words = capget()?;
    words[number as usize / 32].effective &= !(1 << (number % 32));
    let header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: both structures have the kernel's layout and live through the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &header, words.as_ptr()) } as i32).map(drop)
}

fn capset(effective: u64, permitted: u64, inheritable: u64) -> io::Result<()> {
    let word = |shift: u32| Word {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let words = [word(0), word(32)];
    let header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: both structures have the kernel's layout and live through the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &header, words.as_ptr()) } as i32).map(drop)
}

/// Lowers the bounding set; answers the sets as far as this process may have them.
pub(crate) fn drop_bounding(wanted: Sets) -> io::Result<Sets> {
    for number in (0..64).filter(|n| wanted.bounding & 1 << n == 0) {
        match sys::prctl(libc::PR_CAPBSET_DROP, number, 0) {
            Ok(_) => {}
            // The first number that the kernel does not know ends the list.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => break,
            // Without CAP_SETPCAP nothing can be dropped; what is gone already need not be.
            Err(e) => match sys::prctl(libc::PR_CAPBSET_READ, number, 0) {
                Ok(0) => {}
                _ => return Err(e),
            },
        }
    }
    let have = permitted()?;
    Ok(Sets {
        bounding: wanted.bounding,
        effective: wanted.effective & wanted.permitted & have,
        inheritable: wanted.inheritable & have,
        permitted: wanted.permitted & have,
        ambient: wanted.ambient & wanted.permitted & wanted.inheritable & have,
    })
}

pub(crate) fn raise_effective() -> io::Result<()> {
    let all = permitted()?;
    capset(all, all, 0)
}

/// The final sets. What [`drop_bounding`] answered goes in here.
pub(crate) fn set(sets: Sets) -> io::Result<()> {
    capset(sets.effective, sets.permitted, sets.inheritable)?;
    sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0)?;
    for number in (0..64).filter(|n| sets.ambient & 1 << n != 0) {
        sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, number)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lowered_stays_permitted_and_other_threads_have_it() {
        let effective = || capget().expect("sets")[0].effective;
        let bit = 1 << number("SYS_RESOURCE").expect("known");
        let before = effective();
        let lowered = std::thread::spawn(move || {
            let permitted_before = permitted().expect("sets");
            lower("CAP_SYS_RESOURCE").expect("lowered");
            (effective(), permitted().expect("sets") == permitted_before)
        });
        assert_eq!(lowered.join().expect("no panic"), (before & !bit, true));
        assert_eq!(effective(), before);
    }

    #[test]
    fn names_and_numbers_agree_with_the_spec_crate() {
        for (i, name) in all().enumerate() {
            let capability = parse(name).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(number_of(capability), i as u32, "{name}");
            assert_eq!(number(&format!("cap_{}", name.to_lowercase())).expect("spelling"), i as u32);
        }
        assert_eq!(number("CAP_SYS_ADMIN").expect("known"), 21);
        assert_eq!(number("CAP_CHECKPOINT_RESTORE").expect("known"), 40);
        assert!(matches!(number("CAP_NOPE"), Err(Error::Capability(_))));
    }
}
