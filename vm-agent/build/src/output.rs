//! What a build says while it works.

use crate::Error;
use crate::watch::{Shown, Watch, Watched};
use images::{ImageId, Progress, Sink};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that a quiet build keeps of what it did not say, for when it fails.
const KEPT: usize = 1 << 20;

/// Resolves when there is room for more.
pub type Room = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Where a build's words go. Commands that say much wait for whoever reads it.
#[derive(Clone)]
pub struct Output {
    sink: Sink,
    room: Room,
    /// What was not said; `None` for a build that says everything.
    unsaid: Option<Arc<Mutex<Unsaid>>>,
    /// Who is told of steps instead of words.
    watched: Option<Watched>,
}

/// The last of what a quiet build would have said.
#[derive(Debug, Default)]
struct Unsaid {
    texts: VecDeque<String>,
    /// Bytes.
    length: usize,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("quiet", &self.unsaid.is_some()).finish_non_exhaustive()
    }
}

impl Output {
    /// `quiet`: only the result is said, or everything at once when there is none.
    pub fn new(sink: Sink, room: Room, quiet: bool) -> Output {
        Output { sink, room, unsaid: quiet.then(Arc::default), watched: None }
    }

    /// The output of a build that is told step by step: it has no words.
    pub(crate) fn watched(client: Arc<dyn Watch>) -> Output {
        let room: Room = Arc::new(|| Box::pin(std::future::ready(())));
        Output { sink: Sink::silent(), room, unsaid: None, watched: Some(Watched::new(client)) }
    }

    /// For a stage beside others, which has a step of its own under way.
    pub(crate) fn aside(&self) -> Output {
        let watched = self.watched.as_ref().map(|watched| Watched::new(Arc::clone(&watched.client)));
        Output { watched, ..self.clone() }
    }

    pub(crate) fn watch(&self) -> Option<&Arc<dyn Watch>> {
        self.watched.as_ref().map(|watched| &watched.client)
    }

    /// A step begins; it has to [`end`](Output::end).
    pub(crate) fn begin(&self, step: impl FnOnce() -> Shown) {
        if let Some(watched) = &self.watched {
            watched.begin(step());
        }
    }

    pub(crate) fn end<T>(&self, result: &Result<T, Error>) {
        if let Some(watched) = &self.watched {
            watched.end(result);
        }
    }

    pub(crate) fn cached(&self) {
        if let Some(watched) = &self.watched {
            watched.cached();
        }
    }

    /// What did not go as it should, and ends nothing.
    pub(crate) fn warn(&self, text: &str) {
        match &self.watched {
            Some(watched) => watched.warn(text),
            None => tracing::warn!("{text}"),
        }
    }

    /// What a command says.
    pub(crate) fn pass(&self, bytes: &[u8], is_error: bool) {
        if let Some(watched) = &self.watched {
            watched.client.say(watched.step(), bytes, is_error);
        }
    }

    pub(crate) async fn say(&self, text: impl Into<String>) {
        if self.watched.is_some() {
            return;
        }
        let text = text.into();
        match &self.unsaid {
            Some(unsaid) => {
                let mut unsaid = unsaid.lock().unwrap_or_else(PoisonError::into_inner);
                unsaid.length += text.len();
                unsaid.texts.push_back(text);
                while unsaid.length > KEPT {
                    let Some(oldest) = unsaid.texts.pop_front() else { break };
                    unsaid.length -= oldest.len();
                }
            }
            None => {
                (self.room)().await;
                self.sink.send(Progress::Stream(text));
            }
        }
    }

    /// What happens to something that is not of a step.
    pub(crate) fn status(&self, id: &str, status: &str) {
        if self.unsaid.is_none() {
            let id = Some(id.to_owned());
            self.sink.send(Progress::Status { id, status: status.to_owned(), detail: None });
        }
    }

    pub(crate) fn built(&self, id: ImageId) {
        if self.unsaid.is_none() {
            self.sink.send(Progress::Built(id));
        }
    }

    /// The end of a quiet build.
    pub(crate) async fn finish(&self, result: Result<ImageId, ()>) {
        let Some(unsaid) = &self.unsaid else { return };
        let unsaid = std::mem::take(&mut *unsaid.lock().unwrap_or_else(PoisonError::into_inner)).texts;
        match result {
            Ok(id) => self.sink.send(Progress::Stream(format!("{id}\n"))),
            Err(()) => {
                for text in unsaid {
                    (self.room)().await;
                    self.sink.send(Progress::Stream(text));
                }
            }
        }
    }

    /// For pulls and downloads.
    pub(crate) fn sink(&self) -> Sink {
        if let Some(watched) = &self.watched {
            let (client, step) = (Arc::clone(&watched.client), watched.step());
            return Sink::new(move |progress| client.progress(step, progress));
        }
        if self.unsaid.is_some() { Sink::silent() } else { self.sink.clone() }
    }
}

/// Bytes to text, where a character may be split between two pieces.
#[derive(Debug, Default)]
pub(crate) struct Text {
    rest: Vec<u8>,
}

impl Text {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        // What may be the beginning of a character waits for the rest of it.
        let end = match std::str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => self.rest.len().saturating_sub(unfinished(&self.rest)),
        };
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest.drain(..end);
        text
    }

    pub(crate) fn end(self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }
}

/// Bytes at the end that a character could begin with.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let starts = (0..tail.len()).find(|at| {
        matches!(std::str::from_utf8(&tail[*at..]), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
    });
    starts.map_or(0, |at| tail.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_whole() {
        let whole = "aä€𝄞\u{fffd}".as_bytes();
        for cut in 0..=whole.len() {
            let mut text = Text::default();
            let (first, second) = (text.push(&whole[..cut]), text.push(&whole[cut..]));
            assert_eq!(first + &second + &text.end(), "aä€𝄞\u{fffd}", "{cut}");
        }
        let mut text = Text::default();
        assert_eq!(text.push(b"\xff\xe2\x82"), "\u{fffd}");
        assert_eq!(text.push(b"\xac!"), "€!");
        assert_eq!(text.end(), "");
    }
}
