//! Docker's profile format: an OCI filter whose entries may depend on the container's capabilities, the machine's
//! architecture and the kernel's version (docs.docker.com, "Seccomp security profiles").

use std::collections::BTreeSet;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::compile::Machine;
use crate::{Error, Result};

/// A profile before it is known for whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub default_action: LinuxSeccompAction,
    #[serde(default)]
    pub default_errno_ret: Option<u32>,
    /// Written by old profiles instead of `arch_map`.
    #[serde(default)]
    pub architectures: Option<Vec<Arch>>,
    #[serde(default)]
    pub arch_map: Option<Vec<Architecture>>,
    #[serde(default)]
    pub flags: Option<Vec<LinuxSeccompFilterFlag>>,
    #[serde(default)]
    pub syscalls: Option<Vec<Entry>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Architecture {
    // A word, because profiles name architectures that the spec's enum may not have.
    pub architecture: String,
    #[serde(default)]
    pub sub_architectures: Option<Vec<Arch>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub names: Vec<String>,
    pub action: LinuxSeccompAction,
    #[serde(default)]
    pub errno_ret: Option<u32>,
    #[serde(default)]
    pub args: Option<Vec<Argument>>,
    #[serde(default)]
    pub includes: Condition,
    #[serde(default)]
    pub excludes: Condition,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Argument {
    pub index: usize,
    #[serde(default)]
    pub value: u64,
    #[serde(default)]
    pub value_two: u64,
    pub op: LinuxSeccompOperator,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(default)]
    pub caps: Vec<String>,
    #[serde(default)]
    pub arches: Vec<String>,
    /// `4.8`; true of every kernel that runs this program (5.14 and later), so only read.
    #[serde(default)]
    pub min_kernel: Option<String>,
}

impl Profile {
    pub fn parse(json: &str) -> Result<Profile> {
        serde_json::from_str(json).map_err(|error| {
            serde_json::from_str(json)
                .ok()
                .and_then(|profile| unknown_word(&profile))
                .unwrap_or(Error::SeccompProfile(error))
        })
    }

    /// The filter for a container with these capabilities (`CAP_...`) on `machine`.
    pub(super) fn resolve(&self, machine: Machine, capabilities: &BTreeSet<String>) -> LinuxSeccomp {
        let entries = self.syscalls.iter().flatten();
        let syscalls: Vec<LinuxSyscall> =
            entries.filter(|entry| entry.applies(machine, capabilities)).map(Entry::to_spec).collect();
        let mut filter = LinuxSeccompBuilder::default()
            .default_action(self.default_action)
            .architectures(self.architectures(machine))
            .syscalls(syscalls)
            .build()
            .expect("every field has a default");
        filter.set_default_errno_ret(self.default_errno_ret);
        filter.set_flags(self.flags.clone());
        filter
    }

    fn architectures(&self, machine: Machine) -> Vec<Arch> {
        let own = match machine {
            Machine::X86_64 => "SCMP_ARCH_X86_64",
            Machine::Aarch64 => "SCMP_ARCH_AARCH64",
        };
        let mapped = self.arch_map.iter().flatten().find(|a| a.architecture == own);
        match (mapped, &self.architectures) {
            (Some(arch), _) => {
                let mut all = vec![machine.arch()];
                all.extend(arch.sub_architectures.iter().flatten());
                all
            }
            (None, Some(list)) => list.clone(),
            (None, None) => vec![machine.arch()],
        }
    }
}

/// The first word of a profile that names no action, architecture or comparison.
fn unknown_word(profile: &Value) -> Option<Error> {
    fn known<T: DeserializeOwned>(word: &Value, what: &'static str) -> Option<Error> {
        let text = word.as_str().filter(|_| T::deserialize(word).is_err())?;
        Some(Error::SeccompWord { word: text.to_owned(), what })
    }
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let action = |of: &Value, name: &str| known::<LinuxSeccompAction>(&of[name], "action");
    action(profile, "defaultAction")
        .or_else(|| list(profile, "architectures").iter().find_map(|word| known::<Arch>(word, "arch")))
        .or_else(|| {
            list(profile, "syscalls").iter().find_map(|entry| {
                let operators = list(entry, "args");
                let mut operators = operators.iter();
                action(entry, "action")
                    .or_else(|| operators.find_map(|of| known::<LinuxSeccompOperator>(&of["op"], "operator")))
            })
        })
}

impl Entry {
    fn applies(&self, machine: Machine, capabilities: &BTreeSet<String>) -> bool {
        let holds = |cap: &String| capabilities.contains(cap);
        // Go's names, which profiles use.
        let own = match machine {
            Machine::X86_64 => "amd64",
            Machine::Aarch64 => "arm64",
        };
        let here = |arch: &String| arch == own;
        // An inclusion needs all of its capabilities, an exclusion any (moby profiles/seccomp, setupSeccomp).
        let included = self.includes.caps.iter().all(holds)
            && (self.includes.arches.is_empty() || self.includes.arches.iter().any(here));
        included && !self.excludes.caps.iter().any(holds) && !self.excludes.arches.iter().any(here)
    }

    fn to_spec(&self) -> LinuxSyscall {
        let names: Vec<String> = self.name.iter().chain(&self.names).cloned().collect();
        let mut syscall =
            LinuxSyscallBuilder::default().names(names).action(self.action).build().expect("every field is given");
        syscall.set_errno_ret(self.errno_ret);
        syscall.set_args(self.args.as_ref().map(|args| args.iter().map(Argument::to_spec).collect()));
        syscall
    }
}

impl Argument {
    fn to_spec(&self) -> LinuxSeccompArg {
        LinuxSeccompArgBuilder::default()
            .index(self.index)
            .value(self.value)
            .value_two(self.value_two)
            .op(self.op)
            .build()
            .expect("every field is given")
    }
}
