//! The one window.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder, WindowEvent};

use crate::requests::Streams;
use crate::{dialog, downloads, open, preferences, quit, words};

pub(crate) const LABEL: &str = "main";

/// Held by whoever makes the window: there is one.
static MAKING: Mutex<()> = Mutex::new(());

/// Whether it is on its way out: nothing can be shown in it any more, and none be made before it is gone.
static CLOSING: Mutex<bool> = Mutex::new(false);
static CLOSED: Condvar = Condvar::new();

/// Brings the window to the front, at the place that `fragment` names; makes it when it is not there.
pub(crate) fn show(app: &AppHandle, fragment: Option<String>) {
    let app = app.clone();
    // On Windows one that is made by whoever handles an event waits for the end of that very event.
    std::thread::spawn(move || {
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = bring(&app, fragment) {
            tracing::error!(%error, "the window cannot be shown");
            let said = words::of_this_system();
            dialog::tell(said.no_window, &error.to_string());
        }
    });
}

fn bring(app: &AppHandle, fragment: Option<String>) -> tauri::Result<()> {
    drop(CLOSED.wait_while(closing(), |closing| *closing));
    let Some(window) = app.get_webview_window(LABEL) else {
        return make(app, fragment.as_deref().unwrap_or_default());
    };
    if let Some(fragment) = fragment {
        window.eval(format!("location.hash = {}", serde_json::Value::from(fragment)))?;
    }
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}

/// Says that the machine that was shown is gone, and has the pages be those of the one that is shown instead.
pub(crate) fn show_without(app: &AppHandle, gone: &str) {
    tracing::warn!(machine = gone, "the machine that was shown is gone");
    let said = words::of_this_system();
    dialog::tell(said.gone_title, &(said.gone_text)(gone));
    let Some(window) = app.get_webview_window(LABEL) else { return };
    // Their place may be one within it.
    let anew = "location.hash = '#/machine/all'; location.reload()";
    let _ = window.eval(anew).inspect_err(|error| tracing::error!(%error, "the pages are still the old ones"));
}

/// What happens to it. Heard for the whole program: who is called by the window itself is not there yet when it is first seen.
pub(crate) fn heard(app: &AppHandle, event: &WindowEvent) {
    match event {
        // Its end is the program's.
        WindowEvent::CloseRequested { api, .. } if !preferences::stays(app) && quit::asks(app) => {
            api.prevent_close();
            quit::ask(app);
        }
        WindowEvent::CloseRequested { .. } => *closing() = true,
        // Tauri has forgotten it by now.
        WindowEvent::Destroyed => {
            app.state::<Streams>().clear();
            *closing() = false;
            CLOSED.notify_all();
        }
        _ => {}
    }
}

fn closing() -> MutexGuard<'static, bool> {
    CLOSING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make(app: &AppHandle, fragment: &str) -> tauri::Result<()> {
    let page = WebviewUrl::App(format!("index.html{fragment}").into());
    let window = WebviewWindowBuilder::new(app, LABEL, page)
        .title("Berth")
        // Tauri knows it when all of it is made. One that is seen before may be closed before, and is taken for there ever after.
        .visible(false)
        .inner_size(1180.0, 760.0)
        .min_inner_size(640.0, 420.0)
        // Pages come from this program alone; what leads elsewhere is the system's browser's.
        .on_navigation(|url| {
            let own = is_own(url);
            if !own {
                open::elsewhere(url);
            }
            own
        })
        .on_download(|webview, event| downloads::hear(&webview, event))
        // Files are dropped on pages, which take them.
        .disable_drag_drop_handler()
        .on_new_window(|url, _| {
            open::elsewhere(&url);
            NewWindowResponse::Deny
        })
        .on_page_load(|window, page| {
            if page.event() == PageLoadEvent::Started {
                window.state::<Streams>().clear();
            }
        })
        .build()?;
    window.show()?;
    window.set_focus()
}

/// Of this program, or what a page of it made to be saved (`blob:`).
pub(crate) fn is_own(url: &Url) -> bool {
    let own = |url: &Url| {
        let plain = url.port().is_none() && url.username().is_empty();
        url.scheme() == "tauri" || (url.host_str() == Some("tauri.localhost") && plain)
    };
    match url.as_str().strip_prefix("blob:") {
        Some(of) => Url::parse(of).is_ok_and(|of| own(&of)),
        None => own(url),
    }
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn the_window_shows_its_own_pages_only() {
        let own = |address: &str| is_own(&address.parse().unwrap());
        assert!(own("tauri://localhost/index.html#/containers") && own("http://tauri.localhost/index.html"));
        assert!(own("blob:tauri://localhost/0b1c") && own("blob:http://tauri.localhost/0b1c"));
        assert!(!own("http://tauri.localhost:8080") && !own("blob:http://localhost:8080/0b1c"));
        assert!(!own("http://localhost:8080") && !own("https://tauri.localhost.example") && !own("file:///etc/passwd"));
    }
}
