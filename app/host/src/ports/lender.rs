//! A port that the daemon itself listens on until a container publishes it.

use std::io;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

/// At most one port is lent at a time; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lender(Arc<Mutex<Option<Lent>>>);

/// Resolves when the port is wanted back; what it resolves with is to be told once it is free.
pub(crate) type Wanted = oneshot::Receiver<oneshot::Sender<()>>;

#[derive(Debug)]
struct Lent {
    port: u16,
    wanted: oneshot::Sender<oneshot::Sender<()>>,
}

/// While it is there nothing is lent.
#[derive(Debug)]
pub(super) struct Back(#[expect(dead_code, reason = "held")] OwnedMutexGuard<Option<Lent>>);

impl Lender {
    /// Has `listen` listen on `port`; dropping what it gave and then [`Wanted`] gives the port back.
    pub(crate) async fn lend<T>(&self, port: u16, listen: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Wanted)> {
        let mut lent = self.0.lock().await;
        let listener = listen()?;
        let (wanted, told) = oneshot::channel();
        *lent = Some(Lent { port, wanted });
        Ok((listener, told))
    }

    /// If `port` is lent, has it given back and returns when it is free.
    pub(super) async fn take_back(&self, port: u16) -> Option<Back> {
        let mut guard = Arc::clone(&self.0).lock_owned().await;
        let lent = guard.take_if(|lent| lent.port == port)?;
        let (free, freed) = oneshot::channel();
        // Either failure means that the port was given back meanwhile.
        if lent.wanted.send(free).is_ok() {
            let _ = freed.await;
        }
        Some(Back(guard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lent_port_comes_back_when_it_is_wanted() {
        let lender = Lender::default();
        let listen = || super::super::bind::tcp("127.0.0.1:0".parse().unwrap());
        let (listener, wanted) = lender.lend(7, listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(lender.take_back(8).await.is_none());
        let borrower = tokio::spawn(async move {
            let free = wanted.await.unwrap();
            drop(listener);
            free.send(()).unwrap();
        });
        let back = lender.take_back(7).await.unwrap();
        super::super::bind::tcp(address).unwrap();
        borrower.await.unwrap();
        drop(back);
        assert!(lender.take_back(7).await.is_none());
    }

    #[tokio::test]
    async fn a_borrower_that_left_is_not_waited_for() {
        let lender = Lender::default();
        drop(lender.lend(7, || Ok(())).await.unwrap());
        assert!(lender.take_back(7).await.is_some());
    }
}
