//! The shape of what a daemon tells of a machine that runs (`fixtures/status.json`), which the pages' simulated daemon is held to as well
//! (`ui/tests/contract/daemon.test.ts`). `BERTH_WRITE_PAGES=1` makes it anew.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tests::engine::Machine;
use tests::wait::until;

use crate::life::status;

/// Compares them over a machine in which a container publishes a port.
pub(crate) fn is_recorded(machine: &Machine) -> anyhow::Result<()> {
    let mut told = until("the port's forward", Duration::from_secs(60), || {
        status(machine).ok().filter(|told| told["forwards"].as_array().is_some_and(|forwards| !forwards.is_empty()))
    })?;
    // This computer decides whether there is something to say, and whether it has proxies.
    told["machine"]["notes"] = json!([]);
    for name in ["http", "https", "no_proxy"] {
        told["proxies"][name] = Value::Null;
    }
    let (told, path) = (shape(&told), Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/status.json"));
    if std::env::var_os("BERTH_WRITE_PAGES").is_some() {
        return Ok(std::fs::write(path, serde_json::to_string_pretty(&told)? + "\n")?);
    }
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    ensure!(told == recorded, "it is\n{told:#}\nand in {}\n{recorded:#}", path.display());
    Ok(())
}

/// The kinds of all members, of lists those of their first.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(all) => all.iter().take(1).map(shape).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), shape(member))).collect(),
    }
}
