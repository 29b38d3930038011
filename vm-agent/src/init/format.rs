//! A file system for a disk that holds nothing, made so that it may be interrupted at any moment and simply begun again.
//!
//! mke2fs writes its super block last and copies of it before: a disk on which it was interrupted looks like one that lost its
//! beginning. So it works on a sparse file in memory, and the result is carried over between two marks:
//!
//! ```text
//!  mark at byte 0 -> everything but the first 4 KiB -> the super block -> mark removed
//! ```
//!
//! As long as the mark is there nobody has mounted the disk. ext4 keeps nothing at byte 0 (its super block is at 1024).

use std::{
    fs::{File, OpenOptions},
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::Path,
};

use anyhow::{Context, bail};

use super::{
    ext4::{SUPER_BLOCK, UNFINISHED},
    run_tool,
};

/// Up to here the super block's own block.
const HEAD: u64 = 4096;
const CHUNK: usize = 1 << 20;

/// Room on the disk that no container gets, so that the engine can still write down what was removed when it is full.
const RESERVE: u64 = 32 << 20;

/// One write to the disk, or a wait until what was written is safe there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Mark,
    /// From the file in memory, these bytes.
    Copy {
        from: u64,
        to: u64,
    },
    Unmark,
    Sync,
}

/// Formats `device`, which has `size` bytes; `scratch` is a file that may be made for it, in memory, and is removed again.
pub(super) fn format(device: &Path, size: u64, scratch: &Path) -> anyhow::Result<()> {
    let result = make(size, scratch).and_then(|made| {
        let disk = OpenOptions::new().read(true).write(true).open(device).context("open the data disk")?;
        let steps = plan(&made).context("read the new file system")?;
        steps.iter().try_for_each(|step| apply(*step, &made, &disk)).context("write the data disk")
    });
    let _ = std::fs::remove_file(scratch);
    result
}

/// The file system as a sparse file. Tables are written lazily by the kernel, and there is nothing to discard.
fn make(size: u64, scratch: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(scratch);
    let file = file.with_context(|| format!("make {}", scratch.display()))?;
    file.set_len(size).with_context(|| format!("make {}", scratch.display()))?;
    let extended = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
    let name = scratch.display().to_string();
    let reserve = reserved_percent(size);
    let args = ["-t", "ext4", "-b", "4096", "-F", "-q", "-m", &reserve, "-L", "berth-data", "-E", extended, &name];
    match run_tool("/sbin/mke2fs", &args)? {
        (0, _) => Ok(file),
        (code, said) => bail!("the data disk cannot be formatted (mke2fs ended with {code}): {said}"),
    }
}

/// [`RESERVE`] as mke2fs wants it. A disk that grows keeps the share.
fn reserved_percent(size: u64) -> String {
    format!("{:.4}", (RESERVE as f64 * 100.0 / size as f64).min(5.0))
}

/// What to do in which order: see above.
fn plan(made: &File) -> io::Result<Vec<Step>> {
    let mut steps = vec![Step::Mark, Step::Sync];
    let mut at = HEAD;
    while let Some((from, to)) = next_data(made, at)? {
        steps.push(Step::Copy { from, to });
        at = to;
    }
    steps.extend([Step::Sync, Step::Copy { from: SUPER_BLOCK, to: HEAD }, Step::Sync, Step::Unmark, Step::Sync]);
    Ok(steps)
}

fn apply(step: Step, made: &File, disk: &File) -> io::Result<()> {
    match step {
        Step::Mark => disk.write_all_at(UNFINISHED, 0),
        Step::Unmark => disk.write_all_at(&[0; UNFINISHED.len()], 0),
        Step::Sync => disk.sync_data(),
        Step::Copy { from, to } => {
            let mut chunk = vec![0; CHUNK.min((to - from) as usize)];
            let mut at = from;
            while at < to {
                let length = chunk.len().min((to - at) as usize);
                made.read_exact_at(&mut chunk[..length], at)?;
                disk.write_all_at(&chunk[..length], at)?;
                at += length as u64;
            }
            Ok(())
        }
    }
}

/// The next part from `at` that is no hole (lseek(2), SEEK_DATA).
fn next_data(file: &File, at: u64) -> io::Result<Option<(u64, u64)>> {
    let seek = |from: u64, whence| {
        // SAFETY: integers only.
        match unsafe { libc::lseek(file.as_raw_fd(), from as libc::off_t, whence) } {
            -1 => Err(io::Error::last_os_error()),
            found => Ok(found as u64),
        }
    };
    match seek(at, libc::SEEK_DATA) {
        Ok(start) => Ok(Some((start, seek(start, libc::SEEK_HOLE)?))),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ext4::{Content, probe};
    use super::*;

    const SIZE: u64 = 2 << 30;

    fn blank(path: &Path) {
        File::create(path).unwrap().set_len(SIZE).unwrap();
    }

    /// 0 when e2fsck finds nothing to do.
    fn e2fsck(path: &Path) -> i32 {
        run_tool("/sbin/e2fsck", &["-f", "-n", &path.display().to_string()]).unwrap().0
    }

    #[test]
    fn formatting_can_be_interrupted_anywhere_and_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, scratch) = (dir.path().join("disk"), dir.path().join("scratch"));
        let made = make(SIZE, &scratch).unwrap();
        let steps = plan(&made).unwrap();
        for done in 0..=steps.len() {
            blank(&disk);
            let file = OpenOptions::new().read(true).write(true).open(&disk).unwrap();
            steps[..done].iter().for_each(|step| apply(*step, &made, &file).unwrap());
            let unmarked = steps[..done].contains(&Step::Unmark);
            let content = probe(&disk).unwrap().0;
            match (done, unmarked) {
                (0, _) => assert_eq!(content, Content::Empty),
                (_, false) => assert_eq!(content, Content::Unfinished, "after {:?}", &steps[..done]),
                (_, true) => {
                    assert!(matches!(content, Content::Ext4(block) if !block.suspicious && block.size == SIZE))
                }
            }
        }
        assert_eq!(e2fsck(&disk), 0);
        // s_r_blocks_count_lo of the super block.
        let mut reserved = [0; 4];
        File::open(&disk).unwrap().read_exact_at(&mut reserved, SUPER_BLOCK + 8).unwrap();
        let reserved = u64::from(u32::from_le_bytes(reserved)) * 4096;
        assert!(reserved.abs_diff(RESERVE) < 1 << 20, "{reserved} bytes are reserved");

        // Again over what a broken attempt left.
        let file = OpenOptions::new().read(true).write(true).open(&disk).unwrap();
        steps[..steps.len() / 2].iter().for_each(|step| apply(*step, &made, &file).unwrap());
        format(&disk, SIZE, &scratch).unwrap();
        assert!(matches!(probe(&disk).unwrap().0, Content::Ext4(_)) && !scratch.exists());
        assert_eq!(e2fsck(&disk), 0);
    }

    #[test]
    fn a_disk_that_lost_its_beginning_is_not_called_empty() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        for block_size in ["1024", "4096"] {
            blank(&disk);
            let name = disk.display().to_string();
            assert_eq!(run_tool("/sbin/mke2fs", &["-t", "ext4", "-q", "-F", "-b", block_size, &name]).unwrap().0, 0);
            for lost in [64 << 10, 1 << 20, 64 << 20] {
                let file = OpenOptions::new().write(true).open(&disk).unwrap();
                file.write_all_at(&vec![0; lost], 0).unwrap();
                assert_eq!(probe(&disk).unwrap().0, Content::Headless, "{block_size}, {lost} bytes lost");
            }
        }
    }
}
