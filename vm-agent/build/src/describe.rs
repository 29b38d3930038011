//! Steps that change what the image says about itself, or its files without a command: what they are made from, and the image that
//! they come to.

use crate::blocking;
use crate::cache::keys::Words;
use crate::dockerfile::Argument;
use crate::error::{Error, Result};
use crate::history;
use crate::layer::{self, Layer};
use crate::stage::Building;
use crate::transfer::Plan;
use containers::changes::{self, Budget, Change, SHELL};
use engine_api::{ContainerConfig, StrSlice};
use images::{Draft, Platform};
use layers::Digest;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// What a step does beside describing itself.
pub(crate) enum Work {
    /// Nothing.
    Describe,
    /// The working directory is made if need be.
    Directory(PathBuf),
    Copy(Box<Plan>),
}

impl Building<'_, '_> {
    pub(crate) async fn declare(&mut self, arguments: &[Argument]) -> Result<()> {
        let mut text = String::from("ARG");
        for Argument { name, value } in arguments {
            let value = value.as_ref().map(|value| self.expand(value)).transpose()?;
            text.push(' ');
            text.push_str(name);
            if let Some(value) = &value {
                text.push('=');
                text.push_str(value);
            }
            self.arguments.declare(name, value);
        }
        self.describe(text, Work::Describe).await
    }

    pub(crate) async fn change(&mut self, change: &Change, text: &str) -> Result<()> {
        let [env, outer] = self.variables();
        let budget = Budget::default();
        let change = changes::substitute(change.clone(), [&env, &outer], self.build.escape, &budget)?;
        let was_escaped = self.config.args_escaped;
        changes::apply(&mut self.config, change.clone(), &mut self.command_set, &budget)?;
        if self.output.watch().is_some() {
            // Nothing reads it, but it is a part of what BuildKit makes.
            self.config.args_escaped = was_escaped || matches!(change, Change::Cmd(_));
        }
        let directory = &self.config.working_dir;
        let work = match &change {
            Change::Workdir(_) => Work::Directory(PathBuf::from(directory.trim_start_matches('/'))),
            Change::Env(pairs) => {
                self.arguments.set(pairs.iter().map(|(name, _)| name.as_str()));
                Work::Describe
            }
            _ => Work::Describe,
        };
        self.describe(history::words(&change, &self.config, text), work).await
    }

    /// A step without a command: the image's words about it begin with `#(nop)`, which no shell carries out.
    pub(crate) async fn describe(&mut self, text: String, work: Work) -> Result<()> {
        self.describe_by(text, Words::default(), work).await
    }

    /// What such a step's image is made from.
    pub(crate) fn described(&self, mark: String) -> ContainerConfig {
        let shell = self.config.shell.as_ref().filter(|shell| !shell.is_empty());
        let mut words = shell.map_or_else(|| SHELL.map(str::to_owned).to_vec(), |shell| shell.to_vec());
        words.push(mark);
        self.made_from(words)
    }

    /// [`describe`](Building::describe) for a step that goes by other words elsewhere.
    pub(crate) async fn describe_by(&mut self, text: String, words: Words, work: Work) -> Result<()> {
        let made_from = self.described(match &work {
            Work::Describe => format!("#(nop)  {text}"),
            Work::Directory(_) | Work::Copy(_) => format!("#(nop) {text}"),
        });
        let _turn = self.turn(&made_from).await;
        if self.cached(&made_from, words).await? {
            return Ok(());
        }
        let draft = self.draft(&made_from, None);
        let id = match work {
            Work::Describe => self.services().images.amend(self.image().as_ref(), draft).await?,
            Work::Directory(path) => {
                let image = self.tree().await?;
                let missing = {
                    let (image, path) = (Arc::clone(&image), path.clone());
                    blocking(move || {
                        let refused = |error: std::io::Error| Error::Destination {
                            path: format!("/{}", path.display()),
                            reason: error.to_string(),
                        };
                        let found = image.follow(&path).map_err(refused)?;
                        match found.stat {
                            Some(_) if !found.is_directory() => Err(refused(rustix::io::Errno::NOTDIR.into())),
                            there => Ok(there.is_none()),
                        }
                    })
                    .await?
                };
                if missing {
                    // Whoever works there from then on.
                    let user = Some(self.config.user.as_str()).filter(|user| !user.is_empty());
                    let owner = user.map(|user| layer::worker(user, &image));
                    let made = owner.map_or(layer::ROOT, |(uid, gid)| layer::Made { uid, gid, ..layer::ROOT });
                    let write = move |out: &mut dyn std::io::Write| {
                        let mut layer = Layer::new(&image, out);
                        layer.directory(&path, made).and_then(|_| layer.finish()).map_err(layers::Error::Read)
                    };
                    self.services().images.derive(self.image().as_ref(), draft, write).await?
                } else {
                    self.services().images.amend(self.image().as_ref(), draft).await?
                }
            }
            Work::Copy(plan) => {
                let image = self.tree().await?;
                let write = move |out: &mut dyn std::io::Write| plan.write(&image, out).map_err(layers::Error::Read);
                self.services().images.derive(self.image().as_ref(), draft, write).await?
            }
        };
        self.adopt(id)
    }

    /// Until nobody else makes the same step. Where nothing is taken from the cache, there is nothing to wait for.
    pub(crate) async fn turn(&self, made_from: &ContainerConfig) -> Option<OwnedMutexGuard<()>> {
        if self.is_fresh() || self.foresees {
            return None;
        }
        let words = serde_json::to_vec(made_from).expect("a struct of plain fields");
        Some(self.build.builds.making.turn(Digest::of(&words)).await)
    }

    /// What it is made for, when it is made of nothing.
    pub(crate) fn platform(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }

    /// What the step's image is made from, as far as its parent does not say it.
    pub(crate) fn made_from(&self, words: Vec<String>) -> ContainerConfig {
        let image = self.image().map(|id| id.to_string()).unwrap_or_default();
        ContainerConfig { cmd: Some(StrSlice::from(words)), image, ..self.config.clone() }
    }

    pub(crate) fn draft(&self, made_from: &ContainerConfig, container: Option<String>) -> Draft {
        let json = |config: &ContainerConfig| serde_json::to_value(config).expect("a struct of plain fields");
        Draft {
            author: self.author.clone(),
            comment: String::new(),
            created_by: made_from.cmd.as_ref().map(|words| words.join(" ")).unwrap_or_default(),
            engine: self.build.request.engine.clone(),
            config: json(&self.config),
            container,
            container_config: json(made_from),
            platform: self.platform.clone(),
            keeper: Some(Arc::clone(&self.build.keeper)),
            reference: None,
        }
    }
}
