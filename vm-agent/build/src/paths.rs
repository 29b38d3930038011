//! Which paths of its context a Dockerfile takes, before anything is carried out. Pure.
//!
//! A guess, where variables are the base image's or its ONBUILD takes more: whoever comes to a step knows what that takes, and asks for all of
//! the context if it was guessed wrong.

use crate::arguments::{Arguments, Declared};
use crate::copy::is_remote;
use crate::dockerfile::{Dockerfile, Instruction, Run, Stage, Step, Transfer};
use crate::plan::{named, needed, triggers};
use crate::solve::arguments;
use crate::sources::clean;
use crate::{Request, checks, mounts};
use containers::changes::Change;
use std::collections::BTreeSet;

/// All of the context.
const ALL: &str = "";

/// What a build of a Dockerfile takes of its context: paths from its root, which may have wildcards. `None`: all of it.
pub fn context_paths(text: &str, request: &Request) -> Option<BTreeSet<String>> {
    let mut dockerfile = Dockerfile::parse(text).ok()?;
    if !request.target.is_empty() {
        dockerfile = dockerfile.up_to(&request.target).ok()?;
    }
    let escape = dockerfile.escape;
    let mut known = arguments(request, request.arguments.clone(), true);
    for step in &dockerfile.globals {
        let Instruction::Arg(all) = &step.instruction else { continue };
        for argument in all {
            let env = known.for_bases();
            let value = argument.value.as_ref().and_then(|value| checks::expand(value, &env, escape).0);
            known.declare_globally(&argument.name, value);
        }
    }
    let env = known.for_bases();
    let base_of = |stage: &Stage| checks::expand(&stage.base, &env, escape).0;
    let wanted = needed(&dockerfile, |base| checks::expand(base, &env, escape).0);
    let mut states: Vec<State> = Vec::new();
    let mut paths = BTreeSet::new();
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        let beneath = base_of(stage).and_then(|base| named(&dockerfile.stages[..number], &base));
        let mut state = beneath.map(|at| states[at].clone()).unwrap_or_default();
        if wanted.as_ref().is_none_or(|wanted| wanted[number]) {
            known.begin_stage(Some(&state.declared));
            let inherited = beneath.map(|at| triggers(&dockerfile.stages[at])).unwrap_or_default();
            for step in inherited.iter().chain(&stage.steps) {
                state.step(step, &mut known, escape, &mut paths);
            }
            state.declared = known.declared().clone();
        }
        states.push(state);
    }
    Some(paths).filter(|paths| !paths.contains(ALL))
}

/// A stage as far as it has come.
#[derive(Debug, Clone, Default)]
struct State {
    env: Vec<String>,
    declared: Declared,
}

impl State {
    fn step(&mut self, step: &Step, known: &mut Arguments, escape: char, paths: &mut BTreeSet<String>) {
        let arguments = known.for_steps(&self.env);
        let own = self.env.iter().filter(|variable| !known.hides(variable)).cloned();
        let env: Vec<String> = own.chain(arguments).collect();
        let expand = |word: &str| checks::expand(word, &env, escape).0.unwrap_or_default();
        match &step.instruction {
            Instruction::Arg(all) => {
                for argument in all {
                    known.declare(&argument.name, argument.value.as_ref().map(|value| expand(value)));
                }
            }
            Instruction::Change(Change::Env(pairs)) => {
                for (name, value) in pairs.iter().map(|(name, value)| (expand(name), expand(value))) {
                    self.env.retain(|variable| variable.split('=').next() != Some(name.as_str()));
                    self.env.push(format!("{name}={value}"));
                    known.set([name.as_str()].into_iter());
                }
            }
            Instruction::Copy(transfer) => paths.extend(of_transfer(transfer, expand)),
            Instruction::Run(run) => paths.extend(of_run(run, expand)),
            _ => {}
        }
    }
}

/// What a COPY or an ADD takes of the context.
pub(crate) fn of_transfer(transfer: &Transfer, expand: impl Fn(&str) -> String) -> Vec<String> {
    if transfer.from.is_some() {
        return Vec::new();
    }
    let words = transfer.sources.iter().map(|word| expand(word));
    words.filter(|word| !transfer.adds || !is_remote(word)).map(|word| of_word(&word)).collect()
}

/// What one word of them takes.
pub(crate) fn of_word(word: &str) -> String {
    let path = clean(&format!("/{word}")).unwrap_or_default();
    // Clients take these for an exception, and for the same without blanks.
    let is_other = path.starts_with('!') || path.trim() != path;
    if is_other { ALL.to_owned() } else { path }
}

/// What the mounts of a RUN take of the context.
pub(crate) fn of_run(run: &Run, expand: impl Fn(&str) -> String) -> Vec<String> {
    let mounts = run.mounts.iter().filter_map(|text| mounts::parse(text, |word| Ok(expand(word))).ok());
    mounts.filter_map(|mount| mount.source_in_context().map(of_mount)).collect()
}

/// What a mount of such a source takes.
pub(crate) fn of_mount(source: &str) -> String {
    // Clients take it for a pattern, which it is not.
    if source.contains(['*', '?', '[', '\\']) { ALL.to_owned() } else { of_word(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, target: &str) -> Option<Vec<String>> {
        let arguments = [("GIVEN".to_owned(), Some("given".to_owned()))].into();
        let request = Request { target: target.to_owned(), arguments, ..Request::default() };
        context_paths(text, &request).map(|paths| paths.into_iter().collect())
    }

    #[test]
    fn what_steps_name_is_taken() {
        for (text, expect) in [
            ("FROM a\nRUN b\n", Some(vec![])),
            ("FROM a\nCOPY b ./c/../d/ /e/*.txt /f/\n", Some(vec!["b", "d", "e/*.txt"])),
            ("FROM a\nCOPY ../b /c\n", Some(vec!["b"])),
            ("FROM a\nCOPY . /b\n", None),
            ("FROM a\nCOPY b/.. /b\n", None),
            ("FROM a\nADD https://x/y git@x:y z /b/\n", Some(vec!["z"])),
            ("FROM a\nCOPY <<E /b\nc\nE\n", Some(vec![])),
            ("FROM a\nCOPY --parents b/./c/*/d /e/\n", Some(vec!["b/c/*/d"])),
            ("FROM a\nRUN --mount=target=/b,source=c d\n", Some(vec!["c"])),
            ("FROM a\nRUN --mount=target=/b c\n", None),
            ("FROM a\nRUN --mount=target=/b,source=[c] d\n", None),
            ("FROM a\nRUN --mount=type=cache,target=/b --mount=from=x,target=/c d\n", Some(vec![])),
            ("FROM a\nRUN --mount=target=/b,source=c,from=x d\nCOPY --from=y e f\n", Some(vec![])),
            ("FROM a\nCOPY !b /c\n", None),
            ("FROM a\nCOPY [\"b \", \"/c\"]\n", None),
            ("no Dockerfile\n", None),
        ] {
            let expect = expect.map(|paths: Vec<&str>| paths.into_iter().map(str::to_owned).collect());
            assert_eq!(of(text, ""), expect, "{text}");
        }
    }

    #[test]
    fn variables_and_stages_count() {
        let text = "ARG V=one\nFROM a AS b\nARG V\nENV W=$V-w\nONBUILD COPY on-$W /x\nCOPY $W /x\n\
            FROM a AS unused\nCOPY unused /x\nFROM b AS last\nARG GIVEN=other\nARG L=$GIVEN\nCOPY $L $W$V /x/\n";
        assert_eq!(of(text, "").expect("some"), ["given", "on-one-w", "one-w", "one-wone"]);
        assert_eq!(of(text, "b").expect("some"), ["one-w"]);
        assert_eq!(of("FROM a\nCOPY $OF_THE_BASE /x\n", ""), None, "it may be anything");
        assert_eq!(of("FROM a\nCOPY ${ /x\n", ""), None);
    }
}
