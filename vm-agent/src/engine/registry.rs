//! How registries are reached: the host's settings, and through the host's end of the link.

use std::fs;

use control::{BootInfo, EngineSettings, LinkKind};
use images::RegistryConfig;

/// In the root file system, and where the distributions keep theirs (native mode).
const CA_FILES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// What mirrors are configured for, as dockerd's `registry-mirrors`.
const MIRRORED: &str = "docker.io";

pub(super) fn config(boot: &BootInfo) -> RegistryConfig {
    let mut ca_certificates = CA_FILES.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
    if let Some(extra) = &boot.engine.extra_ca_pem {
        ca_certificates.push(b'\n');
        ca_certificates.extend_from_slice(extra.as_bytes());
    }
    // The host resolves names and dials, so that `localhost` and VPNs mean there what they mean to the user.
    let socks_proxy =
        (boot.link != LinkKind::None).then(|| format!("socks5h://berth:{}@127.0.0.1:1080", boot.secret.to_hex()));
    RegistryConfig {
        insecure: boot.engine.insecure_registries.clone(),
        mirrors: mirrors(&boot.engine),
        socks_proxy,
        ca_certificates,
        ..RegistryConfig::default()
    }
}

/// For `docker info`.
pub(super) fn facts(settings: &EngineSettings) -> api::RegistryFacts {
    let (networks, hosts) = settings.insecure_registries.iter().cloned().partition(|entry| entry.contains('/'));
    api::RegistryFacts { insecure_networks: networks, insecure_hosts: hosts, mirrors: mirrors(settings) }
}

fn mirrors(settings: &EngineSettings) -> Vec<String> {
    settings.mirrors.get(MIRRORED).cloned().unwrap_or_default()
}
