//! Docker's limits as the resources of the OCI runtime specification.

use crate::{Error, Result};
use engine_api::Resources;
use engine_api::host_config::ThrottleDevice;
use rustix::io::Errno;
use serde_json::{Value, json};

/// Everything but the device rules. Looks block devices up, and fails with dockerd's words when one is not there.
pub(crate) fn resources(r: &Resources) -> Result<Value> {
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
    let mut value = json!({"memory": memory, "cpu": cpu, "blockIO": block_io(r)?});
    if let Some(limit) = r.pids_limit {
        // 0 and negative numbers are "unlimited" on the wire, -1 in the specification.
        value["pids"] = json!({"limit": if limit <= 0 { -1 } else { limit }});
    }
    Ok(value)
}

fn block_io(r: &Resources) -> Result<Value> {
    let mut io = json!({});
    if r.blkio_weight > 0 {
        io["weight"] = json!(r.blkio_weight);
    }
    let weights: Vec<Value> = r
        .blkio_weight_device
        .iter()
        .flatten()
        .map(|device| {
            let (major, minor) = number_of(&device.path)?;
            Ok(json!({"major": major, "minor": minor, "weight": device.weight}))
        })
        .collect::<Result<_>>()?;
    if !weights.is_empty() {
        io["weightDevice"] = json!(weights);
    }
    for (name, list) in [
        ("throttleReadBpsDevice", &r.blkio_device_read_bps),
        ("throttleWriteBpsDevice", &r.blkio_device_write_bps),
        ("throttleReadIOPSDevice", &r.blkio_device_read_iops),
        ("throttleWriteIOPSDevice", &r.blkio_device_write_iops),
    ] {
        let entries: Vec<Value> = list.iter().flatten().map(throttle).collect::<Result<_>>()?;
        if !entries.is_empty() {
            io[name] = json!(entries);
        }
    }
    Ok(io)
}

fn throttle(device: &ThrottleDevice) -> Result<Value> {
    let (major, minor) = number_of(&device.path)?;
    Ok(json!({"major": major, "minor": minor, "rate": device.rate}))
}

fn number_of(path: &str) -> Result<(u32, u32)> {
    let found = rustix::fs::stat(path).map_err(|error| Error::NoDevice {
        path: path.to_owned(),
        reason: match error {
            // Go's spelling of the errors that a path can have.
            Errno::NOENT => "no such file or directory".to_owned(),
            Errno::NOTDIR => "not a directory".to_owned(),
            Errno::ACCESS => "permission denied".to_owned(),
            other => other.to_string(),
        },
    })?;
    Ok((rustix::fs::major(found.st_rdev), rustix::fs::minor(found.st_rdev)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_io_of(json: &str) -> Result<Value, String> {
        let wire: Resources = serde_json::from_str(json).expect("valid JSON");
        resources(&wire).map(|value| value["blockIO"].clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_of_devices() {
        assert_eq!(
            block_io_of(
                r#"{"BlkioWeightDevice": [{"Path": "/dev/null", "Weight": 300}],
                    "BlkioDeviceWriteBps": [{"Path": "/dev/zero", "Rate": 5}]}"#
            ),
            Ok(json!({
                "weightDevice": [{"major": 1, "minor": 3, "weight": 300}],
                "throttleWriteBpsDevice": [{"major": 1, "minor": 5, "rate": 5}],
            }))
        );
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        for list in [
            "BlkioWeightDevice",
            "BlkioDeviceReadBps",
            "BlkioDeviceWriteBps",
            "BlkioDeviceReadIOps",
            "BlkioDeviceWriteIOps",
        ] {
            let limit = format!(r#"{{"{list}": [{{"Path": "/dev/null"}}, {{"Path": "/no/such"}}]}}"#);
            assert_eq!(block_io_of(&limit), Err("stat /no/such: no such file or directory".to_owned()), "{list}");
        }
    }

    #[test]
    fn limits() {
        let wire: Resources = serde_json::from_str(
            r#"{"Memory": 1000, "MemorySwap": -1, "NanoCpus": 1500000000, "PidsLimit": 0, "CpusetCpus": "0"}"#,
        )
        .expect("valid JSON");
        assert_eq!(
            resources(&wire).expect("no devices"),
            json!({
                "memory": {"limit": 1000, "swap": -1},
                "cpu": {"period": 100_000, "quota": 150_000, "cpus": "0"},
                "blockIO": {},
                "pids": {"limit": -1},
            })
        );
    }
}
