//! Networks, names and published ports.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use tests::case::Case;
use tests::wait::until;

type Result = anyhow::Result<()>;

fn get(url: &str) -> Option<String> {
    let out = Command::new("curl").args(["--silent", "--fail", "--max-time", "5", url]).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

pub(crate) fn publish_tcp(case: &Case<'_>) -> Result {
    let (name, port) = (case.container("httpd"), case.port());
    case.ok(&[
        "run",
        "-d",
        "-p",
        &format!("{port}:80"),
        "--name",
        &name,
        "busybox",
        "sh",
        "-c",
        "mkdir /www; echo served >/www/index.html; httpd -f -h /www",
    ])?;
    let page = until("the page", Duration::from_secs(20), || get(&format!("http://localhost:{port}/")))?;
    ensure!(page == "served\n", "{page}");
    ensure!(case.ok(&["port", &name, "80/tcp"])?.lines().any(|line| line == format!("0.0.0.0:{port}")));
    case.ok(&["rm", "-f", &name])?;
    // The port is free again.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let name = case.container("ephemeral");
    case.ok(&["run", "-d", "-p", "127.0.0.1::80", "--name", &name, "busybox", "sleep", "1000"])?;
    let line = case.ok(&["port", &name, "80"])?;
    ensure!(
        line.strip_prefix("127.0.0.1:").and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 1024),
        "{line}"
    );
    Ok(())
}

pub(crate) fn publish_taken_port(case: &Case<'_>) -> Result {
    let port = case.port();
    let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let name = case.container("taken");
    let said = case.run(&["run", "-d", "-p", &format!("{port}:80"), "--name", &name, "busybox", "sleep", "1000"])?;
    ensure!(said.code == 125 && said.err.contains(&port.to_string()) && said.err.contains("already"), "{said:?}");
    ensure!(case.ok(&["inspect", "--format", "{{.State.Status}}", &name])? == "created");
    Ok(())
}

pub(crate) fn publish_udp(case: &Case<'_>) -> Result {
    let (name, port) = (case.container("udp"), case.port());
    let publish = format!("{port}:5353/udp");
    case.ok(&["create", "-p", &publish, "--name", &name, "busybox", "/udp_echo", "5353"])?;
    case.ok(&["cp", &tests::fixture::udp_echo()?.display().to_string(), &format!("{name}:/udp_echo")])?;
    case.ok(&["start", &name])?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut answer = [0; 64];
    let length = until("the echo", Duration::from_secs(20), || {
        socket.send_to(b"datagram", (Ipv4Addr::LOCALHOST, port)).ok()?;
        socket.recv(&mut answer).ok()
    })?;
    ensure!(&answer[..length] == b"datagram");
    Ok(())
}

pub(crate) fn names_on_user_network(case: &Case<'_>) -> Result {
    let (network, server, client) = (case.network("net"), case.container("server"), case.container("client"));
    case.ok(&["network", "create", &network])?;
    case.ok(&[
        "run",
        "-d",
        "--network",
        &network,
        "--network-alias",
        "web",
        "--name",
        &server,
        "busybox",
        "sh",
        "-c",
        "mkdir /www; echo named >/www/index.html; httpd -f -h /www",
    ])?;
    for name in [server.as_str(), "web"] {
        let url = format!("http://{name}/");
        let page = until("the page by name", Duration::from_secs(20), || {
            case.ok(&["run", "--rm", "--network", &network, "busybox", "wget", "-q", "-O", "-", &url]).ok()
        })?;
        ensure!(page == "named", "{page}");
    }
    let said = case.run(&["run", "--rm", "--network", &network, "busybox", "nslookup", "no-such-name"])?;
    ensure!(said.code != 0, "{said:?}");
    let said = case.run(&["network", "rm", &network])?;
    ensure!(said.code == 1 && said.err.contains("active endpoints"), "{said:?}");
    // Connected later, under one more name.
    case.ok(&["run", "-d", "--name", &client, "busybox", "sleep", "1000"])?;
    case.ok(&["network", "connect", "--alias", "late", &network, &client])?;
    let out = case.ok(&["exec", &client, "wget", "-q", "-O", "-", "http://web/"])?;
    ensure!(out == "named", "{out}");
    case.ok(&["network", "disconnect", &network, &client])?;
    Ok(())
}

pub(crate) fn none_and_host_and_container(case: &Case<'_>) -> Result {
    let out = case.ok(&["run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"])?;
    ensure!(out == "lo", "{out}");
    let out = case.ok(&["run", "--rm", "--network", "host", "busybox", "ls", "/sys/class/net"])?;
    ensure!(out.contains("docker0"), "{out}");
    let name = case.container("shared");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let address = case.ok(&["inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", &name])?;
    let out = case.ok(&[
        "run",
        "--rm",
        "--network",
        &format!("container:{name}"),
        "busybox",
        "ip",
        "-4",
        "addr",
        "show",
        "eth0",
    ])?;
    ensure!(address.starts_with("172.") && out.contains(&address), "{address} {out}");
    let said = case.run(&["run", "--rm", "--network", "no-such-network", "busybox", "true"])?;
    ensure!(said.code == 125 && said.err.contains("network no-such-network not found"), "{said:?}");
    Ok(())
}

pub(crate) fn bridge_reaches_neighbour(case: &Case<'_>) -> Result {
    let name = case.container("neighbour");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    let address = case.ok(&["inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", &name])?;
    case.ok(&["run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", &address])?;
    Ok(())
}
