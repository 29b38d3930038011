//! An image of 500 MB in six layers with 20,000 files, made from a seed, and the check that a pulled tree equals it.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, ensure};
use tests::docker::Docker;

const LAYERS: u64 = 6;
const FILES_PER_LAYER: u64 = 3_334;
const BIG_FILES_PER_LAYER: u64 = 6;
const BIG_FILE: usize = 10 << 20;

/// One entry of a tree, with everything that must survive the way through a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: u8,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    size: u64,
    link: Option<String>,
    xattr: Option<Vec<u8>>,
}

/// What the image holds.
pub(crate) struct Source {
    tree: BTreeMap<String, Entry>,
}

impl Source {
    /// The expected tree; contents are made when the image is published.
    pub(crate) fn new() -> Self {
        let mut tree = BTreeMap::new();
        for layer in 0..LAYERS {
            for file in files(layer) {
                tree.insert(file.path.clone(), file.entry());
            }
        }
        Self { tree }
    }

    /// Loads the image into `engine`, layer by layer as a docker archive, and pushes it to its registry.
    pub(crate) fn publish(&self, engine: &Docker, reference: &str) -> anyhow::Result<()> {
        if engine.run(&["manifest", "inspect", "--insecure", reference])?.code == 0 {
            return Ok(());
        }
        let mut archive = tar::Builder::new(tempfile::tempfile()?);
        let (mut names, mut diff_ids) = (Vec::new(), Vec::new());
        for layer in 0..LAYERS {
            let bytes = layer_tar(layer)?;
            diff_ids.push(format!("sha256:{}", hex_sha256(&bytes)));
            let name = format!("layer{layer}.tar");
            append(&mut archive, &name, &bytes)?;
            names.push(name);
        }
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": { "Cmd": ["true"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        append(&mut archive, "config.json", config.to_string().as_bytes())?;
        let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": names }]);
        append(&mut archive, "manifest.json", manifest.to_string().as_bytes())?;
        let mut file = archive.into_inner()?;
        std::io::Seek::rewind(&mut file)?;
        let out = engine.command(["load"]).stdin(file).output()?;
        ensure!(out.status.success(), "load: {}", String::from_utf8_lossy(&out.stderr));
        engine.ok(&["push", "-q", reference])?;
        Ok(())
    }

    /// Exports the tree of `reference` and compares every entry.
    pub(crate) fn compare(&self, engine: &Docker, reference: &str) -> anyhow::Result<()> {
        let id = engine.ok(&["create", reference])?;
        let mut child = engine.piped(&["export", &id])?;
        let mut archive = tar::Archive::new(child.stdout.take().context("stdout was piped")?);
        let mut found = BTreeMap::new();
        for item in archive.entries()? {
            let mut item = item?;
            let path = item.path()?.to_string_lossy().into_owned();
            if path.starts_with("fat/") && !path.ends_with('/') {
                found.insert(path, entry_of(&mut item)?);
            }
        }
        child.wait()?;
        engine.ok(&["rm", &id])?;
        ensure!(found.len() == self.tree.len(), "{} entries came of {}", found.len(), self.tree.len());
        for (path, wanted) in &self.tree {
            let got = found.get(path).with_context(|| format!("{path} is missing"))?;
            // Which of two hard-linked names comes first in an export is the engine's choice.
            let linked = wanted.link.is_some() && wanted.kind == b'1' || got.kind == b'1';
            ensure!(linked || got == wanted, "{path}: {got:?}, wanted {wanted:?}");
        }
        Ok(())
    }
}

fn entry_of<R: std::io::Read>(item: &mut tar::Entry<'_, R>) -> anyhow::Result<Entry> {
    let xattr = item.pax_extensions()?.and_then(|mut all| {
        all.find_map(|one| {
            one.ok()
                .filter(|one| one.key() == Ok("SCHILY.xattr.security.capability"))
                .map(|one| one.value_bytes().to_vec())
        })
    });
    let header = item.header();
    Ok(Entry {
        kind: header.entry_type().as_byte(),
        mode: header.mode()? & 0o7777,
        owner: (header.uid()?, header.gid()?),
        mtime: header.mtime()?,
        size: header.size()?,
        link: item.link_name()?.map(|link| link.to_string_lossy().into_owned()),
        xattr,
    })
}

/// One file of a layer, before its contents exist.
struct File {
    path: String,
    kind: u8,
    size: u64,
    number: u64,
    link: Option<String>,
}

impl File {
    fn entry(&self) -> Entry {
        Entry {
            kind: self.kind,
            mode: if self.kind == b'2' { 0o777 } else { [0o644, 0o755, 0o600, 0o4755][(self.number % 4) as usize] },
            owner: (self.number % 3 * 1000, self.number % 5 * 100),
            mtime: 1_600_000_000 + self.number,
            size: self.size,
            link: self.link.clone(),
            xattr: (self.kind == b'0' && self.number.is_multiple_of(500)).then(|| CAPABILITY.to_vec()),
        }
    }
}

/// `security.capability` version 2 with CAP_NET_BIND_SERVICE permitted and effective: linux/capability.h.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn files(layer: u64) -> Vec<File> {
    let mut all = Vec::new();
    for n in 0..FILES_PER_LAYER {
        let number = layer * FILES_PER_LAYER + n;
        let path = format!("fat/layer{layer}/dir{}/file{n}", n % 60);
        let big = n < BIG_FILES_PER_LAYER;
        let size = if big { BIG_FILE as u64 } else { 512 + number * 7919 % 11_000 };
        all.push(match n % 97 {
            50 => File { path, kind: b'2', size: 0, number, link: Some(format!("file{}", n - 1)) },
            51 => File {
                link: Some(format!("fat/layer{layer}/dir{}/file{}", (n - 2) % 60, n - 2)),
                path,
                kind: b'1',
                size: 0,
                number: number - 2,
            },
            _ => File { path, kind: b'0', size, number, link: None },
        });
    }
    all
}

fn layer_tar(layer: u64) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::with_capacity(90 << 20));
    let mut folders = vec!["fat/".to_owned(), format!("fat/layer{layer}/")];
    folders.extend((0..60).map(|n| format!("fat/layer{layer}/dir{n}/")));
    for folder in folders {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        header.set_mtime(1_600_000_000);
        builder.append_data(&mut header, folder, std::io::empty())?;
    }
    for file in files(layer) {
        let entry = file.entry();
        if let Some(value) = &entry.xattr {
            builder.append_pax_extensions([("SCHILY.xattr.security.capability", &value[..])])?;
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(entry.kind));
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(entry.mtime);
        header.set_size(entry.size);
        match &entry.link {
            Some(link) => builder.append_link(&mut header, &file.path, link)?,
            None => builder.append_data(&mut header, &file.path, &contents(file.number, file.size)[..])?,
        }
    }
    Ok(builder.into_inner()?)
}

/// Two thirds noise and one third repetition: as compressible as programs are.
fn contents(number: u64, size: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size as usize + 8);
    while bytes.len() < size as usize {
        // xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators".
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let text = if bytes.len() % 96 < 64 { word.to_le_bytes() } else { *b"/usr/lib" };
        bytes.extend_from_slice(&text);
    }
    bytes.truncate(size as usize);
    bytes
}

fn append<W: Write>(archive: &mut tar::Builder<W>, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)
}

fn hex_sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
