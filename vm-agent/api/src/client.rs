//! Whether the client of a request is still there, for work that nobody else wants.

use std::convert::Infallible;

use tokio::sync::watch;

/// The client of a request, as its handler sees it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    asked: watch::Sender<bool>,
    gone: watch::Receiver<bool>,
}

/// The side of the connection. Dropped, the client is gone.
#[derive(Debug)]
pub(crate) struct Presence {
    asked: watch::Receiver<bool>,
    gone: watch::Sender<bool>,
}

/// The two sides of one connection.
pub(crate) fn pair() -> (Client, Presence) {
    let (asked, is_asked) = watch::channel(false);
    let (gone, is_gone) = watch::channel(false);
    (Client { asked, gone: is_gone }, Presence { asked: is_asked, gone })
}

impl Client {
    /// Resolves when the client has closed its connection in both directions, or the connection has ended for another reason. A client
    /// that ended its own direction only still reads.
    pub(crate) async fn gone(mut self) {
        self.asked.send_replace(true);
        // An error is the connection's end.
        let _ = self.gone.wait_for(|gone| *gone).await;
    }
}

impl Presence {
    /// Passes on that the client has gone, to be polled beside the connection for as long as that lasts. `gone` is polled from when a
    /// handler wants to know: most connections end before.
    pub(crate) async fn tell(mut self, gone: impl Future<Output = ()>) -> Infallible {
        // An error is the end of all handlers.
        if self.asked.wait_for(|asked| *asked).await.is_ok() {
            gone.await;
            self.gone.send_replace(true);
        }
        std::future::pending().await
    }
}
