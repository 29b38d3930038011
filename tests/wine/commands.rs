//! Container verbs of the Windows command, by way of its named pipe, beside what the engine itself says.

use std::fs;

use anyhow::ensure;

use crate::windows::{Windows, on_windows};

type Result = anyhow::Result<()>;

/// A pipe's writes are messages, the link's frames 16 KiB, its windows 64 KiB at first: many of each.
const MANY: usize = 3 << 20;

pub(crate) fn ps_and_a_client_of_dockers(windows: &Windows) -> Result {
    windows.up()?;
    let id = windows.engine().ok(&["run", "-d", "--name", "there", "busybox", "sleep", "1000"])?;
    let listed = windows.ok(&["ps", "--format", "{{.ID}} {{.Names}}"]);
    windows.engine().ok(&["rm", "-f", "there"])?;
    ensure!(listed.as_deref().ok() == Some(&*format!("{} there\n", &id[..12])), "{listed:?}");
    // With nothing of this tree at the client's end.
    let said = windows.run("pipe_get", &[r"\\.\pipe\berth_engine", "/version"])?;
    let version = windows.engine().ok(&["version", "--format", "{{.Server.Version}}"])?;
    ensure!(said.code == 0 && said.out.starts_with("HTTP/1.1 200 OK\r\n"), "{said:?}");
    ensure!(said.out.contains(&format!("\"Version\":\"{version}\"")), "{said:?} is not of {version}");
    Ok(())
}

pub(crate) fn run_says_and_ends_as_the_container(windows: &Windows) -> Result {
    windows.up()?;
    let said = windows.run("berth", &["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7"])?;
    ensure!((said.code, &*said.out, &*said.err) == (7, "out\n", "err\n"), "{said:?}");
    Ok(())
}

pub(crate) fn run_is_fed(windows: &Windows) -> Result {
    windows.up()?;
    // It ends by the end of what it is fed: that crosses the pipe and the link by itself.
    let said = windows.fed(b"one\ntwo\n", &["run", "-i", "--rm", "busybox", "wc", "-l"])?;
    ensure!((said.code, &*said.out) == (0, "2\n"), "{said:?}");
    windows.engine().ok(&["run", "-d", "--name", "fed", "busybox", "sleep", "1000"])?;
    let said = windows.fed(b"one\ntwo\n", &["exec", "-i", "fed", "wc", "-l"]);
    windows.engine().ok(&["rm", "-f", "fed"])?;
    let said = said?;
    ensure!((said.code, &*said.out) == (0, "2\n"), "{said:?}");
    Ok(())
}

pub(crate) fn many_bytes_arrive(windows: &Windows) -> Result {
    windows.up()?;
    let bytes: Vec<u8> = (0..MANY).map(|at| b'a' + (at / 7 % 26) as u8).collect();
    let said = windows.fed(&bytes, &["run", "-i", "--rm", "busybox", "cat"])?;
    ensure!(said.code == 0 && said.out.as_bytes() == bytes, "{}, {} bytes, {}", said.code, said.out.len(), said.err);
    Ok(())
}

pub(crate) fn cp_both_ways(windows: &Windows) -> Result {
    windows.up()?;
    let engine = windows.engine();
    engine.ok(&["run", "-d", "--name", "files", "busybox", "sleep", "1000"])?;
    let copied = || -> Result {
        let folder = windows.folder();
        fs::write(folder.join("grün 文件.txt"), "green")?;
        windows.ok(&["cp", "grün 文件.txt", "files:/tmp/leaf"])?;
        ensure!(engine.ok(&["exec", "files", "cat", "/tmp/leaf"])? == "green");
        // A folder, to where a drive's letter stands before a colon, too.
        engine.ok(&["exec", "files", "sh", "-c", "mkdir -p /tmp/tree/inner; echo deep >/tmp/tree/inner/文"])?;
        let back = on_windows(&folder.join("back"));
        windows.ok(&["cp", "files:/tmp/tree", &back])?;
        ensure!(fs::read_to_string(folder.join("back/inner/文"))? == "deep\n");
        Ok(())
    };
    let result = copied();
    engine.ok(&["rm", "-f", "files"])?;
    result
}
