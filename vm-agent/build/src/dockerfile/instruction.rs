//! What an instruction says, its variables not substituted yet.

use super::error::Reason;
use containers::changes::{
    self, Change, Command, Document, Instruction as Line, InvalidChange, announced, quoted_words, read_flags,
};

/// All that can stand in a Dockerfile, in the order in which a misspelt one is compared with them.
pub(super) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    Arg(Vec<Argument>),
    Copy(Transfer),
    Maintainer(String),
    Run(Run),
    Shell(Vec<String>),
    /// One that only changes the image's configuration.
    Change(Change),
}

/// `name[=value]` of ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub value: Option<String>,
}

/// COPY or ADD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// ADD: URLs are downloaded, and archives unpacked.
    pub adds: bool,
    pub sources: Vec<String>,
    /// Here-documents among the sources: each is a file of that name.
    pub documents: Vec<Document>,
    pub destination: String,
    /// Another stage or an image instead of the context.
    pub from: Option<String>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub link: bool,
    pub parents: bool,
    pub exclude: Vec<String>,
    pub checksum: Option<String>,
    /// Of what is fetched from repositories, where it is said.
    pub keep_git_dir: Option<bool>,
    pub unpack: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub command: Command,
    pub documents: Vec<Document>,
    /// Each as written: `type=cache,target=/x`.
    pub mounts: Vec<String>,
    pub network: Option<String>,
    pub security: Option<String>,
    pub devices: Vec<String>,
}

/// FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct From {
    pub(super) base: String,
    pub(super) name: Option<String>,
    pub(super) platform: Option<String>,
}

impl Instruction {
    pub(super) fn new(line: &Line) -> Result<Instruction, Reason> {
        Ok(match line.name.to_ascii_uppercase().as_str() {
            "ARG" => Instruction::Arg(arguments(line)?),
            "COPY" => Instruction::Copy(transfer(line, "COPY")?),
            "ADD" => Instruction::Copy(transfer(line, "ADD")?),
            "MAINTAINER" => {
                if line.rest.is_empty() {
                    return Err(Reason::NotOneArgument("MAINTAINER"));
                }
                changes::no_flags(line)?;
                Instruction::Maintainer(line.rest.clone())
            }
            "RUN" => Instruction::Run(run(line)?),
            "SHELL" => {
                let words = changes::list(&line.rest)?;
                changes::no_flags(line)?;
                match words {
                    None => return Err(Reason::NotJson),
                    Some(words) if words.is_empty() => return Err(Reason::NoArgument("SHELL")),
                    Some(words) => Instruction::Shell(words),
                }
            }
            name if NAMES.contains(&name) => Instruction::Change(Change::new(line)?),
            _ => {
                let suggestion = changes::suggest(&line.name, NAMES);
                return Err(Reason::Unknown { name: line.name.clone(), suggestion });
            }
        })
    }
}

impl From {
    pub(super) fn new(line: &Line) -> Result<From, Reason> {
        let words = changes::blank_separated(&line.rest);
        let (base, name) = match &words[..] {
            [base] => (base.clone(), None),
            [base, r#as, name] if r#as.eq_ignore_ascii_case("as") => (base.clone(), Some(name.to_lowercase())),
            _ => return Err(Reason::From),
        };
        let mut flags = [("platform", None)];
        read_flags(line, &mut flags)?;
        if let Some(name) = name.as_ref().filter(|name| !is_stage_name(name)) {
            return Err(Reason::StageName(name.clone()));
        }
        let [(_, platform)] = flags;
        Ok(From { base, name, platform })
    }
}

/// A letter, then letters, digits, `-`, `_` and `.`; in lower case by now.
fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

fn arguments(line: &Line) -> Result<Vec<Argument>, Reason> {
    let words = quoted_words(&line.rest, line.escape);
    changes::no_flags(line)?;
    if words.is_empty() {
        return Err(Reason::NoArgument("ARG"));
    }
    words
        .into_iter()
        .map(|word| {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            if name.is_empty() { Err(Reason::BlankName("ARG")) } else { Ok(Argument { name, value }) }
        })
        .collect()
}

/// Takes the values of a flag that may stand several times out of the line.
fn take_all(line: &mut Line, name: &str) -> Result<Vec<String>, Reason> {
    let mut values = Vec::new();
    let mut rest = Vec::new();
    for flag in line.flags.drain(..) {
        let (found, value) = match flag.split_once('=') {
            Some((found, value)) => (found, Some(value)),
            None => (flag.as_str(), None),
        };
        if found.strip_prefix("--") != Some(name) {
            rest.push(flag);
        } else if let Some(value) = value {
            values.push(value.to_owned());
        } else {
            return Err(InvalidChange::FlagValue(flag).into());
        }
    }
    line.flags = rest;
    Ok(values)
}

/// Flags that need no value get one.
fn complete(line: &mut Line, names: &[&str]) {
    for flag in &mut line.flags {
        if flag.strip_prefix("--").is_some_and(|name| names.contains(&name)) {
            flag.push_str("=true");
        }
    }
}

fn boolean(flag: &'static str, value: Option<String>) -> Result<Option<bool>, Reason> {
    match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("" | "true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Reason::NotBoolean { flag, value: value.unwrap_or_default() }),
    }
}

fn transfer(line: &Line, name: &'static str) -> Result<Transfer, Reason> {
    let adds = name == "ADD";
    let mut words = match changes::list(&line.rest)? {
        Some(words) => words,
        None => changes::blank_separated(&line.rest),
    };
    let destination = words.pop().unwrap_or_default();
    if words.is_empty() {
        return Err(Reason::NoDestination(name));
    }
    let mut line = line.clone();
    let exclude = take_all(&mut line, "exclude")?;
    complete(&mut line, &["link", "parents", "keep-git-dir", "unpack"]);
    let mut flags =
        ["chown", "chmod", "link", "from", "parents", "checksum", "keep-git-dir", "unpack"].map(|name| (name, None));
    if adds {
        // What only the other one has is unknown here.
        let mut known: Vec<_> = flags.iter().filter(|(name, _)| !["from", "parents"].contains(name)).cloned().collect();
        read_flags(&line, &mut known)?;
        for (name, value) in known {
            if let Some(slot) = flags.iter_mut().find(|(known, _)| *known == name) {
                slot.1 = value;
            }
        }
    } else {
        let mut known: Vec<_> = flags[..5].to_vec();
        read_flags(&line, &mut known)?;
        flags[..5].clone_from_slice(&known);
    }
    let [(_, chown), (_, chmod), (_, link), (_, from), (_, parents), (_, checksum), (_, keep_git_dir), (_, unpack)] =
        flags;
    let filled = |value: Option<String>| value.filter(|value| !value.is_empty());
    // A here-document stands in the order of its marks; the other words are paths.
    let sources = words.into_iter().filter(|word| line.documents.is_empty() || announced(word).is_none()).collect();
    Ok(Transfer {
        adds,
        sources,
        documents: line.documents,
        destination,
        from: filled(from),
        chown: filled(chown),
        chmod: filled(chmod),
        link: boolean("link", link)?.unwrap_or_default(),
        parents: boolean("parents", parents)?.unwrap_or_default(),
        exclude,
        checksum: filled(checksum),
        keep_git_dir: boolean("keep-git-dir", keep_git_dir)?,
        unpack: boolean("unpack", unpack)?,
    })
}

fn run(line: &Line) -> Result<Run, Reason> {
    let command = changes::command(&line.rest)?;
    let mut line = line.clone();
    let mounts = take_all(&mut line, "mount")?;
    let devices = take_all(&mut line, "device")?;
    // The ones that were taken out are near to what is mistyped, too.
    let mut flags = ["network", "security", "mount", "device"].map(|name| (name, None));
    read_flags(&line, &mut flags)?;
    let [(_, network), (_, security), ..] = flags;
    if let Some(other) = network.as_deref().filter(|mode| !matches!(*mode, "" | "default" | "none" | "host")) {
        return Err(Reason::Network(other.to_owned()));
    }
    Ok(Run { command, documents: line.documents, mounts, network, security, devices })
}
