//! The end of the program. What it leaves running is the user's choice.

use std::sync::atomic::{AtomicBool, Ordering};

use host::machine::Phase;
use rfd::{AsyncMessageDialog, MessageButtons, MessageDialogResult, MessageLevel};
use tauri::{AppHandle, Manager};

use crate::daemon::Daemon;
use crate::machine::{self, Change, Watched};
use crate::machines::Works;
use crate::{dialog, window, words};

/// Whether the question is on the screen.
#[derive(Debug, Default)]
pub(crate) struct Asking(AtomicBool);

/// Chosen in a page.
#[tauri::command]
pub(crate) fn quit(app: AppHandle) {
    ask(&app);
}

/// Whether there is something to be asked before the end.
pub(crate) fn asks(app: &AppHandle) -> bool {
    app.state::<Works>().any() || runs(app)
}

fn runs(app: &AppHandle) -> bool {
    matches!(app.state::<Watched>().now().phase, Phase::Starting | Phase::Running)
}

/// Asks whether what is being copied may be left half done, and whether the machine goes on, where there is one or the other, and ends
/// the program.
pub(crate) fn ask(app: &AppHandle) {
    if !asks(app) {
        app.exit(0);
        return;
    }
    if app.state::<Asking>().0.swap(true, Ordering::Relaxed) {
        return;
    }
    let said = words::of_this_system();
    if app.state::<Works>().any() {
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            let agreed = dialog::agrees(said.quit, said.copying_text, said.quit_anyway, said.cancel).await;
            app.state::<Asking>().0.store(false, Ordering::Relaxed);
            if !agreed {
                tracing::info!("the end was called off");
            } else if runs(&app) {
                ask_about_the_machine(&app);
            } else {
                app.exit(0);
            }
        });
    } else {
        ask_about_the_machine(app);
    }
}

fn ask_about_the_machine(app: &AppHandle) {
    app.state::<Asking>().0.store(true, Ordering::Relaxed);
    let said = words::of_this_system();
    let question = AsyncMessageDialog::new()
        .set_level(MessageLevel::Info)
        .set_title(said.quit)
        .set_description(said.quit_text)
        .set_buttons(MessageButtons::YesNoCancelCustom(
            said.leave.to_owned(),
            said.stop_and_quit.to_owned(),
            said.cancel.to_owned(),
        ))
        .show();
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let answer = question.await;
        app.state::<Asking>().0.store(false, Ordering::Relaxed);
        // Some systems name the button by its place, others by its text.
        match answer {
            MessageDialogResult::Yes => app.exit(0),
            MessageDialogResult::No => stop(&app).await,
            MessageDialogResult::Custom(text) if text == said.leave => app.exit(0),
            MessageDialogResult::Custom(text) if text == said.stop_and_quit => stop(&app).await,
            _ => tracing::info!("the end was called off"),
        }
    });
}

/// Stops the machine, then ends. A machine that does not stop keeps the program, which shows why.
async fn stop(app: &AppHandle) {
    let daemon = app.state::<Daemon>().inner().clone();
    match machine::change(&daemon, Change::Down).await {
        Ok(()) => app.exit(0),
        Err(error) => {
            tracing::error!(%error, "the machine did not stop");
            window::show(app, Some("#/machine".to_owned()));
        }
    }
}
