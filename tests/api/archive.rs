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
        cases![everywhere; a_copy_that_takes_long_is_not_spoiled_by_another_or_a_start],
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
