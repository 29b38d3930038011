//! What the owning task waits for besides requests. Each future may be dropped and made anew at any time: none loses news.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use control::LongWork;
use tokio::time::{Instant, sleep, sleep_until};

use crate::driver::{Instance, InstanceExit};
use crate::link::{Guest, GuestState};
use crate::machine::console;

/// How often the console of a guest that boots is looked at.
pub(super) const CONSOLE_LOOK: Duration = Duration::from_millis(250);

/// Resolves at `deadline`, never without one.
pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Resolves when the hypervisor is gone.
pub(super) async fn exit_of(instance: Option<Arc<dyn Instance>>) -> InstanceExit {
    match instance {
        Some(instance) => instance.wait().await,
        None => std::future::pending().await,
    }
}

/// Resolves when the guest refused us for good.
pub(super) async fn refusal_of(guest: Option<Guest>) -> String {
    if let Some(guest) = guest {
        let mut state = guest.state();
        if let Ok(state) = state.wait_for(|state| matches!(state, GuestState::Refused { .. })).await
            && let GuestState::Refused { reason } = &*state
        {
            return reason.clone();
        }
    }
    std::future::pending().await
}

/// Resolves when the guest is at another long work than the one that is shown; never without a console.
pub(super) async fn other_work(console: Option<PathBuf>, shown: Option<String>) -> Option<LongWork> {
    let Some(console) = console else { return std::future::pending().await };
    loop {
        let now = console::work(&console).under_way();
        if now.map(LongWork::words) != shown.as_deref() {
            return now;
        }
        sleep(CONSOLE_LOOK).await;
    }
}

/// Why a machine that is there does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The guest does not run at all: whoever asks it something hangs.
    StandsStill(String),
    /// A moment's matter: whoever asks is kept waiting for it.
    LinkLost(String),
}

impl Trouble {
    pub(super) fn text(&self) -> &str {
        match self {
            Trouble::StandsStill(text) | Trouble::LinkLost(text) => text,
        }
    }
}

/// Resolves when there is another trouble than the one that is shown.
pub(super) async fn other_trouble(
    instance: Option<Arc<dyn Instance>>,
    guest: Option<Guest>,
    shown: Option<Trouble>,
) -> Option<Trouble> {
    let Some(instance) = instance else { return std::future::pending().await };
    let (mut standing, mut link) = (instance.trouble(), guest.map(|guest| guest.state()));
    loop {
        let lost = link.as_mut().and_then(|link| match &*link.borrow_and_update() {
            GuestState::Lost { reason } => {
                Some(Trouble::LinkLost(format!("the link to the machine is being restored: {reason}")))
            }
            GuestState::Connected(_) | GuestState::Refused { .. } => None,
        });
        let now = standing.borrow_and_update().clone().map(Trouble::StandsStill).or(lost);
        if now != shown {
            return now;
        }
        let link_changed = async {
            match &mut link {
                Some(link) => link.changed().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        let alive = tokio::select! {
            changed = standing.changed() => changed.is_ok(),
            changed = link_changed => changed,
        };
        if !alive {
            std::future::pending::<()>().await;
        }
    }
}
