//! The window and what is around it: other sites, a second start, links, the user's own programs.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use tests::berth::Berth;
use tests::limit;
use tests::wait::until;

use crate::desk::Desk;
use crate::panel::Panel;
use crate::quit::Program;
use crate::screen::Screen;
use crate::view::View;
use crate::with_window;

type Result = anyhow::Result<()>;

const LIMIT: Duration = Duration::from_secs(120);

/// With folders of its own, and neither daemon nor engine.
fn alone(arguments: &[&str], case: impl FnOnce(&Desk, &View) -> Result) -> Result {
    let berth = Berth::new(None)?;
    let _quits = Quits(&berth);
    with_window(&[("BERTH_HOME", berth.home().display().to_string())], arguments, case)
}

/// Ends the daemon that a window may have started, whatever came of the case.
pub(crate) struct Quits<'a>(pub(crate) &'a Berth);

impl Drop for Quits<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["machine", "quit"]);
    }
}

pub(crate) fn shows_nothing_from_elsewhere() -> Result {
    let elsewhere = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/", elsewhere.local_addr()?);
    elsewhere.set_nonblocking(true)?;
    alone(&["berth://settings"], |desk, view| {
        view.see("Settings")?;
        let told = view
            .wait_for("return await fetch(arguments[0]).then(() => 'came', () => 'kept out')", vec![json!(address)])?;
        ensure!(told == "kept out", "{told}");
        let told = view.wait_for(
            "const image = new Image(); \
             const ends = new Promise((end) => { image.onload = () => end('came'); image.onerror = () => end('kept out'); }); \
             image.src = arguments[0]; return await ends",
            vec![json!(address)],
        )?;
        ensure!(told == "kept out", "{told}");
        let told = view.wait_for("return typeof eval === 'function' ? (() => { try { return eval('1') } catch { return 'kept out' } })() : 'none'", vec![])?;
        ensure!(told == "kept out", "the policy lets text be run as code: {told}");
        ensure!(elsewhere.accept().is_err(), "the window spoke to another server");
        // A link opens in the user's browser, and the window stays what it is.
        view.run("location.href = arguments[0]", vec![json!(format!("{address}followed"))])?;
        // As the links of published ports are.
        view.run(
            "const link = document.createElement('a'); link.href = arguments[0]; link.target = '_blank'; \
             link.textContent = 'a port'; document.querySelector('h1').append(link)",
            vec![json!(format!("{address}opened"))],
        )?;
        view.click("a port")?;
        let wanted = [format!("{address}followed"), format!("{address}opened")];
        let started = until("the browser's start", LIMIT, || {
            let opened = desk.opened("xdg-open");
            wanted.iter().all(|one| opened.contains(one)).then_some(())
        });
        started.with_context(|| format!("opened: {:?}", desk.opened("xdg-open")))?;
        view.see("Settings")?;
        view.run("location.href = 'file:///etc/passwd'", vec![])?;
        // What would have been opened for it comes before this.
        view.click("a port")?;
        until("the browser's next start", LIMIT, || (desk.opened("xdg-open").len() > 2).then_some(()))?;
        ensure!(desk.opened("xdg-open")[2] == wanted[1], "{:?}", desk.opened("xdg-open"));
        ensure!(view.run("return location.protocol", vec![])? == "tauri:");
        Ok(())
    })
}

pub(crate) fn is_one_window() -> Result {
    alone(&["berth://settings"], |desk, view| {
        view.see("Settings")?;
        let second = limit::output(&mut desk.another(&["berth://images"])?)?;
        ensure!(second.status.success(), "{second:?}");
        view.until("the link's place", || Ok((view.place()? == "#/images").then_some(())))?;
        // A link that names nothing changes nothing: the next one is the first that is seen.
        view.run("window.seen = []; addEventListener('hashchange', () => window.seen.push(location.hash))", vec![])?;
        let third = limit::output(&mut desk.another(&["berth://images/<script>"])?)?;
        ensure!(third.status.success(), "{third:?}");
        let fourth = limit::output(&mut desk.another(&["berth://volumes"])?)?;
        ensure!(fourth.status.success(), "{fourth:?}");
        view.until("the next link's place", || Ok((view.place()? == "#/volumes").then_some(())))?;
        let seen = view.run("return window.seen", vec![])?;
        ensure!(seen == json!(["#/volumes"]), "{seen}");
        ensure!(Screen::of(desk)?.windows("Berth")?.len() == 1, "there are more windows than one");
        Ok(())
    })
}

/// As the desktop's menu does: once where the program does not run, and once where it does.
pub(crate) fn a_terminal_from_the_menu() -> Result {
    let berth = Berth::new(None)?;
    let _quits = Quits(&berth);
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let (panel, screen) = (Panel::start(desk.bus())?, Screen::of(&desk)?);
    let mut program = Program::start(&desk, &["--terminal"])?;
    let tray = panel.tray()?;
    let opened = |count: usize| {
        until(&format!("{count} terminals"), LIMIT, || {
            let opened = desk.opened("xdg-terminal-exec");
            (opened.len() == count).then_some(opened)
        })
    };
    ensure!(opened(1)?[0].ends_with("/berth --machine default terminal"), "{:?}", opened(1)?);
    let second = limit::output(&mut desk.another(&["--terminal"])?)?;
    ensure!(second.status.success() && opened(2)?[1] == opened(2)?[0], "{second:?}");
    // Neither has brought a window in all the time that there was for it.
    tray.choose("Quit Berth")?;
    let ended = program.end()?;
    ensure!(ended.success(), "{ended}");
    ensure!(screen.came()? == 0, "a window was opened beside the terminal");
    // One that is asked for is counted.
    let _asked = Program::start(&desk, &["berth://settings"])?;
    screen.see("Berth", 1)?;
    ensure!(screen.came()? > 0, "a window in sight was not counted");
    Ok(())
}

pub(crate) fn preferences_and_terminal() -> Result {
    alone(&["berth://settings"], |desk, view| {
        view.see("Settings")?;
        let invoke = "return await window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])";
        let first = view.wait_for(invoke, vec![json!("preferences"), json!({})])?;
        ensure!(
            first == json!({ "close_to_tray": true, "notifications": true, "terminal": "", "start_at_login": false }),
            "{first}"
        );
        let entries = desk.home().join("home/.config/autostart");
        let change = |change: serde_json::Value| {
            view.wait_for(invoke, vec![json!("set_preferences"), json!({ "change": change })])
        };
        let on = change(json!({ "start_at_login": true }))?;
        ensure!(on["start_at_login"] == true, "{on}");
        let entry = std::fs::read_dir(&entries)?.next().expect("an entry was made")?.path();
        let text = std::fs::read_to_string(&entry)?;
        ensure!(text.contains("--hidden"), "{text}");
        let off = change(json!({ "start_at_login": false }))?;
        ensure!(off["start_at_login"] == false && !entry.exists(), "{off}");
        view.go("#/troubleshooting")?;
        view.click("Open a terminal")?;
        until("the terminal's start", LIMIT, || (!desk.opened("xdg-terminal-exec").is_empty()).then_some(()))?;
        let opened = desk.opened("xdg-terminal-exec");
        ensure!(opened.len() == 1 && opened[0].ends_with("/berth --machine default terminal"), "{opened:?}");
        // What a page names is started on this computer: only what is there, and what is no terminal with the user's word.
        let asking = |terminal: &str| {
            view.run(
                "window.asked = window.__TAURI_INTERNALS__.invoke('set_preferences', { change: { terminal: arguments[0] } }) \
                 .then((kept) => kept.terminal, (error) => error.message)",
                vec![json!(terminal)],
            )
        };
        let asked = || view.wait_for("return await window.asked", vec![]);
        let screen = Screen::of(desk)?;
        asking("no-such-terminal")?;
        ensure!(asked()?.as_str().is_some_and(|words| words.contains("`no-such-terminal` was not found")));
        asking("true")?;
        screen.answer("Use this program as the terminal?", 1, 2)?;
        ensure!(asked()? == "the terminal program stays what it was", "{}", asked()?);
        asking("true")?;
        screen.answer("Use this program as the terminal?", 0, 2)?;
        ensure!(asked()? == "true", "{}", asked()?);
        asking("xdg-terminal-exec")?;
        ensure!(asked()? == "xdg-terminal-exec", "{}", asked()?);
        // One that fails at once is no terminal that was opened.
        tests::program::write(&desk.home().join("bin/xdg-terminal-exec"), "#!/bin/sh\nexit 4\n")?;
        let refused = view.wait_for(
            "return await window.__TAURI_INTERNALS__.invoke('open_terminal').then(() => 'opened', (error) => error.message)",
            vec![],
        )?;
        ensure!(refused.as_str().is_some_and(|words| words.contains("ended at once (exit status: 4)")), "{refused}");
        Ok(())
    })
}
