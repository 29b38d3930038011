//! Parent interfaces in the engine's own network namespace: found, made, removed.

use super::{Lan, LanError};
use crate::kernel::{ALIAS, Kernel};
use crate::link::{Link, Route};
use crate::sandbox::kernel;
use crate::state::Entry;
use crate::{Network, Result};

impl Kernel {
    /// Makes a network's parent interface where it is one to be made and not there: a VLAN's sub-interface, a dummy.
    pub(crate) fn ensure_parent(&self, entry: &Entry) -> Result<()> {
        let Some(lan) = entry.lan() else { return Ok(()) };
        let mut route = self.route();
        match find(&mut route, &lan.parent) {
            Some(_) => Ok(()),
            None => Ok(make(&mut route, &lan, &entry.network)?),
        }
    }

    /// The parent's index.
    pub(super) fn parent(&self, lan: &Lan) -> Option<u32> {
        find(&mut self.route(), &lan.parent).map(|link| link.index)
    }

    /// Removes the parent interface that [`Kernel::ensure_parent`] made; one of the user's stays.
    pub(crate) fn remove_parent(&self, lan: &Lan) -> Result<()> {
        let mut route = self.route();
        match find(&mut route, &lan.parent).filter(is_ours) {
            Some(link) => route.remove(&link.name).map_err(kernel("remove the network's parent interface")),
            None => Ok(()),
        }
    }
}

/// Whether an engine made the link as a network's parent.
pub(crate) fn is_ours(link: &Link) -> bool {
    matches!(link.kind.as_str(), "vlan" | "dummy") && link.alias.starts_with(ALIAS)
}

/// A name that cannot be a link's is none.
fn find(route: &mut Route, name: &str) -> Option<Link> {
    route.link(name).ok().flatten()
}

fn make(route: &mut Route, lan: &Lan, network: &Network) -> Result<(), LanError> {
    let (name, alias) = (lan.parent.as_str(), format!("{ALIAS}{}", network.id));
    if lan.given {
        let (card, id) = vlan(name)?;
        let link = find(route, card).ok_or_else(|| LanError::NoCard(card.to_owned()))?;
        // Beyond the kernel's range only after dockerd's look for the card.
        let id = u16::try_from(id).ok().filter(|id| (1..=4094).contains(id)).ok_or(LanError::VlanRange(id))?;
        route.create_vlan(name, link.index, id).map_err(|source| LanError::Vlan { name: name.to_owned(), source })?;
    } else {
        route.create_dummy(name).map_err(LanError::Dummy)?;
    }
    route.adopt(name, &alias).map_err(|source| {
        // Half a parent would be taken for the user's.
        if let Err(error) = route.remove(name) {
            tracing::warn!(%error, link = name, "a parent interface that cannot be brought up stays");
        }
        LanError::Enable { driver: network.driver.name(), name: name.to_owned(), source }
    })
}

/// `eth0.10`: the card and the VLAN's number, not yet checked for its range.
fn vlan(name: &str) -> Result<(&str, i64), LanError> {
    let Some((card, number)) = name.split_once('.') else { return Err(LanError::NotVlan(name.to_owned())) };
    if number.contains('.') {
        return Err(LanError::VlanName(name.to_owned()));
    }
    Ok((card, number.parse().map_err(|_| LanError::VlanNumber(number.to_owned()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_sub_interface_says_the_vlan() {
        assert_eq!(vlan("eth0.10").unwrap(), ("eth0", 10));
        for (name, said) in [
            ("eth0", "invalid subinterface vlan name eth0, example formatting is eth0.10"),
            (
                "e.1.2",
                "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received e.1.2",
            ),
            ("eth0.x", "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"),
        ] {
            assert_eq!(vlan(name).unwrap_err().to_string(), said);
        }
    }
}
