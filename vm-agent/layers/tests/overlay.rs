//! Stacks of layers as the kernel shows them, and what a container changed in one.
//!
//! Needs root and a file system with overlay support beneath the temporary directory. Mounts are detached: nothing
//! appears in the machine's mount table.

mod support;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use layers::{ChangeKind, Layers, UpperDir};
use support::{Bench, Mounted, Tar, mode};

#[test]
fn layers_stack_with_deletions() {
    let bench = Bench::new();
    let bottom = bench.apply(
        Tar::new().dir("d", 0o755).file("d/old", b"1").file("d/gone", b"1").dir("o", 0o755).file("o/hidden", b"1"),
    );
    let top = bench.apply(
        Tar::new()
            .dir("d", 0o755)
            .file("d/.wh.gone", b"")
            .file("d/new", b"2")
            .file("o/.wh..wh..opq", b"")
            .file("o/only", b"2"),
    );
    let merged = bench.mount(&[bottom.diff_id, top.diff_id]);
    let names = |dir: &str| {
        let mut names: Vec<String> = std::fs::read_dir(merged.join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("d"), ["new", "old"]);
    assert_eq!(names("o"), ["only"]);
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(&bottom.diff_id.hex()), "{table}");
}

#[test]
fn implied_directories_keep_the_metadata_of_the_layers_beneath() {
    let bench = Bench::new();
    let described = bench.apply(
        Tar::new()
            .dir("./", 0o711)
            .dir("tmp", 0o1777)
            .dir("home", 0o750)
            .dir("home/me", 0o700)
            .dir("plain", 0o700)
            .pax(&[("SCHILY.xattr.user.kept", b"yes")])
            .dir("noted", 0o755),
    );
    let implying =
        bench.apply(Tar::new().file("tmp/x", b"1").file("home/me/y", b"2").file("noted/z", b"3").file("fresh/a", b"4"));
    let redescribing = bench.apply(Tar::new().dir("home", 0o555).file("plain/b", b"5"));
    let merged = bench.mount(&[described.diff_id, implying.diff_id]);
    assert_eq!(mode(&merged.join(".")), 0o711);
    assert_eq!(mode(&merged.join("tmp")), 0o1777);
    assert_eq!(mode(&merged.join("home")), 0o750);
    assert_eq!(mode(&merged.join("home/me")), 0o700);
    assert_eq!(mode(&merged.join("fresh")), 0o755);
    assert_eq!(std::fs::metadata(merged.join("tmp")).unwrap().mtime(), 1_700_000_000);
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(merged.join("noted"), "user.kept", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"yes");
    for (name, content) in [("tmp/x", "1"), ("home/me/y", "2"), ("noted/z", "3"), ("fresh/a", "4")] {
        assert_eq!(std::fs::read_to_string(merged.join(name)).unwrap(), content);
    }
    let merged = bench.mount(&[described.diff_id, implying.diff_id, redescribing.diff_id]);
    assert_eq!(mode(&merged.join("home")), 0o555);
    assert_eq!(mode(&merged.join("home/me")), 0o700);
    assert_eq!(mode(&merged.join("plain")), 0o700);
    // The same layer over nothing keeps what it made up, for other images.
    let alone = bench.mount(&[implying.diff_id]);
    assert_eq!(mode(&alone.join("tmp")), 0o755);
    assert_eq!(std::fs::metadata(alone.join("tmp")).unwrap().mtime(), 0);
    // A restart knows the correction again.
    let chain = [described.diff_id, implying.diff_id];
    let bench = bench.reopen();
    assert_eq!(bench.layers.overlay(&chain, None).unwrap().lowers.len(), 3);
}

#[test]
fn implied_directories_respect_what_was_hidden() {
    let bench = Bench::new();
    let bottom = bench.apply(Tar::new().dir("d", 0o700).dir("e", 0o700));
    let hiding = bench.apply(Tar::new().file(".wh.d", b"").file("e/.wh..wh..opq", b""));
    let top = bench.apply(Tar::new().file("d/x", b"").file("e/y", b""));
    let merged = bench.mount(&[bottom.diff_id, hiding.diff_id, top.diff_id]);
    assert_eq!(mode(&merged.join("d")), 0o755);
    assert!(merged.join("d/x").exists() && merged.join("e/y").exists());
}

#[test]
fn a_layer_may_come_twice() {
    let bench = Bench::new();
    let adding = bench.apply(Tar::new().dir("d", 0o755).file("d/a", b"1").file(".wh.x", b"")).diff_id;
    let deleting =
        bench.apply(Tar::new().dir("d", 0o700).file("d/.wh.a", b"").file("x", b"2").file("kept", b"3")).diff_id;
    let merged = bench.mount(&[adding, deleting, adding]);
    assert_eq!(mode(&merged.join("d")), 0o755);
    assert!(merged.join("d/a").exists() && merged.join("kept").exists() && !merged.join("x").exists());
}

#[test]
fn one_layer_none_and_many_can_be_mounted() {
    let bench = Bench::new();
    let empty = bench.mount(&[]);
    assert_eq!(std::fs::read_dir(&empty.path).unwrap().count(), 0);
    let chain: Vec<_> = (0..200)
        .map(|n| bench.apply(Tar::new().file(&format!("f{n}"), b"x").file("last", &[n as u8])).diff_id)
        .collect();
    let one = bench.mount(&chain[..1]);
    assert!(one.join("f0").exists());
    let many = bench.mount(&chain);
    assert_eq!(std::fs::read_dir(&many.path).unwrap().count(), 201);
    assert_eq!(std::fs::read(many.join("last")).unwrap(), [199]);
    let too_many = vec![chain[0]; 500];
    assert!(bench.layers.overlay(&too_many, None).unwrap_err().to_string().contains("500 layers"));
}

#[test]
fn paths_longer_than_the_kernel_takes_are_shortened() {
    let base = Bench::new();
    let deep = base.dir.path().join("x".repeat(200)).join("y".repeat(100));
    std::fs::create_dir_all(&deep).unwrap();
    let store = store::Store::open(&deep.join("store")).unwrap();
    let layers = Layers::open(&deep.join("layers"), &store).unwrap();
    let bytes = Tar::new().file("a", b"1").finish();
    let a = layers.import(bytes.as_slice(), |_| {}).unwrap().diff_id;
    let upper = UpperDir { upper: deep.join("upper"), work: deep.join("work") };
    layers.prepare_upper(&[a], &upper).unwrap();
    let mounted = Mounted::new(layers.mount(&layers.overlay(&[a], Some(upper)).unwrap()).unwrap());
    assert_eq!(std::fs::read(mounted.join("a")).unwrap(), b"1");
}

#[test]
fn what_is_read_does_not_hinder_who_writes() {
    let bench = Bench::new();
    let bottom = bench.apply(Tar::new().file("kept", b"bottom").file("gone", b"bottom"));
    let chain = [bottom.diff_id];
    let upper = || UpperDir { upper: bench.dir.path().join("upper"), work: bench.dir.path().join("work") };
    bench.layers.prepare_upper(&chain, &upper()).unwrap();
    let write = || Mounted::new(bench.layers.mount(&bench.layers.overlay(&chain, Some(upper())).unwrap()).unwrap());
    let first = write();
    std::fs::write(first.join("kept"), b"upper").unwrap();
    std::fs::remove_file(first.join("gone")).unwrap();
    drop(first);
    let read = bench.layers.mount(&bench.layers.overlay_to_read(&chain, &upper()).unwrap()).unwrap();
    let read = Mounted::new(read);
    let second = write();
    std::fs::remove_file(second.join("kept")).unwrap();
    std::fs::write(second.join("new"), b"2").unwrap();
    assert!(std::fs::write(read.join("other"), b"3").is_err());
    assert!(!read.join("gone").exists());
    // A third mount for writing would take the second one's working directory away.
    std::fs::rename(second.join("new"), second.join("newer")).unwrap();
    std::fs::write(second.join("gone"), b"again").unwrap();
    assert_eq!(std::fs::read(second.join("gone")).unwrap(), b"again");
}

#[test]
fn changes_are_listed_as_docker_diff_does() {
    let bench = Bench::new();
    let bottom = bench.apply(
        Tar::new()
            .dir("./", 0o711)
            .dir("etc", 0o755)
            .file("etc/same", b"1")
            .file("etc/changed", b"1")
            .file("etc/removed", b"1")
            .dir("swap", 0o755)
            .file("swap/old", b"1")
            .dir("quiet", 0o755)
            .dir("chmod", 0o755),
    );
    let chain = [bottom.diff_id];
    let root = bench.dir.path().join("container");
    std::fs::create_dir(&root).unwrap();
    let upper = UpperDir { upper: root.join("upper"), work: root.join("work") };
    bench.layers.prepare_upper(&chain, &upper).unwrap();
    assert_eq!(mode(&upper.upper), 0o711);
    bench.settle(&chain);
    let spec = bench.layers.overlay(&chain, Some(upper.clone())).unwrap();
    let merged = Mounted::new(bench.layers.mount(&spec).unwrap());
    assert_eq!(bench.layers.changes(&upper.upper, &chain).unwrap(), []);
    std::fs::write(merged.join("etc/changed"), b"22").unwrap();
    std::fs::remove_file(merged.join("etc/removed")).unwrap();
    std::fs::create_dir(merged.join("new")).unwrap();
    std::fs::write(merged.join("new/file"), b"333").unwrap();
    std::fs::hard_link(merged.join("new/file"), merged.join("new/again")).unwrap();
    std::fs::remove_dir_all(merged.join("swap")).unwrap();
    std::fs::create_dir(merged.join("swap")).unwrap();
    std::fs::write(merged.join("swap/new"), b"4").unwrap();
    std::fs::set_permissions(merged.join("chmod"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let changes: BTreeMap<String, ChangeKind> = bench
        .layers
        .changes(&upper.upper, &chain)
        .unwrap()
        .into_iter()
        .map(|change| (change.path.to_str().unwrap().to_owned(), change.kind))
        .collect();
    let expected = [
        ("/chmod", ChangeKind::Modified),
        ("/etc", ChangeKind::Modified),
        ("/etc/changed", ChangeKind::Modified),
        ("/etc/removed", ChangeKind::Deleted),
        ("/new", ChangeKind::Added),
        ("/new/again", ChangeKind::Added),
        ("/new/file", ChangeKind::Added),
        ("/swap", ChangeKind::Modified),
        ("/swap/new", ChangeKind::Added),
        ("/swap/old", ChangeKind::Deleted),
    ];
    assert_eq!(changes, expected.map(|(path, kind)| (path.to_owned(), kind)).into());
    assert_eq!(Layers::upper_size(&upper.upper).unwrap(), 2 + 3 + 1);

    // The upper directory as a layer of its own shows the same tree again, with what no list of changes tells of.
    let attribute = |name: &str, key: &str, value: &[u8]| {
        rustix::fs::setxattr(merged.join(name), key, value, rustix::fs::XattrFlags::empty()).unwrap();
    };
    attribute("new/file", "user.kept", b"yes");
    attribute("quiet", "user.kept", b"yes");
    // VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE.
    attribute("etc/changed", "security.capability", &[0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut layer = Vec::new();
    bench.layers.export_changes(&upper.upper, &chain, &[], &mut layer).unwrap();
    let committed = bench.layers.import(layer.as_slice(), |_| {}).unwrap().diff_id;
    let again = bench.mount(&[bottom.diff_id, committed]);
    let list = |root: &std::path::Path| {
        let mut tar = Vec::new();
        Layers::export(std::fs::File::open(root).unwrap().as_fd(), &mut tar).unwrap();
        tar
    };
    assert_eq!(list(&again.path), list(&merged.path));
}

/// What every container gets from its engine is no change of its own, unless it had a hand in it.
#[test]
fn foreign_files_are_not_exported() {
    let bench = Bench::new();
    let bottom = bench.apply(Tar::new().dir("etc", 0o755).file("etc/hosts", b"1").dir("dev", 0o755).dir("run", 0o755));
    let chain = [bottom.diff_id];
    let foreign = ["/.mark", "/etc/hosts", "/etc/name", "/dev/console", "/proc", "/lib/ours", "/run/ours", "/srv/ours"];
    let export = |change: &dyn Fn(&Mounted)| -> Vec<String> {
        let root = tempfile::tempdir_in(bench.dir.path()).unwrap();
        let upper = UpperDir { upper: root.path().join("upper"), work: root.path().join("work") };
        bench.layers.prepare_upper(&chain, &upper).unwrap();
        bench.settle(&chain);
        let merged =
            Mounted::new(bench.layers.mount(&bench.layers.overlay(&chain, Some(upper.clone())).unwrap()).unwrap());
        for directory in ["proc", "lib", "srv", "srv/ours"] {
            std::fs::create_dir(merged.join(directory)).unwrap();
        }
        for file in [".mark", "etc/name", "dev/console", "lib/ours", "run/ours"] {
            std::fs::write(merged.join(file), b"").unwrap();
        }
        change(&merged);
        let mut layer = Vec::new();
        bench.layers.export_changes(&upper.upper, &chain, &foreign, &mut layer).unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        names.collect()
    };
    assert_eq!(export(&|_| {}), [] as [&str; 0]);
    let changed = export(&|merged| {
        std::fs::write(merged.join("etc/hosts"), b"2").unwrap();
        std::fs::write(merged.join("lib/own"), b"").unwrap();
        std::fs::set_permissions(merged.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::write(merged.join("srv/ours/own"), b"").unwrap();
    });
    assert_eq!(changed, ["etc/", "etc/hosts", "lib/", "lib/own", "run/", "srv/", "srv/ours/", "srv/ours/own"]);
    assert_eq!(export(&|merged| std::fs::remove_file(merged.join("etc/hosts")).unwrap()), ["etc/", "etc/.wh.hosts"]);
}

#[test]
fn an_exported_tree_unpacks_to_the_same_tree() {
    let bench = Bench::new();
    let name = "n\n".repeat(75);
    let applied = bench.apply(
        Tar::new()
            .dir("./", 0o755)
            .dir("d", 0o2755)
            .file("d/f", &[1; 70_000])
            .hardlink("d/g", "d/f")
            .symlink("s", &"t".repeat(90))
            .entry(b'6', "p", "", 0o644, b"")
            .pax(&[("path", name.as_bytes()), ("SCHILY.xattr.user.x", b"\n\0"), ("uid", b"3000000000")])
            .file("x", b"abc"),
    );
    let mut first = Vec::new();
    let mounted = bench.mount(&[applied.diff_id]);
    Layers::export(mounted.fd.as_fd(), &mut first).unwrap();
    let again = bench.layers.import(first.as_slice(), |_| {}).unwrap();
    let tree = bench.tree(&again.diff_id);
    let meta = std::fs::metadata(tree.join(&name)).unwrap();
    assert_eq!((meta.uid(), meta.len()), (3_000_000_000, 3));
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(tree.join(&name), "user.x", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"\n\0");
    assert_eq!(mode(&tree.join("d")), 0o2755);
    assert_eq!(std::fs::metadata(tree.join("d/f")).unwrap().nlink(), 2);
    let mut second = Vec::new();
    Layers::export(std::fs::File::open(&tree).unwrap().as_fd(), &mut second).unwrap();
    assert!(first == second, "an export of an export differs");
}
