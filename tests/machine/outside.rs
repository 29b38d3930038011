//! The way out of the machine: over the link, for containers also through a network card.

use std::time::Duration;

use anyhow::ensure;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::outside::{self, ADDRESS, Certificate, DOMAIN, Proxy};
use tests::registry::Registry;
use tests::wait;

type Result = anyhow::Result<()>;

/// What has not been told by then is told to nobody.
const LIMIT: Duration = Duration::from_secs(30);

/// By address and by the host's names, from the default network and from one of the user's.
fn containers_get_out(docker: &Docker) -> Result {
    let port = outside::web_page("seen from far away")?;
    docker.ok(&["network", "create", "own"])?;
    for network in ["bridge", "own"] {
        for host in [ADDRESS.to_string(), format!("www.{DOMAIN}")] {
            let url = format!("http://{host}:{port}/");
            let page = docker.ok(&["run", "--rm", "--network", network, "busybox", "wget", "-q", "-O", "-", &url])?;
            ensure!(page == "seen from far away", "{network} {url}: {page}");
        }
        // The name server says that there is none, and does not just keep silent.
        let said = docker.run(&["run", "--rm", "--network", network, "busybox", "nslookup", "no-such-name.example"])?;
        ensure!(said.code != 0 && said.out.contains("NXDOMAIN"), "{network}: {said:?}");
    }
    Ok(())
}

/// What the host's resolver, roots and proxies make of a registry.
fn pulls_go_the_hosts_way(docker: &Docker, registry: &Registry, stranger: &Registry, proxy: &Proxy) -> Result {
    let direct = format!("direct.{DOMAIN}:{}/plain:1", registry.socket().port());
    docker.ok(&["tag", "busybox", &direct])?;
    docker.ok(&["push", "-q", &direct])?;
    docker.ok(&["rmi", &direct])?;
    docker.ok(&["pull", "-q", &direct])?;
    ensure!(docker.ok(&["run", "--rm", &direct, "echo", "pulled"])? == "pulled");
    ensure!(proxy.asked().is_empty(), "no_proxy was not heeded: {:?}", proxy.asked());

    // Only the proxy knows where that is.
    let proxied = "registry.elsewhere.example/plain:1";
    docker.ok(&["pull", "-q", proxied])?;
    ensure!(docker.ok(&["run", "--rm", proxied, "echo", "proxied"])? == "proxied");
    let asked = proxy.asked();
    ensure!(!asked.is_empty() && asked.iter().all(|host| host == "registry.elsewhere.example:443"), "{asked:?}");

    let unknown = format!("direct.{DOMAIN}:{}/plain:1", stranger.socket().port());
    let said = docker.run(&["pull", &unknown])?;
    ensure!(said.code == 1 && said.err.contains("certificate"), "{said:?}");
    Ok(())
}

pub(crate) fn is_the_hosts(machine: &Machine) -> Result {
    outside::name_server()?;
    let direct = format!("direct.{DOMAIN}");
    let known = Certificate::new(&[&direct, "registry.elsewhere.example"])?;
    let registry = Registry::start_tls(ADDRESS, &known)?;
    let stranger = Registry::start_tls(ADDRESS, &Certificate::new(&[&direct])?)?;
    let proxy = Proxy::start(registry.socket())?;
    machine.berth(&["config", "set", "https_proxy", &proxy.url()])?;
    machine.berth(&["config", "set", "no_proxy", DOMAIN])?;
    // Of containers, on this computer's loopback.
    machine.berth(&["config", "set", "container_https_proxy", "http://127.0.0.1:3128"])?;
    machine.berth(&["config", "set", "container_no_proxy", DOMAIN])?;
    let up = machine.command(&["up"]).env("SSL_CERT_FILE", known.certificate()).output()?;
    ensure!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let docker = Docker::new(machine.docker_host()?)?;
    pulls_go_the_hosts_way(&docker, &registry, &stranger, &proxy)?;
    containers_know_their_proxies(&docker)?;
    info_tells_the_proxies_of_now(machine, &docker, &proxy)?;
    containers_get_out(&docker)
}

fn info_tells_the_proxies_of_now(machine: &Machine, docker: &Docker, proxy: &Proxy) -> Result {
    let told = || docker.ok(&["info", "-f", "{{.HTTPSProxy}} {{.NoProxy}}"]);
    let first = told()?;
    ensure!(first == format!("{} {DOMAIN}", proxy.url()), "{first}");
    machine.berth(&["config", "set", "https_proxy", "http://somebody:hunter2@127.0.0.1:9"])?;
    let masked = format!("http://xxxxx:xxxxx@127.0.0.1:9 {DOMAIN}");
    wait::until("the proxy of now", LIMIT, || told().ok().filter(|told| *told == masked))?;
    machine.berth(&["config", "set", "https_proxy", &proxy.url()])?;
    wait::until("the proxy of before", LIMIT, || told().ok().filter(|told| *told == first))?;
    Ok(())
}

fn containers_know_their_proxies(docker: &Docker) -> Result {
    let expect = format!(
        "HTTPS_PROXY=http://host.docker.internal:3128\nNO_PROXY={DOMAIN}\n\
         https_proxy=http://host.docker.internal:3128\nno_proxy={DOMAIN}\n"
    );
    let script = "env | grep -i _proxy= | sort";
    let told = docker.ok(&["run", "--rm", "busybox", "sh", "-c", script])?;
    ensure!(told == expect.trim_end(), "{told}");
    let own = docker.ok(&["run", "--rm", "-e", "https_proxy=mine", "-e", "NO_PROXY", "busybox", "sh", "-c", script])?;
    ensure!(own == "https_proxy=mine", "{own}");
    // A step of a build has them; the image that comes of it does not.
    let dockerfile = format!("FROM busybox\nRUN {script} >/told\n");
    let built = docker.fed(dockerfile.as_bytes(), &["build", "-q", "-"])?;
    ensure!(built.code == 0, "{built:?}");
    let image = built.out.trim();
    let told = docker.ok(&["run", "--rm", image, "cat", "/told"])?;
    ensure!(told == expect.trim_end(), "{told}");
    let kept = docker.ok(&["image", "inspect", "-f", "{{json .Config.Env}}", image])?;
    ensure!(!kept.to_lowercase().contains("proxy"), "{kept}");
    Ok(())
}

/// QEMU's user-mode network, where the user has chosen it.
pub(crate) fn is_a_network_card(machine: &Machine) -> Result {
    outside::name_server()?;
    machine.berth(&["config", "set", "network", "nic"])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    containers_get_out(&docker)?;
    // It leads nowhere into this computer (docs/decisions/0034-the-hosts-loopback-has-a-name.md).
    let said = docker.run(&["run", "--rm", "busybox", "nslookup", "host.docker.internal"])?;
    ensure!(said.code != 0, "{said:?}");
    Ok(())
}
