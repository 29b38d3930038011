//! Between a mount and the host, while there is a way: two streams, so that names do not wait behind data.

use std::io;

use control::mux::MuxStream;
use control::share::{ANSWER_HEADER, REQUEST_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tracing::debug;

use super::device::Device;
use super::notices::Notices;
use super::pending::{Pending, Stream};

/// Carries messages both ways until the way is lost, or the mount is gone. `streams`: for names, for data.
pub(super) async fn run(device: &Device, pending: &Pending, notices: &Notices, streams: [MuxStream; 2]) {
    let [(mut names_in, mut names_out), (mut data_in, mut data_out)] = streams.map(tokio::io::split);
    notices.connected();
    pending.connected();
    let asked = async {
        tokio::try_join!(ask(pending, Stream::Names, &mut names_out), ask(pending, Stream::Data, &mut data_out))
    };
    let ended = tokio::select! {
        ended = asked => ended.map(drop),
        ended = answer(device, pending, notices, &mut names_in) => ended,
        ended = answer(device, pending, notices, &mut data_in) => ended,
    };
    if let Err(error) = ended {
        debug!(%error, "the way to the host's files is lost");
    }
}

async fn ask(pending: &Pending, stream: Stream, out: &mut WriteHalf<MuxStream>) -> io::Result<()> {
    while let Some(message) = pending.next(stream).await {
        out.write_all(&message).await?;
        out.flush().await?;
    }
    // An orderly end: the host lets the share go.
    out.shutdown().await
}

async fn answer(
    device: &Device,
    pending: &Pending,
    notices: &Notices,
    from: &mut ReadHalf<MuxStream>,
) -> io::Result<()> {
    loop {
        let mut first = [0; 4];
        from.read_exact(&mut first).await?;
        let length = u32::from_le_bytes(first) as usize;
        if !(ANSWER_HEADER..=REQUEST_MAX).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut answer = vec![0; length];
        answer[..4].copy_from_slice(&first);
        from.read_exact(&mut answer[4..]).await?;
        match u64::from_le_bytes(answer[8..16].try_into().expect("eight bytes")) {
            0 => notices.came(answer),
            unique if pending.answered(unique, &answer) => device.write(&answer)?,
            // Who asked was killed meanwhile, or it was answered by an earlier stream.
            _ => {}
        }
    }
}
