//! All machines of the user, for the pages: as `berth machine` and `berth snapshot`, and which one the window shows.
//!
//! No daemon has a say in it: each owns one machine, and the files of one are copied while it has none.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use host::client::Client;
use host::machine::Phase;
use host::machines::snapshots::{self, Snapshot};
use host::machines::{self, Listed, Name, Unreadable};
use host::paths::Paths;
use rfd::AsyncFileDialog;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, State};

use crate::daemon::Daemon;
use crate::downloads;
use crate::error::{Error, Result};

/// The ending of what an export writes.
const ENDING: &str = "tar.zst";

/// How many machines are being written at this moment: they are left half done when the program ends.
#[derive(Debug, Default)]
pub(crate) struct Works(Arc<AtomicUsize>);

impl Works {
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// As [`apart`], counted.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> host::Result<T> + Send + 'static) -> Result<T> {
        let counted = Counted::of(self);
        let counted = move || {
            let _until_it_ends = counted;
            work()
        };
        apart(counted).await
    }
}

/// Counts for as long as it is kept.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(works: &Works) -> Counted {
        works.0.fetch_add(1, Ordering::Relaxed);
        Counted(works.0.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the pages list.
#[derive(Debug, Serialize)]
pub(crate) struct All {
    /// The one that this window shows. The command line may have been told to use another since.
    shown: String,
    machines: Vec<Listed>,
    unreadable: Vec<Unreadable>,
}

/// Of which machine a page is that is loaded now.
#[tauri::command]
pub(crate) fn shown_machine(daemon: State<'_, Daemon>) -> String {
    machines::called(&daemon.paths()).to_owned()
}

#[tauri::command]
pub(crate) async fn machines(daemon: State<'_, Daemon>) -> Result<All> {
    let paths = daemon.paths();
    let looked = machines::look(&paths).await?;
    let reason = |(name, error): (String, host::Error)| Unreadable { name, reason: error.chain() };
    Ok(All {
        shown: machines::called(&paths).to_owned(),
        machines: looked.machines,
        unreadable: looked.unreadable.into_iter().map(reason).collect(),
    })
}

/// Sizes of a machine that is made; what is not said is as it is for every new one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Sizes {
    cpus: Option<u32>,
    memory_mib: Option<u64>,
    disk_gib: Option<u64>,
}

impl Sizes {
    fn values(&self) -> Vec<(&'static str, String)> {
        let cpus = self.cpus.map(|cpus| ("cpus", cpus.to_string()));
        let memory = self.memory_mib.map(|mib| ("memory_mib", mib.to_string()));
        let disk = self.disk_gib.map(|gib| ("disk_gib", gib.to_string()));
        cpus.into_iter().chain(memory).chain(disk).collect()
    }
}

#[tauri::command]
pub(crate) async fn create_machine(daemon: State<'_, Daemon>, name: String, sizes: Sizes) -> Result<()> {
    let (paths, name) = (daemon.paths(), other(&name)?);
    apart(move || machines::create(&paths, &name, &sizes.values()).map(drop)).await
}

/// For the command line, and for this window from now on.
#[tauri::command]
pub(crate) async fn use_machine(daemon: State<'_, Daemon>, name: String) -> Result<()> {
    let (paths, name) = (daemon.paths(), Name::of(&name)?);
    let to = paths.of_machine(name.clone());
    apart(move || machines::take_into_use(&paths, name)).await?;
    daemon.turn_to(to);
    Ok(())
}

#[tauri::command]
pub(crate) async fn clone_machine(
    daemon: State<'_, Daemon>,
    works: State<'_, Works>,
    source: String,
    name: String,
) -> Result<()> {
    let name = other(&name)?;
    let source = at_rest(&daemon, &source).await?;
    works.apart(move || machines::copy(&source, &name).map(drop)).await
}

/// The window shows another one by then, or this one's pages would be of a machine that is not there.
#[tauri::command]
pub(crate) async fn remove_machine(daemon: State<'_, Daemon>, works: State<'_, Works>, name: String) -> Result<()> {
    let named = Name::of(&name)?.ok_or(host::Error::DefaultMachine)?;
    if daemon.paths().machine() == Some(&named) {
        return Err(Error::Shown { name });
    }
    let machine = at_rest(&daemon, &name).await?;
    works.apart(move || machines::remove(&machine)).await
}

#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    file: PathBuf,
    bytes: u64,
}

/// Into a file that the user chooses; nothing when none is chosen.
#[tauri::command]
pub(crate) async fn export_machine(
    app: AppHandle,
    daemon: State<'_, Daemon>,
    works: State<'_, Works>,
    name: String,
) -> Result<Option<Exported>> {
    existing(&daemon, &name)?;
    let mut dialog = AsyncFileDialog::new().set_file_name(format!("berth-{name}.{ENDING}"));
    if let Some(folder) = downloads::folder(&app) {
        dialog = dialog.set_directory(folder);
    }
    let Some(chosen) = dialog.save_file().await else { return Ok(None) };
    let file = chosen.path().to_path_buf();
    // Not before: its daemon would be gone for as long as somebody thinks about a name.
    let machine = at_rest(&daemon, &name).await?;
    let bytes = works.apart({
        let file = file.clone();
        move || machines::export(&machine, &file)
    });
    Ok(Some(Exported { bytes: bytes.await?, file }))
}

/// Of a file that the user chooses; whether one was chosen.
#[tauri::command]
pub(crate) async fn import_machine(daemon: State<'_, Daemon>, works: State<'_, Works>, name: String) -> Result<bool> {
    let (paths, name) = (daemon.paths(), other(&name)?);
    let Some(chosen) = AsyncFileDialog::new().add_filter(ENDING, &["zst"]).pick_file().await else { return Ok(false) };
    let file = chosen.path().to_path_buf();
    works.apart(move || machines::import(&paths, &file, &name, &[]).map(drop)).await?;
    Ok(true)
}

#[tauri::command]
pub(crate) async fn snapshots(daemon: State<'_, Daemon>, machine: String) -> Result<Vec<Snapshot>> {
    let machine = existing(&daemon, &machine)?;
    apart(move || snapshots::list(&machine)).await
}

#[tauri::command]
pub(crate) async fn make_snapshot(
    daemon: State<'_, Daemon>,
    works: State<'_, Works>,
    machine: String,
    name: String,
) -> Result<Snapshot> {
    let machine = at_rest(&daemon, &machine).await?;
    works.apart(move || snapshots::make(&machine, &name)).await
}

#[tauri::command]
pub(crate) async fn restore_snapshot(
    daemon: State<'_, Daemon>,
    works: State<'_, Works>,
    machine: String,
    name: String,
) -> Result<()> {
    let machine = at_rest(&daemon, &machine).await?;
    works.apart(move || snapshots::restore(&machine, &name)).await
}

#[tauri::command]
pub(crate) async fn remove_snapshot(daemon: State<'_, Daemon>, machine: String, name: String) -> Result<()> {
    let machine = existing(&daemon, &machine)?;
    apart(move || snapshots::remove(&machine, &name)).await
}

/// The name of a machine that is made.
fn other(name: &str) -> Result<Name> {
    Ok(Name::of(name)?.ok_or_else(|| host::Error::MachineExists { name: name.to_owned() })?)
}

fn existing(daemon: &Daemon, name: &str) -> Result<Paths> {
    Ok(machines::existing(&daemon.paths(), Name::of(name)?)?.of_living_daemon())
}

/// A machine that is stopped, without a daemon.
async fn at_rest(daemon: &Daemon, name: &str) -> Result<Paths> {
    let machine = existing(daemon, name)?;
    match Client::connect(machine.clone()).await {
        Ok(client) => machines::bring_to_rest(&machine, &client).await?,
        // What a daemon left running is taken over by the next one, which its start brings.
        Err(host::Error::NoDaemon) if machines::phase(&machine).await == Phase::Stopped => {}
        Err(host::Error::NoDaemon) => return Err(host::Error::MachineRuns { name: name.to_owned() }.into()),
        Err(error) => return Err(error.into()),
    }
    Ok(machine)
}

/// What copies gigabytes keeps no other request waiting.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> host::Result<T> + Send + 'static) -> Result<T> {
    Ok(tauri::async_runtime::spawn_blocking(work).await.map_err(|_| Error::Gone)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_counts_until_it_ends_whoever_waits_for_it() {
        let works = Works::default();
        let (begun, begins) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        let working = works.apart(move || {
            // Gone behind the count.
            let _over = over;
            begun.send(()).unwrap();
            let _ = ends.recv();
            Ok(())
        });
        assert!(!works.any());
        tauri::async_runtime::block_on(async {
            let mut working = Box::pin(working);
            assert!(futures_util::poll!(&mut working).is_pending());
            begins.recv().unwrap();
            drop(working);
        });
        assert!(works.any(), "it goes on");
        end.send(()).unwrap();
        assert!(is_over.recv().is_err());
        while works.any() {
            std::thread::yield_now();
        }
    }
}
