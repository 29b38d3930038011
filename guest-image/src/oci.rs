//! Writes one container image as an archive that is both an OCI image layout (OCI image spec 1.1, image-layout.md) and
//! what `docker save` writes (`manifest.json`), byte for byte the same every time.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::architecture::Architecture;
use crate::digest::sha256;
use crate::{CREATED, EPOCH};

/// One image with a single, uncompressed layer (the archive's container, EROFS, compresses already).
#[derive(Debug)]
pub struct Image<'a> {
    /// `name:tag`, as users type it.
    pub reference: &'a str,
    pub architecture: Architecture,
    pub command: &'a [&'a str],
    pub environment: &'a [&'a str],
    pub labels: &'a [(&'a str, &'a str)],
    /// The layer: a tar archive.
    pub layer: Vec<u8>,
    /// What `docker history` shows.
    pub created_by: &'a str,
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: Execution<'a>,
    rootfs: RootFs,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    env: &'a [&'a str],
    cmd: &'a [&'a str],
    working_dir: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Platform {
    architecture: &'static str,
    os: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Saved<'a> {
    config: String,
    repo_tags: [&'a str; 1],
    layers: [String; 1],
}

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Image<'_> {
    /// The archive.
    pub fn archive(&self) -> Vec<u8> {
        let layer = Blob::new(self.layer.clone());
        let config = Blob::new(json(&Config {
            created: CREATED,
            architecture: self.architecture.debian(),
            os: "linux",
            config: Execution {
                env: self.environment,
                cmd: self.command,
                working_dir: "/",
                labels: self.labels.iter().copied().collect(),
            },
            rootfs: RootFs { r#type: "layers", diff_ids: [layer.digest.clone()] },
            history: [History { created: CREATED, created_by: self.created_by }],
        }));
        let manifest = Blob::new(json(&Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: config.descriptor(CONFIG),
            layers: [layer.descriptor(LAYER)],
        }));
        let tag = self.reference.rsplit(':').next().unwrap_or("latest");
        let index = json(&Index {
            schema_version: 2,
            media_type: INDEX,
            manifests: [Descriptor {
                platform: Some(Platform { architecture: self.architecture.debian(), os: "linux" }),
                annotations: BTreeMap::from([
                    ("io.containerd.image.name", format!("docker.io/library/{}", self.reference)),
                    ("org.opencontainers.image.ref.name", tag.to_owned()),
                ]),
                ..manifest.descriptor(MANIFEST)
            }],
        });
        let saved = [Saved { config: config.path(), repo_tags: [self.reference], layers: [layer.path()] }];

        let mut tar = Tar::default();
        tar.directory("blobs", 0o755);
        tar.directory("blobs/sha256", 0o755);
        let mut blobs = [&layer, &config, &manifest];
        blobs.sort_by_key(|blob| blob.path());
        for blob in blobs {
            tar.file(&blob.path(), 0o644, &blob.bytes);
        }
        tar.file("index.json", 0o644, &index);
        tar.file("manifest.json", 0o644, &json(&saved));
        tar.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#);
        tar.finish()
    }
}

struct Blob {
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: format!("sha256:{}", sha256(&bytes)), bytes }
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }

    fn descriptor(&self, media_type: &'static str) -> Descriptor {
        let size = self.bytes.len() as u64;
        Descriptor { media_type, digest: self.digest.clone(), size, platform: None, annotations: BTreeMap::new() }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data always serialises")
}

/// A tar archive in memory whose members belong to root and are dated [`EPOCH`].
pub struct Tar(tar::Builder<Vec<u8>>);

impl std::fmt::Debug for Tar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tar")
    }
}

impl Default for Tar {
    fn default() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }
}

impl Tar {
    /// Adds a directory.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.member(tar::EntryType::Directory, &format!("{path}/"), mode, None, &[]);
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.member(tar::EntryType::Regular, path, mode, None, content);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, to: &str) {
        self.member(tar::EntryType::Symlink, path, 0o777, Some(to), &[]);
    }

    /// Adds a further name of the earlier member `to`.
    pub fn hard_link(&mut self, path: &str, to: &str, mode: u32) {
        self.member(tar::EntryType::Link, path, mode, Some(to), &[]);
    }

    /// Ends the archive.
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = self.0.into_inner().expect("writing to memory does not fail");
        bytes.flush().expect("writing to memory does not fail");
        bytes
    }

    fn member(&mut self, kind: tar::EntryType, path: &str, mode: u32, link: Option<&str>, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(EPOCH);
        header.set_size(content.len() as u64);
        let done = match link {
            None => self.0.append_data(&mut header, path, content),
            Some(to) => self.0.append_link(&mut header, path, to),
        };
        done.expect("our own paths fit a tar header, and writing to memory does not fail");
    }
}
