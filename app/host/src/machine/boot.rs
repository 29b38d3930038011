//! The initrd of one boot: the image's initramfs and, after it, a small archive with `berth/boot.json`.
//!
//! The kernel unpacks both into one tree (Documentation/driver-api/early-userspace/buffer-format.rst). The secret is in no
//! argument of any process and in no file that another user can read.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use control::{BootInfo, BuilderSettings, EngineSettings, LinkKind, NetworkKind, ProxySettings, Registries, Secret};

use crate::proxies::InUse;
use crate::settings::Values;
use crate::sys;
use crate::{Error, Result};

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;

/// What the guest of this boot is told.
pub(crate) fn boot_info(settings: &Values, link: LinkKind, secret: Secret, proxies: &InUse) -> BootInfo {
    BootInfo {
        secret,
        hostname: "berth".to_owned(),
        link,
        network: settings.network,
        host_time_ns: host_time_ns(),
        log: Some(settings.agent_log.clone()).filter(|filter| !filter.is_empty()),
        engine: engine_settings(settings, proxies.settings().masked()),
    }
}

/// Nanoseconds since 1970 UTC.
pub fn host_time_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The proxies for containers, to whom this computer's loopback has another name where they get there at all.
fn container_proxies(settings: &Values) -> ProxySettings {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let proxies = ProxySettings {
        http: text(&settings.container_http_proxy),
        https: text(&settings.container_https_proxy),
        no_proxy: text(&settings.container_no_proxy),
    };
    match settings.network {
        NetworkKind::Link => proxies.with_loopback_as("host.docker.internal"),
        NetworkKind::Nic => proxies,
    }
}

/// What the engine is told. The proxies are for `docker info` only: the host dials, so the guest needs no password.
fn engine_settings(settings: &Values, proxies: ProxySettings) -> EngineSettings {
    let mut mirrors = BTreeMap::new();
    if !settings.registry_mirrors.is_empty() {
        mirrors.insert("docker.io".to_owned(), settings.registry_mirrors.clone());
    }
    EngineSettings {
        mirrors,
        insecure_registries: settings.insecure_registries.clone(),
        proxies,
        container_proxies: container_proxies(settings),
        ca_pem: Some(sys::trusted_roots()).filter(|pem| !pem.is_empty()),
        renew_images: false,
        without_icc: false,
        builder: BuilderSettings::default(),
        sockets: Vec::new(),
    }
}

/// How the engine shall reach registries; by which proxies the link knows.
pub fn registries(settings: &Values) -> Registries {
    Registries { proxies: None, ..engine_settings(settings, ProxySettings::default()).registries() }
}

/// Writes the initrd to `path` with mode 0600: the initramfs of `base`, then the archive with `boot`.
pub fn write_initrd(path: &Path, base: &Path, boot: &BootInfo) -> Result<()> {
    let mut initrd = sys::create_private_file(path).map_err(Error::file("write", path))?;
    let mut initramfs = std::fs::File::open(base).map_err(Error::file("read", base))?;
    let length = std::io::copy(&mut initramfs, &mut initrd).map_err(Error::file("write", path))?;
    // An archive begins on a multiple of four bytes.
    let padding = vec![0; (length.next_multiple_of(4) - length) as usize];
    initrd.write_all(&padding).and_then(|()| initrd.write_all(&archive(boot))).map_err(Error::file("write", path))
}

/// The archive (cpio "newc") that holds `berth/boot.json`.
pub fn archive(boot: &BootInfo) -> Vec<u8> {
    let mut bytes = Vec::new();
    member(&mut bytes, "berth", S_IFDIR | 0o700, 2, &[]);
    member(&mut bytes, "berth/boot.json", S_IFREG | 0o600, 1, &boot.to_json());
    member(&mut bytes, "TRAILER!!!", 0, 1, &[]);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn member(bytes: &mut Vec<u8>, path: &str, mode: u32, links: u32, content: &[u8]) {
    let size = u32::try_from(content.len()).expect("a boot file is smaller than 4 GiB");
    let name_size = u32::try_from(path.len() + 1).expect("our paths are short");
    let inode = u32::try_from(bytes.len()).expect("a boot archive is small") + 1;
    bytes.extend_from_slice(b"070701");
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    for field in [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0] {
        bytes.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::sys::HostFacts;

    fn settings() -> Settings {
        let mut settings = Settings::of_host(HostFacts { cpus: 2, memory_mib: 4096 });
        settings.set("registry_mirrors", "http://mirror.example").unwrap();
        settings.set("http_proxy", "http://set.example:3128").unwrap();
        settings
    }

    #[test]
    fn proxies_come_from_the_settings_then_from_the_environment() {
        let environment = |name: &str| match name {
            "HTTP_PROXY" => Some("http://env.example".to_owned()),
            "HTTPS_PROXY" => Some("http://user:hunter2@secure.example".to_owned()),
            "no_proxy" => Some(String::new()),
            _ => None,
        };
        let in_use = InUse::by(&settings(), environment);
        let boot = boot_info(&settings(), LinkKind::Serial, Secret::random().unwrap(), &in_use);
        let engine = boot.engine;
        assert_eq!(engine.proxies.http.as_deref(), Some("http://set.example:3128"));
        assert_eq!(engine.proxies.https.as_deref(), Some("http://xxxxx:xxxxx@secure.example"));
        assert!(in_use.settings().https.unwrap().contains("hunter2"));
        assert_eq!(engine.proxies.no_proxy, None);
        assert_eq!(engine.mirrors["docker.io"], ["http://mirror.example"]);
    }

    #[test]
    fn the_initrd_is_the_base_and_an_archive_on_a_boundary() {
        let dir = tempfile::tempdir().unwrap();
        let (base, initrd) = (dir.path().join("base"), dir.path().join("initrd"));
        std::fs::write(&base, b"abcde").unwrap();
        let in_use = InUse::by(&settings(), |_| None);
        let boot = boot_info(&settings(), LinkKind::Serial, Secret::random().unwrap(), &in_use);
        write_initrd(&initrd, &base, &boot).unwrap();
        let bytes = std::fs::read(&initrd).unwrap();
        assert_eq!(&bytes[..8], b"abcde\0\0\0");
        assert_eq!(&bytes[8..14], b"070701");
        assert_eq!(bytes.len(), 8 + archive(&boot).len());
        let json = boot.to_json();
        assert!(bytes.windows(json.len()).any(|window| window == json));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(std::fs::metadata(&initrd).unwrap().mode() & 0o777, 0o600);
        }
    }
}
