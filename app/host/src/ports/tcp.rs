//! A published TCP port: one stream of the link per connection, half-close kept.

use std::io;
use std::time::Duration;

use control::{Target, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::link::{COPY_BUFFER, Guest, reset_at_end};

pub(super) async fn serve(listener: TcpListener, guest: Guest, target: Target) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let (guest, target) = (guest.clone(), target.clone());
                tokio::spawn(async move {
                    // A break on either side ends both; there is nobody else to tell.
                    if let Err(error) = relay(client, &guest, &target).await {
                        tracing::debug!(%error, "a connection to a published port ended early");
                    }
                });
            }
            // Out of descriptors, most likely: wait for some to be closed rather than turn in a circle.
            Err(error) => {
                tracing::warn!(%error, "a published port cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn relay(mut client: TcpStream, guest: &Guest, target: &Target) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut stream = guest.connect_forward(target).await.map_err(io::Error::other)?;
    // The client sees a reset, as it would from the container itself, not an orderly end.
    reset_at_end(&client, true)?;
    copy::both(&mut client, &mut stream, COPY_BUFFER).await?;
    reset_at_end(&client, false)
}
