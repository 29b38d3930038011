//! The whole way: nothing runs, the machine is started from the window, a container runs, is read and typed into, and all is stopped.

use anyhow::ensure;
use tests::docker::Docker;
use tests::engine::Machine;

use crate::panel::Panel;
use crate::with_window;

pub(crate) fn from_nothing_to_a_terminal_and_back() -> anyhow::Result<()> {
    let machine = Machine::new()?;
    machine.berth(&["config", "set", "docker_context", "false"])?;
    machine.berth(&["machine", "quit"])?;
    let environment = [
        ("BERTH_HOME", machine.home().display().to_string()),
        ("BERTH_IMAGE_DIR", tests::guest_image()?.display().to_string()),
    ];
    with_window(&environment, &["berth://machine"], |desk, view| {
        let panel = Panel::start(desk.bus())?;
        let tray = panel.tray()?;
        view.click("Start")?;
        view.see("Engine is running")?;
        tray.see("The machine is running", false)?;
        tray.see("No container is running", false)?;
        let docker = Docker::new(machine.docker_host()?)?;
        view.go("#/containers")?;
        docker.ok(&[
            "run",
            "-d",
            "--init",
            "--name",
            "first",
            "busybox",
            "sh",
            "-c",
            "echo from the machine; sleep 1000",
        ])?;
        tray.choose("first")?;
        view.see("from the machine")?;
        view.use_terminal()?;
        view.click("Stop")?;
        view.see("Exited")?;
        tray.see("No container is running", false)?;
        // Who is stopped has not failed; who ends badly has.
        docker.run(&["run", "-d", "--name", "fails", "busybox", "sh", "-c", "exit 3"])?;
        let notice = panel.notice()?;
        ensure!(notice == ("fails failed".to_owned(), "It ended with exit code 3.".to_owned()), "{notice:?}");
        ensure!(docker.ok(&["inspect", "--format", "{{.State.Running}}", "first"])? == "false");
        // A stop says what it ends.
        docker.ok(&["start", "first"])?;
        view.go("#/containers")?;
        view.see("1 running of 2")?;
        view.go("#/machine")?;
        view.click("Stop")?;
        view.see("Stop the machine?")?;
        view.answer("Stop")?;
        view.see("Machine is stopped")?;
        tray.see("The machine is stopped", false)?;
        ensure!(panel.notice_so_far().is_none(), "one notice was enough");
        Ok(())
    })
}
