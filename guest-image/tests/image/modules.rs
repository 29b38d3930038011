//! The module lists: complete, in order, and without a word for modprobe.

use std::collections::BTreeSet;
use std::fs;

use object::{Object, ObjectSection};

use crate::{image, read_cpio, root};

/// Paths of a list file, and the modules' bytes through `read`.
fn lines(text: &str) -> Vec<String> {
    assert!(text.ends_with('\n') && !text.contains('\r'));
    text.lines().map(str::to_owned).collect()
}

fn name(path: &str) -> &str {
    path.strip_prefix("/lib/berth/modules/").and_then(|file| file.strip_suffix(".ko")).expect(path)
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
        assert_eq!(&list.iter().map(|path| name(path).to_owned()).collect::<Vec<_>>(), names);
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
            assert!(loaded.insert(name(path).to_owned()), "{path} is listed twice");
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
