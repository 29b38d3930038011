//! What a Dockerfile takes: the targets that it has, and the arguments and secrets of one of them. Pure.

use crate::arguments::{Arguments, Declared};
use crate::dockerfile::{Argument, Dockerfile, Instruction, Invalid, Stage, Step, comments};
use crate::plan::{named, needed};
use crate::solve::arguments;
use crate::{Request, checks};
use containers::changes::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// A stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    pub description: String,
    /// It is built when no target is named.
    pub is_default: bool,
    pub base: String,
    pub platform: String,
    pub lines: RangeInclusive<usize>,
}

/// What one target takes, each in the order of its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    pub name: String,
    pub description: String,
    pub arguments: Vec<Taken>,
    pub secrets: Vec<Needed>,
    pub ssh: Vec<Needed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub name: String,
    pub description: String,
    pub value: String,
    pub lines: RangeInclusive<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    pub name: String,
    pub required: bool,
    pub lines: RangeInclusive<usize>,
}

/// Of a Dockerfile.
struct Lines<'a> {
    all: Vec<&'a str>,
    /// How many are directives.
    after: usize,
}

/// What a comment right before something says of it.
fn description(lines: &Lines<'_>, at: usize, name: &str) -> String {
    let of = |comment: &str| comment.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
    let comments = comments(&lines.all, lines.after, at);
    comments.into_iter().filter(|_| !name.is_empty()).find_map(of).unwrap_or_default()
}

/// The stages of a Dockerfile.
///
/// # Errors
///
/// What is wrong with it.
pub fn targets(text: &str) -> Result<Vec<Target>, Invalid> {
    let dockerfile = Dockerfile::parse(text)?;
    let lines = Lines { all: text.lines().collect(), after: dockerfile.directives_end() };
    let last = dockerfile.stages.len() - 1;
    let targets = dockerfile.stages.into_iter().enumerate().map(|(number, stage)| {
        let name = stage.name.unwrap_or_default();
        Target {
            description: description(&lines, *stage.lines.start(), &name),
            name,
            is_default: number == last,
            base: stage.base,
            platform: stage.platform.unwrap_or_default(),
            lines: stage.lines,
        }
    });
    Ok(targets.collect())
}

/// What the target of a request takes.
///
/// # Errors
///
/// What is wrong with the Dockerfile.
pub fn outline(text: &str, request: &Request) -> Result<Outline, Invalid> {
    let mut dockerfile = Dockerfile::parse(text)?;
    if !request.target.is_empty() {
        dockerfile = dockerfile.up_to(&request.target)?;
    }
    let lines = Lines { all: text.lines().collect(), after: dockerfile.directives_end() };
    let escape = dockerfile.escape;
    let mut known = arguments(request, request.arguments.clone(), true);
    // Of those before the first stage: each with what its value is made of.
    let mut globals: Vec<(Taken, BTreeSet<String>)> = Vec::new();
    for (step, argument) in declared(&dockerfile.globals) {
        let env = known.for_bases();
        let value = argument.value.as_ref().map(|value| checks::expand(value, &env, escape));
        let (value, used) = value.map_or((None, BTreeSet::new()), |(value, used)| (value, used.known));
        let used = if known.is_given(&argument.name) { BTreeSet::new() } else { used };
        known.declare_globally(&argument.name, value);
        let value = known.global(&argument.name).cloned().unwrap_or_default();
        globals.retain(|(global, _)| global.name != argument.name);
        globals.push((taken(&lines, step, &argument.name, value), used));
    }
    let env = known.for_bases();
    let wanted = needed(&dockerfile, |base| checks::expand(base, &env, escape).0);
    let is_wanted = |number: usize| wanted.as_ref().is_none_or(|wanted| wanted[number]);
    let mut outline = Outline::default();
    let mut used = BTreeSet::new();
    let mut states: Vec<State> = Vec::new();
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        let base = checks::expand(&stage.base, &env, escape).0.unwrap_or_default();
        let mut state = named(&dockerfile.stages[..number], &base).map(|at| states[at].clone()).unwrap_or_default();
        if !is_wanted(number) {
            states.push(state);
            continue;
        }
        for word in [Some(&stage.base), stage.platform.as_ref()].into_iter().flatten() {
            used.extend(checks::expand(word, &env, escape).1.known);
        }
        known.begin_stage(Some(&state.declared));
        state.walk(stage, &lines, &mut known, escape);
        states.push(state);
        needs(stage, &mut outline);
    }
    // Those of the target count, which has those of its base, then those of what it takes from.
    let mut told = BTreeSet::new();
    for (name, taken) in states.into_iter().rev().flat_map(|state| state.taken) {
        if told.insert(name.clone()) {
            match taken {
                Some(taken) => outline.arguments.push(taken),
                None => drop(used.insert(name)),
            }
        }
    }
    // What is used has what it is made of with it.
    for (global, parts) in globals.into_iter().rev() {
        if used.contains(&global.name) && !outline.arguments.iter().any(|taken| taken.name == global.name) {
            used.extend(parts);
            outline.arguments.push(global);
        }
    }
    outline.arguments.sort_by_key(|taken| *taken.lines.start());
    if let Some(stage) = dockerfile.stages.last() {
        outline.name = stage.name.clone().unwrap_or_default();
        outline.description = description(&lines, *stage.lines.start(), &outline.name);
    }
    Ok(outline)
}

fn declared(steps: &[Step]) -> impl Iterator<Item = (&Step, &Argument)> {
    steps.iter().flat_map(|step| match &step.instruction {
        Instruction::Arg(all) => all.iter().map(|argument| (step, argument)).collect(),
        _ => Vec::new(),
    })
}

fn taken(lines: &Lines<'_>, step: &Step, name: &str, value: String) -> Taken {
    let description = description(lines, *step.lines.start(), name);
    Taken { name: name.to_owned(), description, value, lines: step.lines.clone() }
}

/// A stage as far as it has come: what the stages on top of it begin with.
#[derive(Debug, Clone, Default)]
struct State {
    env: Vec<String>,
    declared: Declared,
    /// By name; nothing for what is from before the first stage, and is told of there.
    taken: BTreeMap<String, Option<Taken>>,
}

impl State {
    fn walk(&mut self, stage: &Stage, lines: &Lines<'_>, known: &mut Arguments, escape: char) {
        for step in &stage.steps {
            let arguments = known.for_steps(&self.env);
            let own = self.env.iter().filter(|variable| !known.hides(variable)).cloned();
            let mut env: Vec<String> = own.chain(arguments).collect();
            match &step.instruction {
                Instruction::Arg(all) => {
                    for argument in all {
                        let name = &argument.name;
                        let value = argument.value.as_ref().and_then(|value| checks::expand(value, &env, escape).0);
                        let is_inherited = argument.value.is_none() && !known.is_given(name);
                        let value = known.declare(name, value);
                        if let Some(value) = &value {
                            set(&mut env, name, value);
                        }
                        if !is_inherited || value.is_none() {
                            let taken = taken(lines, step, name, value.unwrap_or_default());
                            self.taken.insert(name.clone(), Some(taken));
                        } else if known.global(name).is_some() {
                            self.taken.entry(name.clone()).or_default();
                        }
                    }
                }
                Instruction::Change(Change::Env(pairs)) => {
                    let expand = |word: &str| checks::expand(word, &env, escape).0.unwrap_or_default();
                    for (name, value) in pairs.iter().map(|(name, value)| (expand(name), expand(value))) {
                        set(&mut self.env, &name, &value);
                        known.set([name.as_str()].into_iter());
                    }
                }
                _ => {}
            }
        }
        self.declared = known.declared().clone();
    }
}

fn set(env: &mut Vec<String>, name: &str, value: &str) {
    env.retain(|variable| variable.split('=').next() != Some(name));
    env.push(format!("{name}={value}"));
}

/// What the commands of a stage cannot do without.
fn needs(stage: &Stage, outline: &mut Outline) {
    for step in &stage.steps {
        let Instruction::Run(run) = &step.instruction else { continue };
        for mount in &run.mounts {
            let value = |key: &str| {
                let fields = mount.split(',').map(|field| field.split_once('=').unwrap_or((field, "true")));
                fields.filter(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value).next()
            };
            let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            let target = ["target", "dst", "destination"].into_iter().find_map(value).map(last);
            let (list, name) = match value("type") {
                Some("secret") => {
                    let id = ["id", "source", "src"].into_iter().find_map(value).map(str::to_owned);
                    (&mut outline.secrets, id.or(target))
                }
                Some("ssh") => (&mut outline.ssh, Some(value("id").unwrap_or("default").to_owned())),
                _ => continue,
            };
            let Some(name) = name.filter(|name| !list.iter().any(|needed| needed.name == *name)) else { continue };
            let required = value("required").is_some_and(|text| matches!(text, "true" | "1"));
            list.push(Needed { name, required, lines: step.lines.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ARG OS=x\n# V of it\nARG V=$OS-1\nARG NOT=y\n# base is below\nFROM a:$V AS base\nARG IN\n\
        # rest is unused\nFROM b AS rest\nARG OUT\nFROM base\n# V again\nARG V\nARG Z=$V\n\
        RUN --mount=type=secret,id=s,required --mount=type=ssh --mount=type=secret,target=/d/t --mount=type=secret,id=s c\n";

    #[test]
    fn all_targets_are_listed() {
        let all = targets(TEXT).expect("valid");
        let shown: Vec<_> = all.iter().map(|t| (t.name.as_str(), t.description.as_str(), t.is_default)).collect();
        assert_eq!(shown, [("base", "is below", false), ("rest", "is unused", false), ("", "", true)]);
        assert_eq!((all[0].base.as_str(), *all[0].lines.start()), ("a:$V", 6));
    }

    #[test]
    fn what_a_target_takes_is_told() {
        let told = outline(TEXT, &Request::default()).expect("valid");
        let arguments: Vec<_> =
            told.arguments.iter().map(|t| (t.name.as_str(), t.value.as_str(), t.description.as_str())).collect();
        assert_eq!(arguments, [("OS", "x", ""), ("V", "x-1", "of it"), ("IN", "", ""), ("Z", "x-1", "")]);
        let secrets: Vec<_> = told.secrets.iter().map(|s| (s.name.as_str(), s.required)).collect();
        assert_eq!(secrets, [("s", true), ("t", false)]);
        assert_eq!(told.ssh.len(), 1);
        let given = [("V".to_owned(), Some("7".to_owned()))];
        let request = Request { target: "rest".to_owned(), arguments: given.into(), ..Request::default() };
        let told = outline(TEXT, &request).expect("valid");
        assert_eq!((told.name.as_str(), told.description.as_str()), ("rest", "is unused"));
        assert_eq!(told.arguments.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["OUT"]);
        assert!(outline(TEXT, &Request { target: "none".to_owned(), ..Request::default() }).is_err());
    }

    #[test]
    fn stages_go_on_with_what_is_beneath() {
        for (text, expect) in [
            ("FROM a AS b\nARG V=1\nFROM b\nARG V=2\n", vec![("V", "2", 4)]),
            ("FROM a\nARG V=1\nARG V=2\n", vec![("V", "2", 3)]),
            ("FROM a AS b\nARG IN=x\nFROM b\nARG Z=$IN\n", vec![("IN", "x", 2), ("Z", "x", 4)]),
            ("FROM a AS b\nENV A=1\nFROM b\nARG B=$A\n", vec![("B", "1", 4)]),
            ("FROM a\nARG A=1\nENV A=2\nARG A\nARG B=$A\n", vec![("A", "", 4), ("B", "2", 5)]),
            ("FROM a AS b\nARG V=1\nFROM a\nARG V=2\nCOPY --from=b c d\n", vec![("V", "2", 4)]),
            ("ARG V=0\nFROM a AS b\nARG V=1\nFROM a\nARG V\nCOPY --from=b c d\n", vec![("V", "0", 1)]),
            ("FROM a\nARG TARGETARCH\n", vec![]),
        ] {
            let told = outline(text, &Request::default()).expect(text);
            let told: Vec<_> =
                told.arguments.iter().map(|t| (t.name.as_str(), t.value.as_str(), *t.lines.start())).collect();
            assert_eq!(told, expect, "{text}");
        }
    }
}
