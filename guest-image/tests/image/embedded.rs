//! The two images that come with the guest: digests as the OCI image specification asks, content as promised.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{image, root};

struct Entry {
    mode: u32,
    kind: tar::EntryType,
    link: Option<String>,
    content: Vec<u8>,
}

fn read_tar(bytes: &[u8]) -> BTreeMap<String, Entry> {
    let mut archive = tar::Archive::new(bytes);
    let mut entries = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, guest_image::EPOCH));
        let link = entry.link_name().unwrap().map(|link| link.to_str().unwrap().to_owned());
        let new = Entry { mode: header.mode().unwrap(), kind: header.entry_type(), link, content };
        assert!(entries.insert(path, new).is_none());
    }
    entries
}

struct Image {
    config: Value,
    layer: BTreeMap<String, Entry>,
}

/// Follows index -> manifest -> config and layer, checking every digest and size on the way, then the same as
/// `docker load` does it.
fn open(name: &str) -> Image {
    let archive = read_tar(&fs::read(root().join(format!("usr/share/berth/images/{name}.tar"))).unwrap());
    let json = |path: &str| -> Value { serde_json::from_slice(&archive[path].content).unwrap() };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        let path = format!("blobs/{}", digest.replace(':', "/"));
        let bytes = &archive[&path].content;
        assert_eq!(digest, sha256(bytes));
        assert_eq!(descriptor["size"], bytes.len());
        (path, bytes.clone())
    };
    assert_eq!(json("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = json("index.json");
    let descriptor = &index["manifests"][0];
    assert_eq!(descriptor["annotations"]["io.containerd.image.name"], format!("docker.io/library/{name}:latest"));
    assert_eq!(descriptor["annotations"]["org.opencontainers.image.ref.name"], "latest");
    let manifest: Value = serde_json::from_slice(&blob(descriptor).1).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    let (config_path, config) = blob(&manifest["config"]);
    let (layer_path, layer) = blob(&manifest["layers"][0]);
    let config: Value = serde_json::from_slice(&config).unwrap();
    // The layer is not compressed, so its digest is its diffID.
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar");
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([sha256(&layer)]));
    assert_eq!(config["history"].as_array().unwrap().len(), 1);
    assert_eq!((&config["architecture"], &config["os"]), (&"amd64".into(), &"linux".into()));

    let saved = json("manifest.json");
    assert_eq!(saved[0]["Config"], config_path);
    assert_eq!(saved[0]["Layers"], serde_json::json!([layer_path]));
    assert_eq!(saved[0]["RepoTags"], serde_json::json!([format!("{name}:latest")]));
    Image { config, layer: read_tar(&layer) }
}

#[test]
fn the_archives_beside_the_root_are_the_same() {
    for name in ["hello-world", "busybox"] {
        let inside = fs::read(root().join(format!("usr/share/berth/images/{name}.tar"))).unwrap();
        let path = format!("images/{name}.tar");
        assert_eq!(fs::read(image().path.join(&path)).unwrap(), inside);
        assert_eq!(format!("sha256:{}", image().manifest.images[&path].sha256), sha256(&inside));
    }
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[test]
fn hello_world_is_small_and_speaks() {
    let image = open("hello-world");
    assert_eq!(image.config["config"]["Cmd"], serde_json::json!(["/hello"]));
    assert_eq!(image.layer.keys().collect::<Vec<_>>(), ["hello"]);
    let program = &image.layer["hello"];
    assert_eq!(program.mode, 0o755);
    assert!(program.content.len() < 60_000, "{} bytes", program.content.len());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hello");
    fs::write(&path, &program.content).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new(&path).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.trim_start().starts_with("Hello from Berth!"), "{text}");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(text.contains(&format!("on kernel Linux {}", release.trim())), "{text}");
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
}

#[test]
fn busybox_has_a_shell_and_the_usual_places() {
    let image = open("busybox");
    assert_eq!(image.config["config"]["Cmd"], serde_json::json!(["sh"]));
    let layer = &image.layer;
    assert_eq!(layer["bin/busybox"].mode, 0o755);
    assert!(layer["bin/busybox"].content.len() > 1_000_000);
    for applet in ["sh", "ls", "httpd", "cat", "ping", "wget", "nslookup", "env", "stty", "true", "sleep", "top"] {
        let entry = layer.get(&format!("bin/{applet}")).expect(applet);
        assert_eq!((entry.kind, entry.link.as_deref()), (tar::EntryType::Link, Some("bin/busybox")), "{applet}");
    }
    for (path, mode) in
        [("tmp", 0o1777), ("root", 0o700), ("etc", 0o755), ("etc/passwd", 0o644), ("var/spool/mail", 0o755)]
    {
        assert_eq!(layer[path].mode, mode, "{path}");
    }
    let passwd = String::from_utf8(layer["etc/passwd"].content.clone()).unwrap();
    assert!(passwd.starts_with("root:x:0:0:root:/root:/bin/sh\n"));
    // What hello-world suggests to try: `httpd -f -h /var/www`.
    assert!(String::from_utf8_lossy(&layer["var/www/index.html"].content).contains("Hello"));
    assert_eq!(layer["usr/bin/env"].link.as_deref(), Some("../../bin/env"));
}
