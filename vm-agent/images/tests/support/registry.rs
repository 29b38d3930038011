//! Debian's `docker-registry` in a temporary directory, on a port of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

pub const USER: &str = "user";
pub const PASSWORD: &str = "secret pass:word";
/// Of [`PASSWORD`].
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuucd/GK.usmWaHnE30INoDpdiKnltCdWi";

pub struct Registry {
    process: Child,
    pub address: String,
    _dir: tempfile::TempDir,
}

pub enum Access {
    Open,
    Password,
    /// A token server: its realm, and the certificate that its tokens are signed with.
    Token {
        realm: String,
        certificate: String,
    },
}

impl Registry {
    /// Starts a registry and waits until it listens.
    pub fn start(access: &Access) -> Registry {
        for _ in 0..5 {
            if let Some(registry) = Registry::try_start(access) {
                return registry;
            }
        }
        panic!("docker-registry does not start: install Debian's package docker-registry");
    }

    fn try_start(access: &Access) -> Option<Registry> {
        let dir = tempfile::tempdir().unwrap();
        let address = {
            // Another process may take the port meanwhile: then the registry ends and we try again.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        let path = |name: &str| dir.path().join(name).display().to_string();
        let auth = match access {
            Access::Open => String::new(),
            Access::Password => {
                std::fs::write(path("htpasswd"), format!("{USER}:{BCRYPT}\n")).unwrap();
                format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", path("htpasswd"))
            }
            Access::Token { realm, certificate } => {
                std::fs::write(path("bundle.pem"), certificate).unwrap();
                format!(
                    "auth:\n  token:\n    realm: {realm}\n    service: test-registry\n    issuer: test-issuer\n    rootcertbundle: {}\n",
                    path("bundle.pem")
                )
            }
        };
        let config = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{auth}",
            path("data")
        );
        std::fs::write(path("config.yml"), config).unwrap();
        let mut process = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run docker-registry (Debian's package of that name): {e}"));
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 {
            if line.contains("listening on") {
                // The registry must never block on its log.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return Some(Registry { process, address, _dir: dir });
            }
            line.clear();
        }
        process.wait().unwrap();
        None
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
