//! Credentials for registries, where the docker CLI keeps them: in the helper program that its configuration names, else in the
//! configuration file itself.

mod config;
mod helper;

use std::path::Path;

use bollard::auth::DockerCredentials;
use rust_i18n::t;

use self::config::Config;
use self::helper::Helper;
use crate::Failure;

/// Docker Hub's key in the configuration.
pub(super) const HUB: &str = "https://index.docker.io/v1/";

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
    let server = registry(reference);
    Ok(Store::of_user()?.get(server)?.map(|login| login.for_engine(server)))
}

/// The first part of a reference when it names a host (has a dot or a port, or is localhost), else Docker Hub.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

/// The host of a registry's address, without a scheme and a path.
pub(super) fn host_of(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.split('/').next().unwrap_or(address)
}

fn unreadable(file: &Path, reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(1, t!("credentials.unreadable", file = file.display(), reason = reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_reference() {
        let check = |reference, expect| assert_eq!(registry(reference), expect, "{reference}");
        check("busybox", HUB);
        check("library/busybox:1", HUB);
        check("docker.io/library/busybox", HUB);
        check("localhost/x", "localhost");
        check("localhost:5000/x", "localhost:5000");
        check("registry.example/a/b@sha256:0", "registry.example");
    }

    #[test]
    fn the_host_of_an_address() {
        for address in ["r.example:5000", "https://r.example:5000", "http://r.example:5000/v2/", "r.example:5000/team"]
        {
            assert_eq!(host_of(address), "r.example:5000", "{address}");
        }
    }

    /// A store of its own, with this configuration.
    fn store(folder: &Path, json: &str) -> Store {
        let file = folder.join("config.json");
        std::fs::write(&file, json).unwrap();
        Store { config: Config::load(&file).unwrap() }
    }

    fn login(username: &str, secret: Secret) -> Login {
        Login { username: username.to_owned(), secret }
    }

    #[test]
    fn the_file_keeps_what_docker_would_and_everything_else_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = store(dir.path(), r#"{"currentContext":"mine","auths":{"old.example":{"auth":"dTpw"}}}"#);
        let (jo, token) = (
            login("jo", Secret::Password("pass:word".to_owned())),
            login("jo", Secret::IdentityToken("t0ken".to_owned())),
        );
        assert_eq!(store.get("r.example").unwrap(), None);
        assert!(store.keep("r.example", &jo).unwrap().is_some());
        store.keep("t.example", &token).unwrap();
        let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["auths"]["r.example"], serde_json::json!({ "auth": "am86cGFzczp3b3Jk" }));
        assert_eq!(json["auths"]["t.example"], serde_json::json!({ "auth": "am86", "identitytoken": "t0ken" }));
        assert_eq!((&json["currentContext"], &json["auths"]["old.example"]["auth"]), (&"mine".into(), &"dTpw".into()));
        assert!(text.starts_with("{\n\t\""), "{text}");

        let mut again = Store { config: Config::load(&dir.path().join("config.json")).unwrap() };
        assert_eq!(again.get("r.example").unwrap(), Some(jo));
        assert_eq!(again.get("t.example").unwrap(), Some(token));
        again.erase("r.example").unwrap();
        assert_eq!(again.get("r.example").unwrap(), None);
        again.erase("never.example").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_reads_the_file_and_a_link_stays_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.json"), dir.path().join("config.json"));
        std::fs::write(&real, "{}").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut store = Store { config: Config::load(&link).unwrap() };
        store.keep("r.example", &login("jo", Secret::Password("p".to_owned()))).unwrap();
        assert!(link.is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        // There was neither folder nor file.
        let fresh = dir.path().join("new/config.json");
        let mut store = Store { config: Config::load(&fresh).unwrap() };
        store.keep("r.example", &login("jo", Secret::Password("p".to_owned()))).unwrap();
        assert_eq!(fresh.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fresh.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn keys_of_older_clients_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), r#"{"auths":{"https://r.example/v1/":{"auth":"dTpw"}}}"#);
        assert_eq!(store.get("r.example").unwrap(), Some(login("u", Secret::Password("p".to_owned()))));
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        for text in ["{", "[]", r#"{"auths": 1}"#] {
            std::fs::write(&file, text).unwrap();
            let error = Config::load(&file).unwrap_err().to_string();
            assert!(error.contains("config.json"), "{error}");
        }
        let store = store(dir.path(), r#"{"auths":{"r.example":{"auth":"!"}}}"#);
        assert!(store.get("r.example").unwrap_err().to_string().contains("r.example"));
    }
}
