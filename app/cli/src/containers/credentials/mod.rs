//! Credentials for registries, where the docker CLI keeps them: in the helper program that its configuration names, else in the
//! configuration file itself.

mod config;
mod helper;
mod server;
#[cfg(test)]
mod tests;

use std::path::Path;

use bollard::auth::DockerCredentials;
use rust_i18n::t;

use self::config::Config;
use self::helper::Helper;
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
}

impl Store {
    /// The user's own.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub(super) fn of_user() -> Result<Self, Failure> {
        Ok(Self { config: Config::load(&host::paths::docker_config_file()?)? })
    }

    /// What is kept for `server`, a host or docker's key of it; `None` when there is nothing.
    ///
    /// # Errors
    /// When a helper fails, or what is kept cannot be read.
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
            helper.store(server, login)?;
            // Docker marks in the file which servers its helper knows.
            self.config.set(server, None)?;
            return Ok(None);
        }
        self.config.set(server, Some(login))?;
        Ok(Some(self.config.file()))
    }

    /// # Errors
    /// When the helper fails, or the file cannot be written.
    pub(super) fn erase(&mut self, server: &str) -> Result<(), Failure> {
        self.config.reload()?;
        if let Some(helper) = self.helper(server) {
            helper.erase(server)?;
        }
        self.config.erase(server)
    }

    fn helper(&self, server: &str) -> Option<Helper> {
        self.config.helper(server).map(|name| Helper::new(name, self.config.file()))
    }
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
