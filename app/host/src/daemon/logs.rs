//! Sending logs, and going on as they grow.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use super::Shared;
use super::protocol::LogSource;
use crate::Result;

/// How often a followed file is looked at; the systems' notifications do not see what another process writes everywhere.
const LOOK: Duration = Duration::from_millis(200);

/// Sends `source` into `to`, until its end, or, following, until nobody receives.
pub(super) async fn send(shared: &Shared, source: LogSource, follow: bool, to: mpsc::Sender<Bytes>) -> Result<()> {
    tokio::spawn(tail(source.file(&shared.paths), follow, to));
    Ok(())
}

async fn tail(path: PathBuf, follow: bool, to: mpsc::Sender<Bytes>) {
    let mut at = 0;
    loop {
        let length = tokio::fs::metadata(&path).await.map_or(0, |metadata| metadata.len());
        if length < at {
            // A new boot began a new file.
            at = 0;
        }
        if length > at {
            let Ok(mut file) = tokio::fs::File::open(&path).await else { return };
            if file.seek(SeekFrom::Start(at)).await.is_err() {
                return;
            }
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = file.read(&mut buffer).await {
                at += count as u64;
                if to.send(Bytes::copy_from_slice(&buffer[..count])).await.is_err() {
                    return;
                }
            }
        }
        if !follow {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = to.closed() => return,
        }
    }
}
