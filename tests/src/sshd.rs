//! An SSH server on loopback through which docker reaches an engine: `docker -H ssh://…` starts `docker system dial-stdio` there.
//!
//! It is Debian's, unpacked and not installed, with keys, a configuration and a user list of its own, and lets in whoever has the
//! test's key. What it starts is told by `DOCKER_HOST` which engine is meant.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use tempfile::TempDir;

use crate::docker::Docker;
use crate::wait::until;
use crate::{ports, program};

/// A running server; ends with its value.
#[derive(Debug)]
pub struct Sshd {
    process: Child,
    port: u16,
    home: TempDir,
}

impl Sshd {
    /// Starts one that leads to `docker`'s engine.
    ///
    /// # Errors
    /// When the server, `ssh` or `unshare` is missing, or it does not come up.
    pub fn start(docker: &Docker) -> anyhow::Result<Self> {
        let server = std::env::var_os("BERTH_TEST_SSHD").map_or_else(|| "/usr/sbin/sshd".into(), PathBuf::from);
        ensure!(server.is_file(), "{} is missing: `cargo verify` unpacks it", server.display());
        let home = tempfile::tempdir()?;
        let path = |name: &str| home.path().join(name);
        for key in ["host_key", "key"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(key));
            ensure!(keygen.status().context("ssh-keygen is missing: `cargo verify` installs it")?.success());
        }
        let (port, at) = (ports::next(), home.path().display());
        let client = docker.command(["version"]);
        let found = which(client.get_program()).context("docker is not in PATH")?;
        fs::create_dir(path("there"))?;
        std::os::unix::fs::symlink(&found, path("there/docker"))?;
        fs::write(
            path("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/key.pub\nPidFile none\n\
                 StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
                 SetEnv DOCKER_HOST={} DOCKER_CONFIG={at}/config PATH={at}/there:/usr/bin:/bin\n",
                docker.host()
            ),
        )?;
        // Without the shell files of whoever runs the tests, and with the user that the server confines itself to.
        fs::write(
            path("passwd"),
            format!("root:x:0:0::{at}:/bin/sh\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"),
        )?;
        fs::write(
            path("ssh_config"),
            format!(
                "IdentityFile {at}/key\nIdentitiesOnly yes\nUserKnownHostsFile {at}/known\nStrictHostKeyChecking accept-new\n\
                 LogLevel ERROR\nBatchMode yes\n"
            ),
        )?;
        fs::create_dir(path("bin"))?;
        program::write(&path("bin/ssh"), &format!("#!/bin/sh\nexec /usr/bin/ssh -F {at}/ssh_config \"$@\"\n"))?;
        let log = fs::File::create(path("log"))?;
        let script = "mount --bind \"$1/passwd\" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && \
                      exec \"$2\" -D -e -f \"$1/sshd_config\"";
        let process = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(home.path())
            .arg(server)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("unshare")?;
        let mut sshd = Self { process, port, home };
        let answers = until("the SSH server's first answer", Duration::from_secs(120), || {
            if let Ok(Some(ended)) = sshd.process.try_wait() {
                return Some(Err(anyhow!("it ended with {ended}")));
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(Ok)
        });
        answers.and_then(|answers| answers).with_context(|| format!("the SSH server says: {}", sshd.log()))?;
        Ok(sshd)
    }

    /// A docker CLI that goes through it.
    ///
    /// # Errors
    /// When no configuration folder can be made.
    pub fn docker(&self) -> anyhow::Result<Docker> {
        let mut path = self.home.path().join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Ok(Docker::new(format!("ssh://root@127.0.0.1:{}", self.port))?.with("PATH", path))
    }

    /// What it said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn which(program: &std::ffi::OsStr) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    // A path that is absolute stays what it is.
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
