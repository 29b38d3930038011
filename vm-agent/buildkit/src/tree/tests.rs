//! Directories that are told of by hand.

use super::*;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

fn stat(path: &str, mode: u32, size: usize) -> Stat {
    let size = i64::try_from(size).expect("small");
    Stat { path: path.to_owned(), mode, size, mod_time: 1_500_000_000, ..Stat::default() }
}

fn directory(path: &str) -> Stat {
    stat(path, go::DIRECTORY | 0o755, 0)
}

fn symlink(path: &str, target: &str) -> Stat {
    Stat { linkname: target.to_owned(), ..stat(path, go::SYMLINK | 0o777, 0) }
}

/// Makes a tree of entries with their contents; answers the files whose contents were asked for.
fn renew(tree: Tree, told: &[(Stat, &str)]) -> io::Result<(Tree, Vec<String>)> {
    let mut renewal = tree.renew()?;
    let mut asked = Vec::new();
    for (stat, content) in told {
        if let Some(number) = renewal.add(stat.clone())? {
            asked.push(stat.path.clone());
            renewal.data(number, content.as_bytes())?;
            renewal.data(number, b"")?;
        }
    }
    assert!(!renewal.is_waiting());
    Ok((renewal.finish()?, asked))
}

fn root() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn files_are_as_they_were_told() {
    let root = root();
    let setuid = stat("d/s", go::SETUID | 0o4, 2);
    let link = Stat { linkname: "d/f".to_owned(), ..stat("d/h", 0o640, 3) };
    let told = [
        (directory("d"), ""),
        (stat("d/f", 0o640, 3), "abc"),
        (link, ""),
        (symlink("d/l", "/etc/passwd"), ""),
        (stat("d/p", go::PIPE | 0o600, 0), ""),
        (setuid, "xy"),
    ];
    let (tree, asked) = renew(Tree::new(root.path()).expect("made"), &told).expect("received");
    assert_eq!(asked, ["d/f", "d/s"]);
    let at = |path: &str| tree.path().join(path);
    assert_eq!(std::fs::read(at("d/h")).expect("read"), b"abc");
    let of = |path: &str| std::fs::symlink_metadata(at(path)).expect("there");
    assert_eq!(of("d/f").ino(), of("d/h").ino());
    assert_eq!(of("d/s").permissions().mode() & 0o7777, 0o4004);
    assert_eq!((of("d").mtime(), of("d").mtime_nsec()), (1, 500_000_000));
    assert_eq!((of("d/f").mtime(), of("d/l").mtime()), (1, 1));
    assert_eq!(std::fs::read_link(at("d/l")).expect("a link"), Path::new("/etc/passwd"));
}

#[test]
fn only_what_changed_is_asked_for() {
    let root = root();
    let told =
        [(directory("d"), ""), (stat("d/a", 0o644, 1), "a"), (stat("d/b", 0o644, 1), "b"), (stat("e", 0o644, 1), "e")];
    let (tree, _) = renew(Tree::new(root.path()).expect("made"), &told).expect("received");
    let (tree, asked) = renew(tree, &told).expect("received");
    assert_eq!(asked, [""; 0]);
    let newer = Stat { mod_time: 7, ..stat("d/b", 0o644, 1) };
    let told = [(directory("d"), ""), (newer, "B"), (directory("e"), ""), (stat("e/f", 0o644, 1), "f")];
    let (tree, asked) = renew(tree, &told).expect("received");
    assert_eq!(asked, ["d/b", "e/f"]);
    assert!(!tree.path().join("d/a").exists());
    assert_eq!(std::fs::read(tree.path().join("d/b")).expect("read"), b"B");
    let (tree, asked) = renew(tree, &[(symlink("d", "e"), ""), (stat("e", 0o600, 1), "x")]).expect("received");
    assert_eq!(asked, ["e"]);
    assert_eq!(std::fs::read_dir(tree.path()).expect("read").count(), 2);
    // One that became longer while it was read is asked for again.
    let (tree, _) = renew(tree, &[(stat("e", 0o600, 2), "xyz")]).expect("received");
    let (_, asked) = renew(tree, &[(stat("e", 0o600, 2), "xy")]).expect("received");
    assert_eq!(asked, ["e"]);
}

#[test]
fn nothing_leads_out() {
    let root = root();
    let outside = root.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    let to_outside = outside.to_str().expect("text");
    let hard = |target: &str| Stat { linkname: target.to_owned(), ..stat("h", 0o644, 0) };
    for told in [
        vec![stat("../x", 0o644, 0)],
        vec![stat("/x", 0o644, 0)],
        vec![stat("a/../../x", 0o644, 0)],
        vec![stat("", 0o644, 0)],
        vec![stat("a//b", 0o644, 0)],
        vec![stat("d/x", 0o644, 0)],
        vec![symlink("d", to_outside), stat("d/x", 0o644, 0)],
        vec![directory("d"), directory("d")],
        vec![hard("../outside")],
        vec![symlink("a", to_outside), hard("a")],
        vec![hard("nothing")],
        vec![stat("x", 1 << 19 | 0o644, 0)],
    ] {
        let tree = Tree::new(root.path()).expect("made");
        let told: Vec<(Stat, &str)> = told.into_iter().map(|stat| (stat, "")).collect();
        assert!(renew(tree, &told).is_err(), "{told:?}");
        assert_eq!(std::fs::read_dir(&outside).expect("read").count(), 0);
    }
    // A directory that is a link by the time of the next transfer.
    let told = [(directory("d"), ""), (stat("d/x", 0o644, 1), "x")];
    let (tree, _) = renew(Tree::new(root.path()).expect("made"), &told).expect("received");
    let told = [(symlink("d", to_outside), ""), (stat("d/x", 0o644, 1), "x")];
    assert!(renew(tree, &told).is_err());
    assert_eq!(std::fs::read_dir(&outside).expect("read").count(), 0);
    let mut renewal = Tree::new(root.path()).expect("made").renew().expect("begun");
    assert!(renewal.data(0, b"x").is_err(), "nothing was asked for");
}

#[test]
fn what_came_stays_when_the_rest_does_not() {
    let root = root();
    let old = [
        (directory("d"), ""),
        (stat("d/a", 0o644, 1), "1"),
        (stat("d/b", 0o644, 1), "1"),
        (stat("d/c", 0o644, 1), "1"),
    ];
    let (tree, _) = renew(Tree::new(root.path()).expect("made"), &old).expect("received");
    let new = [
        (directory("d"), ""),
        (stat("d/a", 0o644, 2), "22"),
        (stat("d/b", 0o644, 2), "22"),
        (stat("d/bb", 0o644, 2), "22"),
        (stat("d/c", 0o644, 1), "1"),
    ];
    let mut renewal = tree.renew().expect("begun");
    assert_eq!(renewal.add(new[0].0.clone()).expect("told"), None);
    let whole = renewal.add(new[1].0.clone()).expect("told").expect("asked for");
    renewal.data(whole, b"22").expect("written");
    renewal.data(whole, b"").expect("ended");
    let half = renewal.add(new[2].0.clone()).expect("told").expect("asked for");
    renewal.data(half, b"2").expect("written");
    renewal.add(new[3].0.clone()).expect("told").expect("asked for");
    let (tree, asked) = renew(renewal.give_up(), &new).expect("received");
    assert_eq!(asked, ["d/b", "d/bb"], "what came whole and what was there before does not travel again");
    for (name, expect) in [("a", "22"), ("b", "22"), ("bb", "22"), ("c", "1")] {
        assert_eq!(std::fs::read_to_string(tree.path().join("d").join(name)).expect("read"), expect, "{name}");
    }
}

/// Making a link anew changes its file, which would be read again by each build.
#[test]
fn links_stay_while_their_file_does() {
    let root = root();
    let link = |path: &str| Stat { linkname: "a".to_owned(), ..stat(path, 0o644, 1) };
    let newer = Stat { mod_time: 7, ..stat("a", 0o644, 1) };
    let old = [(stat("a", 0o644, 1), "1"), (link("b"), ""), (link("c"), "")];
    let of = |tree: &Tree, name: &str| std::fs::metadata(tree.path().join(name)).expect("there");
    let state = |tree: &Tree| {
        let stat = of(tree, "a");
        (stat.ino(), stat.ctime(), stat.ctime_nsec())
    };
    let (tree, _) = renew(Tree::new(root.path()).expect("made"), &old).expect("received");
    let before = state(&tree);
    let (tree, _) = renew(tree, &old).expect("received");
    assert_eq!(state(&tree), before);
    // One that leads to another file by then, also where not all was told of.
    let mut renewal = tree.renew().expect("begun");
    let number = renewal.add(newer.clone()).expect("told").expect("asked for");
    renewal.data(number, b"2").expect("written");
    renewal.data(number, b"").expect("ended");
    let link_of_newer = |path: &str| Stat { mod_time: 7, ..link(path) };
    renewal.add(link_of_newer("b")).expect("told");
    let tree = renewal.give_up();
    let new = [(newer, ""), (link_of_newer("b"), ""), (link("c"), "")];
    let (tree, asked) = renew(tree, &new).expect("received");
    assert_eq!(asked, [""; 0]);
    assert!(["b", "c"].iter().all(|name| of(&tree, name).ino() == of(&tree, "a").ino()));
    assert_eq!(std::fs::read(tree.path().join("c")).expect("read"), b"2");
}
