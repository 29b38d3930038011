//! Options of bridge networks, and where published ports end up.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;
use tests::case::Case;
use tests::events::Listener;
use tests::http::{self, page};
use tests::wait::until;

use super::networks::httpd;
use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; isolated_has_no_gateway, routed_opens_the_containers_port, families_by_option, wrong_options, inhibited_gateway, a_gateway_that_was_not_named, ranges_of_ports, one_number_for_several_addresses, ipv6_addresses_of_the_host, sctp, link_local_addresses, each_family_on_its_network]
}

/// dockerd leaves the interface of a connection that it refused in the container, and cannot make the connection afterwards.
pub(crate) fn refused() -> Vec<Entry> {
    cases![not_of_dockerd; a_refused_network_is_not_told]
}

const MODE: &str = "com.docker.network.bridge.gateway_mode_ipv4";

fn create(case: &Case<'_>, name: &str, options: &[(&str, &str)], flags: &[&str]) -> anyhow::Result<String> {
    let options: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut arguments = vec!["network", "create"];
    options.iter().for_each(|option| arguments.extend(["-o", option]));
    arguments.extend(flags);
    arguments.push(name);
    let said = case.run(&arguments)?;
    Ok(if said.code == 0 { String::new() } else { said.err })
}

pub(crate) fn isolated_has_no_gateway(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("isolated"), case.container("isolated"));
    let third = case.number() % 250;
    let subnet = format!("10.233.{third}.0/24");
    let said = create(case, &network, &[(MODE, "isolated")], &["--subnet", &subnet])?;
    ensure!(said.contains("gateway mode 'isolated' can only be used for an internal network"), "{said}");
    let said = create(case, &network, &[(MODE, "isolated")], &["--subnet", &subnet, "--internal"])?;
    ensure!(said.is_empty(), "{said}");
    let ipam = case.ok(&["network", "inspect", "-f", "{{json .IPAM.Config}}", &network])?;
    ensure!(ipam == format!(r#"[{{"Subnet":"{subnet}"}}]"#), "{ipam}");
    httpd(case, &name, &["--network", &network])?;
    // The gateway's address goes to the first container.
    let first = format!("10.233.{third}.1");
    let url = format!("http://{first}/");
    let page = until("the neighbour's page", Duration::from_secs(120), || {
        case.ok(&["run", "--rm", "--network", &network, "busybox", "wget", "-q", "-O", "-", &url]).ok()
    })?;
    ensure!(page == "served", "{page}");
    let out = case.ok(&["run", "--rm", "--network", "host", "busybox", "ip", "-4", "addr"])?;
    ensure!(!out.contains(&format!("inet {first}/")), "the bridge has an address: {out}");
    Ok(())
}

pub(crate) fn routed_opens_the_containers_port(case: &Case<'_>) -> Result {
    let (network, name, port) = (case.network("routed"), case.container("routed"), case.port());
    let said = create(case, &network, &[(MODE, "routed")], &[])?;
    ensure!(said.is_empty(), "{said}");
    let publish = format!("127.0.0.1:{port}:80");
    httpd(case, &name, &["--network", &network, "-p", &publish])?;
    let ports = case.ok(&["inspect", "-f", "{{json .NetworkSettings.Ports}}", &name])?;
    ensure!(ports == r#"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""}]}"#, "{ports}");
    let bindings = case.ok(&["inspect", "-f", "{{json .HostConfig.PortBindings}}", &name])?;
    ensure!(bindings == format!(r#"{{"80/tcp":[{{"HostIp":"127.0.0.1","HostPort":"{port}"}}]}}"#), "{bindings}");
    ensure!(case.ok(&["port", &name, "80/tcp"])? == "0.0.0.0:", "{}", case.ok(&["port", &name])?);
    let line = case.ok(&["ps", "--filter", &format!("name={name}"), "--format", "{{.Ports}}"])?;
    ensure!(line == "0.0.0.0:0->80/tcp", "{line}");
    ensure!(page(&format!("http://127.0.0.1:{port}/")).is_none(), "there is no port of the host");
    // From another network to the container's own address: the published port, and no other.
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    let address = case.ok(&["inspect", "-f", &format, &name])?;
    let fetch = |port: u16| {
        let url = format!("http://{address}:{port}/");
        // A first process that does not listen for a signal is not ended by one.
        case.run(&[&["run", "--rm", "--init", "busybox"][..], &http::fetch(&url)].concat())
    };
    until("the page from another network", Duration::from_secs(120), || {
        fetch(80).ok().filter(|said| said.out == "served\n")
    })?;
    case.ok(&["exec", "-d", &name, "httpd", "-p", "81", "-h", "/www"])?;
    until("the other port", Duration::from_secs(120), || {
        case.ok(&["exec", &name, "wget", "-q", "-O", "-", "http://127.0.0.1:81/"]).ok()
    })?;
    ensure!(fetch(81)?.code != 0, "a port that is not published");
    case.ok(&["run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", &address])?;
    Ok(())
}

pub(crate) fn families_by_option(case: &Case<'_>) -> Result {
    let six = ("com.docker.network.enable_ipv6", "true");
    let no_four = ("com.docker.network.enable_ipv4", "false");
    let format = "{{.EnableIPv4}} {{.EnableIPv6}} {{len .IPAM.Config}} {{len .Options}}";
    for (number, (flags, shown)) in
        [(&[][..], "false true 1 2"), (&["--ipv4=true"], "true true 2 1"), (&["--ipv6=true"], "false true 1 1")]
            .into_iter()
            .enumerate()
    {
        let network = case.network(&format!("families-{number}"));
        let said = create(case, &network, &[six, no_four], flags)?;
        ensure!(said.is_empty(), "{said}");
        let out = case.ok(&["network", "inspect", "-f", format, &network])?;
        ensure!(out == shown, "{flags:?}: {out}");
    }
    for flags in [&["--ipv4=false"][..], &["-o", "com.docker.network.enable_ipv4=false"]] {
        let said = create(case, &case.network("neither"), &[], flags)?;
        ensure!(said.contains("IPv4 or IPv6 must be enabled"), "{said}");
    }
    Ok(())
}

pub(crate) fn wrong_options(case: &Case<'_>) -> Result {
    let network = case.network("wrong");
    for (option, value, reason) in [
        (MODE, "foo", "unknown gateway mode foo"),
        ("com.docker.network.bridge.gateway_mode_ipv6", "", "unknown gateway mode "),
        ("com.docker.network.bridge.enable_icc", "foo", r#"strconv.ParseBool: parsing "foo": invalid syntax"#),
        ("com.docker.network.bridge.inhibit_ipv4", "no", r#"strconv.ParseBool: parsing "no": invalid syntax"#),
        ("com.docker.network.bridge.host_binding_ipv4", "foo", "nil ip"),
        ("com.docker.network.host_ipv4", "foo", "nil ip"),
        ("com.docker.network.driver.mtu", "foo", r#"strconv.Atoi: parsing "foo": invalid syntax"#),
    ] {
        let said = create(case, &network, &[(option, value)], &[])?;
        let text = format!("failed to parse {option} value: {value} ({reason})");
        ensure!(said.contains(&text), "{said}");
    }
    for (option, value, text) in [
        ("com.docker.network.driver.mtu", "-1", "invalid MTU number: -1"),
        ("com.docker.network.enable_ipv4", "x", r#"driver-opt "com.docker.network.enable_ipv4" is not a valid bool"#),
    ] {
        let said = create(case, &network, &[(option, value)], &[])?;
        ensure!(said.contains(text), "{said}");
    }
    Ok(())
}

pub(crate) fn inhibited_gateway(case: &Case<'_>) -> Result {
    let (network, internal) = (case.network("inhibited"), case.network("inhibited-internal"));
    let third = case.number() % 250;
    let inhibit = [("com.docker.network.bridge.inhibit_ipv4", "true")];
    let subnet = format!("10.234.{third}.0/24");
    let said = create(case, &network, &inhibit, &["--subnet", &subnet])?;
    ensure!(said.is_empty(), "{said}");
    let gateway = format!("10.234.{third}.1");
    let out = case.ok(&["run", "--rm", "--network", &network, "busybox", "ip", "route"])?;
    ensure!(out.contains(&format!("default via {gateway} dev eth0")), "{out}");
    let out = case.ok(&["run", "--rm", "--network", "host", "busybox", "ip", "-4", "addr"])?;
    ensure!(!out.contains(&format!("inet {gateway}/")), "the bridge has the gateway's address: {out}");
    let said = create(case, &internal, &inhibit, &["--internal"])?;
    ensure!(said.is_empty(), "{said}");
    let out = case.ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", &internal])?;
    ensure!(out.is_empty(), "{out}");
    Ok(())
}

fn ports(case: &Case<'_>, name: &str, port: &str) -> anyhow::Result<Vec<String>> {
    Ok(case.ok(&["port", name, port])?.lines().map(str::to_owned).collect())
}

/// One port of a range for one port of a container; where one is free; and a range for a range.
pub(crate) fn ranges_of_ports(case: &Case<'_>) -> Result {
    let first = 24_000 + u16::try_from(case.number() % 500)? * 10;
    let range = format!("127.0.0.1:{first}-{}:80", first + 1);
    let mut bound = Vec::new();
    for name in [case.container("one"), case.container("two")] {
        httpd(case, &name, &["-p", &range])?;
        let lines = ports(case, &name, "80/tcp")?;
        ensure!(lines.len() == 1, "{lines:?}");
        until("the page", Duration::from_secs(120), || page(&format!("http://{}/", lines[0])))?;
        bound.extend(lines);
    }
    bound.sort();
    ensure!(bound == [format!("127.0.0.1:{first}"), format!("127.0.0.1:{}", first + 1)], "{bound:?}");
    let third = case.container("three");
    let said = case.run(&["run", "-d", "--name", &third, "-p", &range, "busybox", "sleep", "1000"])?;
    ensure!(said.code == 125 && said.err.contains("all ports are allocated"), "{said:?}");
    let name = case.container("spread");
    let spread = format!("127.0.0.1:{}-{}:80-82", first + 3, first + 5);
    case.ok(&["run", "-d", "--name", &name, "-p", &spread, "busybox", "sleep", "1000"])?;
    for offset in 0..3 {
        let lines = ports(case, &name, &format!("{}/tcp", 80 + offset))?;
        ensure!(lines == [format!("127.0.0.1:{}", first + 3 + offset)], "{lines:?}");
    }
    Ok(())
}

/// Bindings that differ in the host's address only get one number, whoever chooses it.
pub(crate) fn one_number_for_several_addresses(case: &Case<'_>) -> Result {
    let name = case.container("several");
    httpd(case, &name, &["-p", "127.0.0.1::80", "-p", "127.0.0.2::80"])?;
    let lines = ports(case, &name, "80/tcp")?;
    let numbers: Vec<&str> = lines.iter().filter_map(|line| line.rsplit(':').next()).collect();
    ensure!(numbers.len() == 2 && numbers[0] == numbers[1], "{lines:?}");
    for address in ["127.0.0.1", "127.0.0.2"] {
        let url = format!("http://{address}:{}/", numbers[0]);
        until("the page", Duration::from_secs(120), || page(&url))?;
    }
    Ok(())
}

pub(crate) fn ipv6_addresses_of_the_host(case: &Case<'_>) -> Result {
    let (name, port) = (case.container("six"), case.port());
    httpd(case, &name, &["-p", &format!("[::1]:{port}:80")])?;
    ensure!(ports(case, &name, "80/tcp")? == [format!("[::1]:{port}")], "{}", case.ok(&["port", &name])?);
    until("the page over IPv6", Duration::from_secs(120), || page(&format!("http://[::1]:{port}/")))?;
    ensure!(page(&format!("http://127.0.0.1:{port}/")).is_none(), "not over IPv4");
    Ok(())
}

/// A network shows the gateways that were asked for, and those of subnets that nobody asked for.
pub(crate) fn a_gateway_that_was_not_named(case: &Case<'_>) -> Result {
    let (network, chosen, name) = (case.network("asked"), case.network("chosen"), case.container("guest"));
    let net = format!("10.234.{}", case.number() % 250);
    let subnet = format!("{net}.0/24");
    case.ok(&["network", "create", "--subnet", &subnet, &network])?;
    case.ok(&["network", "create", &chosen])?;
    let ipam = case.ok(&["network", "inspect", "-f", "{{json .IPAM.Config}}", &network])?;
    ensure!(ipam == format!(r#"[{{"Subnet":"{subnet}"}}]"#), "{ipam}");
    let ipam = case.ok(&["network", "inspect", "-f", "{{json .IPAM.Config}}", &chosen])?;
    ensure!(ipam.contains(r#""Gateway":""#), "{ipam}");
    httpd(case, &name, &["--network", &network])?;
    let settings = "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPAddress}}{{end}}";
    let shown = case.ok(&["inspect", "-f", settings, &name])?;
    ensure!(shown == format!("{net}.1 {net}.2"), "{shown}");
    Ok(())
}

/// The machine's kernel has no SCTP, and where the host's has none dockerd says the same.
pub(crate) fn sctp(case: &Case<'_>) -> Result {
    let known = Command::new("grep").args(["-q", "SCTP", "/proc/net/protocols"]).status()?.success();
    if known && case.kind == tests::engine::Kind::Reference {
        anyhow::bail!("this kernel knows SCTP: the reference publishes it, and proves nothing here");
    }
    // Where both families lead in IPv4 is the first to be refused.
    let (network, port) = (case.network("sctp6"), case.port());
    let said = create(case, &network, &[], &["--ipv4=false", "--ipv6"])?;
    ensure!(said.is_empty(), "{said}");
    let publish = format!("{port}:80/sctp");
    for (name, network, address) in [("sctp", "bridge", "0.0.0.0"), ("sctp6", &network, "[::]")] {
        let name = case.container(name);
        let said =
            case.run(&["run", "-d", "--name", &name, "--network", network, "-p", &publish, "busybox", "sleep", "9"])?;
        let text =
            format!("error starting userland proxy: failed to listen on {address}:{port}: protocol not supported");
        ensure!(said.code == 125 && said.err.contains(&text), "{said:?}");
    }
    Ok(())
}

pub(crate) fn link_local_addresses(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("local"), case.container("local"));
    case.ok(&["network", "create", &network])?;
    let show = ["busybox", "ip", "-4", "-o", "addr", "show", "eth0"];
    for flags in [&["--network", &network][..], &[]] {
        let mut arguments = vec!["run", "--rm", "--link-local-ip", "169.254.8.9"];
        arguments.extend(flags);
        arguments.extend(show);
        let out = case.ok(&arguments)?;
        ensure!(out.contains("inet 169.254.8.9/16") && out.lines().count() == 2, "{flags:?}: {out}");
    }
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    for (address, text) in [
        ("10.3.3.3", "invalid link local IP address: 10.3.3.3"),
        ("foo", "invalid endpoint settings:\ninvalid link-local IP address: foo"),
        ("0.0.0.0", "invalid endpoint settings:\ninvalid link-local IP address: 0.0.0.0"),
    ] {
        let said = case.run(&["network", "connect", "--link-local-ip", address, &network, &name])?;
        ensure!(said.code == 1 && said.err.contains(text), "{said:?}");
    }
    case.ok(&["network", "connect", "--link-local-ip", "169.254.8.10", &network, &name])?;
    let out = case.ok(&["exec", &name, "ip", "-4", "-o", "addr", "show", "eth1"])?;
    ensure!(out.contains("inet 169.254.8.10/16"), "{out}");
    let format = format!("{{{{json (index .NetworkSettings.Networks \"{network}\").IPAMConfig}}}}");
    let shown = case.ok(&["inspect", "-f", &format, &name])?;
    ensure!(shown == r#"{"LinkLocalIPs":["169.254.8.10"]}"#, "{shown}");
    // It has it again after a restart.
    case.ok(&["restart", "-t", "0", &name])?;
    let out = case.ok(&["exec", &name, "ip", "-4", "-o", "addr", "show", "eth1"])?;
    ensure!(out.contains("inet 169.254.8.10/16"), "{out}");
    Ok(())
}

/// Of two networks of one family each, either publishes what is for its own; one of both families has everything.
pub(crate) fn each_family_on_its_network(case: &Case<'_>) -> Result {
    // The names say what comes first.
    let (four, six, dual) = (case.network("web4"), case.network("a6"), case.network("z-dual"));
    let (name, port) = (case.container("families"), case.port());
    for (network, flags) in [(&four, &[][..]), (&six, &["--ipv4=false", "--ipv6"]), (&dual, &["--ipv6"])] {
        let said = create(case, network, &[], flags)?;
        ensure!(said.is_empty(), "{said}");
    }
    httpd(case, &name, &["--network", &four, "-p", &format!("{port}:80")])?;
    let open = || case.ok(&["port", &name, "80"]).map(|out| out.lines().map(str::to_owned).collect::<Vec<_>>());
    let all = open()?;
    for line in [format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        ensure!(all.contains(&line), "{line} of {all:?}");
    }
    let default = |family: &str| case.ok(&["exec", &name, "ip", family, "route", "show", "default"]);
    for network in [&six, &dual] {
        case.ok(&["network", "connect", "--gw-priority", "-5", network, &name])?;
        ensure!(open()? == all, "with {network}: {:?}", open()?);
        until("the page", Duration::from_secs(120), || page(&format!("http://127.0.0.1:{port}/")))?;
    }
    // Both families lead out there, whatever the priority.
    let (eth4, eth6) = (default("-4")?, default("-6")?);
    ensure!(eth4.contains("dev eth2") && eth6.contains("dev eth2"), "{eth4} {eth6}");
    for network in [&dual, &six] {
        case.ok(&["network", "disconnect", network, &name])?;
        ensure!(open()? == all, "without {network}: {:?}", open()?);
    }
    ensure!(default("-4")?.contains("dev eth0"), "{}", default("-4")?);
    Ok(())
}

/// A network that a container cannot join since its port is taken: it says why, and nobody hears of it.
pub(crate) fn a_refused_network_is_not_told(case: &Case<'_>) -> Result {
    let (inner, outer) = (case.network("inner"), case.network("outer"));
    let (holder, name, port) = (case.container("holder"), case.container("refused"), case.port());
    case.ok(&["network", "create", "--internal", &inner])?;
    let listener = Listener::filtered(case, &[&format!("network={outer}")])?;
    case.ok(&["network", "create", &outer])?;
    listener.until("the network", |events| (!events.is_empty()).then_some(()))?;
    let publish = format!("{port}:80");
    case.ok(&["run", "-d", "--name", &holder, "-p", &publish, "busybox", "sleep", "1000"])?;
    case.ok(&["run", "-d", "--name", &name, "--network", &inner, "-p", &publish, "busybox", "sleep", "1000"])?;
    let connect = ["network", "connect", &outer, &name];
    let said = case.run(&connect)?;
    let cause = format!("Bind for 0.0.0.0:{port} failed: port is already allocated");
    ensure!(said.code == 1 && said.err.contains(&cause), "{said:?}");
    case.ok(&["rm", "-f", &holder])?;
    case.ok(&connect)?;
    case.ok(&["network", "disconnect", &outer, &name])?;
    case.ok(&["network", "rm", &outer])?;
    let told = listener
        .until("its end", |events| events.iter().any(|event| event["Action"] == "destroy").then(|| events.to_vec()))?;
    let actions: Vec<&Value> = told.iter().map(|event| &event["Action"]).collect();
    ensure!(actions == ["create", "connect", "disconnect", "destroy"], "{told:?}");
    Ok(())
}
