//! What one test case gets, and what is cleaned up after it whatever happens.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::docker::Docker;
use crate::engine::Kind;
use crate::registry::Registry;

/// One run of one case against one engine.
#[derive(Debug)]
pub struct Case<'a> {
    pub docker: &'a Docker,
    pub kind: Kind,
    pub registry: &'a Registry,
    made: RefCell<Vec<(&'static str, String)>>,
    number: u32,
}

static NEXT: AtomicU32 = AtomicU32::new(1);

impl<'a> Case<'a> {
    pub fn new(docker: &'a Docker, kind: Kind, registry: &'a Registry) -> Self {
        Self { docker, kind, registry, made: RefCell::default(), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// A container name that no other case uses; the container is removed after the case.
    pub fn container(&self, name: &str) -> String {
        self.named("container", name)
    }

    /// A volume name, likewise.
    pub fn volume(&self, name: &str) -> String {
        self.named("volume", name)
    }

    /// A network name, likewise.
    pub fn network(&self, name: &str) -> String {
        self.named("network", name)
    }

    /// An image reference, likewise.
    pub fn image(&self, name: &str) -> String {
        self.named("image", name)
    }

    /// A container that runs a shell script, which has said `ready`; its name.
    ///
    /// # Errors
    /// When it cannot be started, or ends before.
    pub fn started(&self, name: &str, options: &[&str], script: &str) -> anyhow::Result<String> {
        let name = self.container(name);
        self.ok(&[&["run", "-d", "--name", &name], options, &["busybox", "sh", "-c", script]].concat())?;
        self.says(&name, "ready")?;
        Ok(name)
    }

    /// A number that no other case uses, for ports.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A host port that no other case of this run publishes.
    pub fn port(&self) -> u16 {
        18_000 + u16::try_from(self.number % 2_000).expect("below 2000")
    }

    /// Whether the engine can limit what containers use, by cgroups v2, as it always can in the machine; else says that `test` is
    /// skipped.
    ///
    /// # Errors
    /// When the machine's engine cannot.
    pub fn has_limits(&self, test: &str) -> anyhow::Result<bool> {
        let format = "{{.MemoryLimit}} {{.PidsLimit}} {{.CPUCfsQuota}} {{.CgroupVersion}}";
        let able = self.ok(&["info", "--format", format])?;
        if able == "true true true 2" {
            return Ok(true);
        }
        anyhow::ensure!(!self.kind.is_machine(), "the machine has no limits: {able}");
        println!("SKIPPED: {}::{test}: the engine has no controllers of cgroups v2", self.kind);
        Ok(false)
    }

    fn named(&self, what: &'static str, name: &str) -> String {
        let name = format!("t{}-{name}", self.number);
        self.made.borrow_mut().push((what, name.clone()));
        name
    }
}

impl Deref for Case<'_> {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        self.docker
    }
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        // Containers first, since they hold the rest. A failure means that the case removed it itself.
        for kind in ["container", "volume", "network", "image"] {
            for (_, name) in self.made.borrow().iter().filter(|(what, _)| *what == kind) {
                let _ = self.docker.run(&[kind, "rm", "-f", name]);
            }
        }
    }
}
