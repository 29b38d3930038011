//! Whose the files are that an archive brings into a container: the archive's owners, or with `copyUIDGID` the container's user.

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::http::{Answer, request};

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; are_the_archives_or_the_containers, of_a_copy_by_the_cli, unknown_users_are_told]
}

/// What is at the root of an archive: a folder, a file and a link in it, all of them user 77's and group 88's.
fn archive() -> anyhow::Result<String> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name) in
        [(tar::EntryType::Directory, "d"), (tar::EntryType::Regular, "d/file"), (tar::EntryType::Symlink, "d/link")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(77);
        header.set_gid(88);
        header.set_size(0);
        match kind {
            tar::EntryType::Symlink => archive.append_link(&mut header, name, "file")?,
            _ => archive.append_data(&mut header, name, std::io::empty())?,
        }
    }
    Ok(String::from_utf8(archive.into_inner()?)?)
}

fn put(case: &Case<'_>, name: &str, query: &str) -> anyhow::Result<Answer> {
    let path = format!("/v1.51/containers/{name}/archive?path=/tmp{query}");
    request(case.host(), "PUT", &path, &archive()?)
}

/// The distinct owners of everything that a copy of `/tmp/d` has.
fn owners(case: &Case<'_>, name: &str, at: &str) -> anyhow::Result<Vec<String>> {
    let copied = case.command(["cp", &format!("{name}:{at}"), "-"]).output()?;
    ensure!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let mut owners = Vec::new();
    for entry in tar::Archive::new(&copied.stdout[..]).entries()? {
        let header = entry?.header().clone();
        owners.push(format!("{}:{}", header.uid()?, header.gid()?));
    }
    ensure!(owners.len() == 3, "{owners:?}");
    owners.dedup();
    Ok(owners)
}

/// An image in which there are a user `made` and a group `team`.
fn image(case: &Case<'_>) -> anyhow::Result<String> {
    let (image, name) = (case.image("with-users:1"), case.container("users"));
    let script = "echo made:x:4321:5432::/:/bin/sh >>/etc/passwd; echo team:x:6543: >>/etc/group";
    case.ok(&["run", "--name", &name, "busybox", "sh", "-c", script])?;
    case.ok(&["commit", &name, &image])?;
    Ok(image)
}

pub(crate) fn are_the_archives_or_the_containers(case: &Case<'_>) -> Result {
    let image = image(case)?;
    for (user, owner) in [
        ("", "77:88"),
        ("made", "4321:5432"),
        ("made:team", "4321:6543"),
        ("1234", "1234:0"),
        ("1234:2345", "1234:2345"),
        ("1234:team", "1234:6543"),
        ("0:9", "0:9"),
    ] {
        let name = case.container("owned");
        case.ok(&["create", "--user", user, "--name", &name, &image])?;
        for (query, owner) in
            [("&copyUIDGID=1", owner), ("&copyUIDGID=true", owner), ("&copyUIDGID=0", "77:88"), ("", "77:88")]
        {
            let answer = put(case, &name, query)?;
            ensure!(answer.status == 200, "{user:?} {query}: {} {}", answer.status, answer.body);
            let found = owners(case, &name, "/tmp/d")?;
            ensure!(found == [owner], "{user:?} {query}: {found:?} instead of {owner}");
        }
        case.ok(&["rm", &name])?;
    }
    Ok(())
}

/// `docker cp` sends files as whose they are on this computer; with `-a` it asks for the container's user.
pub(crate) fn of_a_copy_by_the_cli(case: &Case<'_>) -> Result {
    let name = case.started("copied", &["--user", "1234:2345"], "echo ready; exec sleep 1000")?;
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("d");
    std::fs::create_dir(&source)?;
    std::fs::write(source.join("file"), "")?;
    std::os::unix::fs::symlink("file", source.join("link"))?;
    for path in [&source, &source.join("file"), &source.join("link")] {
        std::os::unix::fs::lchown(path, Some(77), Some(88))?;
    }
    let source = source.to_str().context("text")?;
    case.ok(&["cp", "-a", source, &format!("{name}:/tmp/kept")])?;
    ensure!(owners(case, &name, "/tmp/kept")? == ["1234:2345"], "{:?}", owners(case, &name, "/tmp/kept")?);
    case.ok(&["cp", source, &format!("{name}:/tmp/plain")])?;
    ensure!(owners(case, &name, "/tmp/plain")? == ["77:88"], "{:?}", owners(case, &name, "/tmp/plain")?);
    Ok(())
}

/// Before anything is unpacked.
pub(crate) fn unknown_users_are_told(case: &Case<'_>) -> Result {
    for (user, words) in [
        ("absent", "failed to look up user \"absent\" in container: no matching entries in passwd file"),
        ("0:absent", "failed to look up group \"absent\" in container: no matching entries in group file"),
    ] {
        let name = case.container("unknown");
        case.ok(&["create", "--user", user, "--name", &name, "busybox"])?;
        let answer = put(case, &name, "&copyUIDGID=1")?;
        ensure!(
            (answer.status, answer.message().as_str()) == (400, words),
            "{user}: {} {}",
            answer.status,
            answer.body
        );
        let copied = case.run(&["cp", &format!("{name}:/tmp/d"), "-"])?;
        ensure!(copied.code == 1 && copied.err.contains("Could not find the file /tmp/d"), "{copied:?}");
        case.ok(&["rm", &name])?;
    }
    Ok(())
}
