//! Dockerfiles as data: stages, and what each of their instructions says. Pure.
//!
//! The grammar of lines, words and of instructions that change a configuration is `containers`' (`docker commit --change` takes
//! those too); this adds FROM, RUN, COPY, ADD, ARG, SHELL and MAINTAINER, and the order in which they may stand.

mod error;
mod instruction;

use containers::changes::{self, Instruction as Line, InvalidChange};
use std::ops::RangeInclusive;

pub use error::{Invalid, Reason};
pub use instruction::{Argument, Instruction, Run, Transfer};

/// A Dockerfile.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// What escapes a character in its words.
    pub escape: char,
    /// `# syntax=…` and the like: name, value, line.
    pub directives: Vec<(String, String, usize)>,
    /// Last lines of instructions that go on across empty lines.
    pub gaps: Vec<usize>,
    /// The ARGs before the first stage.
    pub globals: Vec<Step>,
    /// At least one.
    pub stages: Vec<Stage>,
}

/// From one FROM to the next.
#[derive(Debug, Clone)]
pub struct Stage {
    /// An image, an earlier stage, or `scratch`; with variables.
    pub base: String,
    pub platform: Option<String>,
    /// In lower case.
    pub name: Option<String>,
    /// The FROM as written.
    pub text: String,
    pub lines: RangeInclusive<usize>,
    pub steps: Vec<Step>,
}

/// One instruction, where and as it was written.
#[derive(Debug, Clone)]
pub struct Step {
    pub instruction: Instruction,
    pub text: String,
    pub lines: RangeInclusive<usize>,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    ///
    /// The first mistake in it.
    pub fn parse(text: &str) -> Result<Dockerfile, Invalid> {
        let parsed = changes::parse(text).map_err(|error| {
            let lines = match error {
                InvalidChange::UnendedDocument(from) => Some(from..=text.lines().count().max(from)),
                _ => None,
            };
            Invalid { lines, ..Reason::from(error).into() }
        })?;
        let (mut globals, mut stages) = (Vec::new(), Vec::<Stage>::new());
        let mut stray = None;
        for line in &parsed.instructions {
            let failed = |reason: Reason| reason.on(line.lines.clone());
            let text = line.original.trim().to_owned();
            if line.name.eq_ignore_ascii_case("FROM") {
                let instruction::From { base, name, platform } = instruction::From::new(line).map_err(failed)?;
                let lines = line.lines.clone();
                stages.push(Stage { base, platform, name, text, lines, steps: Vec::new() });
                continue;
            }
            let step = Step { instruction: Instruction::new(line).map_err(failed)?, text, lines: line.lines.clone() };
            match (stages.last_mut(), &step.instruction) {
                (Some(stage), _) => stage.steps.push(step),
                (None, Instruction::Arg(_)) => globals.push(step),
                // Of a text that has other mistakes, these are told.
                (None, _) => stray = stray.or(Some(line.lines.clone())),
            }
        }
        if stray.is_some() || stages.is_empty() {
            return Err(Invalid { reason: Reason::NoStage, lines: stray });
        }
        let changes::Parsed { escape, directives, gaps, .. } = parsed;
        Ok(Dockerfile { escape, directives, gaps, globals, stages })
    }

    /// Leaves out what comes after the stage of that name.
    ///
    /// # Errors
    ///
    /// No stage has that name. Of several the last one is meant.
    pub fn up_to(mut self, target: &str) -> Result<Dockerfile, Invalid> {
        let name = target.to_lowercase();
        let found = self.stages.iter().rposition(|stage| stage.name.as_deref() == Some(name.as_str()));
        let at = found.ok_or_else(|| {
            let names = self.stages.iter().filter_map(|stage| stage.name.as_deref());
            Reason::NoTarget { name: target.to_owned(), suggestion: changes::suggest(target, names) }
        })?;
        self.stages.truncate(at + 1);
        Ok(self)
    }

    /// How many steps a build of it has.
    pub fn length(&self) -> usize {
        self.globals.len() + self.stages.iter().map(|stage| 1 + stage.steps.len()).sum::<usize>()
    }
}

impl Dockerfile {
    /// How many lines the directives take.
    pub(crate) fn directives_end(&self) -> usize {
        self.directives.iter().map(|(.., line)| *line).max().unwrap_or_default()
    }
}

/// The comments right before a line of a text, which is counted from one, without their marks; of those behind the line `after`.
pub(crate) fn comments<'a>(lines: &[&'a str], after: usize, at: usize) -> Vec<&'a str> {
    let before = lines.get(after..at.saturating_sub(1)).unwrap_or_default();
    let comments = before.iter().rev().map_while(|line| line.trim_start().strip_prefix('#').map(str::trim));
    let mut comments: Vec<&str> = comments.collect();
    comments.reverse();
    comments
}

/// A trigger that an image has for the builds on top of it.
///
/// # Errors
///
/// What is wrong with it.
pub fn trigger(text: &str) -> Result<Step, Invalid> {
    let parsed = changes::parse(text).map_err(Reason::from)?;
    let line: &Line = parsed.instructions.first().ok_or(Reason::NoStage)?;
    let failed = |reason: Reason| reason.on(line.lines.clone());
    Ok(Step {
        instruction: Instruction::new(line).map_err(failed)?,
        text: line.original.trim().to_owned(),
        lines: line.lines.clone(),
    })
}

#[cfg(test)]
mod tests;
