//! What is asked and not answered yet, and its end.

use tokio::sync::{Semaphore, SemaphorePermit};

/// More than streams can have under way: who begins waits only for the end.
const ALL: u32 = 1 << 24;

#[derive(Debug)]
pub(crate) struct UnderWay(Semaphore);

/// One request is, for as long as this is there.
#[derive(Debug)]
pub(crate) struct Under<'a> {
    _one: SemaphorePermit<'a>,
}

impl UnderWay {
    pub(crate) const fn new() -> UnderWay {
        UnderWay(Semaphore::const_new(ALL as usize))
    }

    /// Waits while somebody wants to end all; for ever, once he did.
    pub(crate) async fn begin(&self) -> Under<'_> {
        Under { _one: self.0.acquire().await.expect("it is never closed") }
    }

    /// Waits until nothing is under way, and lets nothing begin meanwhile; nor ever, if nothing is open by then. Cancel-safe.
    ///
    /// # Errors
    /// So many are open.
    pub(crate) async fn end_unless(&self, open: impl FnOnce() -> usize) -> Result<(), usize> {
        let all = self.0.acquire_many(ALL).await.expect("it is never closed");
        match open() {
            0 => {
                all.forget();
                Ok(())
            }
            open => Err(open),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn what_is_under_way_is_over_before_anybody_looks_what_is_open() {
        let way = UnderWay::new();
        let under = way.begin().await;
        // It opens a file just before it is over.
        let opened = std::cell::Cell::new(0);
        let mut end = pin!(way.end_unless(|| opened.get()));
        assert_eq!(poll(end.as_mut()), Poll::Pending);
        let mut later = pin!(way.begin());
        assert!(poll(later.as_mut()).is_pending(), "what comes later waits");
        opened.set(1);
        drop(under);
        assert_eq!(poll(end.as_mut()), Poll::Ready(Err(1)));
        drop(later.await);
        assert_eq!(way.end_unless(|| 0).await, Ok(()));
        assert!(poll(pin!(way.begin())).is_pending(), "for good");
    }

    #[tokio::test]
    async fn who_waits_no_longer_ends_nothing() {
        let way = UnderWay::new();
        let _under = way.begin().await;
        {
            let mut end = pin!(way.end_unless(|| 0));
            assert_eq!(poll(end.as_mut()), Poll::Pending);
        }
        assert!(poll(pin!(way.begin())).is_ready());
    }
}
