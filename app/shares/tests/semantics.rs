//! What programs rely on, over a real mount.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};

use rustix::fs::{RenameFlags, XattrFlags};
use shares::Access;
use support::Mounted;

#[test]
fn what_one_side_writes_the_other_reads() {
    let m = Mounted::new();
    fs::write(m.guest.join("new"), "from the guest").unwrap();
    assert_eq!(fs::read(m.host.join("new")).unwrap(), b"from the guest");
    fs::create_dir_all(m.host.join("a/b/c")).unwrap();
    fs::write(m.host.join("a/b/c/old"), "from the host").unwrap();
    assert_eq!(fs::read(m.guest.join("a/b/c/old")).unwrap(), b"from the host");
    let long: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(m.guest.join("long"), &long).unwrap();
    assert!(fs::read(m.host.join("long")).unwrap() == long);
    assert!(fs::read(m.guest.join("long")).unwrap() == long);
}

#[test]
fn names_move_and_go_as_they_do_everywhere() {
    let m = Mounted::new();
    let (host, guest) = (&m.host, &m.guest);
    fs::create_dir(guest.join("d")).unwrap();
    fs::write(guest.join("d/f"), "1").unwrap();
    fs::write(guest.join("g"), "2").unwrap();
    fs::rename(guest.join("d/f"), guest.join("g")).unwrap();
    assert_eq!(fs::read(host.join("g")).unwrap(), b"1");
    assert!(!host.join("d/f").exists() && !guest.join("d/f").exists());
    // What is open in a directory that moves goes on.
    let mut open = fs::File::create(guest.join("d/open")).unwrap();
    fs::rename(guest.join("d"), guest.join("e")).unwrap();
    open.write_all(b"still").unwrap();
    assert_eq!(fs::read(host.join("e/open")).unwrap(), b"still");
    assert_eq!(fs::read(guest.join("e/open")).unwrap(), b"still");
    fs::write(guest.join("other"), "3").unwrap();
    let [a, b] = ["g", "other"].map(|name| guest.join(name));
    rustix::fs::renameat_with(rustix::fs::CWD, &a, rustix::fs::CWD, &b, RenameFlags::EXCHANGE).unwrap();
    assert_eq!((fs::read(&a).unwrap(), fs::read(&b).unwrap()), (b"3".to_vec(), b"1".to_vec()));
    let error =
        rustix::fs::renameat_with(rustix::fs::CWD, &a, rustix::fs::CWD, &b, RenameFlags::NOREPLACE).unwrap_err();
    assert_eq!(error, rustix::io::Errno::EXIST);
    assert_eq!(fs::remove_dir(guest.join("e")).unwrap_err().raw_os_error(), Some(39), "not empty");
    fs::remove_file(guest.join("e/open")).unwrap();
    fs::remove_dir(guest.join("e")).unwrap();
    assert!(!host.join("e").exists());
}

#[test]
fn a_file_without_a_name_lives_while_it_is_open() {
    let m = Mounted::new();
    let path = m.guest.join("f");
    let mut file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    file.write_all(b"one").unwrap();
    fs::remove_file(&path).unwrap();
    assert!(!m.host.join("f").exists());
    file.write_all(b" two").unwrap();
    file.set_len(6).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 6);
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "one tw");
    assert_eq!(file.metadata().unwrap().nlink(), 0);
}

#[test]
fn links_of_both_kinds() {
    let m = Mounted::new();
    let (host, guest) = (&m.host, &m.guest);
    fs::write(guest.join("f"), "x").unwrap();
    fs::hard_link(guest.join("f"), guest.join("hard")).unwrap();
    let [one, other] = ["f", "hard"].map(|name| fs::metadata(guest.join(name)).unwrap());
    assert_eq!((one.ino(), one.nlink()), (other.ino(), 2));
    fs::OpenOptions::new().append(true).open(guest.join("hard")).unwrap().write_all(b"y").unwrap();
    assert_eq!(fs::read(guest.join("f")).unwrap(), b"xy", "one file, one content");
    symlink("../outside/./f", guest.join("soft")).unwrap();
    assert_eq!(fs::read_link(host.join("soft")).unwrap().to_str(), Some("../outside/./f"));
    assert_eq!(fs::read_link(guest.join("soft")).unwrap().to_str(), Some("../outside/./f"));
}

#[test]
fn appending_and_exclusive_making_are_the_hosts() {
    let m = Mounted::new();
    let open = || fs::OpenOptions::new().append(true).create(true).open(m.guest.join("log")).unwrap();
    let (mut one, mut other) = (open(), open());
    one.write_all(b"1").unwrap();
    other.write_all(b"2").unwrap();
    fs::OpenOptions::new().append(true).open(m.host.join("log")).unwrap().write_all(b"host").unwrap();
    one.write_all(b"3").unwrap();
    assert_eq!(fs::read(m.host.join("log")).unwrap(), b"12host3", "at the true end, whoever wrote last");
    let new = |path| fs::OpenOptions::new().write(true).create_new(true).open(path);
    assert_eq!(new(m.guest.join("log")).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    // The guest knew of none by this name a moment ago.
    assert!(!m.guest.join("lock").exists());
    fs::write(m.host.join("lock"), "").unwrap();
    assert_eq!(new(m.guest.join("lock")).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    // Who does not insist gets the host's.
    assert!(!m.guest.join("shared").exists());
    fs::write(m.host.join("shared"), "here").unwrap();
    let opened =
        fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(m.guest.join("shared"));
    assert_eq!(std::io::read_to_string(opened.unwrap()).unwrap(), "here");
    fs::File::create(m.guest.join("shared")).unwrap();
    assert_eq!(fs::metadata(m.host.join("shared")).unwrap().len(), 0, "truncated");
}

#[test]
fn times_modes_and_owners() {
    let m = Mounted::new();
    let path = m.guest.join("f");
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o751).open(&path).unwrap();
    let on_host = || fs::metadata(m.host.join("f")).unwrap();
    assert_eq!(on_host().mode() & 0o7777, 0o751 & !umask());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4711)).unwrap();
    assert_eq!(on_host().mode() & 0o7777, 0o4711);
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(time).set_accessed(time)).unwrap();
    assert_eq!((on_host().mtime(), on_host().mtime_nsec()), (1_000_000_000, 123_456_789));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
    std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
    assert_eq!((on_host().uid(), on_host().gid()), (1234, 5678));
    assert_eq!(on_host().mode() & 0o7777, 0o711, "who gets a file does not get its set-ID bit");
    let shown = fs::metadata(&path).unwrap();
    assert_eq!((shown.uid(), shown.gid(), shown.mode() & 0o7777), (1234, 5678, 0o711));
    std::os::unix::fs::lchown(m.guest.join("f"), Some(0), None).unwrap();
    assert_eq!((on_host().uid(), on_host().gid()), (0, 5678));
}

/// This process's, which the kernel applies to what it makes.
fn umask() -> u32 {
    let mask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(mask);
    mask.bits()
}

#[test]
fn locks_are_the_kernels() {
    use rustix::fs::{FlockOperation, flock};
    let m = Mounted::new();
    let open = || fs::OpenOptions::new().write(true).create(true).truncate(true).open(m.guest.join("lock")).unwrap();
    let (one, other) = (open(), open());
    flock(&one, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap_err(), rustix::io::Errno::WOULDBLOCK);
    drop(one);
    flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
}

#[test]
fn kinds_of_files() {
    let m = Mounted::new();
    let make = |name: &str, kind| rustix::fs::mknodat(rustix::fs::CWD, m.guest.join(name), kind, 0o644.into(), 0);
    make("pipe", rustix::fs::FileType::Fifo).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(m.guest.join("socket")).unwrap();
    std::os::unix::net::UnixStream::connect(m.guest.join("socket")).unwrap();
    for side in [&m.host, &m.guest] {
        assert!(fs::metadata(side.join("pipe")).unwrap().file_type().is_fifo());
        assert!(fs::metadata(side.join("socket")).unwrap().file_type().is_socket());
    }
}

#[test]
fn a_hundred_thousand_names_in_one_folder() {
    let m = Mounted::new();
    fs::create_dir(m.host.join("many")).unwrap();
    for number in 0..100_000 {
        fs::File::create(m.host.join(format!("many/a-name-of-usual-length-{number}"))).unwrap();
    }
    let names: std::collections::HashSet<_> =
        fs::read_dir(m.guest.join("many")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 100_000);
    assert!(fs::metadata(m.guest.join("many/a-name-of-usual-length-99999")).unwrap().is_file());
    // Removed while it is read.
    for entry in fs::read_dir(m.guest.join("many")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(fs::read_dir(m.host.join("many")).unwrap().count(), 0);
}

#[test]
fn holes_are_kept_and_large_files_take_no_room() {
    let m = Mounted::new();
    let file = fs::File::create(m.guest.join("sparse")).unwrap();
    file.set_len(10 << 30).unwrap();
    file.write_all_at(b"end", (10 << 30) - 3).unwrap();
    let on_host = fs::metadata(m.host.join("sparse")).unwrap();
    assert_eq!(on_host.len(), 10 << 30);
    assert!(on_host.blocks() * 512 < 1 << 20, "{}", on_host.blocks());
    let file = fs::File::open(m.guest.join("sparse")).unwrap();
    let data = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(0)).unwrap();
    assert!(data > (10 << 30) - (1 << 20), "{data}");
    let mut end = [0; 3];
    file.read_exact_at(&mut end, (10 << 30) - 3).unwrap();
    assert_eq!(&end, b"end");
}

/// As `cp` does it: the bytes need not come here.
#[test]
fn the_host_copies_from_file_to_file() {
    let m = Mounted::new();
    fs::write(m.guest.join("from"), "0123456789").unwrap();
    let from = fs::File::open(m.guest.join("from")).unwrap();
    let to = fs::OpenOptions::new().read(true).write(true).create_new(true).open(m.guest.join("to")).unwrap();
    assert_eq!(rustix::fs::copy_file_range(&from, Some(&mut 2), &to, None, 100).unwrap(), 8);
    assert_eq!(rustix::fs::copy_file_range(&to, Some(&mut 0), &to, Some(&mut 8), 3).unwrap(), 3, "within one");
    for side in [&m.host, &m.guest] {
        assert_eq!(fs::read(side.join("to")).unwrap(), b"23456789234");
    }
}

#[test]
fn users_attributes_and_no_others() {
    let m = Mounted::new();
    let path = m.guest.join("f");
    fs::write(&path, "").unwrap();
    rustix::fs::setxattr(&path, "user.note", b"text", XattrFlags::empty()).unwrap();
    let mut value = [0; 16];
    assert_eq!(rustix::fs::getxattr(m.host.join("f"), "user.note", &mut value).unwrap(), 4);
    for name in ["trusted.overlay.opaque", "security.other", "user.berth.owner"] {
        let error = rustix::fs::setxattr(&path, name, b"0:0", XattrFlags::empty()).unwrap_err();
        assert_eq!(error, rustix::io::Errno::OPNOTSUPP, "{name}");
    }
    rustix::fs::setxattr(m.host.join("f"), "user.berth.owner", b"7:8", XattrFlags::empty()).unwrap();
    let mut list = [0; 64];
    let length = rustix::fs::listxattr(&path, &mut list).unwrap();
    assert_eq!(&list[..length], b"user.note\0");
    rustix::fs::removexattr(&path, "user.note").unwrap();
    assert_eq!(rustix::fs::getxattr(&path, "user.note", &mut value).unwrap_err(), rustix::io::Errno::NODATA);
}

#[test]
fn one_file_is_shared_wherever_its_name_leads() {
    let m = Mounted::of(Access::ReadWrite, |dir| {
        fs::write(dir.join("host/config"), "one").unwrap();
        fs::write(dir.join("host/secret"), "nobody's").unwrap();
        "host/config".into()
    });
    assert_eq!(fs::read(&m.guest).unwrap(), b"one");
    fs::write(m.host.join("config.new"), "two, by an editor").unwrap();
    fs::rename(m.host.join("config.new"), m.host.join("config")).unwrap();
    until(|| fs::read(&m.guest).unwrap() == b"two, by an editor");
    fs::write(&m.guest, "three").unwrap();
    assert_eq!(fs::read(m.host.join("config")).unwrap(), b"three");
    fs::remove_file(m.host.join("config")).unwrap();
    symlink("secret", m.host.join("config")).unwrap();
    until(|| fs::read(&m.guest).is_err());
}

/// The kernel may go on with what it knows for a moment.
fn until(seen: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !seen() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(60), "the other side's change is not seen");
        std::thread::yield_now();
    }
}

#[test]
fn read_only_is_so_on_the_host() {
    let m = Mounted::of(Access::ReadOnly, |dir| {
        fs::create_dir(dir.join("host/d")).unwrap();
        fs::write(dir.join("host/f"), "x").unwrap();
        "host".into()
    });
    // The mount itself does not say so: it is the server that refuses.
    let refused = |result: std::io::Result<()>| assert_eq!(result.unwrap_err().raw_os_error(), Some(30));
    refused(fs::write(m.guest.join("f"), "y"));
    refused(fs::write(m.guest.join("new"), ""));
    refused(fs::create_dir(m.guest.join("new")));
    refused(fs::remove_file(m.guest.join("f")));
    refused(fs::remove_dir(m.guest.join("d")));
    refused(fs::rename(m.guest.join("f"), m.guest.join("g")));
    refused(fs::hard_link(m.guest.join("f"), m.guest.join("g")));
    refused(symlink("f", m.guest.join("g")));
    refused(fs::set_permissions(m.guest.join("f"), fs::Permissions::from_mode(0o777)));
    assert_eq!(fs::read(m.guest.join("f")).unwrap(), b"x");
    assert_eq!(fs::read_dir(&m.guest).unwrap().count(), 2);
}

/// A directory of the host that becomes a link between two requests leads nowhere.
#[test]
fn no_link_leads_out() {
    let m = Mounted::of(Access::ReadWrite, |dir| {
        fs::create_dir_all(dir.join("outside/d")).unwrap();
        fs::write(dir.join("outside/d/secret"), "secret").unwrap();
        fs::create_dir_all(dir.join("host/d")).unwrap();
        fs::write(dir.join("host/d/secret"), "public").unwrap();
        "host".into()
    });
    let mut open = fs::read_dir(m.guest.join("d")).unwrap();
    assert_eq!(fs::read(m.guest.join("d/secret")).unwrap(), b"public");
    fs::rename(m.host.join("d"), m.host.join("moved")).unwrap();
    symlink("../outside/d", m.host.join("d")).unwrap();
    for path in ["d/secret", "d/other"] {
        match fs::read(m.guest.join(path)) {
            Ok(content) => assert_eq!(content, b"public", "what the kernel still has"),
            Err(error) => assert!(matches!(error.raw_os_error(), Some(2 | 20 | 40 | 116)), "{error}"),
        }
    }
    let _ = fs::write(m.guest.join("d/new"), "");
    let _ = fs::remove_file(m.guest.join("d/secret"));
    let outside = m.host.parent().unwrap().join("outside/d");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    while open.next().is_some() {}
}

#[test]
fn missing_folders_are_made_without_following_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().canonicalize().unwrap();
    fs::create_dir(top.join("outside")).unwrap();
    let make = |there: &str, names: &[&str]| {
        let names: Vec<&std::ffi::OsStr> = names.iter().map(std::ffi::OsStr::new).collect();
        shares::Share::make_folders(&top.join(there), &names)
    };
    make("", &["a", "b"]).unwrap();
    make("a", &["b", "c"]).unwrap();
    assert!(top.join("a/b/c").is_dir());
    symlink(top.join("outside"), top.join("a/link")).unwrap();
    make("a", &["link", "new"]).unwrap_err();
    make("a/link", &["new"]).unwrap_err();
    assert_eq!(fs::read_dir(top.join("outside")).unwrap().count(), 0);
}
