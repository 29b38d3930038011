//! A port that the daemon itself listens on until a container publishes it.

use std::io;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

/// At most one port is lent at a time; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lender(Arc<Mutex<Option<Lent>>>);

/// Tells when the port is wanted back. Dropping it says that the port is free: so what listens is dropped first.
#[derive(Debug)]
pub(crate) struct Wanted {
    told: oneshot::Receiver<()>,
    _free: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Lent {
    port: u16,
    wanted: oneshot::Sender<()>,
    freed: oneshot::Receiver<()>,
}

/// While it is there nothing is lent.
#[derive(Debug)]
pub(super) struct Back(#[expect(dead_code, reason = "held")] OwnedMutexGuard<Option<Lent>>);

impl Wanted {
    /// Resolves when the port is wanted back. May be called again when it was given up before.
    pub(crate) async fn wanted(&mut self) {
        if (&mut self.told).await.is_err() {
            // Another port is lent instead: this one is nobody's to want.
            std::future::pending::<()>().await;
        }
    }
}

impl Lender {
    /// Has `listen` listen on `port`, to be left when [`Wanted`] says so.
    pub(crate) async fn lend<T>(&self, port: u16, listen: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Wanted)> {
        let mut lent = self.0.lock().await;
        let listener = listen()?;
        let (wanted, told) = oneshot::channel();
        let (free, freed) = oneshot::channel();
        *lent = Some(Lent { port, wanted, freed });
        Ok((listener, Wanted { told, _free: free }))
    }

    /// If `port` is lent, has it given back and returns when it is free.
    pub(super) async fn take_back(&self, port: u16) -> Option<Back> {
        let mut guard = Arc::clone(&self.0).lock_owned().await;
        let lent = guard.take_if(|lent| lent.port == port)?;
        // Whoever had it may be about to leave it anyway.
        let _ = lent.wanted.send(());
        // Nothing is ever sent: the sender is dropped.
        let _ = lent.freed.await;
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
        let (listener, mut wanted) = lender.lend(7, listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(lender.take_back(8).await.is_none());
        let borrower = tokio::spawn(async move {
            wanted.wanted().await;
            drop(listener);
            drop(wanted);
        });
        let back = lender.take_back(7).await.unwrap();
        super::super::bind::tcp(address).unwrap();
        borrower.await.unwrap();
        drop(back);
        assert!(lender.take_back(7).await.is_none());
    }

    #[tokio::test]
    async fn one_that_is_just_left_is_waited_for() {
        let lender = Lender::default();
        let listen = || super::super::bind::tcp("127.0.0.1:0".parse().unwrap());
        let (listener, wanted) = lender.lend(7, listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut back = Box::pin(lender.take_back(7));
        assert!(futures_util::poll!(&mut back).is_pending());
        // Without having looked whether it is wanted.
        drop(listener);
        drop(wanted);
        assert!(back.await.is_some());
        super::super::bind::tcp(address).unwrap();
    }
}
