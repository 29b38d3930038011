//! One message on a byte stream: its length as four big-endian bytes, then that many bytes of JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Error, Result};

/// The longest message either side sends or reads, in bytes. A zone or a list of forwards fits many times.
pub const MESSAGE_MAX: usize = 1 << 20;

/// The message with its length in front.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(Error::Message)?;
    let size = bytes.len() - 4;
    let length = u32::try_from(size).ok().filter(|_| size <= MESSAGE_MAX);
    let length = length.ok_or(Error::MessageTooLong { size, limit: MESSAGE_MAX })?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Writes one message and flushes.
pub async fn send<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<()> {
    stream.write_all(&encode(message)?).await?;
    stream.flush().await?;
    Ok(())
}

/// Reads one message; `None` if the stream ended between messages. Not cancel-safe.
pub async fn receive<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<T>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let size = u32::from_be_bytes(length) as usize;
    if size > MESSAGE_MAX {
        return Err(Error::MessageTooLong { size, limit: MESSAGE_MAX });
    }
    let mut json = vec![0; size];
    stream.read_exact(&mut json).await?;
    serde_json::from_slice(&json).map(Some).map_err(Error::Message)
}

/// Reads the message that the protocol promises here; `expected` names it in the error.
pub async fn expect<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin), expected: &'static str) -> Result<T> {
    receive(stream).await?.ok_or(Error::Closed { expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_cross_and_the_end_is_seen() {
        let (mut a, mut b) = tokio::io::duplex(64);
        let sender = tokio::spawn(async move {
            send(&mut a, &"x".repeat(1000)).await.unwrap();
            send(&mut a, &7).await.unwrap();
        });
        assert_eq!(expect::<String>(&mut b, "text").await.unwrap().len(), 1000);
        assert_eq!(receive::<u8>(&mut b).await.unwrap(), Some(7));
        assert_eq!(receive::<u8>(&mut b).await.unwrap(), None);
        sender.await.unwrap();
    }

    #[tokio::test]
    async fn a_length_out_of_bounds_is_refused_before_reading() {
        let mut bytes: &[u8] = &[0xff, 0xff, 0xff, 0xff, b'{'];
        assert!(matches!(receive::<u8>(&mut bytes).await, Err(Error::MessageTooLong { .. })));
        assert!(matches!(encode(&"x".repeat(MESSAGE_MAX)), Err(Error::MessageTooLong { .. })));
    }

    #[tokio::test]
    async fn a_torn_message_is_an_error() {
        let mut bytes: &[u8] = &[0, 0, 0, 9, b'1'];
        assert!(matches!(receive::<u8>(&mut bytes).await, Err(Error::Io(_))));
    }
}
