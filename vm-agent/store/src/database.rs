//! The open database file, which is opened again after an I/O error.
//!
//! `redb` takes the first I/O error, a full disk's say, for the last word: from then on every read and write of that `Database`
//! fails. A disk may recover, so the file is closed, opened as after a crash, and the journal replayed. What happens to the file
//! when it was a sync that failed, [`disk`](crate::disk) says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::Database;

use crate::disk::Trust;
use crate::journal::Journal;
use crate::{Error, Result, schema};

/// The database that readers and the writer thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    path: PathBuf,
    trust: Arc<Trust>,
    state: RwLock<Result<Database>>,
}

/// Keeps the database open as long as somebody reads.
pub(crate) struct Open<'a>(RwLockReadGuard<'a, Result<Database>>);

impl std::ops::Deref for Open<'_> {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.0.as_ref().expect("checked when it was made")
    }
}

impl Shared {
    /// Opens the file and the journal beside it.
    pub(crate) fn open(path: &Path) -> Result<(Shared, Journal)> {
        let trust = Arc::new(Trust::of(path));
        let (database, journal) = open(path, &trust)?;
        Ok((Shared { path: path.to_owned(), trust, state: RwLock::new(Ok(database)) }, journal))
    }

    /// The database, or why it could not be opened again.
    pub(crate) fn get(&self) -> Result<Open<'_>> {
        let guard = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Ok(_) => Ok(Open(guard)),
            Err(e) => Err(e.clone()),
        }
    }

    /// Closes the file and opens it as after a crash: what the journal has is there again, what failed is not.
    ///
    /// When that fails, readers get its error until a later call succeeds.
    pub(crate) fn reopen(&self) -> Result<Journal> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // First the lock on the file has to go.
        *state = Err(Error::Closed);
        match open(&self.path, &self.trust) {
            Ok((database, journal)) => {
                *state = Ok(database);
                Ok(journal)
            }
            Err(e) => {
                *state = Err(e.clone());
                Err(e)
            }
        }
    }
}

fn open(path: &Path, trust: &Arc<Trust>) -> Result<(Database, Journal)> {
    let database = schema::open(path, trust)?;
    let journal = Journal::open(path, &database)?;
    Ok((database, journal))
}
