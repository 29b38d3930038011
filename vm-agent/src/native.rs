//! The role `native`: supervisor, engine and relay as root on a Linux host.
//!
//! `--builder-gc=false`, `--builder-reserved-space`, `--builder-max-used-space`, `--builder-min-free-space` (bytes, or `512m`, `2g`) and
//! `--builder-insecure` say what `builder` of dockerd's configuration file does.
//!
//! `--registry-mirror URL` and `--insecure-registry HOST[:PORT]|CIDR`, each as often as needed, and `--icc=false` are dockerd's;
//! proxies come from the environment, as dockerd's do.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, bail, ensure};
use control::{
    BootInfo, EngineSettings, Proxies, ProxySettings,
    address::{is_mirror, is_registry},
};
use supervisor::server::Ending;

use crate::{
    handover::Handover,
    supervise::{self, Places},
};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let (engine, rest) = engine_settings(args, |name| std::env::var(name).ok())?;
    let mut places = Places::from_args(&rest)?;
    places.native = true;
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        bail!("native mode makes namespaces and mounts: run it as root");
    }
    if !supervise::is_sealed() {
        let mut all = vec!["native".to_owned()];
        all.extend(args.iter().cloned());
        return Err(supervise::exec_sealed(&all, None));
    }
    for (path, mode) in [(&places.root, 0o710), (&places.run, 0o711)] {
        fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, mode).with_context(|| format!("set the mode of {}", path.display()))?;
    }
    places.root = absolute(&places.root)?;
    places.run = absolute(&places.run)?;
    if places.socket.is_relative() {
        places.socket = std::env::current_dir().context("the current directory")?.join(&places.socket);
    }
    crate::mounts::own(&[&places.root, &places.run])?;
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let boot = BootInfo::native(hostname.trim(), engine).context("the secret of this run")?;
    supervise::run(&places, Handover { boot, steps: Vec::new() }, Ending::Return)
}

/// What the words say of registries, and the words that are left.
fn engine_settings(
    args: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<(EngineSettings, Vec<String>)> {
    let proxies = ProxySettings::default().or_environment(environment);
    Proxies::new(&proxies).check().map_err(Clone::clone).context("the environment's proxies")?;
    let mut settings = EngineSettings { proxies, ..EngineSettings::default() };
    let mut rest = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (key, inline) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let truth = || {
            let value = inline.as_deref().unwrap_or("true");
            network::parse_bool(value).with_context(|| format!("{key}: {value:?} is neither true nor false"))
        };
        let builder = &mut settings.builder;
        let space = match key {
            "--icc" => {
                settings.without_icc = !truth()?;
                continue;
            }
            "--builder-gc" => {
                builder.without_gc = !truth()?;
                continue;
            }
            "--builder-insecure" => {
                builder.insecure = truth()?;
                continue;
            }
            "--builder-reserved-space" => Some(&mut builder.reserved_space),
            "--builder-max-used-space" => Some(&mut builder.max_used_space),
            "--builder-min-free-space" => Some(&mut builder.min_free_space),
            "--registry-mirror" | "--insecure-registry" => None,
            _ => {
                rest.push(word.clone());
                continue;
            }
        };
        let value = inline.or_else(|| words.next().cloned()).with_context(|| format!("{key} needs a value"))?;
        if let Some(space) = space {
            *space = bytes(&value).with_context(|| format!("{key}: {value:?} is no number of bytes"))?;
        } else if key == "--registry-mirror" {
            ensure!(is_mirror(&value), "{key}: {value:?} is no mirror, it must look like https://mirror.example");
            settings.mirrors.entry("docker.io".to_owned()).or_default().push(value);
        } else {
            ensure!(
                is_registry(&value),
                "{key}: {value:?} is no registry, it must look like reg.example:5000 or 10.0.0.0/8"
            );
            settings.insecure_registries.push(value);
        }
    }
    Ok((settings, rest))
}

/// `1024`, `512m`, `2GB`, `2GiB`: units are of 1024, as in dockerd.
fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit) {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    text[..text.len() - unit.len()].parse::<u64>().ok()?.checked_mul(factor)
}

fn absolute(path: &Path) -> anyhow::Result<std::path::PathBuf> {
    path.canonicalize().with_context(|| format!("find {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], proxy: Option<&str>) -> anyhow::Result<(EngineSettings, Vec<String>)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let proxy = proxy.map(str::to_owned);
        engine_settings(&words, |name| proxy.clone().filter(|_| name == "HTTPS_PROXY"))
    }

    #[test]
    fn registries_are_told_by_words_and_proxies_by_the_environment() {
        let words = [
            "--root=/r",
            "--registry-mirror",
            "https://a.example",
            "--registry-mirror=http://b.example:5000",
            "--run",
            "/x",
            "--insecure-registry=10.0.0.0/8",
            "--icc=false",
            "--builder-gc=false",
            "--builder-max-used-space=2GiB",
            "--builder-min-free-space",
            "512m",
            "--builder-insecure",
        ];
        let (settings, rest) = read(&words, Some("http://proxy:3128")).unwrap();
        assert_eq!(settings.mirrors["docker.io"], ["https://a.example", "http://b.example:5000"]);
        assert_eq!(settings.insecure_registries, ["10.0.0.0/8"]);
        assert_eq!(settings.proxies.https.as_deref(), Some("http://proxy:3128"));
        assert!(settings.without_icc);
        let builder = &settings.builder;
        assert!(builder.without_gc && builder.insecure);
        let spaces = (builder.reserved_space, builder.max_used_space, builder.min_free_space);
        assert_eq!(spaces, (0, 2 << 30, 512 << 20));
        assert_eq!(rest, ["--root=/r", "--run", "/x"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (words, proxy, said) in [
            (&["--registry-mirror", "ftp://a"][..], None, "\"ftp://a\" is no mirror"),
            (&["--insecure-registry=10.0.0.0/33"], None, "\"10.0.0.0/33\" is no registry"),
            (&["--icc=maybe"], None, "--icc: \"maybe\" is neither true nor false"),
            (&["--builder-max-used-space=much"], None, "--builder-max-used-space: \"much\" is no number of bytes"),
            (&["--insecure-registry"], None, "--insecure-registry needs a value"),
            (&[], Some("https://u:hunter2@p"), "wants TLS on the way to the proxy"),
        ] {
            let error = format!("{:#}", read(words, proxy).unwrap_err());
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }
}
