//! The Secret Service of the desktop's session (GNOME Keyring, KDE Wallet, KeePassXC).

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Result};

/// How the desktop's own program shows an entry.
pub(crate) fn modifiers(shown: &str) -> HashMap<&str, &str> {
    HashMap::from([("label", shown)])
}

pub(crate) fn store() -> Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

/// What finds all entries of a service.
pub(crate) fn search(service: &str) -> (&'static str, String) {
    ("service", service.to_owned())
}
