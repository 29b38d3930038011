//! The stages of one build, side by side, and what they share.

use crate::arguments::Arguments;
use crate::cache::Steps;
use crate::context::Context;
use crate::dockerfile::{self, Dockerfile, Instruction};
use crate::error::expand;
use crate::foresee::Foreseen;
use crate::plan::{named, needed, roots, several};
use crate::solve::{arguments, short};
use crate::stage::{Building, Done, Inherited};
use crate::watch::Later;
use crate::{Builds, Error, Output, Request, Result};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use images::cache::Step;
use images::{ImageId, Keeper};
use layers::Digest;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{OnceCell, Semaphore};

/// What all stages of a build share.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    pub(crate) builds: &'a Builds,
    pub(crate) request: &'a Request,
    pub(crate) output: &'a Output,
    pub(crate) context: Context,
    pub(crate) dockerfile: &'a Dockerfile,
    pub(crate) escape: char,
    /// Of before the first stage.
    pub(crate) arguments: Arguments,
    /// More than one, as people are told of them.
    pub(crate) several: bool,
    /// Each once it is built.
    done: Vec<OnceCell<Done>>,
    /// Each once it is known whether it can be foreseen.
    foreseen: Vec<OnceCell<Option<Foreseen>>>,
    /// Those that are built in any case: the result, and what it is on top of. None is known before the build runs.
    roots: Vec<bool>,
    /// For the steps that are carried out at once.
    pub(crate) room: Semaphore,
    /// What registries were asked for by this build, and what they had: with `--pull` the same for all stages.
    pub(crate) pulled: Mutex<HashMap<String, ImageId>>,
    /// Steps that a cache has, but that cannot be had: the number of the cache, and what they go by.
    pub(crate) lost: Mutex<HashSet<(usize, Digest)>>,
    /// Every image that it needs.
    pub(crate) keeper: Arc<Keeper>,
    /// Steps that began, and how many there are.
    step: AtomicUsize,
    steps: usize,
}

/// As many steps as there are processors; two even on one, since a step may wait for what another one does.
fn room() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get().max(2))
}

impl<'a> Build<'a> {
    pub(crate) fn new(
        builds: &'a Builds,
        request: &'a Request,
        output: &'a Output,
        context: Context,
        dockerfile: &'a Dockerfile,
    ) -> Build<'a> {
        Build {
            builds,
            request,
            output,
            context,
            dockerfile,
            escape: dockerfile.escape,
            arguments: arguments(request, request.arguments.clone(), output.watch().is_some())
                .with_settings(&builds.services.arguments),
            several: several(dockerfile),
            done: dockerfile.stages.iter().map(|_| OnceCell::new()).collect(),
            foreseen: dockerfile.stages.iter().map(|_| OnceCell::new()).collect(),
            roots: Vec::new(),
            room: Semaphore::new(room()),
            pulled: Mutex::default(),
            lost: Mutex::default(),
            keeper: Arc::new(builds.services.images.keeper()),
            step: AtomicUsize::new(0),
            steps: dockerfile.length(),
        }
    }

    /// Builds all that the last stage needs.
    pub(crate) async fn run(&mut self) -> Result<ImageId> {
        let dockerfile = self.dockerfile;
        for step in &dockerfile.globals {
            self.announce(&step.text).await;
            self.declare(step)?;
        }
        let env = self.arguments.for_bases();
        self.roots = roots(dockerfile, |base| expand(base, [&env, &[]], self.escape).ok());
        self.walk().await?;
        for done in self.done.iter().filter_map(OnceCell::get) {
            self.arguments.recall(&done.arguments);
        }
        self.last().and_then(|done| done.image).ok_or(Error::NoImage)
    }

    async fn walk(&self) -> Result<()> {
        let all = 0..self.dockerfile.stages.len();
        if self.output.watch().is_none() {
            // dockerd's classic builder carries out whatever comes before the target, too, and tells of one after the other.
            for number in all {
                self.stage(number).await?;
            }
            return Ok(());
        }
        let env = self.arguments.for_bases();
        let needed = needed(self.dockerfile, |base| expand(base, [&env, &[]], self.escape).ok());
        let wanted = all.filter(|number| needed.as_ref().is_none_or(|needed| needed[*number]));
        let mut walking: FuturesUnordered<_> = wanted.map(|number| self.begin(number)).collect();
        while let Some(done) = walking.next().await {
            // The first failure ends all others.
            done?;
        }
        for (done, foreseen) in self.done.iter().zip(&self.foreseen) {
            if let (None, Some(Some(foreseen))) = (done.get(), foreseen.get()) {
                foreseen.tell(self.output);
            }
        }
        Ok(())
    }

    /// Builds a stage, unless it can be foreseen: then it is built when it turns out to be needed.
    fn begin(&self, number: usize) -> Later<'_, Result<()>> {
        Box::pin(async move {
            match self.foresee(number).await {
                Some(_) => Ok(()),
                None => self.stage(number).await.map(drop),
            }
        })
    }

    /// Whether caches know all steps of the stage of that number, and how it would end then.
    pub(crate) fn foresee(&self, number: usize) -> Later<'_, Option<&Foreseen>> {
        Box::pin(async move {
            if self.roots.get(number).copied().unwrap_or(true)
                || self.request.whole
                || self.done[number].get().is_some()
            {
                return None;
            }
            self.foreseen[number].get_or_init(|| self.try_to_foresee(number)).await.as_ref()
        })
    }

    /// What a stage goes by, which is built for that if it has to be.
    pub(crate) async fn key(&self, number: usize) -> Result<Digest> {
        match self.foresee(number).await {
            Some(foreseen) => Ok(foreseen.line.key()),
            None => Ok(self.stage(number).await?.line.key()),
        }
    }

    /// The stage of that number, built unless it is; whoever comes meanwhile waits. A stage asks for earlier ones alone, so that no two
    /// wait for each other.
    pub(crate) fn stage(&self, number: usize) -> Later<'_, Result<&Done>> {
        Box::pin(self.done[number].get_or_try_init(move || self.carry_out(number)))
    }

    /// The steps of what was built.
    pub(crate) fn steps(&self) -> Steps {
        let line = |done: &Done| done.line.steps.clone();
        let (mut all, mut known): (Vec<Step>, HashMap<_, usize>) = (Vec::new(), HashMap::new());
        let lines = self.done.iter().zip(&self.foreseen).map(|(done, foreseen)| match done.get() {
            Some(done) => line(done),
            None => {
                foreseen.get().and_then(Option::as_ref).map(|foreseen| foreseen.line.steps.clone()).unwrap_or_default()
            }
        });
        // A stage is on top of earlier ones alone.
        for step in lines.flatten() {
            match known.get(&step.key) {
                // One stage may have made what another one only knows.
                Some(at) => all[*at].image = all[*at].image.or(step.image),
                None => {
                    known.insert(step.key, all.len());
                    all.push(step);
                }
            }
        }
        Steps { result: self.last().map(line).unwrap_or_default(), all }
    }

    /// The last stage, if it is built.
    pub(crate) fn last(&self) -> Option<&Done> {
        self.done.last().and_then(OnceCell::get)
    }

    async fn carry_out(&self, number: usize) -> Result<Done> {
        let stage = &self.dockerfile.stages[number];
        let is_watched = self.output.watch().is_some();
        let output = self.output.aside();
        self.announce(&stage.text).await;
        // By BuildKit's protocol the later one is meant from here on.
        if let Some(name) = stage.name.as_deref()
            && !is_watched
            && named(&self.dockerfile.stages[..number], name).is_some()
        {
            return Err(Error::StageTwice(name.to_owned()));
        }
        let base = self.base(&output, number).await?;
        let mut arguments = self.arguments.clone();
        let inherited = match (base.beneath, base.image) {
            (Some(beneath), _) => beneath.inherited,
            (None, Some(image)) => {
                let image = self.builds.services.images.image(&image)?;
                Inherited { steps: image.steps().len(), layers: image.chain.len() }
            }
            (None, None) => Inherited::default(),
        };
        arguments.begin_stage(base.beneath.map(|beneath| beneath.arguments.declared()));
        // The classic builder knows what all stages before said, and BuildKit what those beneath did.
        let before = self.done[..number].iter().filter_map(OnceCell::get).filter(|_| !is_watched);
        for before in before.chain(base.beneath) {
            arguments.recall(&before.arguments);
        }
        let mut building = Building::begin(self, number, output, arguments, base).await?;
        for step in &stage.steps {
            self.announce(&step.text).await;
            building.step(step).await?;
            let shown = building.image().map(|id| short(&id)).unwrap_or_default();
            self.output.say(format!(" ---> {shown}\n")).await;
        }
        let done = building.end(inherited);
        if let Some(id) = done.image {
            self.output.built(id);
        }
        Ok(done)
    }

    /// An ARG before the first stage.
    pub(crate) fn declare(&mut self, step: &dockerfile::Step) -> Result<()> {
        let Instruction::Arg(arguments) = &step.instruction else { return Ok(()) };
        for argument in arguments {
            let env = self.arguments.for_bases();
            let expanded = argument.value.as_ref().map(|value| expand(value, [&env, &[]], self.escape));
            self.arguments.declare_globally(&argument.name, expanded.transpose()?);
        }
        Ok(())
    }

    /// `Step 2/7 : RUN x`. The rest of its line is a message of its own, as in dockerd.
    async fn announce(&self, text: &str) {
        let step = self.step.fetch_add(1, Ordering::Relaxed) + 1;
        self.output.say(format!("Step {step}/{} : {text}", self.steps)).await;
        self.output.say("\n").await;
    }

    /// The earlier stage that `--from` means in a stage, by name or number; none if it means something else.
    pub(crate) fn stage_of(&self, from: &str, number: usize) -> Result<Option<usize>> {
        let stages = &self.dockerfile.stages;
        if let Some(at) = named(&stages[..number], from) {
            return Ok(Some(at));
        }
        if let Ok(index) = from.parse::<usize>() {
            if index < number {
                return Ok(Some(index));
            }
            let reason = if index == number { "refers to current build stage" } else { "index out of bounds" };
            return Err(Error::From { from: from.to_owned(), reason: reason.to_owned() });
        }
        let lower = from.to_lowercase();
        match stages.iter().position(|stage| stage.name.as_deref() == Some(lower.as_str())) {
            Some(at) if self.output.watch().is_some() => Err(if at == number {
                Error::Circular(lower)
            } else {
                Error::NotYet(format!("--from={from}: the stage comes later: put it before this one"))
            }),
            _ => Ok(None),
        }
    }

    /// For files of this build's own.
    pub(crate) fn directory(&self) -> &Path {
        self.context.directory()
    }
}

impl Building<'_, '_> {
    /// What `--from` means: a stage by name or number, or an image. An empty stage has no files.
    pub(crate) async fn from(&self, from: &str) -> Result<Option<ImageId>> {
        match self.build.stage_of(from, self.number)? {
            Some(at) => Ok(self.build.stage(at).await?.image),
            None => self.build.elsewhere(&self.output, from).await,
        }
    }
}
