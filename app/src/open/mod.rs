//! What is opened outside of the window: a terminal, a link.

pub(crate) mod terminal;

use std::process::{Command, Stdio};

use tauri::{AppHandle, Url};

use crate::error::{Error, Result};

pub(crate) use terminal::quickstart;

/// Opens an address in the system's browser, such as that of a published port.
///
/// # Errors
/// [`Error::Address`] unless it is a web address without a user: what a container calls itself is not to be trusted.
fn open_link(address: &str) -> Result<()> {
    let url = web(address).ok_or_else(|| Error::Address(address.to_owned()))?;
    let mut opener = if cfg!(windows) {
        let mut opener = Command::new("rundll32.exe");
        opener.arg("url.dll,FileProtocolHandler");
        opener
    } else if cfg!(target_os = "macos") {
        Command::new("open")
    } else {
        Command::new("xdg-open")
    };
    start(opener.arg(url.as_str()))
}

/// What the window itself may not go to is opened outside, where it may be.
pub(crate) fn elsewhere(_: &AppHandle, url: &Url) {
    if let Err(error) = open_link(url.as_str()) {
        tracing::warn!(%error, "a link is not opened");
    }
}

fn web(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && plain).then_some(url)
}

/// Starts a program that lives on without this one.
fn start(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    host::sys::release(command);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|source| Error::Program { program, source })?;
    // Nobody else waits for it.
    std::thread::spawn(move || child.wait());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::web;

    #[test]
    fn only_web_addresses_are_opened() {
        for address in ["http://localhost:8080", "https://[::1]:8443/path?query#fragment"] {
            assert!(web(address).is_some(), "{address}");
        }
        for address in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://user:secret@host",
            "http://user@host",
            "data:,x",
            "-x",
            "",
        ] {
            assert!(web(address).is_none(), "{address}");
        }
    }
}
