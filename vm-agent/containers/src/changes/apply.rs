//! A configuration after an instruction.

use super::InvalidChange;
use super::budget::Budget;
use super::instruction::{Change, Command};
use super::words::Words;
use engine_api::{ContainerConfig, StrSlice};

/// Runs a line where the configuration names no shell.
pub const SHELL: [&str; 2] = ["/bin/sh", "-c"];
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// The change with its variables substituted: those of the configuration, and `outer` beside them, which counts less.
///
/// # Errors
///
/// A word that cannot be read.
pub fn substitute(
    change: Change,
    [env, outer]: [&[String]; 2],
    escape: char,
    budget: &Budget,
) -> Result<Change, InvalidChange> {
    let refused = |word: &str, reason| InvalidChange::Word { word: word.to_owned(), reason };
    let expand = |word: &str| {
        let read = Words::new(word, [env, outer], escape, budget).one();
        read.map_err(|reason| refused(word, reason))
    };
    let all = |words: Vec<String>| words.iter().map(|word| expand(word)).collect::<Result<Vec<_>, _>>();
    Ok(match change {
        Change::Env(pairs) => Change::Env(expand_pairs(pairs, expand)?),
        Change::Label(pairs) => Change::Label(expand_pairs(pairs, expand)?),
        Change::Expose(ports) => {
            let several = ports.iter().map(|port| {
                let read = Words::new(port, [env, outer], escape, budget).several();
                read.map_err(|reason| refused(port, reason))
            });
            Change::Expose(several.collect::<Result<Vec<_>, _>>()?.concat())
        }
        Change::StopSignal(signal) => Change::StopSignal(expand(&signal)?),
        Change::User(user) => Change::User(expand(&user)?),
        Change::Volume(volumes) => Change::Volume(all(volumes)?),
        Change::Workdir(directory) => Change::Workdir(expand(&directory)?),
        // Commands are the shell's business.
        change @ (Change::Cmd(_) | Change::Entrypoint(_) | Change::Healthcheck(_) | Change::Onbuild(_)) => change,
    })
}

/// Applies one change, whose variables are substituted. `command_set` remembers that a CMD came before: an ENTRYPOINT takes away only a
/// command of before.
///
/// # Errors
///
/// What dockerd finds wrong with a value.
pub fn apply(
    config: &mut ContainerConfig,
    change: Change,
    command_set: &mut bool,
    budget: &Budget,
) -> Result<(), InvalidChange> {
    match change {
        Change::Cmd(command) => {
            *command_set |= !matches!(&command, Command::Line(None))
                && !matches!(&command, Command::Words(words) if words.is_empty());
            config.cmd = Some(resolve(command, config));
            config.args_escaped = false;
        }
        Change::Entrypoint(command) => {
            let none = match &command {
                Command::Words(words) => words.is_empty(),
                Command::Line(line) => line.is_none(),
            };
            config.entrypoint = (!none).then(|| resolve(command, config));
            config.args_escaped = false;
            if !*command_set {
                config.cmd = None;
            }
        }
        Change::Env(pairs) => {
            let env = config.env.get_or_insert_default();
            for (name, value) in pairs {
                let variable = format!("{name}={value}");
                match env.iter_mut().find(|other| other.split('=').next() == Some(name.as_str())) {
                    Some(place) => *place = variable,
                    None => env.push(variable),
                }
            }
        }
        Change::Label(pairs) => config.labels.get_or_insert_default().extend(pairs),
        Change::Expose(ports) => {
            let mut exposed = Vec::new();
            for port in ports {
                let ports = expand_port(&port)?;
                budget.grow(ports.len()).map_err(|reason| InvalidChange::Word { word: port, reason })?;
                exposed.extend(ports);
            }
            let set = config.exposed_ports.get_or_insert_default();
            for port in exposed {
                set.entry(port).or_default();
            }
        }
        Change::Healthcheck(check) => config.healthcheck = Some(check),
        Change::Onbuild(trigger) => config.on_build.get_or_insert_default().push(trigger),
        Change::StopSignal(signal) => {
            crate::signal::parse(&signal)?;
            config.stop_signal = signal;
        }
        Change::User(user) => config.user = user,
        Change::Volume(volumes) => {
            if volumes.iter().any(String::is_empty) {
                return Err(InvalidChange::EmptyVolume);
            }
            let known = config.volumes.get_or_insert_default();
            for volume in volumes {
                known.entry(volume).or_default();
            }
        }
        Change::Workdir(directory) => {
            if directory.is_empty() {
                return Err(InvalidChange::EmptyDirectory);
            }
            config.working_dir = join(&config.working_dir, &directory);
        }
    }
    Ok(())
}

/// The words that are executed.
pub fn resolve(command: Command, config: &ContainerConfig) -> StrSlice {
    match command {
        Command::Words(words) => StrSlice::from(words),
        Command::Line(line) => {
            let shell = config.shell.as_ref().filter(|shell| !shell.is_empty());
            let shell = shell.map_or_else(|| SHELL.map(str::to_owned).to_vec(), |shell| shell.to_vec());
            StrSlice::from(shell.into_iter().chain(line).collect::<Vec<_>>())
        }
    }
}

fn expand_pairs(
    pairs: Vec<(String, String)>,
    expand: impl Fn(&str) -> Result<String, InvalidChange>,
) -> Result<Vec<(String, String)>, InvalidChange> {
    pairs.iter().map(|(name, value)| Ok((expand(name)?, expand(value)?))).collect()
}

/// `[address:[host port:]]port[-port][/protocol]` to the ports that it names.
fn expand_port(text: &str) -> Result<Vec<String>, InvalidChange> {
    let container = text.rsplit(':').next().unwrap_or(text);
    let mut parts = container.split('/');
    let port = parts.next().unwrap_or_default();
    if port.is_empty() {
        return Err(InvalidChange::NoPort(text.to_owned()));
    }
    let protocol = parts.next().filter(|protocol| !protocol.is_empty()).unwrap_or("tcp");
    let (first, last) = port.split_once('-').unwrap_or((port, port));
    let range = first.parse::<u16>().ok().zip(last.parse::<u16>().ok()).filter(|(first, last)| first <= last);
    let (first, last) = range.ok_or_else(|| InvalidChange::Port(port.to_owned()))?;
    let lower = protocol.to_lowercase();
    if !PROTOCOLS.contains(&lower.as_str()) {
        return Err(InvalidChange::Protocol(protocol.to_owned()));
    }
    Ok((first..=last).map(|port| format!("{port}/{lower}")).collect())
}

/// A path below another, or by itself when it is absolute; without `.`, `..` and doubled slashes.
pub fn join(current: &str, path: &str) -> String {
    let from = if path.starts_with('/') { "" } else { current };
    let mut parts = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
