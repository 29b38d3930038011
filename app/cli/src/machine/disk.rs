//! `berth disk`: without a daemon as far as files tell.

use host::client::Client;
use host::daemon::protocol::{DiskReport, Grown};
use host::daemon::{disk_report, grow_at_next_start};
use host::locks::Patience;
use host::machine::Trimmed;
use host::paths::Paths;
use rust_i18n::t;

use super::status::{columns, gib};
use super::{reach, reach_running};
use crate::args::{DiskArgs, DiskVerb};
use crate::busy::Busy;
use crate::{Failure, language, print_json, waiting};

pub(crate) async fn disk(paths: Paths, args: DiskArgs) -> Result<i32, Failure> {
    match args.verb {
        None => {
            let report = match reach(&paths).await? {
                Some(client) => client.disk().await?,
                None => disk_report(&paths)?,
            };
            if args.json.json {
                return print_json(&report);
            }
            print(&report);
            Ok(0)
        }
        Some(DiskVerb::Grow { size, json }) => {
            let grown = grow(&paths, size).await?;
            if json {
                return print_json(&grown);
            }
            say(&grown);
            Ok(0)
        }
        Some(DiskVerb::Compact(json)) => {
            let client = reach_running(&paths).await?;
            let trimmed = compact(&client).await?;
            if json.json {
                return print_json(&trimmed);
            }
            let (before, after) = (mib(trimmed.held_before), mib(trimmed.held_after));
            println!("{}", t!("disk.compacted", given = mib(trimmed.given_back), before = before, after = after));
            Ok(0)
        }
    }
}

async fn grow(paths: &Paths, gib: u64) -> Result<Grown, Failure> {
    match reach(paths).await? {
        Some(client) => {
            let _busy = Busy::begin(t!("busy.disk"));
            Ok(client.grow_disk(gib).await?)
        }
        None => Ok(grow_at_next_start(paths, gib, Patience::telling(waiting::tell))?),
    }
}

async fn compact(client: &Client) -> Result<Trimmed, Failure> {
    let _busy = Busy::begin(t!("busy.disk"));
    Ok(client.compact_disk().await?)
}

fn say(grown: &Grown) {
    let size = gib(grown.disk.wanted);
    if grown.at_once {
        println!("{}", t!("disk.grown", size = size));
        return;
    }
    println!("{}", t!("disk.grows", size = size));
    if let Some(reason) = &grown.reason {
        eprintln!("{}", language::sentence(reason));
    }
}

fn print(report: &DiskReport) {
    let line = |key: &str, value: String| {
        let word = t!(format!("disk.{key}"));
        println!("{word}{} {value}", " ".repeat(16_usize.saturating_sub(columns(&word))));
    };
    let size = |bytes: u64| format!("{:.1} GiB", gib(bytes));
    line("size", report.size.map_or_else(|| t!("disk.none").into_owned(), size));
    if report.size != Some(report.wanted) {
        line("wanted", size(report.wanted));
    }
    if let (Some(used), Some(available)) = (report.used, report.available) {
        line("used", size(used));
        line("available", size(available));
    }
    if let Some(held) = report.held {
        line("held", size(held));
    }
    line("host_free", size(report.host_free));
    line("path", report.path.display().to_string());
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
