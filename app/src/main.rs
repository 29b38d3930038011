//! `berth-desktop`: the window with the pages, and the tray.
//!
//! The pages are an ordinary client of the Docker Engine API and of the daemon; [`requests`] carries what they say to the two sockets as
//! bytes. What they ask about this computer goes through [`diagnose`], [`open`], [`machines`] and [`preferences`]. Closing the window never stops a
//! container: the machine is the daemon's.

#![forbid(unsafe_code)]
// A window of its own is all that it shows on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod arguments;
mod containers;
mod daemon;
mod diagnose;
mod dialog;
mod downloads;
mod error;
mod log;
mod machine;
mod machines;
mod notices;
mod open;
mod panel;
mod places;
mod preferences;
mod quit;
mod requests;
mod tray;
mod updates;
mod window;
mod words;

use host::paths::Paths;
use tauri::{AppHandle, Manager, RunEvent};

use crate::arguments::Arguments;
use crate::daemon::Daemon;
use crate::quit::Asking;
use crate::requests::Streams;

fn main() {
    host::sys::keep_what_was_given();
    let not_started = words::of_this_system().not_started;
    let paths = Paths::discover().unwrap_or_else(|error| dialog::fatal(not_started, &error.chain()));
    log::begin(&paths);
    let daemon = Daemon::new(paths.clone(), daemon::command());
    let built = tauri::Builder::default()
        // First: a second start only brings the first one's window to the front.
        .plugin(tauri_plugin_single_instance::init(|app, given, _| asked(app, &Arguments::of(&given))))
        .plugin(tauri_plugin_autostart::Builder::new().args([arguments::HIDDEN]).build())
        .manage(Streams::default())
        .manage(Asking::default())
        .manage(machines::Works::default())
        .manage(preferences::Kept::load(&paths))
        .manage(daemon)
        .invoke_handler(tauri::generate_handler![
            requests::request,
            requests::upgrade,
            requests::upload,
            requests::answer,
            requests::read,
            requests::write,
            requests::close_write,
            requests::close,
            diagnose::check,
            diagnose::archive,
            preferences::preferences,
            preferences::set_preferences,
            open::terminal::open_terminal,
            quit::quit,
            machines::machines,
            machines::shown_machine,
            machines::create_machine,
            machines::use_machine,
            machines::clone_machine,
            machines::remove_machine,
            machines::export_machine,
            machines::import_machine,
            machines::snapshots,
            machines::make_snapshot,
            machines::restore_snapshot,
            machines::remove_snapshot,
        ])
        // What fails in here is a panic for Tauri, so nothing may.
        .setup(|app| {
            begin(app.handle(), &Arguments::of_this_process());
            Ok(())
        })
        .build(tauri::generate_context!());
    match built {
        Ok(app) => app.run(event),
        Err(error) => dialog::fatal(not_started, &error.to_string()),
    }
}

fn begin(app: &AppHandle, arguments: &Arguments) {
    machine::follow(app);
    containers::follow(app);
    updates::follow(app);
    app.manage(tray::make_if_possible(app));
    notices::follow(app);
    asked(app, arguments);
}

/// Does what somebody wants who started the program, be it for the second time.
fn asked(app: &AppHandle, arguments: &Arguments) {
    if arguments.terminal {
        tray::open_terminal(app);
    } else if !arguments.hidden {
        window::show(app, arguments.place.clone());
    }
}

fn event(app: &AppHandle, event: RunEvent) {
    match event {
        RunEvent::WindowEvent { event, .. } => window::heard(app, &event),
        // The last window is gone: the tray stays, unless the user has it otherwise. Its own entry ends the program, with a code.
        RunEvent::ExitRequested { code: None, api, .. } if preferences::stays(app) => api.prevent_exit(),
        // The system hands a running program the links.
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => {
            let links: Vec<String> = urls.iter().map(ToString::to_string).collect();
            window::show(app, places::of(&links));
        }
        // Its picture in the Dock was clicked.
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { has_visible_windows: false, .. } => window::show(app, None),
        _ => {}
    }
}
