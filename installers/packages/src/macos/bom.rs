//! The list of what a package installs (`Bom`), which macOS keeps: paths with modes, owners, sizes and checksums.
//!
//! Nobody at Apple has written down what is in it; this is what others found in theirs (the readers `lsbom` of bomutils and of the crate
//! `apple-bom`). Blocks of bytes with numbers, a table of them at the end, and a few names for blocks at the beginning; all numbers are big-endian.
//! `Paths` is a tree of blocks: leaves with two blocks' numbers for each path, what it is and what it is called.

use std::collections::BTreeMap;

use crc::{CRC_32_CKSUM, Crc};

use super::tree::{Root, Row, Tree};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_CKSUM);
/// Bytes of a block of a tree.
const TREE_BLOCK: u32 = 4096;
/// Paths in a leaf, which fit into a block.
const LEAF: usize = 256;
/// Bytes before the names.
const HEADER: usize = 512;

/// The bytes of the list; all is of one date (seconds since 1970).
pub fn bytes(tree: &Tree, root: Root, date: u32) -> Vec<u8> {
    let mut rows = Vec::new();
    tree.rows(root, |row| rows.push(Listed::of(&row, date)));
    // A folder's number is less than that of anything in it, and what lies in one folder stands together: so the order of numbers is that of
    // pairs of folder and name, by which paths are looked up.
    rows.sort_by_cached_key(|listed| {
        let names: Vec<String> = listed.path.split('/').map(str::to_owned).collect();
        (names.len(), names)
    });
    let mut store = Store::default();
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut entries = Vec::new();
    for listed in &rows {
        let number = small(numbers.len() + 1);
        let (folder, name) = listed.path.rsplit_once('/').unwrap_or(("", &listed.path));
        let above = numbers.get(folder).copied().unwrap_or(0);
        let about = store.add(listed.about.clone());
        let about = store.add(words(&[number, about]));
        let called = store.add([&above.to_be_bytes()[..], name.as_bytes(), b"\0"].concat());
        entries.push([about, called]);
        numbers.insert(listed.path.clone(), number);
    }
    let info = [1, small(rows.len() + 1), 1, 0, 0, 0, 0];
    let info = store.add(words(&info));
    let paths = store.paths(&entries);
    let paths = store.tree(paths, TREE_BLOCK, small(entries.len()));
    let empty = |store: &mut Store, block| {
        let leaf = store.add(leaf(&[], 0, 0));
        store.tree(leaf, block, 0)
    };
    let links = empty(&mut store, TREE_BLOCK);
    let versions = empty(&mut store, 128);
    let versions = store.add([&words(&[1, versions, 0])[..], &[0]].concat());
    let large = empty(&mut store, TREE_BLOCK);
    store.bytes(&[("BomInfo", info), ("Paths", paths), ("HLIndex", links), ("VIndex", versions), ("Size64", large)])
}

/// One path, with the block that tells what it is.
struct Listed {
    path: String,
    about: Vec<u8>,
}

impl Listed {
    fn of(row: &Row<'_>, date: u32) -> Listed {
        let kind = match row.mode & 0o170_000 {
            0o040_000 => 2,
            0o120_000 => 3,
            _ => 1,
        };
        // Of a folder nothing is counted.
        let checksum = if kind == 2 { 0 } else { checksum(row.bytes) };
        let mut about = vec![kind, 1];
        about.extend(3_u16.to_be_bytes());
        about.extend(u16::try_from(row.mode).expect("modes have sixteen bits").to_be_bytes());
        about.extend(words(&[0, row.group, date, small(row.bytes.len())]));
        about.push(1);
        about.extend(checksum.to_be_bytes());
        let target: Vec<u8> = if kind == 3 { [row.bytes, b"\0"].concat() } else { Vec::new() };
        about.extend(small(target.len()).to_be_bytes());
        about.extend(target);
        Listed { path: row.path.to_owned(), about }
    }
}

/// What `cksum` prints: the length is counted as well, without zeros before it, its lowest byte first.
fn checksum(bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(bytes);
    let length = bytes.len().to_le_bytes();
    let used = length.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    digest.update(&length[..used]);
    digest.finalize()
}

/// Blocks by their numbers, from 1.
#[derive(Default)]
struct Store {
    blocks: Vec<Vec<u8>>,
}

impl Store {
    fn add(&mut self, block: Vec<u8>) -> u32 {
        self.blocks.push(block);
        small(self.blocks.len())
    }

    /// The number of the topmost block of a tree of these entries: of the only leaf, or of one that names each leaf with its last entry.
    fn paths(&mut self, entries: &[[u32; 2]]) -> u32 {
        let count = entries.chunks(LEAF).len();
        if count == 1 {
            return self.add(leaf(entries, 0, 0));
        }
        let first = small(self.blocks.len() + 1);
        let mut above = branch_head(count);
        for (index, chunk) in entries.chunks(LEAF).enumerate() {
            let own = first + small(index);
            let next = if index + 1 == count { 0 } else { own + 1 };
            let before = if index == 0 { 0 } else { own - 1 };
            let number = self.add(leaf(chunk, next, before));
            above.extend(words(&[number, chunk[chunk.len() - 1][1]]));
        }
        self.add(above)
    }

    fn tree(&mut self, top: u32, block: u32, count: u32) -> u32 {
        self.add([&b"tree"[..], &words(&[1, top, block, count]), &[0]].concat())
    }

    fn bytes(&self, names: &[(&str, u32)]) -> Vec<u8> {
        let mut named = small(names.len()).to_be_bytes().to_vec();
        for (name, block) in names {
            named.extend(block.to_be_bytes());
            named.push(u8::try_from(name.len()).expect("names are short"));
            named.extend(name.as_bytes());
        }
        let blocks_at = HEADER + named.len();
        // Block 0 is none.
        let mut table = words(&[small(self.blocks.len() + 1), 0, 0]);
        let mut at = blocks_at;
        for block in &self.blocks {
            table.extend(words(&[small(at), small(block.len())]));
            at += block.len();
        }
        // No block is free: a number, and room for two.
        table.extend(words(&[0, 0, 0, 0, 0]));
        let mut bytes = b"BOMStore".to_vec();
        let numbers = [1, small(self.blocks.len()), small(at), small(table.len()), small(HEADER), small(named.len())];
        bytes.extend(words(&numbers));
        bytes.resize(HEADER, 0);
        bytes.extend(named);
        bytes.extend(self.blocks.concat());
        bytes.extend(table);
        bytes
    }
}

fn leaf(entries: &[[u32; 2]], next: u32, before: u32) -> Vec<u8> {
    let mut block = [1_u16.to_be_bytes(), shorter(entries.len()).to_be_bytes()].concat();
    block.extend(words(&[next, before]));
    entries.iter().for_each(|entry| block.extend(words(entry)));
    block
}

/// The beginning of a block that names `count` leaves.
fn branch_head(count: usize) -> Vec<u8> {
    let mut block = [0_u16.to_be_bytes(), shorter(count).to_be_bytes()].concat();
    block.extend(words(&[0, 0]));
    block
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("packages have less than 4 GiB")
}

fn shorter(number: usize) -> u16 {
    u16::try_from(number).expect("a block has few entries")
}
