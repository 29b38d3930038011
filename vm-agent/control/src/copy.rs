//! Bytes both ways between two streams, each direction ending on its own.
//!
//! A peer may answer and go before it has read all that it is told: a server that refuses an upload does. Writing to it then
//! fails, and closing a connection with unread input makes a reset of the close, which can take the answer with it. So an answer
//! is read to its end whatever became of the question, and a moment is spent on what is still said after it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

/// How long, and how much, of what nobody wants any more is read before its connection is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
const LAST_WORDS_LIMIT: u64 = 1 << 20;
/// How often a direction reads or writes before others get their turn.
const TURNS: usize = 32;

/// A stream, whatever it is: one copy of the code below serves all.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Copies until both directions ended, each through a buffer of `buffer` bytes. `one` is the side that connected: it asks, and `two`
/// answers.
///
/// - The end of one side is passed on as the end of that direction; the other goes on.
/// - A side that cannot be written to any more is read on, and the other side's bytes are thrown away meanwhile. However `two` stops
///   then, if it had said anything, counts as the end of its answer. (TCP tells of a reset once: the write that failed was told, and
///   the read behind it sees an end. So an answer that a reset cut short can look whole.)
/// - After such an answer what `one` still says is read for at most two seconds or 1 MiB.
///
/// # Errors
/// When a side breaks off otherwise: also by an end, if it could not be written to before and is `one`, whose question may be half
/// of it, or never said anything. When neither takes anything, or `one` does not and nothing has come from it, or gone to `two`, for two
/// seconds. All that had been said was passed on, if that took less than two seconds. Whoever closes the other side then should make it
/// look like a break, not like an end.
pub async fn both(
    one: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    two: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    buffer: usize,
) -> io::Result<()> {
    run(one, two, buffer, std::pin::pin!(std::future::pending())).await.map(drop)
}

/// How [`both_until`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As [`both`].
    Whole,
    /// `one` had said everything, and was gone before it had its whole answer.
    Gone,
}

/// [`both`], until `gone` says that `one` is closed altogether: not only done with speaking, so that nobody is there for the answer. What
/// it had said is passed on first, unless that stands still for two seconds. Whoever closes `two` then should make it look like a break.
///
/// # Errors
/// As [`both`].
pub async fn both_until(
    one: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    two: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    buffer: usize,
    gone: impl Future<Output = ()> + Send,
) -> io::Result<End> {
    run(one, two, buffer, std::pin::pin!(gone)).await
}

/// Reads on for a moment what nobody wants, after the stream's own direction was shut down: closed with unread input it would be
/// reset, and what was said last be lost.
pub async fn drain(stream: &mut (impl AsyncRead + Unpin + Send)) {
    discard(stream).await;
}

async fn discard(stream: &mut (dyn AsyncRead + Unpin + Send)) {
    let mut sink = tokio::io::sink();
    let mut rest = stream.take(LAST_WORDS_LIMIT);
    // However it ends, nobody wants to know.
    let _ = tokio::time::timeout(LAST_WORDS, tokio::io::copy(&mut rest, &mut sink)).await;
}

/// What there is to do when no more is to be copied.
enum Outcome {
    Done,
    /// One direction ended in order, its target still speaks, and nobody listens.
    Drain(Side),
    /// That side broke off.
    Broken(Side, io::Error),
    Refused(io::Error),
    Gone,
}

#[derive(Clone, Copy)]
enum Side {
    One,
    Two,
}

async fn run<'a>(
    one: &'a mut (dyn Stream + 'a),
    two: &'a mut (dyn Stream + 'a),
    buffer: usize,
    mut gone: Pin<&mut (dyn Future<Output = ()> + Send + 'a)>,
) -> io::Result<End> {
    let mut there = Direction::new(buffer);
    let mut back = Direction::new(buffer);
    let mut patience = Patience::default();
    let mut is_gone = false;
    let outcome = poll_fn(|cx| {
        let done = poll(cx, one, two, &mut there, &mut back);
        if done.is_ready() {
            return done;
        }
        is_gone = is_gone || gone.as_mut().poll(cx).is_ready();
        if is_gone && there.is_over() {
            return Poll::Ready(Outcome::Gone);
        }
        let refuses = there.refused.is_none() && back.refused.is_some();
        if is_gone || refuses {
            std::task::ready!(patience.poll(cx, there.moved));
        }
        match back.refused.take_if(|_| refuses) {
            Some(error) => Poll::Ready(Outcome::Refused(error)),
            None if is_gone => Poll::Ready(Outcome::Gone),
            None => Poll::Pending,
        }
    });
    match outcome.await {
        Outcome::Done => Ok(End::Whole),
        Outcome::Gone => Ok(End::Gone),
        Outcome::Drain(side) => {
            match side {
                Side::One => discard(one).await,
                Side::Two => discard(two).await,
            }
            Ok(End::Whole)
        }
        Outcome::Broken(side, error) => {
            let (direction, to) = match side {
                Side::One => (&there, two),
                Side::Two => (&back, one),
            };
            if direction.refused.is_none() {
                let said = async {
                    to.write_all(direction.unwritten()).await?;
                    to.flush().await
                };
                let _ = tokio::time::timeout(LAST_WORDS, said).await;
            }
            Err(error)
        }
        Outcome::Refused(error) => Err(error),
    }
}

fn poll(
    cx: &mut Context<'_>,
    one: &mut dyn Stream,
    two: &mut dyn Stream,
    there: &mut Direction,
    back: &mut Direction,
) -> Poll<Outcome> {
    loop {
        let broken =
            [there.advance(cx, one, two, back.refused.is_some()), back.advance(cx, two, one, there.refused.is_some())];
        if there.refused.is_some() && back.refused.is_some() {
            return Poll::Ready(Outcome::Refused(there.refused.take().expect("just looked")));
        }
        // Only now: both directions have tried to write, so a side that refuses is known to.
        let mut again = false;
        for (side, error) in [Side::One, Side::Two].into_iter().zip(broken) {
            let Some(error) = error else { continue };
            let (its, to_it) = match side {
                Side::One => (&mut *there, &*back),
                Side::Two => (&mut *back, &*there),
            };
            if to_it.refused.is_none() || !its.spoken || matches!(side, Side::One) {
                return Poll::Ready(Outcome::Broken(side, error));
            }
            its.source_ended = true;
            again = true;
        }
        if again {
            continue;
        }
        return match (there.is_over(), back.is_over()) {
            (true, true) => Poll::Ready(Outcome::Done),
            (true, false) if there.shut && back.refused.is_some() => Poll::Ready(Outcome::Drain(Side::Two)),
            (false, true) if back.shut && there.refused.is_some() => Poll::Ready(Outcome::Drain(Side::One)),
            _ => Poll::Pending,
        };
    }
}

/// How long `one` may go on without its words getting on, once it takes nothing or is gone. `two` has no such limit, since what it has
/// said may be waiting for a slow reader.
#[derive(Default)]
struct Patience {
    /// How far it was when the time began.
    moved: u64,
    end: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Resolves when its words stood still for too long; they have got as far as `moved` by now.
    fn poll(&mut self, cx: &mut Context<'_>, moved: u64) -> Poll<()> {
        if self.moved != moved {
            self.moved = moved;
            self.end = None;
        }
        self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(LAST_WORDS))).as_mut().poll(cx)
    }
}

struct Direction {
    buffer: Box<[u8]>,
    /// What was read and not yet written.
    filled: std::ops::Range<usize>,
    /// Bytes read and bytes written, together.
    moved: u64,
    /// Anything was ever read.
    spoken: bool,
    source_ended: bool,
    unflushed: bool,
    /// The target was told of the end.
    shut: bool,
    /// Why the target takes no more; what is read then is thrown away.
    refused: Option<io::Error>,
}

impl Direction {
    fn new(buffer: usize) -> Direction {
        Direction {
            buffer: vec![0; buffer].into_boxed_slice(),
            filled: 0..0,
            moved: 0,
            spoken: false,
            source_ended: false,
            unflushed: false,
            shut: false,
            refused: None,
        }
    }

    fn unwritten(&self) -> &[u8] {
        &self.buffer[self.filled.clone()]
    }

    fn is_over(&self) -> bool {
        self.shut || (self.source_ended && self.refused.is_some())
    }

    /// Moves what can be moved now; how reading failed, if it did. An end of a side that `refuses` what it is told is a failure too.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Stream,
        to: &mut dyn Stream,
        refuses: bool,
    ) -> Option<io::Error> {
        for _ in 0..TURNS {
            if self.is_over() {
                return None;
            }
            if self.refused.is_none() && (!self.filled.is_empty() || self.source_ended) {
                match self.poll_give(cx, to) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        self.refused = Some(error);
                        self.filled = 0..0;
                    }
                    Poll::Pending => return None,
                }
                continue;
            }
            let mut read = ReadBuf::new(&mut self.buffer);
            match Pin::new(&mut *from).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) => {
                    let n = read.filled().len();
                    if n == 0 && refuses {
                        return Some(io::ErrorKind::ConnectionReset.into());
                    }
                    self.source_ended = n == 0;
                    self.spoken |= n > 0;
                    self.moved += n as u64;
                    if self.refused.is_none() {
                        self.filled = 0..n;
                    }
                }
                Poll::Ready(Err(error)) => return Some(error),
                Poll::Pending => {
                    // What was written may wait in the target for more: there is no more now.
                    if self.unflushed && self.refused.is_none() {
                        match Pin::new(&mut *to).poll_flush(cx) {
                            Poll::Ready(Ok(())) => self.unflushed = false,
                            Poll::Ready(Err(error)) => self.refused = Some(error),
                            Poll::Pending => {}
                        }
                    }
                    return None;
                }
            }
        }
        cx.waker().wake_by_ref();
        None
    }

    /// Writes what is there, or tells of the end.
    fn poll_give(&mut self, cx: &mut Context<'_>, to: &mut dyn Stream) -> Poll<io::Result<()>> {
        let mut to = Pin::new(to);
        if self.filled.is_empty() {
            if self.unflushed {
                std::task::ready!(to.as_mut().poll_flush(cx))?;
                self.unflushed = false;
            }
            std::task::ready!(to.poll_shutdown(cx))?;
            self.shut = true;
            return Poll::Ready(Ok(()));
        }
        let n = std::task::ready!(to.poll_write(cx, &self.buffer[self.filled.clone()]))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.filled.start += n;
        self.moved += n as u64;
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }
}
