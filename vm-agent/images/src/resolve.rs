//! From what a user typed to an image.

use crate::{Digest, Error, Image, ImageId, Images, Platform, Reference, Result};

impl Images {
    /// The image meant by a reference, a full ID with or without `sha256:`, or the unique beginning of one.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`], [`Error::Ambiguous`], [`Error::InvalidReference`].
    pub fn resolve(&self, name_or_id: &str) -> Result<ImageId> {
        self.resolve_full(name_or_id).map(|(id, _)| id)
    }

    /// The same, if the image runs on `wanted`.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPlatform`] too.
    pub fn resolve_for(&self, name_or_id: &str, wanted: Option<&Platform>) -> Result<ImageId> {
        let id = self.resolve(name_or_id)?;
        if let Some(wanted) = wanted {
            let image = self.image(&id)?;
            if !is_for(&image, wanted) {
                return Err(Error::WrongPlatform {
                    reference: name_or_id.to_owned(),
                    found: image.platform().to_string(),
                    wanted: wanted.to_string(),
                });
            }
        }
        Ok(id)
    }

    /// Also the reference that matched, when it was one.
    pub(crate) fn resolve_full(&self, name_or_id: &str) -> Result<(ImageId, Option<Reference>)> {
        let hex = name_or_id.strip_prefix("sha256:").unwrap_or(name_or_id);
        if let Some(id) = Digest::from_hex(hex) {
            return match self.inner.images.get(&id.hex())? {
                Some(_) => Ok((id, None)),
                None => Err(Error::NoSuchImage(name_or_id.to_owned())),
            };
        }
        let reference = Reference::parse(name_or_id).map(Reference::or_latest);
        if let Ok(reference) = &reference
            && let Some(id) = self.lookup(reference)?
        {
            return Ok((id, Some(reference.clone())));
        }
        if let Some(id) = self.by_prefix(hex)? {
            return Ok((id, None));
        }
        Err(Error::NoSuchImage(reference?.familiar()))
    }

    /// The image that a reference means. A digest counts more than a tag beside it.
    pub(crate) fn lookup(&self, reference: &Reference) -> Result<Option<ImageId>> {
        let key = match reference.digest {
            Some(digest) => reference.with_digest(digest).to_string(),
            None => reference.to_string(),
        };
        Ok(self.inner.references.get(&key)?.map(|record| record.image))
    }

    fn by_prefix(&self, prefix: &str) -> Result<Option<ImageId>> {
        if prefix.is_empty() || !prefix.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)) {
            return Ok(None);
        }
        let mut found = self.records()?.into_iter().map(|(id, _)| id).filter(|id| id.hex().starts_with(prefix));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Error::Ambiguous(prefix.to_owned())),
            (found, _) => Ok(found),
        }
    }
}

/// As dockerd's `OnlyPlatformWithFallback`: an image that names no variant is for any of its architecture.
pub(crate) fn is_for(image: &Image, wanted: &Platform) -> bool {
    is_config_for(&image.raw, wanted)
}

/// [`is_for`], by the image's configuration.
pub(crate) fn is_config_for(raw: &serde_json::Value, wanted: &Platform) -> bool {
    let found = crate::image::platform(raw);
    let named = raw.get("variant").and_then(serde_json::Value::as_str).is_some_and(|variant| !variant.is_empty());
    wanted.accepts(&found).is_some() || (!named && found.os == wanted.os && found.architecture == wanted.architecture)
}
