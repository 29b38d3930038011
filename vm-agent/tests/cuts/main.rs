//! The link, or the relay, ends in the middle of what a program does in a folder of the host's: each kind of request, at each moment. It
//! goes on when that is back, is done once, and says what it would have said.
//!
//! The whole way but for the machine: this computer's kernel, the relay, the link's session, the host's server. Needs root.

mod host;
mod operations;
mod way;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::Moment;
use way::{End, Way, begin};

/// Whether a case that ends relays is tried: once a flush was never answered, and a program that was being started from the folder held all of
/// the computer's readers of processes up. Why is not known; until it is, only the long run tries them.
fn is_tried(name: &str) -> bool {
    let is_long = std::env::var_os("BERTH_TEST_ALL").is_some();
    if !is_long {
        println!("SKIPPED: {name}: it hung once and is tried in the long run only");
    }
    is_long
}

fn all(end: End, moment: Moment) {
    let mut way = Way::new(Some((end, moment)));
    for (number, operation) in operations::ALL.iter().enumerate() {
        println!("{}", operation.name);
        let folder = format!("{number}");
        let (on_host, in_guest) = (way.host.join(&folder), way.guest.join(&folder));
        fs::create_dir(&on_host).unwrap();
        (operation.prepare)(&on_host);
        let done =
            way.cut(operation.opcode, (end, moment), move || std::panic::catch_unwind(|| (operation.run)(&in_guest)));
        assert!(done.is_ok(), "{}: {end:?} ended at {moment:?}", operation.name);
        (operation.done)(&on_host);
    }
    // What was asked twice is open once, and closed.
    let begun = Instant::now();
    while !way.open_files().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "still open: {:?}", way.open_files());
        std::thread::yield_now();
    }
}

#[test]
fn link_ends_while_a_request_arrives() {
    all(End::Link, Moment::HalfAsked);
}

#[test]
fn link_ends_before_it_is_done() {
    all(End::Link, Moment::Asked);
}

#[test]
fn link_ends_when_it_is_done() {
    all(End::Link, Moment::Done);
}

#[test]
fn link_ends_while_it_is_answered() {
    all(End::Link, Moment::HalfAnswered);
}

#[test]
fn relay_ends_before_it_is_done() {
    if !is_tried("relay_ends_before_it_is_done") {
        return;
    }
    all(End::Relay, Moment::Asked);
}

#[test]
fn relay_ends_when_it_is_done() {
    if !is_tried("relay_ends_when_it_is_done") {
        return;
    }
    all(End::Relay, Moment::Done);
}

#[test]
fn relay_ends_while_it_is_answered() {
    if !is_tried("relay_ends_while_it_is_answered") {
        return;
    }
    all(End::Relay, Moment::HalfAnswered);
}

/// Nothing says when the link will be back: a program waits as for a slow disk, and is gone when it is killed.
#[test]
fn who_waits_for_a_link_that_is_away_can_be_killed_or_goes_on() {
    let mut way = Way::new(None);
    fs::write(way.host.join("f"), "here").unwrap();
    way.disconnect();
    let file = way.guest.join("f");
    let killed = Command::new("cat").arg(&file).stdout(Stdio::null()).spawn().unwrap();
    let mut goes_on = Command::new("cat").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
    let waits = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        status.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['D', 'S']))
            && fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|at| at.contains("request_wait"))
    };
    let begun = Instant::now();
    while !waits(killed.id()) && begun.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    let done = begin(move || {
        let mut killed = killed;
        killed.kill().unwrap();
        killed.wait().unwrap()
    });
    assert_eq!(way.awaited(&done).signal(), Some(9));
    way.connect();
    let done = begin(move || {
        let mut said = String::new();
        goes_on.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        (said, goes_on.wait().unwrap().success())
    });
    assert_eq!(way.awaited(&done), ("here".to_owned(), true));
}

#[test]
fn open_files_go_on_over_another_relay() {
    if !is_tried("open_files_go_on_over_another_relay") {
        return;
    }
    let mut way = Way::new(None);
    let (on_host, in_guest) = (way.host.clone(), way.guest.clone());
    fs::write(on_host.join("gone"), "no name").unwrap();
    let mut log = OpenOptions::new().append(true).create(true).open(in_guest.join("log")).unwrap();
    let mut gone = File::open(in_guest.join("gone")).unwrap();
    fs::remove_file(in_guest.join("gone")).unwrap();
    let mut list = fs::read_dir(&in_guest).unwrap();
    for round in 0..3 {
        log.write_all(b"x").unwrap();
        way.kill_relay();
        way.connect();
        assert_eq!(fs::read(on_host.join("log")).unwrap().len(), round + 1);
    }
    let done = begin(move || {
        let mut content = String::new();
        gone.read_to_string(&mut content).unwrap();
        log.write_all(b"x").unwrap();
        assert_eq!(list.next().unwrap().unwrap().file_name(), "log");
        content
    });
    assert_eq!(way.awaited(&done), "no name");
    assert_eq!(fs::read(on_host.join("log")).unwrap(), b"xxxx");
}

/// What a killed server had open its next one cannot know: that is told at once, and all the rest goes on.
#[test]
fn another_server_refuses_what_was_open_and_finds_the_rest() {
    const LOST: [Option<i32>; 2] = [Some(9), Some(116)];
    let mut way = Way::new(None);
    let (on_host, in_guest) = (way.host.clone(), way.guest.clone());
    fs::create_dir(on_host.join("d")).unwrap();
    fs::write(on_host.join("d/f"), "here").unwrap();
    let mut open = OpenOptions::new().append(true).open(in_guest.join("d/f")).unwrap();
    let mut read = File::open(in_guest.join("d/f")).unwrap();
    way.another_server();
    let done = begin(move || {
        let written = open.write(b"more").unwrap_err();
        let synced = open.sync_all().unwrap_err();
        let content = read.read(&mut [0; 4]).unwrap_err();
        for error in [written, synced, content] {
            assert!(LOST.contains(&error.raw_os_error()), "{error}");
        }
        drop((open, read));
        assert_eq!(fs::read(in_guest.join("d/f")).unwrap(), b"here");
        fs::write(in_guest.join("d/new"), "new").unwrap();
        fs::rename(in_guest.join("d"), in_guest.join("e")).unwrap();
    });
    way.awaited(&done);
    assert_eq!(fs::read(on_host.join("e/f")).unwrap(), b"here");
    assert_eq!(fs::read(on_host.join("e/new")).unwrap(), b"new");
}
