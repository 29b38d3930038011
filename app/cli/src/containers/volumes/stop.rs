//! Ctrl-C, a polite end and a closed terminal call the work off; what was made for it is removed all the same.

use rust_i18n::t;

use crate::Failure;

/// What a shell says of a program that Ctrl-C ended: 128 + SIGINT.
const CALLED_OFF: i32 = 130;

/// From when it is made on, signals end only what is given to [`Stop::or`].
pub(super) struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Stop {
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind);
        let kinds = (SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup());
        Ok(Self { signals: [listen(kinds.0)?, listen(kinds.1)?, listen(kinds.2)?] })
    }

    async fn called(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    }
}

#[cfg(not(unix))]
impl Stop {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn called(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Stop {
    /// What comes of `work`, or that it was called off; whoever calls once more waits for nothing that would still be removed.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            done = work => done,
            () = self.called() => {
                // An engine that does not answer would keep what is left to be removed waiting.
                if let Ok(mut again) = Stop::listen() {
                    tokio::spawn(async move {
                        again.called().await;
                        std::process::exit(CALLED_OFF)
                    });
                }
                Err(Failure::new(CALLED_OFF, t!("volume.called_off").into_owned()))
            }
        }
    }
}
