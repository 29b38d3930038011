//! The disk image, unpacked by 7-Zip, which reads both what compresses it and the volume on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use packages::macos::{Plan, volume};

use crate::support::{BOTH, Found, VERSION, assert_same, expected, found, inputs, run, skipped};

#[test]
fn others_read_what_is_on_the_disk_image() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &BOTH) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("others_read_what_is_on_the_disk_image", &why),
    };
    let plan = Plan::of(&inputs).unwrap();
    let app = plan.tree().unwrap();
    assert_eq!(volume::name(&inputs, &plan), format!("berth-{VERSION}-macos-universal.dmg"));
    let image = folder.path().join("berth.dmg");
    let bytes = volume::write(&inputs, &app).unwrap();
    fs::write(&image, &bytes).unwrap();
    // Its checksums, too.
    run(Command::new("7zz").arg("t").arg(&image));
    let (hfs, out) = (folder.path().join("volume"), folder.path().join("out"));
    unpack(&image, &hfs, &["-tdmg"]);
    let volumes: Vec<PathBuf> = fs::read_dir(&hfs).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    // HFS+ with its version, at the place of its header.
    assert_eq!(fs::read(&volumes[0]).unwrap()[1024..1028], *b"H+\0\x04");
    unpack(&volumes[0], &out, &["-thfs"]);
    let mut unpacked = found(&out.join("Berth"));
    // 7-Zip takes the folder that it unpacks into for the top.
    let link = unpacked.remove("Applications").unwrap();
    assert!(matches!(&link, Found::Link(target) if target.ends_with("Applications")), "{link:?}");
    assert_same(&unpacked, &expected(&app));
    let modes = modes(&volumes[0]);
    assert_eq!(modes["Berth/Applications"], "lrwxrwxrwx");
    assert_eq!(modes["Berth/Berth.app/Contents/MacOS"], "drwxr-xr-x");
    assert_eq!(modes["Berth/Berth.app/Contents/MacOS/berth"], "-rwxr-xr-x");
    assert_eq!(modes["Berth/Berth.app/Contents/Info.plist"], "-rw-r--r--");
    assert_eq!(bytes[bytes.len() - 512..][..4], *b"koly");
}

#[test]
fn its_checksums_are_those_of_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &["aarch64"]) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("its_checksums_are_those_of_what_is_in_it", &why),
    };
    let app = Plan::of(&inputs).unwrap().tree().unwrap();
    let bytes = volume::write(&inputs, &app).unwrap();
    let (image, hfs) = (folder.path().join("berth.dmg"), folder.path().join("volume"));
    fs::write(&image, &bytes).unwrap();
    unpack(&image, &hfs, &["-tdmg"]);
    let volume = fs::read(fs::read_dir(&hfs).unwrap().next().unwrap().unwrap().path()).unwrap();
    let trailer = &bytes[bytes.len() - 512..];
    let table = blocks(&bytes, trailer);
    // Each stands behind its kind (CRC-32) and its length in bits.
    let checksum = |from: &[u8], at: usize| {
        assert_eq!((number(from, at), number(from, at + 4)), (2, 32), "{at}");
        number(from, at + 8) as u32
    };
    assert_eq!(number(trailer, 24), 0, "data begins elsewhere");
    let data = &bytes[..number(trailer, 36) as usize];
    assert_eq!(checksum(trailer, 80), crc(data), "of the compressed data");
    assert_eq!(number(&table, 20) as usize * 512, volume.len());
    assert_eq!(checksum(&table, 64), crc(&volume), "of the volume");
    assert_eq!(checksum(trailer, 352), crc(&table[72..76]), "of all tables' checksums");
}

/// The table of blocks of the only volume on a disk image, from the list that its trailer tells the place of.
fn blocks(image: &[u8], trailer: &[u8]) -> Vec<u8> {
    let (at, length) = (number(trailer, 220) as usize, number(trailer, 228) as usize);
    let list: plist::Dictionary = plist::from_bytes(&image[at..at + length]).unwrap();
    let tables = list["resource-fork"].as_dictionary().unwrap()["blkx"].as_array().unwrap();
    assert_eq!(tables.len(), 1);
    tables[0].as_dictionary().unwrap()["Data"].as_data().unwrap().to_vec()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The lower half of a number of 64 bits, or one of 32.
fn number(bytes: &[u8], at: usize) -> u64 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()).into()
}

fn unpack(archive: &Path, to: &Path, kind: &[&str]) {
    let mut command = Command::new("7zz");
    command.args(["x", "-y", "-snld"]).args(kind).arg(format!("-o{}", to.display())).arg(archive);
    run(&mut command);
}

/// Modes of all on a volume, as it has them.
fn modes(volume: &Path) -> BTreeMap<String, String> {
    let listed = run(Command::new("7zz").args(["l", "-slt", "-thfs"]).arg(volume));
    let value = |block: &str, key: &str| block.lines().find_map(|line| Some(line.strip_prefix(key)?.to_owned()));
    listed.split("\n\n").filter_map(|block| Some((value(block, "Path = ")?, value(block, "Mode = ")?))).collect()
}
