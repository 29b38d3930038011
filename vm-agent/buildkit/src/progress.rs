//! What a build tells of its steps. It is kept, so that whoever asks gets it from the beginning.

use crate::history::record::CANCELED;
use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};
use futures_util::stream::{self, Stream};
use images::redact;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// Bytes that are kept of what one step says, as in BuildKit.
const LOG_LIMIT: usize = 2 << 20;

/// Bytes that are kept of a whole build, with what an event takes beside its words.
const LIMIT: usize = 32 << 20;
const EVENT: usize = 512;

/// What a command says within this time is told at once: programs may write single bytes.
const TOGETHER: Duration = Duration::from_millis(20);

/// The most of them in one message.
const PIECE: usize = 64 << 10;

/// How often the same transfer is told of.
const OFTEN: Duration = Duration::from_millis(100);

/// Events in one message.
const TAKEN: usize = 64;

/// The story of one build.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Makes the steps' digests differ from those of other builds.
    seed: String,
    told: Mutex<Told>,
    /// How many events there are, and whether there will be more.
    length: watch::Sender<(usize, bool)>,
}

#[derive(Debug, Default)]
struct Told {
    events: Vec<StatusResponse>,
    vertices: Vec<Vertex>,
    /// How many events somebody has already: those change no more.
    taken: usize,
    /// Bytes that all of them take, about.
    spent: usize,
    /// Bytes that each step said.
    said: Vec<usize>,
    /// Bytes that the steps of `begin_within` take, about.
    stepped: usize,
    transfers: HashMap<(usize, String), Transfer>,
}

#[derive(Debug)]
struct Transfer {
    started: Timestamp,
    /// When it was told of.
    told: Option<Instant>,
    current: u64,
}

pub(crate) fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp { seconds, nanos: since.subsec_nanos().cast_signed() }
}

impl Progress {
    pub(crate) fn new(seed: &str) -> Progress {
        let length = watch::Sender::new((0, false));
        Progress { seed: seed.to_owned(), told: Mutex::default(), length }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, mut told: MutexGuard<'_, Told>, event: StatusResponse) {
        told.spent += EVENT;
        told.events.push(event);
        self.length.send_modify(|(length, _)| *length = told.events.len());
    }

    /// A step begins; the number stands for it from now on. Its name may be words of a Dockerfile: addresses in it lose their users.
    pub(crate) fn begin(&self, name: String) -> usize {
        let name = redact::addresses(&name);
        let mut told = self.told();
        let step = told.vertices.len();
        let digest = Sha256::digest(format!("{} {step} {name}", self.seed));
        let digest = format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let vertex = Vertex { digest, name, started: Some(now()), ..Vertex::default() };
        told.vertices.push(vertex.clone());
        told.said.push(0);
        self.tell(told, StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() });
        step
    }

    /// As [`begin`](Progress::begin) behind the end of the step before, for steps by words that somebody else may say: there are none
    /// beyond a limit of their own, so that what a build says takes none of its steps away.
    pub(crate) fn begin_within(&self, name: String, before: Option<usize>) -> Option<usize> {
        {
            let mut told = self.told();
            // It is kept beside the events of its beginning and its end.
            let stepped = told.stepped + 3 * (name.len() + EVENT);
            if stepped > LIMIT {
                return None;
            }
            told.stepped = stepped;
        }
        if let Some(before) = before {
            self.end(before, None);
        }
        Some(self.begin(name))
    }

    pub(crate) fn cached(&self, step: usize) {
        self.told().vertices[step].cached = true;
    }

    /// A step's end, and why it failed, if it did.
    pub(crate) fn end(&self, step: usize, error: Option<&str>) {
        let mut told = self.told();
        let vertex = &mut told.vertices[step];
        vertex.completed = Some(now());
        vertex.error = redact::addresses(error.unwrap_or_default());
        let vertex = vertex.clone();
        self.tell(told, StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() });
    }

    /// The digest that a step goes by.
    pub(crate) fn digest(&self, step: usize) -> String {
        self.told().vertices[step].digest.clone()
    }

    /// The digest of the first step of that name.
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        let name = redact::addresses(name);
        self.told().vertices.iter().find(|vertex| vertex.name == name).map(|vertex| vertex.digest.clone())
    }

    pub(crate) fn say(&self, step: usize, bytes: &[u8], is_error: bool) {
        for piece in bytes.chunks(PIECE) {
            let mut told = self.told();
            let all = LIMIT.saturating_sub(told.spent);
            let left = LOG_LIMIT.saturating_sub(told.said[step]).min(all);
            if told.said[step] >= LOG_LIMIT {
                return;
            }
            // Beyond either limit a step says nothing more.
            told.said[step] = if all <= piece.len() { LOG_LIMIT } else { told.said[step] + piece.len() };
            told.spent += piece.len().min(left);
            let mut message = piece[..piece.len().min(left)].to_vec();
            if piece.len() >= left {
                let limit = if all <= piece.len() { "32MiB of the build" } else { "2MiB" };
                message.extend_from_slice(format!("\n[output clipped, log limit {limit} reached]\n").as_bytes());
            }
            let vertex = told.vertices[step].digest.clone();
            let stream = if is_error { 2 } else { 1 };
            let is_untaken = told.events.len() > told.taken;
            if let Some(log) = told.events.last_mut().and_then(|event| event.logs.last_mut()).filter(|_| is_untaken)
                && (log.stream, &log.vertex) == (stream, &vertex)
                && log.msg.len() + message.len() <= PIECE
            {
                log.msg.extend_from_slice(&message);
                continue;
            }
            let log = VertexLog { vertex, timestamp: Some(now()), stream, msg: message };
            self.tell(told, StatusResponse { logs: vec![log], ..StatusResponse::default() });
        }
    }

    /// How far a transfer of a step has come; `total` is 0 when nobody knows.
    pub(crate) fn transfer(&self, step: usize, id: &str, current: u64, total: u64, is_done: bool) {
        let mut told = self.told();
        if told.spent >= LIMIT {
            return;
        }
        let new = || Transfer { started: now(), told: None, current: 0 };
        let transfer = told.transfers.entry((step, id.to_owned())).or_insert_with(new);
        transfer.current = current;
        if !is_done && transfer.told.is_some_and(|told| told.elapsed() < OFTEN) {
            return;
        }
        transfer.told = Some(Instant::now());
        let started = transfer.started;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let status = VertexStatus {
            id: id.to_owned(),
            vertex: told.vertices[step].digest.clone(),
            name: String::new(),
            current: number(current),
            total: number(total),
            timestamp: Some(now()),
            started: Some(started),
            completed: is_done.then(now),
        };
        self.tell(told, StatusResponse { statuses: vec![status], ..StatusResponse::default() });
    }

    /// A part of a step, or its transfer, is done, with as much of it as was told of.
    pub(crate) fn finish(&self, step: usize, id: &str) {
        let current = self.told().transfers.get(&(step, id.to_owned())).map_or(0, |transfer| transfer.current);
        self.transfer(step, id, current, 0, true);
    }

    pub(crate) fn warn(&self, warning: VertexWarning) {
        let mut told = self.told();
        let text = warning.short.len() + warning.detail.iter().map(Vec::len).sum::<usize>();
        let source = warning.info.as_ref().map_or(0, |info| info.data.len());
        if told.spent + text + source >= LIMIT {
            return;
        }
        told.spent += text + source;
        self.tell(told, StatusResponse { warnings: vec![warning], ..StatusResponse::default() });
    }

    /// Nothing more comes. What has not ended by now was given up.
    pub(crate) fn close(&self) {
        let open: Vec<usize> = {
            let told = self.told();
            let open = told.vertices.iter().enumerate().filter(|(_, vertex)| vertex.completed.is_none());
            open.map(|(step, _)| step).collect()
        };
        for step in open {
            self.end(step, Some(CANCELED));
        }
        self.length.send_modify(|(_, closed)| *closed = true);
    }

    /// What was told so far.
    pub(crate) fn so_far(&self) -> StatusResponse {
        let told = self.told();
        StatusResponse {
            vertexes: told.vertices.clone(),
            warnings: told.events.iter().flat_map(|event| event.warnings.clone()).collect(),
            ..StatusResponse::default()
        }
    }

    /// Some of the events in one; they change no more.
    fn piece(&self, start: usize, end: usize) -> StatusResponse {
        let mut merged = StatusResponse::default();
        let mut told = self.told();
        told.taken = told.taken.max(end);
        for event in &told.events[start..end] {
            merged.vertexes.extend_from_slice(&event.vertexes);
            merged.statuses.extend_from_slice(&event.statuses);
            merged.logs.extend_from_slice(&event.logs);
            merged.warnings.extend_from_slice(&event.warnings);
        }
        merged
    }

    /// Everything from the beginning to what was told by now.
    pub(crate) fn up_to_now(self: Arc<Self>) -> impl Stream<Item = StatusResponse> + Send {
        let now = self.length.borrow().0;
        let pieces = (0..now).step_by(TAKEN).map(move |start| self.piece(start, now.min(start + TAKEN)));
        stream::iter(pieces)
    }

    /// Everything from the beginning to the end.
    pub(crate) fn follow(self: Arc<Self>) -> impl Stream<Item = StatusResponse> + Send {
        let length = self.length.subscribe();
        stream::unfold((self, length, 0), |(progress, mut length, at)| async move {
            // An error is the sender's end, which this end holds.
            let (mut now, closed) = *length.wait_for(|(length, closed)| *length > at || *closed).await.ok()?;
            if now == at {
                return None;
            }
            if !closed {
                // What comes within this time is told together; the end is told at once.
                let _ = tokio::time::timeout(TOGETHER, length.wait_for(|(_, closed)| *closed)).await;
                now = length.borrow_and_update().0;
            }
            let end = now.min(at + TAKEN);
            let piece = progress.piece(at, end);
            Some((piece, (progress, length, end)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;

    #[tokio::test]
    async fn a_late_listener_hears_everything() {
        let progress = Arc::new(Progress::new("x"));
        let first = progress.begin("one".to_owned());
        progress.say(first, b"hello\n", true);
        progress.cached(first);
        progress.end(first, None);
        let second = progress.begin("two".to_owned());
        progress.transfer(second, "transferring context:", 5, 0, false);
        progress.close();
        let told: Vec<StatusResponse> = Arc::clone(&progress).follow().collect().await;
        let [all] = &told[..] else { panic!("told in one piece: {told:?}") };
        let ends: Vec<_> = all.vertexes.iter().map(|v| (v.name.as_str(), v.cached, v.error.as_str())).collect();
        let expect = [("one", false, ""), ("one", true, ""), ("two", false, ""), ("two", false, "context canceled")];
        assert_eq!(ends, expect);
        assert_eq!((all.logs[0].stream, &all.logs[0].msg[..]), (2, &b"hello\n"[..]));
        assert_eq!(all.statuses[0].current, 5);
    }

    /// A program that writes single bytes takes no more memory than one that writes them at once.
    #[tokio::test]
    async fn what_is_said_in_small_pieces_is_told_together() {
        let progress = Arc::new(Progress::new("x"));
        let step = progress.begin("one".to_owned());
        for _ in 0..PIECE {
            progress.say(step, b"a", false);
        }
        progress.say(step, b"b", false);
        progress.say(step, b"c", true);
        assert_eq!(progress.told().events.len(), 4, "a step, 64 KiB, and two more");
        let mut follow = Box::pin(Arc::clone(&progress).follow());
        assert_eq!(follow.next().await.expect("told").logs.len(), 3);
        // What somebody has does not change.
        progress.say(step, b"d", true);
        progress.close();
        assert_eq!(follow.next().await.expect("told").logs[0].msg, b"d");
    }

    #[tokio::test]
    async fn a_build_that_says_much_is_clipped() {
        let progress = Arc::new(Progress::new("x"));
        let mut steps = 0;
        while progress.told().spent < LIMIT {
            let step = progress.begin("one".to_owned());
            progress.say(step, &vec![b'a'; LOG_LIMIT], false);
            progress.end(step, None);
            steps += 1;
        }
        assert_eq!(steps, LIMIT / LOG_LIMIT);
        let step = progress.begin("last".to_owned());
        let before = progress.told().events.len();
        progress.say(step, b"first", false);
        progress.say(step, b"more", false);
        progress.transfer(step, "x", 1, 0, false);
        progress.warn(VertexWarning::default());
        let told = progress.told();
        let [only] = &told.events[before..] else { panic!("one word of it alone: {:?}", &told.events[before..]) };
        assert_eq!(only.logs[0].msg, b"\n[output clipped, log limit 32MiB of the build reached]\n");
    }

    #[tokio::test]
    async fn steps_say_no_password() {
        let progress = Arc::new(Progress::new("x"));
        let name = "[1/2] ADD https://u:p/w@h/x.git /src";
        let first = progress.begin(name.to_owned());
        assert_eq!(progress.named(name), Some(progress.digest(first)));
        progress.begin_within("ADD https://ghp_X@github.com/o/p.git /".to_owned(), Some(first));
        progress.close();
        let told: Vec<StatusResponse> = Arc::clone(&progress).follow().collect().await;
        let names = told.iter().flat_map(|told| &told.vertexes).map(|vertex| vertex.name.as_str());
        let (one, two) = ("[1/2] ADD https://xxxxx:xxxxx@h/x.git /src", "ADD https://xxxxx@github.com/o/p.git /");
        assert_eq!(names.collect::<Vec<_>>(), [one, one, two, two]);
        assert_eq!(progress.so_far().vertexes[0].name, one);
    }

    #[test]
    fn steps_by_words_have_a_limit() {
        let progress = Progress::new("x");
        let mut steps = 0;
        let mut before = None;
        while let Some(step) = progress.begin_within("a".repeat(PIECE), before) {
            before = Some(step);
            steps += 1;
        }
        let told = progress.told();
        assert_eq!(steps, LIMIT / (3 * (PIECE + EVENT)));
        assert_eq!((told.vertices.len(), told.events.len()), (steps, 2 * steps - 1), "the last one is under way");
        let progress = Progress::new("x");
        let short = |_: &usize| progress.begin_within(String::new(), None).is_some();
        assert_eq!((0..LIMIT).take_while(short).count(), LIMIT / (3 * EVENT), "nor are there many without names");
    }

    #[tokio::test]
    async fn a_step_that_says_much_is_clipped() {
        let progress = Arc::new(Progress::new("x"));
        let step = progress.begin("one".to_owned());
        for _ in 0..3 {
            progress.say(step, &vec![b'a'; LOG_LIMIT / 2], false);
        }
        progress.close();
        let told: Vec<StatusResponse> = progress.follow().collect().await;
        let logs: Vec<u8> = told.iter().flat_map(|event| &event.logs).flat_map(|log| log.msg.clone()).collect();
        assert!(logs[..LOG_LIMIT].iter().all(|byte| *byte == b'a'));
        assert_eq!(&logs[LOG_LIMIT..], b"\n[output clipped, log limit 2MiB reached]\n");
    }
}
