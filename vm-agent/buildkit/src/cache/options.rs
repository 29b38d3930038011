//! What a client says of caches elsewhere. Pure. An option that is not carried out is refused, never left out.

use bollard_buildkit_proto::moby::buildkit::v1::CacheOptionsEntry;
use images::Reference;
use images::cache::Form;
use layers::Digest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use tonic::Status;

fn not_yet(what: impl std::fmt::Display) -> Status {
    Status::unimplemented(format!("{what}: this builder does not have it yet"))
}

/// A cache that steps may be taken from. Whether it can be had shows when it is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Import {
    pub(super) kind: String,
    pub(super) attributes: BTreeMap<String, String>,
}

impl Import {
    /// What `--cache-from NAME` says.
    pub(crate) fn in_registry(reference: &str) -> Import {
        let attributes = BTreeMap::from([("ref".to_owned(), reference.to_owned())]);
        Import { kind: "registry".to_owned(), attributes }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// As people are told of it.
    pub(super) fn name(&self) -> String {
        match self.get("ref") {
            Some(reference) if self.kind == "registry" => reference.to_owned(),
            // With BuildKit it is a number, too: what is in it may be secret.
            _ => format!("{}:{}", self.kind, &Digest::of(format!("{:?}", self.attributes).as_bytes()).hex()[..16]),
        }
    }
}

/// The attribute `cache-imports` of a frontend.
pub(crate) fn imports(value: &str) -> Result<Vec<Import>, Status> {
    let malformed = || Status::invalid_argument(format!("invalid cache-imports: {value}"));
    let list: Option<Vec<Value>> = match value {
        "" => None,
        text => serde_json::from_str(text).map_err(|_| malformed())?,
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let read = |entry: Value| {
        let attributes = entry["Attrs"].as_object().into_iter().flatten();
        let attributes = attributes.map(|(name, value)| Some((name.clone(), text(value)?)));
        Some(Import { kind: text(&entry["Type"])?, attributes: attributes.collect::<Option<_>>()? })
    };
    list.unwrap_or_default().into_iter().map(|entry| read(entry).ok_or_else(malformed)).collect()
}

/// Puts caches that a request names beside its attributes among these.
pub(crate) fn with_imports(attributes: &mut HashMap<String, String>, given: &[CacheOptionsEntry], old: &[String]) {
    // Clients name them in both places.
    if attributes.contains_key("cache-imports") || given.is_empty() && old.is_empty() {
        return;
    }
    let old = old.iter().map(|name| json!({"Type": "registry", "Attrs": {"ref": name}}));
    let given = given.iter().map(|entry| json!({"Type": entry.r#type, "Attrs": entry.attrs}));
    let all: Vec<Value> = old.chain(given).collect();
    attributes.insert("cache-imports".to_owned(), Value::Array(all).to_string());
}

/// A cache that a build's steps are written to.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) to: To,
    /// The steps of all stages, and not of the result alone (`mode=max`).
    pub(super) all: bool,
    /// That it fails does not fail the build.
    pub(super) ignores_errors: bool,
}

#[derive(Debug)]
pub(super) enum To {
    /// The image itself.
    Inline,
    Registry(Reference, Form),
    /// A directory of the client's, by the name that it goes by there.
    Local(String, Form),
}

impl Export {
    pub(super) fn new(entry: CacheOptionsEntry) -> Result<Export, Status> {
        let CacheOptionsEntry { r#type: kind, attrs: mut attributes } = entry;
        let (mut all, mut ignores_errors) = (false, false);
        if let Some(mode) = attributes.remove("mode") {
            all = match mode.to_ascii_lowercase().as_str() {
                "min" => false,
                "max" => true,
                _ => return Err(Status::invalid_argument(format!("invalid cache export mode: {mode}"))),
            };
        }
        if let Some(value) = attributes.remove("ignore-error") {
            ignores_errors = boolean("ignore-error", &value)?;
        }
        let to = match kind.as_str() {
            "inline" => To::Inline,
            "registry" => {
                let name = attributes.remove("ref").unwrap_or_default();
                let reference = Reference::parse(&name).map_err(|error| refused(&kind, &error))?;
                if reference.digest.is_some() {
                    return Err(refused(&kind, &format_args!("{name}: a cache has a tag and no digest")));
                }
                To::Registry(reference, form(&kind, &mut attributes)?)
            }
            "local" => {
                let directory = attributes.remove("dest").filter(|directory| !directory.is_empty());
                let directory = directory.ok_or_else(|| refused(&kind, &"local cache exporter requires dest"))?;
                // The client's own business.
                attributes.retain(|name, _| !matches!(name.as_str(), "tag" | "reset"));
                To::Local(directory, form(&kind, &mut attributes)?)
            }
            other => return Err(not_yet(format_args!("--cache-to type={other}"))),
        };
        // Layers are as they are: packed by gzip those that are made here.
        let is_so = |name: &str, value: &str| {
            matches!((name, value), ("compression", "gzip") | ("force-compression" | "registry.insecure", "false"))
        };
        match attributes.iter().find(|(name, value)| !is_so(name, value)) {
            Some((name, value)) => Err(not_yet(format_args!("the option {name}={value} of --cache-to type={kind}"))),
            None => Ok(Export { to, all, ignores_errors }),
        }
    }
}

/// How it is written down: as BuildKit does unless told otherwise.
fn form(kind: &str, attributes: &mut HashMap<String, String>) -> Result<Form, Status> {
    let mut given = |name: &str| attributes.remove(name).map(|value| boolean(name, &value)).transpose();
    let oci = given("oci-mediatypes")?.unwrap_or(true);
    match (given("image-manifest")?.unwrap_or(oci), oci) {
        (true, true) => Ok(Form::Manifest),
        (true, false) => Err(refused(
            kind,
            &"invalid configuration for remote cache, OCI mediatypes are required for image-manifest cache format",
        )),
        (false, oci) => Ok(Form::Index { oci }),
    }
}

fn refused(kind: &str, reason: &dyn std::fmt::Display) -> Status {
    Status::invalid_argument(format!("failed to configure {kind} cache exporter: {reason}"))
}

fn boolean(name: &str, value: &str) -> Result<bool, Status> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Status::invalid_argument(format!("failed to parse {name}: {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, attributes: &[(&str, &str)]) -> CacheOptionsEntry {
        let attrs = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        CacheOptionsEntry { r#type: kind.to_owned(), attrs }
    }

    fn export(kind: &str, attributes: &[(&str, &str)]) -> Result<Export, String> {
        Export::new(entry(kind, attributes)).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn caches_to_write_have_forms_and_modes() {
        let form = |attributes: &[(&str, &str)]| match export("local", &[&[("dest", "d")], attributes].concat())?.to {
            To::Local(directory, form) if directory == "d" => Ok::<_, String>(form),
            to => panic!("{to:?}"),
        };
        assert_eq!(form(&[]), Ok(Form::Manifest));
        assert_eq!(form(&[("image-manifest", "false")]), Ok(Form::Index { oci: true }));
        assert_eq!(form(&[("oci-mediatypes", "0"), ("tag", "t")]), Ok(Form::Index { oci: false }));
        assert!(form(&[("oci-mediatypes", "false"), ("image-manifest", "true")]).is_err());
        assert_eq!(form(&[("compression", "gzip"), ("force-compression", "false")]), Ok(Form::Manifest));
        let there = export("registry", &[("ref", "r/x"), ("mode", "max"), ("ignore-error", "true")]).expect("valid");
        assert!(there.all && there.ignores_errors && matches!(there.to, To::Registry(..)));
        let inline = export("inline", &[]).expect("valid");
        assert!(!inline.all && !inline.ignores_errors && matches!(inline.to, To::Inline));
    }

    #[test]
    fn what_is_not_carried_out_is_refused() {
        for (kind, attributes, words) in [
            ("gha", &[][..], "--cache-to type=gha"),
            ("registry", &[], "failed to configure registry cache exporter"),
            (
                "registry",
                &[("ref", "r/x"), ("compression", "zstd")],
                "the option compression=zstd of --cache-to type=registry",
            ),
            ("registry", &[("ref", "r/x"), ("registry.insecure", "true")], "registry.insecure"),
            ("registry", &[("ref", "r/x"), ("ignore-error", "maybe")], "failed to parse ignore-error"),
            ("local", &[], "requires dest"),
            ("inline", &[("mode", "other")], "invalid cache export mode"),
            ("inline", &[("ref", "x")], "the option ref=x"),
        ] {
            let told = export(kind, attributes).map(|_| ()).expect_err("refused");
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn caches_to_read_are_named() {
        let text =
            r#"[{"Type":"registry","Attrs":{"ref":"r/x"}},{"Type":"local","Attrs":{"src":"/d","digest":"sha256:1"}}]"#;
        let read = imports(text).expect("valid");
        assert_eq!(read[0], Import::in_registry("r/x"));
        assert_eq!((read[0].name().as_str(), read[1].get("src")), ("r/x", Some("/d")));
        assert!(read[1].name().starts_with("local:") && !read[1].name().contains("/d"), "{}", read[1].name());
        assert!(imports("").expect("none").is_empty());
        for bad in ["x", "[{}]", r#"[{"Type":"registry","Attrs":{"ref":1}}]"#] {
            assert!(imports(bad).is_err(), "{bad}");
        }
        let mut attributes = HashMap::new();
        with_imports(&mut attributes, &[entry("local", &[("src", "/d")])], &["a".to_owned()]);
        let read = imports(&attributes["cache-imports"]).expect("valid");
        assert_eq!((read[0].name().as_str(), read[1].get("src")), ("a", Some("/d")));
        with_imports(&mut attributes, &[entry("gha", &[])], &[]);
        assert_eq!(imports(&attributes["cache-imports"]).expect("valid").len(), 2, "they are named there already");
    }
}
