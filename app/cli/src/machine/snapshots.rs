//! `berth snapshot`: files of this user; the machine is stopped, and its daemon out of the way.

use host::machines::{called, snapshots};
use host::paths::Paths;
use rust_i18n::t;

use super::confirm;
use super::machines::{bring_to_rest, print_table};
use super::status::gib;
use crate::args::SnapshotVerb;
use crate::busy::Busy;
use crate::{Failure, print_json};

pub(crate) async fn snapshot(paths: Paths, verb: SnapshotVerb) -> Result<i32, Failure> {
    let machine = called(&paths).to_owned();
    match verb {
        SnapshotVerb::Create(args) => {
            bring_to_rest(&paths).await?;
            let busy = Busy::begin(t!("busy.machines"));
            let made = snapshots::make(&paths, &args.name)?;
            drop(busy);
            if args.json {
                return print_json(&made);
            }
            println!("{}", t!("snapshots.made", name = args.name, machine = machine));
        }
        SnapshotVerb::List(json) => {
            let found = snapshots::list(&paths)?;
            if json.json {
                return print_json(&found);
            }
            print(&found);
        }
        SnapshotVerb::Restore(args) => {
            let question = t!("snapshots.ask_restore", name = args.name, machine = machine);
            if !args.yes && !confirm(&question)? {
                return Err(Failure::new(1, t!("reset.kept").into_owned()));
            }
            bring_to_rest(&paths).await?;
            let busy = Busy::begin(t!("busy.machines"));
            snapshots::restore(&paths, &args.name)?;
            drop(busy);
            if args.json {
                return print_json(&serde_json::json!({ "restored": args.name }));
            }
            println!("{}", t!("snapshots.restored", name = args.name, machine = machine));
        }
        SnapshotVerb::Rm(args) => {
            if !args.yes && !confirm(&t!("snapshots.ask_rm", name = args.name))? {
                return Err(Failure::new(1, t!("reset.kept").into_owned()));
            }
            snapshots::remove(&paths, &args.name)?;
            if args.json {
                return print_json(&serde_json::json!({ "removed": args.name }));
            }
            println!("{}", t!("snapshots.removed", name = args.name));
        }
    }
    Ok(0)
}

fn print(found: &[snapshots::Snapshot]) {
    let head = ["name", "made", "size", "held"].map(|key| t!(format!("snapshots.head.{key}")).into_owned());
    let size = |bytes: u64| format!("{:.1} GiB", gib(bytes));
    let rows = found.iter().map(|one| [one.name.clone(), moment(one.made_at), size(one.size), size(one.held)]);
    print_table(std::iter::once(head).chain(rows).collect());
}

/// A moment here, to the minute.
fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let zoned = moment.map(|moment| moment.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map(|zoned| zoned.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}
