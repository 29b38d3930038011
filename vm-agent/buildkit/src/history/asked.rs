//! What the engine's own clients ask about builds.

use super::plain::Printer;
use super::view::{Build, Step, Story};
use super::{Active, History, Told};
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use std::sync::Arc;

/// What of a build's words is wanted.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// What this step said alone, without anything before its lines; else all, as `--progress=plain` has it.
    pub step: Option<String>,
    /// What comes later of a build that runs, too, up to its end.
    pub follow: bool,
}

impl Active {
    fn story(&self) -> Story {
        let mut story = Story::default();
        story.add(&self.progress.so_far());
        story
    }
}

impl History {
    /// All builds, newest first.
    pub(crate) fn builds(&self) -> Vec<Build> {
        let (active, ended) = self.all();
        let active = active.iter().map(|active| Build::from(&active.story().counted(&active.record)));
        let mut builds: Vec<Build> = active.chain(ended.iter().map(|record| Build::from(&**record))).collect();
        builds.sort_by_key(|build| std::cmp::Reverse(build.created));
        builds
    }

    /// One build with its steps, if it is known.
    pub(crate) async fn build(&self, reference: &str) -> Option<(Build, Vec<Step>)> {
        if let Some(active) = self.active(reference) {
            let story = active.story();
            return Some((Build::from(&story.counted(&active.record)), story.into_steps()));
        }
        let record = self.ended(reference)?;
        let told = self.replay(reference)?;
        let add = |mut story: Story, told: StatusResponse| async move {
            story.add(&told);
            story
        };
        Some((Build::from(&*record), told.fold(Story::default(), add).await.into_steps()))
    }

    /// What a build told, in pieces, if it is known.
    pub(crate) fn log(&self, reference: &str, options: LogOptions) -> Option<BoxStream<'static, Bytes>> {
        let told: Told = match self.active(reference) {
            Some(active) if options.follow => Box::pin(active.progress.follow()),
            Some(active) => Box::pin(Arc::clone(&active.progress).up_to_now()),
            None => self.replay(reference)?,
        };
        let pieces = match options.step {
            Some(step) => told.map(move |told| Bytes::from(words_of(&step, &told))).boxed(),
            None => stream::unfold((told, Printer::default()), |(mut told, mut printer)| async move {
                let text = printer.print(&told.next().await?);
                Some((Bytes::from(text), (told, printer)))
            })
            .boxed(),
        };
        Some(pieces.filter(|piece| std::future::ready(!piece.is_empty())).boxed())
    }
}

/// What a step said.
fn words_of(step: &str, told: &StatusResponse) -> Vec<u8> {
    told.logs.iter().filter(|log| log.vertex == step).flat_map(|log| log.msg.iter().copied()).collect()
}
