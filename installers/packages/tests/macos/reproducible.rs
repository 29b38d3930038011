//! The same input gives the same bytes, wherever it lies and whenever it was written.

use std::fs;
use std::process::Command;

use packages::checksums;
use packages::macos::{self, Plan, Sealer};
use packages::sign::Signer;

use crate::support::{BOTH, VERSION, inputs, rcodesign, run, skipped};

#[test]
fn two_builds_of_the_same_are_the_same_bytes() {
    same_twice("two_builds_of_the_same_are_the_same_bytes", Ok(Sealer::Nobody));
}

#[test]
fn two_builds_that_nobody_signs_are_the_same_bytes() {
    same_twice("two_builds_that_nobody_signs_are_the_same_bytes", rcodesign());
}

fn same_twice(test: &str, sealer: Result<Sealer, String>) {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sealer = match sealer {
        Ok(sealer) => sealer,
        Err(why) => return skipped(test, &why),
    };
    let mut folders = Vec::new();
    for folder in [&one, &other] {
        let inputs = match inputs(folder.path(), &BOTH) {
            Ok(inputs) => inputs,
            Err(why) => return skipped(test, &why),
        };
        // Neither who may write the sources nor when they were written matters.
        if folder.path() == other.path() {
            run(Command::new("touch").args(["-d", "2001-02-03"]).arg(inputs.image.join("aarch64/vmlinuz")));
            run(Command::new("chmod").arg("600").arg(inputs.programs.join("aarch64/berth")));
        }
        let out = folder.path().join("out");
        folders.push((
            macos::write(&inputs, &Plan::of(&inputs).unwrap(), &sealer, &Signer::default(), &out).unwrap(),
            out,
        ));
    }
    let (names, first) = &folders[0];
    let expected = [
        format!("berth-{VERSION}-macos-universal.pkg"),
        format!("berth-{VERSION}-macos-universal.dmg"),
        format!("berth-{VERSION}-macos-third-party-notices.txt"),
        format!("berth-{VERSION}-macos.cdx.json"),
        checksums::FILE.to_owned(),
    ];
    assert_eq!(*names, expected);
    for name in names {
        assert!(fs::read(first.join(name)).unwrap() == fs::read(folders[1].1.join(name)).unwrap(), "{name} differs");
    }
    let checked = run(Command::new("sha256sum").args(["--check", "--strict", checksums::FILE]).current_dir(first));
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), names.len() - 1, "{checked}");
}

#[test]
fn checksums_are_of_what_was_notarized() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &["x86_64"]) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("checksums_are_of_what_was_notarized", &why),
    };
    let out = folder.path().join("out");
    let plan = Plan::of(&inputs).unwrap();
    let names = macos::write(&inputs, &plan, &Sealer::Nobody, &Signer::by("printf stapled >>"), &out).unwrap();
    assert_eq!(names[0], format!("berth-{VERSION}-macos-x86_64.pkg"));
    for name in &names[..2] {
        assert!(fs::read(out.join(name)).unwrap().ends_with(b"stapled"), "{name}");
    }
    run(Command::new("sha256sum").args(["--check", "--strict", checksums::FILE]).current_dir(&out));
}
