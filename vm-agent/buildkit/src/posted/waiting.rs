//! Builds by the names that their clients gave them: another request cancels one, or brings its context.

use crate::upload::Body;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

/// Either request may come first, by so much.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that somebody waits at. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<HashMap<String, Weak<Build>>>>);

/// A build that is named, or is about to be.
#[derive(Debug)]
pub(crate) struct Build {
    cancelled: watch::Sender<bool>,
    offered: mpsc::Sender<Offered>,
    wanted: tokio::sync::Mutex<mpsc::Receiver<Offered>>,
}

#[derive(Debug)]
struct Offered {
    body: Reader,
    /// Dropped when the body was taken.
    taken: oneshot::Sender<()>,
}

impl Waiting {
    /// The one of that name; one of no name is nobody else's.
    pub(crate) fn of(&self, name: &str) -> Arc<Build> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(build) = all.get(name).and_then(Weak::upgrade) {
            return build;
        }
        let (offered, wanted) = mpsc::channel(1);
        let build = Arc::new(Build { cancelled: watch::Sender::new(false), offered, wanted: wanted.into() });
        if !name.is_empty() {
            all.retain(|_, build| build.strong_count() > 0);
            all.insert(name.to_owned(), Arc::downgrade(&build));
        }
        build
    }
}

fn nobody_came() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

impl Build {
    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    pub(crate) async fn cancelled(&self) {
        // The sender is this one's own.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// Offers a body, and returns when it was read or is not wanted any more.
    pub(crate) async fn lend(&self, body: Body) -> Result<(), Status> {
        let ((taken, is_taken), (read, is_read)) = (oneshot::channel(), oneshot::channel());
        let offer = Offered { body: Reader { body, _read: read }, taken };
        let offering = async {
            let _ = self.offered.send(offer).await;
            let _ = is_taken.await;
        };
        tokio::time::timeout(PATIENCE, offering).await.map_err(|_| nobody_came())?;
        let _ = is_read.await;
        Ok(())
    }

    /// The body that another request brings.
    pub(crate) async fn borrow(&self) -> Result<Body, Status> {
        let waiting = async {
            let mut wanted = self.wanted.lock().await;
            loop {
                let offered = wanted.recv().await?;
                // Who gave up waiting has gone with the body.
                if !offered.taken.is_closed() {
                    return Some(offered.body);
                }
            }
        };
        let body = tokio::time::timeout(PATIENCE, waiting).await.ok().flatten().ok_or_else(nobody_came)?;
        Ok(Box::new(body))
    }
}

/// A body that tells when it is dropped.
struct Reader {
    body: Body,
    _read: oneshot::Sender<()>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.body).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn a_context_comes_with_a_request_of_its_own_whichever_is_first() {
        let waiting = Waiting::default();
        let read = |waiting: Waiting| async move {
            let build = waiting.of("a");
            let mut text = String::new();
            build.borrow().await.expect("lent").read_to_string(&mut text).await.expect("whole");
            text
        };
        let lend = |waiting: Waiting| async move { waiting.of("a").lend(Box::new(&b"context"[..])).await };
        let (text, lent) = tokio::join!(biased; read(waiting.clone()), lend(waiting.clone()));
        assert_eq!((text.as_str(), lent.is_ok()), ("context", true));
        let (lent, text) = tokio::join!(biased; lend(waiting.clone()), read(waiting.clone()));
        assert_eq!((text.as_str(), lent.is_ok()), ("context", true));
        assert!(waiting.0.lock().expect("whole").values().all(|build| build.strong_count() == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_alone_gives_up() {
        let waiting = Waiting::default();
        let build = waiting.of("a");
        assert!(build.lend(Box::new(&b"x"[..])).await.is_err());
        // What was offered before is not what is wanted now.
        assert!(build.borrow().await.is_err());
    }

    #[tokio::test]
    async fn a_name_is_one_build_and_no_name_each_its_own() {
        let waiting = Waiting::default();
        let (one, same) = (waiting.of("a"), waiting.of("a"));
        same.cancel();
        one.cancelled().await;
        assert!(!Arc::ptr_eq(&waiting.of(""), &waiting.of("")));
        drop((one, same));
        assert!(!*waiting.of("a").cancelled.borrow(), "the next one of that name is another");
    }
}
