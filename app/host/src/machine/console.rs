//! The guest's serial console on the host: a file per boot, of bounded size, as are the other logs.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use control::LongWork;

use crate::{Error, Result};

/// Beyond this the file is cut while the machine runs; what was in it moves to the file of the boot before.
const LIMIT: u64 = 8 << 20;
/// How much of the end is read to find the last lines.
const TAIL: u64 = 64 << 10;

/// How the agent begins its last line when it cannot boot.
const AGENT_GAVE_UP: &str = "berth-agent: cannot boot: ";
/// In every line of the agent's before its services run, and of their supervisor's.
const AGENT_SPEAKS: &[u8] = b"berth-agent: ";
/// In every line of the relay's, which reads the power button.
const RELAY_SPEAKS: &[u8] = b" relay::";
/// In every line of the engine's own start.
const ENGINE_SPEAKS: &[u8] = b" berth_agent::engine";
/// How the kernel begins its report (kernel/panic.c).
const KERNEL_PANIC: &str = "Kernel panic - not syncing: ";

/// The console of the boot before.
pub fn earlier(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// Begins a new file for a new boot.
pub fn rotate(log: &Path) -> Result<()> {
    match std::fs::rename(log, earlier(log)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .map_err(Error::file("rotate", log))
}

/// Cuts a log that grew beyond its limit; the end of it is kept if there is room for it. Whoever writes it appends, and so goes on at
/// the new end.
pub fn bound(log: &Path) -> Result<()> {
    let Ok(metadata) = std::fs::metadata(log) else { return Ok(()) };
    if metadata.len() <= LIMIT {
        return Ok(());
    }
    let kept = keep_end(log, metadata.len() - LIMIT);
    // On a full disk most of all: this log may be what fills it.
    let file = OpenOptions::new().write(true).open(log).map_err(Error::file("cut", log))?;
    file.set_len(0).map_err(Error::file("cut", log))?;
    kept.map_err(Error::file("copy", log))
}

fn keep_end(log: &Path, from: u64) -> std::io::Result<()> {
    let copied = || {
        let mut file = std::fs::File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        std::io::copy(&mut file.take(LIMIT), &mut std::fs::File::create(earlier(log))?)
    };
    copied().map(drop).inspect_err(|_| {
        // Half of it would take the room that is wanted.
        let _ = std::fs::remove_file(earlier(log));
    })
}

/// Whether the guest came as far as listening to its power button.
pub fn relay_spoke(log: &Path) -> bool {
    contains(&std::fs::read(log).unwrap_or_default(), RELAY_SPEAKS)
}

/// How far a guest has come, as its console tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// At most its kernel.
    Nothing,
    /// The agent, which sets the guest up.
    Agent,
    /// The relay or the engine: the guest is up.
    Services,
}

/// What was heard of the guest of this boot.
pub fn heard(log: &Path) -> Heard {
    let bytes = std::fs::read(log).unwrap_or_default();
    if contains(&bytes, RELAY_SPEAKS) || contains(&bytes, ENGINE_SPEAKS) {
        return Heard::Services;
    }
    if contains(&bytes, AGENT_SPEAKS) { Heard::Agent } else { Heard::Nothing }
}

/// What the console tells of works that take minutes before there is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    None,
    UnderWay(LongWork),
    Done,
}

impl Work {
    pub fn under_way(self) -> Option<LongWork> {
        match self {
            Work::UnderWay(work) => Some(work),
            Work::None | Work::Done => None,
        }
    }
}

/// The latest of such works in this boot.
pub fn work(log: &Path) -> Work {
    let told = |line: &String| {
        LongWork::ALL.into_iter().find_map(|work| match line {
            _ if line.contains(&work.begins()) => Some(Work::UnderWay(work)),
            _ if line.contains(&work.ends()) => Some(Work::Done),
            _ => None,
        })
    };
    last_lines(log, 200).iter().rev().find_map(told).unwrap_or(Work::None)
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

/// The last `count` lines that are not empty, without terminal control; empty when there is no file.
pub fn last_lines(log: &Path, count: usize) -> Vec<String> {
    let Ok(mut file) = std::fs::File::open(log) else { return Vec::new() };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).is_err()
        || file.take(TAIL).read_to_end(&mut bytes).is_err()
    {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().rev().map(plain).filter(|line| !line.is_empty()).take(count).collect();
    lines.reverse();
    lines
}

/// Why the agent could not boot, if it said so at the end of the console.
pub fn agent_gave_up(log: &Path) -> Option<String> {
    last_after(log, AGENT_GAVE_UP)
}

/// Why the kernel stopped, if it said so at the end of the console.
pub fn kernel_panic(log: &Path) -> Option<String> {
    last_after(log, KERNEL_PANIC)
}

/// The rest of the latest line in which `words` are.
fn last_after(log: &Path, words: &str) -> Option<String> {
    let lines = last_lines(log, 200);
    lines.iter().rev().find_map(|line| Some(line.split_once(words)?.1.to_owned()))
}

/// Firmware clears the screen and moves the cursor (ECMA-48 sequences); a log needs only the text.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            if matches!(chars.peek(), Some('[')) {
                chars.next();
                while chars.next_if(|c| !('\x40'..='\x7e').contains(c)).is_some() {}
            }
            // The final byte of the sequence.
            chars.next();
        } else if !c.is_control() || c == '\t' {
            text.push(c);
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_alone_hears_no_button() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        assert!(!relay_spoke(&log));
        std::fs::write(&log, "[    0.9] a kernel\n").unwrap();
        assert!(!relay_spoke(&log));
        std::fs::write(&log, "[    0.9] a kernel\n2026-11-25T22:35:02Z  INFO relay::host: the host said hello\n")
            .unwrap();
        assert!(relay_spoke(&log));
    }

    #[test]
    fn how_far_the_guest_came_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        let mut text = String::new();
        assert_eq!(heard(&log), Heard::Nothing);
        for (line, expected) in [
            ("[    0.9] a kernel", Heard::Nothing),
            ("berth-agent: there is no network card", Heard::Agent),
            ("2026-11-25T22:35:05Z  INFO berth_agent::engine: the engine is ready", Heard::Services),
        ] {
            text.push_str(line);
            text.push('\n');
            std::fs::write(&log, &text).unwrap();
            assert_eq!(heard(&log), expected, "{line}");
        }
    }

    #[test]
    fn a_work_lasts_from_its_line_to_that_of_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        assert_eq!(work(&log), Work::None);
        let mut text = String::new();
        for (line, expected) in [
            ("berth-agent: there is no network card", Work::None),
            ("berth-agent: checking the data disk", Work::UnderWay(LongWork::CheckDisk)),
            ("[    9.1] a word of the kernel's", Work::UnderWay(LongWork::CheckDisk)),
            ("berth-agent: done checking the data disk", Work::Done),
            ("berth-agent: growing the data disk", Work::UnderWay(LongWork::GrowDisk)),
        ] {
            text.push_str(line);
            text.push_str("\r\n");
            std::fs::write(&log, &text).unwrap();
            assert_eq!(work(&log), expected, "{line}");
        }
    }

    #[test]
    fn last_lines_are_plain_text() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        assert!(last_lines(&log, 3).is_empty());
        std::fs::write(&log, "one\r\n\x1b[2J\x1b[1;1Htwo\r\n\r\nthree\x07\r\nfour").unwrap();
        assert_eq!(last_lines(&log, 3), ["two", "three", "four"]);
    }

    #[test]
    fn the_agent_s_reason_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        std::fs::write(&log, "a\r\nberth-agent: cannot boot: no disk\r\n[ 1.0] reboot: Power down\r\n").unwrap();
        assert_eq!(agent_gave_up(&log).as_deref(), Some("no disk"));
        std::fs::write(&log, "[ 1.0] reboot: Power down\r\n").unwrap();
        assert_eq!(agent_gave_up(&log), None);
    }

    #[test]
    fn a_boot_begins_a_new_file_and_a_flood_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        rotate(&log).unwrap();
        std::fs::write(&log, "first boot").unwrap();
        rotate(&log).unwrap();
        assert!(!log.exists());
        assert_eq!(std::fs::read_to_string(earlier(&log)).unwrap(), "first boot");

        let file = std::fs::File::create(&log).unwrap();
        file.set_len(3 * LIMIT).unwrap();
        bound(&log).unwrap();
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
        assert_eq!(std::fs::metadata(earlier(&log)).unwrap().len(), LIMIT);
    }

    #[test]
    fn a_flood_that_cannot_be_kept_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        std::fs::File::create(&log).unwrap().set_len(LIMIT + 1).unwrap();
        // Nothing can be written under this name.
        std::fs::create_dir(earlier(&log)).unwrap();
        assert!(bound(&log).is_err());
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    }
}
