//! Credentials for registries, where the docker CLI keeps them: in the helper program that its configuration names, or that is
//! installed when nothing is configured, else in the configuration file itself.

mod config;
mod erase;
mod helper;
mod installed;
mod server;
#[cfg(test)]
mod tests;

use std::path::Path;

use bollard::auth::DockerCredentials;
use rust_i18n::t;

use self::config::Config;
use self::helper::{Helper, Source};
pub(super) use self::server::{HUB, server_of};
use crate::Failure;

/// What opens a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Password(String),
    /// What a registry gave for a password.
    IdentityToken(String),
}

/// A user of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// A helper does not tell whose token it keeps.
    pub(super) username: String,
    pub(super) secret: Secret,
}

impl Login {
    /// As the engine takes it.
    pub(super) fn for_engine(self, server: &str) -> DockerCredentials {
        let serveraddress = Some(server.to_owned());
        match self.secret {
            Secret::Password(password) => DockerCredentials {
                username: Some(self.username),
                password: Some(password),
                serveraddress,
                ..DockerCredentials::default()
            },
            Secret::IdentityToken(token) => {
                DockerCredentials { identitytoken: Some(token), serveraddress, ..DockerCredentials::default() }
            }
        }
    }
}

/// Where credentials lie.
#[derive(Debug)]
pub(super) struct Store {
    config: Config,
    /// The helper to take when nothing is configured.
    installed: Option<(&'static str, Source)>,
}

impl Store {
    /// The user's own.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub(super) fn of_user() -> Result<Self, Failure> {
        Ok(Self { config: Config::load(&host::paths::docker_config_file()?)?, installed: installed::helper() })
    }

    /// What is kept for `server`, a host or docker's key of it; `None` when there is nothing.
    ///
    /// # Errors
    /// When a helper that is configured fails, or what is kept cannot be read.
    pub(super) fn get(&self, server: &str) -> Result<Option<Login>, Failure> {
        match self.helper(server) {
            Some(helper) => helper.get(server),
            None => self.config.login(server),
        }
    }

    /// Keeps `login`. The file when it is there to be read by whoever can read the file.
    ///
    /// # Errors
    /// When the helper fails, or the file cannot be written.
    pub(super) fn keep(&mut self, server: &str, login: &Login) -> Result<Option<&Path>, Failure> {
        self.config.reload()?;
        if let Some(helper) = self.helper(server) {
            match helper.store(server, login) {
                Err(failure) if !helper.is_tried() => return Err(failure),
                // There is no keychain here, or it stays locked. Who asked is warned of the file.
                Err(_) => {}
                Ok(()) => {
                    self.config.mark(server, helper.name())?;
                    return Ok(None);
                }
            }
        }
        self.config.set(server, login)?;
        Ok(Some(self.config.file()))
    }

    /// The helper that has what is kept under `key`; `None`: the file has it.
    fn helper(&self, key: &str) -> Option<Helper> {
        let installed = || self.installed.filter(|_| self.config.is_bare());
        let (name, source) = self.config.helper(key).map(|name| (name, Source::Named)).or_else(installed)?;
        Some(Helper::new(name, source, self.config.file()))
    }
}

/// Has docker's configuration name Berth's own helper no more; `true` if it did.
///
/// # Errors
/// When the configuration cannot be read or written.
pub(crate) fn forget_own_helper() -> Result<bool, Failure> {
    let file = host::paths::docker_config_file()?;
    if !file.exists() {
        return Ok(false);
    }
    Config::load(&file)?.forget(installed::OWN)
}

/// The credentials that the user has stored for the registry of `reference`; `None` when there are none.
///
/// # Errors
/// When they cannot be read: a pull that goes on without them would be refused with a reason that leads nowhere.
pub(super) fn for_reference(reference: &str) -> Result<Option<DockerCredentials>, Failure> {
    let server = server::of_reference(reference);
    Ok(Store::of_user()?.get(server)?.map(|login| login.for_engine(server)))
}

fn unreadable(file: &Path, reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(1, t!("credentials.unreadable", file = file.display(), reason = reason))
}
