//! Where the link's two lanes come from.

mod serial;
mod vsock;

use std::convert::Infallible;

use control::LinkKind;
use control::mux::Responder;

use crate::state::Relay;
use crate::{Result, host};

/// Serves the host over the lanes of `link`; returns only if there are none.
pub(crate) async fn serve(relay: &Relay, link: LinkKind) -> Result<Infallible> {
    let (responder, sessions) = Responder::new(relay.options.boot.secret.clone())?;
    let lanes = async {
        match link {
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
