//! A container and its own published ports, by the addresses of the machine.

use std::time::Duration;

use anyhow::ensure;
use tests::case::Case;
use tests::http::fetch;
use tests::wait::until;

use super::networks::httpd;
use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; by_every_address, by_udp, on_several_networks, on_a_network_without_communication, after_a_restart]
}

/// The gateways of a network, one at least; of IPv6 in brackets.
fn gateways(case: &Case<'_>, network: &str) -> anyhow::Result<Vec<String>> {
    let format = "{{range .IPAM.Config}}{{println .Gateway}}{{end}}";
    let out = case.ok(&["network", "inspect", "-f", format, network])?;
    let written = |ip: &str| if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let all: Vec<_> = out.lines().filter(|line| !line.is_empty()).map(written).collect();
    ensure!(!all.is_empty(), "{network} has no gateway: {out}");
    Ok(all)
}

/// The container gets its own page at the address.
fn fetches(case: &Case<'_>, name: &str, address: &str) -> Result {
    let url = format!("http://{address}:{}/", case.port());
    let fetch = [&["exec", name][..], &fetch(&url)].concat();
    let page = until(&format!("its own page at {url}"), Duration::from_secs(300), || case.ok(&fetch).ok())?;
    ensure!(page == "served", "{page}");
    Ok(())
}

pub(crate) fn by_every_address(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("hairpin"), case.container("hairpin"));
    case.ok(&["network", "create", "--ipv6", &network])?;
    httpd(case, &name, &["--network", &network, "-p", &format!("{}:80", case.port())])?;
    // Of its own network, and of another one.
    for address in [gateways(case, &network)?, gateways(case, "bridge")?].concat() {
        fetches(case, &name, &address)?;
    }
    Ok(())
}

pub(crate) fn by_udp(case: &Case<'_>) -> Result {
    let (name, port) = (case.container("udp"), case.port());
    let publish = format!("{port}:5353/udp");
    case.ok(&["create", "-p", &publish, "--name", &name, "busybox", "/udp_echo", "5353"])?;
    case.ok(&["cp", &tests::fixture::program("udp_echo")?.display().to_string(), &format!("{name}:/udp_echo")])?;
    case.ok(&["start", &name])?;
    for gateway in gateways(case, "bridge")? {
        let ask = ["exec", &name, "/udp_echo", "ask", &format!("{gateway}:{port}")];
        let echo = until("its own echo", Duration::from_secs(300), || case.ok(&ask).ok())?;
        ensure!(echo == "datagram", "{echo}");
    }
    Ok(())
}

/// By the gateway of each of its networks, and of the other one once the first has left.
pub(crate) fn on_several_networks(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("second"), case.container("several"));
    case.ok(&["network", "create", &network])?;
    httpd(case, &name, &["-p", &format!("{}:80", case.port())])?;
    case.ok(&["network", "connect", &network, &name])?;
    let of_all = [gateways(case, "bridge")?, gateways(case, &network)?].concat();
    for address in &of_all {
        fetches(case, &name, address)?;
    }
    case.ok(&["network", "disconnect", "bridge", &name])?;
    for address in &of_all {
        fetches(case, &name, address)?;
    }
    Ok(())
}

pub(crate) fn on_a_network_without_communication(case: &Case<'_>) -> Result {
    let (network, name) = (case.network("quiet"), case.container("quiet"));
    case.ok(&["network", "create", "-o", "com.docker.network.bridge.enable_icc=false", &network])?;
    httpd(case, &name, &["--network", &network, "-p", &format!("{}:80", case.port())])?;
    for address in gateways(case, &network)? {
        fetches(case, &name, &address)?;
    }
    Ok(())
}

/// Of a container that is started again.
pub(crate) fn after_a_restart(case: &Case<'_>) -> Result {
    let name = case.container("again");
    httpd(case, &name, &["-p", &format!("{}:80", case.port())])?;
    case.ok(&["restart", "-t", "0", &name])?;
    for address in gateways(case, "bridge")? {
        fetches(case, &name, &address)?;
    }
    Ok(())
}
