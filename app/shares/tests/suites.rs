//! What suites of others say of a share, over a real mount: `pjdfstest` of names, owners, permissions and errors, `fsx` of content.
//!
//! `cargo verify` installs both below the cache and says where. `BERTH_TEST_ALL=1` makes `fsx` longer.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{Mounted, Server};

/// The program of a suite; `None`, and a line that says so, where nobody has installed it.
fn program(variable: &str, test: &str) -> Option<PathBuf> {
    let there = std::env::var_os(variable).map(PathBuf::from);
    if there.is_none() {
        println!("SKIPPED: {test}: {variable} does not say where the suite is; `cargo verify` installs it");
    }
    there
}

/// A case, or the end of the names of several, and why it cannot go well here.
type Known = (&'static str, &'static str);

const NO_DEVICES: &str = "a device would be one of the host's, and is not made (EPERM)";
const DEVICES: &[Known] = &[("::char", NO_DEVICES), ("::block", NO_DEVICES)];

const OF_THE_USER: &str =
    "pipes, sockets and links have no attributes to write an owner in: without root's rights they are the user's";
const OF_A_USER: &[Known] = &[
    ("mkfifo::uid_gid_eq_euid_egid", OF_THE_USER),
    ("mknod::uid_gid_eq_euid_egid", OF_THE_USER),
    ("link::share_metadata::fifo", OF_THE_USER),
    ("link::share_metadata::socket", OF_THE_USER),
];

const READ_ONLY: &str = "it makes the file system read-only for all; read-only shares have tests of their own";
const LEFT_OUT: &[Known] = &[
    ("::erofs_named", READ_ONLY),
    ("::erofs_new_file", READ_ONLY),
    ("link::link_count_max", "of a FUSE mount the C library does not know how many links a file may have"),
];

/// Told as it should be or not: which of two is faster.
const EITHER: &[Known] = &[(
    "open::etxtbsy",
    "the kernel has a program truncated that somebody opens to read and with O_TRUNC, and refuses it then, if it still runs",
)];

#[test]
fn pjdfstest_of_roots_server() {
    pjdfstest("pjdfstest_of_roots_server", Server::Root, DEVICES);
}

#[test]
fn pjdfstest_of_a_users_server() {
    pjdfstest("pjdfstest_of_a_users_server", Server::User, &[DEVICES, OF_A_USER].concat());
}

/// All of its cases: what is known to fail has to.
fn pjdfstest(test: &str, server: Server, known: &[Known]) {
    const CASES: usize = 398;
    let Some(program) = program("BERTH_TEST_PJDFSTEST", test) else { return };
    let m = Mounted::by(server);
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("pjdfstest.toml");
    // Users and groups that each Debian has.
    let settings = "[features]\nposix_fallocate = {}\nrename_ctime = {}\nutime_now = {}\nutimensat = {}\n\
        [settings]\nnaptime = 0.02\n[dummy_auth]\nentries = [[\"nobody\", \"nogroup\"], [\"daemon\", \"daemon\"]]\n";
    fs::write(&file, settings).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&file).arg("-p").arg(&m.guest).arg("-s").arg(own.path());
    let out = command.env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let is = |name: &str, known: &[Known]| known.iter().any(|(end, _)| name.ends_with(end));
    let (mut cases, mut wrong, mut lines) = (0, Vec::new(), said.lines().peekable());
    while let Some(line) = lines.next() {
        let Some((name, how)) = line.split_once(' ') else { continue };
        let as_known = match how.trim() {
            "ok" | "FAILED" if is(name, EITHER) => true,
            "ok" => !is(name, known) && !is(name, LEFT_OUT),
            "FAILED" => is(name, known),
            "skipped" => is(name, LEFT_OUT),
            _ => continue,
        };
        cases += 1;
        if !as_known {
            // Why it failed is below it.
            let why = lines.next_if(|line| line.starts_with('\t'));
            wrong.push(format!("{line}{}", why.unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "not as known:\n{}", wrong.join("\n"));
    assert_eq!(cases, CASES, "{said}{}", String::from_utf8_lossy(&out.stderr));
}

/// All that it can do, many of them on maps of the file.
const WEIGHTS: &str = "[weights]\nclose_open = 2\ninvalidate = 2\nmapread = 10\nmapwrite = 10\nread = 10\nwrite = 10\ntruncate = 5\n\
    fsync = 1\nfdatasync = 1\nposix_fallocate = 3\npunch_hole = 3\nsendfile = 3\nposix_fadvise = 2\ncopy_file_range = 3\n";

#[test]
fn fsx_finds_what_it_wrote() {
    let Some(program) = program("BERTH_TEST_FSX", "fsx_finds_what_it_wrote") else { return };
    let long = std::env::var_os("BERTH_TEST_ALL").is_some();
    let (rounds, operations) = if long { (5, "10000") } else { (2, "1500") };
    for server in [Server::Root, Server::User] {
        let m = Mounted::by(server);
        let own = tempfile::tempdir().unwrap();
        for seed in 1..=rounds {
            // The largest file, and the largest part of it that is dealt with at once.
            let (length, part) = if seed % 2 == 0 { (4 << 20, 1 << 20) } else { (256 << 10, 64 << 10) };
            let file = own.path().join("fsx.toml");
            fs::write(&file, format!("flen = {length}\n[opsize]\nmax = {part}\n{WEIGHTS}")).unwrap();
            let mut command = Command::new(&program);
            command.arg("-f").arg(&file).args(["-N", operations, "-S", &seed.to_string()]);
            command.arg("-P").arg(own.path()).arg(m.guest.join(format!("file{seed}")));
            let out = command.stdin(Stdio::null()).output().unwrap();
            let said = [out.stdout, out.stderr].concat();
            assert!(out.status.success(), "seed {seed}, {server:?}: {}", String::from_utf8_lossy(&said));
            let [guest, host] = [&m.guest, &m.host].map(|side| fs::read(side.join(format!("file{seed}"))).unwrap());
            assert!(guest == host, "seed {seed}: both sides have the same");
        }
    }
}
