//! Clients that follow a build step by step, and give it its files when it needs them, as those of BuildKit's protocol do.

use crate::dockerfile::{Instruction, Stage};
use crate::{Error, Result};
use containers::changes::Change;
use images::cache::Cache;
use images::{Auth, Progress, Reference};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::UnixStream;

/// What is not there at once.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A step as people are told of it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// `[build 2/5] RUN make`
    pub name: String,
    /// Where the Dockerfile says so; nothing for what it does not say itself.
    pub lines: Option<RangeInclusive<usize>>,
}

/// The client of a build. Several steps may be under way at once: each is told of by its number.
pub trait Watch: Debug + Send + Sync {
    /// A step begins; the number stands for it from now on.
    fn begin(&self, step: Shown) -> usize;

    /// It was made already.
    fn cached(&self, step: usize);

    /// Its command says something, to its standard error or output.
    fn say(&self, step: usize, bytes: &[u8], is_error: bool);

    /// How far a download has come.
    fn progress(&self, step: usize, progress: Progress);

    fn end(&self, step: usize, error: Option<&Error>);

    /// What did not go as it should in a step, and does not end it.
    fn warn(&self, step: usize, text: &str);

    /// The caches that steps may be taken from, which are looked for when they are first asked for. One that cannot be had is
    /// told of, and left out.
    fn caches(&self) -> Later<'_, &[Cache]>;

    /// The directory of the build context, which is fetched when the first step needs it. It stays as it is until the build ends, and has
    /// at least what is `wanted` of it: paths from its root, which may have wildcards; an empty one is all.
    fn context<'a>(&'a self, wanted: &'a [String]) -> Later<'a, Result<PathBuf>>;

    /// What stands for an image that a Dockerfile names, if the client says so (`--build-context`).
    fn named(&self, name: &str) -> Option<String>;

    /// The directory that [`named`](Watch::named) says: `local:NAME` for one that the client has, or an address. It stays as the context does.
    fn directory<'a>(&'a self, given: &'a str) -> Later<'a, Result<PathBuf>>;

    /// Whether a directory that it gave, as the context or as another one, is kept for a next build of the same.
    fn is_kept<'a>(&'a self, path: &'a Path) -> Later<'a, bool>;

    /// A secret that the client has under that name.
    fn secret<'a>(&'a self, id: &'a str) -> Later<'a, Result<Option<Vec<u8>>>>;

    /// The SSH agent that the client lends to its build under that name; empty for the one it always has.
    fn agent<'a>(&'a self, id: &'a str) -> Later<'a, Result<Arc<dyn Agent>>>;

    /// Credentials for an image's registry.
    fn credentials<'a>(&'a self, reference: &'a Reference) -> Later<'a, Auth>;
}

/// A client's SSH agent.
pub trait Agent: Debug + Send + Sync {
    /// Lets the other end of the stream talk to it, until either has said everything.
    fn talk(&self, stream: UnixStream) -> Later<'static, ()>;
}

/// The client of a build with the step that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) client: Arc<dyn Watch>,
    step: Arc<AtomicUsize>,
    is_under_way: Arc<AtomicBool>,
}

impl Watched {
    pub(crate) fn new(client: Arc<dyn Watch>) -> Watched {
        Watched { client, step: Arc::default(), is_under_way: Arc::default() }
    }

    pub(crate) fn begin(&self, step: Shown) {
        self.step.store(self.client.begin(step), Ordering::Relaxed);
        self.is_under_way.store(true, Ordering::Relaxed);
    }

    /// Steps that are not shown can be, too: they are none of the client's.
    pub(crate) fn cached(&self) {
        if self.is_under_way.load(Ordering::Relaxed) {
            self.client.cached(self.step());
        }
    }

    /// A step that is not shown has no place for it.
    pub(crate) fn warn(&self, text: &str) {
        match self.is_under_way.load(Ordering::Relaxed) {
            true => self.client.warn(self.step(), text),
            false => tracing::warn!("{text}"),
        }
    }

    pub(crate) fn end<T>(&self, result: &Result<T>) {
        self.is_under_way.store(false, Ordering::Relaxed);
        self.client.end(self.step(), result.as_ref().err());
    }

    pub(crate) fn step(&self) -> usize {
        self.step.load(Ordering::Relaxed)
    }
}

/// Where a build has come to within a stage.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// With a space behind it, if there is one.
    stage: String,
    index: usize,
    total: usize,
}

impl Place {
    /// At the beginning of a stage. Of [`several`] stages even those without a name have one.
    pub(crate) fn new(stage: &Stage, number: usize, several: bool, on_image: bool) -> Place {
        let name = match &stage.name {
            Some(name) => format!("{name} "),
            None if several => format!("stage-{number} "),
            None => String::new(),
        };
        let steps = stage.steps.iter().filter(|step| is_shown(&step.instruction)).count();
        Place { stage: name, index: 0, total: usize::from(on_image) + steps }
    }

    /// The base image has steps for the builds on top of it.
    pub(crate) fn add<'a>(&mut self, instructions: impl Iterator<Item = &'a Instruction>) {
        self.total += instructions.filter(|instruction| is_shown(instruction)).count();
    }

    /// The name of the next step.
    pub(crate) fn next(&mut self, text: &str) -> String {
        self.index += 1;
        let (index, total) = (self.index, self.total);
        let width = total.to_string().len();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let text = format!("{} {rest}", name.to_uppercase());
        format!("[{}{index:>width$}/{total}] {}", self.stage, text.trim_end())
    }
}

/// Steps that only describe the image are not worth a line.
pub(crate) fn is_shown(instruction: &Instruction) -> bool {
    match instruction {
        Instruction::Run(_) | Instruction::Copy(_) | Instruction::Change(Change::Workdir(_)) => true,
        Instruction::Arg(_) | Instruction::Maintainer(_) | Instruction::Shell(_) | Instruction::Change(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::Dockerfile;
    use crate::plan::several;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text).expect("valid")
    }

    #[test]
    fn steps_are_numbered_as_buildkit_does() {
        let parsed = parse("FROM a\nENV x=y\nRUN b\nworkdir /c\nCMD d\nCOPY e f\n");
        let stage = &parsed.stages[0];
        let mut place = Place::new(stage, 0, several(&parsed), true);
        assert_eq!(place.next("FROM a"), "[1/4] FROM a");
        assert_eq!(place.next("workdir /c"), "[2/4] WORKDIR /c");
        assert_eq!(Place::new(stage, 0, true, true).next("FROM a"), "[stage-0 1/4] FROM a");
        let many = parse(&format!("FROM scratch AS x\n{}", "RUN a\n".repeat(10)));
        assert_eq!(Place::new(&many.stages[0], 1, true, false).next("RUN a"), "[x  1/10] RUN a");
    }
}
