//! The processes that an engine is made of, and what they hold. Those of its containers are left out.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, ensure};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::api::Api;

/// What the processes of an engine hold together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    /// Proportional set sizes, in kB.
    pub(crate) memory: f64,
    /// Open descriptors of the process that has most of them.
    pub(crate) descriptors: f64,
}

impl Footprint {
    pub(crate) fn of(api: &Api) -> anyhow::Result<Self> {
        let mut footprint = Self { memory: 0.0, descriptors: 0.0 };
        for pid in engine(api)? {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("a proportional set size")?;
            footprint.memory += pss.trim().trim_end_matches("kB").trim().parse::<f64>()?;
            let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
            footprint.descriptors = footprint.descriptors.max(open as f64);
        }
        Ok(footprint)
    }
}

/// All processes of the engine behind a socket: ours by name, or dockerd, its containerd, and the shims of that containerd.
fn engine(api: &Api) -> anyhow::Result<Vec<i32>> {
    let stream = UnixStream::connect(api.path())?;
    let listener = getsockopt(&stream, PeerCredentials)?.pid();
    let mut top = listener;
    while let Some(parent) = parent(top).filter(|parent| name(*parent).starts_with("berth-")) {
        top = parent;
    }
    let all = processes()?;
    let mut found = vec![top];
    let mut at = 0;
    while let Some(&above) = found.get(at) {
        let ours = |pid: &i32| name(*pid).starts_with("berth-") || name(*pid) == "containerd";
        found.extend(all.iter().copied().filter(|pid| parent(*pid) == Some(above)).filter(ours));
        at += 1;
    }
    // `containerd --config FOLDER/containerd.toml`; its shims say `-address FOLDER/containerd.sock`.
    let folder = found.iter().filter(|pid| name(**pid) == "containerd").find_map(|pid| {
        let words = words(*pid);
        let at = words.iter().position(|word| word == "--config")?;
        Some(Path::new(words.get(at + 1)?).parent()?.join("containerd.sock"))
    });
    if let Some(address) = folder {
        let of_this = |pid: &i32| words(*pid).iter().any(|word| Path::new(word) == address);
        found.extend(all.iter().copied().filter(|pid| name(*pid).starts_with("containerd-shim")).filter(of_this));
    }
    ensure!(found.iter().all(|pid| Path::new(&format!("/proc/{pid}/fd")).exists()), "a process of the engine ended");
    Ok(found)
}

fn processes() -> anyhow::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Empty for a process that is gone.
fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn words(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().filter(|parent| *parent > 1)
}
