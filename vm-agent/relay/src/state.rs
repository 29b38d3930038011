//! What all parts of the relay share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use control::message::{BootStep, EngineState};
use control::{Forward, Registries};
use tokio::sync::watch;

use crate::host::Host;
use crate::names::Names;
use crate::native::Listeners;
use crate::options::Options;
use crate::share::Shares;

/// Clones are the same relay.
#[derive(Debug, Clone)]
pub(crate) struct Relay(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) host: Host,
    pub(crate) names: Names,
    pub(crate) shares: Shares,
    /// Published ports that this relay listens for itself: native mode.
    pub(crate) listeners: Listeners,
    pub(crate) engine: watch::Sender<EngineState>,
    /// Turns true once containers are stopped for a shutdown.
    pub(crate) stopped: watch::Sender<bool>,
    /// As the host said last, be it in the boot file.
    pub(crate) registries: watch::Sender<Registries>,
    forwards: Mutex<BTreeMap<String, Forward>>,
    steps: Mutex<Vec<BootStep>>,
}

impl std::ops::Deref for Relay {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Relay {
    pub(crate) fn new(options: Options) -> Self {
        Relay(Arc::new(Inner {
            steps: Mutex::new(options.boot_steps.clone()),
            registries: watch::Sender::new(options.boot.engine.registries()),
            options,
            host: Host::default(),
            names: Names::default(),
            shares: Shares::default(),
            listeners: Listeners::default(),
            engine: watch::Sender::new(EngineState::Starting),
            stopped: watch::Sender::new(false),
            forwards: Mutex::default(),
        }))
    }
}

impl Inner {
    /// Published ports that are open, by id.
    pub(crate) fn forwards(&self) -> MutexGuard<'_, BTreeMap<String, Forward>> {
        self.forwards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn steps(&self) -> MutexGuard<'_, Vec<BootStep>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
