//! The disk image (.dmg): the app beside a link to where apps are, on a volume of HFS+, compressed (UDIF).
//!
//! `xorriso` makes a CD that is both, one of ISO 9660 and a volume of HFS+, which lie around the same bytes. The volume is cut out of it: it is
//! whole by itself.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use apple_dmg::DmgWriter;
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::tree::{Node, Tree};
use crate::error::IoContext;
use crate::plan::Inputs;
use crate::{Error, Result, sbom, tool};

/// Bytes of a sector, in every table.
const SECTOR: usize = 512;
/// What tables of partitions call it.
const PARTITION: &[u8] = b"Apple_HFS";
/// Where the trailer of a disk image has its number, which is drawn by lot.
const NUMBER: std::ops::Range<usize> = 64..80;

/// `berth-0.1.0-macos-universal.dmg`.
pub fn name(inputs: &Inputs, plan: &Plan) -> String {
    format!("berth-{}-macos-{}.dmg", inputs.version, plan.macs())
}

/// The disk image; `app` is the app as it was signed.
///
/// # Errors
/// When `xorriso` fails.
pub fn write(inputs: &Inputs, app: &Tree) -> Result<Vec<u8>> {
    let mut tree = app.clone();
    tree.nodes.insert("Applications".to_owned(), Node::Link("/Applications".to_owned()));
    let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    let (files, disc) = (folder.path().join("files"), folder.path().join("disc"));
    fs::create_dir(&files).at("create the folder", &files)?;
    tree.write(&files)?;
    tool::text(&mut xorriso(inputs.date, &files, &disc))?;
    let disc = fs::read(&disc).at("read", disc)?;
    image(hfs(&disc)?)
}

fn xorriso(date: u32, files: &Path, disc: &Path) -> Command {
    let digits: String = sbom::timestamp(date).chars().filter(char::is_ascii_digit).collect();
    let mut command = Command::new("xorriso");
    command.env("SOURCE_DATE_EPOCH", date.to_string()).env("TZ", "UTC");
    command.args(["-as", "mkisofs", "-quiet", "-V", "Berth", "-R", "-D", "-uid", "0", "-gid", "0"]);
    command.arg("--set_all_file_dates").arg(format!("{digits}00"));
    // The number of a volume is drawn by lot otherwise.
    command.args(["-hfsplus", "-hfsplus-serial-no"]).arg(format!("{:016x}", u64::from(date)));
    command.arg("-o").arg(disc).arg(files);
    command
}

/// The volume of HFS+ on a disc, by Apple's table of partitions: a sector for each, from the second on, with the number of all, its own first sector
/// and its length, its name and its kind.
fn hfs(disc: &[u8]) -> Result<&[u8]> {
    let unreadable =
        || Error::Unreadable { what: "what xorriso wrote".to_owned(), problem: "no volume of HFS+".to_owned() };
    let number = |entry: &[u8], at: usize| -> Result<usize> {
        let bytes = entry.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(unreadable)?;
        Ok(u32::from_be_bytes(bytes) as usize)
    };
    let entries = disc.chunks_exact(SECTOR).skip(1).take_while(|entry| entry.starts_with(b"PM"));
    for entry in entries {
        if entry[48..].starts_with(PARTITION) {
            let (first, length) = (number(entry, 8)? * SECTOR, number(entry, 12)? * SECTOR);
            return disc.get(first..first + length).ok_or_else(unreadable);
        }
    }
    Err(unreadable())
}

/// A disk image with this volume alone on it, without a table of partitions.
fn image(volume: &[u8]) -> Result<Vec<u8>> {
    let mut image = Cursor::new(Vec::new());
    let mut writer = DmgWriter::new(&mut image);
    let written = writer.add_partition("whole disk (Apple_HFS : 0)", volume).and_then(|()| writer.finish());
    written.map_err(|error| Error::Dmg(error.to_string()))?;
    let mut image = image.into_inner();
    let digest = Sha256::digest(&image[..image.len() - SECTOR]);
    let trailer = image.len() - SECTOR;
    image[trailer..][NUMBER].copy_from_slice(&digest[..NUMBER.len()]);
    Ok(image)
}
