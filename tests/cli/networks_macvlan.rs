//! macvlan and ipvlan networks. The parent is the bridge of a bridge network, so that every engine has one.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; options_are_checked, on_a_parent, a_way_out, beside_a_bridge, internal, dual_stack, passthru, ipvlan, without_a_parent, sub_interfaces]
}

/// The parent interface that some case works on, as a network of its own.
struct Parent {
    network: String,
    /// Its link.
    link: String,
}

fn parent(case: &Case<'_>) -> anyhow::Result<Parent> {
    let parent = Parent { network: case.network("lan"), link: format!("lan{}", case.number()) };
    let name = format!("com.docker.network.bridge.name={}", parent.link);
    case.ok(&["network", "create", "-o", &name, &parent.network])?;
    // A bridge without a port has no carrier.
    start(case, &case.container("port"), &parent.network, &[])?;
    Ok(parent)
}

/// A subnet that no other case has: its first three numbers.
fn subnet(case: &Case<'_>, of_case: u32) -> String {
    format!("10.{}.{}", 100 + case.number() / 60, case.number() % 60 * 4 + of_case)
}

/// Makes a network on a parent; `more` are further arguments.
fn create(
    case: &Case<'_>,
    driver: &str,
    parent: &str,
    name: &str,
    more: &[&str],
) -> anyhow::Result<tests::docker::Said> {
    let option = format!("parent={parent}");
    let mut arguments = vec!["network", "create", "-d", driver];
    if !parent.is_empty() {
        arguments.extend(["-o", &option]);
    }
    arguments.extend(more);
    arguments.push(name);
    case.run(&arguments)
}

fn made(case: &Case<'_>, driver: &str, parent: &str, name: &str, more: &[&str]) -> Result {
    let said = create(case, driver, parent, name, more)?;
    ensure!(said.code == 0, "{said:?}");
    Ok(())
}

fn start(case: &Case<'_>, name: &str, network: &str, more: &[&str]) -> Result {
    let arguments =
        [&["run", "-d", "--name", name, "--network", network][..], more, &["busybox", "sleep", "1000"]].concat();
    case.ok(&arguments)?;
    Ok(())
}

fn inside(case: &Case<'_>, name: &str, line: &str) -> anyhow::Result<String> {
    case.ok(&["exec", name, "sh", "-c", line])
}

fn pings(case: &Case<'_>, from: &str, to: &str) -> Result {
    inside(case, from, &format!("ping -c 1 -W 5 {to}")).map(drop)
}

/// Links of the engine's own network namespace: in one read, since `ls` fails for those of other cases that go meanwhile.
fn links(case: &Case<'_>) -> anyhow::Result<String> {
    let table = case.ok(&["run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/dev"])?;
    let names: Vec<&str> = table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    Ok(names.join("\n"))
}

/// True where the kernel has a driver, which in the machine it must; otherwise the refusal has dockerd's words, and the rest of `test` is
/// skipped.
fn has_driver(case: &Case<'_>, test: &str, said: &tests::docker::Said, refusal: &str) -> anyhow::Result<bool> {
    if said.code != 0 {
        ensure!(!case.kind.is_machine() && said.err.contains(refusal), "{said:?}");
        println!("SKIPPED: {}::{test}: only refused here, since the kernel has no such driver", case.kind);
    }
    Ok(said.code == 0)
}

pub(crate) fn options_are_checked(case: &Case<'_>) -> Result {
    let (lan, name) = (parent(case)?, case.network("refused"));
    let link = lan.link.as_str();
    for (driver, parent, option, text) in [
        ("macvlan", "lo", "", "loopback interface is not a valid macvlan parent link".to_owned()),
        ("ipvlan", "lo", "", "loopback interface is not a valid ipvlan parent link".to_owned()),
        (
            "macvlan",
            link,
            "macvlan_mode=l2",
            "requested macvlan mode 'l2' is not valid, 'bridge' mode is the macvlan driver default".to_owned(),
        ),
        (
            "ipvlan",
            link,
            "ipvlan_mode=bridge",
            "requested ipvlan mode 'bridge' is not valid, 'l2' mode is the ipvlan driver default".to_owned(),
        ),
        (
            "ipvlan",
            link,
            "ipvlan_flag=l2",
            "requested ipvlan flag 'l2' is not valid, 'bridge' is the ipvlan driver default".to_owned(),
        ),
        ("macvlan", "nosuch", "", "invalid subinterface vlan name nosuch, example formatting is eth0.10".to_owned()),
        ("macvlan", "nosuch.5", "", "-o parent interface was not found on the host: nosuch".to_owned()),
        (
            "ipvlan",
            format!("{link}.5.6").as_str(),
            "",
            format!(
                "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {link}.5.6"
            ),
        ),
        (
            "macvlan",
            format!("{link}.x").as_str(),
            "",
            "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)".to_owned(),
        ),
        ("macvlan", format!("{link}.0").as_str(), "", "vlan id must be between 1-4094, received: 0".to_owned()),
        ("ipvlan", format!("{link}.4095").as_str(), "", "vlan id must be between 1-4094, received: 4095".to_owned()),
    ] {
        let more: &[&str] = if option.is_empty() { &[] } else { &["-o", option] };
        let said = create(case, driver, parent, &name, more)?;
        ensure!(said.code == 1 && said.err.contains(&text), "{driver} {parent} {option}: {said:?}");
    }
    Ok(())
}

/// Addresses, MAC addresses, names, ports and conflicts.
pub(crate) fn on_a_parent(case: &Case<'_>) -> Result {
    let (lan, network, net) = (parent(case)?, case.network("mv"), subnet(case, 0));
    let (subnet_, gateway, aux) = (format!("{net}.0/24"), format!("{net}.254"), format!("router={net}.1"));
    let pool = ["--subnet", &subnet_, "--gateway", &gateway, "--aux-address", &aux];
    made(case, "macvlan", &lan.link, &network, &pool)?;
    let config =
        case.ok(&["network", "inspect", "-f", "{{json .IPAM.Config}} {{json .Options}} {{.Driver}}", &network])?;
    let expected = format!(
        r#"[{{"Subnet":"{subnet_}","Gateway":"{gateway}","AuxiliaryAddresses":{{"router":"{net}.1"}}}}] {{"parent":"{}"}} macvlan"#,
        lan.link
    );
    ensure!(config == expected, "{config}");

    let (first, second) = (case.container("first"), case.container("second"));
    let port = format!("{}:80", case.port());
    start(case, &first, &network, &["-p", &port, "--network-alias", "other"])?;
    let address = format!("{net}.20");
    start(case, &second, &network, &["--ip", &address, "--mac-address", "02:11:22:33:44:55"])?;
    let settings =
        "{{json .NetworkSettings.Ports}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}";
    let shown = case.ok(&["inspect", "-f", settings, &first])?;
    ensure!(shown == format!("{{}} {net}.2 {gateway}"), "{shown}");
    ensure!(case.ok(&["port", &first])?.is_empty());
    ensure!(
        inside(case, &first, "ip route")?.lines().next().unwrap_or("").trim()
            == format!("default via {gateway} dev eth0")
    );
    let own = inside(case, &second, "ip address show eth0")?;
    ensure!(own.contains(&format!("{address}/24")) && own.contains("02:11:22:33:44:55"), "{own}");
    for (from, to) in [(&first, second.as_str()), (&second, first.as_str()), (&second, "other")] {
        pings(case, from, to)?;
    }
    // The same MAC address again, at once: the last link with it is gone.
    case.ok(&["restart", "-t", "0", &second])?;
    pings(case, &first, &second)?;

    // Others on the same parent.
    let id = case.ok(&["network", "inspect", "-f", "{{.Id}}", &network])?;
    let more = case.network("more");
    let said = create(case, "macvlan", &lan.link, &more, &["-o", "macvlan_mode=passthru"])?;
    let text = format!("cannot use mode passthru, macvlan network {id} is already using parent interface {}", lan.link);
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    made(case, "macvlan", &lan.link, &more, &["-o", "macvlan_mode=private"])?;
    let said = case.run(&["network", "rm", &network])?;
    ensure!(said.code == 1 && said.err.contains("has active endpoints"), "{said:?}");
    case.ok(&["rm", "-f", &first, &second])?;
    case.ok(&["network", "rm", &network, &more])?;
    ensure!(links(case)?.lines().any(|link| link == lan.link), "the parent is the user's");
    Ok(())
}

/// The gateway is another machine on the LAN, and is told when an address has moved.
pub(crate) fn a_way_out(case: &Case<'_>) -> Result {
    let (lan, network, net) = (parent(case)?, case.network("mv"), subnet(case, 0));
    let (router, first, second) = (case.container("router"), case.container("first"), case.container("second"));
    start(case, &router, &lan.network, &["--cap-add", "NET_ADMIN"])?;
    inside(case, &router, &format!("ip address add {net}.254/24 dev eth0 && ip address add 198.51.100.1/32 dev lo"))?;
    let (subnet, gateway, address) = (format!("{net}.0/24"), format!("{net}.254"), format!("{net}.7"));
    made(case, "macvlan", &lan.link, &network, &["--subnet", &subnet, "--gateway", &gateway])?;
    start(case, &first, &network, &["--ip", &address])?;
    pings(case, &first, "198.51.100.1")?;
    pings(case, &router, &address)?;
    case.ok(&["rm", "-f", &first])?;
    start(case, &second, &network, &["--ip", &address])?;
    // What the router has learned of the address would be good for some time yet.
    pings(case, &router, &address)?;
    Ok(())
}

/// A container on a macvlan and a bridge network, while it runs.
pub(crate) fn beside_a_bridge(case: &Case<'_>) -> Result {
    let (lan, network, net) = (parent(case)?, case.network("a"), subnet(case, 0));
    let (name, subnet, port) = (case.container("both"), format!("{net}.0/24"), format!("{}:80", case.port()));
    made(case, "macvlan", &lan.link, &network, &["--subnet", &subnet])?;
    start(case, &name, &network, &["-p", &port])?;
    let route = || inside(case, &name, "ip route | grep default");
    case.ok(&["network", "connect", &lan.network, &name])?;
    ensure!(route()?.contains(&format!("via {net}.1 dev eth0")), "{}", route()?);
    ensure!(case.ok(&["port", &name])?.is_empty(), "the way out has no ports");
    case.ok(&["network", "disconnect", &network, &name])?;
    ensure!(route()?.contains("dev eth1"), "{}", route()?);
    ensure!(case.ok(&["port", &name])?.contains("80/tcp"));
    ensure!(!inside(case, &name, "ip link")?.contains("eth0"));
    case.ok(&["network", "connect", "--ip", &format!("{net}.9"), &network, &name])?;
    ensure!(inside(case, &name, "ip address")?.contains(&format!("{net}.9/24")));
    ensure!(route()?.contains(&format!("via {net}.1 dev")), "{}", route()?);
    ensure!(case.ok(&["port", &name])?.is_empty(), "closed again");
    let own = inside(case, &name, &format!("nslookup {name}"))?;
    ensure!(own.contains(&format!("{net}.9")), "{own}");
    Ok(())
}

pub(crate) fn internal(case: &Case<'_>) -> Result {
    let (lan, network, net) = (parent(case)?, case.network("mv"), subnet(case, 0));
    let (first, second, subnet) = (case.container("first"), case.container("second"), format!("{net}.0/24"));
    made(case, "macvlan", &lan.link, &network, &["--internal", "--subnet", &subnet])?;
    let shown = case.ok(&["network", "inspect", "-f", "{{.Internal}} {{json .IPAM.Config}}", &network])?;
    ensure!(shown == format!(r#"true [{{"Subnet":"{subnet}"}}]"#), "{shown}");
    start(case, &first, &network, &[])?;
    start(case, &second, &network, &[])?;
    let settings = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}";
    ensure!(case.ok(&["inspect", "-f", settings, &first])?.trim() == format!("{net}.1"), "no address is a gateway's");
    ensure!(!inside(case, &first, "ip route")?.contains("default"));
    pings(case, &first, &second)
}

/// IPv6, and the network with both families as the way out.
pub(crate) fn dual_stack(case: &Case<'_>) -> Result {
    let (lan, network) = (parent(case)?, case.network("z"));
    let (net, net6) = (subnet(case, 0), format!("fd00:{:x}", case.number()));
    let (first, second) = (case.container("first"), case.container("second"));
    let (pool, pool6) = (format!("{net}.0/24"), format!("{net6}::/64"));
    made(case, "macvlan", &lan.link, &network, &["--ipv6", "--subnet", &pool, "--subnet", &pool6])?;
    start(case, &first, &lan.network, &[])?;
    case.ok(&["network", "connect", &network, &first])?;
    start(case, &second, &network, &[])?;
    let settings =
        "{{with index .NetworkSettings.Networks \"NAME\"}}{{.GlobalIPv6Address}} {{.IPv6Gateway}} {{.Gateway}}{{end}}";
    let shown = case.ok(&["inspect", "-f", &settings.replace("NAME", &network), &second])?;
    ensure!(shown == format!("{net6}::3 {net6}::1 {net}.1"), "{shown}");
    ensure!(inside(case, &first, "ip route | grep default")?.contains(&format!("via {net}.1 dev eth1")));
    ensure!(inside(case, &first, "ip -6 route | grep default")?.contains(&format!("via {net6}::1 dev eth1")));
    inside(case, &first, &format!("ping -6 -c 1 -W 5 {second}")).map(drop)
}

/// One network and one container alone on the parent, again and again.
pub(crate) fn passthru(case: &Case<'_>) -> Result {
    let (lan, network, other) = (parent(case)?, case.network("mv"), case.network("other"));
    made(case, "macvlan", &lan.link, &network, &["-o", "macvlan_mode=passthru"])?;
    let id = case.ok(&["network", "inspect", "-f", "{{.Id}}", &network])?;
    let said = create(case, "macvlan", &lan.link, &other, &[])?;
    let text = format!("macvlan network {id} is already using parent interface {} in mode passthru", lan.link);
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    let (first, second) = (case.container("first"), case.container("second"));
    start(case, &first, &network, &[])?;
    let said = case.run(&["run", "--name", &second, "--network", &network, "busybox"])?;
    let text = "failed to set up container networking: failed to create the macvlan port: invalid argument";
    ensure!(said.code == 125 && said.err.contains(text), "{said:?}");
    case.ok(&["restart", "-t", "0", &first])?;
    case.ok(&["rm", "-f", &first])?;
    case.ok(&["start", &second])?;
    Ok(())
}

pub(crate) fn ipvlan(case: &Case<'_>) -> Result {
    let (lan, network, net) = (parent(case)?, case.network("iv"), subnet(case, 0));
    let subnet_ = format!("{net}.0/24");
    made(case, "ipvlan", &lan.link, &network, &["--subnet", &subnet_])?;
    let short = case.ok(&["network", "inspect", "-f", "{{slice .Id 0 12}}", &network])?;
    let other = case.network("other");
    let said = create(case, "ipvlan", &lan.link, &other, &[])?;
    let text = format!("network di-{short} is already using parent interface {}", lan.link);
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    let (first, second, third) = (case.container("first"), case.container("second"), case.container("third"));
    let said =
        case.run(&["run", "--name", &third, "--network", &network, "--mac-address", "02:11:22:33:44:56", "busybox"])?;
    let text = format!(
        "failed to set up container networking: failed to create endpoint {third} on network {network}: ipvlan interfaces do not support custom mac address assignment"
    );
    ensure!(said.code == 125 && said.err.contains(&text), "{said:?}");

    let run = ["run", "-d", "--name", &first, "--network", &network, "busybox", "sleep", "1000"];
    let lacking = "failed to create the ipvlan port: operation not supported";
    let in_start = format!("failed to set up container networking: {lacking}");
    if !has_driver(case, "networks_macvlan::ipvlan", &case.run(&run)?, &in_start)? {
        // The same of a container that runs already, without what it says of a start.
        start(case, &second, "none", &[])?;
        case.ok(&["rm", "-f", &second])?;
        start(case, &second, &lan.network, &[])?;
        let said = case.run(&["network", "connect", &network, &second])?;
        ensure!(said.code == 1 && said.err.contains(&format!("daemon: {lacking}")), "{said:?}");
        return Ok(());
    }
    start(case, &second, &network, &[])?;
    let settings = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{.MacAddress}}{{end}}";
    ensure!(case.ok(&["inspect", "-f", settings, &first])? == format!("{net}.2 {net}.1"));
    ensure!(inside(case, &first, "ip route")?.contains(&format!("default via {net}.1 dev eth0")));
    pings(case, &first, &second)?;
    // One MAC address for all.
    let mac = "cat /sys/class/net/eth0/address";
    ensure!(inside(case, &first, mac)? == inside(case, &second, mac)?);
    case.ok(&["rm", "-f", &first, &second])?;
    case.ok(&["network", "rm", &network])?;

    // Without a gateway, everything goes out by the interface.
    for mode in ["l3", "l3s"] {
        made(case, "ipvlan", &lan.link, &other, &["-o", &format!("ipvlan_mode={mode}"), "--subnet", &subnet_])?;
        start(case, &first, &other, &[])?;
        start(case, &second, &other, &[])?;
        ensure!(case.ok(&["inspect", "-f", settings, &first])?.trim() == format!("{net}.1"));
        ensure!(inside(case, &first, "ip route")?.lines().any(|line| line.trim().starts_with("default dev eth0")));
        pings(case, &first, &second)?;
        case.ok(&["rm", "-f", &first, &second])?;
        case.ok(&["network", "rm", &other])?;
    }
    Ok(())
}

/// A network without `-o parent` is for its own containers.
pub(crate) fn without_a_parent(case: &Case<'_>) -> Result {
    for (driver, prefix) in [("macvlan", "dm"), ("ipvlan", "di")] {
        let network = case.network(driver);
        let said = create(case, driver, "", &network, &[])?;
        if !has_driver(case, "networks_macvlan::without_a_parent", &said, "daemon: operation not supported")? {
            // Both stand on a dummy interface.
            return Ok(());
        }
        let dummy = format!("{prefix}-{}", case.ok(&["network", "inspect", "-f", "{{slice .Id 0 12}}", &network])?);
        ensure!(links(case)?.lines().any(|link| link == dummy));
        let shown = case.ok(&["network", "inspect", "-f", "{{.Internal}} {{json .Options}}", &network])?;
        ensure!(shown == "false {}", "{shown}");
        let (first, second) = (case.container(&format!("{driver}1")), case.container(&format!("{driver}2")));
        start(case, &first, &network, &[])?;
        start(case, &second, &network, &[])?;
        ensure!(!inside(case, &first, "ip route")?.contains("default"));
        pings(case, &first, &second)?;
        case.ok(&["rm", "-f", &first, &second])?;
        case.ok(&["network", "rm", &network])?;
        ensure!(!links(case)?.contains(&dummy), "the dummy is gone");
    }
    Ok(())
}

/// `-o parent=eth0.10`: made with the first network on it, gone with the last.
pub(crate) fn sub_interfaces(case: &Case<'_>) -> Result {
    let (lan, one, two) = (parent(case)?, case.network("one"), case.network("two"));
    let link = format!("{}.10", lan.link);
    let said = create(case, "macvlan", &link, &one, &[])?;
    let refusal = format!("failed to create {link} vlan link: operation not supported");
    if !has_driver(case, "networks_macvlan::sub_interfaces", &said, &refusal)? {
        return Ok(());
    }
    made(case, "macvlan", &link, &two, &[])?;
    let (first, second) = (case.container("first"), case.container("second"));
    start(case, &first, &one, &[])?;
    start(case, &second, &one, &[])?;
    pings(case, &first, &second)?;
    case.ok(&["rm", "-f", &first, &second])?;
    case.ok(&["network", "rm", &one])?;
    ensure!(links(case)?.lines().any(|l| l == link), "the other network is on it");
    case.ok(&["network", "rm", &two])?;
    ensure!(!links(case)?.contains(&link));
    Ok(())
}
