//! Names that a container asks its resolver for.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;

use anyhow::Context;

use crate::cases::{Both, push, rows};
use crate::table::Row;

/// How often a name is asked for, after the first time.
const AGAIN: usize = 500;
const NETWORK: &str = "bench-names";

/// A neighbour's name, and one of outside that was asked for before, in a container of each engine.
pub(crate) fn names(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&["name of a neighbour, µs".to_owned(), "name of outside, again, µs".to_owned()]);
    let program = tests::fixture::program("pace")?.display().to_string();
    let outcome = (|| {
        for (nth, engine) in both.iter().enumerate() {
            // The two engines share the host: each has a subnet of its own.
            let subnet = format!("10.{}.0.0/24", 210 + nth);
            engine.docker.ok(&["network", "create", "--subnet", &subnet, NETWORK])?;
            let gateway: IpAddr = format!("10.{}.0.1", 210 + nth).parse()?;
            name_server(SocketAddr::new(gateway, 53)).with_context(|| format!("a name server at {gateway}"))?;
            let dns = gateway.to_string();
            for name in ["neighbour", "asks"] {
                let options = ["create", "--name", &format!("bench-{name}"), "--network", NETWORK, "--dns", &dns];
                let words = ["busybox", "sleep", "100000"];
                engine.docker.ok(&[&options[..], &words].concat())?;
                engine.docker.ok(&["cp", &program, &format!("bench-{name}:/pace")])?;
                engine.docker.ok(&["start", &format!("bench-{name}")])?;
            }
        }
        let again = AGAIN.to_string();
        for round in 0..=rounds {
            for (nth, engine) in both.iter().enumerate() {
                for (row, name) in rows.iter_mut().zip(["bench-neighbour", tests::outside::DOMAIN]) {
                    let said = engine.docker.ok(&["exec", "bench-asks", "/pace", "names", name, &again])?;
                    let nanoseconds: f64 =
                        said.strip_prefix("name ").and_then(|text| text.parse().ok()).with_context(|| said.clone())?;
                    if round > 0 {
                        push(row, nth, nanoseconds / 1e3);
                    }
                }
            }
        }
        anyhow::Ok(())
    })();
    for engine in both {
        // What was not made is not there; the case says why.
        let _ = engine.docker.run(&["rm", "-f", "bench-neighbour", "bench-asks"]);
        let _ = engine.docker.run(&["network", "rm", NETWORK]);
    }
    outcome?;
    Ok(rows)
}

/// Knows the names of [`tests::outside::DOMAIN`], each to be kept for a minute. Its thread ends with the process.
fn name_server(address: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(address)?;
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = tests::outside::answer(&query[..length]) {
                // Who asks, asks again.
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(())
}
