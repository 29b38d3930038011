//! Where a step was made already: in the engine's own images, in those that the request names, or in caches elsewhere.

pub(crate) mod keys;

use crate::error::Result;
use crate::stage::Building;
use crate::{Services, blocking};
use engine_api::ContainerConfig;
use images::cache::Step;
use images::{Draft, Image, ImageId};
use keys::Words;
use layers::Digest;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};

/// What a stage may take its steps from.
#[derive(Debug)]
pub(crate) enum Cache {
    /// Nothing (any more): after a step that was made anew no other can be there.
    None,
    /// Whatever this engine made, and what the client's caches have.
    Own,
    /// What these images have, or were made from here.
    Named(Vec<Arc<Image>>),
}

impl Cache {
    /// At the beginning of a stage. An image that is not here is passed over, as in dockerd.
    pub(crate) fn begin(services: &Services, no_cache: bool, names: &[String]) -> Cache {
        match (no_cache, names) {
            (true, _) => Cache::None,
            (false, []) => Cache::Own,
            (false, names) => {
                let images = &services.images;
                let found = names.iter().filter_map(|name| images.image(&images.resolve(name).ok()?).ok());
                Cache::Named(found.collect())
            }
        }
    }
}

/// The steps of a build, by which others can take them from a cache.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// Those that the result is made of, the first one first.
    pub result: Vec<Step>,
    /// Those of all stages that were built, each behind the one that it was made on top of.
    pub all: Vec<Step>,
}

impl Steps {
    /// All of them, but of those that the result is not made of only that they are there.
    pub fn of_the_result(&self) -> Vec<Step> {
        let is_of_it: HashSet<_> = self.result.iter().map(|step| step.key).collect();
        let image = |step: &Step| step.image.filter(|_| is_of_it.contains(&step.key));
        self.all.iter().map(|step| Step { image: image(step), ..step.clone() }).collect()
    }
}

/// The steps that a stage has come to.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What the last one goes by, or else what the stage begins with.
    key: Digest,
    /// The one that is under way: what it goes by, what it goes by, too, and what it copied.
    next: Option<(Digest, Option<Digest>, Option<String>)>,
    pub(crate) steps: Vec<Step>,
}

impl Line {
    /// On an image or on nothing, which goes by that key.
    pub(crate) fn new(base: Digest) -> Line {
        Line { key: base, next: None, steps: Vec::new() }
    }

    /// What the last step goes by.
    pub(crate) fn key(&self) -> Digest {
        self.key
    }

    /// The step that is under way came to that image, or is only known.
    pub(crate) fn push(&mut self, image: Option<ImageId>) {
        if let Some((key, alias, name)) = self.next.take() {
            self.steps.push(Step { key, parent: self.key, alias, name, image });
            self.key = key;
        }
    }
}

impl Building<'_, '_> {
    /// Goes on with an image that was made from the same, if there is one.
    pub(crate) async fn cached(&mut self, made_from: &ContainerConfig, words: Words) -> Result<bool> {
        let key = self.key_of(made_from, words.instead.as_deref());
        let alias = words.too.map(|words| self.key_of(made_from, Some(&words)));
        self.line.next = Some((key, alias, words.name));
        if self.foresees {
            return self.foresee(&key).await;
        }
        let found = match &self.cache {
            Cache::None => return Ok(false),
            Cache::Own => match self.made(made_from).await? {
                Some(id) => Some(id),
                None => self.taken(made_from).await,
            },
            Cache::Named(named) => {
                let named = named.clone();
                match self.made(made_from).await? {
                    Some(id) if self.belongs(&id, &named)? => Some(id),
                    _ => self.repeated(made_from, &named).await?,
                }
            }
        };
        let found = match found {
            // Gone meanwhile, it is as if it had not been there.
            Some(id) => self.build.keeper.keep(&id).await.is_ok().then_some(id),
            None => None,
        };
        let Some(id) = found else {
            // Another build may make the same steps meanwhile, on top of what this one makes now.
            if !matches!(self.cache, Cache::Own) {
                self.cache = Cache::None;
            }
            return Ok(false);
        };
        self.output.say(" ---> Using cache\n").await;
        self.output.cached();
        self.adopt(id)?;
        Ok(true)
    }

    /// The newest image that was made here from the same.
    async fn made(&self, made_from: &ContainerConfig) -> Result<Option<ImageId>> {
        let wanted = serde_json::to_value(made_from).expect("a struct of plain fields");
        let (images, parent, author) = (self.services().images.clone(), self.image(), self.author.clone());
        let platform = self.platform();
        blocking(move || {
            let children = images.children(parent.as_ref())?;
            let is_same = |image: &Image| {
                let by = image.raw.get("author").and_then(Value::as_str).unwrap_or_default();
                let fits = parent.is_some() || image.platform() == platform;
                fits && image.raw.get("container_config") == Some(&wanted) && by == author
            };
            Ok(children.into_iter().find(|image| is_same(image)).map(|image| image.id))
        })
        .await
    }

    /// What a step on top of those so far goes by.
    pub(crate) fn key_of(&self, made_from: &ContainerConfig, words: Option<&str>) -> Digest {
        keys::of_step(&self.line.key, made_from, words, &self.author)
    }

    /// What one of the client's caches has of the step that is under way. What cannot be had of it is told, and made anew.
    async fn taken(&mut self, made_from: &ContainerConfig) -> Option<ImageId> {
        let client = Arc::clone(self.output.watch()?);
        let (key, alias, name) = self.line.next.clone()?;
        for (number, cache) in client.caches().await.iter().enumerate() {
            // Where it is known what is copied from a stage, what the stage goes by tells less.
            let key = alias.map_or(Some(key), |alias| cache.same(&alias));
            let Some(key) = key.filter(|key| cache.has(key)) else { continue };
            if self.lost().contains(&(number, key)) {
                continue;
            }
            let draft = self.draft(made_from, None);
            let (base, progress) = (self.image(), self.output.sink());
            match self.services().images.take(base.as_ref(), draft, cache, &key, &progress).await {
                Ok(Some(id)) => {
                    // The steps on top of it are there by what it goes by there.
                    self.line.next = Some((key, alias, name));
                    return Some(id);
                }
                // It is the same by its words, and was made on something else.
                Ok(None) => {}
                Err(error) => {
                    // It may be asked for again, as by a COPY of a stage that is built for it.
                    self.lost().insert((number, key));
                    self.output.warn(&format!("a step could not be taken from a cache, and is made anew: {error}"));
                }
            }
        }
        None
    }

    fn lost(&self) -> MutexGuard<'_, HashSet<(usize, Digest)>> {
        self.build.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of the named images is it, or was made from it.
    fn belongs(&self, id: &ImageId, named: &[Arc<Image>]) -> Result<bool> {
        for image in named {
            if self.services().images.is_made_from(image.id, id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What one of the named images has as its next step, if that is the same. From then on it is the only one: its steps belong
    /// together.
    async fn repeated(&mut self, made_from: &ContainerConfig, named: &[Arc<Image>]) -> Result<Option<ImageId>> {
        let images = self.services().images.clone();
        let base = self.image().map(|id| images.image(&id)).transpose()?;
        let words = made_from.cmd.as_ref().map(|words| words.join(" ")).unwrap_or_default();
        let Some(source) = named.iter().find(|source| next(base.as_deref(), source) == Some(words.as_str())) else {
            return Ok(None);
        };
        let source = Arc::clone(source);
        self.cache = Cache::Named(vec![Arc::clone(&source)]);
        if source.steps().len() == base.as_ref().map_or(0, |base| base.steps().len()) + 1 {
            return Ok(Some(source.id));
        }
        // It does not say what it was made from: that is true as far as the request's word goes, and no farther.
        let draft = Draft { container_config: Value::Null, ..self.draft(made_from, None) };
        Ok(Some(images.repeat(self.image().as_ref(), &source.id, draft).await?))
    }
}

/// How the step is called that an image has on top of another; `None` when it was not made from that.
fn next<'a>(base: Option<&Image>, source: &'a Image) -> Option<&'a str> {
    let (steps, chain) = base.map_or((&[][..], &[][..]), |base| (base.steps(), &base.chain[..]));
    let rest = source.steps().strip_prefix(steps)?;
    if !source.chain.starts_with(chain) || steps.is_empty() && !chain.is_empty() {
        return None;
    }
    rest.first()?.get("created_by")?.as_str()
}
