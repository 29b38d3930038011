//! Interactive containers through a real terminal.

use anyhow::ensure;
use tests::case::Case;
use tests::terminal::Terminal;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; interactive_shell, detach_and_attach, exec_in_a_terminal]
}

pub(crate) fn interactive_shell(case: &Case<'_>) -> Result {
    let terminal = Terminal::open(&case.command(["run", "-it", "--rm", "busybox", "sh"]))?;
    terminal.wait_for("a prompt", |screen| screen.contains("/ #"))?;
    terminal.type_text("echo $((6*7)); tty; stty size")?;
    terminal.press("Enter")?;
    terminal.wait_for("the answers", |screen| {
        screen.lines().any(|line| line == "42") && screen.contains("/dev/pts/0") && screen.contains("30 100")
    })?;
    terminal.resize(80, 20)?;
    terminal.type_text("until [ \"$(stty size)\" = '20 80' ]; do :; done; echo resi''zed")?;
    terminal.press("Enter")?;
    terminal.wait_for("the new size", |screen| screen.contains("resized"))?;
    // Ctrl-C ends the program in front, not the shell. The program says itself that it is there: by then it has the terminal.
    terminal.type_text("sh -c \"echo be''gun; exec sleep 1000\"")?;
    terminal.press("Enter")?;
    terminal.wait_for("the program", |screen| screen.contains("begun"))?;
    terminal.press("C-c")?;
    terminal.type_text("echo still $((40+2)) here")?;
    terminal.press("Enter")?;
    terminal.wait_for("the shell", |screen| screen.contains("still 42 here"))?;
    terminal.type_text("exit 3")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 3);
    Ok(())
}

pub(crate) fn detach_and_attach(case: &Case<'_>) -> Result {
    let name = case.container("detached");
    let terminal = Terminal::open(&case.command(["run", "-it", "--name", &name, "busybox", "sh"]))?;
    terminal.wait_for("a prompt", |screen| screen.contains("/ #"))?;
    terminal.press("C-p")?;
    terminal.press("C-q")?;
    ensure!(terminal.wait_exit()? == 0);
    ensure!(case.ok(&["inspect", "--format", "{{.State.Running}}", &name])? == "true");
    let terminal = Terminal::open(&case.command(["attach", &name]))?;
    terminal.type_text("echo back $((1+1))")?;
    terminal.press("Enter")?;
    terminal.wait_for("the shell", |screen| screen.contains("back 2"))?;
    terminal.type_text("exit")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 0);
    Ok(())
}

pub(crate) fn exec_in_a_terminal(case: &Case<'_>) -> Result {
    let name = case.container("exec-it");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let terminal = Terminal::open(&case.command(["exec", "-it", &name, "sh"]))?;
    terminal.wait_for("a prompt", |screen| screen.contains("/ #"))?;
    terminal.type_text("echo $((6*7)); tty; stty size")?;
    terminal.press("Enter")?;
    terminal.wait_for("the answers", |screen| {
        screen.lines().any(|line| line == "42") && screen.contains("/dev/pts/") && screen.contains("30 100")
    })?;
    terminal.resize(80, 20)?;
    terminal.type_text("until [ \"$(stty size)\" = '20 80' ]; do :; done; echo resi''zed")?;
    terminal.press("Enter")?;
    terminal.wait_for("the new size", |screen| screen.contains("resized"))?;
    terminal.type_text("exit 4")?;
    terminal.press("Enter")?;
    ensure!(terminal.wait_exit()? == 4);
    ensure!(case.ok(&["inspect", "--format", "{{.State.Running}}", &name])? == "true", "only the command ended");
    Ok(())
}
