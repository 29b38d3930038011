//! The step that reaches the guest over the link. It keeps the boot's deadline itself, since the guest may show on its console that
//! it is at something that takes longer: a check of its disk that is cut off begins anew at every boot.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use control::{LongWork, Secret};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::driver::{Instance, LinkAddress};
use crate::folders::Folders;
use crate::link::{self, Guest, Link, LinkError};
use crate::machine::console::{self, Work};
use crate::machine::news::CONSOLE_LOOK;
use crate::paths::Paths;
use crate::proxies::InUse;
use crate::settings::Settings;
use crate::sys::ProcessIdentity;
use crate::{Error, Result};

/// What is said of a guest that was not heard of.
pub(in crate::machine) const SILENCE: &str = "no word came from the guest";

/// How long the works of a boot may take together, beyond its deadline.
const WORKS: Duration = Duration::from_secs(15 * 60);
/// How long the link is tried before the console is looked at again, while the guest is at work.
const SLICE: Duration = Duration::from_secs(5);
/// The link keeps a deadline by itself and knows better what was missing: it gets a moment to say so.
const MOMENT: Duration = Duration::from_millis(100);
/// How often the link's device is looked at while the guest is not reached.
const DEVICE_LOOK: Duration = Duration::from_millis(100);

/// Where the guest is reached, and where is written what became of it.
#[derive(Debug, Clone)]
pub(in crate::machine) struct Way {
    address: LinkAddress,
    secret: Secret,
    console: PathBuf,
    device_log: PathBuf,
    /// The guest is booting; else what its console tells is of long ago.
    boots: bool,
}

pub(in crate::machine) fn way(address: LinkAddress, secret: Secret, paths: &Paths, boots: bool) -> Way {
    Way { address, secret, console: paths.console_log(), device_log: paths.vsock_device_log(), boots }
}

/// Reaches the guest and says hello, trying until the deadline, and while the guest is at a long work: it listens only once its
/// agent runs. `patience`: the deadline, and how long that was from its beginning.
pub(in crate::machine) async fn join(
    settings: Settings,
    instance: Arc<dyn Instance>,
    way: Way,
    ports: Arc<dyn link::Ports>,
    folders: Arc<Folders>,
    patience: (Instant, Duration),
) -> Result<Guest> {
    let in_use = InUse::of(&settings).await;
    let proxies = in_use.proxies();
    let attempt = |deadline| {
        let (instance, way, ports) = (instance.clone(), way.clone(), ports.clone());
        let (proxies, folders) = (proxies.clone(), folders.clone());
        async move {
            instance.link_is_used().await;
            Ok(Guest::connect(link_to(way.address, way.secret)?, ports, proxies, folders, deadline).await?)
        }
    };
    let (tell, at_work) = watch::channel(None);
    let joining = async {
        let mut extension = Extension::new(patience);
        loop {
            let tried = timeout_at(extension.deadline + MOMENT, attempt(extension.deadline)).await;
            let error = match tried {
                Ok(Err(error @ Error::Link(LinkError::Unreachable { .. }))) => error,
                Ok(other) => return other,
                Err(_) => Error::Overdue { what: SILENCE, seconds: patience.1.as_secs_f64() },
            };
            let work = if way.boots { console::work(&way.console) } else { Work::None };
            extension.extend(work, *at_work.borrow(), Instant::now(), error)?;
        }
    };
    tokio::select! {
        joined = joining => {
            let guest = joined?;
            guest.use_proxies(in_use);
            Ok(guest)
        }
        () = works(&way, &tell) => unreachable!("it goes on for ever"),
        () = device_gone(&*instance) => {
            let said = console::last_lines(&way.device_log, 1).pop();
            Err(Error::VsockDevice { reason: said.unwrap_or_else(|| "it ended".to_owned()) })
        }
    }
}

/// Tells when the guest was last seen at a work. Does not end.
async fn works(way: &Way, tell: &watch::Sender<Option<Instant>>) {
    loop {
        if way.boots && console::work(&way.console).under_way().is_some() {
            tell.send_replace(Some(Instant::now()));
        }
        sleep(CONSOLE_LOOK).await;
    }
}

/// How a boot's deadline moves with the works that its guest is at.
#[derive(Debug)]
struct Extension {
    deadline: Instant,
    patience: Duration,
    /// Longer than until then no work may take.
    last: Instant,
}

impl Extension {
    fn new((deadline, patience): (Instant, Duration)) -> Extension {
        Extension { deadline, patience, last: deadline + WORKS }
    }

    /// Moves the deadline, which has passed with `error`, if the guest's works are the reason: after the last of them (`at_work`: when
    /// one was last seen) the guest has its whole patience.
    fn extend(&mut self, work: Work, at_work: Option<Instant>, now: Instant, error: Error) -> Result<()> {
        let after = at_work.map(|at| at + self.patience);
        match (work, after) {
            (Work::UnderWay(work), _) if now >= self.last => return Err(too_long(work, self.patience + WORKS)),
            (Work::UnderWay(_), _) => self.deadline = now + SLICE,
            (Work::Done | Work::None, Some(after)) if after > now => self.deadline = after,
            (Work::Done | Work::None, _) => return Err(error),
        }
        Ok(())
    }
}

fn too_long(work: LongWork, took: Duration) -> Error {
    Error::LongWork { work: work.words(), minutes: took.as_secs() / 60 }
}

/// Resolves when a helper ended by itself, under a hypervisor that goes on: there will be no link.
async fn device_gone(instance: &dyn Instance) {
    let Some(processes) = instance.record().processes() else { return std::future::pending().await };
    while processes.helpers.iter().all(ProcessIdentity::is_alive) {
        sleep(DEVICE_LOOK).await;
    }
    // Helpers end with their hypervisor, whose end is told by itself.
    if !processes.process.is_alive() {
        std::future::pending().await
    }
}

#[cfg(unix)]
fn link_to(address: LinkAddress, secret: Secret) -> Result<Link> {
    Ok(match address {
        LinkAddress::HybridVsock { socket } => Link::new(link::HybridVsock::new(socket), secret),
        LinkAddress::Serial { control, bulk } => Link::new(link::Serial::new(control, bulk), secret),
        // No driver of this system makes such an address.
        LinkAddress::HvSocket { .. } => return Err(Error::UnsupportedLink { link: "hvsock" }),
    })
}

/// No driver of this system makes the other addresses.
#[cfg(windows)]
fn link_to(address: LinkAddress, secret: Secret) -> Result<Link> {
    match address {
        LinkAddress::HvSocket { system } => Ok(Link::new(link::HvSocket::new(system), secret)),
        LinkAddress::HybridVsock { .. } => Err(Error::UnsupportedLink { link: "vsock" }),
        LinkAddress::Serial { .. } => Err(Error::UnsupportedLink { link: "serial" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const CHECK: Work = Work::UnderWay(LongWork::CheckDisk);

    fn silent() -> Error {
        Error::Link(LinkError::Unreachable { last: None })
    }

    #[test]
    fn after_its_works_the_guest_has_its_whole_time() {
        let began = Instant::now();
        let at = |seconds| began + seconds * SECOND;
        let mut extension = Extension::new((at(20), 20 * SECOND));
        extension.extend(CHECK, Some(at(20)), at(20), silent()).unwrap();
        assert_eq!(extension.deadline, at(20) + SLICE);
        extension.extend(CHECK, Some(at(600)), at(600), silent()).unwrap();
        extension.extend(Work::Done, Some(at(604)), at(605), silent()).unwrap();
        assert_eq!(extension.deadline, at(624));
        let error = extension.extend(Work::Done, Some(at(604)), at(624), silent()).unwrap_err();
        assert!(matches!(error, Error::Link(_)), "{error}");

        // Also after one that ended just before the deadline.
        let mut extension = Extension::new((at(20), 20 * SECOND));
        extension.extend(Work::Done, Some(at(19)), at(20), silent()).unwrap();
        assert_eq!(extension.deadline, at(39));
    }

    #[test]
    fn a_guest_that_says_nothing_gets_no_more_time() {
        let began = Instant::now();
        let mut extension = Extension::new((began, SECOND));
        assert!(matches!(extension.extend(Work::None, None, began, silent()), Err(Error::Link(_))));
        // A work of its first moments has taken none of its time.
        let before = began.checked_sub(SECOND);
        assert!(matches!(extension.extend(Work::Done, before, began, silent()), Err(Error::Link(_))));
    }

    #[test]
    fn a_work_without_end_is_named() {
        let began = Instant::now();
        let mut extension = Extension::new((began, 20 * SECOND));
        let error = extension.extend(CHECK, Some(began), began + WORKS, silent()).unwrap_err().to_string();
        assert!(error.starts_with("the guest was still checking the data disk after 15 minutes: "), "{error}");
    }
}
