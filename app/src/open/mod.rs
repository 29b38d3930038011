//! What is opened outside of the window: a terminal, a link.

mod applications;
pub(crate) mod terminal;

use std::process::{Command, Stdio};
use std::time::Duration;

use tauri::Url;

use crate::error::{Error, Result};
use crate::{dialog, words};

pub(crate) use terminal::quickstart;

/// A program that fails later than this after its start was there.
const AT_ONCE: Duration = Duration::from_secs(1);

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
pub(crate) fn elsewhere(url: &Url) {
    let address = url.to_string();
    // The window does not wait for it.
    std::thread::spawn(move || {
        if let Err(error) = open_link(&address) {
            tracing::warn!(%error, "a link is not opened");
            // Nobody clicked on one that leads to no web page.
            if !matches!(error, Error::Address(_)) {
                dialog::tell(words::of_this_system().no_link, &error.to_string());
            }
        }
    });
}

fn web(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && plain).then_some(url)
}

/// Starts a program that lives on without this one, and waits a moment whether it does.
///
/// # Errors
/// [`Error::Program`] when it does not start; [`Error::Ended`] when it fails at once.
fn start(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    host::sys::release(command);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|source| Error::Program { program: program.clone(), source })?;
    let (ended, end) = std::sync::mpsc::channel();
    // Nobody else waits for it.
    std::thread::spawn(move || ended.send(child.wait()));
    match end.recv_timeout(AT_ONCE) {
        Ok(Ok(status)) if !status.success() => Err(Error::Ended { program, status }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{start, web};
    use crate::error::Error;

    #[cfg(unix)]
    #[test]
    fn a_program_that_fails_at_once_is_told() {
        let run = |script: &str| start(std::process::Command::new("sh").args(["-c", script]));
        assert!(matches!(run("exit 3"), Err(Error::Ended { status, .. }) if status.code() == Some(3)));
        assert!(run("exit 0").is_ok());
        assert!(matches!(start(&mut std::process::Command::new("/no/such/program")), Err(Error::Program { .. })));
    }

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
