//! `docker commit`: an image from what a container changed.

use crate::changes::change;
use crate::create::merge::merge;
use crate::handle::{Command, Handle};
use crate::lifecycle::to_the_end;
use crate::record::Record;
use crate::requests::CommitRequest;
use crate::service::{Inner, blocking};
use crate::{Containers, Error, Invalid, Result};
use ::events::{Event, Kind};
use engine_api::ContainerConfig;
use images::{Draft, ImageId};
use std::sync::Arc;

/// What every container has without having made it. dockerd keeps these in a layer of their own, below the container's.
pub(crate) const FOREIGN: [&str; 11] = [
    "/.dockerenv",
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
];

impl Containers {
    /// Makes an image of a container's changes on top of its image; returns the image's ID.
    ///
    /// The container stands still meanwhile if the request wants it and it runs.
    ///
    /// # Errors
    ///
    /// 409 for a container that is being removed, 400 for a change that dockerd does not take, 404 when the image is gone.
    pub async fn commit(&self, id: &str, request: CommitRequest) -> Result<ImageId> {
        let handle = self.inner.find(id)?;
        let inner = Arc::clone(&self.inner);
        // A client that goes away must not leave it paused.
        to_the_end(async move {
            if handle.view().is_going() {
                return Err(Error::CommitRemoving(handle.id.clone()));
            }
            // One that does not run needs no pause.
            let paused = request.pause && handle.ask(Command::Hold).await.is_ok();
            let made = inner.commit(&handle, request).await;
            if paused && let Err(error) = handle.ask(Command::Unpause).await {
                // It ended, or somebody else was faster.
                tracing::debug!(container = handle.id, %error, "a committed container was not to be resumed");
            }
            made
        })
        .await
    }
}

impl Containers {
    /// Makes an image of what a container changed that was a step of a build and has ended, just as `draft` describes it. `foreign`:
    /// paths of what the builder put into it for the step.
    ///
    /// # Errors
    ///
    /// 409 for a container that is being removed, 404 when the image is gone.
    pub async fn commit_step(&self, id: &str, draft: Draft, foreign: Vec<String>) -> Result<ImageId> {
        let handle = self.inner.find(id)?;
        let record = Arc::clone(&handle.view().record);
        self.inner.derive(&handle, &record, draft, foreign).await
    }
}

impl Inner {
    async fn derive(&self, handle: &Handle, record: &Record, draft: Draft, foreign: Vec<String>) -> Result<ImageId> {
        let base = match record.image.as_str() {
            // Made without an image.
            "" => None,
            id => Some(id.parse().map_err(|_| Error::NoSuchImage(record.image.clone()))?),
        };
        let (layers, upper, chain) = (self.services.layers.clone(), self.upper(&record.id).upper, record.chain.clone());
        let watch = handle.watch();
        let write = move |out: &mut dyn std::io::Write| {
            let foreign: Vec<&str> = FOREIGN.into_iter().chain(foreign.iter().map(String::as_str)).collect();
            layers.export_changes(&upper, &chain, &foreign, out)?;
            // The files of a removed one vanish while they are read. It counts as removed before they do.
            match watch.borrow().is_going() {
                false => Ok(()),
                true => Err(layers::Error::Read(std::io::Error::other("the container is being removed"))),
            }
        };
        let images = &self.services.images;
        images.derive(base.as_ref(), draft, write).await.map_err(|error| match handle.view().is_going() {
            true => Error::CommitRemoving(record.id.clone()),
            false => error.into(),
        })
    }

    async fn commit(&self, handle: &Handle, request: CommitRequest) -> Result<ImageId> {
        let record = Arc::clone(&handle.view().record);
        let CommitRequest { reference, author, comment, config, changes, engine, .. } = request;
        let of = Arc::clone(&record);
        // The client's changes take as long as they are complicated.
        let config = blocking(move || configuration(config, &changes, &of)).await?;
        let labels = config.labels.clone().unwrap_or_default();
        let json = |config: &ContainerConfig| serde_json::to_value(config).expect("a struct of plain fields");
        let draft = Draft {
            author,
            comment: comment.clone(),
            created_by: record.config.cmd.as_ref().map(|words| words.join(" ")).unwrap_or_default(),
            engine,
            config: json(&config),
            container: Some(record.id.clone()),
            container_config: json(&record.config),
            reference: reference.clone(),
            ..Draft::default()
        };
        let id = self.derive(handle, &record, draft, Vec::new()).await?;
        let name = id.to_string();
        let tell = |action: &str, reference: &str| {
            let event = Event::new(Kind::Image, action, name.as_str())
                .with_all(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
                .with("name", reference);
            self.services.events.emit(event);
        };
        tell("create", &name);
        let mut image_ref = String::new();
        if let Some(reference) = reference {
            image_ref = reference.or_latest().familiar();
            tell("tag", &image_ref);
        }
        let attributes = [("comment", comment), ("imageID", name.clone()), ("imageRef", image_ref)];
        self.emit_with(&record, "commit", &attributes);
        Ok(id)
    }
}

/// The image's configuration: the request's, or else the container's, with the changes; the container's fills the gaps.
fn configuration(given: Option<ContainerConfig>, changes: &[String], record: &Record) -> Result<ContainerConfig> {
    let mut config = given.unwrap_or_else(|| record.config.clone());
    change(&mut config, changes).map_err(Invalid::from)?;
    // Unlike at create, these two are not among what fills gaps.
    let (shell, on_build) = (config.shell.clone(), config.on_build.clone());
    let had_environment = config.env.is_some() || record.config.env.is_some();
    merge(&mut config, record.config.clone());
    (config.shell, config.on_build) = (shell, on_build);
    if !had_environment {
        config.env = None;
    }
    Ok(config)
}
