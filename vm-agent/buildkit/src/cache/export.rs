//! The steps of a build, written to caches elsewhere when it has ended.

use super::options::{Export, To};
use super::store::Store;
use crate::exporters::Exported;
use crate::jobs::{Job, Solved};
use crate::{Kit, auth};
use bollard_buildkit_proto::moby::buildkit::v1::{CacheOptionsEntry, VertexWarning};
use images::cache::{Target, Written};
use serde_json::json;
use std::sync::Arc;
use tonic::Status;

/// Where clients are told of the manifest of what was written.
const MANIFEST: &str = "cache.manifest";

/// What a client wants its steps written to.
#[derive(Debug)]
pub(crate) struct Wanted(Vec<Export>);

/// What is left of that when the image has its steps in itself.
#[derive(Debug)]
pub(crate) struct Prepared(Vec<Export>);

impl Wanted {
    /// Whether the steps of all stages are wanted.
    pub(crate) fn is_of_all(entries: &[CacheOptionsEntry]) -> bool {
        entries.iter().any(|entry| entry.attrs.get("mode").is_some_and(|mode| mode.eq_ignore_ascii_case("max")))
    }

    /// # Errors
    ///
    /// What is not carried out.
    pub(crate) fn new(entries: Vec<CacheOptionsEntry>) -> Result<Wanted, Status> {
        let mut known: Vec<CacheOptionsEntry> = Vec::new();
        for entry in entries {
            // Once is enough.
            if !known.contains(&entry) {
                known.push(entry);
            }
        }
        known.into_iter().map(Export::new).collect::<Result<_, _>>().map(Wanted)
    }

    /// Puts the steps of an image into it, if that is wanted.
    pub(crate) async fn prepare(
        self,
        kit: &Kit,
        job: &Job,
        solved: Option<Solved>,
    ) -> Result<(Prepared, Option<Solved>), Status> {
        let (inline, others): (Vec<Export>, Vec<Export>) =
            self.0.into_iter().partition(|export| matches!(export.to, To::Inline));
        let solved = match (inline.first(), solved) {
            (Some(export), Some(solved)) => Some(put_in(kit, job, solved, export).await?),
            (_, solved) => solved,
        };
        Ok((Prepared(others), solved))
    }
}

/// The image with its steps in it, as a step of its own.
async fn put_in(kit: &Kit, job: &Job, solved: Solved, export: &Export) -> Result<Solved, Status> {
    let (progress, images) = (&job.progress, &kit.0.services.images);
    let step = progress.begin("preparing layers for inline cache".to_owned());
    if export.all {
        let words =
            "an image has its own steps alone in it (mode=min): mode=max is for caches in registries and directories";
        progress.warn(VertexWarning {
            vertex: progress.digest(step),
            level: 1,
            short: words.as_bytes().to_vec(),
            ..VertexWarning::default()
        });
    }
    let made = images.with_steps(&solved.image, &solved.steps.of_the_result(), Arc::clone(&solved.kept)).await;
    let told = made.as_ref().err().map(ToString::to_string);
    progress.end(step, told.as_deref());
    match made {
        Ok(made) => Ok(Solved { image: made.unwrap_or(solved.image), ..solved }),
        Err(_) if export.ignores_errors => Ok(solved),
        Err(error) => Err(Status::unknown(error.to_string())),
    }
}

impl Prepared {
    /// Writes the steps, each cache as a step of its own; what clients are told.
    pub(crate) async fn carry_out(&self, kit: &Kit, job: &Job, solved: &Solved) -> Result<Exported, Status> {
        let mut exported = Exported::new();
        for export in &self.0 {
            let name = match export.to {
                To::Local(..) => "exporting cache to client directory",
                To::Inline | To::Registry(..) => "exporting cache to registry",
            };
            let step = job.progress.begin(name.to_owned());
            let written = export.write(kit, job, solved, step).await;
            job.progress.end(step, written.as_ref().err().map(Status::message));
            match written {
                Ok(Some(Written { media_type, digest, size })) => {
                    let told = json!({"mediaType": media_type, "digest": digest, "size": size}).to_string();
                    // By that the client finds what is in its directory.
                    if matches!(export.to, To::Local(..)) || !exported.contains_key(MANIFEST) {
                        exported.insert(MANIFEST.to_owned(), told);
                    }
                }
                Ok(None) => {}
                Err(_) if export.ignores_errors => {}
                Err(status) => return Err(status),
            }
        }
        Ok(exported)
    }
}

impl Export {
    async fn write(&self, kit: &Kit, job: &Job, solved: &Solved, step: usize) -> Result<Option<Written>, Status> {
        let images = &kit.0.services.images;
        let session = kit.0.sessions.get(&job.session).await?;
        let unknown = |error: images::Error| Status::unknown(error.to_string());
        let (target, form): (Arc<dyn Target>, _) = match &self.to {
            To::Inline => return Ok(None),
            To::Registry(reference, form) => {
                let auth = auth::credentials(&session, &reference.domain).await;
                (images.cache_target(reference, &auth).await.map_err(unknown)?, *form)
            }
            To::Local(directory, form) => (Arc::new(Store::new(&session, directory)?), *form),
        };
        let steps = if self.all { solved.steps.all.clone() } else { solved.steps.of_the_result() };
        let progress = &job.progress;
        let told = |what: &str, is_done: bool| progress.transfer(step, what, 0, 0, is_done);
        let written = images.write_cache(&steps, form, &*target, &told).await.map_err(unknown)?;
        if written.is_none() {
            progress.finish(step, "skipping cache export for empty result");
        }
        Ok(written)
    }
}
