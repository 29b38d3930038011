//! `docker cp`, `export` and `diff`.

use std::fs;

use anyhow::ensure;
use tests::case::Case;

type Result = anyhow::Result<()>;

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
    ensure!(fs::read_to_string(&back)? == case.ok(&["exec", &name, "cat", "/etc/passwd"])? + "\n");
    Ok(())
}

pub(crate) fn copy_directory_and_stopped(case: &Case<'_>) -> Result {
    let name = case.container("cpdir");
    case.ok(&["create", "--name", &name, "busybox", "cat", "/data/tree/deep/leaf"])?;
    let dir = tempfile::tempdir()?;
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("deep"))?;
    fs::write(tree.join("deep/leaf"), "green")?;
    case.ok(&["cp", &tree.display().to_string(), &format!("{name}:/data")])
        .or_else(|_| case.ok(&["cp", &dir.path().display().to_string(), &format!("{name}:/data")]))?;
    case.ok(&["cp", &format!("{name}:/data"), &dir.path().join("out").display().to_string()])?;
    let leaf = ["out/deep/leaf", "out/tree/deep/leaf"]
        .map(|path| dir.path().join(path))
        .into_iter()
        .find(|path| path.exists());
    ensure!(
        leaf.is_some_and(|path| fs::read_to_string(path).is_ok_and(|text| text == "green")),
        "the tree did not come back"
    );
    Ok(())
}

pub(crate) fn export_and_changes(case: &Case<'_>) -> Result {
    let name = case.container("diff");
    case.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo new >/added; rm /etc/group; echo x >>/etc/passwd"])?;
    let out = case.ok(&["diff", &name])?;
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    ensure!(lines == ["A /added", "C /etc", "C /etc/passwd", "D /etc/group"], "{out}");
    let dir = tempfile::tempdir()?;
    let tar = dir.path().join("all.tar");
    case.ok(&["export", "-o", &tar.display().to_string(), &name])?;
    let listing = std::process::Command::new("tar").arg("-tf").arg(&tar).output()?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    ensure!(listing.lines().any(|line| line == "added") && listing.lines().any(|line| line == "bin/sh"), "{listing}");
    ensure!(!listing.lines().any(|line| line == "etc/group"), "{listing}");
    Ok(())
}
