//! The driver options of a network on a parent interface.

use std::collections::BTreeMap;

use super::LanError;
use crate::{Driver, Network};

const PARENT: &str = "parent";
const MACVLAN_MODE: &str = "macvlan_mode";
const IPVLAN_MODE: &str = "ipvlan_mode";
const IPVLAN_FLAG: &str = "ipvlan_flag";

/// What the options say; unknown ones mean nothing here and are only reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lan {
    /// Link name of the parent; without `-o parent` that of the network's own dummy.
    pub(crate) parent: String,
    /// The user named the parent. One without leads nowhere: the network is internal, though it does not say so.
    pub(crate) given: bool,
    pub(crate) mode: Mode,
}

/// The kind of link that a container gets, with the kernel's numbers (linux/if_link.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `enum macvlan_mode`
    Macvlan(u32),
    /// `enum ipvlan_mode`, and `IPVLAN_F_*`
    Ipvlan { mode: u16, flags: u16 },
}

const PASSTHRU: Mode = Mode::Macvlan(8);

impl Lan {
    /// `None` for networks of other drivers.
    pub(crate) fn parse(
        driver: Driver,
        options: &BTreeMap<String, String>,
        network_id: &str,
    ) -> Result<Option<Lan>, LanError> {
        let option = |name| options.get(name).map_or("", String::as_str);
        let mode = match driver {
            Driver::Macvlan => Mode::Macvlan(match option(MACVLAN_MODE) {
                "" | "bridge" => 4,
                "private" => 1,
                "vepa" => 2,
                "passthru" => 8,
                mode => {
                    return Err(LanError::Mode { driver: driver.name(), mode: mode.to_owned(), default: "bridge" });
                }
            }),
            Driver::Ipvlan => Mode::Ipvlan {
                mode: match option(IPVLAN_MODE) {
                    "" | "l2" => 0,
                    "l3" => 1,
                    "l3s" => 2,
                    mode => {
                        return Err(LanError::Mode { driver: driver.name(), mode: mode.to_owned(), default: "l2" });
                    }
                },
                flags: match option(IPVLAN_FLAG) {
                    "" | "bridge" => 0,
                    "private" => 1,
                    "vepa" => 2,
                    flag => return Err(LanError::Flag(flag.to_owned())),
                },
            },
            Driver::Bridge | Driver::Host | Driver::Null => return Ok(None),
        };
        let parent = option(PARENT);
        if parent == "lo" {
            return Err(LanError::Loopback(driver.name()));
        }
        let given = !parent.is_empty();
        let parent = if given { parent.to_owned() } else { dummy(driver, network_id) };
        Ok(Some(Lan { parent, given, mode }))
    }

    /// Of a network that exists; `None` for those without a parent interface.
    pub(crate) fn of(network: &Network) -> Option<Lan> {
        match network.config_only {
            true => None,
            // Checked when the network was made.
            false => Lan::parse(network.driver, &network.options, &network.id).ok().flatten(),
        }
    }

    /// Containers send everything out by the interface itself; there is no gateway (ipvlan's `l3` and `l3s`).
    pub(crate) fn routed(&self) -> bool {
        matches!(self.mode, Mode::Ipvlan { mode: 1 | 2, .. })
    }

    /// The driver of such networks.
    pub(crate) fn driver(&self) -> Driver {
        match self.mode {
            Mode::Macvlan(_) => Driver::Macvlan,
            Mode::Ipvlan { .. } => Driver::Ipvlan,
        }
    }

    /// Whether an address of each subnet is set aside as the gateway.
    pub(crate) fn has_gateway(&self, internal: bool) -> bool {
        self.given && !internal && !self.routed()
    }

    /// Whether the network can be on its parent beside others; `None` when it can.
    pub(crate) fn conflict<'a>(
        &self,
        network: &Network,
        others: impl IntoIterator<Item = &'a Network>,
    ) -> Option<LanError> {
        let of_driver = others.into_iter().filter(|other| other.driver == network.driver && other.id != network.id);
        let same_parent = of_driver.filter_map(|other| Some((other, Lan::of(other)?)));
        for (other, lan) in same_parent.filter(|(_, lan)| lan.parent == self.parent) {
            let (id, parent) = (other.id.clone(), self.parent.clone());
            match network.driver {
                Driver::Ipvlan => {
                    return Some(LanError::ParentTaken { network: dummy(Driver::Ipvlan, &other.id), parent });
                }
                _ if self.mode == PASSTHRU => return Some(LanError::NotAlone { network: id, parent }),
                _ if lan.mode == PASSTHRU => return Some(LanError::Passthru { network: id, parent }),
                _ => {}
            }
        }
        None
    }
}

/// The parent of a network whose maker named none.
fn dummy(driver: Driver, network_id: &str) -> String {
    let prefix = if driver == Driver::Ipvlan { "di" } else { "dm" };
    format!("{prefix}-{network_id:.12}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(driver: Driver, options: &[(&str, &str)]) -> Result<Lan, String> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Lan::parse(driver, &options, &"ab".repeat(32)).map(Option::unwrap).map_err(|e| e.to_string())
    }

    #[test]
    fn without_a_parent_there_is_a_dummy() {
        let lan = parse(Driver::Macvlan, &[]).unwrap();
        assert_eq!(lan, Lan { parent: "dm-abababababab".into(), given: false, mode: Mode::Macvlan(4) });
        let lan = parse(Driver::Ipvlan, &[("parent", ""), ("ipvlan_mode", "l3"), ("ipvlan_flag", "vepa")]).unwrap();
        assert_eq!((lan.parent.as_str(), lan.routed()), ("di-abababababab", true));
        assert_eq!(lan.mode, Mode::Ipvlan { mode: 1, flags: 2 });
    }

    #[test]
    fn the_other_drivers_words_mean_nothing() {
        let lan = parse(Driver::Macvlan, &[("ipvlan_mode", "l9"), ("parent", "eth0")]).unwrap();
        assert_eq!(lan, Lan { parent: "eth0".into(), given: true, mode: Mode::Macvlan(4) });
    }
}
