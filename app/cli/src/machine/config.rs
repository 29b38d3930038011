//! `berth config`: works with and without a daemon, since settings are a file.

use std::pin::pin;

use host::client::Client;
use host::daemon;
use host::locks::Patience;
use host::paths::Paths;
use host::settings::{Entry, Settings, Takes};
use rust_i18n::t;

use crate::args::ConfigVerb;
use crate::{Failure, language, print_json, waiting};

pub(crate) async fn config(paths: Paths, verb: ConfigVerb) -> Result<i32, Failure> {
    match verb {
        ConfigVerb::Get { key, json } => {
            let settings = Settings::load(&paths.settings())?;
            let value = settings.get(&key)?;
            if json {
                let entries = beside(settings.list(), in_force(&paths).await);
                return print_json(&entries.into_iter().find(|entry| entry.name == key));
            }
            println!("{value}");
            Ok(0)
        }
        ConfigVerb::Set { key, value, json } => {
            let entry = set(paths, &key, &value).await?;
            if json {
                return print_json(&entry);
            }
            println!("{} = {}", entry.name, entry.value);
            if entry.takes_effect == Takes::AtNextStart {
                eprintln!("{}", t!("config.next_start"));
            }
            Ok(0)
        }
        ConfigVerb::List(json) => {
            let entries = beside(Settings::load(&paths.settings())?.list(), in_force(&paths).await);
            if json.json {
                return print_json(&entries);
            }
            for entry in entries {
                println!("{}", told_of(&entry));
            }
            println!("\n{}", t!("config.legend"));
            Ok(0)
        }
    }
}

/// The settings as the daemon has them, if there is one: it knows what the machine was started with. The file is told all the same.
async fn in_force(paths: &Paths) -> Vec<Entry> {
    let known = async { Client::connect(paths.clone()).await?.settings().await }.await;
    known.unwrap_or_else(|error| {
        if !matches!(error, host::Error::NoDaemon) {
            eprintln!("{}", t!("config.not_in_force", why = language::sentence(&error.chain())));
        }
        Vec::new()
    })
}

/// `entries` of the file with what `known` says to be in force.
fn beside(mut entries: Vec<Entry>, known: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        // A daemon of another version may know other settings.
        entry.in_force = known.iter().find(|known| known.name == entry.name).and_then(|known| known.in_force.clone());
    }
    entries
}

fn told_of(entry: &Entry) -> String {
    let mark = if entry.is_set { "*" } else { " " };
    let mut text = format!("{mark} {} = {}", entry.name, entry.value);
    if let Some(in_force) = &entry.in_force {
        text.push_str(&format!("\n    > {}", t!("config.waits", value = in_force)));
    }
    text.push_str(&format!("\n      {}", language::sentence(&entry.description)));
    text
}

/// Through the daemon when there is one, so that it knows at once; else into the file, with the same consequences.
async fn set(paths: Paths, key: &str, value: &str) -> Result<Entry, Failure> {
    let value = (!value.is_empty()).then_some(value);
    match Client::connect(paths.clone()).await {
        Ok(client) => return told(&paths, client.set(key, value)).await,
        Err(host::Error::NoDaemon) => (),
        Err(error) => return Err(error.into()),
    }
    Ok(daemon::change_setting(&paths, key, value, Patience::telling(waiting::tell))?)
}

/// What the daemon answers; whom it waits for is told here, where the user is.
async fn told(paths: &Paths, asking: impl Future<Output = host::Result<Entry>>) -> Result<Entry, Failure> {
    let mut asking = pin!(asking);
    if let Ok(answer) = tokio::time::timeout(Patience::NOTICE, &mut asking).await {
        return Ok(answer?);
    }
    Settings::locked(paths).iter().for_each(waiting::tell);
    Ok(asking.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_next_start_is_told_with_what_is_in_force() {
        let entry = |name: &str, value: &str, in_force: Option<&str>| Entry {
            name: name.to_owned(),
            value: value.to_owned(),
            default: "4".to_owned(),
            is_set: true,
            description: "Processors.".to_owned(),
            takes_effect: Takes::AtNextStart,
            in_force: in_force.map(str::to_owned),
        };
        let file = vec![entry("cpus", "2", None), entry("memory", "2048", None), entry("new", "1", None)];
        let known = vec![entry("memory", "2048", None), entry("cpus", "2", Some("4")), entry("old", "1", Some("2"))];
        let entries = beside(file, known);
        let in_force: Vec<_> = entries.iter().map(|entry| entry.in_force.as_deref()).collect();
        assert_eq!(in_force, [Some("4"), None, None]);
        let waits = told_of(&entries[0]);
        assert!(waits.starts_with("* cpus = 2\n") && waits.lines().nth(1).is_some_and(|line| line.contains('4')));
        assert_eq!(told_of(&entries[1]).lines().count(), 2);
    }
}
