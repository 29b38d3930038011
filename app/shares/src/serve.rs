//! One stream of a share: messages in, answers out, as they come.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::under_way::{Under, UnderWay};
use crate::watch::Listening;
use crate::wire::Request;
use crate::{Changes, Errno, Error, Result, Share};

/// How many requests of a stream are worked on at once, or have answers that nobody has taken; a slow disk must not hold up all others.
const AT_ONCE: usize = 32;

/// And of all streams of all shares: so many threads of theirs wait for disks at most. One that does not answer holds up shares, but
/// nothing else.
static EVERYWHERE: Semaphore = Semaphore::const_new(256);

static UNDER_WAY: UnderWay = UnderWay::new();

/// Ends answering in this process, for one that takes its place, unless that harms anybody: waits until all answers that are under way are
/// sent, and then keeps what comes later waiting for good if nothing is open. Dropped while it waits, nothing is ended.
///
/// # Errors
/// So many files and folders are open. All goes on.
pub async fn make_way() -> std::result::Result<(), usize> {
    UNDER_WAY.end_unless(crate::open_files).await
}

/// An answer, and what it holds until it is sent: it is in the place of its stream's, so there is always room for it.
type Answer = (Result<Option<Vec<u8>>>, OwnedSemaphorePermit, Under<'static>);

/// Answers what comes on `stream` until it ends. Answers come in the order in which they are ready.
///
/// # Errors
/// The stream broke, or what came is no message of FUSE's.
pub async fn serve(
    share: Arc<Share>,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    changes: Changes,
) -> Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut listening = match changes {
        Changes::Told => {
            let share = Arc::clone(&share);
            tokio::task::spawn_blocking(move || share.listen()).await.unwrap_or_default()
        }
        Changes::Kept => None,
    };
    let (answers, mut ready) = mpsc::channel::<Answer>(AT_ONCE);
    let write = async {
        loop {
            let (message, _until_sent) = tokio::select! {
                answer = ready.recv() => match answer {
                    Some((answer, place, under_way)) => (answer?, Some((place, under_way))),
                    None => break,
                },
                notice = told(listening.as_mut()) => (Some(notice), None),
            };
            if let Some(message) = message {
                writer.write_all(&message).await.map_err(Error::Stream)?;
                writer.flush().await.map_err(Error::Stream)?;
            }
        }
        writer.shutdown().await.map_err(Error::Stream)
    };
    let read = async {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(message) = receive(&mut reader).await? {
            let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
            let under_way = UNDER_WAY.begin().await;
            let thread = EVERYWHERE.acquire().await.expect("it is never closed");
            let (share, answers) = (Arc::clone(&share), answers.clone());
            let workers = Arc::clone(share.workers());
            let of = Arc::clone(&share);
            let answer = move |may: Result<(), Errno>| {
                let answer = match may {
                    Ok(()) => share.answer(&message),
                    Err(why) => share.refuse(&message, why),
                };
                drop(thread);
                // The stream may be over.
                let _ = answers.try_send((answer, place, under_way));
            };
            workers.run(&of, Box::new(answer));
        }
        drop(answers);
        Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}

/// The next notice; never one, if nobody tells.
async fn told(listening: Option<&mut Listening>) -> Vec<u8> {
    let notice = match listening {
        Some(listening) => listening.next().await,
        None => None,
    };
    match notice {
        Some(notice) => notice,
        None => std::future::pending().await,
    }
}

/// The next message; `None` if the stream ended between two.
async fn receive(reader: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>> {
    let mut first = [0; 4];
    if reader.read(&mut first[..1]).await.map_err(Error::Stream)? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut first[1..]).await.map_err(Error::Stream)?;
    let mut message = vec![0; Request::length(first)?];
    message[..4].copy_from_slice(&first);
    reader.read_exact(&mut message[4..]).await.map_err(Error::Stream)?;
    Ok(Some(message))
}
