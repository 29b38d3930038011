//! The role `init`: from the kernel's first process in the initramfs to the supervisor on the real root.
//!
//! ```text
//!  mount proc sys dev run -> boot file -> modules for the root -> mount EROFS -> clock, name, limits -> switch root
//!     -> at the same time: the other modules, then eth0 | data disk: format, version, check, mount, grow
//!     -> cgroup2, devpts -> become `supervisor` from a sealed memory file
//! ```
//!
//! No supervisor runs yet, so this process may use threads and wait for its own children. Whatever fails ends the boot: the
//! reason goes to the console, where the host reads it, and the machine powers off.

mod data;
mod disks;
mod ext4;
mod format;
mod interface;
pub(crate) mod modules;
pub(crate) mod mount;
mod root;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use control::{BootInfo, LongWork, boot::BOOT_FILE, message::BootStep};

use crate::{
    handover::{Handover, step},
    supervise,
};

/// What the host looks for on the console.
const FATAL: &str = "berth-agent: cannot boot: ";

/// Never returns on success: the process becomes the supervisor.
pub(crate) fn run() -> anyhow::Result<()> {
    let error = match boot() {
        Ok(handover) => match handover.to_fd() {
            Ok(fd) => supervise::exec_sealed(&["supervisor".to_owned()], Some(fd)),
            Err(error) => error,
        },
        Err(error) => error,
    };
    eprintln!("{FATAL}{error:#}");
    // SAFETY: no arguments, and the end of the machine.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    Err(error)
}

fn boot() -> anyhow::Result<Handover> {
    let mut steps = vec![step("kernel")];
    mount::kernel_interfaces()?;
    // Children, engine and relay included, are the last that the kernel should take memory from.
    let _ = fs::write("/proc/self/oom_score_adj", "-999");
    let boot = read_boot_file()?;
    set_up_host(&boot)?;
    let mut disks = disks::Disks::watch()?;
    modules::load("initramfs")?;
    let root = disks.find(&disks::ROOT)?;
    mount::mount(&root, "/sysroot", "erofs", libc::MS_RDONLY | libc::MS_NODEV, None)
        .context("mount the root file system")?;
    root::switch_to(Path::new("/sysroot")).context("switch to the root file system")?;
    steps.push(step("root"));
    mount::after_switch()?;

    let (network, data) = std::thread::scope(|scope| {
        let network = scope.spawn(|| -> anyhow::Result<Vec<BootStep>> {
            modules::load("boot")?;
            let modules = step("modules");
            interface::configure(boot.network).context("set up the way out")?;
            Ok(vec![modules, step("network")])
        });
        let data = data::mount(&mut disks).map(|()| step("data-disk"));
        (network.join().expect("the thread does not panic"), data)
    });
    steps.push(data?);
    steps.extend(network?);
    Ok(Handover { boot, steps })
}

fn read_boot_file() -> anyhow::Result<BootInfo> {
    let text =
        fs::read(BOOT_FILE).with_context(|| format!("read {BOOT_FILE}, which the host appends to the initramfs"))?;
    // Its secret lives on in memory only.
    fs::remove_file(BOOT_FILE).with_context(|| format!("remove {BOOT_FILE}"))?;
    BootInfo::from_json(&text).context("the boot file")
}

/// Name, clock, limits.
fn set_up_host(boot: &BootInfo) -> anyhow::Result<()> {
    let name = boot.hostname.as_bytes();
    // SAFETY: pointer and length of a live slice.
    if unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } != 0 {
        return Err(std::io::Error::last_os_error()).context("set the host name");
    }
    let host_time = Duration::from_nanos(boot.host_time_ns);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The file was written a moment ago, so the hardware clock that the kernel read is behind it only if it is wrong. The
    // link corrects the rest.
    if now < host_time || now > host_time + Duration::from_secs(24 * 3600) {
        let time = libc::timespec { tv_sec: host_time.as_secs() as i64, tv_nsec: i64::from(host_time.subsec_nanos()) };
        // SAFETY: time lives through the call.
        if unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) } != 0 {
            return Err(std::io::Error::last_os_error()).context("set the clock");
        }
    }
    // dockerd's unit sets these, and containers inherit them.
    for (resource, value) in [
        (libc::RLIMIT_NOFILE, 1_048_576),
        (libc::RLIMIT_NPROC, libc::RLIM_INFINITY),
        (libc::RLIMIT_CORE, libc::RLIM_INFINITY),
    ] {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: limit lives through the call.
        if unsafe { libc::setrlimit(resource, &limit) } != 0 {
            return Err(std::io::Error::last_os_error()).with_context(|| format!("set resource limit {resource}"));
        }
    }
    Ok(())
}

/// Runs a program of the root file system to its end: its exit code and what it said. The host hears of those that take long.
fn run_tool(program: &str, args: &[&str]) -> anyhow::Result<(i32, String)> {
    let work = match program {
        "/sbin/e2fsck" => Some(LongWork::CheckDisk),
        "/sbin/resize2fs" => Some(LongWork::GrowDisk),
        "/sbin/mke2fs" => Some(LongWork::FormatDisk),
        _ => None,
    };
    if let Some(work) = work {
        eprintln!("{}", work.begins());
    }
    let output = Command::new(program).args(args).env("PATH", "/sbin:/bin").output();
    if let Some(work) = work {
        eprintln!("{}", work.ends());
    }
    let output = output.with_context(|| format!("run {program}"))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(128), one_line(&String::from_utf8_lossy(&said))))
}

/// The tools write paragraphs; a message for the console has one line and keeps the end, where the verdict is.
fn one_line(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    words[words.len().saturating_sub(60)..].join(" ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn keeps_the_end() {
        assert_eq!(one_line(" a\n\n b  c\n"), "a b c");
        let long: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert!(one_line(&long.join("\n")).starts_with("40 41") && one_line(&long.join("\n")).ends_with("98 99"));
        assert_eq!(one_line(""), "");
    }
}
