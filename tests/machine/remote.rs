//! The machine's engine over TCP with TLS, by `berth tls` and the setting `listen`.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::ensure;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::outside::Certificate;
use tests::remote::exercise;

type Result = anyhow::Result<()>;

/// Where a machine listens: with TLS everywhere, without on a loopback address. Of its own, below the ports that the kernel gives
/// away: the same case runs over the other link at the same time.
struct Ports {
    number: u8,
}

impl Ports {
    fn next() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    fn secure(&self) -> u16 {
        23_760 + u16::from(self.number)
    }

    fn secure_host(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.secure())
    }

    /// Only this port is without TLS.
    fn plain_host(&self) -> String {
        format!("tcp://127.0.0.{}:2375", self.number)
    }
}

pub(crate) fn over_tls(machine: &Machine) -> Result {
    let ports = Ports::next();
    let early = machine.command(&["config", "set", "listen", "tcp://0.0.0.0"]).output()?;
    let early = String::from_utf8_lossy(&early.stderr).into_owned();
    ensure!(early.contains("make them with `berth tls create`"), "{early}");
    machine.berth(&["tls", "create", "--san", "box.example"])?;
    machine.berth(&["up"])?;
    let everywhere = format!("tcp://0.0.0.0:{}", ports.secure());
    let loopback = ports.plain_host();
    machine.berth(&["config", "set", "listen", &format!("{everywhere},{loopback}")])?;
    let status = machine.berth(&["status"])?;
    ensure!(status.contains(&everywhere) && status.contains(&loopback), "{status}");

    let tls = machine.home().join("config/tls");
    let secure = |folder: &std::path::Path| -> anyhow::Result<Docker> {
        Ok(Docker::new(ports.secure_host())?.with("DOCKER_TLS_VERIFY", "1").with("DOCKER_CERT_PATH", folder))
    };
    let docker = secure(&tls)?;
    docker.ok(&["version"])?;
    exercise(&docker, "over-tls")?;
    // By options instead of variables.
    let plain = Docker::new(loopback)?;
    plain.ok(&["version"])?;
    let file = |name: &str| tls.join(name).display().to_string();
    let options =
        ["--tlsverify", "--tlscacert", &file("ca.pem"), "--tlscert", &file("cert.pem"), "--tlskey", &file("key.pem")];
    let by_options = Docker::new("unix:///nowhere")?;
    by_options.ok(&[&["-H", &ports.secure_host()][..], &options, &["ps"]].concat())?;
    contexts(&tls, &ports)?;
    by_env(machine, &docker)?;
    refusals(machine, &ports, &secure)
}

fn contexts(tls: &std::path::Path, ports: &Ports) -> Result {
    let docker = Docker::new("")?;
    let (host, tls) = (ports.secure_host(), tls.display());
    let endpoint = format!("host={host},ca={tls}/ca.pem,cert={tls}/cert.pem,key={tls}/key.pem");
    docker.ok(&["context", "create", "far", "--docker", &endpoint])?;
    docker.ok(&["--context", "far", "ps"])?;
    Ok(())
}

/// What `berth tls env` says is what docker takes.
fn by_env(machine: &Machine, docker: &Docker) -> Result {
    let lines = machine.berth(&["tls", "env", "--shell", "sh"])?;
    let script = format!("{lines}\nexec \"$1\" version --format '{{{{.Server.Version}}}}'");
    let out = Command::new("sh").args(["-c", &script, "sh"]).arg(docker.program()).output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

/// What docker tells whoever is not let in.
fn refusals(machine: &Machine, ports: &Ports, secure: &dyn Fn(&std::path::Path) -> anyhow::Result<Docker>) -> Result {
    let tls = machine.home().join("config/tls");
    let says = |docker: &Docker, words: &str| -> Result {
        for _ in 0..5 {
            let said = docker.run(&["ps"])?;
            ensure!(said.code == 1 && said.err.contains(words), "not `{words}`: {said:?}");
        }
        Ok(())
    };
    says(&Docker::new(ports.secure_host())?, "Client sent an HTTP request to an HTTPS server.")?;
    let nobody = tempfile::tempdir()?;
    std::fs::copy(tls.join("ca.pem"), nobody.path().join("ca.pem"))?;
    let options = |extra: &[&str]| -> anyhow::Result<tests::docker::Said> {
        let ca = nobody.path().join("ca.pem").display().to_string();
        let host = ports.secure_host();
        let all = [&["-H", &host, "--tlsverify", "--tlscacert", &ca][..], extra, &["ps"]].concat();
        Docker::new("")?.run(&all)
    };
    let said = options(&[])?;
    ensure!(said.code == 1 && said.err.contains("certificate required"), "{said:?}");
    // A certificate of an authority of its own.
    let stranger = Certificate::new(&["stranger.example"])?;
    let file = |name: &str| stranger.folder().join(name).display().to_string();
    let said = options(&["--tlscert", &file("certificate.pem"), "--tlskey", &file("key.pem")])?;
    ensure!(said.code == 1 && said.err.contains("remote error: tls: "), "{said:?}");

    // The authority is replaced: old clients do not know the new server, nor it them.
    let old = machine.berth(&["tls", "client", "laptop"])?;
    let old = std::path::PathBuf::from(old.trim());
    secure(&old)?.ok(&["ps"])?;
    let kept = tempfile::tempdir()?;
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::copy(old.join(name), kept.path().join(name))?;
    }
    machine.berth(&["tls", "create", "--force"])?;
    says(&secure(kept.path())?, "x509: certificate signed by unknown authority")?;
    secure(&tls)?.ok(&["ps"])?;
    machine.berth(&["config", "set", "listen", ""])?;
    says(&secure(&tls)?, "Cannot connect to the Docker daemon")
}
