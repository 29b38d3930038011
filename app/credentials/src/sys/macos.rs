//! The login keychain.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Result};

/// None: entries are shown by their service.
pub(crate) fn modifiers(_shown: &str) -> HashMap<&str, &str> {
    HashMap::new()
}

pub(crate) fn store() -> Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

/// What finds all entries of a service.
pub(crate) fn search(service: &str) -> (&'static str, String) {
    ("service", service.to_owned())
}
