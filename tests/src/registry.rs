//! Debian's `docker-registry`: anonymous, with a password, or with tokens.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::archive;
use crate::docker::Docker;
use crate::outside::Certificate;
use crate::token::{SERVICE, Tokens};
use crate::wait::until;

/// A running registry; ends with its value.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    address: SocketAddr,
    home: TempDir,
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
            "version: 0.1\nlog: {{level: info}}\n\
             storage: {{filesystem: {{rootdirectory: {root}/data}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{host}:0'{tls}}}\n{auth}"
        );
        let file = home.path().join("config.yml");
        fs::write(&file, config)?;
        let path = home.path().join("log");
        let log = fs::File::create(&path)?;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("docker-registry is missing: `cargo verify` installs it")?;
        let mut registry = Self { process, address: (host, 0).into(), home };
        let said = || fs::read_to_string(&path).unwrap_or_default();
        // The kernel chose its port.
        let address = until("the registry's start", Duration::from_secs(120), || {
            let ended = registry.process.try_wait().ok().flatten();
            listening(&said()).or_else(|| ended.map(|ended| Err(format!("it ended with {ended}"))))
        });
        let address = address.with_context(|| format!("docker-registry says:\n{}", said()))?;
        registry.address = address.map_err(|why| anyhow!("{why}: {}", said()))?;
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

    /// Puts a blob into a repository and returns its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub fn put_blob(&self, repository: &str, content: &[u8]) -> anyhow::Result<String> {
        let digest = sha256(content);
        let begun = self.exchange("POST", &format!("/v2/{repository}/blobs/uploads/"), "text/plain", b"")?;
        let location = begun.lines().find_map(|line| line.strip_prefix("Location: ")).context("no location")?;
        let target = location.trim_start_matches(&format!("http://{}", self.address));
        let separator = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{separator}digest={digest}");
        self.exchange("PUT", &target, "application/octet-stream", content)?;
        Ok(digest)
    }

    /// Puts a manifest or an index under a tag and returns its digest.
    ///
    /// # Errors
    /// When the registry does not take it: everything that it names must be there.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        content: &Value,
    ) -> anyhow::Result<String> {
        let content = content.to_string();
        self.exchange("PUT", &format!("/v2/{repository}/manifests/{tag}"), media_type, content.as_bytes())?;
        Ok(sha256(content.as_bytes()))
    }

    /// The head of the answer, which must be a success.
    fn exchange(&self, method: &str, target: &str, content_type: &str, body: &[u8]) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.starts_with("HTTP/1.1 2"), "{method} {target}: {answer}");
        Ok(answer)
    }

    /// Pushes an image of `layers` layers with a file of `size` bytes of noise each, `file0` to the last one; the engine that pushed it
    /// has it no more.
    ///
    /// # Errors
    ///
    /// When the engine does not load, push or remove it.
    pub fn push_noise(&self, docker: &Docker, name: &str, layers: u64, size: usize) -> anyhow::Result<()> {
        let pushed = format!("{}/{name}", self.address());
        let layers: std::io::Result<Vec<_>> =
            (0..layers).map(|number| archive::noise(&format!("file{number}"), number, size)).collect();
        let said = docker.fed(&archive::docker(&pushed, &layers?)?, &["load"])?;
        ensure!(said.code == 0, "{said:?}");
        docker.ok(&["push", "-q", &pushed])?;
        docker.ok(&["rmi", &pushed])?;
        Ok(())
    }

    /// Every request so far, oldest first, as `METHOD TARGET STATUS`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn asked(&self) -> anyhow::Result<Vec<String>> {
        let log = fs::read(self.home.path().join("log"))?;
        let log = String::from_utf8_lossy(&log);
        // The format that web servers share: who, when, the request's line, the status. Other lines are the registry's own.
        let request = |line: &str| {
            let (_, line) = line.strip_prefix("127.0.0.1 - - [")?.split_once('"')?;
            let (request, status) = line.split_once(" HTTP/1.1\" ")?;
            Some(format!("{request} {}", status.split(' ').next()?))
        };
        Ok(log.lines().filter_map(request).collect())
    }

    /// `localhost:PORT`: the same registry under the name that people type.
    pub fn localhost(&self) -> String {
        format!("localhost:{}", self.address.port())
    }
}

/// The address that the log names, when it does.
fn listening(log: &str) -> Option<Result<SocketAddr, String>> {
    let (_, rest) = log.split_once("listening on ")?;
    let (word, _) = rest.split_once([',', ' ', '"'])?;
    Some(word.parse().map_err(|_| format!("{word:?} is no address")))
}

fn sha256(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
