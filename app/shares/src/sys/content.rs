//! What is in files.

use std::os::fd::BorrowedFd;

use rustix::fs;

use super::Result;
use crate::Errno;

pub(crate) fn read(file: BorrowedFd<'_>, offset: u64, size: u32) -> Result<Vec<u8>> {
    let mut data = vec![0; size as usize];
    let mut filled = 0;
    // A short answer means the file's end to the kernel.
    while filled < data.len() {
        match rustix::io::pread(file, &mut data[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    data.truncate(filled);
    Ok(data)
}

/// To a file that was opened to append at its end, wherever that is by now.
pub(crate) fn write(file: BorrowedFd<'_>, offset: u64, data: &[u8]) -> Result<u32> {
    let mut written = 0;
    while written < data.len() {
        match rustix::io::pwrite(file, &data[written..], offset + written as u64) {
            Ok(count) => written += count,
            Err(rustix::io::Errno::INTR) => {}
            // What is written is written.
            Err(_) if written > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(u32::try_from(written).expect("a megabyte"))
}

pub(crate) fn sync(file: BorrowedFd<'_>, data_only: bool) -> Result<()> {
    Ok(if data_only { fs::fdatasync(file) } else { fs::fsync(file) }?)
}

/// `mode` is that of fallocate(2).
pub(crate) fn allocate(file: BorrowedFd<'_>, offset: u64, length: u64, mode: u32) -> Result<()> {
    let mode = fs::FallocateFlags::from_bits(mode).ok_or(Errno::OPNOTSUPP)?;
    Ok(fs::fallocate(file, mode, offset, length)?)
}

/// The next data or hole (lseek(2)); everything else the kernel knows by itself.
pub(crate) fn seek(file: BorrowedFd<'_>, offset: u64, whence: u32) -> Result<u64> {
    let to = match whence {
        3 => fs::SeekFrom::Data(offset),
        4 => fs::SeekFrom::Hole(offset),
        _ => return Err(Errno::INVAL),
    };
    Ok(fs::seek(file, to)?)
}

pub(crate) fn copy(
    from: BorrowedFd<'_>,
    mut offset: u64,
    to: BorrowedFd<'_>,
    mut to_offset: u64,
    length: u64,
) -> Result<u32> {
    // As long as an answer can say.
    let length = usize::try_from(length.min(1 << 30)).expect("a gigabyte");
    let copied = fs::copy_file_range(from, Some(&mut offset), to, Some(&mut to_offset), length)?;
    Ok(u32::try_from(copied).expect("a gigabyte"))
}
