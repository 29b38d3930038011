//! What is remembered, and for how long.

use super::*;
use std::fs::File;

/// Of whoever looks much later.
const LATER: i128 = 3_600_000_000_000;

struct Stage {
    directory: tempfile::TempDir,
    digests: Digests,
}

impl Stage {
    fn new() -> Stage {
        Stage { directory: tempfile::tempdir().expect("a directory"), digests: Digests::default() }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).expect("written");
    }

    fn tree(&self, lasts: Lasts) -> Tree {
        Tree::open(self.directory.path()).expect("opened").lasting(lasts)
    }

    /// What the file has, and how many bytes were read for that.
    fn look(&self, name: &str, lasts: Lasts, since: i128) -> (Digest, u64) {
        let (tree, before) = (self.tree(lasts), self.digests.read());
        let stat = tree.lstat(Path::new(name)).expect("looked").expect("there");
        let found = self.digests.of_files(&tree, &[(Path::new(name), &stat)], since).expect("read");
        (found[0].digest, self.digests.read() - before)
    }

    fn later(&self, name: &str) -> (Digest, u64) {
        self.look(name, Lasts::Directory, now() + LATER)
    }
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let stage = Stage::new();
    stage.write("f", "four");
    let four = Digest::of(b"four");
    assert_eq!(stage.later("f"), (four, 4));
    assert_eq!(stage.later("f"), (four, 0));
    // Another name of the same file.
    std::fs::hard_link(stage.directory.path().join("f"), stage.directory.path().join("g")).expect("linked");
    assert_eq!(stage.later("g").0, four);
    assert_eq!(stage.later("f"), (four, 0));
    assert_eq!(stage.look("f", Lasts::Build, now() + LATER), (four, 4), "nothing is known of what goes with a build");
}

/// Whoever waits goes away with his build; what is read for others goes on.
#[test]
fn nothing_is_read_for_nobody() {
    let stage = Stage::new();
    stage.write("f", "four");
    let (digests, waits) = stage.digests.waited_for();
    let tree = stage.tree(Lasts::Directory);
    let stat = tree.lstat(Path::new("f")).expect("looked").expect("there");
    let look = |digests: &Digests| digests.of_files(&tree, &[(Path::new("f"), &stat)], now() + LATER);
    drop(waits);
    assert_eq!(look(&digests).expect_err("it is given up").1.to_string(), "nobody waits for it any more");
    assert_eq!(stage.digests.read(), 0);
    let (digests, _waits) = stage.digests.waited_for();
    look(&digests).expect("read");
    assert_eq!(stage.later("f"), (Digest::of(b"four"), 0), "one memory for all");
}

#[test]
fn a_change_that_hides_is_seen() {
    let stage = Stage::new();
    stage.write("f", "four");
    let path = stage.directory.path().join("f");
    let state = || {
        let stat = stage.tree(Lasts::Directory).lstat(Path::new("f")).expect("looked").expect("there");
        State::of(&stat)
    };
    let modified = std::fs::metadata(&path).and_then(|data| data.modified()).expect("a time");
    assert_eq!(stage.later("f"), (Digest::of(b"four"), 4));
    // In its place and by another file, of the same size and with the same time.
    for (text, replaces) in [("five", false), ("nine", true)] {
        let before = state();
        // Until the clock ticks.
        while state().changed == before.changed {
            if replaces {
                std::fs::remove_file(&path).expect("removed");
            }
            stage.write("f", text);
            File::options().write(true).open(&path).and_then(|file| file.set_modified(modified)).expect("dated");
        }
        assert_eq!((state().size, state().modified), (before.size, before.modified));
        assert_eq!(stage.later("f"), (Digest::of(text.as_bytes()), 4));
    }
}

#[test]
fn what_was_just_changed_is_read_again() {
    let stage = Stage::new();
    // However long the rest of this takes.
    let since = now();
    stage.write("f", "four");
    for _ in 0..2 {
        assert_eq!(stage.look("f", Lasts::Directory, since), (Digest::of(b"four"), 4));
    }
    let state = |changed| State { size: 0, modified: (0, 0), changed };
    let at = |seconds: i128, rest: i128| seconds * 1_000_000_000 + rest;
    assert!(!state((7, 1)).is_settled(at(7, 50_000_000)) && state((7, 1)).is_settled(at(7, 200_000_000)));
    // It may be rounded.
    assert!(!state((7, 0)).is_settled(at(9, 0)) && state((7, 0)).is_settled(at(11, 0)));
    // The clock was set back.
    assert!(!state((7, 1)).is_settled(at(6, 0)));
}

#[test]
fn several_threads_tell_the_same() {
    let stage = Stage::new();
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    for name in &names {
        stage.write(name, &name.repeat(100_000));
    }
    // Nothing is remembered: those that are gone would not be missed.
    let tree = stage.tree(Lasts::Build);
    let stats: Vec<Stat> =
        names.iter().map(|name| tree.lstat(Path::new(name)).expect("looked").expect("there")).collect();
    let files: Vec<(&Path, &Stat)> = names.iter().map(Path::new).zip(&stats).collect();
    let found = stage.digests.of_files(&tree, &files, now()).expect("read");
    for (name, content) in names.iter().zip(found) {
        assert_eq!(content.digest, Digest::of(name.repeat(100_000).as_bytes()), "{name}");
    }
    assert_eq!(stage.digests.read(), stats.iter().map(|stat| stat.st_size.unsigned_abs()).sum::<u64>());
    for name in ["7", "30"] {
        std::fs::remove_file(stage.directory.path().join(name)).expect("removed");
    }
    let (at, error) = stage.digests.of_files(&tree, &files, now()).expect_err("two are gone");
    assert_eq!((at, error.kind()), (7, io::ErrorKind::NotFound), "{error}");
}
