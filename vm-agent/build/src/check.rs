//! A Dockerfile's checks, with what is known of the images that its stages begin with.

use crate::checks::{self, Asked, Base, BasePlatform, Checked};
use crate::context::Context;
use crate::dockerfile::{Dockerfile, Stage};
use crate::error::expand;
use crate::ignore::Ignore;
use crate::plan::needed;
use crate::solve::{arguments, check_syntax, replace};
use crate::stage::PATH;
use crate::stages::Build;
use crate::watch::Watch;
use crate::{Builds, Error, Output, Request, Result};
use images::{ImageId, Platform};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be checked, beside what a build of it would be asked for.
#[derive(Debug, Clone, Default)]
pub struct Check {
    /// The Dockerfile.
    pub text: String,
    /// Patterns of what the context leaves out.
    pub ignored: Vec<String>,
    /// Instead of what the Dockerfile says of its checks.
    pub settings: Option<String>,
    /// For its own sake: base images that are not here are fetched, and without a target every stage is looked into. Of images that
    /// are not known before a build it is not known which variables they have.
    pub alone: bool,
}

impl Builds {
    /// Checks a Dockerfile for a client.
    ///
    /// # Errors
    ///
    /// What is wrong with the Dockerfile or its settings; without a base image that has to be fetched, why.
    pub async fn check(&self, request: &Request, check: &Check, client: Arc<dyn Watch>) -> Result<Checked> {
        let mut dockerfile = Dockerfile::parse(&check.text)?;
        check_syntax(&dockerfile)?;
        replace(&mut dockerfile, |name| client.named(name))?;
        let output = Output::watched(client);
        let context = Context::elsewhere(&self.contexts, check.text.clone())?;
        let mut build = Build::new(self, request, &output, context, &dockerfile);
        for step in &dockerfile.globals {
            build.declare(step)?;
        }
        let env = build.arguments.for_bases();
        let named = |base: &str| expand(base, [&env, &[]], dockerfile.escape);
        let mut wanted = wanted(&dockerfile, request, check, |base| named(base).ok())?;
        let mut bases = Vec::new();
        let mut failed = None;
        for (number, stage) in dockerfile.stages.iter().enumerate() {
            let earlier = &dockerfile.stages[..number];
            let base = async {
                let name = named(&stage.base)?;
                let is_earlier = earlier.iter().any(|earlier| earlier.name.as_deref() == Some(&name.to_lowercase()));
                match name.as_str() {
                    "" => Err(Error::BlankBase(stage.base.clone())),
                    "scratch" => Ok(Some(Base { env: vec![PATH.to_owned()], ..Base::default() })),
                    _ if is_earlier || !wanted[number] => Ok(None),
                    name => {
                        let platform = platform(stage, request, &env, dockerfile.escape)?;
                        self.base(&build, name, platform.as_ref(), stage, check.alone).await
                    }
                }
            };
            match base.await {
                Ok(base) => bases.push(base),
                Err(error) => {
                    failed = Some((error, stage.lines.clone()));
                    break;
                }
            }
        }
        if failed.is_some() {
            // No stage gets so far that its steps are looked at.
            bases.resize(dockerfile.stages.len(), None);
            wanted.fill(false);
        }
        let checked = checks::check(&Asked {
            text: &check.text,
            dockerfile: &dockerfile,
            arguments: arguments(request, request.arguments.clone(), true),
            defaults: arguments(request, BTreeMap::new(), true),
            ignored: &Ignore::new(check.ignored.iter().map(String::as_str))?,
            wanted: &wanted,
            bases: &bases,
            settings: check.settings.as_deref(),
        })
        .map_err(Error::Checks)?;
        Ok(Checked { failed, ..checked })
    }

    /// What is known of an image.
    async fn base(
        &self,
        build: &Build<'_>,
        name: &str,
        platform: Option<&Platform>,
        stage: &Stage,
        fetches: bool,
    ) -> Result<Option<Base>> {
        let id = if fetches {
            let name = build.meant(name)?;
            build.resolve(build.output, &name, platform, stage).await?
        } else {
            let found = build.meant(name).ok().map(|name| self.services.images.resolve_for(&name, platform));
            let Some(Ok(id)) = found else { return Ok(None) };
            id
        };
        let mut base = self.describe(&id)?;
        // What the client gives instead is for whatever it is for.
        if build.meant(name).is_ok_and(|meant| meant == name) {
            let (found, wanted) = (self.services.images.image(&id)?.platform(), platform.cloned());
            let wanted = wanted.unwrap_or_else(Platform::host);
            base.platform = Some(BasePlatform { name: name.to_owned(), found, wanted });
        }
        Ok(Some(base))
    }

    fn describe(&self, id: &ImageId) -> Result<Base> {
        let image = self.services.images.image(id)?;
        let list = |key: &str| image.raw["config"][key].as_array().cloned().unwrap_or_default();
        let mut env: Vec<String> = list("Env").iter().filter_map(|value| value.as_str()).map(str::to_owned).collect();
        if !env.iter().any(|variable| variable.starts_with("PATH=")) {
            env.push(PATH.to_owned());
        }
        Ok(Base { env, has_shell: !list("Shell").is_empty(), platform: None })
    }
}

/// Which stages are looked into.
fn wanted(
    dockerfile: &Dockerfile,
    request: &Request,
    check: &Check,
    named: impl Fn(&str) -> Option<String>,
) -> Result<Vec<bool>> {
    let all = dockerfile.stages.len();
    let up_to = match request.target.as_str() {
        "" if check.alone => return Ok(vec![true; all]),
        "" => dockerfile.clone(),
        target => dockerfile.clone().up_to(target)?,
    };
    let mut wanted = needed(&up_to, named).unwrap_or_else(|| vec![true; up_to.stages.len()]);
    wanted.resize(all, false);
    Ok(wanted)
}

fn platform(stage: &Stage, request: &Request, env: &[String], escape: char) -> Result<Option<Platform>> {
    match &stage.platform {
        None => Ok(request.platform.clone()),
        Some(text) => match expand(text, [env, &[]], escape)?.as_str() {
            "" => Ok(None),
            text => Ok(Some(Platform::parse(text)?)),
        },
    }
}
