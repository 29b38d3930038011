//! The one window.

use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder, WindowEvent};

use crate::open;
use crate::requests::Streams;

pub(crate) const LABEL: &str = "main";

/// Brings the window to the front, at the place that `fragment` names; makes it when it is not there.
pub(crate) fn show(app: &AppHandle, fragment: Option<String>) {
    let shown = match app.get_webview_window(LABEL) {
        Some(window) => {
            if let Some(fragment) = fragment {
                // A fragment of `places` has no character that ends the text.
                let _ = window.eval(format!("location.hash = {fragment:?}"));
            }
            window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus())
        }
        None => make(app, fragment.as_deref().unwrap_or_default()),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "the window cannot be shown");
    }
}

/// As [`show`], from any thread: windows are the main thread's.
pub(crate) fn show_from_anywhere(app: &AppHandle, fragment: Option<String>) {
    let again = app.clone();
    if let Err(error) = app.run_on_main_thread(move || show(&again, fragment)) {
        tracing::error!(%error, "the window cannot be shown");
    }
}

fn make(app: &AppHandle, fragment: &str) -> tauri::Result<()> {
    let page = WebviewUrl::App(format!("index.html{fragment}").into());
    WebviewWindowBuilder::new(app, LABEL, page)
        .title("Berth")
        .inner_size(1180.0, 760.0)
        .min_inner_size(640.0, 420.0)
        // Pages come from this program alone; what leads elsewhere is the system's browser's.
        .on_navigation({
            let app = app.clone();
            move |url| {
                let own = is_own(url);
                if !own {
                    open::elsewhere(&app, url);
                }
                own
            }
        })
        // Files are dropped on pages, which take them.
        .disable_drag_drop_handler()
        .on_new_window({
            let app = app.clone();
            move |url, _| {
                open::elsewhere(&app, &url);
                NewWindowResponse::Deny
            }
        })
        .on_page_load(|window, page| {
            if page.event() == PageLoadEvent::Started {
                window.state::<Streams>().clear();
            }
        })
        .build()?
        .on_window_event({
            let app = app.clone();
            move |event| {
                if matches!(event, WindowEvent::Destroyed) {
                    app.state::<Streams>().clear();
                }
            }
        });
    Ok(())
}

/// Of this program, or what a page of it made to be saved (`blob:`).
fn is_own(url: &Url) -> bool {
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
