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
    let page = until("the page", Duration::from_secs(120), || get(&format!("http://localhost:{port}/")))?;
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
    case.ok(&["cp", &tests::fixture::program("udp_echo")?.display().to_string(), &format!("{name}:/udp_echo")])?;
    case.ok(&["start", &name])?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut answer = [0; 64];
    let length = until("the echo", Duration::from_secs(120), || {
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
        let page = until("the page by name", Duration::from_secs(120), || {
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

/// Answers every request with one line.
fn httpd<'a>(case: &Case<'_>, name: &'a str, options: &[&'a str]) -> Result {
    let mut arguments = vec!["run", "-d", "--name", name];
    arguments.extend(options);
    let script = "mkdir /www; echo served >/www/index.html; httpd -f -h /www";
    arguments.extend(["busybox", "sh", "-c", script]);
    case.ok(&arguments).map(drop)
}

pub(crate) fn ports_follow_the_networks(case: &Case<'_>) -> Result {
    let (main, inner) = (case.network("main"), case.network("inner"));
    let (name, port) = (case.container("moving"), case.port());
    let (publish, url) = (format!("{port}:80"), format!("http://localhost:{port}/"));
    case.ok(&["network", "create", &main])?;
    case.ok(&["network", "create", "--internal", &inner])?;
    let served = |why: &str| until(why, Duration::from_secs(120), || get(&url));
    // The main network leaves, and another one carries on.
    httpd(case, &name, &["-p", &publish])?;
    served("the page over the default network")?;
    case.ok(&["network", "connect", &main, &name])?;
    case.ok(&["network", "disconnect", "bridge", &name])?;
    served("the page over the second network")?;
    ensure!(case.ok(&["port", &name, "80/tcp"])?.contains(&port.to_string()));
    case.ok(&["rm", "-f", &name])?;
    // An internal network publishes nothing; the first one that leads out does.
    httpd(case, &name, &["-p", &publish, "--network", &inner])?;
    ensure!(case.ok(&["port", &name])?.is_empty(), "{}", case.ok(&["port", &name])?);
    let said = case.run(&["exec", &name, "ip", "route", "get", "192.0.2.1"])?;
    ensure!(said.code != 0, "an internal network has no way out: {said:?}");
    case.ok(&["network", "connect", &main, &name])?;
    served("the page over the network that came later")?;
    case.ok(&["network", "disconnect", &main, &name])?;
    ensure!(get(&url).is_none(), "the port stayed open");
    ensure!(case.ok(&["port", &name])?.is_empty());
    Ok(())
}

pub(crate) fn subnet_and_address(case: &Case<'_>) -> Result {
    let network = case.network("subnet");
    let third = case.number() % 250;
    let address = format!("10.231.{third}.77");
    let created = ["--subnet", &format!("10.231.{third}.0/24"), "--gateway", &format!("10.231.{third}.9")];
    let mut arguments = vec!["network", "create"];
    arguments.extend(created);
    arguments.push(&network);
    case.ok(&arguments)?;
    let show = "ip -4 -o addr show eth0; ip route";
    let out = case.ok(&["run", "--rm", "--network", &network, "--ip", &address, "busybox", "sh", "-c", show])?;
    ensure!(out.contains(&format!("inet {address}/24")), "{out}");
    ensure!(out.contains(&format!("default via 10.231.{third}.9 dev eth0")), "{out}");
    let said = case.run(&["run", "--rm", "--network", &network, "--ip", "10.9.9.9", "busybox", "true"])?;
    ensure!(said.code == 125 && said.err.contains("10.9.9.9"), "{said:?}");
    let said = case.run(&["run", "--rm", "--ip", "172.17.0.99", "busybox", "true"])?;
    ensure!(said.code == 125 && said.err.contains("user specified IP address is supported on"), "{said:?}");
    Ok(())
}

pub(crate) fn without_communication(case: &Case<'_>) -> Result {
    for (icc, reached) in [("true", true), ("false", false)] {
        let (network, name) = (case.network(&format!("icc-{icc}")), case.container(&format!("icc-{icc}")));
        let option = format!("com.docker.network.bridge.enable_icc={icc}");
        case.ok(&["network", "create", "-o", &option, &network])?;
        case.ok(&["run", "-d", "--network", &network, "--name", &name, "busybox", "sleep", "1000"])?;
        let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        let address = case.ok(&["inspect", "--format", &format, &name])?;
        let ping = ["run", "--rm", "--network", &network, "busybox", "ping", "-c", "1", "-W", "2", &address];
        let said = case.run(&ping)?;
        ensure!((said.code == 0) == reached, "icc={icc}: {said:?}");
    }
    Ok(())
}

pub(crate) fn by_id_and_publish_all(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("named"), case.container("by-id"));
    let id = case.ok(&["network", "create", &network])?;
    httpd(case, &name, &["--network", &id[..20], "-P", "--expose", "80"])?;
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    ensure!(case.ok(&["inspect", "--format", networks, &name])?.trim() == network);
    let line = case.ok(&["port", &name, "80/tcp"])?;
    let port = line.lines().find_map(|line| line.strip_prefix("0.0.0.0:")).unwrap_or_default().to_owned();
    until("the page", Duration::from_secs(120), || get(&format!("http://localhost:{port}/")))?;
    let bridge = case.ok(&["network", "inspect", "--format", "{{.Id}}", "bridge"])?;
    let out = case.ok(&["run", "--rm", "--network", &bridge, "busybox", "ip", "-4", "-o", "addr", "show", "eth0"])?;
    ensure!(out.contains("inet 172.17."), "{out}");
    Ok(())
}

pub(crate) fn host_name_is_shared(case: &Case<'_>) -> Result {
    let name = case.container("owner");
    case.ok(&["run", "-d", "--hostname", "pear", "--name", &name, "busybox", "sleep", "1000"])?;
    let mode = format!("container:{name}");
    let out = case.ok(&["run", "--rm", "--network", &mode, "busybox", "sh", "-c", "hostname; grep pear /etc/hosts"])?;
    ensure!(out.lines().next() == Some("pear") && out.lines().count() == 2, "{out}");
    Ok(())
}

pub(crate) fn shared_with_exposed_ports(case: &Case<'_>) -> Result {
    let (image, owner) = (case.image("exposing:1"), case.container("owner"));
    let config = serde_json::json!({ "ExposedPorts": { "80/tcp": {} } });
    tests::image::derive(case.docker, "busybox", &image, &config)?;
    case.ok(&["run", "-d", "--name", &owner, "busybox", "sleep", "1000"])?;
    let mode = format!("container:{owner}");
    case.ok(&["run", "--rm", "--network", &mode, &image, "true"])?;
    // What the request itself exposes is another matter.
    let said = case.run(&["run", "--rm", "--network", &mode, "--expose", "81", &image, "true"])?;
    ensure!(said.code == 125 && said.err.contains("port exposing and the container type network mode"), "{said:?}");
    Ok(())
}
