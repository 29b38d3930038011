//! An image of 500 MB in six layers with 20,000 files, made from a seed, and the check that a pulled tree equals it.

use std::io::{Read, Write};

use anyhow::{Context, ensure};
use tests::docker::Docker;

use crate::tree::{CAPABILITY, Entry, Kind, Tree};

pub(crate) const LAYERS: u64 = 6;
const FILES_PER_LAYER: u64 = 3_334;
const FOLDERS_PER_LAYER: u64 = 60;
const BIG_FILES_PER_LAYER: u64 = 6;
const BIG_FILE: usize = 10 << 20;
const FOLDER_TIME: u64 = 1_600_000_000;

/// What the image holds.
pub(crate) struct Source {
    tree: Tree,
}

impl Source {
    /// The expected tree, with the digest of every content.
    pub(crate) fn new() -> Self {
        let mut tree = Tree::default();
        for layer in 0..LAYERS {
            for folder in folders(layer) {
                tree.insert(&folder, Entry::folder(0o755, FOLDER_TIME));
            }
            for file in files(layer) {
                match (&file.link, file.kind) {
                    (Some(target), b'1') => tree.link(&file.path, target),
                    _ => tree.insert(&file.path, file.entry()),
                }
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

    /// Exports the tree of `reference` from `engine` and compares every entry: what it is, owners, times, attributes,
    /// every byte of its content, and which names are the same file.
    pub(crate) fn compare(&self, engine: &Docker, reference: &str) -> anyhow::Result<()> {
        let id = engine.ok(&["create", reference])?;
        let found = exported(engine, &id);
        engine.ok(&["rm", &id])?;
        self.tree.compare(&found?)
    }
}

/// Everything below `fat/` in the container `id`.
fn exported(engine: &Docker, id: &str) -> anyhow::Result<Tree> {
    let mut child = engine.piped(&["export", id])?;
    let mut archive = tar::Archive::new(child.stdout.take().context("stdout was piped")?);
    let mut found = Tree::default();
    for item in archive.entries()? {
        let mut item = item?;
        let path = item.path()?.to_string_lossy().into_owned();
        if path.starts_with("fat/") {
            found.read(&path, &mut item).with_context(|| path.clone())?;
        }
    }
    // To its end, so that the engine can write all of it.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    let mut said = String::new();
    child.stderr.take().context("stderr was piped")?.read_to_string(&mut said)?;
    ensure!(child.wait()?.success(), "export: {said}");
    Ok(found)
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
    fn mode(&self) -> u32 {
        if self.kind == b'2' { 0o777 } else { [0o644, 0o755, 0o600, 0o4755][(self.number % 4) as usize] }
    }

    fn owner(&self) -> (u64, u64) {
        (self.number % 3 * 1000, self.number % 5 * 100)
    }

    fn mtime(&self) -> u64 {
        1_600_000_000 + self.number
    }

    fn has_capability(&self) -> bool {
        self.kind == b'0' && self.number.is_multiple_of(500)
    }

    fn entry(&self) -> Entry {
        let kind = match &self.link {
            Some(target) => Kind::Symlink(target.clone()),
            None => Kind::file(&contents(self.number, self.size)[..]).expect("memory is always readable"),
        };
        let mut entry = Entry::new(kind, self.mode(), self.owner(), self.mtime());
        if self.has_capability() {
            entry.add_attribute(CAPABILITY.0, CAPABILITY.1);
        }
        entry
    }
}

fn folders(layer: u64) -> Vec<String> {
    let mut folders = vec!["fat/".to_owned(), format!("fat/layer{layer}/")];
    folders.extend((0..FOLDERS_PER_LAYER).map(|n| format!("fat/layer{layer}/dir{n}/")));
    folders
}

fn files(layer: u64) -> Vec<File> {
    let mut all = Vec::new();
    for n in 0..FILES_PER_LAYER {
        let number = layer * FILES_PER_LAYER + n;
        let path = format!("fat/layer{layer}/dir{}/file{n}", n % FOLDERS_PER_LAYER);
        let big = n < BIG_FILES_PER_LAYER;
        let size = if big { BIG_FILE as u64 } else { 512 + number * 7919 % 11_000 };
        all.push(match n % 97 {
            50 => File { path, kind: b'2', size: 0, number, link: Some(format!("file{}", n - 1)) },
            51 => File {
                link: Some(format!("fat/layer{layer}/dir{}/file{}", (n - 2) % FOLDERS_PER_LAYER, n - 2)),
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
    for folder in folders(layer) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        header.set_mtime(FOLDER_TIME);
        builder.append_data(&mut header, folder, std::io::empty())?;
    }
    for file in files(layer) {
        if file.has_capability() {
            let key = format!("SCHILY.xattr.{}", CAPABILITY.0);
            builder.append_pax_extensions([(key.as_str(), CAPABILITY.1)])?;
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(file.kind));
        header.set_mode(file.mode());
        header.set_uid(file.owner().0);
        header.set_gid(file.owner().1);
        header.set_mtime(file.mtime());
        header.set_size(file.size);
        match &file.link {
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
