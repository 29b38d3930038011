//! Compressed archives: recognised by their first bytes, whatever they are called, as `dockerd` does.

use std::io::{self, BufReader, Chain, Cursor, Read};

/// Bytes that tell the formats apart.
const MAGIC: usize = 6;
/// KiB that unpacking xz may take; `xz -9` needs 64 MiB, and a header of a few bytes can ask for 4 GiB.
const XZ_MEMORY: u32 = 256 * 1024;

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
        Compression::Xz => {
            let reader = lzma_rust2::XzReader::new_mem_limit(buffered, true, XZ_MEMORY);
            Box::new(BufReader::with_capacity(64 * 1024, reader))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

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

    /// The same stream with another dictionary size in its block's header (The .xz File Format, sections 3.1 and 5.3.1).
    fn with_dictionary(mut stream: Vec<u8>, bits: u8) -> Vec<u8> {
        const HEADER: usize = 12;
        let checksum = HEADER + usize::from(stream[HEADER]) * 4;
        let filter = stream[HEADER..checksum].windows(2).position(|bytes| bytes == [0x21, 1]).unwrap();
        stream[HEADER + filter + 2] = bits;
        let mut crc = flate2::Crc::new();
        crc.update(&stream[HEADER..checksum]);
        stream[checksum..checksum + 4].copy_from_slice(&crc.sum().to_le_bytes());
        stream
    }

    #[test]
    fn an_xz_header_cannot_ask_for_all_memory() {
        let stream = xz(b"hello");
        // 64 MiB as of `xz -9`, and 4 GiB.
        assert_eq!(read(&with_dictionary(stream.clone(), 28)).unwrap(), b"hello");
        let error = read(&with_dictionary(stream, 40)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
    }
}
