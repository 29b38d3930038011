//! The whole way: nothing was ever started, the welcome leads to a machine and to a first container, another one runs by the pages' own
//! dialog, is read and typed into, and all is stopped.

use std::time::Instant;

use anyhow::ensure;
use tests::docker::Docker;
use tests::engine::Machine;

use crate::panel::Panel;
use crate::with_window;

/// Says its piece, and ends when it is asked to.
const COMMAND: &str = "sh -c 'trap exit TERM; echo from the machine; sleep 1000 & wait'";

pub(crate) fn from_nothing_to_a_terminal_and_back() -> anyhow::Result<()> {
    let machine = Machine::new()?;
    machine.berth(&["config", "set", "docker_context", "false"])?;
    machine.berth(&["machine", "quit"])?;
    let environment = [
        ("BERTH_HOME", machine.home().display().to_string()),
        ("BERTH_IMAGE_DIR", tests::guest_image()?.display().to_string()),
    ];
    let begun = Instant::now();
    with_window(&environment, &[], |desk, view| {
        let panel = Panel::start(desk.bus())?;
        let tray = panel.tray()?;
        view.see("Welcome to Berth")?;
        view.click("Start the machine")?;
        view.see("Run something")?;
        view.choose("A greeting")?;
        view.click("Run it")?;
        view.see("Hello from Berth!")?;
        let took = begun.elapsed();
        println!("from a window that opens to the words of the first container: {:.1} s", took.as_secs_f64());
        tray.see("The machine is running", false)?;
        tray.see("No container is running", false)?;
        let docker = Docker::new(machine.docker_host()?)?;
        view.go("#/images")?;
        view.click("Run busybox:latest")?;
        // Only a form that is filled from the image is one to write in.
        view.fill("Command", "sh", COMMAND)?;
        view.fill("Name of the container", "", "second")?;
        view.finish("Run")?;
        view.see("from the machine")?;
        view.go("#/containers")?;
        view.see("1 running of 2")?;
        tray.choose("second")?;
        view.see("from the machine")?;
        view.use_terminal()?;
        view.click("Stop")?;
        view.see("Exited")?;
        tray.see("No container is running", false)?;
        // Who is stopped has not failed; who ends badly has.
        docker.run(&["run", "-d", "--name", "fails", "busybox", "sh", "-c", "exit 3"])?;
        let notice = panel.notice()?;
        ensure!(notice == ("fails failed".to_owned(), "It ended with exit code 3.".to_owned()), "{notice:?}");
        ensure!(docker.ok(&["inspect", "--format", "{{.State.Running}}", "second"])? == "false");
        // A stop says what it ends.
        docker.ok(&["start", "second"])?;
        view.go("#/containers")?;
        view.see("1 running of 3")?;
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
