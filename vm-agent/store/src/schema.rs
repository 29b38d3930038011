//! The file's schema version: checked and migrated before anything else is read.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, TableDefinition, TableError};

use crate::disk::{self, Trust};
use crate::{Error, Result};

/// The schema version that this agent writes. Raise it together with a new entry in [`MIGRATIONS`].
pub const SCHEMA_VERSION: u32 = 1;

/// `MIGRATIONS[n]` turns version `n + 1` into `n + 2`, inside the transaction that also raises the version.
const MIGRATIONS: [Migration; SCHEMA_VERSION as usize - 1] = [];

type Migration = fn(&redb::WriteTransaction) -> Result<(), redb::Error>;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const VERSION_KEY: &str = "schema-version";

/// Opens or makes the file and brings it to [`SCHEMA_VERSION`].
pub(crate) fn open(path: &Path, trust: &Arc<Trust>) -> Result<Database> {
    let open_error = |cause: &dyn std::fmt::Display| Error::Open { path: path.to_owned(), cause: cause.to_string() };
    let fresh = !path.exists();
    let database = disk::open(path, trust).map_err(|e| open_error(&e))?;
    if fresh && let Some(parent) = path.parent() {
        // The file's name must survive a power cut as well as its contents.
        std::fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(|e| open_error(&e))?;
    }
    migrate(&database, path, &MIGRATIONS)?;
    Ok(database)
}

fn migrate(database: &Database, path: &Path, migrations: &[Migration]) -> Result<()> {
    let known = u32::try_from(migrations.len()).expect("a handful of migrations") + 1;
    let found = version(database).map_err(|e| Error::Open { path: path.to_owned(), cause: e.to_string() })?;
    let first = match found {
        Some(found) if found > known => return Err(Error::Newer { path: path.to_owned(), found, known }),
        Some(found) if found == known => return Ok(()),
        Some(0) => {
            let cause = "no such version was ever written".to_owned();
            return Err(Error::Migrate { path: path.to_owned(), found: 0, cause });
        }
        Some(found) => found,
        None => known,
    };
    let step = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        for migration in &migrations[first as usize - 1..] {
            migration(&transaction)?;
        }
        transaction.open_table(META)?.insert(VERSION_KEY, known)?;
        transaction.commit()?;
        Ok(())
    };
    step().map_err(|e| Error::Migrate { path: path.to_owned(), found: first, cause: e.to_string() })
}

/// The stored version; `None` in a new file.
fn version(database: &Database) -> Result<Option<u32>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(table) => Ok(table.get(VERSION_KEY)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::definition;

    fn set_version(path: &Path, version: u32) {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(VERSION_KEY, version).unwrap();
        transaction.commit().unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused_with_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        set_version(&path, SCHEMA_VERSION + 6);
        let before = std::fs::read(&path).unwrap();
        let message = open(&path, &Arc::new(Trust::of(&path))).unwrap_err().to_string();
        assert!(message.contains(&format!("schema version {}", SCHEMA_VERSION + 6)), "{message}");
        assert!(message.contains(&format!("up to version {SCHEMA_VERSION}")), "{message}");
        assert_eq!(version(&Database::create(&path).unwrap()).unwrap(), Some(SCHEMA_VERSION + 6));
        assert_eq!(before.len(), std::fs::read(&path).unwrap().len());
    }

    #[test]
    fn an_older_schema_is_migrated_step_by_step_in_one_transaction() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        set_version(&path, 1);
        let database = Database::create(&path).unwrap();
        let migrations: [Migration; 2] = [
            |t| t.open_table(definition("a")).map(drop).map_err(Into::into),
            |t| t.open_table(definition("a"))?.insert("k", b"1".as_slice()).map(drop).map_err(Into::into),
        ];
        migrate(&database, &path, &migrations).unwrap();
        assert_eq!(version(&database).unwrap(), Some(3));
        let read = database.begin_read().unwrap();
        assert_eq!(read.open_table(definition("a")).unwrap().get("k").unwrap().unwrap().value(), b"1");
    }

    #[test]
    fn a_failed_migration_leaves_the_old_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        set_version(&path, 1);
        let database = Database::create(&path).unwrap();
        let migrations: [Migration; 1] = [|_| Err(redb::Error::Corrupted("made up".to_owned()))];
        let message = migrate(&database, &path, &migrations).unwrap_err().to_string();
        assert!(message.contains("from schema version 1: "), "{message}");
        assert_eq!(version(&database).unwrap(), Some(1));
    }
}
