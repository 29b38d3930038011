//! Where the link's two lanes come from.

mod serial;
mod vsock;

use std::convert::Infallible;

use control::LinkKind;
use control::mux::{Lane, LaneIo, Responder};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::state::Relay;
use crate::{Result, host};

/// Lanes as somebody else brings them.
pub(crate) type Lanes = mpsc::Receiver<(Lane, LaneIo)>;

/// Serves the host over the lanes of the boot file's link; returns only if there are none.
pub(crate) async fn serve(relay: &Relay) -> Result<Infallible> {
    let (responder, sessions) = Responder::new(relay.options.boot.secret.clone());
    let lanes = async {
        match relay.options.boot.link {
            LinkKind::Vsock => vsock::serve(&responder).await,
            LinkKind::Serial => serial::serve(&responder).await,
            LinkKind::None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = lanes => result,
        () = host::serve(relay, sessions) => std::future::pending().await,
    }
}

/// [`serve`] over given lanes, for ever.
pub(crate) async fn serve_given(relay: &Relay, mut lanes: Lanes) -> Result<Infallible> {
    let (responder, sessions) = Responder::new(relay.options.boot.secret.clone());
    let attach = async {
        let mut serving = JoinSet::new();
        while let Some((lane, io)) = lanes.recv().await {
            let responder = responder.clone();
            serving.spawn(async move { responder.serve(lane, io).await });
        }
        while serving.join_next().await.is_some() {}
        std::future::pending().await
    };
    tokio::select! {
        never = attach => never,
        () = host::serve(relay, sessions) => std::future::pending().await,
    }
}
