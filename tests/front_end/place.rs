//! Where the contract pulls from, pushes to and searches: registries on loopback, one of them behind a gate that the cases open and break.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use tests::engine::Engine;
use tests::gate::Gate;
use tests::index::{Index, Repository};
use tests::registry::Registry;

/// More than an engine fetches at once.
const LAYERS: u64 = 5;
const LAYER: usize = 1 << 20;

/// Ends with its value.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where the registry listens that outlives this.
    registry: String,
    gate: Arc<Gate>,
    index: Index,
    /// Where the gate is told what to do.
    lever: u16,
}

impl Place {
    /// # Errors
    /// When the engine does not push to the registry.
    pub(crate) fn prepare(engine: &Engine, registry: &Registry) -> anyhow::Result<Self> {
        registry.push_noise(&engine.docker, "layers:1", LAYERS, LAYER)?;
        let gate = Arc::new(Gate::start(registry.socket(), LAYER + LAYER / 2)?);
        let repository = |name, stars, official| Repository { name, description: "sails", stars, official };
        let index = Index::start(vec![repository("ship", 10, true), repository("me/ship", 3, false)])?;
        let lever = lever(gate.clone())?;
        Ok(Self { registry: registry.address().to_string(), gate, index, lever })
    }

    /// As the cases read it.
    pub(crate) fn told(&self) -> Value {
        json!({
            "registry": self.registry, "held": format!("{}/layers:1", self.gate.address()),
            "index": self.index.address(), "lever": self.lever,
        })
    }
}

/// Serves the gate's lever on loopback: a line `open` or `break`, answered when it is done. Its thread ends with the process.
fn lever(gate: Arc<Gate>) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let turn = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut word = String::new();
        BufReader::new(stream.try_clone()?).read_line(&mut word)?;
        match word.trim() {
            "open" => gate.open(),
            "break" => gate.break_off(),
            other => return stream.write_all(format!("no {other}\n").as_bytes()),
        }
        stream.write_all(b"done\n")
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who went away needs no answer.
            let _ = turn(stream);
        }
    });
    Ok(port)
}
