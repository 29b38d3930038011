//! Whether this desktop shows trays. Where it does not, a program without a window could neither be seen nor ended.

use tokio::sync::watch;

/// Whether the tray can be seen.
#[derive(Debug)]
pub(crate) struct Panel(watch::Sender<bool>);

impl Panel {
    pub(crate) fn shows_the_tray(&self) -> bool {
        *self.0.borrow()
    }

    /// A desktop that shows nothing, whatever comes.
    pub(crate) fn none() -> Panel {
        Panel(watch::Sender::new(false))
    }

    /// The one of this desktop, followed for as long as the program runs.
    #[cfg(target_os = "linux")]
    pub(crate) fn follow() -> Panel {
        let shows = watch::Sender::new(false);
        let told = shows.clone();
        tauri::async_runtime::spawn(async move {
            let _ = linux::follow(&told).await.inspect_err(|error| tracing::warn!(%error, "no desktop is followed"));
            told.send_replace(false);
        });
        Panel(shows)
    }

    /// Both have one always.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn follow() -> Panel {
        Panel(watch::Sender::new(true))
    }
}

/// Desktops come late, and their panels are started anew.
#[cfg(target_os = "linux")]
mod linux {
    use futures_util::StreamExt;
    use tokio::sync::watch;
    use zbus::fdo::DBusProxy;

    /// Who shows trays has this name (<https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/>).
    const WATCHER: &str = "org.kde.StatusNotifierWatcher";

    pub(super) async fn follow(told: &watch::Sender<bool>) -> zbus::Result<()> {
        let bus = zbus::Connection::session().await?;
        let names = DBusProxy::new(&bus).await?;
        // First the changes: nothing happens unseen between the two.
        let mut changes = names.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
        told.send_replace(names.name_has_owner(WATCHER.try_into()?).await?);
        while let Some(change) = changes.next().await {
            told.send_replace(change.args()?.new_owner().is_some());
        }
        Ok(())
    }
}
