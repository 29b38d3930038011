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
            a_file_whose_name_ends_in_a_slash_is_a_file,
            a_zero_byte_is_in_no_path,
            nothing_is_below_a_file,
            the_root_is_named_by_its_slash,
            a_hard_link_is_to_what_the_archive_names,
            what_leads_out_of_the_folder_is_refused,
            a_read_only_root_stays_as_it_is,
            a_folder_and_a_file_replace_each_other_only_when_asked,
            the_place_of_a_mount_is_not_replaced,
            owners_beyond_what_the_kernel_has_are_taken,
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

/// A member as hostile writers make it: the crate's own setters refuse what leads out.
fn entry(kind: tar::EntryType, name: &str, content: &str) -> anyhow::Result<Vec<u8>> {
    let is_file = kind == tar::EntryType::Regular;
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(if is_file { content.len() as u64 } else { 0 });
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    if !is_file {
        header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
    }
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, if is_file { content.as_bytes() } else { b"" })?;
    let mut bytes = archive.into_inner()?;
    bytes.truncate(bytes.len() - 1024);
    Ok(bytes)
}

fn file(name: &str, content: &str) -> anyhow::Result<Vec<u8>> {
    entry(tar::EntryType::Regular, name, content)
}

fn directory(name: &str) -> anyhow::Result<Vec<u8>> {
    entry(tar::EntryType::Directory, name, "")
}

/// Status and message of the engine for these entries; `place` is the path, with what follows it in the query.
fn put(case: &Case<'_>, name: &str, place: &str, entries: &[Vec<u8>]) -> anyhow::Result<(u16, String)> {
    let archive = String::from_utf8([entries.concat(), vec![0; 1024]].concat())?;
    let answer = request(case.host(), "PUT", &format!("/v1.51/containers/{name}/archive?path={place}"), &archive)?;
    Ok((answer.status, answer.message()))
}

/// What is at a path of the container.
fn content(case: &Case<'_>, name: &str, path: &str) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy");
    case.ok(&["cp", &format!("{name}:{path}"), copy.to_str().context("text")?])?;
    Ok(std::fs::read_to_string(copy)?)
}

fn is_missing(case: &Case<'_>, name: &str, path: &str) -> anyhow::Result<bool> {
    let query = format!("/v1.51/containers/{name}/archive?path={path}");
    let answer = request(case.host(), "GET", &query, "")?;
    Ok((answer.status, answer.message()) == (404, format!("Could not find the file {path} in container {name}")))
}

pub(crate) fn a_file_whose_name_ends_in_a_slash_is_a_file(case: &Case<'_>) -> Result {
    let name = case.container("slashed");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let (status, message) = put(case, &name, "/tmp", &[file("slashed/", "text")?])?;
    ensure!(status == 200, "{status} {message}");
    ensure!(content(case, &name, "/tmp/slashed")? == "text");
    Ok(())
}

pub(crate) fn a_zero_byte_is_in_no_path(case: &Case<'_>) -> Result {
    let name = case.container("zeroed");
    case.ok(&["create", "--name", &name, "busybox", "sleep", "1000"])?;
    for (asked, whole, step) in [
        ("%00", "/\0", "/\0"),
        ("/tmp%00x", "/tmp\0x", "/tmp\0x"),
        ("/tmp/%00", "/tmp/\0", "/tmp/\0"),
        ("/%00/x", "/\0/x", "/\0"),
    ] {
        let query = format!("/v1.51/containers/{name}/archive?path={asked}");
        let answer = request(case.host(), "GET", &query, "")?;
        let told = (answer.status, answer.message());
        ensure!(told == (500, format!("lstat {whole}: invalid argument")), "GET {asked}: {told:?}");
        let told = put(case, &name, asked, &[file("new", "new")?])?;
        ensure!(told == (500, format!("lstat {step}: invalid argument")), "PUT {asked}: {told:?}");
    }
    Ok(())
}

/// A slash at the end says that a folder is meant.
pub(crate) fn nothing_is_below_a_file(case: &Case<'_>) -> Result {
    let name = case.started("filed", &[], "mkdir /d; echo kept >/d/f; ln -s f /d/l; echo ready; exec sleep 1000")?;
    for path in ["/d/f/", "/d/f/.", "/d/l/", "/d/f/x", "/d/l/x/y"] {
        let answer = request(case.host(), "GET", &format!("/v1.51/containers/{name}/archive?path={path}"), "")?;
        let told = (answer.status, answer.message());
        ensure!(told == (500, format!("lstat {path}: not a directory")), "{path}: {told:?}");
    }
    let told = put(case, &name, "/d/f/", &[file("new", "new")?])?;
    ensure!(told == (500, "lstat /d/f/: not a directory".to_owned()), "{told:?}");
    let told = put(case, &name, "/d/f", &[file("new", "new")?])?;
    ensure!(told == (400, "extraction point is not a directory".to_owned()), "{told:?}");
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("new"), "new")?;
    let source = folder.path().join("new");
    let source = source.to_str().context("a path")?;
    let said = case.run(&["cp", source, &format!("{name}:/d/f/")])?;
    ensure!(said.code == 1 && said.err.contains("no such directory"), "{said:?}");
    ensure!(case.ok(&["exec", &name, "cat", "/d/f"])? == "kept");
    Ok(())
}

/// `docker cp` puts the name of the new folder in the place of what the archive's names begin with.
pub(crate) fn the_root_is_named_by_its_slash(case: &Case<'_>) -> Result {
    let image = case.image("one-file:1");
    let layer = tests::archive::file("only/file", b"here")?;
    let said = case.fed(&tests::archive::docker(&image, &[layer])?, &["load"])?;
    ensure!(said.code == 0, "{said:?}");
    let name = case.container("rooted");
    case.ok(&["create", "--name", &name, &image, "/only/file"])?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).to_str().map(str::to_owned).context("a path");
    case.ok(&["cp", &format!("{name}:/"), &at("all")?])?;
    case.ok(&["cp", &format!("{name}:/only/.."), &at("too")?])?;
    case.ok(&["cp", &format!("{name}:/."), &at("dot")?])?;
    for copied in ["all", "too", "dot"] {
        ensure!(std::fs::read_to_string(at(&format!("{copied}/only/file"))?)? == "here", "{copied}");
    }
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path())?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
    names.sort();
    ensure!(names == ["all", "dot", "too"], "{names:?}");
    Ok(())
}

/// From the folder unpacked into, wherever the link itself is.
pub(crate) fn a_hard_link_is_to_what_the_archive_names(case: &Case<'_>) -> Result {
    let name = case.container("hard-linked");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let link = |name: &str, to: &str| entry(tar::EntryType::Link, name, to);
    let entries =
        [file("lib/a", "named")?, file("pkg/lib/a", "beside")?, link("pkg/b", "lib/a")?, link("c", "/lib/a")?];
    ensure!(put(case, &name, "/tmp", &entries)?.0 == 200);
    for path in ["/tmp/pkg/b", "/tmp/c"] {
        ensure!(content(case, &name, path)? == "named", "{path}");
    }
    ensure!(content(case, &name, "/tmp/pkg/lib/a")? == "beside");
    for to in ["b", "/tmp/lib/a"] {
        let said = put(case, &name, "/tmp", &[link("pkg/d", to)?])?;
        ensure!(said == (404, format!("Could not find the file /tmp in container {name}")), "{to}: {said:?}");
    }
    Ok(())
}

pub(crate) fn what_leads_out_of_the_folder_is_refused(case: &Case<'_>) -> Result {
    let name = case.container("led-out");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let symlink = |name: &str, to: &str| entry(tar::EntryType::Symlink, name, to);
    ensure!(put(case, &name, "/tmp", &[directory("in")?, file("x", "old")?])?.0 == 200);
    for out in ["../x", "/../x", "a/../../x", "../in/x", ".."] {
        let said = put(case, &name, "/tmp/in", &[file(out, "new")?])?;
        ensure!(said == (500, format!("invalid entry name {out:?}")), "{said:?}");
    }
    for out in ["../x", "../in/y", "", "."] {
        let entries = [file("y", "in")?, entry(tar::EntryType::Link, "z", out)?];
        let said = put(case, &name, "/tmp/in", &entries)?;
        ensure!(said == (500, format!("invalid hardlink target {out:?}")), "{said:?}");
    }
    // A link may lead anywhere; what is put through it may not.
    ensure!(put(case, &name, "/tmp/in", &[symlink("up", "../..")?, symlink("link", "/etc")?])?.0 == 200);
    let said = put(case, &name, "/tmp/in", &[file("up/x", "new")?])?;
    ensure!(said == (500, "statat up: path escapes from parent".to_owned()), "{said:?}");
    let said = put(case, &name, "/tmp/in", &[entry(tar::EntryType::Link, "z", "up/x")?])?;
    ensure!(said == (500, "statat up: path escapes from parent".to_owned()), "{said:?}");
    ensure!(put(case, &name, "/tmp/in", &[file("link/x", "inside")?])?.0 == 200);
    ensure!(content(case, &name, "/tmp/in/etc/x")? == "inside");
    ensure!(is_missing(case, &name, "/etc/x")?);
    ensure!(content(case, &name, "/tmp/x")? == "old");
    Ok(())
}

/// Whatever is in a volume that may be written, and wherever its links lead.
pub(crate) fn a_read_only_root_stays_as_it_is(case: &Case<'_>) -> Result {
    let name = case.container("read-only");
    case.ok(&["create", "--read-only", "--volume=/data", "--name", &name, "busybox", "sleep", "1000"])?;
    let link = entry(tar::EntryType::Symlink, "link", "/etc")?;
    ensure!(put(case, &name, "/data", &[link])?.0 == 200);
    let refused = (400, "container rootfs is marked read-only".to_owned());
    for state in ["created", "running"] {
        ensure!(put(case, &name, "/data", &[file("../etc/x", "new")?])?.0 == 500, "{state}");
        for place in ["/etc", "/data/link", "/data/../etc"] {
            let said = put(case, &name, place, &[file("x", "new")?])?;
            ensure!(said == refused, "{state} {place}: {said:?}");
        }
        ensure!(put(case, &name, "/data", &[file("link/x", "inside")?])?.0 == 200, "{state}");
        ensure!(is_missing(case, &name, "/etc/x")?, "{state}");
        case.ok(&["start", &name])?;
    }
    Ok(())
}

pub(crate) fn a_folder_and_a_file_replace_each_other_only_when_asked(case: &Case<'_>) -> Result {
    let name = case.container("overwritten");
    case.ok(&["create", "--name", &name, "busybox"])?;
    let link = entry(tar::EntryType::Symlink, "link", "to/in")?;
    ensure!(put(case, &name, "/tmp", &[directory("to/in/folder")?, file("to/in/file", "old")?, link])?.0 == 200);
    for place in ["/tmp/to/in", "/tmp/link"] {
        let keeping = format!("{place}&noOverwriteDirNonDir=1");
        let said = put(case, &name, &keeping, &[file("./folder", "new")?])?;
        let words = "cannot overwrite directory \"folder\" with non-directory \"/tmp/to/in\"";
        ensure!(said == (500, words.to_owned()), "{said:?}");
        let said = put(case, &name, &keeping, &[directory("file/")?])?;
        let words = "cannot overwrite non-directory \"file\" with directory \"/tmp/to/in\"";
        ensure!(said == (500, words.to_owned()), "{said:?}");
        ensure!(put(case, &name, &keeping, &[directory("folder")?, file("file", "kept")?])?.0 == 200);
    }
    ensure!(put(case, &name, "/tmp/to/in", &[file("folder", "new")?, directory("file")?])?.0 == 200);
    ensure!(content(case, &name, "/tmp/to/in/folder")? == "new");
    Ok(())
}

/// It would take the mount away, under a running container as well.
pub(crate) fn the_place_of_a_mount_is_not_replaced(case: &Case<'_>) -> Result {
    let name = case.container("mounted-on");
    case.ok(&["create", "--volume=/data", "--name", &name, "busybox", "sleep", "1000"])?;
    ensure!(put(case, &name, "/data", &[file("kept", "kept")?])?.0 == 200);
    for state in ["created", "running"] {
        ensure!(put(case, &name, "/", &[directory("data")?])?.0 == 200, "{state}");
        let (status, said) = put(case, &name, "/", &[file("data", "new")?])?;
        ensure!(status == 500 && said.to_lowercase().contains("device or resource busy"), "{state}: {status} {said}");
        case.ok(&["start", &name])?;
    }
    let (status, said) = put(case, &name, "/etc", &[file("hosts", "new")?])?;
    ensure!(status == 500 && said.to_lowercase().contains("device or resource busy"), "{status} {said}");
    ensure!(case.ok(&["exec", &name, "grep", "-c", "localhost", "/etc/hosts"])? != "0");
    Ok(())
}

pub(crate) fn owners_beyond_what_the_kernel_has_are_taken(case: &Case<'_>) -> Result {
    let name = case.container("owned");
    case.ok(&["create", "--name", &name, "busybox", "stat", "-c", "%u %g", "/tmp/low", "/tmp/nobody", "/tmp/below"])?;
    let mut archive = tar::Builder::new(Vec::new());
    for (file, owner) in [("low", "4294967301"), ("nobody", "-1"), ("below", "-5")] {
        archive.append_pax_extensions([("uid", owner.as_bytes()), ("gid", owner.as_bytes())])?;
        tests::archive::append(&mut archive, file, b"")?;
    }
    ensure!(put(case, &name, "/tmp", &[archive.into_inner()?])?.0 == 200);
    let owners = case.ok(&["start", "--attach", &name])?;
    ensure!(owners == "5 5\n0 0\n4294967291 4294967291", "{owners}");
    Ok(())
}
