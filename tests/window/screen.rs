//! The display as a person sees and touches it: which windows of the program are there, their close, and buttons that no page has.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::wait::until;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt,
    EventMask, MOTION_NOTIFY_EVENT, MapState, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::desk::Desk;

const LIMIT: Duration = Duration::from_secs(120);

/// Above the lower edge of a question: there its buttons lie.
const BUTTONS: i16 = 20;

pub(crate) struct Screen {
    connection: RustConnection,
    root: Window,
}

impl Screen {
    pub(crate) fn of(desk: &Desk) -> anyhow::Result<Screen> {
        let (connection, number) = RustConnection::connect(Some(desk.display()))?;
        let root = connection.setup().roots[number].root;
        let told = ChangeWindowAttributesAux::new().event_mask(EventMask::SUBSTRUCTURE_NOTIFY);
        connection.change_window_attributes(root, &told)?.check()?;
        Ok(Screen { connection, root })
    }

    /// How many windows, of whatever kind, came into sight since this was asked before, or since the beginning.
    pub(crate) fn came(&self) -> anyhow::Result<usize> {
        // What was told before its answer has come with it.
        self.connection.get_input_focus()?.reply()?;
        let mut count = 0;
        while let Some(event) = self.connection.poll_for_event()? {
            count += usize::from(matches!(event, Event::MapNotify(_)));
        }
        Ok(count)
    }

    /// The program's windows of this title that are shown.
    pub(crate) fn windows(&self, title: &str) -> anyhow::Result<Vec<Window>> {
        let mut found = Vec::new();
        for window in self.connection.query_tree(self.root)?.reply()?.children {
            let text = |property: AtomEnum| -> anyhow::Result<Vec<u8>> {
                let asked = self.connection.get_property(false, window, property, AtomEnum::ANY, 0, 256)?;
                // It may have gone meanwhile.
                Ok(asked.reply().map(|reply| reply.value).unwrap_or_default())
            };
            let shown = self.connection.get_window_attributes(window)?.reply();
            let class = String::from_utf8_lossy(&text(AtomEnum::WM_CLASS)?).to_lowercase();
            if shown.is_ok_and(|attributes| attributes.map_state == MapState::VIEWABLE)
                && class.contains("berth-desktop")
                && text(AtomEnum::WM_NAME)? == title.as_bytes()
            {
                found.push(window);
            }
        }
        Ok(found)
    }

    /// Waits until there are so many of them.
    pub(crate) fn see(&self, title: &str, count: usize) -> anyhow::Result<Vec<Window>> {
        until(&format!("{count} windows {title:?}"), LIMIT, || {
            self.windows(title).ok().filter(|windows| windows.len() == count)
        })
    }

    /// Asks for a window's end, as its close button does.
    pub(crate) fn close(&self, window: Window) -> anyhow::Result<()> {
        let atom = |name: &str| -> anyhow::Result<u32> {
            Ok(self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        let delete = [atom("WM_DELETE_WINDOW")?, x11rb::CURRENT_TIME, 0, 0, 0];
        let message = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS")?, delete);
        self.connection.send_event(false, window, EventMask::NO_EVENT, message)?.check()?;
        Ok(())
    }

    /// Presses one of so many buttons of the question of this title, counted from the left, and waits until it is gone.
    pub(crate) fn answer(&self, title: &str, button: i16, of: i16) -> anyhow::Result<()> {
        let window = *self.see(title, 1)?.first().context("one was seen")?;
        let size = self.connection.get_geometry(window)?.reply()?;
        let (width, height) = (i16::try_from(size.width)?, i16::try_from(size.height)?);
        ensure!(button < of, "there are {of} buttons");
        let (x, y) = (width / of * button + width / of / 2, height - BUTTONS);
        let place = self.connection.translate_coordinates(window, self.root, x, y)?.reply()?;
        for (event, detail) in [(MOTION_NOTIFY_EVENT, 0), (BUTTON_PRESS_EVENT, 1), (BUTTON_RELEASE_EVENT, 1)] {
            let sent = self.connection.xtest_fake_input(event, detail, 0, self.root, place.dst_x, place.dst_y, 0)?;
            sent.check()?;
        }
        self.see(title, 0).map(drop)
    }
}
