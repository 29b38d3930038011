//! What the kernel need not ask.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use support::Mounted;
use support::events::Events;

/// Opcodes (`enum fuse_opcode`).
const FLUSH: usize = 25;
const READ_DIRECTORY: usize = 28;
const READ_DIRECTORY_PLUS: usize = 44;

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// As if the host had changed it last at that time, which the mount sees when this returns.
fn changed(host: &Path, guest: &Path, at: SystemTime) {
    File::open(host).unwrap().set_modified(at).unwrap();
    let begun = Instant::now();
    while fs::metadata(guest).unwrap().modified().unwrap() != at {
        assert!(begun.elapsed() < Duration::from_secs(60), "the mount does not see it");
        std::thread::yield_now();
    }
}

#[test]
fn the_end_of_each_use_of_a_file_is_not_told() {
    let m = Mounted::new();
    for round in 0..10 {
        fs::write(m.guest.join("f"), round.to_string()).unwrap();
        assert_eq!(fs::read_to_string(m.host.join("f")).unwrap(), round.to_string());
    }
    assert!(m.relay.asked(FLUSH) <= 1, "{}", m.relay.asked(FLUSH));
}

#[test]
fn a_list_is_kept_until_something_changes() {
    const HOUR: Duration = Duration::from_secs(3600);
    let m = Mounted::new();
    let (host, guest) = (m.host.join("d"), m.guest.join("d"));
    fs::create_dir(&host).unwrap();
    let events = Events::of(&guest);
    let mut all: BTreeSet<String> = (0..300).map(|nth| format!("file {nth}")).collect();
    all.iter().for_each(|name| drop(File::create(host.join(name)).unwrap()));
    // What is repeated in the mount changes the folder there, too.
    events.until(&format!("CLOSE_WRITE {}", all.last().unwrap()));
    let asked = || m.relay.asked(READ_DIRECTORY) + m.relay.asked(READ_DIRECTORY_PLUS);
    // Changed in a moment that is not over: another change would look the same.
    changed(&host, &guest, SystemTime::now() + HOUR);
    for _ in 0..3 {
        let before = asked();
        assert_eq!(names(&guest), all);
        assert!(asked() > before);
    }
    changed(&host, &guest, SystemTime::now() - HOUR);
    assert_eq!(names(&guest), all);
    let before = asked();
    for _ in 0..3 {
        assert_eq!(names(&guest), all);
    }
    assert_eq!(asked(), before);
    // The host changes it, and the mount.
    fs::write(host.join("of the host"), "").unwrap();
    events.until("CLOSE_WRITE of the host");
    all.insert("of the host".into());
    assert_eq!(names(&guest), all);
    fs::remove_file(host.join("file 7")).unwrap();
    events.until("DELETE file 7");
    all.remove("file 7");
    assert_eq!(names(&guest), all);
    changed(&host, &guest, SystemTime::now() - HOUR);
    assert_eq!(names(&guest), all);
    assert_eq!(names(&guest), all);
    fs::rename(guest.join("file 8"), guest.join("renamed")).unwrap();
    fs::write(guest.join("of the guest"), "").unwrap();
    all.remove("file 8");
    all.extend(["renamed".into(), "of the guest".into()]);
    assert_eq!(names(&guest), all);
}
