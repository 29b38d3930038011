//! What becomes of a build's result: an image of the engine's, or files and archives for the client.

use crate::filesend;
use crate::go_mode::{DIRECTORY, SYMLINK};
use crate::jobs::{Job, Solved};
use crate::sessions::Session;
use crate::{Kit, auth};
use bollard_buildkit_proto::fsutil::types::Stat;
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use images::{ArchiveForm, ImageId, Reference};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

mod pieces;
mod step;

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
}

#[derive(Debug)]
enum To {
    /// An image of the engine's, under these names, which may go to their registries, too.
    Image { tags: Vec<Reference>, push: bool },
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

fn not_yet(what: impl std::fmt::Display) -> Status {
    Status::unimplemented(format!("{what}: this builder does not have it yet"))
}

fn tags(value: &str) -> Result<Vec<Reference>, Status> {
    let mut tags = Vec::new();
    for name in value.split(',').filter(|name| !name.is_empty()) {
        let reference = Reference::parse(name)
            .map_err(|error| Status::invalid_argument(format!("failed to parse {name:?}: {error}")))?;
        if reference.digest.is_some() {
            return Err(Status::invalid_argument(format!("{name}: a tag cannot contain a digest")));
        }
        tags.push(reference.or_latest());
    }
    Ok(tags)
}

impl Export {
    pub(crate) fn new(number: usize, exporter: api::Exporter) -> Result<Export, Status> {
        let kind = exporter.r#type.as_str();
        let mut to = match kind {
            "moby" | "image" => To::Image { tags: Vec::new(), push: false },
            "local" => To::Folder { split: false },
            "tar" => To::Tar,
            "docker" => To::Archive(ArchiveForm::Docker, Vec::new()),
            "oci" => To::Archive(ArchiveForm::Oci, Vec::new()),
            other => return Err(Status::not_found(format!("exporter {other:?} could not be found"))),
        };
        for (name, value) in &exporter.attrs {
            let is_true = value.is_empty() || value == "true";
            match (&mut to, name.as_str()) {
                (To::Image { tags: names, .. } | To::Archive(_, names), "name") => *names = tags(value)?,
                (To::Image { push, .. }, "push") => *push = value.is_empty() || truth(name, value)?,
                // That is where images always are here; Compose asks for it by a word that BuildKit has not.
                (To::Image { .. }, "store" | "load") if is_true => {}
                // An image has one form here, and one digest.
                (To::Image { .. }, "unpack" | "prefer-image-digest") if value.is_empty() => {}
                (To::Image { .. }, "unpack" | "prefer-image-digest")
                | (To::Image { .. } | To::Archive(..), "oci-mediatypes") => drop(truth(name, value)?),
                (To::Archive(..), "tar") if is_true => {}
                (To::Folder { .. }, "mode") if value == "copy" => {}
                (To::Folder { split }, "platform-split") => *split = boolean(name, value)?,
                // An archive is split only where there are several platforms.
                (To::Tar, "platform-split") => drop(boolean(name, value)?),
                // There are none.
                (To::Folder { .. } | To::Tar, "attestation-prefix") => {}
                _ => return Err(not_yet(format_args!("the option {name}={value} of the output type={kind}"))),
            }
        }
        if matches!(&to, To::Image { tags, push: true } if tags.is_empty()) {
            return Err(Status::invalid_argument("tag is needed when pushing to registry"));
        }
        Ok(Export { number, to })
    }

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
        let (services, image) = (&kit.0.services, &solved.image);
        let seconds = solved.time.map(jiff::Timestamp::as_second);
        match &self.to {
            To::Image { tags, push } => {
                step.done("exporting layers");
                step.done(&format!("writing image {image}"));
                let tagged = services.builds.tag(image, tags).await;
                tagged.map_err(|error| Status::unknown(format!("failed to tag the image: {error}")))?;
                for name in tags {
                    step.done(&format!("naming to {name}"));
                }
                let mut told = describe(image, tags);
                if *push {
                    let digest = self.push(kit, job, image, tags, step).await?;
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
                let pieces = services.images.archive(image, tags.clone(), *form).map_err(unknown)?;
                self.send(&session, pieces, step).await?;
                let mut told = describe(image, tags);
                // What its index names.
                let manifest = services.images.image(image).map_err(unknown)?.manifest;
                told.insert("containerimage.digest".to_owned(), manifest.to_string());
                Ok(told)
            }
        }
    }

    /// Pushes every name to its registry, with the client's credentials; the digest that it has there.
    async fn push(
        &self,
        kit: &Kit,
        job: &Job,
        image: &ImageId,
        tags: &[Reference],
        step: &Step<'_>,
    ) -> Result<layers::Digest, Status> {
        let images = &kit.0.services.images;
        let session = self.session(kit, job).await?;
        for name in tags {
            let auth = auth::credentials(&session, &name.domain).await;
            let progress = step.sink();
            let pushing: BoxFuture<'_, _> = Box::pin(images.push_image(image, name, &auth, &progress));
            pushing.await.map_err(|error| Status::unknown(format!("failed to push {name}: {error}")))?;
            step.done(&format!("pushing manifest for {name}"));
        }
        Ok(images.image(image).map_err(unknown)?.manifest)
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

fn boolean(name: &str, value: &str) -> Result<bool, Status> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Status::invalid_argument(format!("non-bool value for {name}: {value}"))),
    }
}

/// The same for what is said of images.
fn truth(name: &str, value: &str) -> Result<bool, Status> {
    let words = || format!("non-bool value specified for {name}: strconv.ParseBool: parsing {value:?}: invalid syntax");
    boolean(name, value).map_err(|_| Status::invalid_argument(words()))
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

    #[test]
    fn outputs_have_options() {
        let export = |kind: &str, name: &str, value: &str| {
            let attrs = HashMap::from([(name.to_owned(), value.to_owned())]);
            Export::new(0, api::Exporter { r#type: kind.to_owned(), attrs })
        };
        let names = |export: Result<Export, Status>| match export.map(|export| export.to) {
            Ok(To::Image { tags: names, .. } | To::Archive(_, names)) => Some(names.len()),
            _ => None,
        };
        assert_eq!(names(export("moby", "name", "a,b:1")), Some(2));
        assert_eq!(names(export("oci", "name", "a")), Some(1));
        let pushes = |value: &str| {
            let attrs = HashMap::from(
                [("push", value), ("name", "a")].map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            Export::new(0, api::Exporter { r#type: "image".to_owned(), attrs })
                .map(|export| matches!(export.to, To::Image { push: true, .. }))
        };
        assert!(matches!((pushes("true"), pushes("false"), pushes("x")), (Ok(true), Ok(false), Err(_))));
        let told = |kind: &str, name: &str| export(kind, name, "x").err().map(|status| status.message().to_owned());
        for (kind, name) in [("image", "unpack"), ("moby", "prefer-image-digest"), ("oci", "oci-mediatypes")] {
            let words =
                format!("non-bool value specified for {name}: strconv.ParseBool: parsing \"x\": invalid syntax");
            assert_eq!(told(kind, name), Some(words));
            assert!(export(kind, name, "false").is_ok());
        }
        let nameless = export("image", "push", "true").map_err(|status| status.message().to_owned());
        assert_eq!(nameless.map(|_| ()), Err("tag is needed when pushing to registry".to_owned()));
        for word in ["store", "load"] {
            assert!(export("moby", word, "true").is_ok() && export("moby", word, "false").is_err());
        }
        assert!(export("local", "dest", "x").is_err() && export("moby", "name", "A").is_err());
        assert!(export("local", "mode", "copy").is_ok() && export("local", "mode", "delete").is_err());
        assert!(export("tar", "platform-split", "1").is_ok() && export("local", "platform-split", "x").is_err());
        assert!(export("docker", "tar", "true").is_ok() && export("oci", "tar", "false").is_err());
        let unknown = export("flying", "to", "x").map_err(|status| status.message().to_owned());
        assert_eq!(unknown.map(|_| ()), Err("exporter \"flying\" could not be found".to_owned()));
    }
}
