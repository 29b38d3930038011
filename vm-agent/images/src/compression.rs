//! Compressed archives: recognised by their first bytes, whatever they are called, as `dockerd` does.

use std::io::{self, BufReader, Chain, Cursor, Read, Write};

/// Bytes that tell the formats apart.
const MAGIC: usize = 6;

/// How an archive is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    /// From a blob's first bytes.
    pub(crate) fn detect(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // Skippable frames, with which estargz-like zstd layers may begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Compression::Xz,
            _ => Compression::None,
        }
    }
}

/// The uncompressed bytes of a layer or archive: plain, gzip, zstd, bzip2 or xz, which its first bytes tell apart.
///
/// # Errors
///
/// Those of `source`, at once and while reading; `InvalidData` or the like for content that is damaged.
pub fn decompress<'a>(mut source: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut start = vec![0; MAGIC];
    let mut filled = 0;
    while filled < MAGIC {
        match source.read(&mut start[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    start.truncate(filled);
    let compression = Compression::detect(&start);
    let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(start).chain(source);
    let buffered = BufReader::with_capacity(128 * 1024, whole);
    Ok(match compression {
        Compression::None => Box::new(buffered),
        // Layers may be several gzip members one after another (pigz, estargz).
        Compression::Gzip => {
            Box::new(BufReader::with_capacity(64 * 1024, flate2::bufread::MultiGzDecoder::new(buffered)))
        }
        Compression::Zstd => Box::new(BufReader::with_capacity(64 * 1024, zstd::Decoder::with_buffer(buffered)?)),
        // Parallel compressors write several streams one after another, of both formats.
        Compression::Bzip2 => {
            Box::new(BufReader::with_capacity(64 * 1024, bzip2::bufread::MultiBzDecoder::new(buffered)))
        }
        Compression::Xz => Box::new(BufReader::with_capacity(64 * 1024, lzma_rust2::XzReader::new(buffered, true))),
    })
}

/// Compresses what is read through it. A failure to write must not look like one to read.
pub(crate) struct Tee<'a, R, W> {
    pub(crate) reader: R,
    pub(crate) encoder: &'a mut W,
    pub(crate) failed: &'a mut Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if self.failed.is_none()
            && let Err(e) = self.encoder.write_all(&buffer[..count])
        {
            *self.failed = Some(e);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(content: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(content: &[u8]) -> Vec<u8> {
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decompress(bytes)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn formats_are_recognised_by_content() {
        let content = b"hello ".repeat(10_000);
        assert_eq!(read(&content).unwrap(), content);
        assert_eq!(read(&gzip(&content)).unwrap(), content);
        assert_eq!(read(&zstd::encode_all(content.as_slice(), 1).unwrap()).unwrap(), content);
        assert_eq!(read(&[gzip(b"a"), gzip(b"b")].concat()).unwrap(), b"ab");
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(read(b"ab").unwrap(), b"ab");
        for bytes in [bzip2(&content), xz(&content)] {
            assert_eq!(read(&bytes).unwrap(), content);
            assert_eq!(read(&[bytes.clone(), bytes.clone()].concat()).unwrap(), content.repeat(2));
            assert!(read(&bytes[..bytes.len() / 2]).is_err());
        }
        assert!(read(&gzip(&content)[..50]).is_err());
    }
}
