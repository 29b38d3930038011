//! Reading logs back: the last N records found from the end, filters, and following a growing file.

use super::record::Record;
use super::time::{now, rfc3339_fixed};
use super::writer::{LogFile, Progress, open_rotated};
use crate::state::UnixNanos;
use crate::streams::{Frame, Stream};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How much of a file is taken into memory at once, bytes; a longer record is read whole all the same.
const BLOCK: usize = 64 * 1024;

/// Which part of the past is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tail {
    #[default]
    All,
    Last(u64),
}

impl Tail {
    /// `all`, empty, a negative number or nonsense mean everything, as in dockerd.
    pub fn parse(text: &str) -> Tail {
        text.parse().map_or(Tail::All, Tail::Last)
    }
}

/// `GET /containers/{id}/logs`.
#[derive(Debug, Clone, Default)]
pub struct LogsRequest {
    pub stdout: bool,
    pub stderr: bool,
    pub follow: bool,
    pub timestamps: bool,
    /// Put the record's `attrs` before the text.
    pub details: bool,
    pub since: Option<UnixNanos>,
    pub until: Option<UnixNanos>,
    pub tail: Tail,
}

/// A position in a container's log files.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    request: LogsRequest,
    /// Oldest first; the last one is the newest when this reader was made.
    files: VecDeque<File>,
    offset: u64,
    /// Bytes read of a record whose end is not there yet.
    rest: Vec<u8>,
    rotations: u64,
    /// Locked while the writer renames files.
    names: Arc<Mutex<()>>,
    progress: watch::Receiver<Progress>,
    done: bool,
}

/// What one step of reading brought.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) frames: Vec<Frame>,
    /// Everything written so far has been read.
    pub(crate) at_end: bool,
}

impl Reader {
    /// Opens the files as they are now; the caller holds `log`, so that no rotation comes between.
    pub(crate) fn open(path: &Path, log: &LogFile, request: LogsRequest) -> io::Result<Reader> {
        let progress = log.subscribe();
        let rotations = progress.borrow().rotations;
        let mut files = VecDeque::new();
        let mut wanted = match request.tail {
            Tail::All => u64::MAX,
            Tail::Last(count) => count,
        };
        let mut offset = 0;
        for number in 0.. {
            if number > 0 && wanted == 0 {
                break;
            }
            let file = match open_rotated(path, number) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            offset = 0;
            if wanted != u64::MAX {
                (offset, wanted) = tail_offset(&file, wanted)?;
            }
            files.push_front(file);
        }
        Ok(Reader {
            path: path.to_owned(),
            request,
            files,
            offset,
            rest: Vec::new(),
            rotations,
            names: log.names(),
            progress,
            done: false,
        })
    }

    /// Reads the next block.
    pub(crate) fn read(&mut self) -> io::Result<Batch> {
        let mut frames = Vec::new();
        let Some(file) = self.files.front() else {
            return Ok(Batch { frames, at_end: true });
        };
        let start = self.rest.len();
        self.rest.resize(start + BLOCK, 0);
        let count = file.read_at(&mut self.rest[start..], self.offset)?;
        self.rest.truncate(start + count);
        self.offset += count as u64;
        if count == 0 {
            return Ok(Batch { frames, at_end: !self.next_file()? });
        }
        let rest = std::mem::take(&mut self.rest);
        let mut lines = rest.split_inclusive(|byte| *byte == b'\n');
        for line in &mut lines {
            if line.last() != Some(&b'\n') {
                self.rest = line.to_vec();
                break;
            }
            if self.done {
                break;
            }
            if let Some(frame) = self.frame(line) {
                frames.push(frame);
            }
        }
        Ok(Batch { frames, at_end: self.done })
    }

    /// No more can come: the end of the time range was passed.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Goes on to the file behind the one just finished; `false` when that was the newest.
    fn next_file(&mut self) -> io::Result<bool> {
        if self.files.len() > 1 {
            self.files.pop_front();
        } else {
            // No rotation comes between the count and the names that it stands for.
            let names = Arc::clone(&self.names);
            let _held = names.lock().unwrap_or_else(PoisonError::into_inner);
            let rotations = self.progress.borrow().rotations;
            if rotations == self.rotations {
                return Ok(false);
            }
            if let Some(last) = self.files.front()
                && last.metadata()?.len() > self.offset
            {
                // Written after we had come to its end and before it was rotated away.
                return Ok(true);
            }
            let mut newer = VecDeque::new();
            for number in (0..rotations - self.rotations).rev() {
                match open_rotated(&self.path, number) {
                    Ok(file) => newer.push_back(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            self.rotations = rotations;
            if newer.is_empty() {
                return Ok(false);
            }
            self.files = newer;
        }
        self.offset = 0;
        self.rest.clear();
        Ok(true)
    }

    fn frame(&mut self, line: &[u8]) -> Option<Frame> {
        // A line that is not a record was written by somebody else or hit by a disk fault: skip it.
        let record: Record<'_> = serde_json::from_slice(line).ok()?;
        let stream = record.stream()?;
        match stream {
            Stream::Stdout if !self.request.stdout => return None,
            Stream::Stderr if !self.request.stderr => return None,
            Stream::Stdin | Stream::Stdout | Stream::Stderr => {}
        }
        let needs_time = self.request.timestamps || self.request.since.is_some() || self.request.until.is_some();
        let time = if needs_time { record.nanos() } else { None };
        if let (Some(since), Some(time)) = (self.request.since, time)
            && time < since
        {
            return None;
        }
        if let (Some(until), Some(time)) = (self.request.until, time)
            && time > until
        {
            self.done = true;
            return None;
        }
        let mut bytes = Vec::with_capacity(record.log.len() + 40);
        if self.request.timestamps
            && let Some(time) = time
        {
            bytes.extend_from_slice(rfc3339_fixed(time).as_bytes());
            bytes.push(b' ');
        }
        if self.request.details {
            let attrs: Vec<_> =
                record.attrs.iter().map(|(key, value)| format!("{}={}", quote(key), quote(value))).collect();
            bytes.extend_from_slice(attrs.join(",").as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(record.log.as_bytes());
        Some(Frame { stream, bytes: bytes.into() })
    }
}

/// Query escaping, as dockerd applies it to names and values of `--details`.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => quoted.push(char::from(byte)),
            b' ' => quoted.push('+'),
            other => quoted.push_str(&format!("%{other:02X}")),
        }
    }
    quoted
}

/// Where the last `wanted` records of `file` begin, and how many of them older files must bring.
fn tail_offset(file: &File, wanted: u64) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    if wanted == 0 {
        return Ok((length, 0));
    }
    let mut found = 0;
    let mut block = vec![0; BLOCK];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let window = &mut block[..usize::try_from(end - start).expect("at most one block")];
        file.read_exact_at(window, start)?;
        for (at, byte) in window.iter().enumerate().rev() {
            let position = start + at as u64;
            // The newline at the very end closes the last record, it does not begin one.
            if *byte == b'\n' && position + 1 < length {
                found += 1;
                if found == wanted {
                    return Ok((position + 1, 0));
                }
            }
        }
        end = start;
    }
    if length > 0 {
        found += 1;
    }
    Ok((0, wanted.saturating_sub(found)))
}

/// Sends what `reader` finds, and with `follow` what comes later, until the run ends or the receiver is dropped.
pub(crate) fn read_logs(
    mut reader: Reader,
    mut progress: watch::Receiver<Progress>,
) -> mpsc::Receiver<io::Result<Frame>> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let before = *progress.borrow_and_update();
            let step = tokio::task::spawn_blocking(move || {
                let batch = reader.read();
                (reader, batch)
            });
            let Ok((returned, batch)) = step.await else { return };
            reader = returned;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    // The receiver may be gone already; then nobody wants the error.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            for frame in batch.frames {
                if sender.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
            if !batch.at_end {
                continue;
            }
            if reader.is_done() || !reader.request.follow || before.ended {
                return;
            }
            let deadline = reader
                .request
                .until
                .map(|until| Duration::from_nanos(u64::try_from(until.saturating_sub(now())).unwrap_or(0)));
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
                () = tokio::time::sleep(deadline.unwrap_or(Duration::MAX)), if deadline.is_some() => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::super::{LogOptions, encode, rfc3339};
    use super::*;
    use std::collections::BTreeMap;

    struct Fixture {
        dir: tempfile::TempDir,
        log: LogFile,
    }

    impl Fixture {
        fn new(options: &[(&str, &str)]) -> Fixture {
            let dir = tempfile::tempdir().expect("temporary directory");
            let options: BTreeMap<_, _> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let options = LogOptions::parse("json-file", &options).expect("valid");
            let log = LogFile::open(&dir.path().join("log.json"), &options).expect("open");
            Fixture { dir, log }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("log.json")
        }

        fn write(&mut self, text: &str, stream: Stream, seconds: i64) {
            let mut line = Vec::new();
            encode(&mut line, text.as_bytes(), stream, "", &rfc3339(seconds * 1_000_000_000));
            self.log.append(&line).expect("append");
        }

        async fn read(&self, request: LogsRequest) -> String {
            let reader = Reader::open(&self.path(), &self.log, request).expect("open");
            let mut frames = read_logs(reader, self.log.subscribe());
            let mut text = String::new();
            while let Some(frame) = frames.recv().await {
                text.push_str(std::str::from_utf8(&frame.expect("read").bytes).expect("UTF-8"));
            }
            text
        }
    }

    fn both() -> LogsRequest {
        LogsRequest { stdout: true, stderr: true, ..LogsRequest::default() }
    }

    #[tokio::test]
    async fn filters_and_tail() {
        let mut fixture = Fixture::new(&[]);
        for number in 1..=5 {
            let stream = if number % 2 == 0 { Stream::Stderr } else { Stream::Stdout };
            fixture.write(&format!("{number}\n"), stream, 1000 + number);
        }
        assert_eq!(fixture.read(both()).await, "1\n2\n3\n4\n5\n");
        assert_eq!(fixture.read(LogsRequest { stderr: false, ..both() }).await, "1\n3\n5\n");
        assert_eq!(fixture.read(LogsRequest { tail: Tail::Last(2), ..both() }).await, "4\n5\n");
        assert_eq!(fixture.read(LogsRequest { tail: Tail::Last(0), ..both() }).await, "");
        assert_eq!(fixture.read(LogsRequest { tail: Tail::Last(99), ..both() }).await, "1\n2\n3\n4\n5\n");
        let second = 1_000_000_000;
        assert_eq!(fixture.read(LogsRequest { since: Some(1004 * second), ..both() }).await, "4\n5\n");
        assert_eq!(fixture.read(LogsRequest { until: Some(1002 * second), ..both() }).await, "1\n2\n");
        assert_eq!(
            fixture.read(LogsRequest { timestamps: true, tail: Tail::Last(1), ..both() }).await,
            "1970-01-01T00:16:45.000000000Z 5\n"
        );
    }

    #[tokio::test]
    async fn tail_reaches_into_rotated_files_and_across_blocks() {
        let mut fixture = Fixture::new(&[("max-size", "100k"), ("max-file", "4")]);
        for number in 0..4000 {
            fixture.write(&format!("{number}\n"), Stream::Stdout, 1000);
        }
        let text = fixture.read(LogsRequest { tail: Tail::Last(3000), ..both() }).await;
        let expected: String = (1000..4000).map(|number| format!("{number}\n")).collect();
        assert!(text == expected, "{} lines", text.lines().count());
    }

    #[tokio::test]
    async fn a_follower_sees_rotation_and_the_end() {
        let mut fixture = Fixture::new(&[("max-size", "1k"), ("max-file", "50")]);
        fixture.write("0\n", Stream::Stdout, 1000);
        let request = LogsRequest { follow: true, ..both() };
        let reader = Reader::open(&fixture.path(), &fixture.log, request).expect("open");
        let mut frames = read_logs(reader, fixture.log.subscribe());
        for number in 1..300 {
            fixture.write(&format!("{number}\n"), Stream::Stdout, 1000);
        }
        fixture.log.set_ended(true);
        let mut text = String::new();
        while let Some(frame) = frames.recv().await {
            text.push_str(std::str::from_utf8(&frame.expect("read").bytes).expect("UTF-8"));
        }
        let expected: String = (0..300).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn rotations_between_the_end_of_a_file_and_the_next_lose_nothing() {
        let mut fixture = Fixture::new(&[("max-size", "64"), ("max-file", "9")]);
        fixture.write("0\n", Stream::Stdout, 1000);
        let mut reader =
            Reader::open(&fixture.path(), &fixture.log, LogsRequest { follow: true, ..both() }).expect("open");
        let mut text = String::new();
        let mut step = |reader: &mut Reader| {
            let batch = reader.read().expect("read");
            for frame in batch.frames {
                text.push_str(std::str::from_utf8(&frame.bytes).expect("UTF-8"));
            }
            batch.at_end
        };
        while !step(&mut reader) {}
        // Each is a file of its own by the next write: several rotations pass before the reader looks again.
        for number in 1..5 {
            fixture.write(&format!("{number}\n"), Stream::Stdout, 1000);
        }
        step(&mut reader);
        for number in 5..8 {
            fixture.write(&format!("{number}\n"), Stream::Stdout, 1000);
        }
        while !step(&mut reader) {}
        assert_eq!(text, "0\n1\n2\n3\n4\n5\n6\n7\n");
    }

    #[tokio::test]
    async fn packed_files_are_read_like_others() {
        let mut fixture = Fixture::new(&[("max-size", "1k"), ("max-file", "90"), ("compress", "true")]);
        for number in 0..300 {
            fixture.write(&format!("{number}\n"), Stream::Stdout, 1000);
        }
        let expected: String = (0..300).map(|number| format!("{number}\n")).collect();
        assert_eq!(fixture.read(both()).await, expected);
        assert_eq!(fixture.read(LogsRequest { tail: Tail::Last(250), ..both() }).await.lines().next(), Some("50"));
    }

    #[tokio::test]
    async fn a_torn_last_record_is_not_shown() {
        let mut fixture = Fixture::new(&[]);
        fixture.write("whole\n", Stream::Stdout, 1000);
        fixture.log.append(b"{\"log\":\"torn").expect("append");
        assert_eq!(fixture.read(both()).await, "whole\n");
    }
}
