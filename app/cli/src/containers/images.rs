//! `berth pull`, `push` and `rmi`, with one bar per layer.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::ProgressDetail;
use bollard::query_parameters::{CreateImageOptions, PushImageOptions, RemoveImageOptions};
use futures_util::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use rust_i18n::t;

use super::args::{Pull, Push, Rmi};
use super::credentials;
use crate::Failure;
use crate::busy::Busy;

pub(crate) async fn pull(docker: &Docker, pull: Pull) -> Result<i32, Failure> {
    let platform = pull.platform.unwrap_or_default();
    if pull.all_tags && has_tag(&pull.reference) {
        return Err(Failure::new(1, t!("images.tag_and_all", reference = pull.reference).into_owned()));
    }
    let tags = if pull.all_tags { Tags::All } else { Tags::Named };
    fetch_tags(docker, &pull.reference, &platform, pull.quiet, tags).await?;
    if pull.quiet {
        println!("{}", pull.reference);
    }
    Ok(0)
}

/// Pulls `reference`; progress goes to standard error, so that `run`'s own output stays clean.
pub(super) async fn fetch(docker: &Docker, reference: &str, platform: &str, quiet: bool) -> Result<(), Failure> {
    fetch_tags(docker, reference, platform, quiet, Tags::Named).await
}

/// Which tags of a repository are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tags {
    /// The one that the reference names, or `latest`.
    Named,
    All,
}

async fn fetch_tags(docker: &Docker, reference: &str, platform: &str, quiet: bool, tags: Tags) -> Result<(), Failure> {
    let options = CreateImageOptions {
        from_image: Some(reference.to_owned()),
        tag: (tags == Tags::Named && !has_tag(reference)).then(|| "latest".to_owned()),
        platform: platform.to_owned(),
        ..CreateImageOptions::default()
    };
    // First: a helper may ask for a passphrase.
    let credentials = credentials::for_reference(reference)?;
    let mut busy = (!quiet).then(|| Busy::begin(t!("busy.pull", name = reference)));
    let mut lines = docker.create_image(Some(options), None, credentials);
    let mut bars = Bars::new(quiet);
    while let Some(line) = lines.next().await {
        // The layers' own bars say more.
        drop(busy.take());
        let line = line?;
        bars.show(line.id.as_deref(), line.status.as_deref(), line.progress_detail.as_ref());
    }
    Ok(())
}

fn has_tag(reference: &str) -> bool {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    name.contains([':', '@'])
}

pub(crate) async fn push(docker: &Docker, push: Push) -> Result<i32, Failure> {
    if push.all_tags && has_tag(&push.reference) {
        return Err(Failure::new(1, t!("images.tag_and_all", reference = push.reference).into_owned()));
    }
    let (name, tag) = match push.reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ if push.all_tags => (push.reference.as_str(), None),
        _ => (push.reference.as_str(), Some("latest")),
    };
    let options = PushImageOptions { tag: tag.map(str::to_owned), ..PushImageOptions::default() };
    let credentials = credentials::for_reference(&push.reference)?;
    let busy = (!push.quiet).then(|| Busy::begin(t!("busy.push", name = push.reference)));
    let mut lines = docker.push_image(name, Some(options), credentials);
    while let Some(line) = lines.next().await {
        let line = line?;
        // The engine's client does not say which layer a line is about: only what has an end is worth printing.
        let moving = line.progress_detail.as_ref().is_some_and(|detail| detail.total.is_some());
        if let (Some(busy), Some(status)) = (&busy, line.status.filter(|status| !moving && !status.is_empty())) {
            busy.aside(|| eprintln!("{status}"));
        }
    }
    drop(busy);
    if push.quiet {
        println!("{}", push.reference);
    }
    Ok(0)
}

pub(crate) async fn rmi(docker: &Docker, rmi: Rmi) -> Result<i32, Failure> {
    let mut code = 0;
    for image in &rmi.images {
        let options = RemoveImageOptions { force: rmi.force, noprune: rmi.no_prune, ..RemoveImageOptions::default() };
        let busy = Busy::begin(t!("busy.rmi", name = image));
        let removed = docker.remove_image(image, Some(options), None).await;
        drop(busy);
        match removed {
            Ok(done) => {
                for item in done {
                    item.untagged.iter().for_each(|name| println!("Untagged: {name}"));
                    item.deleted.iter().for_each(|id| println!("Deleted: {id}"));
                }
            }
            Err(error) => {
                // `rmi -f` is content when there is nothing to remove, and says so, as docker's.
                if !(rmi.force && is_absent(&error)) {
                    code = 1;
                }
                eprintln!("{}", Failure::from(error));
            }
        }
    }
    Ok(code)
}

fn is_absent(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}

/// One bar per layer on a terminal; plain lines elsewhere.
struct Bars {
    quiet: bool,
    all: MultiProgress,
    by_id: HashMap<String, ProgressBar>,
}

impl Bars {
    fn new(quiet: bool) -> Self {
        Self { quiet, all: MultiProgress::new(), by_id: HashMap::new() }
    }

    fn show(&mut self, id: Option<&str>, status: Option<&str>, detail: Option<&ProgressDetail>) {
        let status = status.unwrap_or_default();
        if self.quiet || status.is_empty() {
            return;
        }
        let Some(id) = id.filter(|_| !self.all.is_hidden()) else {
            match id {
                // A line for every step of every layer says nothing to a log file: the ends do.
                Some(id) if detail.is_none_or(|detail| detail.total.is_none()) => eprintln!("{id}: {status}"),
                Some(_) => (),
                None => self.all.suspend(|| eprintln!("{status}")),
            }
            return;
        };
        let bar = self.by_id.entry(id.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::no_length());
            bar.set_style(style());
            bar.set_prefix(id.to_owned());
            bar
        });
        bar.set_message(status.to_owned());
        if let Some(detail) = detail
            && let Some(total) = detail.total
        {
            bar.set_length(u64::try_from(total).unwrap_or_default());
            bar.set_position(u64::try_from(detail.current.unwrap_or_default()).unwrap_or_default());
        }
        if matches!(status, "Pull complete" | "Already exists") {
            bar.abandon();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}: {msg:20} {bar:30} {bytes}/{total_bytes}").expect("the template is constant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag() {
        assert!(!has_tag("localhost:5000/busybox"));
        assert!(has_tag("localhost:5000/busybox:1") && has_tag("busybox@sha256:00"));
    }
}
