//! The writing end of a container's log files.

use super::LogOptions;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// How far the files have come; followers wait on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How often `log.json` was rotated away since this engine opened it.
    pub(crate) rotations: u64,
    /// Bytes in the newest file.
    pub(crate) size: u64,
    /// The container's run is over; nothing more comes until the next.
    pub(crate) ended: bool,
}

/// Owns the files of one container.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    max_size: Option<u64>,
    max_files: u32,
    progress: watch::Sender<Progress>,
}

impl LogFile {
    /// Opens or creates `path`; a last record without its newline, torn by a crash, is cut off.
    pub(crate) fn open(path: &Path, options: &LogOptions) -> io::Result<LogFile> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let whole = last_newline(&file, length)?;
        if whole < length {
            file.set_len(whole)?;
        }
        let progress = watch::Sender::new(Progress { size: whole, ..Progress::default() });
        Ok(LogFile { path: path.to_owned(), file, max_size: options.max_size, max_files: options.max_files, progress })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Appends whole records.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let size = self.progress.borrow().size;
        if self.max_size.is_some_and(|max| size >= max) {
            self.rotate()?;
        }
        self.file.write_all(records)?;
        self.progress.send_modify(|progress| progress.size += records.len() as u64);
        Ok(())
    }

    /// Tells followers that the run is over, or that another began.
    pub(crate) fn set_ended(&self, ended: bool) {
        self.progress.send_if_modified(|progress| {
            let changed = progress.ended != ended;
            progress.ended = ended;
            changed
        });
    }

    fn rotate(&mut self) -> io::Result<()> {
        let absent_is_fine = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        if self.max_files > 1 {
            for number in (1..self.max_files - 1).rev() {
                absent_is_fine(std::fs::rename(
                    rotated(&self.path, u64::from(number)),
                    rotated(&self.path, u64::from(number) + 1),
                ))?;
            }
            std::fs::rename(&self.path, rotated(&self.path, 1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        self.file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        self.progress.send_modify(|progress| {
            progress.rotations += 1;
            progress.size = 0;
        });
        Ok(())
    }
}

/// `log.json` for 0, `log.json.N` for the Nth before it.
pub(crate) fn rotated(path: &Path, number: u64) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Offset just behind the last newline before `length`.
fn last_newline(file: &File, length: u64) -> io::Result<u64> {
    let mut block = vec![0; 64 * 1024];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let window = &mut block[..usize::try_from(end - start).expect("at most one block")];
        file.read_exact_at(window, start)?;
        if let Some(at) = window.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn options(pairs: &[(&str, &str)]) -> LogOptions {
        let pairs: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LogOptions::parse("json-file", &pairs).expect("valid options")
    }

    #[test]
    fn a_torn_record_is_cut_at_open() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("log.json");
        std::fs::write(&path, b"{\"log\":\"a\\n\"}\n{\"log\":\"torn").expect("write");
        let mut log = LogFile::open(&path, &options(&[])).expect("open");
        log.append(b"{}\n").expect("append");
        assert_eq!(std::fs::read(&path).expect("read"), b"{\"log\":\"a\\n\"}\n{}\n");
    }

    #[test]
    fn rotation_keeps_the_number_of_files() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("log.json");
        let mut log = LogFile::open(&path, &options(&[("max-size", "4"), ("max-file", "3")])).expect("open");
        for text in ["one\n", "two\n", "three\n", "four\n"] {
            log.append(text.as_bytes()).expect("append");
        }
        let read = |number| std::fs::read_to_string(rotated(&path, number)).ok();
        assert_eq!(read(0).as_deref(), Some("four\n"));
        assert_eq!(read(1).as_deref(), Some("three\n"));
        assert_eq!(read(2).as_deref(), Some("two\n"));
        assert_eq!(read(3), None);
    }
}
