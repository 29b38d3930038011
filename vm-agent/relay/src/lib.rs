//! The guest's end of the link: port relays, dial-out, name service. It has no database and restarts rarely, so that an
//! engine crash breaks no port connection and no name look-up.
//!
//! - [`run`] is the agent's role `relay`: everything below in one process;
//! - [`repeat`] is the role `echo`, a process for each mounted folder;
//! - [`client`] is how the engine asks it for things over `relay.sock`.
//!
//! Linux only.
#![cfg(target_os = "linux")]

pub mod client;
mod clock;
mod copy;
mod dial;
pub mod disk;
mod engine;
mod error;
mod fdpass;
mod forward;
mod host;
mod memory;
mod names;
mod native;
mod options;
mod outside;
mod power;
mod protocol;
mod reach;
mod server;
mod share;
mod shell;
mod socks;
mod state;
mod status;
mod transport;

pub use client::RelayClient;
pub use error::{Error, Result};
pub use options::Options;
pub use protocol::{EndpointNames, NameChange, NameLink, Resolver};
pub use share::repeat;

use std::convert::Infallible;

use control::LinkKind;
use control::mux::{Lane, LaneIo};
use tokio::sync::mpsc;

/// Runs the relay until a listener fails for good; it never returns `Ok`. Call it inside a tokio runtime.
pub async fn run(options: Options) -> Result<Infallible> {
    let relay = state::Relay::new(options);
    let server = server::listen(&relay)?;
    if relay.options.boot.link == LinkKind::None {
        return Ok(server::serve(&relay, server).await);
    }
    memory::carries_writes();
    let asked = async { Ok::<_, Error>(server::serve(&relay, server).await) };
    let (links, ways_out) =
        (transport::serve(&relay), async { tokio::try_join!(socks::serve(&relay), outside::serve(&relay)) });
    tokio::try_join!(asked, ways_out, links, power::serve(&relay)).map(|(never, _, _, _)| never)
}

/// [`run`] over lanes that somebody else brings, one pair per session, whatever the boot file's link is.
pub async fn run_over(options: Options, lanes: mpsc::Receiver<(Lane, LaneIo)>) -> Result<Infallible> {
    let relay = state::Relay::new(options);
    let server = server::listen(&relay)?;
    let asked = async { Ok::<_, Error>(server::serve(&relay, server).await) };
    let ways_out = async { tokio::try_join!(socks::serve(&relay), outside::serve(&relay)) };
    tokio::try_join!(asked, ways_out, transport::serve_given(&relay, lanes)).map(|(never, _, _)| never)
}
