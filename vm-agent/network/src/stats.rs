//! Traffic counters.

use std::collections::BTreeMap;

use crate::sandbox::{kernel, run};
use crate::{Result, Sandbox};

/// Counters of one interface since it was made; Docker's `networks.<interface>` in `stats`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceStats {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

impl Sandbox {
    /// Counters of the interfaces except `lo`, by interface name.
    pub async fn stats(&self) -> Result<BTreeMap<String, InterfaceStats>> {
        let sandbox = self.clone();
        run(move || {
            let links = sandbox.route()?.links().map_err(kernel("read traffic counters"))?;
            Ok(links.into_iter().filter(|l| l.name != "lo").map(|l| (l.name, l.stats)).collect())
        })
        .await
    }
}
