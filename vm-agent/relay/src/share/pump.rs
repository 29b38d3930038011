//! Between a mount and the host: two streams, so that names do not wait behind data.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::MuxStream;
use control::share::{ANSWER_HEADER, REQUEST_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tracing::debug;

use super::device::Device;

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Unmounted,
    Lost,
}

/// Questions that the host has not answered, by number.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<BTreeMap<u64, Arc<Vec<u8>>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `FUSE_FORGET` and `FUSE_BATCH_FORGET` are not answered; `FUSE_READ` and `FUSE_WRITE` are what is long.
const UNANSWERED: [u32; 2] = [2, 42];
const DATA: [u32; 2] = [15, 16];

/// Opcode and number (`fuse_in_header`).
fn header(request: &[u8]) -> Option<(u32, u64)> {
    let opcode = u32::from_le_bytes(request.get(4..8)?.try_into().ok()?);
    let unique = u64::from_le_bytes(request.get(8..16)?.try_into().ok()?);
    Some((opcode, unique))
}

/// Carries messages both ways. `streams`: for names, for data.
pub(super) async fn run(device: &Device, pending: &Pending, streams: [MuxStream; 2]) -> Ended {
    let [names, data] = streams;
    let ((mut names_in, mut names_out), (mut data_in, mut data_out)) =
        (tokio::io::split(names), tokio::io::split(data));
    let ended = tokio::select! {
        ended = ask(device, pending, [&mut names_out, &mut data_out]) => ended,
        ended = answer(device, pending, &mut names_in) => ended,
        ended = answer(device, pending, &mut data_in) => ended,
    };
    match ended {
        Ok(ended) => {
            // An orderly end: the host lets the share go.
            let _ = tokio::join!(names_out.shutdown(), data_out.shutdown());
            ended
        }
        Err(error) => {
            debug!(%error, "the way to the host's files is lost");
            Ended::Lost
        }
    }
}

async fn ask(device: &Device, pending: &Pending, out: [&mut WriteHalf<MuxStream>; 2]) -> io::Result<Ended> {
    let again: Vec<_> = pending.lock().values().cloned().collect();
    for request in again {
        send(&request, &mut *out[0]).await?;
    }
    let [names, data] = out;
    let mut buffer = Vec::new();
    loop {
        let Some(request) = device.read(&mut buffer).await? else { return Ok(Ended::Unmounted) };
        let Some((opcode, unique)) = header(&request) else { return Err(io::ErrorKind::InvalidData.into()) };
        let request = Arc::new(request);
        if !UNANSWERED.contains(&opcode) {
            pending.lock().insert(unique, Arc::clone(&request));
        }
        send(&request, if DATA.contains(&opcode) { &mut *data } else { &mut *names }).await?;
    }
}

async fn send(request: &[u8], out: &mut WriteHalf<MuxStream>) -> io::Result<()> {
    out.write_all(request).await?;
    out.flush().await
}

async fn answer(device: &Device, pending: &Pending, from: &mut ReadHalf<MuxStream>) -> io::Result<Ended> {
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
        let unique = u64::from_le_bytes(answer[8..16].try_into().expect("eight bytes"));
        if pending.lock().remove(&unique).is_some() {
            device.write(&answer)?;
        }
    }
}

/// For a while everything is refused: what the host does not share cannot be waited for.
pub(super) async fn fail(device: &Device, pending: &Pending, patience: Duration) -> Ended {
    let failing = async {
        let waiting = std::mem::take(&mut *pending.lock());
        waiting.keys().try_for_each(|unique| device.refuse(*unique))?;
        let mut buffer = Vec::new();
        while let Some(request) = device.read(&mut buffer).await? {
            match header(&request) {
                Some((opcode, unique)) if !UNANSWERED.contains(&opcode) => device.refuse(unique)?,
                _ => {}
            }
        }
        io::Result::Ok(Ended::Unmounted)
    };
    match tokio::time::timeout(patience, failing).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) | Err(_) => Ended::Lost,
    }
}
