//! This computer's network changed: another router, a VPN, addresses that came or went, other name servers.
//!
//! What is open stays as it is, and each new connection and each name is looked up by the system as it is then. What would go on by what
//! was is looked at again: the desktop's proxies, and addresses of `listen` that could not be had.

use std::path::Path;
use std::time::Duration;

use super::Shared;
use crate::{machine, sys};

/// Behind the first sign: an interface that comes up changes a dozen things one after the other.
const SETTLED: Duration = Duration::from_millis(500);
/// How often it is looked where nobody tells: name servers everywhere, all of it but under Linux. Half of what a name is kept for.
const LOOK: Duration = Duration::from_secs(5);
/// resolv.conf(5), which `link::guest::names` reads for each query anyway.
const RESOLVER: &str = "/etc/resolv.conf";

/// What the way out of this computer is by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    facts: String,
    resolver: String,
}

impl Network {
    /// Reads files.
    fn read() -> Network {
        Network {
            facts: sys::network_facts(),
            resolver: std::fs::read_to_string(Path::new(RESOLVER)).unwrap_or_default(),
        }
    }
}

/// Looks after what depends on the network whenever that changed, for as long as the daemon lives.
pub(super) async fn watch(shared: Shared) {
    let mut news = sys::NetworkNews::open();
    let Ok(mut before) = machine::blocking(|| Ok(Network::read())).await else { return };
    loop {
        tokio::select! {
            () = sys::network_changed(&mut news) => tokio::time::sleep(SETTLED).await,
            () = tokio::time::sleep(LOOK) => {}
        }
        let Ok(now) = machine::blocking(|| Ok(Network::read())).await else { return };
        if now == before {
            continue;
        }
        let (by_resolver, by_routes) = (now.resolver != before.resolver, now.facts != before.facts);
        tracing::info!(by_resolver, by_routes, "this computer's network changed");
        before = now;
        look_after(&shared).await;
    }
}

/// What fails is in the status.
pub(super) async fn look_after(shared: &Shared) {
    if let Some(guest) = shared.machine.guest() {
        // A desktop may not answer, and the clocks are to be looked at meanwhile.
        tokio::spawn(async move { guest.look_for_proxies().await });
    }
    let tcp = shared.tcp.clone();
    let _ = machine::to_the_end(async move { tcp.follow_settings().await }).await;
}
