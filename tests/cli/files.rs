//! `docker cp`, `export` and `diff`.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::case::Case;
use tests::engine::Kind;
use tests::events::Listener;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; copy_in_and_out, copy_directory_and_stopped, export_and_changes, export_stands_in_nobodys_way, a_broken_export_is_not_told, names_that_are_no_text, packed_archives, whole_root_while_it_runs]
}

pub(crate) fn copy_in_and_out(case: &Case<'_>) -> Result {
    let name = case.container("cp");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let dir = tempfile::tempdir()?;
    let (source, back) = (dir.path().join("a file"), dir.path().join("back"));
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    fs::write(&source, &content)?;
    case.ok(&["cp", &source.display().to_string(), &format!("{name}:/tmp/renamed")])?;
    ensure!(case.ok(&["exec", &name, "sh", "-c", "wc -c </tmp/renamed"])? == "300000");
    case.ok(&["cp", &format!("{name}:/tmp/renamed"), &back.display().to_string()])?;
    ensure!(fs::read(&back)? == content, "the file changed on its way");
    let said = case.run(&["cp", &format!("{name}:/no/such"), "-"])?;
    ensure!(said.code == 1 && said.err.contains("Could not find the file /no/such"), "{said:?}");
    // A link that points out of the container is followed inside it.
    case.ok(&["exec", &name, "ln", "-s", "../../../../etc/passwd", "/tmp/link"])?;
    case.ok(&["cp", "-L", &format!("{name}:/tmp/link"), &back.display().to_string()])?;
    let (copied, read) = (fs::read_to_string(&back)?, case.ok(&["exec", &name, "cat", "/etc/passwd"])? + "\n");
    ensure!(copied == read, "copied {copied:?}, and read {read:?}");
    Ok(())
}

pub(crate) fn copy_directory_and_stopped(case: &Case<'_>) -> Result {
    let name = case.container("cpdir");
    case.ok(&["create", "--name", &name, "busybox", "cat", "/data/tree/deep/leaf"])?;
    let dir = tempfile::tempdir()?;
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("deep"))?;
    fs::write(tree.join("deep/leaf"), "green")?;
    // A target that is not there becomes the folder, one that is there gets it inside, as with cp(1).
    case.ok(&["cp", &tree.display().to_string(), &format!("{name}:/data")])?;
    case.ok(&["cp", &tree.display().to_string(), &format!("{name}:/data")])?;
    let out = dir.path().join("out");
    case.ok(&["cp", &format!("{name}:/data"), &out.display().to_string()])?;
    for leaf in ["deep/leaf", "tree/deep/leaf"] {
        let text = fs::read_to_string(out.join(leaf)).with_context(|| leaf.to_owned())?;
        ensure!(text == "green", "{leaf}: {text}");
    }
    ensure!(case.ok(&["start", "-a", &name])? == "green");
    Ok(())
}

pub(crate) fn export_and_changes(case: &Case<'_>) -> Result {
    let name = case.container("diff");
    let script = "echo new >/added; rm /etc/group; echo x >>/etc/passwd";
    case.ok(&["run", "--name", &name, "--tmpfs", "/mounted", "busybox", "sh", "-c", script])?;
    let out = case.ok(&["diff", &name])?;
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    ensure!(lines == ["A /added", "A /mounted", "C /etc", "C /etc/passwd", "D /etc/group"], "{out}");
    let dir = tempfile::tempdir()?;
    let tar = dir.path().join("all.tar");
    case.ok(&["export", "-o", &tar.display().to_string(), &name])?;
    let listing = std::process::Command::new("tar").arg("-tf").arg(&tar).output()?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    ensure!(listing.lines().any(|line| line == "added") && listing.lines().any(|line| line == "bin/sh"), "{listing}");
    ensure!(!listing.lines().any(|line| line == "etc/group"), "{listing}");
    Ok(())
}

/// More than what lies between the engine and a client that does not read.
const LARGE: &str = "head -c 33554432 /dev/zero >/large; echo small >/small";

/// A stopped container with much in it, and a client that has read the beginning of its export.
fn half_exported(case: &Case<'_>, name: &str) -> anyhow::Result<std::process::Child> {
    case.ok(&["run", "--name", name, "busybox", "sh", "-c", &format!("[ -e /large ] || {{ {LARGE}; }}")])?;
    let mut client = case.piped(&["export", name])?;
    client.stdout.as_mut().context("stdout was piped")?.read_exact(&mut [0; 512])?;
    Ok(client)
}

/// The whole of it is there, though the container was started, renamed and removed meanwhile.
pub(crate) fn export_stands_in_nobodys_way(case: &Case<'_>) -> Result {
    let (name, other) = (case.container("read"), case.container("read-on"));
    let client = half_exported(case, &name)?;
    case.ok(&["start", "-a", &name])?;
    case.ok(&["rename", &name, &other])?;
    case.ok(&["rm", "-f", &other])?;
    let out = client.wait_with_output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let has = |bytes: &[u8]| out.stdout.windows(bytes.len()).any(|window| window == bytes);
    // dockerd takes the files away under whoever reads them.
    let whole = has(b"small\n") || case.kind == Kind::Reference;
    ensure!(out.stdout.len() > 33_554_432 && whole, "{} bytes", out.stdout.len());
    Ok(())
}

pub(crate) fn a_broken_export_is_not_told(case: &Case<'_>) -> Result {
    let name = case.container("told");
    let listener = Listener::start(case)?;
    let mut client = half_exported(case, &name)?;
    client.kill()?;
    client.wait()?;
    ensure!(case.command(["export", &name]).output()?.status.success());
    let events = listener.told()?;
    let is_own = |event: &&Value| event["Action"] == "export" && event["Actor"]["Attributes"]["name"] == *name;
    let told: Vec<&Value> = events.iter().filter(is_own).collect();
    ensure!(told.len() == 1, "{told:?}");
    Ok(())
}

pub(crate) fn names_that_are_no_text(case: &Case<'_>) -> Result {
    let name = case.container("latin");
    case.ok(&[
        "create",
        "--name",
        &name,
        "busybox",
        "sh",
        "-c",
        "printf %s /data/* | od -An -v -tx1 -w64; cat /data/*",
    ])?;
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    fs::create_dir(&data)?;
    for (content, bytes) in [("1\n", b"stra\xdfe"), ("2\n", b"stra\xdee")] {
        fs::write(data.join(OsStr::from_bytes(bytes)), content)?;
    }
    case.ok(&["cp", &data.display().to_string(), &format!("{name}:/data")])?;
    let out = case.ok(&["start", "-a", &name])?;
    ensure!(out.contains("73 74 72 61 de 65") && out.contains("73 74 72 61 df 65"), "{out}");
    ensure!(out.ends_with("2\n1"), "{out}");
    // And back out of the container.
    let back = dir.path().join("back");
    case.ok(&["cp", &format!("{name}:/data"), &back.display().to_string()])?;
    ensure!(fs::read_to_string(back.join(OsStr::from_bytes(b"stra\xdfe")))? == "1\n");
    Ok(())
}

/// The engine unpacks what it is sent, however it is packed: `cp` from standard input, and `load`.
pub(crate) fn packed_archives(case: &Case<'_>) -> Result {
    let name = case.container("packed");
    case.ok(&["create", "--name", &name, "busybox", "cat", "/tmp/bzip2", "/tmp/xz"])?;
    let file = |name: &str| -> anyhow::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(name.len() as u64);
        tar.append_data(&mut header, name, name.as_bytes())?;
        Ok(tar.into_inner()?)
    };
    let into = format!("{name}:/tmp");
    // dockerd leaves xz to a program of its machine, which need not be there.
    let helpless = |said: &tests::docker::Said| said.err.contains("exec: \"xz\": executable file not found");
    for (kind, packed) in [("bzip2", bzip2(&file("bzip2")?)?), ("xz", xz(&file("xz")?)?)] {
        let said = case.fed(&packed, &["cp", "-", &into])?;
        if helpless(&said) {
            case.fed(&file("xz")?, &["cp", "-", &into])?;
        } else {
            ensure!(said.code == 0, "{kind}: {said:?}");
        }
    }
    ensure!(case.ok(&["start", "-a", &name])? == "bzip2xz");
    let dir = tempfile::tempdir()?;
    let saved = dir.path().join("saved");
    case.ok(&["save", "-o", &saved.display().to_string(), "busybox"])?;
    let saved = fs::read(saved)?;
    for packed in [bzip2(&saved)?, xz(&saved)?] {
        let said = case.fed(&packed, &["load"])?;
        let loaded = said.code == 0 && said.out.contains("Loaded image: busybox:latest");
        ensure!(loaded || helpless(&said), "{said:?}");
    }
    Ok(())
}

/// It ends, and what the kernel shows in it are empty folders.
pub(crate) fn whole_root_while_it_runs(case: &Case<'_>) -> Result {
    let name = case.started("root", &[], "echo mine >/tmp/mine; echo ready; exec sleep 1000")?;
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("root.tar");
    let status = case.command(["cp", &format!("{name}:/"), "-"]).stdout(fs::File::create(&archive)?).status()?;
    ensure!(status.success(), "{status}");
    let mut paths = Vec::new();
    for entry in tar::Archive::new(fs::File::open(&archive)?).entries()? {
        let path = entry?.path()?.to_string_lossy().into_owned();
        paths.push(format!("/{}", path.trim_start_matches(['.', '/']).trim_end_matches('/')));
    }
    let within = |folder: &str| paths.iter().filter(|path| path.starts_with(folder)).count();
    ensure!(paths.iter().any(|path| path == "/tmp/mine"), "{paths:?}");
    for folder in ["/proc/", "/sys/"] {
        ensure!(within(folder) == 0, "{folder}: {}", within(folder));
    }
    // Asked for by its name, one of them is there; what dockerd copies from has none.
    if case.kind != Kind::Reference {
        let said = case.ok(&["cp", &format!("{name}:/proc/1/comm"), "-"])?;
        // Without content: the kernel says that it is empty.
        ensure!(said.starts_with("comm\0"), "{said:?}");
    }
    Ok(())
}

fn bzip2(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

fn xz(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1))?;
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}
