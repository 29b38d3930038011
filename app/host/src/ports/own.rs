//! Ports of loopback at which the daemon itself answers whoever asks: programs of this computer. A container that reaches this
//! computer's loopback by its name is none, and would have the engine, or other containers, by them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A port, and how many listeners are at it. One process is one daemon.
static OWN: Mutex<BTreeMap<u16, usize>> = Mutex::new(BTreeMap::new());

/// While it is there, the port is the daemon's own.
#[derive(Debug)]
pub(crate) struct Own(u16);

impl Own {
    pub(crate) fn hold(port: u16) -> Own {
        *own().entry(port).or_default() += 1;
        Own(port)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut own = own();
        if let Some(listeners) = own.get_mut(&self.0) {
            *listeners -= 1;
            if *listeners == 0 {
                own.remove(&self.0);
            }
        }
    }
}

pub(crate) fn is_own(port: u16) -> bool {
    own().contains_key(&port)
}

fn own() -> MutexGuard<'static, BTreeMap<u16, usize>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_own_until_its_last_listener_goes() {
        // No other test's.
        const PORT: u16 = 7;
        assert!(!is_own(PORT));
        let (four, six) = (Own::hold(PORT), Own::hold(PORT));
        drop(four);
        assert!(is_own(PORT));
        drop(six);
        assert!(!is_own(PORT));
    }
}
