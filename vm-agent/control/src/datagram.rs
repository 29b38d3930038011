//! UDP over a stream: each datagram is its length as two big-endian bytes, then its bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Error, Result};

/// Writes one datagram and flushes. Empty ones are legal.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), datagram: &[u8]) -> Result<()> {
    let length = u16::try_from(datagram.len()).map_err(|_| Error::DatagramTooLong(datagram.len()))?;
    let mut framed = Vec::with_capacity(2 + datagram.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(datagram);
    stream.write_all(&framed).await?;
    stream.flush().await?;
    Ok(())
}

/// Reads one datagram into `buffer` (its old content goes); `false` at the end of the stream. Not cancel-safe.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Result<bool> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(false);
    }
    stream.read_exact(&mut length[1..]).await?;
    buffer.resize(usize::from(u16::from_be_bytes(length)), 0);
    stream.read_exact(buffer).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn borders_are_kept() {
        let (mut a, mut b) = tokio::io::duplex(100_000);
        for datagram in [&b"one"[..], b"", &[7; 65535]] {
            send(&mut a, datagram).await.unwrap();
        }
        assert!(send(&mut a, &[0; 65536]).await.is_err());
        drop(a);
        let mut buffer = Vec::new();
        for expected in [3, 0, 65535] {
            assert!(receive(&mut b, &mut buffer).await.unwrap());
            assert_eq!(buffer.len(), expected);
        }
        assert!(!receive(&mut b, &mut buffer).await.unwrap());
    }
}
