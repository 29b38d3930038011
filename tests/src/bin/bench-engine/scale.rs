//! Many containers at once: what each costs, and whether the last costs more than the first.

use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::Engine;
use crate::api::Api;
use crate::cases::{Both, milliseconds, push, rows};
use crate::made::Made;
use crate::processes::Footprint;
use crate::table::Row;

/// A bridge of the kernel's takes 1,023 ports.
const PER_NETWORK: usize = 1000;

/// A network of a case; removed when its containers are.
struct Network<'a> {
    api: &'a Api,
    name: String,
}

impl<'a> Network<'a> {
    fn create(api: &'a Api, number: usize) -> anyhow::Result<Self> {
        let name = format!("bench-scale-{number}");
        let pool = json!({ "Subnet": format!("10.{}.0.0/16", 200 + number) });
        let body = json!({ "Name": name, "IPAM": { "Config": [pool] } });
        api.post("/networks/create", Some(&body))?;
        Ok(Self { api, name })
    }

    fn sleeper(&self) -> Value {
        json!({ "Image": "busybox", "Cmd": ["sleep", "100000"], "HostConfig": { "NetworkMode": self.name } })
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        // Fails only where a container of it is still there, whose own failure is told.
        let _ = self.api.delete(&format!("/networks/{}", self.name));
    }
}

/// `count` sleeping containers on one network of each engine: start, list, inspect, memory, descriptors, removal.
pub(crate) fn thousand(both: &Both<'_>, count: usize, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure!(count <= PER_NETWORK, "a network takes {PER_NETWORK} containers");
    let mut rows = rows(&[
        format!("start of {count}, each"),
        format!("list with {count} running"),
        format!("ps with {count} running, by the CLI"),
        format!("inspect with {count} running"),
        format!("forced removal of {count}, each"),
        format!("kB of memory per container of {count}"),
        format!("descriptors per container of {count}, at most"),
    ]);
    // The two engines share the host: a network of each, with subnets of their own.
    let networks = [Network::create(&both[0].api, 0)?, Network::create(&both[1].api, 1)?];
    let mut made = [Vec::new(), Vec::new()];
    let mut before = Vec::new();
    for (nth, engine) in both.iter().enumerate() {
        // What the first container brings is the engine's own.
        let first = Made::create(&engine.api, &networks[nth].sleeper())?;
        first.start()?;
        first.remove()?;
        before.push(Footprint::of(&engine.api)?);
    }
    for _ in 0..count {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            let container = Made::create(&engine.api, &networks[nth].sleeper())?;
            container.start()?;
            push(&mut rows[0], nth, milliseconds(begun));
            made[nth].push(container);
        }
    }
    for (nth, engine) in both.iter().enumerate() {
        let now = Footprint::of(&engine.api)?;
        push(&mut rows[5], nth, (now.memory - before[nth].memory) / count as f64);
        push(&mut rows[6], nth, (now.descriptors - before[nth].descriptors) / count as f64);
    }
    for round in 0..rounds {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            let list = engine.api.get_bytes("/containers/json")?;
            push(&mut rows[1], nth, milliseconds(begun));
            let list: Vec<Value> = serde_json::from_slice(&list).context("a list")?;
            ensure!(list.len() >= count, "{} are listed", list.len());
            let begun = Instant::now();
            engine.docker.ok(&["ps"])?;
            push(&mut rows[2], nth, milliseconds(begun));
            let begun = Instant::now();
            engine.api.get_bytes(&format!("/containers/{}/json", made[nth][round % count].id))?;
            push(&mut rows[3], nth, milliseconds(begun));
        }
    }
    let [subject, reference] = made;
    for pair in subject.into_iter().zip(reference) {
        for (nth, container) in [pair.0, pair.1].into_iter().enumerate() {
            let begun = Instant::now();
            container.remove()?;
            push(&mut rows[4], nth, milliseconds(begun));
        }
    }
    let growth = growth(&format!("start of {count}: last tenth / first tenth"), &rows[0].subject, count / 10);
    rows.push(growth);
    Ok(rows)
}

/// `count` sleeping containers of the subject alone, on as many networks as they need: the last against the first.
pub(crate) fn several_networks(subject: &Engine, count: usize) -> anyhow::Result<Vec<Row>> {
    let networks: Vec<Network<'_>> = (0..count.div_ceil(PER_NETWORK))
        .map(|number| Network::create(&subject.api, number))
        .collect::<Result<_, _>>()?;
    let (mut made, mut starts, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let begun = Instant::now();
        let container = Made::create(&subject.api, &networks[number / PER_NETWORK].sleeper())?;
        container.start()?;
        starts.push(milliseconds(begun));
        made.push(container);
    }
    while let Some(container) = made.pop() {
        let begun = Instant::now();
        container.remove()?;
        removals.push(milliseconds(begun));
    }
    // The last one made is the first to go.
    removals.reverse();
    let (part, nets) = (count / 4, networks.len());
    Ok(vec![
        growth(&format!("start of {count} on {nets} networks: last / first {part}"), &starts, part),
        growth(&format!("removal of {count} on {nets} networks: last / first {part}"), &removals, part),
    ])
}

/// The last `part` samples in the subject's place, the first in the reference's.
fn growth(what: &str, samples: &[f64], part: usize) -> Row {
    let (first, last) = (&samples[..part], &samples[samples.len() - part..]);
    Row { what: what.to_owned(), subject: last.to_vec(), reference: first.to_vec() }
}
