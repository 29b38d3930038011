//! What work has to tell a client that reads slowly: every line once, of a running count only the last.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use images::Progress;
use tokio::sync::Notify;

use crate::failure::Failure;

/// One thing to tell.
#[derive(Debug)]
pub(crate) enum News {
    Line(Progress),
    /// The last one.
    Failed(Failure),
}

/// Written by the work, which never waits, and read by one client.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: Mutex<Waiting>,
    news: Notify,
    read: Notify,
}

/// Lines that may wait before work that can wait does.
const ROOM: usize = 256;

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<News>,
    ended: bool,
}

impl Backlog {
    /// Adds a line. A count that nobody has read yet is replaced by the newer one, so that the backlog is bounded by the
    /// number of objects, not by how long the client sleeps.
    pub(crate) fn push(&self, line: Progress) {
        {
            let mut waiting = self.waiting();
            let same = waiting.lines.iter_mut().find(|old| matches!(old, News::Line(old) if counts_alike(old, &line)));
            match same {
                Some(old) => *old = News::Line(line),
                None => waiting.lines.push_back(News::Line(line)),
            }
        }
        self.news.notify_one();
    }

    /// The work is over; nothing follows.
    pub(crate) fn end(&self, failure: Option<Failure>) {
        {
            let mut waiting = self.waiting();
            waiting.lines.extend(failure.map(News::Failed));
            waiting.ended = true;
        }
        self.news.notify_one();
    }

    /// The next thing to tell; `None` at the end. For one reader.
    pub(crate) async fn next(&self) -> Option<News> {
        loop {
            {
                let mut waiting = self.waiting();
                if let Some(line) = waiting.lines.pop_front() {
                    if waiting.lines.len() < ROOM {
                        self.read.notify_one();
                    }
                    return Some(line);
                }
                if waiting.ended {
                    return None;
                }
            }
            // A notice that came in between is kept.
            self.news.notified().await;
        }
    }

    /// Resolves when not too much waits: for one piece of work that has any number of lines to tell.
    pub(crate) async fn room(&self) {
        while self.waiting().lines.len() >= ROOM {
            // A notice that came in between is kept.
            self.read.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both say how far the same step of the same object has come.
fn counts_alike(old: &Progress, new: &Progress) -> bool {
    match (old, new) {
        (
            Progress::Status { id: old_id, status: old_status, detail: Some(old_detail) },
            Progress::Status { id, status, detail: Some(detail) },
        ) => old_id == id && old_status == status && old_detail.current.is_some() && detail.current.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use images::Detail;

    /// Without an object if `id` is empty.
    fn count(id: &str, status: &str, current: u64) -> Progress {
        let detail = Some(Detail { current: Some(current), ..Detail::default() });
        Progress::Status { id: (!id.is_empty()).then(|| id.to_owned()), status: status.to_owned(), detail }
    }

    fn text(id: &str, status: &str) -> Progress {
        Progress::Status { id: Some(id.to_owned()), status: status.to_owned(), detail: None }
    }

    /// Whoever tells without end is as fast as its reader.
    #[tokio::test]
    async fn what_can_wait_does() {
        let backlog = std::sync::Arc::new(Backlog::default());
        let telling = std::sync::Arc::clone(&backlog);
        let work = tokio::spawn(async move {
            for number in 0..10 * ROOM {
                telling.room().await;
                telling.push(Progress::Stream(number.to_string()));
            }
            telling.end(None);
        });
        let mut expected = 0;
        while let Some(news) = backlog.next().await {
            assert!(backlog.waiting().lines.len() <= ROOM);
            assert!(matches!(news, News::Line(Progress::Stream(text)) if text == expected.to_string()));
            expected += 1;
        }
        assert_eq!(expected, 10 * ROOM);
        work.await.expect("it ended");
    }

    #[tokio::test]
    async fn only_the_last_count_waits() {
        let backlog = Backlog::default();
        for number in 0..1_000_000 {
            backlog.push(count("a", "Downloading", number));
            backlog.push(count("b", "Downloading", number));
            backlog.push(count("", "Importing", number));
        }
        backlog.push(text("a", "Pull complete"));
        backlog.push(text("a", "Pull complete"));
        backlog.push(count("a", "Extracting", 7));
        backlog.end(Some(Failure::bad_request("no")));
        let mut told = Vec::new();
        while let Some(news) = backlog.next().await {
            told.push(match news {
                News::Line(Progress::Status { id, status, detail }) => {
                    (id.unwrap_or_default(), status, detail.and_then(|detail| detail.current))
                }
                News::Line(other) => panic!("{other:?}"),
                News::Failed(failure) => (String::new(), failure.message, None),
            });
        }
        let told: Vec<_> = told.iter().map(|(id, status, at)| (id.as_str(), status.as_str(), *at)).collect();
        assert_eq!(
            told,
            [
                ("a", "Downloading", Some(999_999)),
                ("b", "Downloading", Some(999_999)),
                ("", "Importing", Some(999_999)),
                ("a", "Pull complete", None),
                ("a", "Pull complete", None),
                ("a", "Extracting", Some(7)),
                ("", "no", None),
            ]
        );
    }
}
