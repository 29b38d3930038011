//! What is said and asked without a page.

use rfd::{AsyncMessageDialog, MessageButtons, MessageDialog, MessageDialogResult, MessageLevel};

/// Says why the program cannot start, where it can be said, and ends it.
pub(crate) fn fatal(title: &str, text: &str) -> ! {
    tracing::error!("{title}: {text}");
    // Who waits for a dialog without a display waits for ever.
    if has_display() {
        MessageDialog::new().set_level(MessageLevel::Error).set_title(title).set_description(text).show();
    }
    std::process::exit(1);
}

#[cfg(target_os = "linux")]
fn has_display() -> bool {
    gtk::init().is_ok()
}

#[cfg(not(target_os = "linux"))]
fn has_display() -> bool {
    true
}

/// Says that something did not happen; nobody waits for the answer.
pub(crate) fn tell(title: &str, text: &str) {
    let said = AsyncMessageDialog::new().set_level(MessageLevel::Warning).set_title(title).set_description(text).show();
    tauri::async_runtime::spawn(said);
}

/// Whether the user presses `yes`.
pub(crate) async fn agrees(title: &str, text: &str, yes: &str, no: &str) -> bool {
    let question = AsyncMessageDialog::new()
        .set_level(MessageLevel::Warning)
        .set_title(title)
        .set_description(text)
        .set_buttons(MessageButtons::OkCancelCustom(yes.to_owned(), no.to_owned()))
        .show();
    match question.await {
        MessageDialogResult::Ok | MessageDialogResult::Yes => true,
        MessageDialogResult::Custom(text) => text == yes,
        MessageDialogResult::No | MessageDialogResult::Cancel => false,
    }
}
