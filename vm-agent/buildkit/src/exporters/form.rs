//! What an output says of an image's form: its annotations, how its layers are compressed, which times they have. Pure.

use super::asked::{boolean, not_yet, truth};
use images::{Codec, Platform, Recompress, Wrapping};
use tonic::Status;

/// By how much each codec is asked to compress; anything else is told as Go's packages tell it. -1 is their own choice, and -2 Huffman's
/// codes alone, which is their fastest way.
const GZIP_LEVELS: std::ops::RangeInclusive<i32> = -2..=9;
/// The higher ones would take some 800 MiB here, and 128 MiB of everybody who unpacks (zstd's own `ultra`).
const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    annotations: Vec<Annotation>,
    codec: Option<Codec>,
    level: Option<i32>,
    /// Layers of the base image are compressed so, too.
    force: bool,
    /// No file is younger than the time that was chosen.
    pub(super) clamps: bool,
}

/// `annotation[-manifest][-descriptor][[PLATFORM]].KEY=VALUE`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Annotation {
    /// Of what points at the manifest.
    of_descriptor: bool,
    /// For images for that alone.
    platform: Option<Platform>,
    key: String,
    value: String,
}

impl Annotation {
    /// `None`: the option is another one.
    fn parse(name: &str, value: &str) -> Result<Option<Annotation>, Status> {
        let Some(rest) = name.strip_prefix("annotation") else { return Ok(None) };
        let (kind, rest) = match rest.strip_prefix('-') {
            Some(rest) => {
                let is_of_kind = |c: char| c.is_ascii_lowercase() || c == '-';
                rest.split_at(rest.find(|c: char| !is_of_kind(c)).unwrap_or(rest.len()))
            }
            None => ("manifest", rest),
        };
        let (platform, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((platform, rest)) => (Some(platform), rest),
            None => (None, rest),
        };
        let key = rest.strip_prefix('.').filter(|key| !key.is_empty() && !key.contains(char::is_whitespace));
        let Some(key) = key else { return Ok(None) };
        let of_descriptor = match kind {
            "manifest" => false,
            "manifest-descriptor" => true,
            // What is built here is for one platform.
            "index" | "index-descriptor" => {
                return Err(Status::invalid_argument("index annotations not supported for single platform export"));
            }
            other => return Err(Status::invalid_argument(format!("unrecognized annotation type {other}"))),
        };
        let platform = platform.map(Platform::parse).transpose();
        let platform = platform.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Some(Annotation { of_descriptor, platform, key: key.to_owned(), value: value.to_owned() }))
    }
}

/// What is said of an image that has no place where its files go alone.
pub(super) fn is_annotation(name: &str, value: &str) -> Result<bool, Status> {
    Annotation::parse(name, value).map(|annotation| annotation.is_some())
}

impl Form {
    /// Takes an option, if it is one of these.
    pub(super) fn put(&mut self, name: &str, value: &str) -> Result<bool, Status> {
        match name {
            "compression" => {
                self.codec = Some(match value {
                    "uncompressed" => Codec::None,
                    "gzip" => Codec::Gzip,
                    "zstd" => Codec::Zstd,
                    "estargz" => return Err(not_yet("compression=estargz")),
                    other => return Err(Status::invalid_argument(format!("unsupported compression type {other}"))),
                });
            }
            "compression-level" => {
                let words = || format!("non-integer value {value} specified for {name}");
                self.level = Some(value.parse().map_err(|_| Status::invalid_argument(words()))?);
            }
            "force-compression" => {
                let words = || format!("non-bool value {value} specified for {name}");
                self.force = value.is_empty() || boolean(name, value).map_err(|_| Status::invalid_argument(words()))?;
            }
            "rewrite-timestamp" => {
                self.clamps = truth(name, value)?;
            }
            _ => match Annotation::parse(name, value)? {
                Some(annotation) => self.annotations.push(annotation),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// Whether all of it can be carried out.
    pub(super) fn check(&self) -> Result<(), Status> {
        match (self.codec, self.level) {
            (None | Some(Codec::Gzip), Some(level)) if !GZIP_LEVELS.contains(&level) => {
                Err(Status::invalid_argument(format!("gzip: invalid compression level: {level}")))
            }
            _ => Ok(()),
        }
    }

    /// For an image for a platform, whose `inherited` lowest layers are those of its base image.
    pub(super) fn wrapping(&self, platform: &Platform, inherited: usize) -> Wrapping {
        let mut wrapping = Wrapping::default();
        let is_for = |annotation: &&Annotation| annotation.platform.as_ref().is_none_or(|wanted| wanted == platform);
        // What is said for this platform counts more than what is said for all.
        let mut meant: Vec<&Annotation> = self.annotations.iter().filter(is_for).collect();
        meant.sort_by_key(|annotation| annotation.platform.is_some());
        for Annotation { of_descriptor, key, value, .. } in meant {
            let all = if *of_descriptor { &mut wrapping.index_annotations } else { &mut wrapping.annotations };
            all.insert(key.clone(), value.clone());
        }
        if self.codec.is_some() || self.level.is_some() || self.force {
            let codec = self.codec.unwrap_or(Codec::Gzip);
            let level = match codec {
                Codec::None => None,
                Codec::Gzip => self.level.filter(|level| *level != -1).map(|level| if level == -2 { 1 } else { level }),
                Codec::Zstd => self.level.map(|level| level.clamp(*ZSTD_LEVELS.start(), *ZSTD_LEVELS.end())),
            };
            wrapping.layers = Some(Recompress { codec, level, but: if self.force { 0 } else { inherited } });
        }
        wrapping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(options: &[(&str, &str)]) -> Result<Form, String> {
        let mut form = Form::default();
        for (name, value) in options {
            assert!(form.put(name, value).map_err(|status| status.message().to_owned())?, "{name} is one of them");
        }
        form.check().map_err(|status| status.message().to_owned()).map(|()| form)
    }

    #[test]
    fn annotations_are_of_the_manifest_or_of_what_points_at_it() {
        let form = form(&[
            ("annotation.a", "1"),
            ("annotation-manifest.b", "2"),
            ("annotation-manifest[linux/amd64].a", "3"),
            ("annotation[linux/arm64].d", "4"),
            ("annotation-manifest-descriptor.e.f", "5"),
        ]);
        let wrapping = form.expect("known").wrapping(&Platform::parse("linux/amd64").expect("valid"), 3);
        let told: Vec<String> = wrapping.annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(told, ["a=3", "b=2"]);
        assert_eq!(wrapping.index_annotations.into_iter().collect::<Vec<_>>(), [("e.f".to_owned(), "5".to_owned())]);
        assert_eq!(wrapping.layers, None);
    }

    #[test]
    fn layers_are_compressed_as_is_said() {
        let layers = |options: &[(&str, &str)]| {
            form(options).map(|form| form.wrapping(&Platform::parse("linux/amd64").expect("valid"), 3).layers)
        };
        let of = |codec, level, but| Ok(Some(Recompress { codec, level, but }));
        assert_eq!(layers(&[("compression", "zstd")]), of(Codec::Zstd, None, 3));
        assert_eq!(layers(&[("compression", "zstd"), ("compression-level", "99")]), of(Codec::Zstd, Some(19), 3));
        assert_eq!(layers(&[("compression", "uncompressed"), ("force-compression", "")]), of(Codec::None, None, 0));
        assert_eq!(layers(&[("force-compression", "true"), ("compression-level", "9")]), of(Codec::Gzip, Some(9), 0));
        assert_eq!(layers(&[("compression-level", "-1")]), of(Codec::Gzip, None, 3));
        assert_eq!(layers(&[("compression-level", "-2")]), of(Codec::Gzip, Some(1), 3));
        for (options, words) in [
            (("compression", "lzma"), "unsupported compression type lzma"),
            (("compression-level", "x"), "non-integer value x specified for compression-level"),
            (("compression-level", "-3"), "gzip: invalid compression level: -3"),
            (("compression-level", "10"), "gzip: invalid compression level: 10"),
            (("force-compression", "x"), "non-bool value x specified for force-compression"),
            (("annotation-index.a", "b"), "index annotations not supported for single platform export"),
            (("annotation-foo.a", "b"), "unrecognized annotation type foo"),
        ] {
            assert_eq!(layers(&[options]), Err(words.to_owned()));
        }
        let mut form = Form::default();
        for other in ["annotation", "annotations.a", "annotation.", "annotation.a b", "name"] {
            assert!(!form.put(other, "x").expect("no mistake"), "{other}");
        }
    }
}
