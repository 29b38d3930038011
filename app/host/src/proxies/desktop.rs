//! Asks this computer's desktop by the program that its system has for that. One that is missing, fails or does not answer says nothing.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::{Desktop, gnome, kde, macos, windows};
use crate::sys;

/// They answer in a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn read() -> Desktop {
    if cfg!(target_os = "macos") {
        return macos::read(&printed("scutil", &macos::ARGUMENTS).await);
    }
    if cfg!(windows) {
        return windows::read(&printed("reg", &windows::ARGUMENTS).await);
    }
    linux(|name| std::env::var(name).ok().filter(|value| !value.is_empty()), "gsettings".as_ref()).await
}

/// KDE's where the session says that it is KDE's; else GNOME's, which other desktops and applications go by, too.
async fn linux(environment: impl Fn(&str) -> Option<String>, gsettings: &OsStr) -> Desktop {
    let is_kde = environment("XDG_CURRENT_DESKTOP").is_some_and(|names| names.split(':').any(|name| name == "KDE"));
    if !is_kde {
        return gnome::read(&printed(gsettings, &gnome::ARGUMENTS).await);
    }
    let home = || environment("HOME").map(|home| PathBuf::from(home).join(".config"));
    let Some(folder) = environment("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home) else {
        return Desktop::default();
    };
    kde::read(&tokio::fs::read_to_string(folder.join(kde::FILE)).await.unwrap_or_default())
}

async fn printed(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(program);
    sys::without_window(&mut command);
    let mut command = tokio::process::Command::from(command);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(_) => String::new(),
        Err(_) => {
            tracing::warn!("this computer's desktop does not say which proxies it has");
            String::new()
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::*;

    /// Not written by this process itself: a child that another thread starts meanwhile would have the file open for writing, too.
    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("gsettings");
        let mut writer = std::process::Command::new("sh");
        writer.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(&path).stdin(Stdio::piped());
        let mut writer = writer.spawn().unwrap();
        writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path
    }

    #[tokio::test]
    async fn the_session_says_whose_settings_count() {
        let dir = tempfile::tempdir().unwrap();
        let script = "test \"$1 $2\" = 'list-recursively org.gnome.system.proxy' && \
                      echo \"org.gnome.system.proxy mode 'manual'\norg.gnome.system.proxy.http host 'gnome'\n\
                      org.gnome.system.proxy.http port 1\"";
        let gsettings = program(dir.path(), script);
        std::fs::write(dir.path().join("kioslaverc"), "[Proxy Settings]\nProxyType=1\nhttpProxy=http://kde 2\n")
            .unwrap();
        let folder = dir.path().display().to_string();
        let environment = |desktop: &'static str| {
            let folder = folder.clone();
            move |name: &str| match name {
                "XDG_CURRENT_DESKTOP" => Some(desktop.to_owned()),
                "XDG_CONFIG_HOME" => Some(folder.clone()),
                _ => None,
            }
        };
        for (desktop, expected) in [("ubuntu:GNOME", "http://gnome:1"), ("KDE", "http://kde:2")] {
            let read = linux(environment(desktop), gsettings.as_os_str()).await;
            assert_eq!(read.proxies.http.as_deref(), Some(expected), "{desktop}");
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_a_desktop_that_hangs() {
        let dir = tempfile::tempdir().unwrap();
        let gsettings = program(dir.path(), "exec sleep 1000");
        let began = std::time::Instant::now();
        assert_eq!(linux(|_| None, gsettings.as_os_str()).await, Desktop::default());
        assert!((PATIENCE..10 * PATIENCE).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!(linux(|_| None, "/no/such/program".as_ref()).await, Desktop::default());
    }
}
