//! Unpacking layers: what an archive says must be on disk, and what it must not say is refused.
//!
//! Needs root: owners, devices and trusted extended attributes.

mod support;

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use layers::{Digest, Error};
use support::{Bench, Tar, header, mode};

fn xattr(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

#[test]
fn everything_an_archive_can_say_is_on_disk() {
    let bench = Bench::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let capability = [1, 0, 0, 2, 10, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut owned = header(b'0', "owned", "", 0o6755, 3, 0);
    owned.set_uid(4_000_000_000);
    owned.set_gid(1000);
    let mut device = header(b'3', "dev/null", "", 0o666, 0, 5);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    let applied = bench.apply(
        Tar::new()
            .dir("./", 0o751)
            .dir("dev/", 0o755)
            .dir("sticky", 0o1777)
            .file("sticky/inside", b"hello")
            .raw(owned, b"abc")
            .raw(device, b"")
            .entry(b'6', "fifo", "", 0o600, b"")
            .symlink("link", "sticky/inside")
            .symlink("absolute", "/sticky")
            .hardlink("hard", "sticky/inside")
            .file("absolute/through", b"x")
            .pax(&[("path", long.as_bytes()), ("mtime", b"1234567890.123456789")])
            .file("short", b"long")
            .pax(&[("SCHILY.xattr.user.note", b"line\nline"), ("SCHILY.xattr.security.capability", &capability)])
            .file("attributed", b"")
            .pax(&[("path", b"two\nlines"), ("linkpath", b"to\nboth")])
            .symlink("short", "short")
            .pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc"), ("SCHILY.xattr.user.overlay.x", b"y")])
            .dir("redirected", 0o755)
            .file("replaced", b"first")
            .file("replaced", b"second!"),
    );
    let tree = bench.tree(&applied.diff_id);
    assert_eq!(mode(&tree), 0o751);
    assert_eq!(mode(&tree.join("sticky")), 0o1777);
    assert_eq!(std::fs::metadata(tree.join("sticky")).unwrap().mtime(), 1_700_000_000);
    let meta = std::fs::metadata(tree.join("owned")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777, meta.mtime()), (4_000_000_000, 1000, 0o6755, 0));
    let meta = std::fs::symlink_metadata(tree.join("dev/null")).unwrap();
    assert!(meta.file_type().is_char_device());
    assert_eq!((rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()), meta.mtime()), (1, 3, 5));
    assert!(std::fs::symlink_metadata(tree.join("fifo")).unwrap().file_type().is_fifo());
    assert_eq!(std::fs::read_link(tree.join("link")).unwrap().to_str(), Some("sticky/inside"));
    assert_eq!(std::fs::symlink_metadata(tree.join("link")).unwrap().mtime(), 1_700_000_000);
    assert_eq!(
        std::fs::metadata(tree.join("hard")).unwrap().ino(),
        std::fs::metadata(tree.join("sticky/inside")).unwrap().ino()
    );
    // An absolute link in the layer means the layer's root.
    assert_eq!(std::fs::read(tree.join("sticky/through")).unwrap(), b"x");
    let meta = std::fs::metadata(tree.join(&long)).unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!(xattr(&tree.join("attributed"), "user.note").unwrap(), b"line\nline");
    assert_eq!(xattr(&tree.join("attributed"), "security.capability").unwrap(), capability);
    assert_eq!(std::fs::read_link(tree.join("two\nlines")).unwrap().as_os_str(), "to\nboth");
    assert_eq!(xattr(&tree.join("redirected"), "trusted.overlay.redirect"), None);
    assert_eq!(std::fs::read(tree.join("replaced")).unwrap(), b"second!");
    assert_eq!(applied.size, 5 + 3 + 1 + 4 + 5 + 7);
    assert_eq!(bench.layers.size(&applied.diff_id).unwrap(), applied.size);
}

#[test]
fn whiteouts_become_the_overlays_own() {
    let bench = Bench::new();
    let applied = bench.apply(
        Tar::new()
            .file("a/.wh.gone", b"")
            .file("b/.wh..wh..opq", b"")
            .file(".wh..wh.plnk/x", b"")
            .file(".wh.back", b"")
            .dir("back", 0o700)
            .dir("kept", 0o755)
            .file("kept/x", b"1")
            .file(".wh.kept", b"")
            .file(".wh.file", b"")
            .file("file", b"new"),
    );
    let tree = bench.tree(&applied.diff_id);
    let meta = std::fs::symlink_metadata(tree.join("a/gone")).unwrap();
    assert!(meta.file_type().is_char_device() && meta.rdev() == 0);
    assert_eq!(xattr(&tree.join("b"), "trusted.overlay.opaque").unwrap(), b"y");
    assert!(!tree.join(".wh..wh.plnk").exists());
    // Deleted beneath and made again: the old content must stay hidden.
    assert_eq!(xattr(&tree.join("back"), "trusted.overlay.opaque").unwrap(), b"y");
    // A whiteout hides the layers beneath, not its own.
    assert_eq!(std::fs::read(tree.join("kept/x")).unwrap(), b"1");
    assert_eq!(xattr(&tree.join("kept"), "trusted.overlay.opaque").unwrap(), b"y");
    assert_eq!(std::fs::read(tree.join("file")).unwrap(), b"new");
}

/// As Go's archive/tar reads them: only archives from before ustar tell a directory by its name.
#[test]
fn a_name_that_ends_in_a_slash_is_a_directory_in_old_archives_only() {
    let bench = Bench::new();
    let old = |name: &str, mode, content: &[u8]| {
        let mut header = header(b'0', name, "", mode, content.len() as u64, 0);
        header.as_old_mut().linkflag = [0];
        header
    };
    let applied = bench.apply(
        Tar::new()
            .entry(b'0', "file/", "", 0o644, b"content")
            .raw(old("old/", 0o755, b"nobody's"), b"nobody's")
            .raw(old("old/file", 0o644, b"behind it"), b"behind it"),
    );
    let tree = bench.tree(&applied.diff_id);
    assert_eq!(std::fs::read(tree.join("file")).unwrap(), b"content");
    assert_eq!(mode(&tree.join("old")), 0o755);
    assert_eq!(std::fs::read(tree.join("old/file")).unwrap(), b"behind it");
}

#[test]
fn hostile_archives_are_refused_by_name_and_leave_nothing() {
    let bench = Bench::new();
    let outside = bench.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), b"keep").unwrap();
    let around = || {
        let names = std::fs::read_dir(bench.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = around();
    for (tar, words) in [
        (Tar::new().file("../escaped", b"x"), "entry \"../escaped\" points outside"),
        (Tar::new().file("a/../../escaped", b"x"), "points outside"),
        (Tar::new().file("a/.wh...", b""), "points outside"),
        (Tar::new().symlink("up", "../../../outside"), "\"up -> ../../../outside\" points outside"),
        (Tar::new().hardlink("h", "../outside/precious"), "points outside"),
        (
            Tar::new().hardlink("h", "nowhere"),
            "hard link \"h\" points to \"nowhere\", which the layer does not contain",
        ),
        (Tar::new().hardlink("h", "no/where"), "which the layer does not contain"),
        (Tar::new().hardlink("h", "h"), "which the layer does not contain"),
        (Tar::new().file("f", b"").file("f/below", b""), "\"f\": is used as a directory"),
        (Tar::new().entry(b'?', "odd", "", 0o644, b""), "\"odd\": unhandled tar header type '?'"),
        (Tar::new().symlink(".", "x"), "the root can only be a directory"),
        (Tar::new().symlink("loop", "loop").file("loop/x", b""), "too many symbolic links"),
    ] {
        let error = bench.refuse(tar);
        assert!(error.contains(words), "{error:?} lacks {words:?}");
        assert!(!error.contains('\n'));
    }
    assert_eq!(std::fs::read(outside.join("precious")).unwrap(), b"keep");
    assert_eq!(around(), before);
}

#[test]
fn links_that_lead_out_lead_to_the_layers_own_root() {
    let bench = Bench::new();
    // `/proc/self/root` style tricks and absolute links resolve inside, as in a chroot.
    let applied = bench.apply(
        Tar::new()
            .symlink("out", "/tmp")
            .dir("tmp", 0o1777)
            .file("out/caught", b"x")
            .file("/etc/absolute", b"y")
            .symlink("deep", "/out"),
    );
    let tree = bench.tree(&applied.diff_id);
    assert_eq!(std::fs::read(tree.join("tmp/caught")).unwrap(), b"x");
    assert_eq!(std::fs::read(tree.join("etc/absolute")).unwrap(), b"y");
    assert!(!std::path::Path::new("/tmp/caught").exists());
    assert!(!std::path::Path::new("/etc/absolute").exists());
}

#[test]
fn damage_and_wrong_digests_are_told_apart() {
    let bench = Bench::new();
    let bytes = Tar::new().file("a", &[7; 4000]).finish();
    let id = Digest::of(&bytes);
    match bench.layers.apply(&bytes[..2000], &id).unwrap_err() {
        Error::Damaged { entry, .. } => assert_eq!(entry, "a"),
        other => panic!("{other}"),
    }
    let other = Digest::of(b"other");
    let error = bench.layers.apply(bytes.as_slice(), &other).unwrap_err().to_string();
    assert_eq!(error, format!("wrong diff id calculated on extraction {id}, expected {other}"));
    let mut broken = bytes.clone();
    broken[3] ^= 1;
    assert!(bench.layers.apply(broken.as_slice(), &id).unwrap_err().to_string().contains("checksum"));
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the wire broke"))
        }
    }
    let error = bench.layers.apply(Failing, &id).unwrap_err();
    assert!(matches!(&error, Error::Read(e) if e.to_string() == "the wire broke"), "{error}");
    bench.layers.apply(bytes.as_slice(), &id).unwrap();
}

#[test]
fn sparse_files_take_no_room() {
    let bench = Bench::new();
    let size: u64 = 1_000_000_000_000;
    let mut old = header(b'S', "old", "", 0o644, 512, 0);
    {
        let gnu = old.as_gnu_mut().unwrap();
        gnu.sparse[0].set_offset(1 << 30);
        gnu.sparse[0].set_length(512);
        gnu.sparse[1].set_offset(size);
        gnu.sparse[1].set_length(0);
        gnu.set_real_size(size);
    }
    let mut posix = b"1\n1048576\n512\n".to_vec();
    posix.resize(512, 0);
    posix.extend_from_slice(&[9; 512]);
    let text = size.to_string();
    let applied = bench.apply(
        Tar::new()
            .raw(old, &[8; 512])
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"posix"),
                ("GNU.sparse.realsize", text.as_bytes()),
            ])
            .file("GNUSparseFile.0/posix", &posix)
            .file("zeros", &vec![0; 8 << 20])
            .file("after", b"still in step"),
    );
    let tree = bench.tree(&applied.diff_id);
    for (name, at, byte) in [("old", 1u64 << 30, 8), ("posix", 1 << 20, 9)] {
        let meta = std::fs::metadata(tree.join(name)).unwrap();
        assert_eq!(meta.len(), size, "{name}");
        assert!(meta.blocks() * 512 < 100_000, "{name} takes {} blocks", meta.blocks());
        let mut found = [0; 2];
        let file = std::fs::File::open(tree.join(name)).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut found, at - 1).unwrap();
        assert_eq!(found, [0, byte], "{name}");
    }
    let meta = std::fs::metadata(tree.join("zeros")).unwrap();
    assert_eq!((meta.len(), meta.blocks()), (8 << 20, 0));
    assert_eq!(std::fs::read(tree.join("after")).unwrap(), b"still in step");
    let mut lying = header(b'S', "lying", "", 0o644, 0, 0);
    lying.as_gnu_mut().unwrap().set_real_size(u64::MAX / 2);
    let error = bench.refuse(Tar::new().raw(lying, b""));
    assert!(error.contains("\"lying\""), "{error}");
}

#[test]
fn a_layer_without_a_record_goes_at_the_next_start() {
    let bench = Bench::new();
    let kept = bench.apply(Tar::new().file("kept", b"1")).diff_id;
    let lost = bench.apply(Tar::new().file("lost", b"2")).diff_id;
    bench.settle(&[kept]);
    std::fs::create_dir_all(bench.dir.path().join("layers/ingest/7/fs")).unwrap();
    let bench = bench.reopen();
    assert!(bench.layers.contains(&kept) && !bench.layers.contains(&lost));
    assert!(!bench.dir.path().join("layers").join(lost.hex()).exists());
    assert_eq!(std::fs::read_dir(bench.dir.path().join("layers/ingest")).unwrap().count(), 0);
    assert_eq!(bench.layers.size(&kept).unwrap(), 1);
}

#[test]
fn garbage_goes_and_what_is_kept_stays() {
    let bench = Bench::new();
    let a = bench.apply(Tar::new().file("a", b"1")).diff_id;
    let b = bench.apply(Tar::new().file("b", b"22")).diff_id;
    bench.settle(&[a, b]);
    let mut batch = store::Batch::new();
    let garbage = bench.layers.collect(|| vec![vec![a]], &mut batch);
    assert_eq!((garbage.layers(), garbage.size), ([b].as_slice(), 2));
    bench.store.write_blocking(batch, store::Durability::Durable).unwrap();
    bench.layers.discard(garbage);
    assert!(bench.layers.contains(&a) && !bench.layers.contains(&b));
    assert!(!bench.tree(&b).exists());
    // It can come back.
    assert_eq!(bench.apply(Tar::new().file("b", b"22")).diff_id, b);
}

/// Immutable files are what even root cannot remove.
#[test]
fn leftovers_that_stay_do_not_keep_the_layers_from_opening() {
    let bench = Bench::new();
    let leftover = bench.dir.path().join("layers/ingest/0/fs");
    std::fs::create_dir_all(&leftover).unwrap();
    let file = std::fs::File::create(leftover.join("stuck")).unwrap();
    let flags = match rustix::fs::ioctl_getflags(&file) {
        Ok(flags) => flags,
        Err(e) => {
            println!("SKIPPED: leftovers_that_stay_do_not_keep_the_layers_from_opening: no file flags here: {e}");
            return;
        }
    };
    if let Err(e) = rustix::fs::ioctl_setflags(&file, flags | rustix::fs::IFlags::IMMUTABLE) {
        println!("SKIPPED: leftovers_that_stay_do_not_keep_the_layers_from_opening: no immutable files here: {e}");
        return;
    }
    let bench = bench.reopen();
    assert!(leftover.join("stuck").exists());
    // Nothing of it gets into a new layer.
    let applied = bench.apply(Tar::new().file("fresh", b"1"));
    let names: Vec<_> =
        std::fs::read_dir(bench.tree(&applied.diff_id)).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["fresh"]);
    rustix::fs::ioctl_setflags(&file, flags).unwrap();
    let bench = bench.reopen();
    assert!(!leftover.exists());
    drop(bench);
}

#[test]
fn headers_cannot_fill_the_memory() {
    let bench = Bench::new();
    let mut many = Tar::new();
    for _ in 0..100 {
        many = many.pax(&[("path", b"a")]);
    }
    assert!(bench.refuse(many.file("a", b"")).contains("too many extended headers"));
    let huge = vec![b'x'; 2 << 20];
    assert!(
        bench.refuse(Tar::new().pax(&[("SCHILY.xattr.user.a", &huge)]).file("a", b"")).contains("larger than 1 MiB")
    );
    // A sparse file of a trillion runs, in a map of which only the count is there.
    let sparse: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", b"10"),
    ];
    let mut map = b"1099511627776\n".to_vec();
    map.resize(512, b'0');
    assert!(bench.refuse(Tar::new().pax(sparse).file("s", &map)).contains("too many runs of data"));
    // A global header means nothing, however long it is.
    let global = header(b'g', "pax_global_header", "", 0o644, 3 << 20, 0);
    let content = vec![b' '; 3 << 20];
    bench.apply(Tar::new().raw(global, &content).file("after", b"1"));
}

#[test]
fn a_later_extended_header_replaces_the_earlier_one() {
    let bench = Bench::new();
    let applied = bench.apply(
        Tar::new()
            .pax(&[("SCHILY.xattr.user.first", b"1"), ("path", b"elsewhere")])
            .pax(&[("SCHILY.xattr.user.second", b"2")])
            .file("here", b""),
    );
    let file = bench.tree(&applied.diff_id).join("here");
    assert_eq!(xattr(&file, "user.first"), None);
    assert_eq!(xattr(&file, "user.second").as_deref(), Some(b"2".as_slice()));
}

/// Sizes and comparisons of a tree that a container made deeper than any stack.
#[test]
fn trees_that_are_too_deep_are_errors_and_no_crash() {
    let bench = Bench::new();
    let upper = bench.dir.path().join("upper");
    std::fs::create_dir(&upper).unwrap();
    let mut fd: std::os::fd::OwnedFd = std::fs::File::open(&upper).unwrap().into();
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    for _ in 0..600 {
        rustix::fs::mkdirat(&fd, c"a", rustix::fs::Mode::RWXU).unwrap();
        fd = rustix::fs::openat(&fd, c"a", flags, rustix::fs::Mode::empty()).unwrap();
    }
    assert_eq!(layers::Layers::upper_size(&upper).unwrap(), 0);
    assert!(bench.layers.changes(&upper, &[]).unwrap_err().to_string().contains("File name too long"));
    let root = std::fs::File::open(&upper).unwrap();
    let packed = layers::Layers::export(std::os::fd::AsFd::as_fd(&root), std::io::sink());
    assert!(packed.unwrap_err().to_string().contains("File name too long"));
    layers::remove_tree(&upper).unwrap();
}
