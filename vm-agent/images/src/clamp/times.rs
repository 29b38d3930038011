//! The times in an archive, as they are written: an archive is copied, and of each header only its times change.

use std::io::{self, Read, Write};

/// Of a header, and what all content is filled up to.
const BLOCK: usize = 512;

/// Bytes of what stands before an entry and says more of it. PAX has no limit; nobody needs that many.
const LARGEST: u64 = 1 << 20;

/// The keys of times in a PAX header.
const TIMES: [&[u8]; 3] = [b"mtime", b"atime", b"ctime"];

/// Copies an archive. No time in it is later than `limit`, in seconds since 1970.
///
/// # Errors
///
/// Those of either end; an archive that ends in the middle, or is none.
pub(super) fn clamp(mut tar: impl Read, out: &mut dyn Write, limit: i64) -> io::Result<()> {
    // What a PAX header says of the next entry's size.
    let mut said = None;
    let mut header = [0; BLOCK];
    loop {
        if !next(&mut tar, &mut header)? {
            return Ok(());
        }
        if header.iter().all(|byte| *byte == 0) {
            out.write_all(&header)?;
            // What follows the end is no entry.
            return io::copy(&mut tar, out).map(drop);
        }
        let mut parsed = tar::Header::from_byte_slice(&header).clone();
        if has_records(&parsed) {
            let size = parsed.entry_size()?;
            if size > LARGEST {
                return Err(io::Error::other(format!("a header of {size} bytes is too large")));
            }
            let mut records = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            tar.read_exact(&mut records)?;
            skip(&mut tar, size)?;
            let (clamped, length) = clamp_records(&records, limit)?;
            if parsed.entry_type().is_pax_local_extensions() {
                said = length;
            }
            if clamped.len() != records.len() {
                parsed.set_size(clamped.len() as u64);
                parsed.set_cksum();
            }
            clamp_header(&mut parsed, limit)?;
            out.write_all(parsed.as_bytes())?;
            out.write_all(&clamped)?;
            fill(out, clamped.len() as u64)?;
            continue;
        }
        if parsed.as_gnu().is_some_and(|gnu| parsed.entry_type().is_gnu_sparse() && gnu.is_extended()) {
            // Its map goes on behind the header. Nothing writes it today.
            return Err(io::Error::other("a sparse file of GNU's old form, in more than four pieces, is not known"));
        }
        let size = said.take().map_or_else(|| parsed.entry_size(), Ok)?;
        clamp_header(&mut parsed, limit)?;
        out.write_all(parsed.as_bytes())?;
        let copied = io::copy(&mut tar.by_ref().take(size), out)?;
        if copied < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        skip(&mut tar, size)?;
        fill(out, size)?;
    }
}

/// Some archives end without saying so.
fn next(tar: &mut impl Read, header: &mut [u8; BLOCK]) -> io::Result<bool> {
    let count = loop {
        match tar.read(header) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    if count > 0 {
        tar.read_exact(&mut header[count..])?;
    }
    Ok(count > 0)
}

fn has_records(header: &tar::Header) -> bool {
    header.entry_type().is_pax_local_extensions() || header.entry_type().is_pax_global_extensions()
}

/// Its checksum is written anew where a time changes alone: others stay as they are.
fn clamp_header(header: &mut tar::Header, limit: i64) -> io::Result<()> {
    let limit = u64::try_from(limit)
        .map_err(|_| io::Error::other(format!("{limit} seconds: archives have no times before 1970")))?;
    let before = *header.as_bytes();
    // Times before 1970 are negative numbers, which come out as very large ones.
    if header.mtime().is_ok_and(|time| time > limit && i64::try_from(time).is_ok()) {
        header.set_mtime(limit);
    }
    if let Some(gnu) = header.as_gnu_mut() {
        for field in [&mut gnu.atime, &mut gnu.ctime] {
            if octal(field).is_some_and(|time| time > limit) {
                field.copy_from_slice(format!("{limit:011o}\0").as_bytes());
            }
        }
    }
    if before != *header.as_bytes() {
        header.set_cksum();
    }
    Ok(())
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

/// The records of a PAX header (POSIX pax, "Extended Header"): `LENGTH KEY=VALUE\n`, and the size that they say, if they do.
fn clamp_records(records: &[u8], limit: i64) -> io::Result<(Vec<u8>, Option<u64>)> {
    let damaged = || io::Error::other("a PAX header is damaged");
    let (mut rest, mut clamped, mut size) = (records, Vec::with_capacity(records.len()), None);
    while !rest.is_empty() {
        let blank = rest.iter().position(|byte| *byte == b' ').ok_or_else(damaged)?;
        let length: usize =
            std::str::from_utf8(&rest[..blank]).ok().and_then(|text| text.parse().ok()).ok_or_else(damaged)?;
        let record = rest.get(..length).filter(|record| record.len() > blank + 1).ok_or_else(damaged)?;
        rest = &rest[length..];
        let text = record[blank + 1..].strip_suffix(b"\n").ok_or_else(damaged)?;
        let at = text.iter().position(|byte| *byte == b'=').ok_or_else(damaged)?;
        let (key, value) = (&text[..at], std::str::from_utf8(&text[at + 1..]).ok());
        if key == b"size" {
            size = value.and_then(|value| value.parse().ok());
        }
        if TIMES.contains(&key) && value.is_some_and(|value| is_later(value, limit)) {
            let key = std::str::from_utf8(key).map_err(io::Error::other)?;
            clamped.extend_from_slice(record_of(key, &limit.to_string()).as_bytes());
        } else {
            clamped.extend_from_slice(record);
        }
    }
    Ok((clamped, size))
}

/// `SECONDS[.FRACTION]`
fn is_later(value: &str, limit: i64) -> bool {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let has_more = fraction.bytes().any(|digit| digit != b'0') && !value.starts_with('-');
    seconds.parse::<i64>().is_ok_and(|seconds| seconds > limit || (seconds == limit && has_more))
}

/// A record, which has its own length in it.
fn record_of(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    loop {
        let record = format!("{length}{rest}");
        if record.len() == length {
            return record;
        }
        length = record.len();
    }
}

/// Over what fills content up.
fn skip(tar: &mut impl Read, size: u64) -> io::Result<()> {
    let mut rest = [0; BLOCK];
    tar.read_exact(&mut rest[..padding(size)])
}

fn fill(out: &mut dyn Write, size: u64) -> io::Result<()> {
    out.write_all(&[0; BLOCK][..padding(size)])
}

fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    if over == 0 { 0 } else { BLOCK - over }
}

#[cfg(test)]
mod tests;
