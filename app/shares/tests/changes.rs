//! What the host changes is seen in the mount, by inotify too; what the mount changes is not told it again.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use shares::Access;
use support::Mounted;
use support::events::Events;

#[test]
fn inotify_tells_of_what_the_host_makes_changes_moves_and_removes() {
    let m = Mounted::new();
    let events = Events::of(&m.guest);
    fs::write(m.host.join("f"), "one").unwrap();
    assert_eq!(events.until("CLOSE_WRITE f"), ["CREATE f", "MODIFY f", "CLOSE_WRITE f"]);
    assert_eq!(fs::read(m.guest.join("f")).unwrap(), b"one");
    fs::OpenOptions::new().append(true).open(m.host.join("f")).unwrap().write_all(b" two").unwrap();
    assert_eq!(events.until("CLOSE_WRITE f"), ["MODIFY f", "CLOSE_WRITE f"]);
    assert_eq!(fs::read(m.guest.join("f")).unwrap(), b"one two");
    fs::set_permissions(m.host.join("f"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(events.until("ATTRIB f"), ["ATTRIB f"]);
    fs::rename(m.host.join("f"), m.host.join("g")).unwrap();
    assert_eq!(events.until("MOVED_TO g"), ["MOVED_FROM f", "MOVED_TO g"]);
    assert_eq!(fs::read(m.guest.join("g")).unwrap(), b"one two");
    assert!(!m.guest.join("f").exists());
    fs::remove_file(m.host.join("g")).unwrap();
    assert_eq!(events.until("DELETE g"), ["DELETE g"]);
    assert!(!m.guest.join("g").exists());
    fs::create_dir(m.host.join("d")).unwrap();
    assert_eq!(events.until("CREATE d"), ["CREATE d"]);
    let below = Events::of(&m.guest.join("d"));
    std::os::unix::fs::symlink("nowhere", m.host.join("d/link")).unwrap();
    assert_eq!(below.until("CREATE link"), ["CREATE link"]);
    assert_eq!(fs::read_link(m.guest.join("d/link")).unwrap().to_str(), Some("nowhere"));
    fs::remove_file(m.host.join("d/link")).unwrap();
    below.until("DELETE link");
    fs::remove_dir(m.host.join("d")).unwrap();
    assert_eq!(events.until("DELETE d"), ["DELETE d"]);
    assert_eq!(below.until("DELETE_SELF "), ["DELETE_SELF "]);
}

#[test]
fn what_lies_deep_is_told_of_as_well() {
    let m = Mounted::of(Access::ReadWrite, |dir| {
        fs::create_dir_all(dir.join("host/a/b/c")).unwrap();
        fs::write(dir.join("host/a/b/c/old"), "x").unwrap();
        "host".into()
    });
    let (deep, top) = (Events::of(&m.guest.join("a/b/c")), Events::of(&m.guest));
    // Nobody in the mount has looked at this file yet.
    fs::remove_file(m.host.join("a/b/c/old")).unwrap();
    assert_eq!(deep.until("DELETE old"), ["DELETE old"]);
    // As editors save: a new file takes the place of the old one.
    fs::write(m.host.join("a/b/c/f"), "one").unwrap();
    deep.until("CLOSE_WRITE f");
    let file = Events::of(&m.guest.join("a/b/c/f"));
    fs::write(m.host.join("a/b/c/f.new"), "two").unwrap();
    assert_eq!(deep.until("CLOSE_WRITE f.new"), ["CREATE f.new", "MODIFY f.new", "CLOSE_WRITE f.new"]);
    fs::rename(m.host.join("a/b/c/f.new"), m.host.join("a/b/c/f")).unwrap();
    assert_eq!(deep.until("MOVED_TO f"), ["MOVED_FROM f.new", "MOVED_TO f"]);
    assert_eq!(fs::read(m.guest.join("a/b/c/f")).unwrap(), b"two");
    file.until("DELETE_SELF ");
    // At once: the new file may have its last name before anybody is told of its first, but what counts is told.
    let file = Events::of(&m.guest.join("a/b/c/f"));
    fs::write(m.host.join("a/b/c/f.new"), "three").unwrap();
    fs::rename(m.host.join("a/b/c/f.new"), m.host.join("a/b/c/f")).unwrap();
    assert!(deep.until("MOVED_TO f").ends_with(&["MOVED_FROM f.new".into(), "MOVED_TO f".into()]));
    assert_eq!(fs::read(m.guest.join("a/b/c/f")).unwrap(), b"three");
    file.until("DELETE_SELF ");
    // A folder moves with all that is in it, and what is watched stays so.
    fs::rename(m.host.join("a"), m.host.join("z")).unwrap();
    assert_eq!(top.until("MOVED_TO z"), ["MOVED_FROM a", "MOVED_TO z"]);
    fs::write(m.host.join("z/b/c/late"), "").unwrap();
    assert_eq!(deep.until("CLOSE_WRITE late"), ["CREATE late", "CLOSE_WRITE late"]);
    // From one folder to another.
    let mid = Events::of(&m.guest.join("z/b"));
    fs::rename(m.host.join("z/b/c/late"), m.host.join("z/b/late")).unwrap();
    assert_eq!(deep.until("MOVED_FROM late"), ["MOVED_FROM late"]);
    assert_eq!(mid.until("MOVED_TO late"), ["MOVED_TO late"]);
}

/// The same is done in the mount and in a folder of this computer's own: inotify tells the same of both.
#[test]
fn what_the_mount_does_is_told_once() {
    let m = Mounted::new();
    let plain = tempfile::tempdir().unwrap();
    let work = |at: &Path| {
        let events = Events::of(at);
        for round in 0..20 {
            let (file, other) = (at.join("f"), at.join("other"));
            fs::write(&file, format!("{round}")).unwrap();
            fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"more").unwrap();
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
            fs::rename(&file, &other).unwrap();
            fs::hard_link(&other, at.join("hard")).unwrap();
            fs::remove_file(at.join("hard")).unwrap();
            fs::remove_file(&other).unwrap();
            fs::create_dir(at.join("d")).unwrap();
            fs::remove_dir(at.join("d")).unwrap();
        }
        events
    };
    let (own, mounted) = (work(plain.path()), work(&m.guest));
    fs::write(plain.path().join("last"), "").unwrap();
    fs::write(m.host.join("last"), "").unwrap();
    assert_eq!(mounted.until("CREATE last"), own.until("CREATE last"));
}

#[test]
fn one_file_that_is_shared_tells_of_what_an_editor_does() {
    let m = Mounted::of(Access::ReadWrite, |dir| {
        fs::write(dir.join("host/config"), "one").unwrap();
        "host/config".into()
    });
    let events = Events::of(&m.guest);
    fs::write(m.host.join("beside"), "nobody's").unwrap();
    fs::write(m.host.join("config.new"), "two").unwrap();
    fs::rename(m.host.join("config.new"), m.host.join("config")).unwrap();
    assert_eq!(events.until("MODIFY "), ["MODIFY "]);
    assert_eq!(fs::read(&m.guest).unwrap(), b"two");
}

#[test]
fn a_read_only_share_tells_too() {
    let m = Mounted::of(Access::ReadOnly, |_| "host".into());
    let events = Events::of(&m.guest);
    fs::write(m.host.join("f"), "x").unwrap();
    assert_eq!(events.until("CLOSE_WRITE f"), ["CREATE f", "MODIFY f", "CLOSE_WRITE f"]);
    fs::remove_file(m.host.join("f")).unwrap();
    assert_eq!(events.until("DELETE f"), ["DELETE f"]);
}

/// A thousand of everything: what is told last is right, and nothing waits for ever.
#[test]
fn a_thousand_changes_at_once_are_told_in_their_order() {
    let m = Mounted::new();
    let events = Events::of(&m.guest);
    for number in 0..1000 {
        fs::write(m.host.join(format!("f{number}")), "x").unwrap();
    }
    let made = events.until("CLOSE_WRITE f999");
    let made: Vec<_> = made.iter().filter(|word| word.starts_with("CREATE")).collect();
    assert_eq!(made.len(), 1000);
    assert!(made.iter().enumerate().all(|(number, word)| **word == format!("CREATE f{number}")));
    assert_eq!(fs::read_dir(&m.guest).unwrap().count(), 1000);
    for number in 0..1000 {
        fs::remove_file(m.host.join(format!("f{number}"))).unwrap();
    }
    events.until("DELETE f999");
    assert_eq!(fs::read_dir(&m.guest).unwrap().count(), 0);
}

/// It is somewhere in the share that nobody in the mount has looked at: who is in it stays in it.
#[test]
fn a_folder_that_leaves_lives_on() {
    let m = Mounted::of(Access::ReadWrite, |dir| {
        fs::create_dir_all(dir.join("host/d")).unwrap();
        fs::create_dir_all(dir.join("host/unknown")).unwrap();
        fs::write(dir.join("host/d/f"), "here").unwrap();
        "host".into()
    });
    let (top, below) = (Events::of(&m.guest), Events::of(&m.guest.join("d")));
    let open = fs::File::open(m.guest.join("d")).unwrap();
    fs::rename(m.host.join("d"), m.host.join("unknown/d")).unwrap();
    fs::write(m.host.join("last"), "").unwrap();
    assert_eq!(top.until("CLOSE_WRITE last"), ["CREATE last", "CLOSE_WRITE last"]);
    assert!(!m.guest.join("d").exists());
    assert_eq!(fs::read(m.guest.join("unknown/d/f")).unwrap(), b"here");
    let file = rustix::fs::openat(&open, "f", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    assert!(file.is_ok(), "by what was open before: {file:?}");
    fs::write(m.host.join("unknown/d/late"), "").unwrap();
    assert_eq!(below.until("CLOSE_WRITE late"), ["CREATE late", "CLOSE_WRITE late"]);
}

#[test]
fn a_pipe_is_not_opened_because_the_host_has_closed_its_own() {
    use std::os::unix::fs::OpenOptionsExt;
    let m = Mounted::new();
    let events = Events::of(&m.guest);
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, m.host.join("pipe"), fifo, mode, 0).unwrap();
    events.until("CREATE pipe");
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let reader = fs::OpenOptions::new().read(true).custom_flags(flags).open(m.guest.join("pipe")).unwrap();
    drop(fs::OpenOptions::new().read(true).write(true).open(m.host.join("pipe")).unwrap());
    fs::write(m.host.join("last"), "").unwrap();
    events.until("CLOSE_WRITE last");
    let mut poll = [PollFd::new(&reader, PollFlags::IN)];
    rustix::event::poll(&mut poll, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
    assert_eq!(poll[0].revents(), PollFlags::empty(), "nobody has written to it, and left");
}

#[test]
fn of_what_is_hidden_nobody_is_told() {
    let m = Mounted::without(|dir| vec![dir.join("host/secret")]);
    let events = Events::of(&m.guest);
    fs::write(m.host.join("secret"), "").unwrap();
    fs::rename(m.host.join("secret"), m.host.join("shown")).unwrap();
    fs::rename(m.host.join("shown"), m.host.join("secret")).unwrap();
    fs::remove_file(m.host.join("secret")).unwrap();
    fs::write(m.host.join("last"), "").unwrap();
    let told = events.until("CLOSE_WRITE last");
    assert!(told.iter().all(|word| !word.contains("secret")), "{told:?}");
}

/// Every kind of change that is lost with a relay in the middle of it: the next relay does none of it on the host.
#[test]
fn what_a_relay_leaves_half_repeated_is_not_done_on_the_host() {
    const LOOK_UP: u32 = 1;
    const SET_ATTR: u32 = 4;
    const MAKE: u32 = 8;
    const UNLINK: u32 = 10;
    const RENAME: u32 = 12;
    let m = Mounted::new();
    let events = Events::of(&m.guest);
    let file = m.host.join("f");
    let end_of = |what: &str, opcode: u32, change: &dyn Fn(), meanwhile: &dyn Fn()| {
        m.relay.loses(opcode);
        change();
        m.relay.has_lost();
        meanwhile();
        m.relay.begins_anew();
        fs::write(m.host.join(what), "").unwrap();
        events.until(&format!("CLOSE_WRITE {what}"));
    };
    let write = |text: &'static str| fs::write(&file, text).unwrap();
    let content = || fs::read_to_string(&file).unwrap_or_default();
    end_of("made", MAKE, &|| write("one"), &|| fs::remove_file(&file).unwrap());
    assert!(!file.exists());
    write("one");
    events.until("CLOSE_WRITE f");
    assert_eq!(fs::read_to_string(m.guest.join("f")).unwrap(), "one");
    end_of("unlinked", UNLINK, &|| fs::remove_file(&file).unwrap(), &|| write("two"));
    assert_eq!(content(), "two", "made anew, and not removed");
    let longer = || fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b" and more").unwrap();
    end_of("truncated", SET_ATTR, &longer, &longer);
    assert_eq!(content(), "two and more and more", "not cut off");
    let temporary = m.host.join("temporary");
    fs::write(&temporary, "three").unwrap();
    events.until("CLOSE_WRITE temporary");
    let rename = || fs::rename(&temporary, &file).unwrap();
    end_of("renamed", RENAME, &rename, &|| fs::write(&temporary, "half").unwrap());
    assert_eq!((content(), fs::read_to_string(&temporary).unwrap()), ("three".into(), "half".into()));
    end_of("looked", LOOK_UP, &|| fs::remove_file(&file).unwrap(), &|| write("four"));
    assert_eq!(content(), "four");
}
