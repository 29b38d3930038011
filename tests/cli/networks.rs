//! Networks, names and published ports.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::ensure;
use tests::case::Case;
use tests::http::{fetch, page};
use tests::outside;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut cases = cases![everywhere; publish_tcp, publish_taken_port, publish_udp, names_on_user_network, none_and_host_and_container, bridge_reaches_neighbour, ports_follow_the_networks, ports_are_on_the_way_out, subnets_of_families, files_keep_what_others_wrote, subnet_and_address, range_and_auxiliary_addresses, without_communication, by_id_and_publish_all, host_name_is_shared, connect_is_checked_at_once, options_of_an_endpoint, configurations, prune_and_disconnect];
    cases.extend(cases![not_of_dockerd; clients_of_published_ports]);
    cases
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
    let page = until("the page", Duration::from_secs(120), || page(&format!("http://localhost:{port}/")))?;
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

/// What a container sees of who comes to its published ports: natively the client, over the link the bridge's own address
/// (docs/decisions/0055).
pub(crate) fn clients_of_published_ports(case: &Case<'_>) -> Result {
    outside::address()?;
    let (name, port) = (case.container("peer"), case.port());
    let (tcp, udp) = (format!("{port}:7000"), format!("{port}:7000/udp"));
    case.ok(&["create", "-p", &tcp, "-p", &udp, "--name", &name, "busybox", "/peer", "7000"])?;
    case.ok(&["cp", &tests::fixture::program("peer")?.display().to_string(), &format!("{name}:/peer")])?;
    case.ok(&["start", &name])?;
    case.says(&name, "ready")?;
    let gateway = case.ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"])?;
    let here = outside::ADDRESS;
    let wanted = if case.kind.is_machine() { gateway } else { here.to_string() };
    let by_tcp = until("the server", Duration::from_secs(120), || {
        let mut said = String::new();
        TcpStream::connect((here, port)).ok()?.read_to_string(&mut said).ok()?;
        Some(said).filter(|said| !said.is_empty())
    })?;
    ensure!(by_tcp == wanted, "by TCP {by_tcp}, not {wanted}");
    let socket = UdpSocket::bind((here, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut answer = [0; 64];
    let length = until("the datagram's answer", Duration::from_secs(120), || {
        socket.send_to(b"who", (here, port)).ok()?;
        socket.recv(&mut answer).ok()
    })?;
    let by_udp = String::from_utf8_lossy(&answer[..length]);
    ensure!(by_udp == wanted, "by UDP {by_udp}, not {wanted}");
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
    let out = case.ok(&["run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/dev"])?;
    // A reference's may have another name than docker0.
    let name = "{{index .Options \"com.docker.network.bridge.name\"}}";
    let bridge = case.ok(&["network", "inspect", "--format", name, "bridge"])?;
    ensure!(bridge.len() > 1 && out.contains(&format!("{bridge}:")), "{bridge}: {out}");
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
pub(super) fn httpd<'a>(case: &Case<'_>, name: &'a str, options: &[&'a str]) -> Result {
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
    let served = |why: &str| until(why, Duration::from_secs(120), || page(&url));
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
    ensure!(page(&url).is_none(), "the port stayed open");
    ensure!(case.ok(&["port", &name])?.is_empty());
    Ok(())
}

/// Ports are published on the network that has the default route, whichever was named first or comes later.
pub(crate) fn ports_are_on_the_way_out(case: &Case<'_>) -> Result {
    let (last, first) = (case.network("z-last"), case.network("a-first"));
    let (name, port) = (case.container("way"), case.port());
    for network in [&last, &first] {
        case.ok(&["network", "create", network])?;
    }
    let address = |network: &str| {
        let format = format!("{{{{(index .NetworkSettings.Networks {network:?}).Gateway}}}}");
        case.ok(&["inspect", "-f", &format, &name])
    };
    let the_same = |network: &str| -> Result {
        let route = case.ok(&["exec", &name, "ip", "route"])?;
        let gateway = address(network)?;
        ensure!(route.contains(&format!("default via {gateway} ")), "{gateway}: {route}");
        until("the page", Duration::from_secs(120), || page(&format!("http://localhost:{port}/")))?;
        // A client of another network is translated: the server sees the gateway of the network that the port is on.
        let machine = case.ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"])?;
        let url = format!("http://{machine}:{port}/cgi-bin/from");
        let fetch = [&["run", "--rm", "--init", "busybox"][..], &fetch(&url)].concat();
        let seen = until("the page from another network", Duration::from_secs(120), || case.ok(&fetch).ok())?;
        let seen = seen.trim().trim_matches(['[', ']']);
        ensure!(seen.strip_prefix("::ffff:").unwrap_or(seen) == gateway, "{seen} instead of {gateway}");
        Ok(())
    };
    let server = "mkdir -p /www/cgi-bin; echo served >/www/index.html; cd /www/cgi-bin; \
                  printf '#!/bin/sh\\necho\\necho $REMOTE_ADDR' >from; chmod +x from; exec httpd -f -h /www";
    let publish = format!("{port}:80");
    case.ok(&["create", "--name", &name, "--network", &last, "-p", &publish, "busybox", "sh", "-c", server])?;
    case.ok(&["network", "connect", &first, &name])?;
    case.ok(&["start", &name])?;
    the_same(&first)?;
    // One with a higher priority comes while it runs, and leaves again.
    case.ok(&["network", "disconnect", &last, &name])?;
    case.ok(&["network", "connect", "--gw-priority", "7", &last, &name])?;
    the_same(&last)?;
    case.ok(&["network", "disconnect", &last, &name])?;
    the_same(&first)
}

/// Networks come and go; what was written into hosts and resolv.conf stays, but for the engine's own lines.
pub(crate) fn files_keep_what_others_wrote(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("files"), case.container("files"));
    case.ok(&["network", "create", &network])?;
    case.ok(&["run", "-d", "--name", &name, "--hostname", "inner", "busybox", "sleep", "1000"])?;
    let read = |file: &str| case.ok(&["exec", &name, "cat", file]);
    let address = |network: &str| {
        let format = format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}");
        case.ok(&["inspect", "-f", &format, &name])
    };
    // An untouched resolv.conf follows the networks.
    case.ok(&["network", "connect", &network, &name])?;
    ensure!(read("/etc/resolv.conf")?.contains("nameserver 127.0.0.11"));
    let (first, second) = (address("bridge")?, address(&network)?);
    case.ok(&[
        "exec",
        &name,
        "sh",
        "-c",
        "echo '10.1.2.3 mine' >>/etc/hosts; echo 'nameserver 10.9.9.9' >/etc/resolv.conf",
    ])?;
    case.ok(&["network", "disconnect", "bridge", &name])?;
    let hosts = read("/etc/hosts")?;
    let has = |line: &str| hosts.lines().any(|other| other.replace('\t', " ") == line);
    ensure!(has("10.1.2.3 mine") && has("127.0.0.1 localhost") && has(&format!("{second} inner")), "{hosts}");
    ensure!(!has(&format!("{first} inner")), "{hosts}");
    ensure!(read("/etc/resolv.conf")? == "nameserver 10.9.9.9", "{}", read("/etc/resolv.conf")?);
    case.ok(&["network", "connect", "bridge", &name])?;
    let hosts = read("/etc/hosts")?;
    ensure!(hosts.contains("10.1.2.3 mine") && hosts.contains(&address("bridge")?), "{hosts}");
    Ok(())
}

/// A subnet of a family that the network does not have is told and not used; of one that it has there is one.
pub(crate) fn subnets_of_families(case: &Case<'_>) -> Result {
    let (network, other, name) = (case.network("families"), case.network("other"), case.container("families"));
    let (v4, v6) = (format!("10.235.{}.0/24", case.number() % 250), format!("fd00:{:x}::/64", 0x1000 + case.number()));
    let config = |network: &str| case.ok(&["network", "inspect", "-f", "{{json .IPAM.Config}}", network]);
    case.ok(&["network", "create", "--subnet", &v4, "--subnet", &v6, &network])?;
    let ipam = config(&network)?;
    // The client sends them in no order.
    let told = |subnet: &str| ipam.contains(&format!(r#"{{"Subnet":"{subnet}"}}"#));
    ensure!(told(&v4) && told(&v6), "{ipam}");
    // Nobody has that subnet: another network may.
    case.ok(&["network", "create", "--ipv4=false", "--ipv6", "--subnet", &v4, "--subnet", &v6, &other])?;
    for (network, expected) in [(&network, "10.235."), (&other, "fd00:")] {
        httpd(case, &name, &["--network", network])?;
        let addresses = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
        let shown = case.ok(&["inspect", "-f", addresses, &name])?;
        let shown = shown.trim();
        ensure!(shown.starts_with(expected) && !shown.contains(' '), "{shown}");
        case.ok(&["rm", "-f", &name])?;
    }
    let more = case.network("more");
    let said = case.run(&["network", "create", "--subnet", "10.236.1.0/24", "--subnet", "10.236.2.0/24", &more])?;
    ensure!(said.code == 1 && said.err.contains("bridge driver doesn't support multiple subnets"), "{said:?}");
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

/// Addresses come out of the range, without what is somebody else's, until there are none; outside of it they have to be asked for.
pub(crate) fn range_and_auxiliary_addresses(case: &Case<'_>) -> Result {
    let (network, net) = (case.network("range"), format!("10.235.{}", case.number() % 250));
    let (subnet, range) = (format!("{net}.0/24"), format!("{net}.128/30"));
    let (gateway, router) = (format!("{net}.128"), format!("router={net}.130"));
    let pool = ["--subnet", &subnet, "--ip-range", &range, "--gateway", &gateway, "--aux-address", &router];
    case.ok(&[&["network", "create"], &pool[..], &[&network]].concat())?;
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}} {{.Gateway}} {{.AuxiliaryAddresses}}{{end}}";
    let shown = case.ok(&["network", "inspect", "--format", format, &network])?;
    ensure!(shown == format!("{subnet} {range} {gateway} map[router:{net}.130]"), "{shown}");
    let run = |name: &str, options: &[&str]| {
        let words = [&["run", "-d", "--name", name, "--network", &network], options, &["busybox", "sleep", "1000"]];
        case.run(&words.concat())
    };
    let mut addresses = Vec::new();
    let names = ["first", "second"].map(|name| case.container(name));
    for name in &names {
        let said = run(name, &[])?;
        ensure!(said.code == 0, "{said:?}");
        let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        addresses.push(case.ok(&["inspect", "--format", &format, name])?);
    }
    addresses.sort();
    ensure!(addresses == [format!("{net}.129"), format!("{net}.131")], "{addresses:?}");
    let said = run(&case.container("third"), &[])?;
    let words = "no available IPv4 addresses on this network's address pools";
    ensure!(said.code == 125 && said.err.contains(words), "{said:?}");
    let said = run(&case.container("router"), &["--ip", &format!("{net}.130")])?;
    ensure!(said.code == 125 && said.err.contains("Address already in use"), "{said:?}");
    let said = run(&case.container("outside"), &["--ip", &format!("{net}.7")])?;
    ensure!(said.code == 0, "{said:?}");
    // What is given back is given again.
    case.ok(&["rm", "-f", &names[0]])?;
    let said = run(&case.container("fourth"), &[])?;
    ensure!(said.code == 0, "{said:?}");
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
        let wait = if reached { "60" } else { "2" };
        let ping = ["run", "--rm", "--network", &network, "busybox", "ping", "-c", "1", "-W", wait, &address];
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
    until("the page", Duration::from_secs(120), || page(&format!("http://localhost:{port}/")))?;
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

pub(crate) fn connect_is_checked_at_once(case: &Case<'_>) -> Result {
    let (plain, chosen) = (case.network("plain"), case.network("chosen"));
    let third = case.number() % 250;
    case.ok(&["network", "create", &plain])?;
    case.ok(&["network", "create", "--subnet", &format!("10.232.{third}.0/24"), &chosen])?;
    let shared = "container sharing network namespace with another container or host cannot be connected to any other";
    for (mode, words) in [("none", "in private (none) mode"), ("host", shared)] {
        let name = case.container(mode);
        case.ok(&["create", "--network", mode, "--name", &name, "busybox", "true"])?;
        let said = case.run(&["network", "connect", &plain, &name])?;
        ensure!(said.code == 1 && said.err.contains(words), "{mode}: {said:?}");
        case.ok(&["start", "-a", &name])?;
    }
    let name = case.container("stopped");
    case.ok(&["create", "--name", &name, "busybox", "ip", "-4", "-o", "addr"])?;
    for (network, arguments, words) in [
        (
            plain.as_str(),
            ["--ip", "10.9.9.9"],
            "supported only when connecting to networks with user configured subnets",
        ),
        (&chosen, ["--ip", "10.9.9.9"], "no configured subnet or ip-range contain the IP address 10.9.9.9"),
        ("bridge", ["--alias", "a"], "network-scoped alias is supported only for containers in user defined networks"),
        ("host", ["--gw-priority", "0"], "cannot connect container to host network"),
        ("none", ["--gw-priority", "0"], "in private (none) mode"),
        (
            &chosen,
            ["--driver-opt", "com.docker.network.endpoint.sysctls=net.x=1"],
            "unrecognised network interface sysctl 'net.x=1'",
        ),
    ] {
        let said = case.run(&["network", "connect", arguments[0], arguments[1], network, &name])?;
        ensure!(said.code == 1 && said.err.contains(words), "{network} {arguments:?}: {said:?}");
    }
    let address = format!("10.232.{third}.50");
    case.ok(&["network", "connect", "--ip", &address, &chosen, &name])?;
    let out = case.ok(&["start", "-a", &name])?;
    ensure!(out.contains(&address), "{out}");
    Ok(())
}

pub(crate) fn options_of_an_endpoint(case: &Case<'_>) -> Result {
    let network = case.network("options");
    case.ok(&["network", "create", &network])?;
    let with = |option: &str| format!("name={network},driver-opt=com.docker.network.endpoint.{option}");
    let script = "ls /sys/class/net; cat /proc/sys/net/ipv4/conf/*/log_martians";
    let named = with("ifname=lan7");
    let out = case.ok(&["run", "--rm", "--network", &named, "busybox", "sh", "-c", script])?;
    ensure!(out.starts_with("lan7\nlo\n"), "{out}");
    let set = with("sysctls=net.ipv4.conf.IFNAME.log_martians=1");
    let script = "cat /proc/sys/net/ipv4/conf/eth0/log_martians";
    let out = case.ok(&["run", "--rm", "--network", &set, "busybox", "sh", "-c", script])?;
    ensure!(out == "1", "{out}");
    for (number, (option, words)) in [
        ("ifname=a/b", "a/b"),
        ("ifname=lo", "lo"),
        ("sysctls=net.ipv4.conf.eth0.log_martians=1", "unrecognised network interface sysctl"),
        ("sysctls=net.ipv4.conf.IFNAME.nope=1", "/proc/sys/net/ipv4/conf/eth0/nope"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = case.container(&format!("refused-{number}"));
        let said = case.run(&["run", "--name", &name, "--network", &with(option), "busybox", "true"])?;
        ensure!(said.code == 125 && said.err.contains(words), "{option}: {said:?}");
    }
    Ok(())
}

/// A configuration is no network: it has no driver, stays while networks are made from it, and is never pruned.
pub(crate) fn configurations(case: &Case<'_>) -> Result {
    let (config, made) = (case.network("config"), case.network("made"));
    let label = format!("of={config}");
    case.ok(&["network", "create", "--config-only", "--label", &label, &config])?;
    ensure!(case.ok(&["network", "inspect", "-f", "{{.Driver}}", &config])? == "null");
    let filter = format!("label={label}");
    ensure!(case.ok(&["network", "prune", "-f", "--filter", &filter])?.is_empty());
    case.ok(&["network", "create", "--config-from", &config, &made])?;
    let said = case.run(&["network", "rm", &config])?;
    let text = format!("error while removing network: configuration network {config:?} is in use");
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    case.ok(&["network", "rm", &made])?;
    case.ok(&["network", "rm", &config])?;
    Ok(())
}

/// Only a running container keeps its network; and what disconnect says of containers that are not on one.
pub(crate) fn prune_and_disconnect(case: &Case<'_>) -> Result {
    let (network, name, host) = (case.network("idle"), case.container("idle"), case.container("host"));
    let label = format!("of={network}");
    case.ok(&["network", "create", "--label", &label, &network])?;
    case.ok(&["run", "-d", "--name", &host, "--network", "host", "busybox", "sleep", "1000"])?;
    case.ok(&["create", "--name", &name, "busybox"])?;
    for (network, container, text) in [
        (network.as_str(), &host, format!("is not connected to network {network}")),
        (&network, &name, format!("is not connected to the network {network}")),
        (
            "host",
            &host,
            "cannot disconnect container from host network - container was created in host network mode".to_owned(),
        ),
    ] {
        let said = case.run(&["network", "disconnect", network, container])?;
        ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    }
    let stopped = case.container("stopped");
    case.ok(&["create", "--name", &stopped, "--network", &network, "busybox"])?;
    let unused = case.ok(&["network", "ls", "-q", "--no-trunc", "--filter", "dangling=true"])?;
    let id = case.ok(&["network", "inspect", "-f", "{{.Id}}", &network])?;
    ensure!(unused.contains(&id), "{unused}");
    let said = case.ok(&["network", "prune", "-f", "--filter", &format!("label={label}")])?;
    ensure!(said.ends_with(&network), "{said}");
    let said = case.run(&["start", &stopped])?;
    let text = format!("failed to set up container networking: network {network} not found");
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    Ok(())
}
