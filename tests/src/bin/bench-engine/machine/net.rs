//! Connections into and out of the container, over the link and over QEMU's user-mode network.

use super::{Bench, Samples};
use crate::cases::{push, rows};
use crate::table::Row;

const MEGABYTES: usize = 32;
const BYTES: usize = MEGABYTES << 20;
/// So many connections, one behind the other, are one sample.
const CONNECTIONS: usize = 20;

pub(super) fn connections(bench: &mut Bench, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let port = tests::ports::next();
    let _server = bench.pace.server(port)?;
    // What each end asks of: the container over either network, and this computer over either.
    let to_container = [bench.beside.published(), bench.beside.forwarded()].map(|port| format!("127.0.0.1:{port}"));
    let to_host = ["host.docker.internal", bench.beside.host()].map(|host| format!("{host}:{port}"));
    let here = |words: &[&str]| bench.pace.here(words);
    let within = |words: &[&str]| bench.within(words);
    let mut rows = in_turns("through a published port", &here, &to_container, rounds)?;
    rows.extend(in_turns("out of the container", &within, &to_host, rounds)?);
    Ok(rows)
}

fn in_turns(
    way: &str,
    ask: &dyn Fn(&[&str]) -> anyhow::Result<Samples>,
    targets: &[String; 2],
    rounds: usize,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&[
        format!("connect and a byte back, {way}"),
        format!("{MEGABYTES} MB sent {way}"),
        format!("{MEGABYTES} MB fetched {way}"),
    ]);
    let (count, bytes) = (CONNECTIONS.to_string(), BYTES.to_string());
    for round in 0..=rounds {
        for (nth, target) in targets.iter().enumerate() {
            for (row, (what, size)) in rows.iter_mut().zip([("connect", &count), ("send", &bytes), ("fetch", &bytes)]) {
                let samples = ask(&[what, target, size])?;
                // The first round warms both up.
                if round > 0 {
                    push(row, nth, samples[what] / 1e6);
                }
            }
        }
    }
    Ok(rows)
}
