//! What FROM says: images and platforms, with the arguments before the first stage.

use super::{Asked, BasePlatform, Found, rules};
use crate::arguments::Arguments;
use crate::dockerfile::{Instruction, Stage};
use containers::changes::{Budget, Used, Words, nearest};
use images::{Platform, Reference};

/// Answers the arguments as they are behind the declarations before the first stage.
pub(super) fn check(asked: &Asked<'_>, found: &mut Found) -> Arguments {
    let escape = asked.dockerfile.escape;
    if let Some(defaults) = declared(asked, asked.defaults.clone()) {
        let env = defaults.for_bases();
        for stage in &asked.dockerfile.stages {
            let (base, _) = expand(&stage.base, &env, escape);
            if base.is_none_or(|base| Reference::parse(&base).is_err()) {
                let words = format!("Default value for ARG {} results in empty or invalid base image name", stage.base);
                found.tell(&rules::INVALID_DEFAULT_ARG, &stage.lines, words);
            }
        }
    }
    let arguments = declared(asked, asked.arguments.clone()).unwrap_or_else(|| asked.arguments.clone());
    let env = arguments.for_bases();
    let mut known: Vec<String> =
        env.iter().filter_map(|variable| variable.split('=').next()).map(str::to_owned).collect();
    known.extend(asked.dockerfile.globals.iter().flat_map(|step| match &step.instruction {
        Instruction::Arg(arguments) => arguments.iter().map(|argument| argument.name.clone()).collect(),
        _ => Vec::new(),
    }));
    for (stage, base) in asked.dockerfile.stages.iter().zip(asked.bases) {
        if let Some(BasePlatform { name, found: is, wanted }) = base.as_ref().and_then(|base| base.platform.as_ref())
            && (&is.os, &is.architecture) != (&wanted.os, &wanted.architecture)
        {
            let (is, wanted) = (is.to_string(), wanted.to_string());
            let words =
                format!("Base image {name} was pulled with platform {is:?}, expected {wanted:?} for current build");
            found.tell(&rules::INVALID_PLATFORM, &stage.lines, words);
        }
    }
    for stage in &asked.dockerfile.stages {
        let (_, used) = expand(&stage.base, &env, escape);
        undeclared(stage, &used, &known, found);
        if let Some(platform) = &stage.platform {
            let (result, used) = expand(platform, &env, escape);
            undeclared(stage, &used, &known, found);
            self::platform(stage, platform, &result.unwrap_or_default(), &used, &env, found);
        }
    }
    arguments
}

/// With what stands before the first stage; nothing when it cannot be read.
fn declared(asked: &Asked<'_>, mut arguments: Arguments) -> Option<Arguments> {
    for step in &asked.dockerfile.globals {
        let Instruction::Arg(all) = &step.instruction else { continue };
        for argument in all {
            let env = arguments.for_bases();
            let value = match &argument.value {
                Some(value) => Some(expand(value, &env, asked.dockerfile.escape).0?),
                None => None,
            };
            arguments.declare_globally(&argument.name, value);
        }
    }
    Some(arguments)
}

/// A word with its variables substituted, if it can be read, and which it has.
pub(crate) fn expand(word: &str, env: &[String], escape: char) -> (Option<String>, Used) {
    let budget = Budget::default();
    let (read, used) = Words::new(word, [env, &[]], escape, &budget).traced(false);
    (read.ok(), used)
}

fn undeclared(stage: &Stage, used: &Used, known: &[String], found: &mut Found) {
    for name in used.unknown.iter().filter(|name| !known.contains(name)) {
        let near = nearest(name, known.iter().map(String::as_str));
        let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        let words = format!("FROM argument '{name}' is not declared{near}");
        found.tell(&rules::UNDEFINED_ARG_IN_FROM, &stage.lines, words);
    }
}

fn platform(stage: &Stage, written: &str, result: &str, used: &Used, env: &[String], found: &mut Found) {
    let is_target = used.unknown.is_empty() && used.known.iter().eq(["TARGETPLATFORM"]);
    if is_target && env.contains(&format!("TARGETPLATFORM={result}")) {
        let words =
            format!("Setting platform to predefined {written} in FROM is redundant as this is the default behavior");
        found.tell(&rules::REDUNDANT_TARGET_PLATFORM, &stage.lines, words);
    }
    if !used.known.is_empty() || !used.unknown.is_empty() {
        return;
    }
    let Ok(parsed) = Platform::parse(result) else { return };
    let name = stage.name.as_deref().unwrap_or_default();
    if !name.contains(&parsed.os) && !name.contains(&parsed.architecture) {
        let words = format!("FROM --platform flag should not use constant value {result:?}");
        found.tell(&rules::CONSTANT_PLATFORM, &stage.lines, words);
    }
}
