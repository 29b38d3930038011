//! Docker's limits as the resources of the OCI runtime specification.

use engine_api::Resources;
use engine_api::host_config::ThrottleDevice;
use serde_json::{Value, json};

/// Everything but the device rules.
pub(crate) fn resources(r: &Resources) -> Value {
    let mut memory = json!({});
    if r.memory > 0 {
        memory["limit"] = json!(r.memory);
    }
    if r.memory_reservation > 0 {
        memory["reservation"] = json!(r.memory_reservation);
    }
    if r.memory_swap != 0 {
        memory["swap"] = json!(r.memory_swap);
    }
    let mut cpu = json!({});
    if r.cpu_shares > 0 {
        cpu["shares"] = json!(r.cpu_shares);
    }
    if r.nano_cpus > 0 {
        // The kernel's default period; 10^-9 CPUs of 100 ms.
        cpu["period"] = json!(100_000);
        cpu["quota"] = json!(r.nano_cpus / 10_000);
    }
    if r.cpu_period != 0 {
        cpu["period"] = json!(r.cpu_period);
    }
    if r.cpu_quota != 0 {
        cpu["quota"] = json!(r.cpu_quota);
    }
    if !r.cpuset_cpus.is_empty() {
        cpu["cpus"] = json!(r.cpuset_cpus);
    }
    if !r.cpuset_mems.is_empty() {
        cpu["mems"] = json!(r.cpuset_mems);
    }
    let mut value = json!({"memory": memory, "cpu": cpu, "blockIO": block_io(r)});
    if let Some(limit) = r.pids_limit {
        // 0 and negative numbers are "unlimited" on the wire, -1 in the specification.
        value["pids"] = json!({"limit": if limit <= 0 { -1 } else { limit }});
    }
    value
}

fn block_io(r: &Resources) -> Value {
    let mut io = json!({});
    if r.blkio_weight > 0 {
        io["weight"] = json!(r.blkio_weight);
    }
    let weights: Vec<Value> = r
        .blkio_weight_device
        .iter()
        .flatten()
        .filter_map(|device| {
            let (major, minor) = number_of(&device.path)?;
            Some(json!({"major": major, "minor": minor, "weight": device.weight}))
        })
        .collect();
    if !weights.is_empty() {
        io["weightDevice"] = json!(weights);
    }
    for (name, list) in [
        ("throttleReadBpsDevice", &r.blkio_device_read_bps),
        ("throttleWriteBpsDevice", &r.blkio_device_write_bps),
        ("throttleReadIOPSDevice", &r.blkio_device_read_iops),
        ("throttleWriteIOPSDevice", &r.blkio_device_write_iops),
    ] {
        let entries: Vec<Value> = list.iter().flatten().filter_map(throttle).collect();
        if !entries.is_empty() {
            io[name] = json!(entries);
        }
    }
    io
}

/// A device that is not there cannot be throttled and is left out.
fn throttle(device: &ThrottleDevice) -> Option<Value> {
    let (major, minor) = number_of(&device.path)?;
    Some(json!({"major": major, "minor": minor, "rate": device.rate}))
}

fn number_of(path: &str) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let number = std::fs::metadata(path).ok()?.rdev();
    Some((rustix::fs::major(number), rustix::fs::minor(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_devices() {
        let wire: Resources = serde_json::from_str(
            r#"{"BlkioWeightDevice": [{"Path": "/dev/null", "Weight": 300}, {"Path": "/no/such", "Weight": 5}]}"#,
        )
        .expect("valid JSON");
        assert_eq!(resources(&wire)["blockIO"], json!({"weightDevice": [{"major": 1, "minor": 3, "weight": 300}]}));
    }

    #[test]
    fn limits() {
        let wire: Resources = serde_json::from_str(
            r#"{"Memory": 1000, "MemorySwap": -1, "NanoCpus": 1500000000, "PidsLimit": 0, "CpusetCpus": "0"}"#,
        )
        .expect("valid JSON");
        assert_eq!(
            resources(&wire),
            json!({
                "memory": {"limit": 1000, "swap": -1},
                "cpu": {"period": 100_000, "quota": 150_000, "cpus": "0"},
                "blockIO": {},
                "pids": {"limit": -1},
            })
        );
    }
}
