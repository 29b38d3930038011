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
                return print_json(&settings.list().into_iter().find(|entry| entry.name == key));
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
            let entries = Settings::load(&paths.settings())?.list();
            if json.json {
                return print_json(&entries);
            }
            for entry in entries {
                let mark = if entry.is_set { "*" } else { " " };
                println!("{mark} {} = {}\n      {}", entry.name, entry.value, language::sentence(&entry.description));
            }
            println!("\n{}", t!("config.legend"));
            Ok(0)
        }
    }
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
