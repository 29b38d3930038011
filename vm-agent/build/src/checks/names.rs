//! How stages and instructions are written, and what comments say of them.

use super::{Asked, Found, rules};
use crate::dockerfile::{Dockerfile, Instruction, Stage, Step, comments};
use containers::changes::{self, blank_separated};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Names that have a meaning without any stage.
const RESERVED: [&str; 2] = ["context", "scratch"];

pub(super) fn check(asked: &Asked<'_>, found: &mut Found) {
    for line in &asked.dockerfile.gaps {
        found.tell(&rules::NO_EMPTY_CONTINUATION, &(*line..=*line), "Empty continuation line");
    }
    let lines = Lines { all: asked.text.lines().collect(), after: asked.dockerfile.directives_end() };
    for step in &asked.dockerfile.globals {
        described(step, &lines, found);
    }
    for stage in &asked.dockerfile.stages {
        from(stage, asked.dockerfile, &lines, found);
        for step in &stage.steps {
            if matches!(step.instruction, Instruction::Maintainer(_)) {
                let words = "Maintainer instruction is deprecated in favor of using label";
                found.tell(&rules::MAINTAINER_DEPRECATED, &step.lines, words);
            }
            described(step, &lines, found);
        }
    }
    let mut names = HashSet::new();
    for stage in &asked.dockerfile.stages {
        let Some(name) = stage.name.as_deref() else { continue };
        if RESERVED.contains(&name) {
            let words = format!("Stage name should not use the same name as reserved stage {name:?}");
            found.tell(&rules::RESERVED_STAGE_NAME, &stage.lines, words);
        }
        if !names.insert(name) {
            let words = format!("Duplicate stage name {name:?}, stage names should be unique");
            found.tell(&rules::DUPLICATE_STAGE_NAME, &stage.lines, words);
        }
    }
    casing(asked.dockerfile, found);
}

/// Of the Dockerfile.
struct Lines<'a> {
    all: Vec<&'a str>,
    /// How many are directives.
    after: usize,
}

/// The first word of an instruction.
fn name(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn from(stage: &Stage, dockerfile: &Dockerfile, lines: &Lines<'_>, found: &mut Found) {
    let line = changes::Instruction::new(&stage.text, dockerfile.escape);
    if let [_, r#as, named] = &blank_separated(&line.rest)[..] {
        if *named != named.to_lowercase() {
            let words = format!("Stage name '{named}' should be lowercase");
            found.tell(&rules::STAGE_NAME_CASING, &stage.lines, words);
        }
        let command = &line.name;
        let is_lower = *command == command.to_lowercase();
        let is_consistent = is_lower || *command == command.to_uppercase();
        let expected = if is_lower { r#as.to_lowercase() } else { r#as.to_uppercase() };
        if is_consistent && *r#as != expected {
            let words = format!("'{as}' and '{command}' keywords' casing do not match", as = r#as);
            found.tell(&rules::FROM_AS_CASING, &stage.lines, words);
        }
    }
    if let Some(name) = &stage.name {
        description("FROM", &[name], &stage.lines, lines, found);
    }
}

fn described(step: &Step, lines: &Lines<'_>, found: &mut Found) {
    if let Instruction::Arg(arguments) = &step.instruction {
        let names: Vec<&str> = arguments.iter().map(|argument| argument.name.as_str()).collect();
        description("ARG", &names, &step.lines, lines, found);
    }
}

/// A comment right before it has to begin with its name.
fn description(instruction: &str, names: &[&str], at: &RangeInclusive<usize>, lines: &Lines<'_>, found: &mut Found) {
    let comments = comments(&lines.all, lines.after, *at.start());
    let Some(last) = comments.last() else { return };
    if names.contains(&last.split(' ').next().unwrap_or_default()) {
        return;
    }
    let name = match names {
        [one] => one,
        _ => "<arg_key>",
    };
    let words = format!("Comment for {instruction} should follow the format: `# {name} <description>`");
    found.tell(&rules::INVALID_DESCRIPTION, at, words);
}

fn casing(dockerfile: &Dockerfile, found: &mut Found) {
    let all: Vec<(&str, &RangeInclusive<usize>)> = dockerfile
        .stages
        .iter()
        .flat_map(|stage| {
            let steps = stage.steps.iter().map(|step| (name(&step.text), &step.lines));
            std::iter::once((name(&stage.text), &stage.lines)).chain(steps)
        })
        .collect();
    let is_lower = |name: &str| name == name.to_lowercase();
    let is_upper = |name: &str| name == name.to_uppercase();
    let lower = all.iter().filter(|(name, _)| is_lower(name)).count();
    let upper = all.iter().filter(|(name, _)| is_upper(name)).count();
    let (is_right, wanted): (&dyn Fn(&str) -> bool, _) =
        if lower > upper { (&is_lower, "lowercase") } else { (&is_upper, "uppercase") };
    for (name, lines) in all.into_iter().filter(|(name, _)| !is_right(name)) {
        let words = format!("Command '{name}' should match the case of the command majority ({wanted})");
        found.tell(&rules::CONSISTENT_INSTRUCTION_CASING, lines, words);
    }
}
