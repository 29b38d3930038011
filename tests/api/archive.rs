//! Files of containers as archives.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::http::{Answer, request};

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    [
        cases![everywhere;
            a_copy_that_takes_long_is_not_spoiled_by_another_or_a_start,
            a_name_of_two_lines_goes_in_and_out,
            a_damaged_archive_is_refused,
        ],
        // dockerd answers 500: "RWLayer of container … is unexpectedly nil".
        cases![not_of_dockerd; a_copy_beside_a_removal_is_of_a_container_or_of_none],
    ]
    .concat()
}

/// Of a file: a multiple of a block, and more than all buffers between a client and an engine hold.
const LONG: usize = 16 << 20;

/// Each of the three needs the root of a container that does not run; a second mount of it would break the first.
pub(crate) fn a_copy_that_takes_long_is_not_spoiled_by_another_or_a_start(case: &Case<'_>) -> Result {
    let name = case.container("copied-into");
    case.ok(&["create", "--name", &name, "busybox", "sleep", "1000"])?;
    // Directories of the image: with the first change in it each is copied into the container's own layer.
    let mut archive = tar::Builder::new(Vec::new());
    for (directory, size) in [("root", LONG), ("etc", 4096), ("var", 4096)] {
        tests::archive::append(&mut archive, &format!("{directory}/long"), &vec![b'x'; size])?;
    }
    let archive = archive.into_inner()?;
    let mut slow = UnixStream::connect(case.host().strip_prefix("unix://").context("a Unix socket")?)?;
    write!(slow, "PUT /v1.51/containers/{name}/archive?path=/ HTTP/1.0\r\nContent-Length: {}\r\n\r\n", archive.len())?;
    // The first file and no more: when it is written, the engine unpacks it.
    let half = 512 + LONG;
    slow.write_all(&archive[..half])?;
    let (done, others) = mpsc::channel();
    for (method, path) in [("PUT", "archive?path=/usr"), ("POST", "start")] {
        let (host, path) = (case.host().to_owned(), format!("/v1.51/containers/{name}/{path}"));
        let other = String::from_utf8(tests::archive::file("other", b"quick")?)?;
        let done = done.clone();
        std::thread::spawn(move || {
            let body = if method == "PUT" { other } else { String::new() };
            // Nobody listens any more after a failure.
            let _ = done.send(request(&host, method, &path, &body));
        });
    }
    // Where they do not wait for the slow one they are done by now; where they do, this costs a moment.
    let first = others.recv_timeout(Duration::from_millis(700));
    slow.write_all(&archive[half..])?;
    let mut answer = String::new();
    slow.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    let first = first.or_else(|_| others.recv())??;
    for answer in [first, others.recv()??] {
        ensure!(answer.status == 200 || answer.status == 204, "{} {}", answer.status, answer.body);
    }
    case.ok(&[
        "exec",
        &name,
        "sh",
        "-c",
        "cat /root/long /etc/long /var/long /usr/other >/dev/null && touch /bin/new",
    ])?;
    Ok(())
}

/// So often is a container removed while others copy out of it.
const REMOVALS: usize = 40;
const COPIERS: usize = 3;

/// A removal takes the anonymous volumes away that a copy has just found.
pub(crate) fn a_copy_beside_a_removal_is_of_a_container_or_of_none(case: &Case<'_>) -> Result {
    let (name, host) = (case.container("copied-and-removed"), case.host());
    for _ in 0..REMOVALS {
        case.ok(&["create", "--name", &name, "--volume=/data", "busybox"])?;
        let copied: Vec<anyhow::Result<Answer>> = std::thread::scope(|scope| {
            let copy = || request(host, "GET", &format!("/v1.51/containers/{name}/archive?path=/etc/passwd"), "");
            let copiers: Vec<_> = (0..COPIERS).map(|_| scope.spawn(copy)).collect();
            let removed = request(host, "DELETE", &format!("/v1.51/containers/{name}?v=1"), "");
            let copied = copiers.into_iter().map(|copier| copier.join().expect("no panic in a copier"));
            copied.chain([removed]).collect()
        });
        for answer in copied {
            let answer = answer?;
            ensure!([200, 204, 404].contains(&answer.status), "{} {}", answer.status, answer.body);
        }
    }
    Ok(())
}

/// In a PAX record, whose length says where it ends; in and out by the stock CLI as well, and through an image.
pub(crate) fn a_name_of_two_lines_goes_in_and_out(case: &Case<'_>) -> Result {
    let (name, image) = (case.container("lines"), case.image("lines"));
    case.ok(&["create", "--name", &name, "busybox", "cat", "/tmp/two\nlines", "/tmp/copied\nagain"])?;
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_pax_extensions([("path", &b"two\nlines"[..]), ("comment", b"9 x=y\n\n")])?;
    tests::archive::append(&mut archive, "short", b"text")?;
    let archive = String::from_utf8(archive.into_inner()?)?;
    let path = format!("/v1.51/containers/{name}/archive?path=/tmp");
    let answer = request(case.host(), "PUT", &path, &archive)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copied\nagain");
    let at = copy.to_str().context("text")?;
    case.ok(&["cp", &format!("{name}:/tmp/two\nlines"), at])?;
    ensure!(std::fs::read(&copy)? == b"text");
    case.ok(&["cp", at, &format!("{name}:/tmp/")])?;
    ensure!(case.ok(&["start", "--attach", &name])? == "texttext");
    case.ok(&["commit", &name, &image])?;
    let saved = folder.path().join("saved.tar");
    let saved = saved.to_str().context("text")?;
    case.ok(&["save", "--output", saved, &image])?;
    case.ok(&["rm", &name])?;
    case.ok(&["image", "rm", &image])?;
    case.ok(&["load", "--input", saved])?;
    ensure!(case.ok(&["run", "--rm", &image])? == "texttext");
    Ok(())
}

/// With dockerd's status; and the engine lives on.
pub(crate) fn a_damaged_archive_is_refused(case: &Case<'_>) -> Result {
    let name = case.container("damaged");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let path = format!("/v1.51/containers/{name}/archive?path=/tmp");
    let extended = |records: &[u8]| -> anyhow::Result<String> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(records.len() as u64);
        header.set_cksum();
        archive.append(&header, records)?;
        tests::archive::append(&mut archive, "after", b"x")?;
        Ok(String::from_utf8(archive.into_inner()?)?)
    };
    let whole = extended(b"10 path=x\n")?;
    let [short, endless, keyless] = [&b"8 path=x\n"[..], b"99999999999999999999 path=x\n", b"5 ab\n"].map(extended);
    // Within the file's data.
    let cut = whole[..whole.len() - 1024 - 512].to_owned();
    for damaged in [short?, endless?, keyless?, cut, "x".repeat(1024)] {
        let answer = request(case.host(), "PUT", &path, &damaged)?;
        ensure!(answer.status == 500, "{} {}", answer.status, answer.body);
    }
    let answer = request(case.host(), "PUT", &path, &whole)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}
