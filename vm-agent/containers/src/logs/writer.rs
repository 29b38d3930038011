//! The writing end of a container's log files.

use super::LogOptions;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
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
    /// Opened by the first record: a thousand containers that say nothing hold no file.
    file: Option<File>,
    max_size: Option<u64>,
    max_files: u32,
    compress: bool,
    /// Packs the file that was rotated away last.
    packing: Option<JoinHandle<()>>,
    /// Held while files change their names; a reader that goes on to the next file holds it, too.
    names: Arc<Mutex<()>>,
    progress: watch::Sender<Progress>,
}

impl LogFile {
    /// Opens or creates `path`; a last record without its newline, torn by a crash, is cut off.
    pub(crate) fn open(path: &Path, options: &LogOptions) -> io::Result<LogFile> {
        let mut file = append_to(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let whole = last_newline(&file, length)?;
        if whole < length {
            file.set_len(whole)?;
        }
        // Whoever reads the log finds the file from now on; it is opened again by the first record.
        let progress = watch::Sender::new(Progress { size: whole, ..Progress::default() });
        Ok(LogFile {
            path: path.to_owned(),
            file: None,
            max_size: options.max_size,
            max_files: options.max_files,
            compress: options.compress,
            packing: None,
            names: Arc::default(),
            progress,
        })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What keeps the files' names as they are while it is locked.
    pub(super) fn names(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.names)
    }

    /// Appends whole records; a file that has come to its size with one of them gets no more.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let mut rest = records;
        while !rest.is_empty() {
            let size = self.progress.borrow().size;
            let some = match self.max_size {
                None => rest.len(),
                Some(max) if size < max => whole(rest, max - size),
                Some(max) => {
                    self.rotate()?;
                    whole(rest, max)
                }
            };
            let (records, later) = rest.split_at(some);
            let file = match &mut self.file {
                Some(file) => file,
                closed => closed.insert(append_to(&self.path)?),
            };
            file.write_all(records)?;
            self.progress.send_modify(|progress| progress.size += records.len() as u64);
            rest = later;
        }
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
        if let Some(packing) = self.packing.take() {
            // It logs its own failures, and a file that is not packed is read as it is.
            let _ = packing.join();
        }
        let names = Arc::clone(&self.names);
        let _held = names.lock().unwrap_or_else(PoisonError::into_inner);
        if self.max_files > 1 {
            for number in (1..u64::from(self.max_files) - 1).rev() {
                shift(&self.path, number)?;
            }
            if self.max_files == 2 {
                absent_is_fine(std::fs::remove_file(packed(&rotated(&self.path, 1))))?;
            }
            std::fs::rename(&self.path, rotated(&self.path, 1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        self.file = Some(append_to(&self.path)?);
        self.progress.send_modify(|progress| {
            progress.rotations += 1;
            progress.size = 0;
        });
        if self.compress && self.max_files > 1 {
            let path = rotated(&self.path, 1);
            let pack = move || {
                if let Err(error) = pack(&path) {
                    tracing::warn!(path = %path.display(), %error, "a log file that was rotated away stays as it is");
                }
            };
            self.packing = Some(std::thread::Builder::new().name("pack a log".to_owned()).spawn(pack)?);
        }
        Ok(())
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        if let Some(packing) = self.packing.take() {
            // Nobody may open the files while they change.
            let _ = packing.join();
        }
    }
}

/// The length of the first records that take `wanted` bytes at least, or of all.
fn whole(records: &[u8], wanted: u64) -> usize {
    let from = usize::try_from(wanted).unwrap_or(usize::MAX).saturating_sub(1).min(records.len());
    let end = records[from..].iter().position(|byte| *byte == b'\n');
    end.map_or(records.len(), |at| from + at + 1)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).read(true).append(true).open(path)
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes number `number` the next higher one, packed or not.
fn shift(path: &Path, number: u64) -> io::Result<()> {
    let (from, to) = (rotated(path, number), rotated(path, number + 1));
    absent_is_fine(std::fs::remove_file(packed(&to)))?;
    absent_is_fine(std::fs::remove_file(&to))?;
    absent_is_fine(std::fs::rename(packed(&from), packed(&to)))?;
    absent_is_fine(std::fs::rename(&from, &to))
}

/// Replaces a file by its gzip. One of the two is there at any moment; both mean the same.
fn pack(path: &Path) -> io::Result<()> {
    let (target, half) = (packed(path), path.with_extension("packing"));
    let mut encoder = flate2::write::GzEncoder::new(File::create(&half)?, flate2::Compression::default());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    std::fs::rename(half, target)?;
    std::fs::remove_file(path)
}

/// Opens number `number` for reading; of a packed one a copy that is unpacked and has no name.
pub(super) fn open_rotated(path: &Path, number: u64) -> io::Result<File> {
    let plain = rotated(path, number);
    match File::open(&plain) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => {}
        opened => return opened,
    }
    let mut decoder = flate2::read::MultiGzDecoder::new(File::open(packed(&plain))?);
    let folder = path.parent().unwrap_or(Path::new("."));
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::open(folder, flags, rustix::fs::Mode::RUSR)?);
    io::copy(&mut decoder, &mut copy)?;
    Ok(copy)
}

fn packed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
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

    /// Much may come at once.
    #[test]
    fn records_that_come_together_are_kept_apart() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("log.json");
        let mut log = LogFile::open(&path, &options(&[("max-size", "6"), ("max-file", "3")])).expect("open");
        log.append(b"1\n22\n3\n44\n5\n666666666\n7\n8\n9\n").expect("append");
        let read = |number| std::fs::read_to_string(rotated(&path, number)).ok();
        assert_eq!(
            [read(0), read(1), read(2), read(3)].map(Option::unwrap_or_default),
            ["7\n8\n9\n", "44\n5\n666666666\n", "1\n22\n3\n", ""].map(str::to_owned)
        );
    }

    #[test]
    fn rotated_files_are_packed_and_read_back() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("log.json");
        let pairs = [("max-size", "4"), ("max-file", "3"), ("compress", "true")];
        let mut log = LogFile::open(&path, &options(&pairs)).expect("open");
        for text in ["one\n", "two\n", "three\n", "four\n"] {
            log.append(text.as_bytes()).expect("append");
        }
        drop(log);
        let names = |dir: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(dir)
                .expect("list")
                .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(dir.path()), ["log.json", "log.json.1.gz", "log.json.2.gz"]);
        let read = |number| {
            let file = open_rotated(&path, number).expect("open");
            let mut text = vec![0; usize::try_from(file.metadata().expect("metadata").len()).expect("short")];
            file.read_exact_at(&mut text, 0).expect("read");
            String::from_utf8(text).expect("text")
        };
        assert_eq!((read(0), read(1), read(2)), ("four\n".into(), "three\n".into(), "two\n".into()));
        assert_eq!(open_rotated(&path, 3).expect_err("three are kept").kind(), io::ErrorKind::NotFound);
    }
}
