//! Debian's `docker-registry`: anonymous, with a password, or with tokens.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

use crate::outside::Certificate;
use crate::token::{SERVICE, Tokens};
use crate::wait::until;

/// A running registry; ends with its value.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    address: SocketAddr,
    _home: TempDir,
}

/// Who may use a registry.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    Anonymous,
    /// htpasswd line `user:bcrypt hash`.
    Password(&'a str),
    /// Bearer tokens of this service.
    Token(&'a Tokens),
}

impl Registry {
    /// Starts one on a free port of 127.0.0.1 and waits until it answers.
    ///
    /// # Errors
    /// When `docker-registry` is missing or does not come up.
    pub fn start(access: Access<'_>) -> anyhow::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, access)
    }

    /// As [`Registry::start`], on another address of this host.
    ///
    /// # Errors
    /// As there, and when the address is not this host's.
    pub fn start_at(host: Ipv4Addr, access: Access<'_>) -> anyhow::Result<Self> {
        Self::start_with(host, access, None)
    }

    /// An anonymous one that speaks TLS.
    ///
    /// # Errors
    /// As [`Registry::start_at`].
    pub fn start_tls(host: Ipv4Addr, certificate: &Certificate) -> anyhow::Result<Self> {
        Self::start_with(host, Access::Anonymous, Some(certificate))
    }

    fn start_with(host: Ipv4Addr, access: Access<'_>, certificate: Option<&Certificate>) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let address = TcpListener::bind((host, 0))?.local_addr()?;
        let root = home.path().display();
        let auth = match access {
            Access::Anonymous => String::new(),
            Access::Password(line) => {
                fs::write(home.path().join("htpasswd"), format!("{line}\n"))?;
                format!("auth: {{htpasswd: {{realm: berth-test, path: {root}/htpasswd}}}}\n")
            }
            Access::Token(tokens) => {
                fs::write(home.path().join("token.pem"), tokens.certificate())?;
                let realm = tokens.realm();
                format!(
                    "auth: {{token: {{realm: '{realm}', service: {SERVICE}, issuer: {SERVICE}, \
                     rootcertbundle: {root}/token.pem}}}}\n"
                )
            }
        };
        let tls = match certificate {
            None => String::new(),
            Some(certificate) => {
                for name in ["key.pem", "certificate.pem"] {
                    fs::copy(certificate.folder().join(name), home.path().join(name))?;
                }
                format!(", tls: {{certificate: {root}/certificate.pem, key: {root}/key.pem}}")
            }
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {root}/data}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{address}'{tls}}}\n{auth}"
        );
        let file = home.path().join("config.yml");
        fs::write(&file, config)?;
        let log = fs::File::create(home.path().join("log"))?;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("docker-registry is missing: `cargo verify` installs it")?;
        let registry = Self { process, address, _home: home };
        until("the registry's first answer", Duration::from_secs(20), || TcpStream::connect(address).ok())?;
        Ok(registry)
    }

    /// `127.0.0.1:PORT`, the first part of a reference.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The same as a socket's address.
    pub fn socket(&self) -> SocketAddr {
        self.address
    }

    /// `localhost:PORT`: the same registry under the name that people type.
    pub fn localhost(&self) -> String {
        format!("localhost:{}", self.address.port())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
