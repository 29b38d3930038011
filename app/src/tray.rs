//! The tray: what the machine is doing, and what one does most.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tauri::menu::{Menu, MenuBuilder, MenuEvent, MenuItem, MenuItemBuilder, Submenu, SubmenuBuilder};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, Wry};

use host::machine::Phase;

use crate::containers::{Containers, Running};
use crate::daemon::Daemon;
use crate::machine::{self, Change, Watched};
use crate::panel::Panel;
use crate::preferences::Kept;
use crate::updates::Newest;
use crate::words::Words;
use crate::{dialog, open, quit, window, words};

/// So many running containers are named; the window has them all.
const SHOWN: usize = 10;

/// Before the identifier of a container, in that of its entry.
const CONTAINER: &str = "container ";

/// The entries whose text or state follows the machine.
struct Entries {
    state: MenuItem<Wry>,
    containers: Submenu<Wry>,
    start: MenuItem<Wry>,
    stop: MenuItem<Wry>,
    /// In the menu while there is a newer Berth.
    update: MenuItem<Wry>,
    menu: Menu<Wry>,
}

/// Makes the tray; what its desktop shows of it. Without one the window does all, and its close is the program's end.
pub(crate) fn make_if_possible(app: &AppHandle) -> Panel {
    // On Linux its library is looked for when it is first used, and a missing one is a panic.
    match catch_unwind(AssertUnwindSafe(|| make(app))) {
        Ok(Ok(())) => Panel::follow(),
        Ok(Err(error)) => {
            tracing::error!(%error, "there is no tray");
            Panel::none()
        }
        Err(_) => Panel::none(),
    }
}

fn make(app: &AppHandle) -> tauri::Result<()> {
    let said = words::of_this_system();
    let entry = |id: &str, text: &str| MenuItemBuilder::with_id(id, text).build(app);
    let state = MenuItemBuilder::with_id("state", said.stopped).enabled(false).build(app)?;
    let containers = SubmenuBuilder::new(app, said.containers).enabled(false).build()?;
    let (start, stop) = (entry("start", said.start)?, entry("stop", said.stop)?);
    let menu: Menu<Wry> = MenuBuilder::new(app)
        .item(&state)
        .item(&containers)
        .separator()
        .item(&entry("open", said.open)?)
        .item(&entry("terminal", said.terminal)?)
        .separator()
        .items(&[&start, &stop])
        .separator()
        .item(&entry("quit", said.quit)?)
        .build()?;
    let entries = Entries { state, containers, start, stop, update: entry("update", "")?, menu };
    let mut tray = TrayIconBuilder::with_id("tray").menu(&entries.menu).tooltip("Berth").on_menu_event(chosen);
    if let Some(icon) = app.default_window_icon() {
        tray = tray.icon(icon.clone());
    }
    let tray = tray.build(app)?;
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut machine = app.state::<Watched>().subscribe();
        let mut containers = app.state::<Containers>().running();
        let mut newest = app.state::<Newest>().subscribe();
        let (mut state_shown, mut running_shown, mut newest_shown) = (None, None, None);
        loop {
            let state = {
                let status = machine.borrow_and_update();
                (status.phase, status.paused)
            };
            let running = containers.borrow_and_update().clone();
            let newer = newest.borrow_and_update().clone();
            // A menu that is made anew moves under the pointer; and a tray that is gone has nothing to show it.
            if state_shown != Some(state) {
                let _ = tray.set_tooltip(Some(format!("Berth: {}", said.state(state.0, state.1))));
                let _ = entries.show_phase(state, said);
                state_shown = Some(state);
            }
            if running_shown.as_ref() != Some(&running) {
                let _ = entries.show_running(&app, &running, said);
                running_shown = Some(running);
            }
            if newest_shown != newer {
                let _ = entries.show_update(newer.as_deref(), said);
                newest_shown = newer;
            }
            let changed = tokio::select! {
                changed = machine.changed() => changed,
                changed = containers.changed() => changed,
                changed = newest.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    });
    Ok(())
}

impl Entries {
    fn show_phase(&self, (phase, paused): (Phase, bool), said: &Words) -> tauri::Result<()> {
        self.state.set_text(said.state(phase, paused))?;
        self.start.set_enabled(matches!(phase, Phase::Stopped | Phase::Failed))?;
        self.stop.set_enabled(matches!(phase, Phase::Running | Phase::Starting))?;
        self.containers.set_enabled(phase == Phase::Running)
    }

    fn show_update(&self, newer: Option<&str>, said: &Words) -> tauri::Result<()> {
        let is_there = self.menu.get(self.update.id()).is_some();
        match newer {
            Some(version) => {
                self.update.set_text((said.newer)(version))?;
                if is_there { Ok(()) } else { self.menu.insert(&self.update, 0) }
            }
            None if is_there => self.menu.remove(&self.update),
            None => Ok(()),
        }
    }

    fn show_running(&self, app: &AppHandle, running: &[Running], said: &Words) -> tauri::Result<()> {
        for item in self.containers.items()? {
            if let Some(item) = item.as_menuitem() {
                self.containers.remove(item)?;
            }
        }
        if running.is_empty() {
            let none = MenuItemBuilder::new(said.no_containers).enabled(false).build(app)?;
            return self.containers.append(&none);
        }
        for container in running.iter().take(SHOWN) {
            let id = format!("{CONTAINER}{}", container.id);
            self.containers.append(&MenuItemBuilder::with_id(id, container.name()).build(app)?)?;
        }
        if running.len() > SHOWN {
            let more = (said.more)(running.len() - SHOWN);
            self.containers.append(&MenuItemBuilder::with_id("containers", more).build(app)?)?;
        }
        Ok(())
    }
}

fn chosen(app: &AppHandle, event: MenuEvent) {
    match event.id().as_ref() {
        "open" => window::show(app, None),
        "containers" => window::show(app, Some("#/containers".to_owned())),
        "update" => window::show(app, Some("#/settings".to_owned())),
        "terminal" => open_terminal(app),
        "start" => change(app, Change::Up),
        "stop" => change(app, Change::Down),
        "quit" => quit::ask(app),
        other => {
            if let Some(id) = other.strip_prefix(CONTAINER) {
                window::show(app, Some(format!("#/containers/{id}")));
            }
        }
    }
}

/// The quickstart terminal; the window when there is none, whose page has the button that says why.
pub(crate) fn open_terminal(app: &AppHandle) {
    let app = app.clone();
    std::thread::spawn(move || {
        if let Err(error) = open::quickstart(&app.state::<Daemon>(), &app.state::<Kept>()) {
            tracing::error!(%error, "no terminal");
            dialog::tell(words::of_this_system().terminal, &error.to_string());
            window::show(&app, Some("#/troubleshooting".to_owned()));
        }
    });
}

/// What goes wrong is in the machine's own status, which the window shows.
fn change(app: &AppHandle, change: Change) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let daemon = app.state::<Daemon>().inner().clone();
        if let Err(error) = machine::change(&daemon, change).await {
            tracing::error!(%error, "the machine was not changed");
            window::show(&app, Some("#/machine".to_owned()));
        }
    });
}
