//! System call filters: Docker's default profile, Docker's profile files, and a compiler to classic BPF.
//!
//! A profile (Docker's own format, with conditions on capabilities and architectures) becomes an OCI
//! [`LinuxSeccomp`] for one container; that becomes a [`Program`] that the child installs.

#[cfg(test)]
mod against_dockerd;
mod assemble;
mod compile;
mod default;
#[cfg(test)]
mod interpret;
mod profile;
mod syscalls;

use std::{collections::BTreeSet, io};

use compile::Machine;
pub use compile::{Program, compile};
use oci_spec::runtime::LinuxSeccomp;
pub use profile::Profile;

use crate::Result;

/// dockerd 28's default filter for a container that holds `capabilities` (any spelling: `CAP_SYS_ADMIN`, `sys_admin`).
pub fn default_profile<'a>(capabilities: impl IntoIterator<Item = &'a str>) -> LinuxSeccomp {
    default::profile(Machine::NATIVE).resolve(Machine::NATIVE, &capability_names(capabilities))
}

/// A profile file given by the user (`--security-opt seccomp=FILE`), which the client sends as JSON text.
pub fn custom_profile<'a>(json: &str, capabilities: impl IntoIterator<Item = &'a str>) -> Result<LinuxSeccomp> {
    Ok(Profile::parse(json)?.resolve(Machine::NATIVE, &capability_names(capabilities)))
}

fn capability_names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let canonical = |name: &str| {
        let upper = name.to_ascii_uppercase();
        if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") }
    };
    names.into_iter().map(canonical).collect()
}

/// Installs a filter on the calling thread. Needs no_new_privs or CAP_SYS_ADMIN (seccomp(2)).
pub fn install(program: &Program) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> =
        program.instructions.iter().map(|i| libc::sock_filter { code: i.0, jt: i.1, jf: i.2, k: i.3 }).collect();
    let fprog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    const SECCOMP_SET_MODE_FILTER: u32 = 1;
    // SAFETY: fprog points to `filter`, which lives through the call; the kernel copies it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, program.flags, &fprog) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
