//! The tarball, unpacked by a user wherever there is room.

use std::process::Command;

use crate::support::{VERSION, clean_environment, modes, run, skipped, whole};

#[test]
fn it_runs_where_it_is_unpacked() {
    let packages = match whole() {
        Ok(packages) => packages,
        Err(why) => return skipped("it_runs_where_it_is_unpacked", why),
    };
    let folder = tempfile::tempdir().unwrap();
    let tarball = packages.join(format!("berth-{VERSION}-linux-x86_64.tar.gz"));
    run(Command::new("tar").arg("-xzf").arg(tarball).arg("-C").arg(folder.path()));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [std::ffi::OsString::from(format!("berth-{VERSION}-linux-x86_64"))]);
    let prefix = folder.path().join(&names[0]);
    for (file, mode) in modes(&prefix) {
        assert_eq!(mode, if file.starts_with("bin/") { 0o755 } else { 0o644 }, "{file}");
    }
    let home = folder.path().join("home");
    let berth = |verb: &str| {
        let mut command = Command::new(prefix.join("bin/berth"));
        clean_environment(&mut command).env("BERTH_HOME", &home).arg(verb).current_dir(folder.path());
        command
    };
    assert!(run(&mut berth("version")).lines().next().unwrap().ends_with(VERSION));
    // The report has the manifest of the image that a start would take. That it finds something amiss on this machine is of no matter.
    berth("diagnose").output().unwrap();
    let mut reports = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let report = reports.find(|path| path.is_file()).expect("a report");
    let mut tar = Command::new("tar");
    let manifest = run(tar.arg("-xOf").arg(report).args(["--wildcards", "*image-manifest.json"]));
    assert_eq!(manifest, std::fs::read_to_string(prefix.join("lib/berth/image/manifest.json")).unwrap());
    let entry = std::fs::read_to_string(prefix.join("share/applications/app.berth.desktop.desktop")).unwrap();
    assert!(entry.lines().any(|line| line == "Exec=\"berth-desktop\" %u"), "{entry}");
}
