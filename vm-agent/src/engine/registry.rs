//! How registries are reached: the host's settings, and through the host's end of the link.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::{env, fs};

use anyhow::Context;
use control::{
    BootInfo, EngineSettings, LinkKind, Proxies,
    address::{is_mirror, is_registry},
};
use images::{ProxyChoice, RegistryConfig};
use relay::RelayClient;

/// In the root file system, and where the distributions keep theirs (native mode).
const CA_FILES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// What mirrors are configured for, as dockerd's `registry-mirrors`.
const MIRRORED: &str = "docker.io";

/// The settings of the host without those that no registry client takes: an engine that does not start helps nobody. The host
/// checks them too; an older one may not.
pub(super) fn usable(settings: &EngineSettings) -> EngineSettings {
    let mut settings = settings.clone();
    let keep = |what: &str, entry: &String, good: bool| {
        if !good {
            tracing::warn!("{what} {entry:?} is none and is left out; correct the setting");
        }
        good
    };
    settings.insecure_registries.retain(|entry| keep("the insecure registry", entry, is_registry(entry)));
    for mirrors in settings.mirrors.values_mut() {
        mirrors.retain(|entry| keep("the registry mirror", entry, is_mirror(entry)));
    }
    settings
}

/// `settings` are [`usable`].
pub(super) fn config(boot: &BootInfo, settings: &EngineSettings) -> anyhow::Result<RegistryConfig> {
    let ca_certificates = match &settings.ca_pem {
        Some(pem) => pem.clone().into_bytes(),
        None => own_roots(),
    };
    // The host resolves names and dials, so that `localhost`, VPNs and proxies mean there what they mean to the user.
    let linked = boot.link != LinkKind::None;
    let socks_proxy = linked.then(|| format!("socks5h://berth:{}@127.0.0.1:1080", boot.secret.to_hex()));
    let http_proxy = if linked { None } else { Some(proxies(settings)?) };
    Ok(RegistryConfig {
        insecure: settings.insecure_registries.clone(),
        mirrors: mirrors(settings),
        socks_proxy,
        http_proxy,
        ca_certificates,
        ..RegistryConfig::default()
    })
}

/// Reaches registries as the host says, whenever that changes. Does not end.
pub(super) async fn follow(
    relay: RelayClient,
    first: EngineSettings,
    images: images::Images,
    shown: Arc<RwLock<api::RegistryFacts>>,
) -> Infallible {
    let mut known = first.registries();
    loop {
        match relay.registries_other_than(&known).await {
            Ok(registries) => {
                // By which proxies is for the host to know; here they are only shown.
                let elsewhere = (&registries.mirrors, &registries.insecure) != (&known.mirrors, &known.insecure);
                known = registries;
                let settings = usable(&first.clone().with_registries(known.clone()));
                if elsewhere {
                    if let Err(error) = images.set_registries(settings.insecure_registries.clone(), mirrors(&settings))
                    {
                        tracing::warn!(%error, "registries are reached as before");
                        continue;
                    }
                    tracing::info!(mirrors = ?mirrors(&settings), "the host changed how registries are reached");
                }
                *shown.write().unwrap_or_else(PoisonError::into_inner) = facts(&settings);
            }
            // It is being restarted, or has been: the next question waits for it.
            Err(relay::Error::RelayGone) => {}
            Err(error) => {
                tracing::warn!(%error, "the host's registries are not followed");
                return std::future::pending().await;
            }
        }
    }
}

/// For `docker info`.
pub(super) fn facts(settings: &EngineSettings) -> api::RegistryFacts {
    let (networks, hosts) = settings.insecure_registries.iter().cloned().partition(|entry| entry.contains('/'));
    let proxies = settings.proxies.masked();
    api::RegistryFacts {
        insecure_networks: networks,
        insecure_hosts: hosts,
        mirrors: mirrors(settings),
        http_proxy: proxies.http.unwrap_or_default(),
        https_proxy: proxies.https.unwrap_or_default(),
        no_proxy: proxies.no_proxy.unwrap_or_default(),
    }
}

fn mirrors(settings: &EngineSettings) -> Vec<String> {
    settings.mirrors.get(MIRRORED).cloned().unwrap_or_default()
}

fn own_roots() -> Vec<u8> {
    let named = env::var_os("SSL_CERT_FILE").and_then(|path| fs::read(path).ok());
    named.or_else(|| CA_FILES.iter().find_map(|path| fs::read(path).ok())).unwrap_or_default()
}

fn proxies(settings: &EngineSettings) -> anyhow::Result<ProxyChoice> {
    let proxies = Proxies::new(&settings.proxies);
    proxies.check().map_err(Clone::clone).context("the proxies of the environment")?;
    Ok(ProxyChoice::new(move |host, port| proxies.choose(host, port).ok().flatten().map(|proxy| proxy.url())))
}

#[cfg(test)]
mod tests {
    use control::ProxySettings;
    use images::Images;
    use layers::Layers;
    use store::Store;

    use super::*;

    fn boot(engine: EngineSettings, link: LinkKind) -> BootInfo {
        BootInfo { link, ..BootInfo::native("berth", engine).unwrap() }
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    /// Whether the engine could start with these.
    fn opens(boot: &BootInfo, settings: &EngineSettings) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let layers = Layers::open(&dir.path().join("layers"), &store).unwrap();
        Images::open(dir.path(), &store, &layers, config(boot, settings).unwrap()).is_ok()
    }

    #[test]
    fn a_bad_entry_costs_itself_only() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let bad = list(&["https://m.example?x", "https://me@m.example", "ftp://m", "https://m.example/hub"]);
        let engine = EngineSettings {
            mirrors: [(MIRRORED.to_owned(), bad)].into(),
            insecure_registries: list(&["10.0.0.0/33", "reg.example:5000", "reg.example/path"]),
            ..EngineSettings::default()
        };
        let boot = boot(engine.clone(), LinkKind::Serial);
        assert!(!opens(&boot, &engine));
        let settings = usable(&engine);
        assert!(opens(&boot, &settings));
        assert_eq!(facts(&settings).mirrors, ["https://m.example/hub"]);
        assert_eq!(facts(&settings).insecure_hosts, ["reg.example:5000"]);
    }

    #[test]
    fn the_hosts_roots_are_the_only_ones() {
        let engine = EngineSettings { ca_pem: Some("the host's".to_owned()), ..EngineSettings::default() };
        let config = config(&boot(engine.clone(), LinkKind::Serial), &engine).unwrap();
        assert_eq!(config.ca_certificates, b"the host's");
        assert!(config.socks_proxy.is_some() && config.http_proxy.is_none());
    }

    #[test]
    fn in_native_mode_the_engine_goes_through_the_proxy_itself() {
        let proxies = ProxySettings {
            https: Some("http://u:p@proxy:3128".to_owned()),
            no_proxy: Some("example.com".to_owned()),
            ..ProxySettings::default()
        };
        let mut engine = EngineSettings { proxies, ..EngineSettings::default() };
        let native = boot(engine.clone(), LinkKind::None);
        let choice = config(&native, &engine).unwrap().http_proxy.unwrap();
        assert_eq!(choice.of("reg.test", 443).as_deref(), Some("http://u:p@proxy:3128"));
        assert_eq!((choice.of("a.example.com", 443), choice.of("localhost", 5000)), (None, None));
        engine.proxies.https = Some("https://u:hunter2@proxy".to_owned());
        let error = format!("{:#}", config(&native, &engine).unwrap_err());
        assert!(error.contains("http:// URL") && !error.contains("hunter2"), "{error}");
    }
}
