//! The data disk: how large it is and what it takes, and how it grows. With a daemon or without one, as far as files tell.

use super::Shared;
use super::change::change_setting;
use super::protocol::{DiskReport, Grown};
use crate::locks::Patience;
use crate::machine::{self, Phase, disk};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, sys};

/// What the files tell of the data disk.
///
/// # Errors
/// When the settings or the disk cannot be looked at.
pub fn disk_report(paths: &Paths) -> Result<DiskReport> {
    let path = paths.data_disk();
    let measured = disk::measure(&path)?;
    let (size, held) = (measured.and_then(|measured| measured.size), measured.map(|measured| measured.held));
    let wanted = Settings::load(&paths.settings())?.disk_gib << 30;
    // Where there is no machine yet there may be no folder either.
    let folder = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(&path);
    Ok(DiskReport { size, held, wanted, host_free: sys::free_space(folder)?, used: None, available: None, path })
}

/// Has the next start grow the disk to `gib`: while no daemon runs.
///
/// # Errors
/// When the disk is larger already, or the setting cannot be changed.
pub fn grow_at_next_start(paths: &Paths, gib: u64, patience: Patience) -> Result<Grown> {
    refuse_to_shrink(paths, gib)?;
    change_setting(paths, "disk_gib", Some(&gib.to_string()), patience)?;
    Ok(Grown { disk: disk_report(paths)?, at_once: false, reason: None })
}

/// Nothing is cut off a disk: what lies there cannot be known from outside.
fn refuse_to_shrink(paths: &Paths, gib: u64) -> Result<()> {
    match disk::measure(&paths.data_disk())? {
        Some(disk::Measured { size: Some(size), .. }) if size > gib << 30 => {
            Err(Error::DiskShrink { current_gib: size.div_ceil(1 << 30), wanted_gib: gib })
        }
        _ => Ok(()),
    }
}

impl Shared {
    pub(super) async fn disk(&self) -> Result<DiskReport> {
        let paths = self.paths.clone();
        let mut report = machine::blocking(move || disk_report(&paths)).await?;
        if let Some(guest) = self.machine.guest_status().await {
            report.used = Some(guest.disk_total.saturating_sub(guest.disk_available));
            report.available = Some(guest.disk_available);
        }
        Ok(report)
    }

    /// At once where the machine runs and can, else at its next start.
    pub(super) async fn grow_disk(&self, gib: u64) -> Result<Grown> {
        // Of two at a time the second must see what the first made: a shorter one would cut the disk.
        static GROWING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _alone = GROWING.lock().await;
        let paths = self.paths.clone();
        machine::blocking(move || refuse_to_shrink(&paths, gib)).await?;
        self.change_setting("disk_gib".to_owned(), Some(gib.to_string())).await?;
        let runs = self.machine.status().borrow().phase == Phase::Running;
        let grown = if runs { Some(self.machine.grow_disk(gib).await) } else { None };
        let at_once = matches!(grown, Some(Ok(())));
        let reason = grown.and_then(Result::err).map(|error| error.chain());
        if let Some(reason) = &reason {
            tracing::warn!(reason, "the data disk has to wait for the next start");
        }
        Ok(Grown { disk: self.disk().await?, at_once, reason })
    }
}
