//! The way out of the machine over the link: what servers of this computer, and of its network, see and answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::case::Case;
use tests::outside::{self, ADDRESS, DOMAIN};

use crate::suite::{Entry, cases, in_machine};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![in_machine; outbound_by_name_and_address, outbound_failures_are_told, outbound_half_close_and_bulk,
        outbound_many_at_once, outbound_datagrams_and_echo, outbound_by_ipv6, outbound_to_this_computer]
}

/// What a command in a container says on a network.
fn inside(case: &Case<'_>, network: &str, script: &str) -> anyhow::Result<String> {
    case.ok(&["run", "--rm", "--network", network, "busybox", "sh", "-c", script])
}

pub(crate) fn outbound_by_name_and_address(case: &Case<'_>) -> Result {
    outside::name_server()?;
    let port = outside::web_page("seen from far away")?;
    let own = case.network("own");
    case.ok(&["network", "create", &own])?;
    for network in ["bridge", &own, "host"] {
        for host in [ADDRESS.to_string(), format!("www.{DOMAIN}")] {
            let page = inside(case, network, &format!("wget -q -O - http://{host}:{port}/"))?;
            ensure!(page == "seen from far away", "{network} {host}: {page}");
        }
        // Of a type that only the servers themselves know of: the one name is there and has none, the other is not.
        let mx = |name: &str| inside(case, network, &format!("nslookup -type=mx {name} 2>&1 || true"));
        let (known, unknown) = (mx(&format!("www.{DOMAIN}"))?, mx("no-such-name.example")?);
        ensure!(!known.contains("NXDOMAIN") && !known.contains("SERVFAIL"), "{network}: {known}");
        ensure!(unknown.contains("NXDOMAIN"), "{network}: {unknown}");
    }
    Ok(())
}

pub(crate) fn outbound_failures_are_told(case: &Case<'_>) -> Result {
    outside::name_server()?;
    let free = TcpListener::bind((ADDRESS, 0))?.local_addr()?.port();
    // There is no route but to this computer's own addresses: the suite's network leads nowhere.
    let (here, free) = (ADDRESS.to_string(), free.to_string());
    for (network, address, port, words) in [
        ("bridge", here.as_str(), free.as_str(), "refused"),
        ("host", &here, &free, "refused"),
        ("bridge", "203.0.113.9", "80", "unreachable"),
        ("host", "203.0.113.9", "80", "unreachable"),
    ] {
        let begin = Instant::now();
        // It would wait for longer than the test does.
        let command = ["run", "--rm", "--network", network, "busybox", "nc", "-w", "300", address, port];
        let said = case.run(&command)?;
        ensure!(said.code != 0 && said.err.contains(words), "{network} {address}: {said:?}");
        ensure!(begin.elapsed() < Duration::from_secs(60), "{network} {address} took {:?}", begin.elapsed());
    }
    Ok(())
}

/// Reads each connection to its end, and then sends the same back.
fn mirror() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((ADDRESS, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || -> std::io::Result<()> {
                let mut said = Vec::new();
                client.read_to_end(&mut said)?;
                client.write_all(&said)
            });
        }
    });
    Ok(port)
}

pub(crate) fn outbound_half_close_and_bulk(case: &Case<'_>) -> Result {
    outside::name_server()?;
    let port = mirror()?;
    let make = "dd if=/dev/urandom of=/tmp/sent bs=64k count=256 2>/dev/null; md5sum </tmp/sent";
    let script = format!("{make}; nc {ADDRESS} {port} </tmp/sent | md5sum");
    for network in ["bridge", "host"] {
        let sums = inside(case, network, &script)?;
        let sums: Vec<&str> = sums.lines().collect();
        ensure!(sums.len() == 2 && sums[0] == sums[1], "{network}: {sums:?}");
    }
    Ok(())
}

pub(crate) fn outbound_many_at_once(case: &Case<'_>) -> Result {
    const COUNT: usize = 200;
    outside::name_server()?;
    let listener = TcpListener::bind((ADDRESS, 0))?;
    let port = listener.local_addr()?.port();
    // Nobody is answered before all are there.
    let all = Arc::new(Barrier::new(COUNT));
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let all = all.clone();
            thread::spawn(move || -> std::io::Result<()> {
                all.wait();
                let mut said = Vec::new();
                client.read_to_end(&mut said)?;
                client.write_all(&said)
            });
        }
    });
    let script = format!(
        "for i in $(seq {COUNT}); do echo $i | nc {ADDRESS} {port} >/tmp/$i & done; wait; cat /tmp/* | sort -n | uniq | wc -l"
    );
    let answers = inside(case, "bridge", &script)?;
    ensure!(answers.trim() == COUNT.to_string(), "{answers} of {COUNT} were answered");
    Ok(())
}

pub(crate) fn outbound_datagrams_and_echo(case: &Case<'_>) -> Result {
    outside::name_server()?;
    for network in ["bridge", "host"] {
        let said = inside(case, network, &format!("nslookup www.{DOMAIN} {ADDRESS}"))?;
        ensure!(said.matches(&ADDRESS.to_string()).count() >= 2, "{network}: {said}");
    }
    // Of the suite's own network: everybody may send echo requests.
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")?;
    let said = inside(case, "bridge", &format!("ping -c 2 -w 60 {ADDRESS}"))?;
    ensure!(said.contains(" 0% packet loss"), "{said}");
    Ok(())
}

pub(crate) fn outbound_by_ipv6(case: &Case<'_>) -> Result {
    const HERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);
    // At once, without looking for others that have it.
    let address = format!("{HERE}/128");
    let added = Command::new("ip").args(["-6", "address", "replace", &address, "dev", "lo", "nodad"]).status()?;
    ensure!(added.success(), "ip address replace {HERE}");
    let listener = TcpListener::bind((HERE, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let seen = client.local_addr().map(|address| address.ip().to_string()).unwrap_or_default();
            // One that is gone does not want it.
            let _ = client.write_all(seen.as_bytes());
        }
    });
    let free = TcpListener::bind((HERE, 0))?.local_addr()?.port();
    let own = case.network("six");
    case.ok(&["network", "create", "--ipv6", &own])?;
    for network in [own.as_str(), "host"] {
        let said = inside(case, network, &format!("nc -w 60 {HERE} {port} </dev/null"))?;
        ensure!(said == HERE.to_string(), "{network}: {said}");
        let command =
            ["run", "--rm", "--network", network, "busybox", "nc", "-w", "60", &HERE.to_string(), &free.to_string()];
        let said = case.run(&command)?;
        ensure!(said.code != 0 && said.err.contains("refused"), "{network}: {said:?}");
        // There is no route but to this computer's own addresses.
        let command = ["run", "--rm", "--network", network, "busybox", "nc", "-w", "60", "2001:db8:1::9", "80"];
        let said = case.run(&command)?;
        ensure!(said.code != 0 && said.err.contains("unreachable"), "{network}: {said:?}");
    }
    Ok(())
}

pub(crate) fn outbound_to_this_computer(case: &Case<'_>) -> Result {
    outside::name_server()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(b"of this computer alone");
        }
    });
    let own = case.network("own");
    case.ok(&["network", "create", &own])?;
    for network in ["bridge", &own, "host"] {
        for name in ["host.docker.internal", "gateway.docker.internal"] {
            let said = inside(case, network, &format!("nc -w 60 {name} {port} </dev/null"))?;
            ensure!(said == "of this computer alone", "{network} {name}: {said}");
        }
    }
    let script = format!("nc -w 60 home {port} </dev/null");
    let said = case.ok(&["run", "--rm", "--add-host", "home:host-gateway", "busybox", "sh", "-c", &script])?;
    ensure!(said == "of this computer alone", "{said}");
    // No other address leads there.
    for other in ["10.0.2.2", "0.0.0.1", "192.168.65.3"] {
        let said = case.run(&["run", "--rm", "busybox", "nc", "-w", "20", other, &port.to_string()])?;
        ensure!(said.code != 0 && said.out.is_empty(), "{other}: {said:?}");
    }
    Ok(())
}
