//! The Windows daemon's life, and the machine's under it.

use std::fs;

use anyhow::{Context, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::windows::Windows;

type Result = anyhow::Result<()>;

pub(crate) fn is_started_with_the_machine(windows: &Windows) -> Result {
    windows.ok(&["down"])?;
    let said = windows.run("berth", &["status", "--json"])?;
    ensure!(said.code == 3, "{said:?}");
    windows.up()?;
    let said = windows.run("berth", &["status", "--json"])?;
    let status: Value = serde_json::from_str(&said.out)?;
    let machine = &status["machine"];
    ensure!(said.code == 0 && machine["phase"] == "running" && status["daemon"]["pid"].is_u64(), "{said:?}");
    let hypervisor = format!("a stand-in at {}", windows.computer.address());
    ensure!(machine["hypervisor"] == hypervisor && machine["hypervisor_pid"].is_null(), "{said:?}");
    // One that runs is not started again.
    windows.computer.asked();
    windows.up()?;
    ensure!(windows.computer.asked().is_empty());
    Ok(())
}

pub(crate) fn is_started_in_a_shells_pipeline(windows: &Windows) -> Result {
    let daemon = windows.daemon()?;
    windows.ok(&["down"])?;
    let killed = windows.run("taskkill", &["/f", "/pid", &daemon])?;
    ensure!(killed.code == 0, "{killed:?}");
    // Which ends once nobody has the pipe's other end.
    let up = format!("{} up 2>&1 | findstr e", windows.path("berth"));
    let said = windows.run("cmd", &["/c", &up])?;
    let status = windows.status()?;
    ensure!(said.code == 0 && status["machine"]["phase"] == "running", "{said:?}, {status}");
    ensure!(windows.daemon()? != daemon);
    Ok(())
}

pub(crate) fn keeps_dockers_context(windows: &Windows) -> Result {
    windows.up()?;
    let name: String = Sha256::digest("berth").iter().map(|byte| format!("{byte:02x}")).collect();
    let file = windows.of_user(".docker/contexts/meta").join(name).join("meta.json");
    let text = fs::read(&file).with_context(|| file.display().to_string())?;
    let context: Value = serde_json::from_slice(&text)?;
    ensure!(context["Endpoints"]["docker"]["Host"] == "npipe:////./pipe/berth_engine", "{context}");
    let said = windows.ok(&["env", "--shell", "powershell"])?;
    ensure!(said.contains("npipe:////./pipe/berth_engine"), "{said}");
    Ok(())
}

pub(crate) fn second_is_refused(windows: &Windows) -> Result {
    windows.up()?;
    let daemon = windows.daemon()?;
    let said = windows.run("berth", &["daemon"])?;
    ensure!(said.code != 0 && said.err.contains("another berth daemon"), "{said:?}");
    ensure!(windows.daemon()? == daemon);
    Ok(())
}

pub(crate) fn killed_one_is_replaced(windows: &Windows) -> Result {
    windows.up()?;
    windows.engine().ok(&["run", "-d", "--name", "survivor", "busybox", "sleep", "1000"])?;
    let before = windows.daemon()?;
    windows.computer.asked();
    let killed = windows.run("taskkill", &["/f", "/pid", &before])?;
    ensure!(killed.code == 0, "{killed:?}");
    // A container verb needs the pipe, and so a daemon.
    let listed = windows.ok(&["ps", "--format", "{{.Names}}"]);
    windows.engine().ok(&["rm", "-f", "survivor"])?;
    ensure!(listed.as_deref().ok() == Some("survivor\n"), "{listed:?}");
    ensure!(windows.daemon()? != before);
    ensure!(windows.computer.asked() == ["WATCH"], "the machine is adopted, and neither ended nor started");
    ensure!(windows.status()?["machine"]["phase"] == "running");
    Ok(())
}

pub(crate) fn machine_goes_down_and_up(windows: &Windows) -> Result {
    windows.up()?;
    windows.computer.asked();
    windows.ok(&["down"])?;
    ensure!(windows.status()?["machine"]["phase"] == "stopped");
    // It was asked to power off over the link.
    ensure!(windows.computer.asked().is_empty());
    // The pipe is there, and says how to go on.
    let said = windows.run("pipe_get", &[r"\\.\pipe\berth_engine", "/version"])?;
    ensure!(said.out.starts_with("HTTP/1.1 503 ") && said.out.contains("berth up"), "{said:?}");
    windows.up()?;
    let asked = windows.computer.asked();
    ensure!(asked.last().is_some_and(|verb| verb == "START"), "{asked:?}");
    windows.ok(&["ps"])?;
    Ok(())
}

pub(crate) fn machine_that_is_gone_is_told(windows: &Windows) -> Result {
    windows.up()?;
    let up = windows.status()?;
    windows.computer.pull_the_plug()?;
    let failed = tests::wait::until("the machine's end", std::time::Duration::from_secs(60), || {
        windows.status().ok().filter(|status| status["machine"]["phase"] != up["machine"]["phase"])
    })?;
    ensure!(failed["machine"]["phase"] == "failed", "{failed}");
    ensure!(failed["machine"]["failure"].to_string().contains("the stand-in ended it"), "{failed}");
    windows.up()?;
    windows.ok(&["ps"])?;
    Ok(())
}
