//! A setting is changed, and what follows from it at once follows: with a daemon or without one.

use super::well_known::WellKnown;
use super::{Shared, keep_context};
use crate::Result;
use crate::locks::Patience;
use crate::machine;
use crate::machine::record::AcceleratorMemory;
use crate::paths::Paths;
use crate::settings::{Entry, Follows, Settings, WebPort};
use crate::tls::Security;

/// Changes the setting `name` while no daemon runs; `None` takes it back to its default.
///
/// # Errors
/// When there is no such setting, the value is none for it, or what follows from it fails, when the value is kept; when somebody keeps the settings locked.
pub fn change_setting(paths: &Paths, name: &str, value: Option<&str>, patience: Patience) -> Result<Entry> {
    paths.create()?;
    let settings = Settings::change(paths, name, value, patience)?;
    let follows = Follows::of(name);
    if follows == Some(Follows::Listen) && settings.listen.iter().any(|address| address.is_tls()) {
        // The next daemon would only say it in its status.
        Security::new(paths).config()?;
    }
    let unattended = WellKnown::new(paths);
    follow(paths, follows, || unattended.leave())?;
    settings.entry(name)
}

impl Shared {
    /// As [`change_setting`], in the daemon, where more follows. It is not to be given up half-way: what is saved and not followed would
    /// leave open what the user believes to be shut.
    pub(super) async fn change_setting(&self, name: String, value: Option<String>) -> Result<Entry> {
        let (paths, well_known, in_force) = (self.paths.clone(), self.well_known.clone(), self.machine.in_force());
        let follows = Follows::of(&name);
        let entry = machine::blocking(move || {
            let settings = Settings::change(&paths, &name, value.as_deref(), Patience::default())?;
            follow(&paths, follows, || well_known.follow_settings())?;
            settings.beside(in_force.as_ref(), settings.entry(&name)?)
        });
        let entry = entry.await?;
        match follows {
            Some(Follows::Registries) => self.tell_registries().await?,
            Some(Follows::Proxies) => {
                if let Some(guest) = self.machine.guest() {
                    let file = self.paths.settings();
                    guest.follow_proxies(machine::blocking(move || Settings::load(&file))).await?;
                }
            }
            Some(Follows::Listen) => self.tcp.follow_settings().await?,
            // Its parser has accepted it.
            Some(Follows::WebPort) => self.web.choose(entry.value.parse().unwrap_or(WebPort::Off)),
            Some(
                Follows::NextStart
                | Follows::Accelerators
                | Follows::Reader
                | Follows::DockerContext
                | Follows::WellKnownSocket,
            )
            | None => {}
        }
        Ok(entry)
    }

    async fn tell_registries(&self) -> Result<()> {
        let Some(guest) = self.machine.guest() else { return Ok(()) };
        let file = self.paths.settings();
        let tell = move || {
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
        machine::blocking(tell).await
    }
}

/// What follows from a change that is kept, with a daemon or without one; `well_known` does it for docker's own path, which leads only to a
/// daemon that runs.
fn follow(paths: &Paths, follows: Option<Follows>, well_known: impl FnOnce() -> Result<()>) -> Result<()> {
    match follows {
        Some(Follows::DockerContext) => keep_context(paths),
        Some(Follows::WellKnownSocket) => well_known(),
        Some(Follows::Accelerators) => AcceleratorMemory::forget(&paths.accelerator_memory()),
        _ => Ok(()),
    }
}
