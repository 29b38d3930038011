//! Other packet filters of this machine.

use crate::Result;
use crate::nft::{ForeignChain, foreign_forward_chains};
use crate::sandbox::kernel;

/// What of other tables drops forwarded packets, as sentences.
pub(crate) fn look() -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for chain in foreign_forward_chains().map_err(kernel("list the machine's packet filters"))? {
        let ForeignChain { family, table, name, drops } = chain;
        if drops {
            warnings.push(format!(
                "the packet filter's chain {name} of table {family} {table} drops forwarded packets by default: \
                 containers may be cut off; accept traffic of the bridges docker0 and br-* there"
            ));
        } else if table == "firewalld" {
            warnings.push(
                "firewalld runs and may reject forwarded packets: put the bridges docker0 and br-* into a zone that \
                 accepts them (firewall-cmd --zone=trusted --add-interface=docker0)"
                    .to_owned(),
            );
        }
    }
    // The older interface of iptables is not seen through nftables.
    let legacy = std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    if legacy.lines().any(|table| table == "filter") {
        warnings.push(
            "this machine uses iptables-legacy beside nftables: its FORWARD chain may drop packets of containers \
             (iptables-legacy -L FORWARD)"
                .to_owned(),
        );
    }
    Ok(warnings)
}
