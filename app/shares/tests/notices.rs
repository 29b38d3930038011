//! What a guest is told, by requests that the test makes itself.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use control::notice::{self, Notice};
use shares::{Access, Share};

/// Requests by hand, as the kernel sends them.
struct Guest(Arc<Share>);

impl Guest {
    fn of(dir: &Path) -> Guest {
        Guest(Arc::new(Share::open(&dir.canonicalize().unwrap(), Access::ReadWrite).unwrap()))
    }

    fn ask(&self, opcode: u32, node: u64, argument: &[u8]) -> Option<Vec<u8>> {
        let mut message = (40 + argument.len() as u32).to_le_bytes().to_vec();
        message.extend(opcode.to_le_bytes());
        message.extend(9_u64.to_le_bytes());
        message.extend(node.to_le_bytes());
        message.extend([0; 16]);
        message.extend(argument);
        self.0.answer(&message).unwrap()
    }

    /// The same, of somebody of the group.
    fn ask_as(&self, gid: u32, opcode: u32, node: u64, argument: &[u8]) -> i32 {
        let mut message = (40 + argument.len() as u32).to_le_bytes().to_vec();
        message.extend(opcode.to_le_bytes());
        message.extend(10_u64.to_le_bytes());
        message.extend(node.to_le_bytes());
        message.extend([0; 4]);
        message.extend(gid.to_le_bytes());
        message.extend([0; 8]);
        message.extend(argument);
        let answer = self.0.answer(&message).unwrap().unwrap();
        i32::from_le_bytes(answer[4..8].try_into().unwrap())
    }

    /// A node, and for how many seconds its name and its attributes are good.
    fn look_up(&self, parent: u64, name: &[u8]) -> (u64, u64, u64) {
        let answer = self.ask(1, parent, &[name, b"\0"].concat()).unwrap();
        let number = |at: usize| u64::from_le_bytes(answer[16 + at..24 + at].try_into().unwrap());
        (number(0), number(16), number(24))
    }
}

#[test]
fn what_is_repeated_without_a_notice_changes_nothing() {
    const UNLINK: u32 = 10;
    const EPERM: i32 = -1;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "").unwrap();
    let guest = Guest::of(dir.path());
    assert_eq!(guest.ask_as(notice::GROUP, UNLINK, 1, b"f\0"), EPERM);
    assert!(dir.path().join("f").exists());
    assert_eq!(guest.ask_as(notice::GROUP - 1, UNLINK, 1, b"f\0"), 0);
    assert!(!dir.path().join("f").exists());
}

#[test]
fn what_is_watched_is_good_for_long_and_the_rest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/f"), "").unwrap();
    fs::write(dir.path().join("d/linked"), "").unwrap();
    fs::hard_link(dir.path().join("d/linked"), dir.path().join("elsewhere")).unwrap();
    let guest = Guest::of(dir.path());
    let (folder, name, attributes) = guest.look_up(1, b"d");
    assert_eq!((name, attributes), (1, 1), "nobody is told");
    let listening = guest.0.listen().unwrap();
    assert_eq!(guest.look_up(1, b"d"), (folder, 10, 10));
    let (_, name, attributes) = guest.look_up(folder, b"f");
    assert_eq!((name, attributes), (10, 10));
    assert_eq!(guest.look_up(folder, b"none"), (0, 10, 0));
    let (_, name, attributes) = guest.look_up(folder, b"linked");
    assert_eq!((name, attributes), (10, 1), "it may be changed by its other name");
    drop(listening);
    let (_, name, attributes) = guest.look_up(folder, b"f");
    assert_eq!((name, attributes), (1, 1));
    assert_eq!(guest.look_up(folder, b"none"), (0, 1, 0));
}

#[test]
fn who_listens_anew_is_told_to_ask_for_everything() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "").unwrap();
    let guest = Guest::of(dir.path());
    let mut first = guest.0.listen().unwrap();
    Notice::parse(&first.blocking_next().unwrap()).unwrap();
    guest.look_up(1, b"f");
    guest.look_up(1, b"none");
    let mut second = guest.0.listen().unwrap();
    let all = Notice::parse(&second.blocking_next().unwrap()).unwrap();
    let names = |of: &[u8]| {
        all.invalid.iter().any(|message| message.windows(of.len() + 1).any(|part| part == [of, b"\0"].concat()))
    };
    assert!(names(b"f") && names(b"none") && !names(b"other"));
    assert!(all.invalid.len() >= 4 && all.operation.is_none());
    assert_eq!(first.blocking_next(), None);
}

#[test]
fn who_writes_without_a_pause_empties_nobody_elses_caches() {
    let dir = tempfile::tempdir().unwrap();
    let guest = Guest::of(dir.path());
    let mut listening = guest.0.listen().unwrap();
    for name in ["busy", "other"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let (busy, ..) = guest.look_up(1, b"busy");
    let (other, ..) = guest.look_up(1, b"other");
    let mut file = fs::OpenOptions::new().append(true).open(dir.path().join("busy")).unwrap();
    for _ in 0..100_000 {
        file.write_all(b"x").unwrap();
        // So that the host's kernel does not take two writes for one.
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    fs::write(dir.path().join("last"), "").unwrap();
    let (mut contents, mut is_last) = ([0, 0], false);
    while !is_last {
        let notice = Notice::parse(&listening.blocking_next().unwrap()).unwrap();
        for message in &notice.invalid {
            let number = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().unwrap());
            let (is_inode, offset) = (message[4] == 2, number(24));
            for (count, node) in contents.iter_mut().zip([busy, other]) {
                *count += usize::from(is_inode && offset == 0 && number(16) == node);
            }
        }
        is_last = matches!(&notice.operation, Some(notice::Operation::Make { name, .. }) if name == b"last");
        assert_eq!(guest.0.answer(&notice::acknowledgement(notice.number)).unwrap(), None);
    }
    let [busy, other] = contents;
    assert!(busy > 0 && busy < 20_000, "{busy}");
    assert_eq!(other, 0);
}

#[test]
fn what_the_kernel_forgets_is_watched_no_more() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let guest = Guest::of(dir.path());
    let _listening = guest.0.listen().unwrap();
    // By inode, because other tests of this process watch as well.
    let watched = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let inode = format!("ino:{:x} ", fs::metadata(dir.path().join(name)).unwrap().ino());
        let infos = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
        infos.filter_map(|info| fs::read_to_string(info.path()).ok()).any(|info| info.contains(&inode))
    };
    let (a, ..) = guest.look_up(1, b"a");
    assert!(watched("a") && !watched("b"));
    guest.look_up(1, b"a");
    assert_eq!(guest.ask(2, a, &1_u64.to_le_bytes()), None);
    assert!(watched("a"), "it is known by one look-up still");
    guest.ask(2, a, &1_u64.to_le_bytes());
    assert!(!watched("a"));
}
