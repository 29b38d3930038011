//! What several programs do with the same files at once, over a real mount: two containers of one folder have one mount.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use support::{Mounted, Server};

/// How many do it at once.
const MANY: usize = 8;

/// Each of `MANY` threads of the mount's namespace does it, all from the same moment on.
fn at_once<T: Send>(what: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(MANY);
    std::thread::scope(|scope| {
        let (begin, what) = (&begin, &what);
        let threads: Vec<_> = (0..MANY)
            .map(|number| {
                scope.spawn(move || {
                    begin.wait();
                    what(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn what_all_append_is_whole() {
    const LINES: usize = 200;
    let m = Mounted::by(Server::User);
    File::create(m.guest.join("log")).unwrap();
    at_once(|number| {
        // One of them is the host's own.
        let side = if number == 0 { &m.host } else { &m.guest };
        let mut log = OpenOptions::new().append(true).open(side.join("log")).unwrap();
        for line in 0..LINES {
            log.write_all(format!("{number} {line} {}\n", "x".repeat(line)).as_bytes()).unwrap();
        }
    });
    let log = fs::read_to_string(m.host.join("log")).unwrap();
    for number in 0..MANY {
        let own: Vec<&str> = log.lines().filter(|line| line.starts_with(&format!("{number} "))).collect();
        let wanted: Vec<String> = (0..LINES).map(|line| format!("{number} {line} {}", "x".repeat(line))).collect();
        assert_eq!(own, wanted, "none is lost, none is within another");
    }
    assert_eq!(log.lines().count(), MANY * LINES);
    assert!(fs::read_to_string(m.guest.join("log")).unwrap() == log);
}

#[test]
fn one_of_all_makes_it() {
    let m = Mounted::by(Server::User);
    for round in 0..50 {
        let name = format!("lock{round}");
        let made = at_once(|number| {
            let side = if number == 0 { &m.host } else { &m.guest };
            match OpenOptions::new().write(true).create_new(true).open(side.join(&name)) {
                Ok(_) => 1,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => 0,
                Err(error) => panic!("{error}"),
            }
        });
        assert_eq!(made.iter().sum::<usize>(), 1, "{name}");
        let folder = format!("folder{round}");
        let made = at_once(|_| usize::from(fs::create_dir(m.guest.join(&folder)).is_ok()));
        assert_eq!(made.iter().sum::<usize>(), 1, "{folder}");
    }
}

/// A reader finds the old content or the new one, and never none: so programs replace their files.
#[test]
fn what_is_renamed_over_is_there_all_the_time() {
    let m = Mounted::by(Server::User);
    let [old, new] = ["1".repeat(10_000), "2".repeat(9_999)];
    fs::write(m.guest.join("f"), &old).unwrap();
    let mut open = File::open(m.guest.join("f")).unwrap();
    at_once(|number| {
        for round in 0..100 {
            match number {
                0 | 1 => {
                    let (side, own) = (if number == 0 { &m.host } else { &m.guest }, format!("f.{number}"));
                    fs::write(side.join(&own), if round % 2 == 0 { &new } else { &old }).unwrap();
                    older_than_the_clock_tells(&side.join(&own));
                    fs::rename(side.join(&own), side.join("f")).unwrap();
                }
                _ => {
                    let now = read_again(&m.guest.join("f"));
                    assert!(now == old || now == new, "{} bytes", now.len());
                }
            }
        }
    });
    let mut was = String::new();
    open.read_to_string(&mut was).unwrap();
    assert!(was == old, "what is open stays what it was");
}

/// Returns when the next file has another time of birth. One that the host makes before, with the inode of one that is gone, may be taken for
/// that one (docs/decisions/0053-a-file-is-told-by-when-it-was-made.md).
fn older_than_the_clock_tells(path: &Path) {
    const TICKS: Duration = Duration::from_millis(20);
    let made = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).modified().unwrap();
    while SystemTime::now() < made + TICKS {
        std::thread::yield_now();
    }
}

/// As programs do: a file that the host has replaced since its name was looked up is looked up again.
fn read_again(path: &Path) -> String {
    const STALE: i32 = 116;
    loop {
        match fs::read_to_string(path) {
            Err(error) if error.raw_os_error() == Some(STALE) => {}
            read => return read.unwrap(),
        }
    }
}

#[test]
fn names_that_differ_in_case_are_different_names() {
    let m = Mounted::by(Server::User);
    for (name, content) in
        [("Readme", "1"), ("README", "2"), ("readme", "3"), ("Ä", "4"), ("ä", "5"), ("A\u{308}", "6")]
    {
        assert_eq!(fs::metadata(m.guest.join(name)).unwrap_err().kind(), ErrorKind::NotFound, "{name}");
        fs::write(m.guest.join(name), content).unwrap();
    }
    fs::rename(m.guest.join("readme"), m.guest.join("ReadMe")).unwrap();
    let wanted = [("Readme", "1"), ("README", "2"), ("ReadMe", "3"), ("Ä", "4"), ("ä", "5"), ("A\u{308}", "6")];
    for (name, content) in wanted {
        for side in [&m.host, &m.guest] {
            assert_eq!(fs::read_to_string(side.join(name)).unwrap(), content, "{name}");
        }
    }
    assert_eq!(fs::read_dir(&m.guest).unwrap().count(), wanted.len());
}

/// Locks of records, which databases use: those of open files, which are two containers' to each other.
#[test]
fn records_are_locked_for_all_but_one() {
    let m = Mounted::by(Server::User);
    let open =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(m.guest.join("db")).unwrap();
    let (one, other) = (open(), open());
    let lock = |file: &File, kind: libc::c_int, start: i64| {
        // SAFETY: a structure of numbers, all of which may be zero.
        let mut record: libc::flock = unsafe { std::mem::zeroed() };
        (record.l_type, record.l_start, record.l_len) = (kind as _, start, 10);
        // SAFETY: an open descriptor and a structure that outlives the call.
        match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const record) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error().kind()),
        }
    };
    lock(&one, libc::F_WRLCK, 0).unwrap();
    assert_eq!(lock(&other, libc::F_WRLCK, 5).unwrap_err(), ErrorKind::WouldBlock);
    assert_eq!(lock(&other, libc::F_RDLCK, 9).unwrap_err(), ErrorKind::WouldBlock);
    lock(&other, libc::F_WRLCK, 10).unwrap();
    lock(&one, libc::F_RDLCK, 0).unwrap();
    lock(&other, libc::F_RDLCK, 0).unwrap();
    drop(one);
    lock(&other, libc::F_WRLCK, 0).unwrap();
}

/// A shared map of the first 64 KiB of a file.
struct Map(*mut libc::c_void);

impl Map {
    const LENGTH: usize = 64 << 10;

    fn of(file: &File) -> Map {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: an open file, and an address that the kernel chooses.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), Map::LENGTH, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(at, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Map(at)
    }

    fn put(&self, at: usize, byte: u8) {
        assert!(at < Map::LENGTH);
        // SAFETY: within the map; nobody has a reference to it.
        unsafe { self.0.cast::<u8>().add(at).write_volatile(byte) };
    }

    fn get(&self, at: usize) -> u8 {
        assert!(at < Map::LENGTH);
        // SAFETY: as above.
        unsafe { self.0.cast::<u8>().add(at).read_volatile() }
    }

    fn sync(&self) {
        // SAFETY: the map, whole.
        assert_eq!(unsafe { libc::msync(self.0, Map::LENGTH, libc::MS_SYNC) }, 0);
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `of`, and nothing of it is used after this.
        unsafe { libc::munmap(self.0, Map::LENGTH) };
    }
}

#[test]
fn what_one_maps_the_other_sees() {
    let m = Mounted::by(Server::User);
    let open =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(m.guest.join("f")).unwrap();
    let (one, other) = (open(), open());
    one.set_len(Map::LENGTH as u64).unwrap();
    let (here, there) = (Map::of(&one), Map::of(&other));
    here.put(5000, b'a');
    assert_eq!(there.get(5000), b'a', "at once in all containers");
    other.write_all_at(b"b", 5001).unwrap();
    assert_eq!(here.get(5001), b'b');
    here.sync();
    let on_host = fs::read(m.host.join("f")).unwrap();
    assert_eq!((on_host.len(), &on_host[5000..5002]), (Map::LENGTH, &b"ab"[..]), "on the host once it is told to");
    // What was only written goes there at the latest when the map is gone and the file closed.
    there.put(60_000, b'c');
    drop((here, there, one, other));
    assert_eq!(fs::read(m.host.join("f")).unwrap()[60_000], b'c');
    let file = open();
    OpenOptions::new().write(true).open(m.host.join("f")).unwrap().write_all_at(b"host", 5000).unwrap();
    let begin = std::time::Instant::now();
    let mut seen = [0; 4];
    while seen != *b"host" {
        assert!(begin.elapsed() < std::time::Duration::from_secs(60), "the host's change is not seen");
        file.metadata().unwrap();
        file.read_exact_at(&mut seen, 5000).unwrap();
    }
}

/// The kernel's word for it comes from the host, what is there stays whole, and with room again all goes on.
#[test]
fn a_full_disk_of_the_host_is_told_and_nothing_is_lost() {
    const FULL: i32 = 28;
    let m = Mounted::of(shares::Access::ReadWrite, |dir| {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        // SAFETY: nothing of this thread's file system is shared with others that would be surprised.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let room = c"size=4m,nr_inodes=64";
        mount("berth", dir.join("host"), "tmpfs", MountFlags::empty(), Some(room)).unwrap();
        "host".into()
    });
    fs::write(m.guest.join("kept"), "kept").unwrap();
    let mut file = File::create(m.guest.join("f")).unwrap();
    let piece = vec![7; 64 << 10];
    let mut written = 0_u64;
    let error = loop {
        match file.write(&piece) {
            Ok(count) => written += count as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(FULL));
    assert!(written > 3 << 20, "{written}");
    for side in [&m.host, &m.guest] {
        let there = fs::read(side.join("f")).unwrap();
        assert!(there.len() as u64 == written && there.iter().all(|byte| *byte == 7), "what was told as written");
    }
    assert_eq!(
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 16 << 20),
        Err(rustix::io::Errno::NOSPC)
    );
    let left = rustix::fs::statvfs(&m.guest).unwrap();
    assert_eq!(left.f_bavail, 0);
    // Names, too: what could not be made is not there.
    let made = (0..)
        .map(|number| File::create(m.guest.join(format!("n{number}"))))
        .take_while(|made| made.as_ref().inspect_err(|error| assert_eq!(error.raw_os_error(), Some(FULL))).is_ok());
    let made = made.count();
    assert!(!m.host.join(format!("n{made}")).exists() && !m.guest.join(format!("n{made}")).exists());
    assert_eq!(fs::create_dir(m.guest.join("d")).unwrap_err().raw_os_error(), Some(FULL));
    assert_eq!(fs::read(m.guest.join("kept")).unwrap(), b"kept");
    fs::rename(m.guest.join("kept"), m.guest.join("moved")).unwrap();
    file.set_len(0).unwrap();
    fs::remove_file(m.guest.join("n0")).unwrap();
    fs::write(m.guest.join("moved"), &piece).unwrap();
    fs::create_dir(m.guest.join("d")).unwrap();
    file.write_all_at(&piece, 0).unwrap();
    assert_eq!(fs::metadata(m.host.join("f")).unwrap().size(), piece.len() as u64);
}
