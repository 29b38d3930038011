//! What the relay is in a real guest, as far as it has to do with the engine: hello, messages, and streams to the engine's socket.

use std::path::{Path, PathBuf};

use control::hello::{Hello, HelloReply, Versions, Welcome};
use control::message::{EngineState, GuestMessage, HostMessage, Status};
use control::mux::{Incoming, MuxStream, Session};
use control::{Port, copy, wire};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::computer::{End, Power};

const BUFFER: usize = 64 << 10;

/// Serves the host's sessions until the machine ends.
pub(crate) async fn serve(mut sessions: mpsc::UnboundedReceiver<Session>, engine: PathBuf, power: Power) {
    let serving = async {
        while let Some(session) = sessions.recv().await {
            tokio::spawn(serve_session(session, engine.clone(), power.clone()));
        }
    };
    tokio::select! {
        () = serving => {}
        _ = power.ended() => {}
    }
}

async fn serve_session(session: Session, engine: PathBuf, power: Power) {
    while let Some(Incoming { port, stream }) = session.accept().await {
        let (session, engine, power) = (session.clone(), engine.clone(), power.clone());
        tokio::spawn(async move {
            // Clients and daemons go in the middle of everything. What they miss they tell themselves.
            let _ = match port {
                Port::Control => converse(&session, stream, &power).await,
                Port::Engine => join(stream, &engine).await,
                _ => {
                    stream.refuse();
                    Ok(())
                }
            };
        });
    }
}

/// As `relay::engine`: of a client that is gone the engine is told.
async fn join(mut stream: MuxStream, engine: &Path) -> anyhow::Result<()> {
    let mut engine = UnixStream::connect(engine).await?;
    let gone = stream.hangup();
    copy::both_until(&mut stream, &mut engine, BUFFER, gone).await?;
    Ok(())
}

async fn converse(session: &Session, mut stream: MuxStream, power: &Power) -> anyhow::Result<()> {
    wire::expect::<Hello>(&mut stream, "hello").await?;
    let status = Status { kernel: "a stand-in".to_owned(), engine: EngineState::Ready, ..Status::default() };
    let welcome = Welcome {
        versions: Versions::current(),
        epoch: session.epoch(),
        boot_id: "a stand-in".to_owned(),
        forwards: Vec::new(),
        status: status.clone(),
    };
    wire::send(&mut stream, &HelloReply::Welcome(Box::new(welcome))).await?;
    while let Some(message) = wire::receive::<HostMessage>(&mut stream).await? {
        let answer = match message {
            HostMessage::Ping { id } => GuestMessage::Pong { id },
            HostMessage::Status { id } => GuestMessage::Status { id, status: status.clone() },
            HostMessage::Shutdown { id, .. } => {
                wire::send(&mut stream, &GuestMessage::Stopping { id }).await?;
                wire::send(&mut stream, &GuestMessage::Stopped { id }).await?;
                power.off(End::PoweredOff);
                return Ok(());
            }
            HostMessage::Trim { id } => GuestMessage::Trimmed { id, answer: Err("it has no disk".to_owned()) },
            HostMessage::GrowDisk { id, .. } => {
                GuestMessage::DiskGrown { id, answer: Err("it has no disk".to_owned()) }
            }
            // It has the time and registries of this computer, and asks the host for nothing.
            HostMessage::Time { .. }
            | HostMessage::Registries { .. }
            | HostMessage::ForwardOpened { .. }
            | HostMessage::ForwardClosed { .. }
            | HostMessage::Resolved { .. } => continue,
        };
        wire::send(&mut stream, &answer).await?;
    }
    Ok(())
}
