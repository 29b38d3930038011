//! Checks of a Dockerfile: what can be read and is better written otherwise. The rules are BuildKit's. Pure.
//!
//! ```text
//!  rules      what each is called
//!  settings   which are wanted
//!  names      how stages and instructions are written
//!  bases      what FROM says
//!  steps      what the instructions of a stage say
//! ```

mod bases;
mod names;
mod rules;
mod settings;
mod steps;
#[cfg(test)]
mod tests;

use crate::Error;
use crate::arguments::Arguments;
use crate::dockerfile::{Dockerfile, Instruction, Step};
use crate::ignore::Ignore;
use images::Platform;
use settings::Settings;
use std::ops::RangeInclusive;

pub(crate) use bases::expand;
pub use rules::Rule;

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub rule: &'static Rule,
    pub detail: String,
    pub lines: RangeInclusive<usize>,
}

/// What is known of a base image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base {
    pub(crate) env: Vec<String>,
    pub(crate) has_shell: bool,
    /// What it is for; nothing for what the client gives instead of what the Dockerfile names.
    pub(crate) platform: Option<BasePlatform>,
}

/// What a base image is for, and what it is wanted for.
#[derive(Debug, Clone)]
pub(crate) struct BasePlatform {
    /// As FROM has it, without variables.
    pub(crate) name: String,
    pub(crate) found: Platform,
    pub(crate) wanted: Platform,
}

/// What a Dockerfile is checked for.
pub(crate) struct Asked<'a> {
    pub(crate) text: &'a str,
    pub(crate) dockerfile: &'a Dockerfile,
    /// Of the request, nothing declared yet.
    pub(crate) arguments: Arguments,
    /// The same as if the request gave none.
    pub(crate) defaults: Arguments,
    /// What the context leaves out.
    pub(crate) ignored: &'a Ignore,
    /// The stages that are looked into.
    pub(crate) wanted: &'a [bool],
    /// What each stage begins with, unless it is another stage; nothing for what is not known.
    pub(crate) bases: &'a [Option<Base>],
    /// Instead of what the Dockerfile says of its checks.
    pub(crate) settings: Option<&'a str>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Checked {
    pub warnings: Vec<Warning>,
    /// A warning ends the build.
    pub is_error: bool,
    /// What a stage cannot begin with, and where it says so: its steps, and those of others, were not looked at.
    pub failed: Option<(Error, RangeInclusive<usize>)>,
}

impl Checked {
    /// Why the build ends, if it does.
    pub fn failure(&self) -> Option<String> {
        let mut names: Vec<&str> = self.warnings.iter().map(|warning| warning.rule.name).collect();
        names.sort_unstable();
        names.dedup();
        (self.is_error && !names.is_empty()).then(|| format!("lint violation found for rules: {}", names.join(", ")))
    }
}

/// Where warnings are collected.
struct Found {
    settings: Settings,
    warnings: Vec<Warning>,
}

impl Found {
    fn tell(&mut self, rule: &'static Rule, lines: &RangeInclusive<usize>, detail: impl Into<String>) {
        if self.settings.wants(rule) {
            self.warnings.push(Warning { rule, detail: detail.into(), lines: lines.clone() });
        }
    }
}

/// Checks a Dockerfile. What is wrong with the settings is the error.
pub(crate) fn check(asked: &Asked<'_>) -> Result<Checked, String> {
    let directive = asked.dockerfile.directives.iter().find(|(name, ..)| name == "check");
    let text = asked.settings.or(directive.map(|(_, value, _)| value.as_str())).unwrap_or_default();
    let settings = Settings::parse(text).map_err(|reason| format!("failed to parse check options: {reason}"))?;
    let is_error = settings.is_error;
    let mut found = Found { settings, warnings: Vec::new() };
    names::check(asked, &mut found);
    let globals = bases::check(asked, &mut found);
    steps::check(asked, &globals, &mut found);
    Ok(Checked { warnings: found.warnings, is_error, failed: None })
}

/// Whether the checks of a Dockerfile look at what the context leaves out.
pub fn needs_ignored(text: &str) -> bool {
    let takes = |step: &Step| matches!(&step.instruction, Instruction::Copy(copy) if copy.from.is_none() && !copy.sources.is_empty());
    Dockerfile::parse(text).is_ok_and(|dockerfile| dockerfile.stages.iter().flat_map(|stage| &stage.steps).any(takes))
}
