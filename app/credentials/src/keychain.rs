//! The keychain of this computer.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry};

use crate::error::{Error, Result};
use crate::protocol::{Keep, Login};
use crate::sys;

/// What entries of ours are filed under; each is for one server.
const SERVICE: &str = "Berth registry credentials";

pub(crate) struct Keychain {
    store: Arc<CredentialStore>,
}

impl Keychain {
    /// # Errors
    /// [`Error::Keychain`] when there is none, or it is not to be reached.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { store: sys::store().map_err(failed)? })
    }

    fn entry(&self, server: &str) -> Result<Entry> {
        let shown = format!("{SERVICE}: {server}");
        Entry::new_in_store_with_modifiers(&self.store, SERVICE, server, &sys::modifiers(&shown)).map_err(failed)
    }
}

impl Keep for Keychain {
    fn put(&mut self, server: &str, login: &Login) -> Result<()> {
        let text = serde_json::to_string(login).expect("two texts");
        // As bytes: a keychain has little room, and one of them would keep a text with two bytes for each letter.
        self.entry(server)?.set_secret(text.as_bytes()).map_err(failed)
    }

    fn get(&self, server: &str) -> Result<Login> {
        let text = self.entry(server)?.get_secret().map_err(failed)?;
        serde_json::from_slice(&text).map_err(|_| Error::Foreign { server: server.to_owned() })
    }

    fn remove(&mut self, server: &str) -> Result<()> {
        self.entry(server)?.delete_credential().map_err(failed)
    }

    fn servers(&self) -> Result<Vec<String>> {
        let (name, value) = sys::search(SERVICE);
        let found = Entry::search_in_store(&self.store, &[(name, value.as_str())].into()).map_err(failed)?;
        Ok(found.iter().filter_map(|entry| entry.get_specifiers().map(|(_, server)| server)).collect())
    }
}

fn failed(error: keyring_core::Error) -> Error {
    match error {
        keyring_core::Error::NoEntry => Error::NotFound,
        // Their own words without the kind of failure before them.
        keyring_core::Error::PlatformFailure(error) => Error::Keychain(error.to_string()),
        keyring_core::Error::NoStorageAccess(error) => Error::Locked(error.to_string()),
        error => Error::Keychain(error.to_string()),
    }
}
