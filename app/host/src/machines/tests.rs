//! What becomes of the files of machines.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::*;

fn name(text: &str) -> Name {
    Name::of(text).unwrap().unwrap()
}

fn names(paths: &Paths) -> Vec<String> {
    all(paths).unwrap().iter().map(|one| one.machine().map_or(DEFAULT, Name::as_str).to_owned()).collect()
}

#[test]
fn names_are_short_and_plain() {
    assert_eq!(Name::of("default").unwrap(), None);
    assert_eq!(name("work-2").as_str(), "work-2");
    for bad in ["", "Work", "2x", "a_b", "a/b", "..", "-a", "a-", "ä", &"x".repeat(25)] {
        assert!(matches!(Name::of(bad), Err(Error::MachineName { .. })), "{bad}");
    }
}

#[test]
fn machines_are_made_used_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let default = Paths::below(dir.path()).unwrap();
    assert_eq!(names(&default), ["default"]);
    default.create().unwrap();
    let mut settings = Settings::load(&default.settings()).unwrap();
    for (key, value) in [("locale", "zh-CN"), ("memory_mib", "777"), ("listen", "tcp://127.0.0.1:2375")] {
        settings.set(key, value).unwrap();
    }
    settings.save(&default.settings()).unwrap();
    let work = create(&default, &name("work"), &[("cpus", "1".to_owned()), ("disk_gib", "5".to_owned())]).unwrap();
    assert!(matches!(create(&default, &name("work"), &[]), Err(Error::MachineExists { .. })));
    // Its settings are gone, its disk is not.
    let orphan = default.of_machine(Some(name("orphan")));
    std::fs::create_dir_all(orphan.data_disk().parent().unwrap()).unwrap();
    std::fs::write(orphan.data_disk(), "kept").unwrap();
    assert!(matches!(create(&default, &name("orphan"), &[]), Err(Error::MachineLeft { .. })));
    assert!(matches!(copy(&default, &name("orphan")), Err(Error::MachineLeft { .. })));
    assert_eq!(std::fs::read_to_string(orphan.data_disk()).unwrap(), "kept");
    assert!(matches!(create(&default, &name("bad"), &[("cpus", "0".to_owned())]), Err(Error::BadSetting { .. })));
    assert_eq!(names(&default), ["default", "work"]);
    let listed = Listed::of(&work, Some(&name("work")), "stopped").unwrap();
    assert_eq!((listed.cpus, listed.disk_gib, listed.in_use), (1, 5, true));
    assert_eq!(listed.context, "berth-work");
    let settings = Settings::load(&work.settings()).unwrap();
    assert_eq!((settings.locale.as_str(), settings.listen.len()), ("zh-CN", 0));
    assert_ne!(settings.memory_mib, 777);

    assert!(matches!(take_into_use(&default, Some(name("play"))), Err(Error::NoMachine { .. })));
    take_into_use(&work, Some(name("work"))).unwrap();
    assert_eq!(in_use(&default).unwrap(), Some(name("work")));
    assert!(matches!(remove(&default), Err(Error::DefaultMachine)));
    remove(&work).unwrap();
    assert_eq!((names(&default), in_use(&default).unwrap()), (vec!["default".to_owned()], None));
    assert!(!work.data_dir().exists() && !work.runtime_dir().exists());
}

#[test]
fn a_copy_has_all_but_what_only_one_can_have() {
    let dir = tempfile::tempdir().unwrap();
    let default = Paths::below(dir.path()).unwrap();
    default.create().unwrap();
    let mut settings = Settings::load(&default.settings()).unwrap();
    settings.set("cpus", "1").unwrap();
    settings.set("listen", "tcp://127.0.0.1:2375").unwrap();
    settings.save(&default.settings()).unwrap();
    let mut disk = fs::File::create(default.data_disk()).unwrap();
    disk.set_len(1 << 30).unwrap();
    disk.seek(SeekFrom::Start(700 << 20)).unwrap();
    disk.write_all(b"in the middle").unwrap();

    let copy = super::copy(&default, &name("copy")).unwrap();
    let copied = Settings::load(&copy.settings()).unwrap();
    assert_eq!((copied.cpus, copied.listen.len()), (1, 0));
    let metadata = fs::metadata(copy.data_disk()).unwrap();
    assert_eq!(metadata.len(), 1 << 30);
    assert_hardly_held(sys::allocated(&metadata));
    let mut middle = [0; 13];
    let mut file = fs::File::open(copy.data_disk()).unwrap();
    file.seek(SeekFrom::Start(700 << 20)).unwrap();
    std::io::Read::read_exact(&mut file, &mut middle).unwrap();
    assert_eq!(&middle, b"in the middle");

    // One that may run is left alone.
    let alive = sys::ProcessIdentity::of(std::process::id()).unwrap();
    leftovers::note(&copy.launch_record(), &[alive]).unwrap();
    assert!(matches!(super::copy(&copy, &name("again")), Err(Error::WrongState { .. })));
    assert!(matches!(remove(&copy), Err(Error::WrongState { .. })));
    assert_eq!(names(&default), ["default", "copy"]);
}

/// Windows makes holes only where it is told to, and its machines have other disks.
fn assert_hardly_held(bytes: u64) {
    assert!(cfg!(windows) || bytes < 1 << 20, "{bytes} bytes");
}

/// The default machine of a folder, with something on its disk.
fn with_disk(dir: &Path, text: &str) -> Paths {
    let machine = Paths::below(dir).unwrap();
    machine.create().unwrap();
    write(&machine, text);
    machine
}

fn write(machine: &Paths, text: &str) {
    let mut disk = fs::File::options().write(true).create(true).truncate(false).open(machine.data_disk()).unwrap();
    disk.set_len(2 << 30).unwrap();
    disk.seek(SeekFrom::Start(700 << 20)).unwrap();
    disk.write_all(text.as_bytes()).unwrap();
}

fn read(machine: &Paths) -> String {
    let mut disk = fs::File::open(machine.data_disk()).unwrap();
    disk.seek(SeekFrom::Start(700 << 20)).unwrap();
    let mut text = vec![0; 4];
    std::io::Read::read_exact(&mut disk, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn an_exported_machine_is_imported_with_its_holes() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = with_disk(here.path(), "what");
    let file = here.path().join("all.berth");
    let written = export(&source, &file).unwrap();
    assert!(written < 1 << 20 && written == fs::metadata(&file).unwrap().len(), "{written}");
    let target = Paths::below(there.path()).unwrap();
    let made = import(&target, &file, &name("moved"), &[("cpus", "1".to_owned())]).unwrap();
    assert_eq!(read(&made), "what");
    let metadata = fs::metadata(made.data_disk()).unwrap();
    assert_eq!(metadata.len(), 2 << 30);
    assert_hardly_held(sys::allocated(&metadata));
    let settings = Settings::load(&made.settings()).unwrap();
    assert_eq!((settings.cpus, settings.disk_gib), (1, 2));
    assert!(matches!(import(&target, &file, &name("moved"), &[]), Err(Error::MachineExists { .. })));
}

#[test]
fn what_is_no_archive_of_a_machine_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let machine = with_disk(dir.path(), "what");
    let file = dir.path().join("all.berth");
    export(&machine, &file).unwrap();
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let other = {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        archive.append_data(&mut header, "else", &b""[..]).unwrap();
        zstd::encode_all(archive.into_inner().unwrap().as_slice(), 1).unwrap()
    };
    for (bytes, words) in [
        (&whole[..whole.len() / 2], ""),
        (&damaged, "checksum"),
        (&other, "did not write it"),
        (b"no archive at all", ""),
        (b"", ""),
    ] {
        fs::write(&file, bytes).unwrap();
        let error = import(&machine, &file, &name("moved"), &[]).unwrap_err();
        assert!(matches!(&error, Error::NoArchive { reason, .. } if reason.contains(words)), "{error}");
        assert_eq!(names(&machine), ["default"]);
        assert!(!machine.of_machine(Some(name("moved"))).data_dir().exists());
    }
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Paths::below(dir.path()).unwrap();
    let file = dir.path().join("all.berth");
    fs::write(&file, "older").unwrap();
    assert!(matches!(export(&machine, &file), Err(Error::NoDisk { .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), "older");
    write(&machine, "what");
    assert!(export(&machine, &dir.path().join("none/all.berth")).is_err());
    let left = |path: &Path| path.to_string_lossy().ends_with(".part");
    assert!(!fs::read_dir(dir.path()).unwrap().any(|entry| left(&entry.unwrap().path())));
}

#[test]
fn a_snapshot_brings_the_disk_back() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Paths::below(dir.path()).unwrap();
    machine.create().unwrap();
    assert!(matches!(snapshots::make(&machine, "clean"), Err(Error::NoDisk { .. })));
    write(&machine, "then");
    let made = snapshots::make(&machine, "clean").unwrap();
    assert_eq!((made.name.as_str(), made.size), ("clean", 2 << 30));
    assert_hardly_held(made.held);
    assert!(matches!(snapshots::make(&machine, "clean"), Err(Error::SnapshotExists { .. })));
    assert!(matches!(snapshots::make(&machine, "../x"), Err(Error::SnapshotName { .. })));
    write(&machine, "now!");
    assert!(matches!(snapshots::restore(&machine, "other"), Err(Error::NoSnapshot { .. })));
    assert_eq!(read(&machine), "now!");
    snapshots::restore(&machine, "clean").unwrap();
    assert_eq!(read(&machine), "then");
    // It stays as it was, whatever becomes of the disk.
    write(&machine, "late");
    snapshots::restore(&machine, "clean").unwrap();
    assert_eq!(read(&machine), "then");
    assert_eq!(snapshots::list(&machine).unwrap(), [made]);
    snapshots::remove(&machine, "clean").unwrap();
    assert!(snapshots::list(&machine).unwrap().is_empty());
}

#[test]
fn what_may_run_is_neither_exported_nor_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let machine = with_disk(dir.path(), "what");
    snapshots::make(&machine, "clean").unwrap();
    let alive = sys::ProcessIdentity::of(std::process::id()).unwrap();
    leftovers::note(&machine.launch_record(), &[alive]).unwrap();
    let file = dir.path().join("all.berth");
    assert!(matches!(export(&machine, &file), Err(Error::WrongState { .. })));
    assert!(matches!(snapshots::make(&machine, "again"), Err(Error::WrongState { .. })));
    assert!(matches!(snapshots::restore(&machine, "clean"), Err(Error::WrongState { .. })));
    assert!(!file.exists());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_daemon_that_hangs_costs_its_own_line() {
    let dir = tempfile::tempdir().unwrap();
    let default = Paths::below(dir.path()).unwrap();
    default.create().unwrap();
    let [slow, slower, idle] = ["slow", "slower", "idle"].map(|one| create(&default, &name(one), &[]).unwrap());
    // Connections are taken, and nothing is ever said.
    let _hang = [slow, slower].map(|one| std::os::unix::net::UnixListener::bind(one.control_socket()).unwrap());
    let began = tokio::time::Instant::now();
    let looked = look(&default).await.unwrap();
    let listed: Vec<_> = looked.machines.iter().map(|one| (one.name.as_str(), one.phase.as_str())).collect();
    assert_eq!(listed, [("default", "stopped"), (idle.machine().unwrap().as_str(), "stopped")]);
    let hung: Vec<_> = looked.unreadable.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(hung, ["slow", "slower"]);
    assert!(looked.unreadable.iter().all(|(_, error)| matches!(error, Error::NoAnswer { .. })));
    assert!(began.elapsed().as_secs() < 4, "they were waited for one after the other");
}

#[tokio::test]
async fn no_daemon_is_started_for_one_that_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let default = Paths::below(dir.path()).unwrap();
    let work = create(&default, &name("work"), &[]).unwrap();
    remove(&work).unwrap();
    let started = crate::client::Client::connect_or_start_as(work.clone(), "/bin/true".into()).await;
    assert!(matches!(started, Err(Error::NoMachine { name }) if name == "work"));
    assert!(!work.config_dir().exists() && !work.data_dir().exists(), "it is back");
}
