//! What a client asks of an output. An option that is not carried out is refused, never left out.

use super::form::{self, Form};
use super::{Export, To};
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use images::{ArchiveForm, Reference};
use std::collections::BTreeMap;
use tonic::Status;

pub(super) fn not_yet(what: impl std::fmt::Display) -> Status {
    Status::unimplemented(format!("{what}: this builder does not have it yet"))
}

fn tags(value: &str) -> Result<Vec<Reference>, Status> {
    let mut tags = Vec::new();
    for name in value.split(',').filter(|name| !name.is_empty()) {
        let reference = Reference::parse(name)
            .map_err(|error| Status::invalid_argument(format!("failed to parse {name:?}: {error}")))?;
        if reference.digest.is_some() {
            return Err(Status::invalid_argument(format!("{name}: a tag cannot contain a digest")));
        }
        tags.push(reference);
    }
    Ok(tags)
}

impl Export {
    pub(crate) fn new(number: usize, exporter: api::Exporter) -> Result<Export, Status> {
        let kind = exporter.r#type.as_str();
        let mut to = match kind {
            "moby" | "image" => To::Image { tags: Vec::new(), push: false, by_digest: false },
            "local" => To::Folder { split: false },
            "tar" => To::Tar,
            "docker" => To::Archive(ArchiveForm::Docker, Vec::new()),
            "oci" => To::Archive(ArchiveForm::Oci, Vec::new()),
            other => return Err(Status::not_found(format!("exporter {other:?} could not be found"))),
        };
        let mut form = Form::default();
        // In an order, so that of several mistakes the same one is told each time.
        for (name, value) in exporter.attrs.iter().collect::<BTreeMap<_, _>>() {
            let is_of_form = match to {
                To::Image { .. } | To::Archive(..) => form.put(name, value)?,
                // Files have no manifest.
                To::Folder { .. } | To::Tar => form::is_annotation(name, value)?,
            };
            if is_of_form {
                continue;
            }
            let is_true = value.is_empty() || value == "true";
            match (&mut to, name.as_str()) {
                (To::Image { tags: names, .. } | To::Archive(_, names), "name") => *names = tags(value)?,
                (To::Image { push, .. }, "push") => *push = truth(name, value)?,
                (To::Image { by_digest, .. }, "push-by-digest") => *by_digest = truth(name, value)?,
                // That is where images always are here; Compose asks for it by a word that BuildKit has not.
                (To::Image { .. }, "store" | "load") if is_true => {}
                // An image has one form here, and one digest.
                (To::Image { .. }, "unpack" | "prefer-image-digest")
                | (To::Image { .. } | To::Archive(..), "oci-mediatypes") => drop(truth(name, value)?),
                (To::Archive(..), "tar") if is_true => {}
                (To::Folder { .. }, "mode") if value == "copy" => {}
                (To::Folder { split }, "platform-split") => *split = boolean(name, value)?,
                // An archive is split only where there are several platforms.
                (To::Tar, "platform-split") => drop(boolean(name, value)?),
                // There are none.
                (To::Folder { .. } | To::Tar, "attestation-prefix") => {}
                _ => return Err(not_yet(format_args!("the option {name}={value} of the output type={kind}"))),
            }
        }
        form.check()?;
        match &mut to {
            To::Image { tags, push: true, .. } if tags.is_empty() => {
                return Err(Status::invalid_argument("tag is needed when pushing to registry"));
            }
            To::Image { tags, push: true, by_digest: true } => {
                if let Some(tagged) = tags.iter().find(|name| name.tag.is_some()) {
                    return Err(Status::invalid_argument(format!("can't push tagged ref {tagged} by digest")));
                }
            }
            To::Image { tags, .. } | To::Archive(_, tags) => {
                *tags = std::mem::take(tags).into_iter().map(Reference::or_latest).collect();
            }
            To::Folder { .. } | To::Tar => {}
        }
        Ok(Export { number, to, form })
    }
}

pub(super) fn boolean(name: &str, value: &str) -> Result<bool, Status> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Status::invalid_argument(format!("non-bool value for {name}: {value}"))),
    }
}

/// The same for what is said of images; it is enough to say it.
pub(super) fn truth(name: &str, value: &str) -> Result<bool, Status> {
    if value.is_empty() {
        return Ok(true);
    }
    let words = || format!("non-bool value specified for {name}: strconv.ParseBool: parsing {value:?}: invalid syntax");
    boolean(name, value).map_err(|_| Status::invalid_argument(words()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn outputs_have_options() {
        let export = |kind: &str, name: &str, value: &str| {
            let attrs = HashMap::from([(name.to_owned(), value.to_owned())]);
            Export::new(0, api::Exporter { r#type: kind.to_owned(), attrs })
        };
        let names = |export: Result<Export, Status>| match export.map(|export| export.to) {
            Ok(To::Image { tags: names, .. } | To::Archive(_, names)) => Some(names.len()),
            _ => None,
        };
        assert_eq!(names(export("moby", "name", "a,b:1")), Some(2));
        assert_eq!(names(export("oci", "name", "a")), Some(1));
        let pushes = |value: &str| {
            let attrs = HashMap::from(
                [("push", value), ("name", "a")].map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            Export::new(0, api::Exporter { r#type: "image".to_owned(), attrs })
                .map(|export| matches!(export.to, To::Image { push: true, .. }))
        };
        assert!(matches!((pushes("true"), pushes("false"), pushes("x")), (Ok(true), Ok(false), Err(_))));
        let by_digest = |name: &str| {
            let attrs = [("push", "true"), ("push-by-digest", "true"), ("name", name)];
            let attrs = attrs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let export = Export::new(0, api::Exporter { r#type: "image".to_owned(), attrs: HashMap::from(attrs) });
            export.map(|_| ()).map_err(|status| status.message().to_owned())
        };
        assert_eq!(by_digest("a"), Ok(()));
        assert_eq!(by_digest("a:b"), Err("can't push tagged ref docker.io/library/a:b by digest".to_owned()));
        assert!(export("local", "annotation.a", "b").is_ok() && export("tar", "annotation-index.a", "b").is_err());
        assert!(export("local", "compression", "zstd").is_err() && export("oci", "compression", "zstd").is_ok());
        let told = |kind: &str, name: &str| export(kind, name, "x").err().map(|status| status.message().to_owned());
        for (kind, name) in [("image", "unpack"), ("moby", "prefer-image-digest"), ("oci", "oci-mediatypes")] {
            let words =
                format!("non-bool value specified for {name}: strconv.ParseBool: parsing \"x\": invalid syntax");
            assert_eq!(told(kind, name), Some(words));
            assert!(export(kind, name, "false").is_ok());
        }
        let nameless = export("image", "push", "true").map_err(|status| status.message().to_owned());
        assert_eq!(nameless.map(|_| ()), Err("tag is needed when pushing to registry".to_owned()));
        for word in ["store", "load"] {
            assert!(export("moby", word, "true").is_ok() && export("moby", word, "false").is_err());
        }
        assert!(export("local", "dest", "x").is_err() && export("moby", "name", "A").is_err());
        assert!(export("local", "mode", "copy").is_ok() && export("local", "mode", "delete").is_err());
        assert!(export("tar", "platform-split", "1").is_ok() && export("local", "platform-split", "x").is_err());
        assert!(export("docker", "tar", "true").is_ok() && export("oci", "tar", "false").is_err());
        let unknown = export("flying", "to", "x").map_err(|status| status.message().to_owned());
        assert_eq!(unknown.map(|_| ()), Err("exporter \"flying\" could not be found".to_owned()));
    }
}
