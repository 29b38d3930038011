//! What an instruction says, its variables not substituted yet.

use super::InvalidChange;
use super::lines::{self, Instruction, is_blank};
use engine_api::Healthcheck;

/// A command, as a list or as a line for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Words(Vec<String>),
    Line(Option<String>),
}

/// A change of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Cmd(Command),
    Entrypoint(Command),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Expose(Vec<String>),
    Healthcheck(Healthcheck),
    Onbuild(String),
    StopSignal(String),
    User(String),
    Volume(Vec<String>),
    Workdir(String),
}

impl Change {
    /// From an instruction, which must be one of those that change a configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with its arguments.
    pub fn new(instruction: &Instruction) -> Result<Change, InvalidChange> {
        let rest = &instruction.rest;
        let name = instruction.name.to_ascii_uppercase();
        Ok(match name.as_str() {
            "CMD" => {
                let command = command(rest)?;
                no_flags(instruction)?;
                Change::Cmd(command)
            }
            "ENTRYPOINT" => {
                let command = command(rest)?;
                no_flags(instruction)?;
                Change::Entrypoint(command)
            }
            "ENV" => Change::Env(pairs(instruction, "ENV")?),
            "LABEL" => Change::Label(pairs(instruction, "LABEL")?),
            "EXPOSE" => {
                let mut ports = blank_separated(rest);
                some(&ports, "EXPOSE")?;
                no_flags(instruction)?;
                ports.sort();
                Change::Expose(ports)
            }
            "HEALTHCHECK" => Change::Healthcheck(healthcheck(instruction)?),
            "ONBUILD" => Change::Onbuild(onbuild(instruction)?),
            // dockerd looks at no flag here.
            "STOPSIGNAL" => Change::StopSignal(one(rest, "STOPSIGNAL")?),
            "USER" => {
                let user = one(rest, "USER")?;
                no_flags(instruction)?;
                Change::User(user)
            }
            "VOLUME" => {
                let given = list(rest)?.unwrap_or_else(|| blank_separated(rest));
                some(&given, "VOLUME")?;
                no_flags(instruction)?;
                let volumes: Vec<String> = given.iter().map(|volume| volume.trim().to_owned()).collect();
                if volumes.iter().any(String::is_empty) {
                    return Err(InvalidChange::EmptyVolume);
                }
                Change::Volume(volumes)
            }
            "WORKDIR" => {
                let directory = one(rest, "WORKDIR")?;
                no_flags(instruction)?;
                Change::Workdir(directory)
            }
            _ => return Err(InvalidChange::NotAChange(instruction.name.clone())),
        })
    }
}

/// Refuses every flag.
///
/// # Errors
///
/// There is one.
pub fn no_flags(instruction: &Instruction) -> Result<(), InvalidChange> {
    read_flags(instruction, &mut [])
}

/// Fills the values of the flags that the instruction knows.
///
/// # Errors
///
/// One that it does not know, one twice, one without a value.
pub fn read_flags(
    instruction: &Instruction,
    known: &mut [(&'static str, Option<String>)],
) -> Result<(), InvalidChange> {
    for flag in &instruction.flags {
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag.as_str(), None),
        };
        let bare = name.trim_start_matches('-');
        let Some(at) = known.iter().position(|(known, _)| name.strip_prefix("--") == Some(known)) else {
            let suggestion = super::suggest(bare, known.iter().map(|(known, _)| *known));
            return Err(InvalidChange::UnknownFlag(name.to_owned(), suggestion));
        };
        let slot = &mut known[at].1;
        if slot.is_some() {
            return Err(InvalidChange::DuplicateFlag(name.to_owned()));
        }
        *slot = Some(value.ok_or_else(|| InvalidChange::FlagValue(name.to_owned()))?.to_owned());
    }
    Ok(())
}

fn some(arguments: &[String], name: &'static str) -> Result<(), InvalidChange> {
    if arguments.is_empty() { Err(InvalidChange::NoArgument(name)) } else { Ok(()) }
}

fn one(rest: &str, name: &'static str) -> Result<String, InvalidChange> {
    if rest.is_empty() { Err(InvalidChange::NotOneArgument(name)) } else { Ok(rest.to_owned()) }
}

/// Words parted by white space, quotes meaning nothing.
pub fn blank_separated(rest: &str) -> Vec<String> {
    rest.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A list in JSON, or nothing when the text is none.
///
/// # Errors
///
/// One of other things than texts.
pub fn list(rest: &str) -> Result<Option<Vec<String>>, InvalidChange> {
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(rest) else { return Ok(None) };
    let words = values.into_iter().map(|value| match value {
        serde_json::Value::String(word) => Ok(word),
        _ => Err(InvalidChange::NotStrings),
    });
    words.collect::<Result<Vec<_>, _>>().map(Some)
}

/// A command in either form; the line of an empty one is `None`.
///
/// # Errors
///
/// A list of other things than texts.
pub fn command(rest: &str) -> Result<Command, InvalidChange> {
    Ok(match list(rest)? {
        Some(words) => Command::Words(words),
        None => Command::Line((!rest.is_empty()).then(|| rest.to_owned())),
    })
}

/// `name=value …`, or the old `name the whole value`.
fn pairs(instruction: &Instruction, name: &'static str) -> Result<Vec<(String, String)>, InvalidChange> {
    let words = quoted_words(&instruction.rest, instruction.escape);
    let mut pairs = Vec::new();
    if let Some(first) = words.first() {
        if first.contains('=') {
            for word in words {
                match word.split_once('=') {
                    Some((key, value)) => pairs.push((key.to_owned(), value.to_owned())),
                    None => return Err(InvalidChange::NoEquals(word)),
                }
            }
        } else {
            let (key, value) = lines::split_word(&instruction.rest);
            if value.is_empty() {
                return Err(InvalidChange::NotTwoArguments(name));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    no_flags(instruction)?;
    if pairs.is_empty() {
        return Err(InvalidChange::NoArgument(name));
    }
    if pairs.iter().any(|(key, _)| key.is_empty()) {
        return Err(InvalidChange::BlankName(name));
    }
    Ok(pairs)
}

/// Words parted by white space outside of quotes; quotes and escapes stay for the substitution.
pub fn quoted_words(rest: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            // Nothing can be escaped between single quotes.
            _ if c == escape && quote != Some('\'') => {
                // At the end it escapes nothing, and is left out.
                if let Some(escaped) = characters.next() {
                    word.extend([c, escaped]);
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn onbuild(instruction: &Instruction) -> Result<String, InvalidChange> {
    let trigger = Instruction::new(&instruction.rest, instruction.escape);
    some(if instruction.rest.is_empty() { &[] } else { std::slice::from_ref(&trigger.name) }, "ONBUILD")?;
    no_flags(instruction)?;
    match trigger.name.to_uppercase().as_str() {
        "ONBUILD" => return Err(InvalidChange::ChainedTrigger),
        name @ ("MAINTAINER" | "FROM") => return Err(InvalidChange::Trigger(name.to_owned())),
        _ => {}
    }
    let whole = instruction.original.trim_start();
    let mut text = whole[instruction.name.len()..].trim_start().to_owned();
    for document in &instruction.documents {
        text.push('\n');
        text.push_str(&document.raw);
    }
    Ok(text)
}

fn healthcheck(instruction: &Instruction) -> Result<Healthcheck, InvalidChange> {
    let (kind, rest) = match instruction.rest.find(char::is_whitespace) {
        Some(end) => (&instruction.rest[..end], instruction.rest[end..].trim_start()),
        None => (instruction.rest.as_str(), ""),
    };
    if kind.is_empty() {
        return Err(InvalidChange::NoArgument("HEALTHCHECK"));
    }
    let command = command(rest)?;
    let kind = kind.to_uppercase();
    if kind == "NONE" {
        return match command {
            Command::Line(None) => Ok(Healthcheck { test: Some(vec![kind]), ..Healthcheck::default() }),
            Command::Words(words) if words.is_empty() => {
                Ok(Healthcheck { test: Some(vec![kind]), ..Healthcheck::default() })
            }
            Command::Words(_) | Command::Line(Some(_)) => Err(InvalidChange::NoneWithArguments),
        };
    }
    let mut flags = ["interval", "timeout", "start-period", "start-interval", "retries"].map(|name| (name, None));
    read_flags(instruction, &mut flags)?;
    if kind != "CMD" {
        return Err(InvalidChange::HealthType(kind));
    }
    let test = match command {
        Command::Words(words) if !words.is_empty() => [vec![kind], words].concat(),
        Command::Line(Some(line)) => vec!["CMD-SHELL".to_owned(), line],
        Command::Words(_) | Command::Line(None) => return Err(InvalidChange::NoHealthCommand),
    };
    let [interval, timeout, start_period, start_interval, (_, retries)] = flags;
    Ok(Healthcheck {
        test: Some(test),
        interval: nanoseconds(interval)?,
        timeout: nanoseconds(timeout)?,
        start_period: nanoseconds(start_period)?,
        start_interval: nanoseconds(start_interval)?,
        retries: match retries.filter(|retries| !retries.is_empty()) {
            None => 0,
            Some(text) => match text.parse::<i32>() {
                Ok(retries) if retries < 0 => return Err(InvalidChange::NegativeRetries(retries)),
                Ok(retries) => i64::from(retries),
                Err(_) => return Err(InvalidChange::Retries(text)),
            },
        },
    })
}

fn nanoseconds((name, value): (&'static str, Option<String>)) -> Result<i64, InvalidChange> {
    let Some(text) = value.filter(|text| !text.is_empty() && text != "0") else { return Ok(0) };
    let (negative, positive) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    match crate::logs::duration(positive) {
        None => Err(InvalidChange::Duration(text)),
        Some(0) => Ok(0),
        Some(nanoseconds) if negative || nanoseconds < 1_000_000 => Err(InvalidChange::ShortInterval(name)),
        Some(nanoseconds) => Ok(nanoseconds),
    }
}
