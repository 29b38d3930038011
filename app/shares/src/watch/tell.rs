//! What the guest is told of a change.

use std::os::fd::AsFd;

use control::notice::{Invalid, Operation};

use super::event::{Change, Event, What};
use super::{Before, Notice, Watcher};
use crate::hidden::How;
use crate::share::Share;
use crate::sys;
use crate::wire::ROOT;

impl Watcher {
    pub(super) fn notices_of(&self, share: &Share, change: Change) -> Vec<Notice> {
        let known = |event: &Event| self.table().node(event.watch).map(|node| (node, event.name.clone()));
        // What is hidden is neither there nor does it go: nobody is told its name.
        let place = |event: &Event| known(event).filter(|(folder, name)| share.how(*folder, name) != How::Hidden);
        match change {
            Change::Moved(from, to) => {
                let (was, is) = match (place(&from), place(&to)) {
                    (Some(was), Some(is)) => (was, is),
                    (Some(was), None) => return self.single(share, from, was).into_iter().collect(),
                    (None, Some(is)) => return self.single(share, to, is).into_iter().collect(),
                    (None, None) => return Vec::new(),
                };
                match share.file() {
                    _ if self.own.is_move((was.0, &was.1), (is.0, &is.1)) => Vec::new(),
                    Some(_) => [self.one(share, from, was), self.one(share, to, is)].into_iter().flatten().collect(),
                    None => vec![self.moved(share, was, is)],
                }
            }
            Change::One(event) => {
                let Some(at) = place(&event) else { return Vec::new() };
                self.single(share, event, at).into_iter().collect()
            }
        }
    }

    fn single(&self, share: &Share, event: Event, at: (u64, Vec<u8>)) -> Option<Notice> {
        match self.own.is(at.0, &at.1, event.what) {
            true => own_change(share, &event, at),
            false => self.one(share, event, at),
        }
    }

    fn one(&self, share: &Share, event: Event, at: (u64, Vec<u8>)) -> Option<Notice> {
        if let Some(file) = share.file() {
            return (event.name == file).then(|| of_the_file(event.what));
        }
        let (parent, name) = at;
        if name.is_empty() {
            // Of other folders the one that they are in tells.
            let echo = (parent == ROOT).then_some(Operation::Attributes { parent, name });
            return Some(Notice { invalid: vec![Invalid::Attributes(parent)], echo, before: Vec::new() });
        }
        let node = share.nodes().named(parent, &name).map(|(node, _)| node);
        Some(match event.what {
            What::Made | What::Came => {
                self.table().present(parent, &name);
                let mode = kind_now(share, parent, &name);
                Notice {
                    invalid: names_changed(parent, &name),
                    before: vec![((parent, name.clone()), Before::Nothing)],
                    echo: mode.map(|mode| Operation::Make { parent, name, mode }),
                }
            }
            // It is somewhere else: for whoever is in it nothing has changed, and repeating that it is removed would end that.
            What::Left if event.is_directory => {
                share.nodes().removed(parent, &name);
                Notice { invalid: names_changed(parent, &name), ..Notice::default() }
            }
            What::Gone | What::Left => {
                let gone = gone(share, parent, &name, event.is_directory);
                let mut invalid = names_changed(parent, &name);
                invalid.extend(node.map(Invalid::Attributes));
                let echo = Operation::Remove { parent, name: name.clone(), is_directory: event.is_directory };
                Notice { invalid, echo: Some(echo), before: vec![((parent, name), gone)] }
            }
            What::Modified => Notice {
                invalid: node.map(Invalid::Content).into_iter().collect(),
                echo: is_regular(share, parent, &name).then_some(Operation::Modify { parent, name }),
                before: Vec::new(),
            },
            What::Closed => Notice {
                echo: is_regular(share, parent, &name).then_some(Operation::Close { parent, name }),
                ..Notice::default()
            },
            What::Attributes | What::Ended | What::Overflow => Notice {
                invalid: node.map(Invalid::Attributes).into_iter().collect(),
                echo: Some(Operation::Attributes { parent, name }),
                before: Vec::new(),
            },
        })
    }

    fn moved(&self, share: &Share, from: (u64, Vec<u8>), to: (u64, Vec<u8>)) -> Notice {
        self.table().present(to.0, &to.1);
        let over = match gone(share, to.0, &to.1, false) {
            Before::Gone { identity: None, .. } => Before::Nothing,
            known => known,
        };
        share.nodes().renamed((from.0, &from.1), (to.0, &to.1));
        let mut invalid = names_changed(from.0, &from.1);
        invalid.extend(names_changed(to.0, &to.1));
        Notice {
            invalid,
            before: vec![(from.clone(), Before::Now(to.0, to.1.clone())), (to.clone(), over)],
            echo: Some(Operation::Rename { from, to }),
        }
    }
}

fn names_changed(parent: u64, name: &[u8]) -> Vec<Invalid> {
    vec![Invalid::Name(parent, name.to_vec()), Invalid::Attributes(parent)]
}

/// The guest did it. The host may have done something to the same file at the same moment: it is asked for once more.
fn own_change(share: &Share, event: &Event, (parent, name): (u64, Vec<u8>)) -> Option<Notice> {
    if !matches!(event.what, What::Modified | What::Attributes) {
        return None;
    }
    let node = if share.file().is_some() { ROOT } else { share.nodes().named(parent, &name)?.0 };
    Some(Notice { invalid: vec![Invalid::Attributes(node)], ..Notice::default() })
}

/// The one file that is shared; another one may have its name now.
fn of_the_file(what: What) -> Notice {
    let (parent, name) = (ROOT, Vec::new());
    let echo = match what {
        What::Modified | What::Came | What::Made => Some(Operation::Modify { parent, name }),
        What::Closed => Some(Operation::Close { parent, name }),
        What::Attributes => Some(Operation::Attributes { parent, name }),
        What::Gone | What::Left | What::Ended | What::Overflow => None,
    };
    Notice { invalid: vec![Invalid::Content(ROOT)], echo, before: Vec::new() }
}

/// The mode of what has a name; none if nothing has, or a device.
fn kind_now(share: &Share, parent: u64, name: &[u8]) -> Option<u32> {
    let directory = share.directory(parent).ok()?;
    let found = sys::open_name(directory.as_fd(), name).ok()?;
    let mode = sys::attr(found.as_fd()).ok()?.1.mode;
    (matches!(mode & sys::KIND, sys::DIRECTORY | sys::LINK) || sys::is_harmless(mode)).then_some(mode)
}

/// Whether a name is a file's: a pipe would be the guest's own, and who reads from it would see its end.
fn is_regular(share: &Share, parent: u64, name: &[u8]) -> bool {
    let known = share.nodes().named(parent, name).map(|(_, identity)| identity.2);
    known.or_else(|| kind_now(share, parent, name)).is_some_and(|mode| mode & sys::KIND == sys::REGULAR)
}

/// A name has lost its file; the guest may have known another by it, or found a new one already.
fn gone(share: &Share, parent: u64, name: &[u8], is_directory: bool) -> Before {
    let known = share.nodes().named(parent, name);
    let now = share.directory(parent).and_then(|directory| sys::open_name(directory.as_fd(), name));
    let now = now.and_then(|found| sys::attr(found.as_fd())).map(|(identity, _)| identity);
    match known {
        Some((node, identity)) if now != Ok(identity) => {
            share.nodes().gone(parent, name);
            Before::Gone { node, identity: Some(identity), is_directory: identity.2 == sys::DIRECTORY }
        }
        _ => Before::Gone { node: share.nodes().unknown(), identity: None, is_directory },
    }
}
