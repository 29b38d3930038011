//! The journal: eventual writes that the database has in memory only, in a file of their own.
//!
//! A killed process loses what `redb` has not flushed; the page cache of the kernel outlives it. Every eventual group is
//! therefore appended here without an `fsync`, and replayed at the next open. A power cut may take the journal's end with
//! it: a torn record ends the replay.
//!
//! ```text
//! record = generation u64 | length u32 | CRC-32 of generation and body u32 | body: JSON [[table, key, value or null], ...]
//! ```
//!
//! Each durable commit makes everything before it superfluous. It raises the generation in the database, in its own
//! transaction, so that records of an older generation are never replayed over newer values, whichever of the two files a
//! crash leaves behind.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, TableDefinition, TableError};

use crate::writer::Operation;
use crate::{Error, Result};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("journal");
const GENERATION: &str = "generation";
const HEADER: usize = 16;

/// What the journal needs of its file, which is open for appending.
pub(crate) trait Medium: Write {
    fn set_len(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }
}

/// The open journal; it belongs to the writer thread.
#[derive(Debug)]
pub(crate) struct Journal<M = File> {
    file: M,
    generation: u64,
    /// Bytes of whole records.
    length: u64,
    /// There may be more bytes than that: what a failed write left. A record behind them would never be read.
    torn: bool,
}

impl Journal {
    /// Opens the journal beside the database and brings into the database what only the journal has: in memory, where it was
    /// before, so that nothing needs room on a disk that may be full. The records stay until the next durable commit.
    pub(crate) fn open(store: &Path, database: &Database) -> Result<Journal> {
        let path = store.with_extension("journal");
        let failed = |cause: &dyn std::fmt::Display| Error::Open { path: path.clone(), cause: cause.to_string() };
        let generation = generation(database).map_err(|e| failed(&e))?;
        let (file, bytes) = read(&path).map_err(|e| failed(&e))?;
        let (records, length) = records(&bytes, generation);
        replay(database, &records).map_err(|e| failed(&e))?;
        // Whatever follows the whole records would hide what is appended.
        file.set_len(length).map_err(|e| failed(&e))?;
        Ok(Journal { file, generation, length, torn: false })
    }
}

impl<M: Medium> Journal<M> {
    /// Whether it has what the database has in memory only.
    pub(crate) fn is_needed(&self) -> bool {
        self.length > 0
    }

    /// Keeps a group of eventual writes through the death of this process.
    pub(crate) fn append<'a>(&mut self, operations: impl Iterator<Item = &'a Operation>) -> io::Result<()> {
        let rows: Vec<_> = operations
            .map(|operation| {
                let value = operation.value.as_deref().map(std::str::from_utf8).transpose();
                value.map(|value| (operation.table, operation.key.as_str(), value))
            })
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
        let record = encode(self.generation, &serde_json::to_vec(&rows)?)?;
        if self.torn {
            self.cut_to(self.length)?;
        }
        // One write: a killed process leaves all of it or a torn end.
        match self.file.write_all(&record) {
            Ok(()) => {
                self.length += record.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = true;
                // When this fails too, nothing is appended before it was done.
                let _ = self.cut_to(self.length);
                Err(error)
            }
        }
    }

    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        (self.length, self.torn) = (length, false);
        Ok(())
    }

    /// Puts the generation that [`Journal::committed`] will have into a durable transaction.
    pub(crate) fn supersede(&self, transaction: &redb::WriteTransaction) -> Result<(), redb::Error> {
        transaction.open_table(META)?.insert(GENERATION, self.generation + 1)?;
        Ok(())
    }

    /// After a durable commit: the database has everything.
    pub(crate) fn committed(&mut self) {
        self.generation += 1;
        if self.length > 0 || self.torn {
            // Records of an older generation do no harm; they only take room.
            if let Err(error) = self.cut_to(0) {
                tracing::warn!(%error, "the journal of the metadata store was not emptied");
            }
        }
    }
}

fn generation(database: &Database) -> Result<u64, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(table) => Ok(table.get(GENERATION)?.map_or(0, |generation| generation.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(e) => Err(e.into()),
    }
}

fn read(path: &PathBuf) -> io::Result<(File, Vec<u8>)> {
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((file, bytes))
}

type Row = (String, String, Option<String>);

fn encode(generation: u64, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut record = Vec::with_capacity(HEADER + body.len());
    record.extend(generation.to_le_bytes());
    record.extend(length.to_le_bytes());
    record.extend(checksum(generation, body).to_le_bytes());
    record.extend(body);
    Ok(record)
}

fn checksum(generation: u64, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&generation.to_le_bytes());
    crc.update(body);
    crc.finalize()
}

/// The whole records of `generation`, in order, up to the first that is torn; and how many bytes of the journal are whole.
fn records(mut bytes: &[u8], generation: u64) -> (Vec<Vec<Row>>, u64) {
    let all = bytes.len();
    let mut records = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let found = u64::from_le_bytes(header[..8].try_into().expect("8 bytes"));
        let length = u32::from_le_bytes(header[8..12].try_into().expect("4 bytes")) as usize;
        let sum = u32::from_le_bytes(header[12..].try_into().expect("4 bytes"));
        let Some((body, rest)) = rest.split_at_checked(length) else { break };
        if checksum(found, body) != sum {
            break;
        }
        if found == generation {
            let Ok(rows) = serde_json::from_slice(body) else { break };
            records.push(rows);
        }
        bytes = rest;
    }
    (records, (all - bytes.len()) as u64)
}

fn replay(database: &Database, records: &[Vec<Row>]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(redb::Durability::None)?;
    for (table, key, value) in records.iter().flatten() {
        let mut table = transaction.open_table(TableDefinition::<&str, &[u8]>::new(table))?;
        match value {
            Some(value) => drop(table.insert(key.as_str(), value.as_bytes())?),
            None => drop(table.remove(key.as_str())?),
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str) -> Row {
        ("t".to_owned(), key.to_owned(), Some("1".to_owned()))
    }

    fn record(generation: u64, key: &str) -> Vec<u8> {
        encode(generation, &serde_json::to_vec(&[row(key)]).unwrap()).unwrap()
    }

    #[test]
    fn whole_records_of_the_generation_are_read_up_to_a_torn_one() {
        let whole = [record(6, "old"), record(7, "a"), record(7, "b")].concat();
        let expect = vec![vec![row("a")], vec![row("b")]];
        assert_eq!(records(&whole, 7), (expect.clone(), whole.len() as u64));
        for cut in 1..record(7, "c").len() {
            let torn = [whole.as_slice(), &record(7, "c")[..cut]].concat();
            assert_eq!(records(&torn, 7).0, expect, "cut at {cut}");
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(records(&flipped, 7).0, expect[..1]);
        assert_eq!(records(&[0; 64], 0), (Vec::new(), 0), "zeroes that a power cut left are no record");
    }

    /// A disk that takes so many bytes and, when it is stuck, does not let go of any.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        stuck: bool,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend(&bytes[..taken]);
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for Disk {
        fn set_len(&mut self, length: u64) -> io::Result<()> {
            if self.stuck {
                return Err(io::ErrorKind::Other.into());
            }
            self.bytes.truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    fn put(journal: &mut Journal<Disk>, key: &str) -> io::Result<()> {
        journal.append([Operation { table: "t", key: key.to_owned(), value: Some(b"1".to_vec()) }].iter())
    }

    /// A record behind a torn one would be lost at the next replay, after its writer was told that it is safe.
    #[test]
    fn nothing_is_appended_behind_a_torn_record() {
        let disk = Disk { room: record(7, "a").len() * 5 / 2, ..Disk::default() };
        let mut journal = Journal { file: disk, generation: 7, length: 0, torn: false };
        put(&mut journal, "a").unwrap();
        put(&mut journal, "b").unwrap();
        let whole = [vec![row("a")], vec![row("b")]];
        put(&mut journal, "c").unwrap_err();
        assert_eq!(journal.file.bytes.len() as u64, journal.length, "the torn record is cut off at once");
        journal.file.stuck = true;
        put(&mut journal, "c").unwrap_err();
        journal.file.room *= 2;
        put(&mut journal, "d").unwrap_err();
        assert_eq!(records(&journal.file.bytes, 7).0, whole, "nothing is taken before the torn record is cut off");
        journal.file.stuck = false;
        put(&mut journal, "d").unwrap();
        assert_eq!(records(&journal.file.bytes, 7).0, [&whole[..], &[vec![row("d")]]].concat());
    }

    /// The same when it is the emptying after a durable commit that fails.
    #[test]
    fn a_journal_that_was_not_emptied_goes_on_behind_its_old_records() {
        let disk = Disk { room: 1000, stuck: true, ..Disk::default() };
        let mut journal = Journal { file: disk, generation: 7, length: 0, torn: false };
        put(&mut journal, "a").unwrap();
        journal.committed();
        put(&mut journal, "b").unwrap();
        assert_eq!(records(&journal.file.bytes, 8).0, [vec![row("b")]]);
        journal.file.stuck = false;
        journal.committed();
        assert!(journal.file.bytes.is_empty());
    }
}
