//! RUN in a stage: what its result depends on, and its command from the first mount to the image.

use crate::cache::keys::Words;
use crate::dockerfile::{Invalid, Reason, Run};
use crate::error::{Error, Result};
use crate::mounts::{self, Prepared};
use crate::run::{self, Container, SCRIPT, Wanted};
use crate::stage::Building;
use engine_api::ContainerConfig;
use images::ImageId;
use std::sync::Arc;

/// What steps are told to run on, as in BuildKit.
const HOST: &str = "buildkitsandbox";

impl Building<'_, '_> {
    pub(crate) async fn run(&mut self, run: &Run) -> Result<()> {
        let mounts = run.mounts.iter().map(|text| mounts::parse(text, |word| self.expand(word)));
        let mounts = mounts.collect::<Result<Vec<_>>>()?;
        if !run.devices.is_empty() {
            let reason = "the --device option of RUN: this builder gives no devices to steps";
            return Err(Error::NotYet(reason.to_owned()));
        }
        let mut host = self.build.request.host.clone();
        let is_insecure = match run.security.as_deref() {
            None | Some("" | "sandbox") => false,
            Some("insecure") if !self.build.request.insecure => return Err(Error::NotAllowed("security.insecure")),
            Some("insecure") => true,
            // The Dockerfile was read with no other.
            Some(other) => return Err(Error::NotYet(format!("--security={other}: this builder does not have it"))),
        };
        host.privileged = is_insecure;
        match run.network.as_deref() {
            None | Some("" | "default") => {}
            Some("host") if !self.build.request.host_network => return Err(Error::NotAllowed("network.host")),
            Some(mode @ ("none" | "host")) => mode.clone_into(&mut host.network_mode),
            // The Dockerfile was read with no other.
            Some(other) => return Err(Invalid::from(Reason::Network(other.to_owned())).into()),
        }
        let words = run::words(run, &self.config);
        let from_mounts = self.mounts_made_from(&run.mounts, &mounts).await?;
        let arguments = self.arguments.for_cache(self.env());
        let is_watched = self.output.watch().is_some();
        let mut told = Vec::new();
        if !arguments.is_empty() {
            told.push(format!("|{}", arguments.len()));
            told.extend(arguments);
        }
        told.extend(from_mounts);
        if is_insecure {
            told.push("--security=insecure".to_owned());
        }
        // Docker's classic builder takes these for nothing that counts.
        if is_watched {
            told.extend(run::surroundings(&host));
        }
        // A script is what counts, not where it is put.
        told.extend(words.script.as_ref().map_or_else(|| words.command.clone(), |script| vec![script.clone()]));
        let mut made_from = self.made_from(told);
        made_from.network_disabled = host.network_mode == "none";
        if is_watched {
            // What the command writes there is the image's, as in BuildKit, and so it is not the same step.
            made_from.volumes = None;
        }
        let _turn = self.turn(&made_from).await;
        if self.cached(&made_from, Words::default()).await? {
            return Ok(());
        }
        let prepared = Arc::new(self.prepare(&mounts, is_insecure).await?);
        host.mounts.get_or_insert_default().extend(prepared.given.iter().cloned());
        let mut env = self.variables().concat();
        let mut config = self.config.clone();
        // The same for every build, by whichever protocol: what a command makes of it is in the image, and other builds find that.
        HOST.clone_into(&mut config.hostname);
        env.insert(0, "HOSTNAME".to_owned());
        let containers = &self.services().containers;
        let own = containers::Step {
            id: None,
            mounts: prepared.own.clone(),
            variables: prepared.variables.clone(),
            without_volumes: is_watched,
        };
        let wanted = Wanted { command: words.command.clone(), env, host, own, holds: Arc::clone(&prepared) };
        let told = |error: Error| match error {
            // By the classic builder's protocol the step is told of beside it.
            Error::Containers(cause) if is_watched => Error::Process { command: words.command.join(" "), cause },
            error => error,
        };
        let notes = &self.build.builds.notes;
        let container = Container::create(containers, self.image(), &config, wanted, notes).await.map_err(told)?;
        let output = &self.output;
        // An image that is mounted is nothing that the user did.
        for warning in container.warnings.iter().filter(|_| prepared.given.is_empty()) {
            output.say(format!(" ---> [Warning] {warning}\n")).await;
        }
        output.say(format!(" ---> Running in {}\n", container.short())).await;
        let ended = self.carry_out(&container, &words, &prepared, &made_from).await;
        let (removes, forces) = (self.build.request.remove, self.build.request.force_remove);
        let short_id = container.short().to_owned();
        if forces || removes && ended.is_ok() {
            // The step has gone as it has, whatever becomes of its container.
            output
                .say(match container.remove().await {
                    Ok(()) => format!(" ---> Removed intermediate container {short_id}\n"),
                    Err(error) => format!("Error removing intermediate container {short_id}: {error}\n"),
                })
                .await;
        } else {
            container.keep();
        }
        self.adopt(ended.map_err(told)?)
    }

    async fn carry_out(
        &self,
        container: &Container,
        words: &run::Words,
        prepared: &Prepared,
        made_from: &ContainerConfig,
    ) -> Result<ImageId> {
        if let Some(script) = &words.script {
            container.put_script(script).await?;
        }
        match container.run(&self.output).await? {
            0 => {}
            code => return Err(Error::Command { command: words.command.join(" "), code }),
        }
        let draft = self.draft(made_from, Some(container.id.clone()));
        let script = words.script.iter().map(|_| SCRIPT.to_owned());
        let foreign = script.chain(prepared.targets.iter().cloned()).collect();
        Ok(self.services().containers.commit_step(&container.id, draft, foreign).await?)
    }
}
