//! A setting is changed, and what follows from it at once follows: with a daemon or without one.

use super::well_known::WellKnown;
use super::{Shared, keep_context};
use crate::Result;
use crate::locks::Patience;
use crate::machine;
use crate::machine::record::AcceleratorMemory;
use crate::paths::Paths;
use crate::settings::{Entry, Settings, WebPort};
use crate::tls::Security;

/// Changes the setting `name` while no daemon runs; `None` takes it back to its default.
///
/// # Errors
/// When there is no such setting, the value is none for it, or what follows from it fails, when the value is kept; when somebody keeps the settings locked.
pub fn change_setting(paths: &Paths, name: &str, value: Option<&str>, patience: Patience) -> Result<Entry> {
    paths.create()?;
    let settings = Settings::change(paths, name, value, patience)?;
    if name == "listen" && settings.listen.iter().any(|address| address.is_tls()) {
        // The next daemon would only say it in its status.
        Security::new(paths).config()?;
    }
    let unattended = WellKnown::new(paths);
    follow(paths, &settings, name, || unattended.leave())
}

impl Shared {
    /// As [`change_setting`], in the daemon, where more follows. It is not to be given up half-way: what is saved and not followed would
    /// leave open what the user believes to be shut.
    pub(super) async fn change_setting(&self, name: String, value: Option<String>) -> Result<Entry> {
        let (paths, well_known, in_force) = (self.paths.clone(), self.well_known.clone(), self.machine.in_force());
        let is_registry = name == "registry_mirrors" || name == "insecure_registries";
        let is_proxy = ["proxy", "http_proxy", "https_proxy", "no_proxy"].contains(&name.as_str());
        let (is_listen, is_web_port) = (name == "listen", name == "web_port");
        let entry = machine::blocking(move || {
            let settings = Settings::change(&paths, &name, value.as_deref(), Patience::default())?;
            let entry = follow(&paths, &settings, &name, || well_known.follow_settings())?;
            settings.beside(in_force.as_ref(), entry)
        });
        let entry = entry.await?;
        if is_registry && let Some(guest) = self.machine.guest() {
            let file = self.paths.settings();
            let follow = move || {
                let mut failure = None;
                guest.set_registries(|| match Settings::load(&file) {
                    Ok(settings) => Some(machine::boot::registries(&settings)),
                    Err(error) => {
                        failure = Some(error);
                        None
                    }
                });
                failure.map_or(Ok(()), Err)
            };
            machine::blocking(follow).await?;
        }
        if is_proxy && let Some(guest) = self.machine.guest() {
            let file = self.paths.settings();
            guest.follow_proxies(machine::blocking(move || Settings::load(&file))).await?;
        }
        if is_listen {
            self.tcp.follow_settings().await?;
        }
        if is_web_port {
            // Its parser has accepted it.
            self.web.choose(entry.value.parse().unwrap_or(WebPort::Off));
        }
        Ok(entry)
    }
}

/// What follows from a change of `name` that is in `settings`; `well_known` does it for docker's own path, which leads only to a
/// daemon that runs.
fn follow(paths: &Paths, settings: &Settings, name: &str, well_known: impl FnOnce() -> Result<()>) -> Result<Entry> {
    match name {
        "docker_context" => keep_context(paths)?,
        "var_run_docker_sock" => well_known()?,
        // Whoever chooses anew wants it tried anew.
        "accelerator" | "accelerator_order" => AcceleratorMemory::forget(&paths.accelerator_memory())?,
        _ => {}
    }
    settings.entry(name)
}
