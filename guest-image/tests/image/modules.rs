//! The module lists: complete, in order; and what modprobe finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use guest_image::rootfs::Devices;
use object::{Object, ObjectSection};

use crate::{image, read_cpio, root};

/// Paths of a list file.
fn lines(text: &str) -> Vec<String> {
    assert!(text.is_empty() || text.ends_with('\n') && !text.contains('\r'));
    text.lines().map(str::to_owned).collect()
}

/// `/lib/modules/<release>/kernel/net/802/stp.ko` -> `stp`, as the kernel spells it.
fn name(path: &str) -> String {
    let below = format!("/lib/modules/{}/kernel/", image().manifest.kernel_release);
    let file = path.strip_prefix(&below).and_then(|path| path.rsplit('/').next());
    let file = file.map(|file| file.strip_suffix(".xz").unwrap_or(file));
    file.and_then(|file| file.strip_suffix(".ko")).expect(path).replace('-', "_")
}

/// `/lib/modules/<release>` of the root.
fn folder() -> PathBuf {
    root().join("usr/lib/modules").join(&image().manifest.kernel_release)
}

/// The values of `key=` in a module's `.modinfo`.
fn modinfo(module: &[u8], key: &str) -> Vec<String> {
    let file = object::File::parse(module).unwrap();
    let data = file.section_by_name(".modinfo").unwrap().data().unwrap();
    data.split(|byte| *byte == 0)
        .filter_map(|entry| Some(String::from_utf8_lossy(entry).strip_prefix(key)?.strip_prefix('=')?.to_owned()))
        .collect()
}

/// A module as the kernel has it in the end.
fn unpacked(path: &str, content: Vec<u8>) -> Vec<u8> {
    if !path.ends_with(".xz") {
        return content;
    }
    let mut packed = tempfile::NamedTempFile::new().unwrap();
    packed.write_all(&content).unwrap();
    let output =
        Command::new("xz").args(["--decompress", "--stdout"]).stdin(packed.reopen().unwrap()).output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What a machine with these devices loads, in its order: each list's file and the paths in it.
fn lists(devices: Devices) -> Vec<(String, Vec<String>)> {
    let archive = fs::read(image().initramfs()).unwrap();
    let (members, _) = read_cpio(&archive);
    let text = |name: &str| match name.starts_with("initramfs") {
        true => {
            let path = format!("lib/berth/modules/{name}");
            String::from_utf8(members.iter().find(|member| member.path == path).expect(name).content.clone()).unwrap()
        }
        false => fs::read_to_string(root().join("usr/lib/berth/modules").join(name)).unwrap(),
    };
    ["initramfs", "boot", "late"]
        .into_iter()
        .flat_map(|stage| [format!("{stage}.{}.list", devices.name()), format!("{stage}.list")])
        .map(|name| (name.clone(), lines(&text(&name))))
        .collect()
}

/// The bytes of every module of the initramfs and of the root, by the path in the lists.
fn modules(devices: Devices) -> Vec<(String, Vec<u8>)> {
    let archive = fs::read(image().initramfs()).unwrap();
    let (members, _) = read_cpio(&archive);
    let read = |path: &str| match members.iter().find(|member| member.path == path[1..]) {
        Some(member) => member.content.clone(),
        None => fs::read(root().join("usr").join(&path[1..])).expect(path),
    };
    let paths = lists(devices).into_iter().flat_map(|(_, paths)| paths);
    paths.map(|path| (path.clone(), unpacked(&path, read(&path)))).collect()
}

#[test]
fn modules_have_what_the_kernel_needs_and_no_more() {
    for (path, module) in Devices::ALL.into_iter().flat_map(modules) {
        let file = object::File::parse(&*module).unwrap();
        assert!(file.section_by_name(".gnu.linkonce.this_module").is_some(), "{path}: what it begins with");
        assert!(file.section_by_name(".BTF").is_none() && file.section_by_name(".comment").is_none(), "{path}");
        assert!(!module.ends_with(b"~Module signature appended~\n"), "{path} carries its signature");
    }
}

#[test]
fn dependencies_stand_above_and_nothing_twice() {
    let both = ["erofs", "overlay", "bridge", "veth", "nf_tables", "evdev", "button"];
    for (devices, only, never) in [
        (Devices::Virtio, &["virtio_blk", "vmw_vsock_virtio_transport", "virtio_balloon"][..], "hv_vmbus"),
        (Devices::HyperV, &["hv_storvsc", "sd_mod", "hv_sock", "hv_balloon"][..], "virtio_blk"),
    ] {
        let manifest = &image().manifest;
        let (further, common) = (&manifest.device_modules[&devices], &manifest.modules);
        let noted = [&further.initramfs, &common.initramfs, &further.boot, &common.boot, &further.late, &common.late];
        for ((file, paths), names) in lists(devices).iter().zip(noted) {
            assert_eq!(&paths.iter().map(|path| name(path)).collect::<Vec<_>>(), names, "{file}");
        }
        let mut loaded = BTreeSet::new();
        for (path, module) in modules(devices) {
            assert_eq!(modinfo(&module, "name"), [name(&path)], "{path}");
            for dependencies in modinfo(&module, "depends") {
                for dependency in dependencies.split(',').filter(|name| !name.is_empty()) {
                    assert!(loaded.contains(&dependency.replace('-', "_")), "{path} comes before {dependency}");
                }
            }
            assert_eq!(modinfo(&module, "vermagic")[0].split(' ').next(), Some(&*manifest.kernel_release));
            assert!(loaded.insert(name(&path)), "{path} is listed twice");
        }
        for needed in both.iter().chain(only) {
            assert!(loaded.contains(*needed), "{devices:?}: {needed}");
        }
        assert!(!loaded.contains(never), "{devices:?}: {never}");
    }
    assert_eq!(image().manifest.devices, Devices::ALL);
}

#[test]
fn modules_dep_names_every_module_and_what_it_needs() {
    let text = fs::read_to_string(folder().join("modules.dep")).unwrap();
    let dependencies: BTreeMap<&str, Vec<&str>> = text
        .lines()
        .map(|line| line.split_once(':').expect(line))
        .map(|(module, needed)| (module, needed.split_whitespace().collect()))
        .collect();
    let manifest = &image().manifest;
    let all = || manifest.device_modules.values().chain([&manifest.modules]);
    let below = format!("/lib/modules/{}/", image().manifest.kernel_release);
    let known: BTreeSet<String> = dependencies.keys().map(|path| name(&format!("{below}{path}"))).collect();
    let listed = all().flat_map(|lists| [&lists.initramfs, &lists.boot, &lists.late]).flatten();
    assert_eq!(known, listed.cloned().collect());
    let order = fs::read_to_string(folder().join("modules.order")).unwrap();
    assert_eq!(order.lines().collect::<BTreeSet<_>>(), dependencies.keys().copied().collect());
    for (path, needed) in &dependencies {
        for needed in needed {
            assert!(dependencies.contains_key(needed), "{path} needs {needed}");
        }
        // The initramfs's own are loaded before there is a root, and are not there twice.
        let early = all().any(|lists| lists.initramfs.contains(&name(&format!("{below}{path}"))));
        assert_eq!(folder().join(path).is_file(), !early, "{path}");
    }
}

#[test]
fn modprobe_finds_them() {
    let settings = tempfile::tempdir().unwrap();
    let modprobe = |module: &str| -> Output {
        let mut command = Command::new("kmod");
        command.arg0("modprobe").arg("-d").arg(root().join("usr")).arg("-C").arg(settings.path());
        command.args(["-S", &image().manifest.kernel_release, "--show-depends", module]);
        command.output().expect("kmod runs; it is in the package kmod")
    };
    let said = |module: &str| String::from_utf8(modprobe(module).stdout).unwrap();
    let bridge = said("bridge");
    let files: Vec<&str> = bridge.lines().map(|line| line.trim_end().rsplit('/').next().unwrap()).collect();
    assert!(matches!(files.as_slice(), [.., "bridge.ko"] if files.contains(&"stp.ko") && files.contains(&"llc.ko")));
    // By an alias, and one that the kernel has built in.
    assert!(said("rtnl-link-wireguard").trim_end().ends_with("/wireguard.ko"));
    assert_eq!(said("ext4").trim(), "builtin ext4");
    assert!(!modprobe("ip_vs").status.success());
}
