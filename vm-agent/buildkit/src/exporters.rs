//! What becomes of a build's result: an image of the engine's, or files and archives for the client.

use crate::filesend;
use crate::go_mode::{DIRECTORY, SYMLINK};
use crate::jobs::{Job, Solved};
use crate::sessions::Session;
use crate::{Kit, auth};
use bollard_buildkit_proto::fsutil::types::Stat;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use images::{ArchiveForm, ImageId, Reference, Wrapped};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

mod asked;
mod form;
mod pieces;
mod step;

use form::Form;
use pieces::written;
use step::Step;

/// What clients are told of the outputs.
pub(crate) type Exported = HashMap<String, String>;

/// One output of a build.
#[derive(Debug)]
pub(crate) struct Export {
    /// Its number among the outputs, by which the client knows where it goes.
    number: usize,
    to: To,
    /// Of an image.
    form: Form,
}

#[derive(Debug)]
enum To {
    /// An image of the engine's, under these names, which may go to their registries, too.
    Image {
        tags: Vec<Reference>,
        push: bool,
        /// They get what is pushed without a tag.
        by_digest: bool,
    },
    /// The files, into a directory of the client's.
    Folder {
        /// In a directory that is named after what they are for.
        split: bool,
    },
    /// The files as an archive.
    Tar,
    /// The image as an archive, with these names in it.
    Archive(ArchiveForm, Vec<Reference>),
}

impl Export {
    /// As people are told of it.
    fn name(&self) -> &'static str {
        match &self.to {
            To::Image { .. } => "exporting to image",
            To::Folder { .. } => "exporting to client directory",
            To::Tar => "exporting to client tarball",
            To::Archive(ArchiveForm::Docker, _) => "exporting to docker image format",
            To::Archive(ArchiveForm::Oci, _) => "exporting to oci image format",
        }
    }

    /// Carries it out, as a step of its own.
    pub(crate) async fn carry_out(&self, kit: &Kit, job: &Job, solved: &Solved) -> Result<Exported, Status> {
        let step = Step { progress: &job.progress, number: job.progress.begin(self.name().to_owned()) };
        let exported = self.export(kit, job, solved, &step).await;
        job.progress.end(step.number, exported.as_ref().err().map(Status::message));
        exported
    }

    async fn export(&self, kit: &Kit, job: &Job, solved: &Solved, step: &Step<'_>) -> Result<Exported, Status> {
        let services = &kit.0.services;
        let image = &self.clamped(kit, solved, step).await?;
        let seconds = solved.time.map(jiff::Timestamp::as_second);
        match &self.to {
            To::Image { tags, push, by_digest } => {
                step.done("exporting layers");
                step.done(&format!("writing image {image}"));
                let names = if *push && *by_digest { &[][..] } else { &tags[..] };
                let tagged = services.builds.tag(image, names).await;
                tagged.map_err(|error| Status::unknown(format!("failed to tag the image: {error}")))?;
                for name in names {
                    step.done(&format!("naming to {name}"));
                }
                let mut told = describe(image, tags);
                if *push {
                    let wrapped = self.wrapped(kit, image, solved.inherited, step).await?;
                    let digest = wrapped.manifest();
                    let named = |name: &Reference| if *by_digest { name.with_digest(digest) } else { name.clone() };
                    let names: Vec<Reference> = tags.iter().map(named).collect();
                    self.push(kit, job, &wrapped, &names, step).await?;
                    // Clients name by it what they pushed.
                    told.insert("containerimage.digest".to_owned(), digest.to_string());
                }
                Ok(told)
            }
            To::Folder { split } => {
                let session = self.session(kit, job).await?;
                let root = services.builds.files(image).await.map_err(unknown)?;
                let platform = services.images.image(image).map_err(unknown)?.platform().to_string();
                let (what, below) = match split {
                    true => (format!("copying files {platform}"), Some(platform.replace('/', "_"))),
                    false => ("copying files".to_owned(), None),
                };
                let date = move |stat: Stat| match seconds {
                    Some(seconds) => Stat { mod_time: seconds.saturating_mul(1_000_000_000), ..stat },
                    None => stat,
                };
                let directory = |path: &String| Stat { path: path.clone(), mode: DIRECTORY | 0o755, ..Stat::default() };
                let (first, told) = (below.as_ref().map(directory).map(date), step.transfer(what.clone()));
                let change = move |stat| below.iter().fold(date(stat), |stat, below| lower(stat, below));
                filesend::tree(&session, self.number, root, first, change, told).await?;
                step.done(&what);
                Ok(HashMap::new())
            }
            To::Tar => {
                let session = self.session(kit, job).await?;
                let root = services.builds.files(image).await.map_err(unknown)?;
                let pieces = written(move |out| {
                    layers::Layers::export_dated(root.as_fd(), seconds, out).map_err(io::Error::other)
                });
                self.send(&session, pieces, step).await?;
                Ok(HashMap::new())
            }
            To::Archive(form, tags) => {
                let session = self.session(kit, job).await?;
                let wrapped = self.wrapped(kit, image, solved.inherited, step).await?;
                let pieces = services.images.archive(&wrapped, tags.clone(), *form);
                self.send(&session, pieces, step).await?;
                let mut told = describe(image, tags);
                // What its index names.
                told.insert("containerimage.digest".to_owned(), wrapped.manifest().to_string());
                Ok(told)
            }
        }
    }

    /// The image, or the same without what is younger than the time that was chosen.
    async fn clamped(&self, kit: &Kit, solved: &Solved, step: &Step<'_>) -> Result<ImageId, Status> {
        if !self.form.clamps {
            return Ok(solved.image);
        }
        let Some(time) = solved.time else {
            step.warn(
                "rewrite-timestamp: no time is chosen (--build-arg SOURCE_DATE_EPOCH=SECONDS): files keep theirs",
            );
            return Ok(solved.image);
        };
        let builds = &kit.0.services.builds;
        let clamping = builds.clamp(&solved.image, solved.inherited, time, Arc::clone(&solved.kept));
        let what = format!("rewriting layers with source-date-epoch {} ({time})", time.as_second());
        step.during(&what, clamping).await.map_err(unknown)
    }

    /// The image as it leaves.
    async fn wrapped(&self, kit: &Kit, image: &ImageId, inherited: usize, step: &Step<'_>) -> Result<Wrapped, Status> {
        let images = &kit.0.services.images;
        let platform = images.image(image).map_err(unknown)?.platform();
        let wrapping = self.form.wrapping(&platform, inherited);
        let wrapped = images.wrap(image, &wrapping);
        match wrapping.layers {
            Some(_) => step.during("compressing layers", wrapped).await,
            None => wrapped.await,
        }
        .map_err(unknown)
    }

    /// Pushes every name to its registry, with the client's credentials.
    async fn push(
        &self,
        kit: &Kit,
        job: &Job,
        image: &Wrapped,
        tags: &[Reference],
        step: &Step<'_>,
    ) -> Result<(), Status> {
        let images = &kit.0.services.images;
        let session = self.session(kit, job).await?;
        for name in tags {
            let auth = auth::credentials(&session, &name.domain).await;
            let progress = step.sink();
            let pushing: BoxFuture<'_, _> = Box::pin(images.push_wrapped(image, name, &auth, &progress));
            pushing.await.map_err(|error| Status::unknown(format!("failed to push {name}: {error}")))?;
            step.done(&format!("pushing manifest for {name}"));
        }
        Ok(())
    }

    async fn session(&self, kit: &Kit, job: &Job) -> Result<Arc<Session>, Status> {
        kit.0.sessions.get(&job.session).await
    }

    async fn send(
        &self,
        session: &Session,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        step: &Step<'_>,
    ) -> Result<(), Status> {
        filesend::bytes(session, self.number, pieces, step.transfer("sending tarball".to_owned())).await?;
        step.done("sending tarball");
        Ok(())
    }
}

/// What it is within a directory that everything is put into.
fn lower(mut stat: Stat, directory: &str) -> Stat {
    stat.path = format!("{directory}/{}", stat.path);
    // Links to where they are from, and symbolic ones from the root.
    if stat.linkname.starts_with('/') {
        stat.linkname = format!("/{directory}{}", stat.linkname);
    } else if !stat.linkname.is_empty() && stat.mode & SYMLINK == 0 {
        stat.linkname = format!("{directory}/{}", stat.linkname);
    }
    stat
}

fn unknown(error: impl std::fmt::Display) -> Status {
    Status::unknown(error.to_string())
}

fn describe(image: &ImageId, tags: &[Reference]) -> Exported {
    let mut answer = HashMap::from([
        ("containerimage.digest".to_owned(), image.to_string()),
        ("containerimage.config.digest".to_owned(), image.to_string()),
    ]);
    if !tags.is_empty() {
        let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
        answer.insert("image.name".to_owned(), names.join(","));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_into_a_directory() {
        let link = |mode, linkname: &str| {
            let stat = Stat { path: "a/b".to_owned(), mode, linkname: linkname.to_owned(), ..Stat::default() };
            let lowered = lower(stat, "p");
            assert_eq!(lowered.path, "p/a/b");
            lowered.linkname
        };
        for (mode, linkname, expect) in
            [(0o644, "", ""), (0o644, "a/c", "p/a/c"), (SYMLINK, "../c", "../c"), (SYMLINK, "/c", "/p/c")]
        {
            assert_eq!(link(mode, linkname), expect);
        }
    }
}
