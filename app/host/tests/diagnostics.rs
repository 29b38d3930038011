//! The archive of `berth diagnose`: what must be in it, and what must not.

#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::io::Read;

use host::client::Client;
use host::diagnostics;
use host::machine::record::MachineRecord;
use support::{Home, daemon};

#[tokio::test]
async fn an_archive_tells_all_that_helps_and_no_secret() {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("http_proxy", "http://somebody:pa/55word@proxy.example:3128")]);
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    std::fs::write(home.paths.vsock_device_log(), "tried https://somebody:pa/55word@proxy.example\n").unwrap();

    let checks = diagnostics::checks(&home.paths).await;
    let file = diagnostics::archive(&home.paths, &checks, home.dir()).await.unwrap();
    let parts = unpack(&file);
    for name in [
        "checks.json",
        "status.json",
        "host.txt",
        "settings.toml",
        "image-manifest.json",
        "docker-version.json",
        "docker-info.json",
        "log/console.log",
        "log/qemu-command.txt",
        "log/qemu.log",
        "log/vhost-device-vsock.log",
    ] {
        assert!(parts.contains_key(name), "{name} is missing: {:?}", parts.keys());
    }
    assert!(parts["log/qemu-command.txt"].contains("\n    -accel kvm"), "{}", parts["log/qemu-command.txt"]);
    assert!(parts["image-manifest.json"].contains("vmlinuz"));
    assert!(parts["settings.toml"].contains("http://***@proxy.example:3128"));

    let record = std::fs::read_to_string(home.paths.machine_record()).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let secret = record["secret"].as_str().expect("the record holds this boot's secret");
    assert!(MachineRecord::load(&home.paths.machine_record()).unwrap().is_some());
    for (name, text) in &parts {
        assert!(!text.contains(secret), "{name} holds the secret of this boot");
        assert!(!text.contains("55word"), "{name} holds a password");
    }
    client.down().await.unwrap().settled().await.unwrap();
}

fn unpack(file: &std::path::Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()));
    let mut parts = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().strip_prefix("berth-diagnose").unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        parts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
    }
    parts
}
