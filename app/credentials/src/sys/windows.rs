//! The Credential Manager. Its entries have one name, which is `USER.SERVICE` here.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Result};

/// Entries are shown by their name. They stay on this computer, wherever its user logs in besides.
pub(crate) fn modifiers(_shown: &str) -> HashMap<&str, &str> {
    HashMap::from([("persistence", "Local")])
}

pub(crate) fn store() -> Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// What finds all entries of a service, whose name has no sign that means something in a pattern.
pub(crate) fn search(service: &str) -> (&'static str, String) {
    ("pattern", format!(r"\.{service}$"))
}
