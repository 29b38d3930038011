//! What an engine holds: in the kernel, in its processes, on its disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::engine::Engine;
use tests::wait::until;

/// Counts of things by a name that says what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census(BTreeMap<String, usize>);

impl Census {
    pub(crate) fn take(engine: &Engine) -> anyhow::Result<Census> {
        let roles = engine.roles()?;
        let home = engine.home().context("only a native engine can be looked into")?;
        let mut census = Census(BTreeMap::new());
        for (role, pid) in [("supervisor", roles.supervisor), ("engine", roles.engine), ("relay", roles.relay)] {
            census.descriptors(role, pid)?;
        }
        census.lines("mount", &fs::read_to_string(format!("/proc/{}/mountinfo", roles.engine))?, |line| {
            line.split(' ').nth(4).unwrap_or_default().to_owned()
        });
        census.children(roles.supervisor)?;
        let links = output(Command::new("ip").args(["-o", "link"]))?;
        census.lines("link", &links, |line| line.split(' ').nth(1).unwrap_or_default().to_owned());
        census.lines("nft", &output(Command::new("nft").args(["list", "ruleset"]))?, str::to_owned);
        census.files(&home.join("root"), &home.join("root"))?;
        census.files(&home.join("run"), &home.join("run"))?;
        census.cgroups(roles.engine)?;
        Ok(census)
    }

    fn add(&mut self, name: String) {
        *self.0.entry(name).or_default() += 1;
    }

    fn lines(&mut self, what: &str, text: &str, name: impl Fn(&str) -> String) {
        for line in text.lines() {
            self.add(format!("{what} {}", name(line)));
        }
    }

    /// By what they refer to, without numbers: `socket:[]`, `pipe:[]`, `net:[]`.
    fn descriptors(&mut self, role: &str, pid: u32) -> anyhow::Result<()> {
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let target: String = target.to_string_lossy().chars().filter(|c| !c.is_ascii_digit()).collect();
            self.add(format!("descriptor of the {role}: {target}"));
        }
        Ok(())
    }

    fn children(&mut self, supervisor: u32) -> anyhow::Result<()> {
        for entry in fs::read_dir("/proc")?.flatten() {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
            if field("PPid:") == supervisor.to_string() {
                self.add(format!(
                    "process {} {}",
                    field("Name:"),
                    &field("State:").chars().take(1).collect::<String>().replace('R', "S")
                ));
            }
        }
        Ok(())
    }

    fn files(&mut self, directory: &Path, root: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(directory)?.flatten() {
            let path = entry.path();
            self.add(format!("file {}", path.strip_prefix(root)?.display()));
            // What images consist of is as large as they are.
            if entry.file_type()?.is_dir() && path.strip_prefix(root)?.components().count() < 4 {
                // It may be removed at this moment: the next look tells.
                let _ = self.files(&path, root);
            }
        }
        Ok(())
    }

    /// Groups below those that this engine made, in every hierarchy.
    fn cgroups(&mut self, engine: u32) -> anyhow::Result<()> {
        let args = fs::read_to_string(format!("/proc/{engine}/cmdline"))?;
        let root = args.split('\0').find_map(|word| word.strip_prefix("--root=")).context("the engine's root")?;
        // FNV-1a, by which an engine's groups are named after its root.
        let hash = root
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut find = Command::new("find");
        find.args(["/sys/fs/cgroup", "-path", &format!("*/berth-{hash:016x}*"), "-type", "d"]);
        let found = output(&mut find)?;
        ensure!(!found.is_empty(), "the engine's groups are not called berth-{hash:016x}");
        self.lines("cgroup", &found, str::to_owned);
        Ok(())
    }

    /// Waits until everything is as it was: what a container held is given back beside the answers.
    pub(crate) fn settles(&self, engine: &Engine) -> anyhow::Result<()> {
        let mut last = Ok(());
        let same = until("the former census", Duration::from_secs(120), || {
            last = Census::take(engine).and_then(|now| self.compare(&now));
            last.is_ok().then_some(())
        });
        last?;
        same
    }

    /// Names what there is more of; less is what threads that idle give back after a while.
    fn compare(&self, now: &Census) -> anyhow::Result<()> {
        let count = |census: &Census, name: &str| census.0.get(name).copied().unwrap_or_default();
        let differ: Vec<String> = now
            .0
            .keys()
            .filter(|name| count(self, name) < count(now, name))
            .map(|name| format!("{name}: {} before, {} now", count(self, name), count(now, name)))
            .collect();
        ensure!(differ.is_empty(), "more than before:\n    {}", differ.join("\n    "));
        Ok(())
    }
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let out = command.output()?;
    ensure!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
