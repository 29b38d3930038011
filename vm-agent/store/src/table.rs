//! Typed views of the tables, and batches of writes.

use std::fmt;
use std::marker::PhantomData;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::writer::Operation;
use crate::{Durability, Error, Result, Store};

/// One named table of JSON values. Cheap to clone; reads do not wait for writers.
pub struct Table<T> {
    store: Store,
    name: &'static str,
    values: PhantomData<fn() -> T>,
}

impl<T> Table<T> {
    pub(crate) fn new(store: Store, name: &'static str) -> Table<T> {
        Table { store, name, values: PhantomData }
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Table::new(self.store.clone(), self.name)
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The value under `key`, as the last resolved write left it.
    pub fn get(&self, key: &str) -> Result<Option<T>> {
        let database = self.store.inner.database.get()?;
        let Some(table) = self.open(&database)? else { return Ok(None) };
        let Some(value) = table.get(key).map_err(|e| self.read_error(&e))? else { return Ok(None) };
        self.decode(key, value.value()).map(Some)
    }

    /// Every key and value, by key.
    pub fn all(&self) -> Result<Vec<(String, T)>> {
        let database = self.store.inner.database.get()?;
        let Some(table) = self.open(&database)? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for entry in table.iter().map_err(|e| self.read_error(&e))? {
            let (key, value) = entry.map_err(|e| self.read_error(&e))?;
            all.push((key.value().to_owned(), self.decode(key.value(), value.value())?));
        }
        Ok(all)
    }

    /// Writes one value.
    pub async fn put(&self, key: &str, value: &T, durability: Durability) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(self, key, value);
        self.store.write(batch, durability).await
    }

    /// Removes one value; a key that is not there is no error.
    pub async fn remove(&self, key: &str, durability: Durability) -> Result<()> {
        let mut batch = Batch::new();
        batch.remove(self, key);
        self.store.write(batch, durability).await
    }

    fn open(&self, database: &Database) -> Result<Option<redb::ReadOnlyTable<&'static str, &'static [u8]>>> {
        let transaction = database.begin_read().map_err(|e| self.read_error(&e))?;
        match transaction.open_table(definition(self.name)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(e) => Err(self.read_error(&e)),
        }
    }

    fn decode(&self, key: &str, value: &[u8]) -> Result<T> {
        serde_json::from_slice(value).map_err(|e| Error::Shape {
            table: self.name,
            key: key.to_owned(),
            cause: e.to_string(),
        })
    }

    fn read_error(&self, cause: &dyn fmt::Display) -> Error {
        // An I/O error ends the open database for writers as well: the next one opens it again, and this is one.
        let _ = self.store.inner.writer.submit(Vec::new(), Durability::Durable);
        Error::Read { table: self.name, cause: cause.to_string() }
    }
}

/// Writes that happen together or not at all, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Batch {
    operations: Vec<Operation>,
    failed: Option<Error>,
}

impl Batch {
    /// An empty batch; writing it durably is a barrier behind all earlier writes.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds a write. A value that cannot become JSON fails the whole batch when it is written.
    pub fn put<T: Serialize + DeserializeOwned>(&mut self, table: &Table<T>, key: &str, value: &T) {
        match serde_json::to_vec(value) {
            Ok(json) => {
                self.operations.push(Operation { table: table.name, key: key.to_owned(), value: Some(json) });
            }
            Err(e) => {
                self.failed.get_or_insert(Error::Shape {
                    table: table.name,
                    key: key.to_owned(),
                    cause: e.to_string(),
                });
            }
        }
    }

    /// Adds a removal; a key that is not there is no error.
    pub fn remove<T>(&mut self, table: &Table<T>, key: &str) {
        self.operations.push(Operation { table: table.name, key: key.to_owned(), value: None });
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.failed.is_none()
    }

    pub(crate) fn into_operations(self) -> Result<Vec<Operation>> {
        match self.failed {
            Some(e) => Err(e),
            None => Ok(self.operations),
        }
    }
}

/// Every table has string keys and JSON bytes.
pub(crate) fn definition(name: &'static str) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(name)
}
