//! One transaction after another, on a disk that may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::Database;

use crate::database::Shared;
use crate::journal::Journal;
use crate::pace::Flush;
use crate::table::definition;
use crate::writer::Operation;
use crate::{Error, Result};

/// The one place where transactions are made and committed; it belongs to the writer thread.
#[derive(Debug)]
pub(crate) struct Committer {
    database: Arc<Shared>,
    journal: Journal,
    flushes: Arc<AtomicU64>,
    /// Transactions do not reach the disk, and the log has that.
    failing: bool,
    /// The journal takes no records, and the log has that.
    recordless: bool,
    /// The last transaction ended nobody knows where: the next one begins with a database that is opened again.
    broken_off: bool,
}

/// What became of a group of writes.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<()>,
    /// Readers see the group, or saw it.
    pub(crate) visible: bool,
    pub(crate) flush: Flush,
}

impl Committer {
    pub(crate) fn new(database: Arc<Shared>, journal: Journal) -> Committer {
        Committer { database, journal, flushes: Arc::default(), failing: false, recordless: false, broken_off: false }
    }

    /// The counter of transactions that reached the disk.
    pub(crate) fn flushes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.flushes)
    }

    /// Whether the journal has what the database has in memory only.
    pub(crate) fn has_records(&self) -> bool {
        self.journal.is_needed()
    }

    /// Why the database is not open, when it could not be opened again. The next write tries that.
    pub(crate) fn closed(&self) -> Option<Error> {
        self.database.get().err()
    }

    /// Tells that a panic ended a write.
    pub(crate) fn broke_off(&mut self) {
        self.broken_off = true;
    }

    /// One transaction with the whole group: flushed, or in memory and in the journal.
    pub(crate) fn write(&mut self, group: &[&Operation], durable: bool) -> Outcome {
        let mut result = self.commit(group, durable);
        let visible = result.is_ok();
        let mut durable = durable;
        if visible && !durable && !self.journaled(group) {
            // The journal's disk is full, say: then nothing is answered before it is durable. The group once more, since memory has
            // it, and memory goes when the database has to be opened again.
            durable = true;
            result = self.commit(group, durable);
        }
        let flush = match (durable, &result) {
            (false, _) => Flush::Untried,
            (true, Ok(())) => Flush::Done,
            (true, Err(_)) => Flush::Failed,
        };
        Outcome { result, visible, flush }
    }

    fn journaled(&mut self, group: &[&Operation]) -> bool {
        let taken = self.journal.append(group.iter().copied());
        if changes(&mut self.recordless, taken.is_err()) {
            match &taken {
                Ok(()) => tracing::warn!("the journal of the metadata store takes records again"),
                Err(error) => tracing::warn!(%error, "the journal of the metadata store takes no records"),
            }
        }
        taken.is_ok()
    }

    /// An error that is the end of the open database (see [`Shared`]) has it opened again, and the group gets its second try. Operations
    /// say what is to be, so that one whose flush failed may be applied twice.
    fn commit(&mut self, group: &[&Operation], durable: bool) -> Result<()> {
        let mut again = true;
        loop {
            if self.broken_off || self.closed().is_some() {
                again = false;
                self.reopen()?;
                self.broken_off = false;
            }
            // The guard goes before the database can be opened again.
            let tried = {
                let open = self.database.get()?;
                transact(&open, &mut self.journal, group, durable)
            };
            let Err(error) = tried else {
                if durable {
                    self.flushed();
                }
                return Ok(());
            };
            let ended = ends_the_database(&error);
            // What a caller wrote may be at fault otherwise, and it is told.
            if ended || group.is_empty() {
                self.fails(&error);
            }
            if ended {
                self.reopen()?;
            }
            if !ended || !again {
                return Err(Error::Write { cause: error.to_string() });
            }
            again = false;
        }
    }

    fn reopen(&mut self) -> Result<()> {
        self.journal = self.database.reopen().inspect_err(|error| self.fails(error))?;
        Ok(())
    }

    fn fails(&mut self, error: &dyn std::fmt::Display) {
        if changes(&mut self.failing, true) {
            tracing::error!(%error, "the disk of the metadata store fails; the store goes on trying");
        }
    }

    fn flushed(&mut self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        if changes(&mut self.failing, false) {
            tracing::warn!("the metadata store gets its writes to the disk again");
        }
    }
}

/// The log tells of changes: a disk may be full for days.
fn changes(state: &mut bool, to: bool) -> bool {
    std::mem::replace(state, to) != to
}

/// Whether only opening the database again helps: every I/O error, and `Corrupted`, by which `redb` also says that a failed commit
/// cost it its list of free pages, which a repair makes anew. The file of a database that really is corrupt does not open.
fn ends_the_database(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::Corrupted(_))
}

fn transact(
    database: &Database,
    journal: &mut Journal,
    group: &[&Operation],
    durable: bool,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    if durable {
        journal.supersede(&transaction)?;
    } else {
        transaction.set_durability(redb::Durability::None)?;
    }
    for operation in group {
        let mut table = transaction.open_table(definition(operation.table))?;
        match &operation.value {
            Some(value) => drop(table.insert(operation.key.as_str(), value.as_slice())?),
            None => drop(table.remove(operation.key.as_str())?),
        }
    }
    transaction.commit()?;
    if durable {
        journal.committed();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
