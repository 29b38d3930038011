//! Files of the root and the initramfs against the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use guest_image::manifest::{FILE, FileRecord, Kind, Part};
use guest_image::{Manifest, Options};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use sha2::{Digest, Sha256};

use crate::{image, read_cpio, root};

/// Programs that would make us a wrapper around somebody else's engine.
const ENGINES: [&str; 20] = [
    "dockerd",
    "docker",
    "docker-init",
    "docker-proxy",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "nerdctl",
    "runc",
    "crun",
    "youki",
    "runsc",
    "kata-runtime",
    "podman",
    "conmon",
    "crio",
    "buildkitd",
    "buildctl",
    "buildah",
    "skopeo",
];

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn records(part: Part) -> BTreeMap<String, FileRecord> {
    let files = image().manifest.files.iter().filter(|file| file.part == part);
    files.map(|file| (file.path.clone(), file.clone())).collect()
}

fn walk(home: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        found.insert(format!("/{}", path.strip_prefix(home).unwrap().display()));
        if entry.file_type().unwrap().is_dir() {
            walk(home, &path, found);
        }
    }
}

#[test]
fn every_file_of_the_root_is_in_the_manifest_as_it_is() {
    let listed = records(Part::Root);
    let mut found = BTreeSet::new();
    walk(root(), root(), &mut found);
    assert_eq!(found, listed.keys().cloned().collect());
    for (path, record) in &listed {
        let real = root().join(&path[1..]);
        let metadata = fs::symlink_metadata(&real).unwrap();
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::File,
        };
        assert_eq!(kind, record.kind, "{path}");
        match kind {
            Kind::Link => {
                assert_eq!(fs::read_link(&real).unwrap().to_str(), record.target.as_deref(), "{path}");
            }
            _ => assert_eq!(format!("{:04o}", metadata.permissions().mode() & 0o7777), record.mode, "{path}"),
        }
        if kind == Kind::File {
            let bytes = fs::read(&real).unwrap();
            assert_eq!(Some(bytes.len() as u64), record.size, "{path}");
            assert_eq!(Some(sha256(&bytes)), record.sha256, "{path}");
        }
    }
}

#[test]
fn every_file_of_the_initramfs_is_in_the_manifest_as_it_is() {
    let bytes = fs::read(image().initramfs()).unwrap();
    // Whatever follows is an archive of its own, which the kernel expects on four bytes.
    assert_eq!(bytes.len() % 4, 0);
    let (members, rest) = read_cpio(&bytes);
    assert!(rest.iter().all(|byte| *byte == 0), "only padding follows the trailer");
    let listed = records(Part::Initramfs);
    let found: BTreeSet<String> = members.iter().map(|member| format!("/{}", member.path)).collect();
    assert_eq!(found, listed.keys().cloned().collect());
    for member in members {
        let record = &listed[&format!("/{}", member.path)];
        assert_eq!(format!("{:04o}", member.mode & 0o7777), record.mode, "{}", member.path);
        if record.kind == Kind::File {
            assert_eq!(Some(sha256(&member.content)), record.sha256, "{}", member.path);
        }
    }
    assert_eq!(listed["/init"].sha256.as_ref(), Some(&image().manifest.agent.sha256));
}

#[test]
fn every_file_has_a_reason_and_an_origin() {
    for file in &image().manifest.files {
        assert!(!file.reason.trim().is_empty() && !file.origin.trim().is_empty(), "{}", file.path);
    }
    let packages: BTreeSet<&str> = image().manifest.packages.iter().map(|package| package.name.as_str()).collect();
    for file in &image().manifest.files {
        if let Some((package, _)) = file.origin.split_once(':').filter(|(_, path)| path.starts_with('/')) {
            assert!(packages.contains(package), "{}: {package} is not among the packages with a notice", file.path);
        }
    }
}

#[test]
fn no_other_container_engine_is_in_the_guest() {
    let manifest = &image().manifest;
    let names = manifest.files.iter().map(|file| file.path.rsplit('/').next().unwrap_or_default());
    let packages = manifest.packages.iter().map(|package| package.name.as_str());
    for name in names.chain(packages) {
        assert!(!ENGINES.contains(&name), "{name} is in the guest");
    }
    // Under another name it would still be a program: these are all there are.
    let programs: Vec<&str> = records(Part::Root)
        .values()
        .filter(|file| file.kind == Kind::File && !file.path.ends_with(".ko"))
        .filter(|file| fs::read(root().join(&file.path[1..])).unwrap().starts_with(b"\x7fELF"))
        .map(|file| manifest.files.iter().find(|other| other.path == file.path).unwrap().path.as_str())
        .collect();
    assert_eq!(
        programs,
        [
            "/usr/bin/busybox",
            "/usr/bin/qemu-aarch64",
            "/usr/lib/x86_64-linux-gnu/libblkid.so.1",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib/x86_64-linux-gnu/libcom_err.so.2",
            "/usr/lib/x86_64-linux-gnu/libe2p.so.2",
            "/usr/lib/x86_64-linux-gnu/libext2fs.so.2",
            "/usr/lib/x86_64-linux-gnu/libuuid.so.1",
            "/usr/lib64/ld-linux-x86-64.so.2",
            "/usr/sbin/e2fsck",
            "/usr/sbin/mke2fs",
            "/usr/sbin/resize2fs",
        ]
    );
    println!(
        "{} paths and {} packages checked: no dockerd, containerd, runc, podman, crun or BuildKit in the guest",
        manifest.files.len(),
        manifest.packages.len()
    );
}

#[test]
fn every_shared_library_that_a_program_needs_is_there() {
    for program in ["usr/sbin/mke2fs", "usr/sbin/resize2fs", "usr/sbin/e2fsck"] {
        let mut waiting = vec![root().join(program)];
        let mut seen = BTreeSet::new();
        while let Some(path) = waiting.pop() {
            for library in needed(&fs::read(&path).unwrap()) {
                let folder = if library.starts_with("ld-linux") { "usr/lib64" } else { "usr/lib/x86_64-linux-gnu" };
                let file = root().join(folder).join(&library);
                assert!(file.is_file(), "{program} needs {library} (by {})", path.display());
                if seen.insert(library) {
                    waiting.push(file);
                }
            }
        }
        assert!(seen.contains("libc.so.6"));
    }
}

/// The `DT_NEEDED` names of an ELF file.
fn needed(bytes: &[u8]) -> Vec<String> {
    let file = ElfFile64::<object::Endianness>::parse(bytes).unwrap();
    let endian = file.endian();
    let header = file.elf_header();
    let sections = header.sections(endian, bytes).unwrap();
    for segment in file.elf_program_headers() {
        let Some(dynamic) = segment.dynamic(endian, bytes).unwrap() else { continue };
        let (_, section) = sections.dynamic(endian, bytes).unwrap().expect("a dynamic program has this section");
        let strings = sections.strings(endian, bytes, section).unwrap();
        return dynamic
            .iter()
            .filter(|entry| entry.d_tag(endian) == u64::from(object::elf::DT_NEEDED))
            .map(|entry| String::from_utf8(strings.get(entry.d_val(endian) as u32).unwrap().to_vec()).unwrap())
            .collect();
    }
    Vec::new()
}

#[test]
fn links_lead_somewhere() {
    // These two are made at run time, on file systems that are mounted over the root's empty folders.
    let later = ["/etc/resolv.conf", "/etc/mtab"];
    for (path, record) in records(Part::Root) {
        if record.kind == Kind::Link && !later.contains(&path.as_str()) {
            let target = record.target.unwrap();
            assert!(!target.starts_with('/'), "{path} leads to an absolute path");
            let parent = Path::new(&path[1..]).parent().unwrap();
            assert!(root().join(parent).join(target).exists(), "{path} leads nowhere");
        }
    }
    let debug = fs::read_link(root().join("usr/bin/sh")).unwrap();
    assert_eq!(debug, Path::new("busybox"));
    // Busybox has an mke2fs of its own that makes ext2 only.
    assert!(fs::symlink_metadata(root().join("usr/bin/mke2fs")).is_err());
}

#[test]
fn the_image_is_within_its_budget() {
    image().manifest.check_budgets().unwrap();
    let table = image().manifest.size_table();
    assert!(table.lines().any(|line| line.starts_with("total")), "{table}");
}

/// The image that `cargo image` built last, with the agent that machines run; the one above has a stand-in.
#[test]
fn the_image_with_the_real_agent_is_within_its_budgets() {
    let current = match std::env::var_os("BERTH_IMAGE_DIR") {
        Some(folder) => folder.into(),
        None => Options::new().unwrap().cache.join("image/current"),
    };
    if !current.join(FILE).is_file() {
        println!(
            "SKIPPED: the_image_with_the_real_agent_is_within_its_budgets: none is built; `cargo image` builds it"
        );
        return;
    }
    let manifest = Manifest::read(&current).unwrap();
    // A stand-in would pass every budget.
    assert!(manifest.agent.size > 5_000_000, "{} bytes are no agent", manifest.agent.size);
    manifest.check_budgets().unwrap();
}

#[test]
fn notices_name_every_package_and_offer_source() {
    let text = fs::read_to_string(root().join("usr/share/doc/berth/notices.txt")).unwrap();
    for package in &image().manifest.packages {
        assert!(text.contains(&format!("{} {}", package.name, package.version)), "{}", package.name);
        assert!(text.contains(&format!("{} {}", package.source, package.source_version)), "{}", package.source);
        for linked in &package.linked {
            assert!(text.contains(&format!("{linked} (linked into it)")), "{}: {linked}", package.name);
        }
        assert!(root().join("usr/share/doc/berth/copyright").join(&package.name).is_file(), "{}", package.name);
    }
    // Debian says of these what they are made of.
    for name in ["busybox-static", "qemu-user-static"] {
        let package = image().manifest.packages.iter().find(|package| package.name == name).expect(name);
        assert!(package.linked.iter().any(|linked| linked.starts_with("glibc ")), "{package:?}");
    }
    assert!(text.contains("Offer of source") && text.contains("archive of all versions"));
    let bundle = fs::read_to_string(root().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(bundle.matches("BEGIN CERTIFICATE").count() > 100);
}
