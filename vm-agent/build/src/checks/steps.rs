//! What the instructions of a stage say, one after the other, with the variables that each sees.

use super::{Asked, Base, Found, rules};
use crate::arguments::{Arguments, Declared};
use crate::dockerfile::{Instruction, Stage, Step, Transfer};
use crate::sources::clean;
use containers::changes::{self, Budget, Change, Command, Used, Words, nearest, quoted_words};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Words of a name by which its value is likely to be a secret, and by which it is not.
const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
const PUBLIC: [&str; 3] = ["public", "file", "version"];

/// They steer a build, and are no variables.
const OF_BUILDS: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// A stage as far as it has come.
#[derive(Debug, Clone, Default)]
struct State {
    env: Vec<String>,
    /// Otherwise there may be other variables, and nothing that depends on one is told.
    base_known: bool,
    /// What ARG declared, set or not.
    declared: BTreeSet<String>,
    /// And with which value.
    arguments: Declared,
    /// Nothing when it is not known.
    has_shell: Option<bool>,
    has_directory: bool,
}

pub(super) fn check(asked: &Asked<'_>, globals: &Arguments, found: &mut Found) {
    let bases = globals.for_bases();
    let mut states: Vec<(Option<&str>, State)> = Vec::new();
    for (number, stage) in asked.dockerfile.stages.iter().enumerate() {
        let name = super::bases::expand(&stage.base, &bases, asked.dockerfile.escape).0.unwrap_or_default();
        let name = name.to_lowercase();
        let earlier = states.iter().rfind(|(earlier, _)| *earlier == Some(name.as_str()));
        let mut state = match (earlier, &asked.bases[number]) {
            (Some((_, state)), _) => state.clone(),
            (None, Some(Base { env, has_shell, .. })) => {
                State { env: env.clone(), base_known: true, has_shell: Some(*has_shell), ..State::default() }
            }
            (None, None) => State::default(),
        };
        // What is not looked into says nothing, but others may begin with it.
        let told = found.warnings.len();
        in_stage(asked, globals, stage, &mut state, found);
        if !asked.wanted[number] {
            found.warnings.truncate(told);
        }
        states.push((stage.name.as_deref(), state));
    }
}

fn in_stage(asked: &Asked<'_>, globals: &Arguments, stage: &Stage, state: &mut State, found: &mut Found) {
    let mut arguments = globals.clone();
    arguments.begin_stage(Some(&state.arguments));
    // Where the last one of each stands, of which there should be one.
    let mut once: [Option<RangeInclusive<usize>>; 3] = [None, None, None];
    for step in &stage.steps {
        let line = changes::Instruction::new(&step.text, asked.dockerfile.escape);
        let mut seen = Seen { escape: asked.dockerfile.escape, state, used: Used::default() };
        let words = seen.expand(step);
        undefined(step, &seen.used.unknown, seen.state, found);
        // Not if it comes out otherwise on a base that is not known yet.
        let words = (state.base_known || seen.used.unknown.is_empty()).then_some(words);
        match &step.instruction {
            Instruction::Arg(all) => {
                for argument in all {
                    secret("ARG", &argument.name, &step.lines, found);
                    let mut seen = Seen { escape: asked.dockerfile.escape, state, used: Used::default() };
                    let value = argument.value.as_ref().map(|value| seen.word(value));
                    let seen_all = seen.used.unknown.is_empty();
                    if !arguments.is_given(&argument.name) {
                        undefined(step, &seen.used.unknown, seen.state, found);
                    }
                    let is_known = state.base_known || seen_all || arguments.is_given(&argument.name);
                    let value = arguments.declare(&argument.name, value);
                    state.declared.insert(argument.name.clone());
                    if let Some(value) = value {
                        set(&mut state.env, &argument.name, Some(value).filter(|_| is_known).as_deref());
                    }
                }
            }
            Instruction::Copy(copy) if copy.from.is_none() => {
                ignored(copy, words.as_deref().unwrap_or_default(), step, asked, found);
            }
            Instruction::Shell(_) => state.has_shell = Some(true),
            Instruction::Change(change) => {
                let place = match change {
                    Change::Cmd(_) => Some(0),
                    Change::Entrypoint(_) => Some(1),
                    Change::Healthcheck(_) => Some(2),
                    _ => None,
                };
                if let Some(before) = place.and_then(|place| once[place].replace(step.lines.clone())) {
                    let words = format!(
                        "Multiple {} instructions should not be used in the same stage because only the last one will be used",
                        line.name
                    );
                    found.tell(&rules::MULTIPLE_INSTRUCTIONS, &before, words);
                }
                self::change(change, &line, words.as_deref(), step, state, found);
            }
            Instruction::Copy(_) | Instruction::Maintainer(_) | Instruction::Run(_) => {}
        }
    }
    state.arguments = arguments.declared().clone();
}

fn change(
    change: &Change,
    line: &changes::Instruction,
    words: Option<&[String]>,
    step: &Step,
    state: &mut State,
    found: &mut Found,
) {
    let name = &line.name;
    match change {
        Change::Cmd(Command::Line(_)) | Change::Entrypoint(Command::Line(_)) if state.has_shell == Some(false) => {
            let words =
                format!("JSON arguments recommended for {name} to prevent unintended behavior related to OS signals");
            found.tell(&rules::JSON_ARGS_RECOMMENDED, &step.lines, words);
        }
        Change::Env(_) | Change::Label(_) => {
            let is_legacy = quoted_words(&line.rest, line.escape).first().is_some_and(|word| !word.contains('='));
            if is_legacy {
                let words =
                    format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
                found.tell(&rules::LEGACY_KEY_VALUE, &step.lines, words);
            }
            if let Change::Env(pairs) = change {
                for (number, (name, _)) in pairs.iter().enumerate() {
                    let name = words.map_or(name, |words| &words[2 * number]);
                    secret("ENV", name, &step.lines, found);
                    set(&mut state.env, name, words.map(|words| words[2 * number + 1].as_str()));
                }
            }
        }
        Change::Workdir(_) => {
            let directory = words.and_then(<[String]>::first);
            if !std::mem::replace(&mut state.has_directory, true)
                && let Some(directory) = directory.filter(|directory| !directory.starts_with('/'))
            {
                let words =
                    format!("Relative workdir {directory:?} can have unexpected results if the base image changes");
                found.tell(&rules::WORKDIR_RELATIVE_PATH, &step.lines, words);
            }
        }
        Change::Expose(_) => {
            for port in words.into_iter().flatten().flat_map(|word| word.split_whitespace()) {
                expose(port, step, found);
            }
        }
        _ => {}
    }
}

/// Without a `value` it is not known.
fn set(env: &mut Vec<String>, name: &str, value: Option<&str>) {
    env.retain(|variable| variable.split('=').next() != Some(name));
    env.extend(value.map(|value| format!("{name}={value}")));
}

/// The variables that an instruction sees, and what it uses of them.
struct Seen<'a> {
    escape: char,
    state: &'a State,
    used: Used,
}

impl Seen<'_> {
    fn read(&mut self, word: &str, escape: char, is_text: bool) -> String {
        let budget = Budget::default();
        let (read, used) = Words::new(word, [&self.state.env, &[]], escape, &budget).traced(is_text);
        self.used.known.extend(used.known);
        self.used.unknown.extend(used.unknown);
        // What cannot be read ends the build, and says so there.
        read.unwrap_or_default()
    }

    fn word(&mut self, word: &str) -> String {
        self.read(word, self.escape, false)
    }

    /// The words of an instruction in which variables are substituted, by their order in it.
    fn expand(&mut self, step: &Step) -> Vec<String> {
        let words: Vec<&String> = match &step.instruction {
            Instruction::Copy(copy) => {
                for document in copy.documents.iter().filter(|document| document.expands) {
                    self.read(&document.content, '\\', true);
                }
                let options = [&copy.chown, &copy.chmod, &copy.checksum].into_iter().flatten();
                options.chain(&copy.sources).chain([&copy.destination]).chain(&copy.exclude).collect()
            }
            Instruction::Run(run) => run.mounts.iter().collect(),
            Instruction::Change(change) => match change {
                Change::Env(pairs) | Change::Label(pairs) => {
                    pairs.iter().flat_map(|(name, value)| [name, value]).collect()
                }
                Change::Expose(words) | Change::Volume(words) => words.iter().collect(),
                Change::StopSignal(word) | Change::User(word) | Change::Workdir(word) => vec![word],
                Change::Cmd(_) | Change::Entrypoint(_) | Change::Healthcheck(_) | Change::Onbuild(_) => Vec::new(),
            },
            Instruction::Arg(_) | Instruction::Maintainer(_) | Instruction::Shell(_) => Vec::new(),
        };
        words.into_iter().map(|word| self.word(word)).collect()
    }
}

fn undefined(step: &Step, unknown: &BTreeSet<String>, state: &State, found: &mut Found) {
    for name in unknown.iter().filter(|_| state.base_known) {
        if state.declared.contains(name) || OF_BUILDS.contains(&name.as_str()) {
            continue;
        }
        let near = nearest(name, state.env.iter().filter_map(|variable| variable.split('=').next()));
        let near = near.map(|near| format!(" (did you mean ${near}?)")).unwrap_or_default();
        found.tell(&rules::UNDEFINED_VAR, &step.lines, format!("Usage of undefined variable '${name}'{near}"));
    }
}

fn secret(instruction: &str, name: &str, lines: &RangeInclusive<usize>, found: &mut Found) {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    if has(&SECRET) && !has(&PUBLIC) {
        let words = format!("Do not use ARG or ENV instructions for sensitive data ({instruction} {name:?})");
        found.tell(&rules::SECRETS, lines, words);
    }
}

/// `words`: of the instruction, as [`Seen::expand`] has them.
fn ignored(copy: &Transfer, words: &[String], step: &Step, asked: &Asked<'_>, found: &mut Found) {
    // Of what is excepted from patterns too little is known.
    if asked.ignored.is_empty() || asked.ignored.excepts() {
        return;
    }
    let verb = if copy.adds { "Add" } else { "Copy" };
    let options = [&copy.chown, &copy.chmod, &copy.checksum].into_iter().flatten().count();
    for source in words.iter().skip(options).take(copy.sources.len()) {
        if ["http://", "https://"].iter().any(|scheme| source.starts_with(scheme)) {
            continue;
        }
        // The root is no path that could be left out.
        let Some(path) = clean(source).filter(|path| !path.is_empty()) else { continue };
        if !source.starts_with('/') && asked.ignored.matches(&path) {
            let words = format!("Attempting to {verb} file {path:?} that is excluded by .dockerignore");
            found.tell(&rules::COPY_IGNORED_FILE, &step.lines, words);
        }
    }
}

/// `[[address:]port:]port[/protocol]`
fn expose(port: &str, step: &Step, found: &mut Found) {
    let (ports, protocol) = port.split_once('/').unwrap_or((port, ""));
    if protocol != protocol.to_lowercase() {
        let words = format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
        found.tell(&rules::EXPOSE_PROTO_CASING, &step.lines, words);
    }
    if ports.contains(':') {
        let words = format!("EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'");
        found.tell(&rules::EXPOSE_INVALID_FORMAT, &step.lines, words);
    }
}
