//! The images that stages begin with, and those that files are taken from.

use crate::dockerfile::Stage;
use crate::error::expand;
use crate::plan::named;
use crate::stage::Done;
use crate::stages::Build;
use crate::watch::{Place, Shown};
use crate::{Error, Output, Result};
use images::{Auth, DOCKER_HUB, ImageId, Platform, Reference};
use layers::Digest;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// What clients call Docker Hub where they keep their credentials: the host of `https://index.docker.io/v1/`.
const HUB: &str = "index.docker.io";

/// What a stage begins with.
#[derive(Debug)]
pub(crate) struct Base<'a> {
    /// None for `scratch`.
    pub(crate) image: Option<ImageId>,
    /// What it is for, if that is said.
    pub(crate) platform: Option<Platform>,
    /// The stage that it is.
    pub(crate) beneath: Option<&'a Done>,
    pub(crate) place: Place,
}

impl Build<'_> {
    /// What a stage begins with.
    pub(crate) async fn base(&self, output: &Output, number: usize) -> Result<Base<'_>> {
        let (earlier, stage) = (&self.dockerfile.stages[..number], &self.dockerfile.stages[number]);
        let env = self.arguments.for_bases();
        let name = expand(&stage.base, [&env, &[]], self.escape)?;
        if name.is_empty() {
            return Err(Error::BlankBase(stage.base.clone()));
        }
        let platform = self.platform_of(stage)?;
        let beneath = named(earlier, &name);
        let on_image = name != "scratch" && beneath.is_none();
        let mut place = Place::new(stage, number, self.several, on_image);
        if name == "scratch" {
            return Ok(Base { image: None, platform, beneath: None, place });
        }
        if let Some(at) = beneath {
            let done = self.stage(at).await?;
            return Ok(Base { image: done.image, platform: done.platform.clone(), beneath: Some(done), place });
        }
        let name = self.meant(&name)?;
        let shown = full(&name);
        let lines = Some(stage.lines.clone());
        let found = self.resolve(output, &name, platform.as_ref(), stage).await?;
        let step = place.next(&format!("FROM {shown}"));
        output.begin(|| Shown { name: step, lines });
        output.cached();
        output.end(&Ok(()));
        Ok(Base { image: Some(found), platform, beneath: None, place })
    }

    /// What a stage says that it is for, or else the request.
    pub(crate) fn platform_of(&self, stage: &Stage) -> Result<Option<Platform>> {
        let Some(text) = &stage.platform else { return Ok(self.request.platform.clone()) };
        let text = expand(text, [&self.arguments.for_bases(), &[]], self.escape)?;
        Ok(if text.is_empty() { None } else { Some(Platform::parse(&text)?) })
    }

    /// The image that a stage begins with, as a step of its own.
    pub(crate) async fn resolve(
        &self,
        output: &Output,
        name: &str,
        platform: Option<&Platform>,
        stage: &Stage,
    ) -> Result<ImageId> {
        let lines = Some(stage.lines.clone());
        output.begin(|| Shown { name: format!("[internal] load metadata for {}", full(name)), lines });
        let found = self.image(output, name, platform).await;
        output.end(&found);
        found
    }

    /// The image that a name stands for: the client may have another one in mind.
    pub(crate) fn meant(&self, name: &str) -> Result<String> {
        let Some(given) = self.output.watch().and_then(|client| client.named(name)) else { return Ok(name.to_owned()) };
        match given.strip_prefix("docker-image://") {
            Some(image) => Ok(image.to_owned()),
            None => Err(Error::NotYet(format!(
                "the build context {name}={given}: this builder begins stages with images (docker-image://) only, so far"
            ))),
        }
    }

    /// An image that files are taken of.
    pub(crate) async fn elsewhere(&self, output: &Output, from: &str) -> Result<Option<ImageId>> {
        let refused = |reason: String| Error::From { from: from.to_owned(), reason };
        let name = self.meant(from)?;
        let platform = self.request.platform.as_ref();
        self.image(output, &name, platform).await.map(Some).map_err(|error| refused(error.to_string()))
    }

    /// An image that is here, or that a registry has; asked again only if the request wants that.
    async fn image(&self, output: &Output, name: &str, platform: Option<&Platform>) -> Result<ImageId> {
        let id = match self.here(name, platform)? {
            Some(id) => id,
            None => {
                // Stages that begin with the same one have it come once.
                let what = format!("{name} {}", platform.map(Platform::to_string).unwrap_or_default());
                let _turn = self.builds.making.turn(Digest::of(what.as_bytes())).await;
                let pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner).get(&what).copied();
                match self.here(name, platform)?.or(pulled) {
                    Some(id) => id,
                    None => {
                        let id = self.pull(output, name, platform).await?;
                        self.pulled.lock().unwrap_or_else(PoisonError::into_inner).insert(what, id);
                        id
                    }
                }
            }
        };
        self.keeper.keep(&id).await?;
        Ok(id)
    }

    async fn auth(&self, output: &Output, reference: &Reference) -> Auth {
        match output.watch() {
            Some(client) => client.credentials(reference).await,
            None => credentials(&self.request.credentials, &reference.domain),
        }
    }

    /// The ID and the JSON of the image that a name means, which need not be here.
    pub(crate) async fn peek(&self, name: &str, platform: Option<&Platform>) -> Result<(ImageId, serde_json::Value)> {
        let images = &self.builds.services.images;
        if let Some(id) = self.here(name, platform)? {
            return Ok((id, images.image(&id)?.raw.clone()));
        }
        let reference = Reference::parse(name)?;
        let auth = self.auth(self.output, &reference).await;
        Ok(images.peek(&reference, platform, &auth).await?)
    }

    async fn pull(&self, output: &Output, name: &str, platform: Option<&Platform>) -> Result<ImageId> {
        let reference = Reference::parse(name)?;
        let auth = self.auth(output, &reference).await;
        Ok(self.builds.services.images.pull(&reference, platform, &auth, &output.sink()).await?)
    }

    /// The image of that name, if it need not be asked for.
    fn here(&self, name: &str, platform: Option<&Platform>) -> Result<Option<ImageId>> {
        // What another target came to, whatever platform it is for.
        let platform = platform.filter(|_| Digest::from_hex(name).is_none());
        match self.builds.services.images.resolve_for(name, platform) {
            Ok(id) if !self.request.pull => Ok(Some(id)),
            // What is named by its ID is nowhere else.
            Ok(id) if Reference::parse(name).is_err() => Ok(Some(id)),
            Err(gone @ images::Error::NoSuchImage(_)) if Digest::from_hex(name).is_some() => Err(gone.into()),
            Ok(_) | Err(images::Error::NoSuchImage(_) | images::Error::WrongPlatform { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a client has for a registry. Some name it by a whole URL, and Docker Hub in two ways.
fn credentials(known: &BTreeMap<String, Auth>, domain: &str) -> Auth {
    let host = if domain == DOCKER_HUB { HUB } else { domain };
    let by_host = || known.iter().find(|(key, _)| host_of(key) == host).map(|(_, auth)| auth);
    known.get(domain).or_else(by_host).cloned().unwrap_or(Auth::Anonymous)
}

fn host_of(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    bare.split('/').next().unwrap_or_default()
}

/// An image's whole name, as people are told of it.
pub(crate) fn full(name: &str) -> String {
    if Digest::from_hex(name).is_some() {
        return format!("sha256:{name}");
    }
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.or_latest().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_by_host() {
        let auth = |user: &str| Auth::Basic { username: user.to_owned(), password: String::new() };
        let keys = [
            ("https://index.docker.io/v1/", "hub"),
            ("ghcr.io", "plain"),
            ("https://reg.example:5000/v2/", "url"),
            ("http://other.example", "http"),
        ];
        let known = keys.iter().map(|(key, user)| ((*key).to_owned(), auth(user))).collect();
        for (domain, expect) in [
            (DOCKER_HUB, Some("hub")),
            ("ghcr.io", Some("plain")),
            ("reg.example:5000", Some("url")),
            ("other.example", Some("http")),
            ("reg.example", None),
            ("none.example", None),
        ] {
            let found = match credentials(&known, domain) {
                Auth::Basic { username, .. } => Some(username),
                _ => None,
            };
            assert_eq!(found.as_deref(), expect, "{domain}");
        }
    }
}
