//! A machine as one file, for another computer.
//!
//! ```text
//!  berth-machine.json   what this is          a tar archive, compressed by zstd;
//!  disk.raw             all that it has       holes of the disk are holes of the archive (GNU sparse format)
//! ```
//!
//! Settings stay: but for sizes they are about the computer that they were made on, and proxies among them may have passwords.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Name, at_rest, create, taken_back};
use crate::paths::Paths;
use crate::{Error, Result};

const ABOUT: &str = "berth-machine.json";
const DISK: &str = "disk.raw";
/// What this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// The compression of zstd's own command.
const LEVEL: i32 = 3;
/// More than any description has: a file of somebody else's is not read to its end.
const ABOUT_MAX: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: u32,
    /// The Berth that wrote it.
    version: String,
    /// In bytes, holes included.
    disk_size: u64,
}

/// Writes all that is on the disk of a machine into `file`, which appears when it is whole. Bytes that it has.
///
/// # Errors
/// When the machine runs, was never started, or there is no room: then there is no file, or what was there before.
pub fn export(machine: &Paths, file: &Path) -> Result<u64> {
    machine.create()?;
    let _held = at_rest(machine)?;
    let disk = machine.data_disk();
    let mut source = match File::open(&disk) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NoDisk { path: disk }),
        other => other.map_err(Error::file("open", &disk))?,
    };
    let size = source.metadata().map_err(Error::file("read", &disk))?.len();
    let part = beside(file);
    let written = write(&mut source, size, &part).and_then(|()| {
        fs::rename(&part, file)?;
        Ok(fs::metadata(file)?.len())
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        Error::file("write", file)(error)
    })
}

/// A name of our own in the same folder, and so on the same file system.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    file.with_file_name(name)
}

fn write(disk: &mut File, size: u64, part: &Path) -> io::Result<()> {
    let out = BufWriter::new(File::options().write(true).create_new(true).open(part)?);
    let mut out = zstd::Encoder::new(out, LEVEL)?;
    out.include_checksum(true)?;
    let mut archive = tar::Builder::new(out);
    let about = About { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), disk_size: size };
    let about = serde_json::to_vec_pretty(&about)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(about.len() as u64);
    header.set_mode(0o600);
    archive.append_data(&mut header, ABOUT, about.as_slice())?;
    archive.append_file(DISK, disk)?;
    let mut out = archive.into_inner()?.finish()?;
    out.flush()?;
    out.get_ref().sync_all()
}

/// Makes the machine `name` of what [`export`] wrote; `values` as in [`create`].
///
/// # Errors
/// When there is one of that name, the file is something else, damaged or of a newer version, or there is no room: then nothing is left behind.
pub fn import(paths: &Paths, file: &Path, name: &Name, values: &[(&str, String)]) -> Result<Paths> {
    let bad = |reason: String| Error::NoArchive { path: file.to_path_buf(), reason };
    let opened = File::open(file).map_err(Error::file("open", file))?;
    let mut reader = zstd::Decoder::new(BufReader::new(opened)).map_err(|error| bad(error.to_string()))?;
    let mut archive = tar::Archive::new(&mut reader);
    let mut entries = archive.entries().map_err(|error| bad(error.to_string()))?;
    let about = entries.next().ok_or_else(|| bad("it is empty".to_owned()))?;
    let about = about.and_then(described).map_err(|error| bad(error.to_string()))?;
    if about.format > FORMAT {
        return Err(bad(format!("Berth {} wrote it, and this one is older", about.version)));
    }
    let gib = about.disk_size.div_ceil(1 << 30).to_string();
    let values: Vec<_> = values.iter().cloned().chain([("disk_gib", gib)]).collect();
    let made = create(paths, name, &values)?;
    // Nobody starts it while half of its disk is there.
    let held = at_rest(&made)?;
    let unpacked = (|| {
        let entry = entries.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        unpack(entry, about.disk_size, &made)?;
        match entries.next() {
            None => Ok(()),
            Some(_) => Err(io::Error::other("there is more in it than a disk")),
        }
    })();
    // The checksum comes behind the archive.
    let unpacked = unpacked.and_then(|()| io::copy(&mut reader, &mut io::sink()));
    match unpacked {
        Ok(_) => match fs::rename(made.partial_disk(), made.data_disk()) {
            Ok(()) => Ok(made),
            Err(error) => Err(taken_back(&made, Some(held), Error::file("rename to", made.data_disk())(error))),
        },
        Err(error) => Err(taken_back(&made, Some(held), bad(error.to_string()))),
    }
}

fn described(entry: tar::Entry<'_, impl Read>) -> io::Result<About> {
    if entry.path()? != Path::new(ABOUT) {
        return Err(io::Error::other("`berth machine export` did not write it"));
    }
    Ok(serde_json::from_reader(entry.take(ABOUT_MAX))?)
}

fn unpack(mut entry: tar::Entry<'_, impl Read>, size: u64, made: &Paths) -> io::Result<()> {
    let kind = entry.header().entry_type();
    if entry.path()? != Path::new(DISK) || !(kind.is_file() || kind.is_gnu_sparse()) {
        return Err(io::Error::other("there is no disk in it"));
    }
    let part = made.partial_disk();
    entry.unpack(&part)?;
    let disk = File::options().write(true).open(&part)?;
    let found = disk.metadata()?.len();
    if found != size {
        return Err(io::Error::other(format!("its disk has {found} bytes of {size}")));
    }
    disk.sync_all()
}
