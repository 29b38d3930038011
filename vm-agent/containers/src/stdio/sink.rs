//! Where a container's output is logged.

use super::rest::Rest;
use crate::logs::{LogFile, LogOptions, LogsRequest, Progress, Reader, Splitter, encode, now, rfc3339};
use crate::streams::Stream;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The log files of one container and the unfinished lines of its streams.
#[derive(Debug)]
pub(crate) struct LogSink {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: LogFile,
    /// JSON object for `attrs`, or empty.
    attrs: String,
    stdout: Line,
    stderr: Line,
}

/// The unfinished line of one stream; also on disk, so that an engine that is killed does not lose it.
#[derive(Debug)]
struct Line {
    rest: Rest,
    splitter: Splitter,
}

impl LogSink {
    /// Opens `log.json` in the container's directory `dir`; blocking.
    pub(crate) fn open(dir: &Path, options: &LogOptions, attrs: String) -> io::Result<LogSink> {
        let path = dir.join("log.json");
        let file = LogFile::open(&path, options)?;
        let (stdout, stderr) = (Line::open(dir.join("stdout.part"))?, Line::open(dir.join("stderr.part"))?);
        Ok(LogSink { path, inner: Mutex::new(Inner { file, attrs, stdout, stderr }) })
    }

    /// Logs what one read brought; blocking.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let Inner { file, attrs, stdout, stderr } = &mut *inner;
        let line = if stream == Stream::Stderr { stderr } else { stdout };
        // Each record has a time of its own, though one read brought them all: `logs --since` tells them apart.
        let mut time = now();
        let mut records = Vec::new();
        line.splitter.push(bytes, |message| {
            encode(&mut records, message, stream, attrs, &rfc3339(time));
            time += 1;
        });
        if !records.is_empty() {
            file.append(&records)?;
        }
        line.save()
    }

    /// A run began.
    pub(crate) fn begin(&self) {
        self.inner().file.set_ended(false);
    }

    /// The run is over: unfinished lines become records, followers end; blocking.
    pub(crate) fn end(&self) -> io::Result<()> {
        let mut inner = self.inner();
        let Inner { file, attrs, stdout, stderr } = &mut *inner;
        let time = rfc3339(now());
        let mut records = Vec::new();
        stdout.splitter.finish(|message| encode(&mut records, message, Stream::Stdout, attrs, &time));
        stderr.splitter.finish(|message| encode(&mut records, message, Stream::Stderr, attrs, &time));
        let written = if records.is_empty() { Ok(()) } else { file.append(&records) };
        file.set_ended(true);
        written.and_then(|()| stdout.save()).and_then(|()| stderr.save())
    }

    /// A reader at the place that `request` asks for, and the progress to follow; blocking.
    pub(crate) fn reader(&self, request: LogsRequest) -> io::Result<(Reader, watch::Receiver<Progress>)> {
        let inner = self.inner();
        Ok((Reader::open(&self.path, &inner.file, request)?, inner.file.subscribe()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic between two writes leaves whole records behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn open(path: PathBuf) -> io::Result<Line> {
        let (rest, line) = Rest::open(path)?;
        Ok(Line { rest, splitter: Splitter::with_rest(line) })
    }

    /// Brings the disk in line with the splitter.
    fn save(&mut self) -> io::Result<()> {
        self.rest.save(self.splitter.rest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_unfinished_line_survives_the_engine() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let options = LogOptions::parse("json-file", &BTreeMap::new()).expect("default");
        let sink = LogSink::open(dir.path(), &options, String::new()).expect("open");
        sink.write(Stream::Stdout, b"whole\nunfin").expect("write");
        drop(sink);
        let sink = LogSink::open(dir.path(), &options, String::new()).expect("open again");
        sink.write(Stream::Stdout, b"ished\n").expect("write");
        sink.write(Stream::Stderr, b"last").expect("write");
        sink.end().expect("end");
        let text = std::fs::read_to_string(dir.path().join("log.json")).expect("read");
        let logs: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["log"].as_str().expect("text").to_owned()
            })
            .collect();
        assert_eq!(logs, ["whole\n", "unfinished\n", "last"]);
        assert!(!dir.path().join("stdout.part").exists());
        assert!(!dir.path().join("stderr.part").exists());
    }
}
