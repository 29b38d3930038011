//! What another machine on the wire, which knows the way to the containers' own addresses, reaches of them, and what
//! containers of other networks do. Needs the engine's network namespace, which is this process's.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use anyhow::ensure;
use tests::case::Case;
use tests::http::{page, page_within};
use tests::wait::until;

use super::isolation::{PATIENCE, fetches, server, succeeds};
use crate::suite::{Entry, cases, on_this_machine};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![on_this_machine; published_ports_only, loopback_is_this_machine, routed, unprotected, trusted, internal]
}

/// A machine on a wire of its own to the engine's.
struct Neighbour {
    life: Child,
    /// The engine's end of the wire.
    link: String,
    /// The engine's address on it.
    engine: String,
}

impl Neighbour {
    fn new(case: &Case<'_>) -> anyhow::Result<Self> {
        let life = Command::new("unshare").args(["--net", "sleep", "1000"]).stdin(Stdio::null()).spawn()?;
        let number = case.number() % 250;
        let (link, engine) = (format!("t{}-wire", case.number()), format!("10.229.{number}.1"));
        let neighbour = Self { life, link, engine };
        let own = std::fs::read_link("/proc/self/ns/net")?;
        until("the neighbour's namespace", PATIENCE, || {
            std::fs::read_link(format!("/proc/{}/ns/net", neighbour.life.id())).ok().filter(|other| *other != own)
        })?;
        let (link, pid) = (&neighbour.link, neighbour.life.id());
        sh(&format!(
            "ip link add {link} type veth peer name wire netns {pid} && ip addr add {}/24 dev {link} && \
             ip link set {link} up",
            neighbour.engine
        ))?;
        neighbour.sh(&format!(
            "ip link set lo up && ip addr add 10.229.{number}.2/24 dev wire && ip link set wire up && \
             ip route add default via {}",
            neighbour.engine
        ))?;
        Ok(neighbour)
    }

    fn sh(&self, script: &str) -> Result {
        sh(&format!("nsenter --net=/proc/{}/ns/net sh -c '{script}'", self.life.id()))
    }

    fn get(&self, url: &str) -> Option<String> {
        page_within(&format!("/proc/{}/ns/net", self.life.id()), url)
    }

    /// Whether it gets the page, which it should or should not.
    fn gets(&self, url: &str, should: bool) -> bool {
        succeeds(should, || self.get(url).is_some())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = sh(&format!("ip link del {}", self.link));
        let _ = self.life.kill();
        let _ = self.life.wait();
    }
}

fn sh(script: &str) -> Result {
    let out = Command::new("sh").args(["-c", script]).output()?;
    ensure!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

pub(crate) fn published_ports_only(case: &Case<'_>) -> Result {
    let (neighbour, name, port) = (Neighbour::new(case)?, case.container("server"), case.port());
    let address = server(case, &name, "bridge", &["-p", &format!("{port}:80")])?;
    let published = format!("http://{}:{port}/", neighbour.engine);
    until("the published port", PATIENCE, || neighbour.get(&published))?;
    for own in [format!("http://{address}/"), format!("http://{address}:81/")] {
        ensure!(neighbour.get(&own).is_none(), "{own} is reached from outside");
        until(&format!("{own} from the machine itself"), PATIENCE, || page(&own))?;
    }
    Ok(())
}

/// Answers with one page as a web server does.
fn serve(listener: TcpListener) {
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhere\n");
        }
    });
}

/// A wire that carries packets for 127.0.0.1, to an interface that takes them, as some machines have.
pub(crate) fn loopback_is_this_machine(case: &Case<'_>) -> Result {
    let (neighbour, name, port) = (Neighbour::new(case)?, case.container("server"), case.port());
    sh(&format!("echo 1 >/proc/sys/net/ipv4/conf/{}/route_localnet", neighbour.link))?;
    neighbour.sh(&format!(
        "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; ip addr del 127.0.0.1/8 dev lo; \
         ip route flush table local 127.0.0.0/8; ip route add 127.0.0.1 via {}",
        neighbour.engine
    ))?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let open = format!("http://127.0.0.1:{}/", listener.local_addr()?.port());
    serve(listener);
    until("the way to 127.0.0.1", PATIENCE, || neighbour.get(&open))?;
    let address = server(case, &name, "bridge", &["-p", &format!("127.0.0.1:{port}:80")])?;
    let published = format!("http://127.0.0.1:{port}/");
    until("the published port", PATIENCE, || page(&published))?;
    ensure!(neighbour.get(&published).is_none(), "127.0.0.1 is reached from outside");
    for other in [format!("http://{}:{port}/", neighbour.engine), format!("http://{address}/")] {
        ensure!(neighbour.get(&other).is_none(), "{other} is reached from outside");
    }
    let gateway = case.ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"])?;
    let other = format!("http://{gateway}:{port}/");
    ensure!(!fetches(case, "bridge", &other, false)?, "{other} is reached by a container");
    Ok(())
}

/// A server on a network with the option, of which its neighbour sees what is `open`: port 80, published, and port 81.
fn seen(
    case: &Case<'_>,
    option: impl Fn(&Neighbour) -> String,
    open: [bool; 2],
) -> anyhow::Result<(Neighbour, String)> {
    let (neighbour, network, name) = (Neighbour::new(case)?, case.network("net"), case.container("server"));
    let option = format!("com.docker.network.bridge.{}", option(&neighbour));
    case.ok(&["network", "create", "-o", &option, &network])?;
    let address = server(case, &name, &network, &["-p", &format!("127.0.0.1:{}:80", case.port())])?;
    for (port, open) in [80, 81].into_iter().zip(open) {
        ensure!(neighbour.gets(&format!("http://{address}:{port}/"), open) == open, "{option}: port {port}");
    }
    Ok((neighbour, address))
}

pub(crate) fn routed(case: &Case<'_>) -> Result {
    let (neighbour, address) = seen(case, |_| "gateway_mode_ipv4=routed".to_owned(), [true, false])?;
    neighbour.sh(&format!("busybox ping -c 1 -W 60 {address}"))?;
    ensure!(neighbour.get(&format!("http://{}:{}/", neighbour.engine, case.port())).is_none(), "a port of the machine");
    for (port, open) in [(80, true), (81, false)] {
        let url = format!("http://{address}:{port}/");
        ensure!(fetches(case, "bridge", &url, open)? == open, "from another network: {port}");
    }
    Ok(())
}

pub(crate) fn unprotected(case: &Case<'_>) -> Result {
    let (_neighbour, address) = seen(case, |_| "gateway_mode_ipv4=nat-unprotected".to_owned(), [true, true])?;
    ensure!(!fetches(case, "bridge", &format!("http://{address}:81/"), false)?, "reached from another network");
    Ok(())
}

pub(crate) fn trusted(case: &Case<'_>) -> Result {
    let trust = |neighbour: &Neighbour| format!("trusted_host_interfaces=nosuch0:{}", neighbour.link);
    seen(case, trust, [true, false])?;
    Ok(())
}

pub(crate) fn internal(case: &Case<'_>) -> Result {
    let (neighbour, network, name) = (Neighbour::new(case)?, case.network("inner"), case.container("server"));
    case.ok(&["network", "create", "--internal", &network])?;
    let address = server(case, &name, &network, &["-p", &format!("{}:80", case.port())])?;
    let url = format!("http://{address}/");
    ensure!(fetches(case, &network, &url, true)?, "a container of the same network");
    until("the page by the machine itself", PATIENCE, || page(&url))?;
    ensure!(neighbour.get(&url).is_none(), "reached from outside");
    ensure!(!fetches(case, "bridge", &url, false)?, "reached from another network");
    let said = case.run(&["exec", &name, "ping", "-c", "1", "-W", "2", &neighbour.engine])?;
    ensure!(said.code != 0, "it gets out: {said:?}");
    Ok(())
}
