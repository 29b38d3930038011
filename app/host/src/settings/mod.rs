//! The user's choices: typed, validated, documented, stored in `settings.toml`.
//!
//! The file holds only what the user set, so a default that follows the host keeps following it. Every value, from the
//! file or from the command line, passes the one parser of its key in [`keys`].

mod address;
mod auto_pause;
mod folder;
mod follows;
mod keys;
mod web_port;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::NetworkKind;
use control::proxy::mask_credentials;
use serde::{Deserialize, Serialize};

use crate::locks::{self, Held, Patience};
use crate::machine::InForce;
use crate::paths::Paths;
use crate::proxies::ProxyChoice;
use crate::sys::{self, HostFacts};
use crate::{Error, Result};
pub use address::Address;
pub use auto_pause::AutoPause;
pub use folder::Folder;
pub(crate) use follows::Follows;
use keys::{KEYS, Key};
pub use web_port::WebPort;

/// How host and guest are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkChoice {
    /// vsock where the host has a vsock device that works, else serial.
    Auto,
    Vsock,
    Serial,
}

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    Kvm,
    Tcg,
    Hvf,
    Whpx,
    HyperV,
    /// Virtualization.framework.
    Vz,
}

impl Accelerator {
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
            Accelerator::Hvf => "hvf",
            Accelerator::Whpx => "whpx",
            Accelerator::HyperV => "hyperv",
            Accelerator::Vz => "vz",
        }
    }
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// All values in force: what the user set over what the host suggests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
    pub link: LinkChoice,
    pub network: NetworkKind,
    /// `None`: probe [`Values::accelerator_order`].
    pub accelerator: Option<Accelerator>,
    /// Empty: what the host offers, the fastest first.
    pub accelerator_order: Vec<Accelerator>,
    pub qemu: Option<PathBuf>,
    /// From the start of QEMU to the agent's hello; `None`: 20 s with hardware help, 120 s without.
    pub boot_deadline: Option<Duration>,
    /// From the agent's hello to the engine's first answer.
    pub engine_deadline: Duration,
    pub registry_mirrors: Vec<String>,
    pub insecure_registries: Vec<String>,
    /// How far proxies are looked for.
    pub proxy: ProxyChoice,
    pub http_proxy: String,
    pub https_proxy: String,
    pub no_proxy: String,
    pub container_http_proxy: String,
    pub container_https_proxy: String,
    pub container_no_proxy: String,
    /// Empty: the agent's default.
    pub agent_log: String,
    pub docker_context: bool,
    pub var_run_docker_sock: bool,
    /// Where the engine is offered over TCP.
    pub listen: Vec<Address>,
    /// Whether the daemon looks for newer versions by itself.
    pub updates: bool,
    /// What containers may mount.
    pub shares: Vec<Folder>,
    pub web_port: WebPort,
    /// After how long without work the machine stands still.
    pub auto_pause: AutoPause,
    pub locale: String,
}

impl Values {
    fn defaults(host: HostFacts) -> Values {
        Values {
            cpus: (host.cpus / 2).max(2).min(host.cpus.max(1)),
            memory_mib: (host.memory_mib / 4).clamp(1024, 8192),
            disk_gib: 64,
            link: LinkChoice::Auto,
            network: NetworkKind::Link,
            accelerator: None,
            accelerator_order: Vec::new(),
            qemu: None,
            boot_deadline: None,
            engine_deadline: Duration::from_secs(60),
            registry_mirrors: Vec::new(),
            insecure_registries: Vec::new(),
            proxy: ProxyChoice::System,
            http_proxy: String::new(),
            https_proxy: String::new(),
            no_proxy: String::new(),
            container_http_proxy: String::new(),
            container_https_proxy: String::new(),
            container_no_proxy: String::new(),
            agent_log: String::new(),
            docker_context: true,
            var_run_docker_sock: false,
            listen: Vec::new(),
            updates: true,
            shares: vec!["~".parse().expect("the home folder")],
            web_port: WebPort::Auto,
            auto_pause: AutoPause::default(),
            locale: "auto".to_owned(),
        }
    }
}

/// When a change comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    AtOnce,
    AtNextStart,
}

/// One setting as `berth config list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SettingEntry"))]
pub struct Entry {
    pub name: String,
    /// Without passwords of URLs, unlike [`Settings::get`].
    pub value: String,
    pub default: String,
    /// Set by the user, be it to the default's value.
    pub is_set: bool,
    /// One or two sentences in English, with the unit.
    pub description: String,
    pub takes_effect: Takes,
    /// What the machine that is there was started with, where that is another value: this one waits for the next start. Without
    /// passwords of URLs, so that it may look the same.
    #[serde(default)]
    pub in_force: Option<String>,
}

/// The values in force and which of them the user set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    values: Values,
    set: BTreeMap<&'static str, String>,
    host: HostFacts,
}

impl std::ops::Deref for Settings {
    type Target = Values;
    fn deref(&self) -> &Values {
        &self.values
    }
}

impl Settings {
    /// Only defaults.
    pub fn of_host(host: HostFacts) -> Settings {
        Settings { values: Values::defaults(host), set: BTreeMap::new(), host }
    }

    /// The settings in `file`; defaults when there is none.
    pub fn load(file: &Path) -> Result<Settings> {
        let mut settings = Settings::of_host(HostFacts::read());
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(settings),
            Err(source) => return Err(Error::File { action: "read", path: file.to_path_buf(), source }),
        };
        let bad = |reason: String| Error::BadSettingsFile { path: file.to_path_buf(), reason };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| bad(error.message().to_owned()))?;
        for (name, value) in &table {
            let text = keys::text_of(value).ok_or_else(|| bad(format!("`{name}` has a value of no known kind")))?;
            settings.set(name, &text).map_err(|error| bad(error.to_string()))?;
        }
        Ok(settings)
    }

    /// As [`Settings::load`]; defaults, and a word in the log, also when the file cannot be read.
    pub fn load_or_default(file: &Path) -> Settings {
        Settings::load(file).unwrap_or_else(|error| {
            tracing::warn!(error = %error.chain(), "defaults are used");
            Settings::of_host(HostFacts::read())
        })
    }

    /// Changes one value in the user's file; `None` takes it back to its default. Whoever else changes one meanwhile, in whatever
    /// process, waits: each change begins with what the one before it wrote. Blocks.
    ///
    /// # Errors
    /// When there is no such setting, the value is none for it, the file cannot be written, or somebody keeps it locked.
    pub fn change(paths: &Paths, name: &str, value: Option<&str>, patience: Patience) -> Result<Settings> {
        let file = paths.settings();
        std::fs::create_dir_all(paths.config_dir()).map_err(Error::file("create the folder", paths.config_dir()))?;
        let (lock, path) = Settings::lock_file(paths)?;
        let _held = patience.lock(lock, &path)?;
        let mut settings = Settings::load(&file)?;
        match value {
            Some(value) => settings.set(name, value)?,
            None => settings.unset(name)?,
        }
        settings.save(&file)?;
        Ok(settings)
    }

    /// Who keeps others from changing the settings now.
    pub fn locked(paths: &Paths) -> Option<Held> {
        let (lock, path) = Settings::lock_file(paths).ok()?;
        locks::holder(&lock, &path)
    }

    /// What is locked for a change, and its path.
    fn lock_file(paths: &Paths) -> Result<(File, PathBuf)> {
        let (folder, lock) = (paths.config_dir(), paths.settings_lock());
        match sys::open_folder(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                sys::open_lock(&lock).map_err(Error::file("open", &lock)).map(|file| (file, lock))
            }
            opened => opened.map_err(Error::file("open the folder", folder)).map(|file| (file, folder.to_path_buf())),
        }
    }

    /// Writes the file anew: the old one stays until the new one is on disk.
    pub fn save(&self, file: &Path) -> Result<()> {
        let mut text = String::from("# Written by `berth config set`; `berth config list` explains every key.\n");
        for (name, value) in &self.set {
            let key = keys::find(name).expect("only known keys are ever set");
            text.push_str(&format!("{name} = {}\n", key.to_toml(value)));
        }
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).map_err(Error::file("create the folder", dir))?;
        }
        sys::write_private(file, text.as_bytes())
    }

    /// The value in force, as text that [`Settings::set`] accepts.
    pub fn get(&self, name: &str) -> Result<String> {
        Ok((known(name)?.show)(&self.values))
    }

    /// Sets one value from text; lists are separated by commas, an empty text or `default` takes the setting back.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let key = known(name)?;
        let text = text.trim();
        if text == "default" || (text.is_empty() && !key.may_be_empty) {
            return self.unset(name);
        }
        let mut values = self.values.clone();
        (key.parse)(&mut values, text, &self.host).map_err(|expected| Error::BadSetting {
            name: key.name,
            value: shown(key, text.to_owned()),
            expected,
        })?;
        self.values = values;
        self.set.insert(key.name, (key.show)(&self.values));
        Ok(())
    }

    /// Back to the default.
    pub fn unset(&mut self, name: &str) -> Result<()> {
        let key = known(name)?;
        self.set.remove(key.name);
        let mut values = Values::defaults(self.host);
        for (name, text) in &self.set {
            let key = keys::find(name).expect("only known keys are ever set");
            (key.parse)(&mut values, text, &self.host).expect("a value that was accepted once is accepted again");
        }
        self.values = values;
        Ok(())
    }

    /// One setting as [`Settings::list`] shows it.
    pub fn entry(&self, name: &str) -> Result<Entry> {
        let entry = self.list().into_iter().find(|entry| entry.name == name);
        entry.ok_or_else(|| Error::UnknownSetting { name: name.to_owned() })
    }

    /// All settings, in the order in which they are documented.
    pub fn list(&self) -> Vec<Entry> {
        let defaults = Values::defaults(self.host);
        KEYS.iter()
            .map(|key| Entry {
                name: key.name.to_owned(),
                value: shown(key, (key.show)(&self.values)),
                default: (key.show)(&defaults),
                is_set: self.set.contains_key(key.name),
                description: key.description.to_owned(),
                takes_effect: key.follows.takes(),
                in_force: None,
            })
            .collect()
    }

    /// As [`Settings::list`] and [`Settings::entry`] show it, beside what a machine was started with.
    pub(crate) fn beside(&self, in_force: Option<&InForce>, mut entry: Entry) -> Result<Entry> {
        let key = known(&entry.name)?;
        let now = (key.show)(&self.values);
        // An older Berth may have kept what takes effect at once now.
        let in_force = in_force.filter(|_| key.follows.takes() == Takes::AtNextStart);
        let then = in_force.and_then(|in_force| in_force.get(key.name)).filter(|then| *then != now);
        entry.in_force = then.map(|then| shown(key, then.to_owned()));
        Ok(entry)
    }
}

/// `text` for people and logs: without the passwords of URLs.
fn shown(key: &Key, text: String) -> String {
    if key.name.ends_with("_proxy") || text.contains("://") { mask_credentials(&text) } else { text }
}

fn known(name: &str) -> Result<&'static Key> {
    keys::find(name).ok_or_else(|| Error::UnknownSetting { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostFacts = HostFacts { cpus: 8, memory_mib: 16384 };

    fn refused(name: &str, value: &str) -> String {
        Settings::of_host(HOST).set(name, value).unwrap_err().to_string()
    }

    #[test]
    fn defaults_follow_the_host() {
        let settings = Settings::of_host(HOST);
        assert_eq!((settings.cpus, settings.memory_mib, settings.disk_gib), (4, 4096, 64));
        let small = Settings::of_host(HostFacts { cpus: 1, memory_mib: 512 });
        assert_eq!((small.cpus, small.memory_mib), (1, 1024));
    }

    #[test]
    fn what_is_set_survives_the_file_and_the_rest_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        let mut settings = Settings::load(&file).unwrap();
        settings.set("disk_gib", "80").unwrap();
        settings.set("registry_mirrors", "https://a.example, http://b.example:5000").unwrap();
        settings.set("docker_context", "no").unwrap();
        settings.set("boot_deadline", "1500ms").unwrap();
        settings.save(&file).unwrap();
        assert_eq!(Settings::load(&file).unwrap(), settings);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("disk_gib = 80\n"), "{text}");
        assert!(text.contains(r#"registry_mirrors = ["https://a.example", "http://b.example:5000"]"#), "{text}");
        assert!(!text.contains("memory_mib"), "{text}");

        settings.unset("disk_gib").unwrap();
        assert_eq!(settings.disk_gib, 64);
        assert_eq!(settings.boot_deadline, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path()).unwrap();
        for round in 1..=20_u32 {
            let changes = [("disk_gib", 100 + round), ("memory_mib", 1000 + round)]
                .map(|(name, value)| (name, value.to_string()));
            let together = std::sync::Barrier::new(changes.len());
            std::thread::scope(|scope| {
                for (name, value) in &changes {
                    scope.spawn(|| {
                        together.wait();
                        Settings::change(&paths, name, Some(value), Patience::default()).unwrap();
                    });
                }
            });
            let settings = Settings::load(&paths.settings()).unwrap();
            for (name, value) in &changes {
                assert_eq!(settings.get(name).unwrap(), *value, "round {round}");
            }
        }
    }

    /// Root's change (`sudo -E`) leaves nothing that keeps the user from the next one.
    #[cfg(unix)]
    #[test]
    fn a_change_leaves_nothing_of_ones_own_in_anothers_folder() {
        use std::os::unix::fs::{MetadataExt, chown};
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path()).unwrap();
        std::fs::create_dir_all(paths.config_dir()).unwrap();
        // Only root can give files away; for others the folder is their own.
        let _ = chown(paths.config_dir(), Some(4321), Some(4321));
        let owner = std::fs::metadata(paths.config_dir()).unwrap().uid();
        Settings::change(&paths, "disk_gib", Some("100"), Patience::default()).unwrap();
        let files: Vec<_> = std::fs::read_dir(paths.config_dir()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.iter().map(std::fs::DirEntry::path).collect::<Vec<_>>(), [paths.settings()]);
        assert_eq!(files[0].metadata().unwrap().uid(), owner);
    }

    #[test]
    fn every_value_shown_is_accepted() {
        let mut settings = Settings::of_host(HOST);
        for entry in settings.list() {
            settings.set(&entry.name, &entry.value).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            assert!(entry.description.len() > 20, "{}", entry.name);
        }
    }

    #[test]
    fn bad_values_are_refused_in_one_clear_line() {
        assert_eq!(refused("cpus", "many"), "bad value `many` for cpus: a number from 1 to 8");
        assert_eq!(refused("cpus", "9"), "bad value `9` for cpus: a number from 1 to 8");
        assert_eq!(refused("memory_mib", "10"), "bad value `10` for memory_mib: a number from 512 to 16384");
        assert_eq!(refused("network", "bridge"), "bad value `bridge` for network: one of link, nic");
        assert_eq!(refused("link", "cable"), "bad value `cable` for link: one of auto, vsock, serial");
        assert_eq!(
            refused("boot_deadline", "-1s"),
            "bad value `-1s` for boot_deadline: a time such as 500ms, 20s or 2m, or auto"
        );
        assert_eq!(refused("colour", "red"), "there is no setting `colour`: `berth config list` shows them all");
        assert!(refused("registry_mirrors", "ftp://x").contains("http"));
    }

    #[test]
    fn what_the_engine_would_refuse_is_refused_here_by_name() {
        for bad in ["https://m.example?x", "https://m.example#x", "https://xxxxx:xxxxx@m.example", "https://"] {
            let error =
                refused("registry_mirrors", &format!("https://good.example,{}", bad.replace("xxxxx", "hunter2")));
            assert!(!error.contains("hunter2"), "{error}");
            assert!(
                error.contains("for registry_mirrors") && error.contains(&format!("`{bad}` is no mirror")),
                "{error}"
            );
        }
        for bad in ["10.0.0.0/33", "reg.example/path", "http://reg.example", "reg.example:port"] {
            let error = refused("insecure_registries", &format!("reg.example:5000,{bad}"));
            assert!(
                error.contains("for insecure_registries") && error.contains(&format!("`{bad}` is no reg")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_log_filter_is_checked() {
        let mut settings = Settings::of_host(HOST);
        for good in ["debug", "info,containers=trace", "warn,images::registry=off", ""] {
            settings.set("agent_log", good).unwrap();
            assert_eq!(settings.agent_log, good);
        }
        for bad in ["loud", "info,=debug", "containers=", "a b=debug"] {
            assert!(refused("agent_log", bad).contains("such as info,containers=debug"), "{bad}");
        }
    }

    #[test]
    fn a_proxy_is_checked_and_its_password_is_neither_listed_nor_told() {
        for (bad, words) in [("proxy:3128", "http://proxy.example:3128"), ("https://u:hunter2@p:1", "http:// URL")] {
            let error = refused("https_proxy", bad);
            assert!(error.contains("https_proxy") && error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        let mut settings = Settings::of_host(HOST);
        settings.set("http_proxy", "http://u:hunter2@p:1").unwrap();
        assert_eq!(settings.get("http_proxy").unwrap(), "http://u:hunter2@p:1");
        let listed = settings.list().into_iter().find(|entry| entry.name == "http_proxy").unwrap();
        assert_eq!(listed.value, "http://xxxxx:xxxxx@p:1");
    }

    #[test]
    fn a_broken_file_is_named_and_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        std::fs::write(&file, "cpus = 2\nwheels = 4\n").unwrap();
        let error = Settings::load(&file).unwrap_err().to_string();
        assert!(error.contains("settings.toml") && error.contains("wheels"), "{error}");
        assert!(std::fs::read_to_string(&file).unwrap().contains("wheels"));
    }
}
