//! Stages that need not be built, since caches have what is copied from them.
//!
//! A client's caches may have a result without all that led to it: `COPY --from` of a stage goes by what the stage goes by, and that is
//! known when all of its steps are known. So a stage that files are only copied from is walked through without making anything, and left out
//! if the caches know each step. It is built all the same when it turns out to be needed.

use crate::arguments::Arguments;
use crate::bases::full;
use crate::cache::Line;
use crate::cache::keys::{self, Words};
use crate::dockerfile::trigger;
use crate::error::expand;
use crate::plan::named;
use crate::stage::{Building, config_in};
use crate::stages::Build;
use crate::watch::{Place, Shown, is_shown};
use crate::{Error, Output, Result};
use engine_api::ContainerConfig;
use images::Platform;
use layers::Digest;
use std::ops::RangeInclusive;

/// How a stage would end.
#[derive(Debug)]
pub(crate) struct Foreseen {
    /// Its steps, of which none is made.
    pub(crate) line: Line,
    config: ContainerConfig,
    arguments: Arguments,
    platform: Option<Platform>,
    /// Its steps as people are told of them.
    shown: Vec<Shown>,
}

/// What it begins with.
struct Start {
    line: Line,
    config: Option<ContainerConfig>,
    platform: Option<Platform>,
    /// The image, as people are told of it.
    shown: Option<String>,
}

impl Foreseen {
    /// Tells of its steps, which are all in caches.
    pub(crate) fn tell(&self, output: &Output) {
        let output = output.aside();
        for shown in &self.shown {
            output.begin(|| shown.clone());
            output.cached();
            output.end(&Ok(()));
        }
    }
}

impl Build<'_> {
    pub(crate) async fn try_to_foresee(&self, number: usize) -> Option<Foreseen> {
        let client = self.output.watch()?;
        let name = self.dockerfile.stages[number].name.as_ref();
        let is_fresh = self.request.no_cache || name.is_some_and(|name| self.request.no_cache_stages.contains(name));
        if is_fresh || client.caches().await.is_empty() {
            return None;
        }
        match self.walk_through(number).await {
            Ok(foreseen) => Some(foreseen),
            // What is wrong is told when it is carried out.
            Err(error) => {
                tracing::debug!(number, "a stage is built: {error}");
                None
            }
        }
    }

    async fn walk_through(&self, number: usize) -> Result<Foreseen> {
        let stage = &self.dockerfile.stages[number];
        let mut arguments = self.arguments.clone();
        let Start { line, config, platform, shown: base } = self.start(number, &mut arguments).await?;
        let mut place = Place::new(stage, number, self.several, base.is_some());
        let mut shown = Vec::new();
        let mut show = |text: &str, lines: &RangeInclusive<usize>, place: &mut Place| {
            shown.push(Shown { name: place.next(text), lines: Some(lines.clone()) });
        };
        let mut building = Building::foreseeing(self, number, arguments, line, platform);
        let triggers = building.open(config);
        let triggers = triggers.iter().map(|text| trigger(text)).collect::<Result<Vec<_>, _>>()?;
        place.add(triggers.iter().map(|step| &step.instruction));
        if let Some(name) = base {
            show(&format!("FROM {name}"), &stage.lines, &mut place);
        }
        for step in triggers.iter().chain(&stage.steps) {
            if is_shown(&step.instruction) {
                show(&step.text, &step.lines, &mut place);
            }
            building.carry(step).await?;
        }
        let Building { line, config, arguments, platform, .. } = building;
        Ok(Foreseen { line, config, arguments, platform, shown })
    }

    async fn start(&self, number: usize, arguments: &mut Arguments) -> Result<Start> {
        let stage = &self.dockerfile.stages[number];
        let env = self.arguments.for_bases();
        let name = expand(&stage.base, [&env, &[]], self.escape)?;
        if let Some(at) = named(&self.dockerfile.stages[..number], &name) {
            let beneath = self.foresee(at).await.ok_or(Error::Unforeseen)?;
            arguments.begin_stage(Some(beneath.arguments.declared()));
            arguments.recall(&beneath.arguments);
            let (line, config, platform) =
                (beneath.line.clone(), Some(beneath.config.clone()), beneath.platform.clone());
            return Ok(Start { line, config, platform, shown: None });
        }
        arguments.begin_stage(None);
        let platform = self.platform_of(stage)?;
        let host = Platform::host();
        let (image, config, shown) = match name.as_str() {
            "scratch" => (None, None, None),
            _ => {
                let name = self.meant(&name)?;
                let (id, raw) = self.peek(&name, platform.as_ref()).await?;
                (Some(id), Some(config_in(&raw)?), Some(full(&name)))
            }
        };
        let line = Line::new(keys::of_base(image.as_ref(), platform.as_ref().unwrap_or(&host)));
        Ok(Start { line, config, platform, shown })
    }
}

impl Building<'_, '_> {
    /// Goes on if a cache knows the step that is under way.
    pub(crate) async fn foresee(&mut self, key: &Digest) -> Result<bool> {
        let client = self.output.watch().ok_or(Error::Unforeseen)?;
        if !client.caches().await.iter().any(|cache| cache.knows(key)) {
            return Err(Error::Unforeseen);
        }
        self.line.push(None);
        Ok(true)
    }

    /// Whether a name means a stage that is not built, since it could be foreseen, and may be left out here.
    pub(crate) async fn is_foreseen(&self, name: &str) -> bool {
        match self.build.stage_of(name, self.number) {
            Ok(Some(at)) if !self.is_fresh() => self.build.foresee(at).await.is_some(),
            _ => false,
        }
    }

    /// What a stage goes by that files are copied from.
    pub(crate) async fn stage_key(&self, at: usize) -> Result<Digest> {
        if self.foresees {
            return Ok(self.build.foresee(at).await.ok_or(Error::Unforeseen)?.line.key());
        }
        self.build.key(at).await
    }

    /// Goes on with what a cache has of a COPY from a stage, if that is not built; if the cache has it not, the stage is. `words`: what
    /// the step goes by; `text`: its words with what was copied.
    pub(crate) async fn unseen(&mut self, at: usize, words: &str, text: &impl Fn(&str) -> String) -> Result<bool> {
        let by = |name| Words { instead: Some(words.to_owned()), too: None, name };
        if self.foresees {
            return self.cached(&self.described(String::new()), by(None)).await;
        }
        if self.build.foresee(at).await.is_none() {
            return Ok(false);
        }
        if let Some(name) = self.name_of(words).await {
            let made_from = self.described(format!("#(nop) {}", text(&name)));
            if self.cached(&made_from, by(Some(name))).await? {
                return Ok(true);
            }
        }
        // Whoever waits has no place among those who get on.
        self.room = None;
        self.build.stage(at).await?;
        self.enter().await?;
        Ok(false)
    }

    /// What was copied by a step that goes by those words, if a cache has it.
    async fn name_of(&self, words: &str) -> Option<String> {
        if self.is_fresh() {
            return None;
        }
        let key = self.key_of(&self.described(String::new()), Some(words));
        let client = self.output.watch()?;
        client.caches().await.iter().find_map(|cache| cache.name(&key)).map(str::to_owned)
    }
}
