//! The module lists: complete, in order; and what modprobe finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use object::{Object, ObjectSection};

use crate::{image, read_cpio, root};

/// Paths of a list file, and the modules' bytes through `read`.
fn lines(text: &str) -> Vec<String> {
    assert!(text.ends_with('\n') && !text.contains('\r'));
    text.lines().map(str::to_owned).collect()
}

/// `/lib/modules/<release>/kernel/net/802/stp.ko` -> `stp`, as the kernel spells it.
fn name(path: &str) -> String {
    let below = format!("/lib/modules/{}/kernel/", image().manifest.kernel_release);
    let file = path.strip_prefix(&below).and_then(|path| path.rsplit('/').next());
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

#[test]
fn modules_have_what_the_kernel_needs_and_no_more() {
    let archive = fs::read(image().initramfs()).unwrap();
    let (members, _) = read_cpio(&archive);
    let early = members.iter().filter(|member| member.path.ends_with(".ko")).map(|member| member.content.clone());
    let late = lines(&fs::read_to_string(root().join("usr/lib/berth/modules/late.list")).unwrap());
    let late = late.iter().map(|path| fs::read(root().join("usr").join(&path[1..])).unwrap());
    for module in early.chain(late) {
        let file = object::File::parse(&*module).unwrap();
        assert!(file.section_by_name(".gnu.linkonce.this_module").is_some(), "what it begins with");
        assert!(file.section_by_name(".BTF").is_none() && file.section_by_name(".comment").is_none());
        assert!(!module.ends_with(b"~Module signature appended~\n"));
    }
}

#[test]
fn dependencies_stand_above_and_nothing_twice() {
    let archive = fs::read(image().initramfs()).unwrap();
    let (members, _) = read_cpio(&archive);
    let member = |path: &str| members.iter().find(|member| member.path == path[1..]).expect(path).content.clone();
    let in_root = |path: &str| fs::read(root().join("usr").join(&path[1..])).expect(path);

    let early = lines(&String::from_utf8(member("/lib/berth/modules/initramfs.list")).unwrap());
    let text = |name: &str| fs::read_to_string(root().join("usr/lib/berth/modules").join(name)).unwrap();
    let (boot, late) = (lines(&text("boot.list")), lines(&text("late.list")));

    let lists = &image().manifest.modules;
    for (list, names) in [(&early, &lists.initramfs), (&boot, &lists.boot), (&late, &lists.late)] {
        assert_eq!(&list.iter().map(|path| name(path)).collect::<Vec<_>>(), names);
    }

    let mut loaded = BTreeSet::new();
    for (list, read) in [
        (&early, &member as &dyn Fn(&str) -> Vec<u8>),
        (&boot, &in_root as &dyn Fn(&str) -> Vec<u8>),
        (&late, &in_root as &dyn Fn(&str) -> Vec<u8>),
    ] {
        for path in list {
            let module = read(path);
            assert_eq!(modinfo(&module, "name"), [name(path)], "{path}");
            assert!(!module.ends_with(b"~Module signature appended~\n"), "{path} carries its signature");
            for dependencies in modinfo(&module, "depends") {
                for dependency in dependencies.split(',').filter(|name| !name.is_empty()) {
                    assert!(loaded.contains(&dependency.replace('-', "_")), "{path} comes before {dependency}");
                }
            }
            assert_eq!(modinfo(&module, "vermagic")[0].split(' ').next(), Some(&*image().manifest.kernel_release));
            assert!(loaded.insert(name(path)), "{path} is listed twice");
        }
    }
    for needed in [
        "virtio_blk",
        "erofs",
        "overlay",
        "vmw_vsock_virtio_transport",
        "bridge",
        "veth",
        "nf_tables",
        "evdev",
        "button",
    ] {
        assert!(loaded.contains(needed), "{needed}");
    }
}

#[test]
fn modules_dep_names_every_module_and_what_it_needs() {
    let text = fs::read_to_string(folder().join("modules.dep")).unwrap();
    let dependencies: BTreeMap<&str, Vec<&str>> = text
        .lines()
        .map(|line| line.split_once(':').expect(line))
        .map(|(module, needed)| (module, needed.split_whitespace().collect()))
        .collect();
    let lists = &image().manifest.modules;
    let below = format!("/lib/modules/{}/", image().manifest.kernel_release);
    let known: BTreeSet<String> = dependencies.keys().map(|path| name(&format!("{below}{path}"))).collect();
    assert_eq!(known, [&lists.initramfs, &lists.boot, &lists.late].into_iter().flatten().cloned().collect());
    let order = fs::read_to_string(folder().join("modules.order")).unwrap();
    assert_eq!(order.lines().collect::<BTreeSet<_>>(), dependencies.keys().copied().collect());
    for (path, needed) in &dependencies {
        for needed in needed {
            assert!(dependencies.contains_key(needed), "{path} needs {needed}");
        }
        // The initramfs's own are loaded before there is a root, and are not there twice.
        let early = lists.initramfs.contains(&name(&format!("{below}{path}")));
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
