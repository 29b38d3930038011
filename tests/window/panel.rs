//! What a desktop's panel does: shows the trays that register with it, and what programs notify of.
//!
//! The tray speaks <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/> and com.canonical.dbusmenu; notices are
//! <https://specifications.freedesktop.org/notification-spec/latest/>.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use tests::wait::until;
use zbus::blocking::{Connection, Proxy, connection};
use zbus::message::Header;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Panel {
    connection: Connection,
    trays: Receiver<(String, String)>,
    notices: Receiver<Notice>,
}

/// Title and text.
pub(crate) type Notice = (String, String);

struct Watcher(Sender<(String, String)>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        // Nobody may look at trays any more.
        let _ = self.0.send((sender, service));
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

struct Notifications(Sender<Notice>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "the interface has so many")]
    fn notify(
        &self,
        _program: String,
        _replaces: u32,
        _icon: String,
        title: String,
        text: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        // Nobody may look at notices any more.
        let _ = self.0.send((title, text));
        1
    }

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned()]
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("panel".to_owned(), "tests".to_owned(), "1".to_owned(), "1.2".to_owned())
    }
}

impl Panel {
    /// A panel on the bus at `address`.
    pub(crate) fn start(address: &str) -> anyhow::Result<Panel> {
        let ((to_trays, trays), (to_notices, notices)) = (channel(), channel());
        let connection = connection::Builder::address(address)?
            .serve_at("/StatusNotifierWatcher", Watcher(to_trays))?
            .serve_at("/org/freedesktop/Notifications", Notifications(to_notices))?
            .name("org.kde.StatusNotifierWatcher")?
            .name("org.freedesktop.Notifications")?
            .build()?;
        Ok(Panel { connection, trays, notices })
    }

    /// The next tray that comes.
    pub(crate) fn tray(&self) -> anyhow::Result<Tray<'_>> {
        let (sender, service) = self.trays.recv_timeout(LIMIT).context("no tray came")?;
        let item = Proxy::new(&self.connection, sender.clone(), service, "org.kde.StatusNotifierItem")?;
        let menu: OwnedObjectPath = item.get_property("Menu")?;
        Ok(Tray { menu: Proxy::new(&self.connection, sender, ObjectPath::from(menu), "com.canonical.dbusmenu")? })
    }

    /// The next notice.
    pub(crate) fn notice(&self) -> anyhow::Result<Notice> {
        self.notices.recv_timeout(LIMIT).context("no notice came")
    }

    /// A notice that has come already.
    pub(crate) fn notice_so_far(&self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }
}

/// The menu of a tray.
pub(crate) struct Tray<'a> {
    menu: Proxy<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    id: i32,
    pub(crate) label: String,
    pub(crate) enabled: bool,
}

type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl Tray<'_> {
    /// All entries, those of menus within the menu behind their own.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let (_, root): (u32, Layout) = self.menu.call("GetLayout", &(0, -1, Vec::<String>::new()))?;
        let mut entries = Vec::new();
        gather(root, &mut entries)?;
        Ok(entries)
    }

    /// Waits until there is an entry of this text that is enabled or not, as asked.
    pub(crate) fn see(&self, label: &str, enabled: bool) -> anyhow::Result<Entry> {
        let found = until(&format!("the entry {label:?} (enabled: {enabled})"), LIMIT, || {
            let entries = self.entries().ok()?;
            entries.into_iter().find(|entry| entry.label == label && entry.enabled == enabled)
        });
        found.with_context(|| format!("the tray has {:?}", self.entries()))
    }

    /// Chooses an entry.
    pub(crate) fn choose(&self, label: &str) -> anyhow::Result<()> {
        let entry = self.see(label, true)?;
        // A program that ends by it may be gone before it answers.
        Ok(self.menu.call_noreply("Event", &(entry.id, "clicked", Value::from(0), 0_u32))?)
    }
}

fn gather((id, properties, children): Layout, entries: &mut Vec<Entry>) -> anyhow::Result<()> {
    if let Some(label) = properties.get("label") {
        // An underscore marks the letter that chooses the entry.
        let label = String::try_from(label.try_clone()?)?.replace("__", "\0").replace('_', "").replace('\0', "_");
        let enabled = properties.get("enabled").is_none_or(|enabled| bool::try_from(enabled).unwrap_or(true));
        entries.push(Entry { id, label, enabled });
    }
    for child in children {
        gather(Layout::try_from(child)?, entries)?;
    }
    Ok(())
}
