//! The same input gives the same bytes, wherever it lies and whenever it was written.

use std::fs;
use std::process::Command;

use packages::plan::{Form, Plan};
use packages::{Error, checksums, linux};

use crate::support::{VERSION, run, small};

#[test]
fn two_builds_of_the_same_are_the_same_bytes() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = [&one, &other].map(|folder| {
        let inputs = small(folder.path(), VERSION);
        // Neither who may write the sources nor when they were written matters.
        if folder.path() == other.path() {
            let mut touch = Command::new("touch");
            run(touch.args(["-d", "2001-02-03"]).arg(inputs.image.join("vmlinuz")));
            run(Command::new("chmod").arg("600").arg(inputs.programs.join("berth")));
        }
        let out = folder.path().join("out");
        (linux::write(&inputs, &out).unwrap(), out)
    });
    let [(names, first), (again, second)] = folders;
    assert_eq!(names, again);
    assert_eq!(
        names,
        [
            format!("berth_{VERSION}_amd64.deb"),
            format!("berth-{VERSION}-1.x86_64.rpm"),
            format!("berth-{VERSION}-linux-x86_64.tar.gz"),
            format!("berth-{VERSION}-third-party-notices.txt"),
            format!("berth-{VERSION}.cdx.json"),
            checksums::FILE.to_owned(),
        ]
    );
    for name in &names {
        assert!(fs::read(first.join(name)).unwrap() == fs::read(second.join(name)).unwrap(), "{name} differs");
    }
    let checked = run(Command::new("sha256sum").args(["--check", "--strict", checksums::FILE]).current_dir(&first));
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), names.len() - 1, "{checked}");
}

#[test]
fn a_missing_part_is_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small(folder.path(), VERSION);
    fs::remove_file(inputs.image.join("root.erofs")).unwrap();
    let error = Plan::of(&inputs, Form::Deb).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("image/root.erofs")), "{error}");
}
