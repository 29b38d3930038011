//! What the specification (Swagger 2.0) names.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

pub(crate) struct Specification {
    pub(crate) version: String,
    /// `GET /containers/{id}/json`
    pub(crate) endpoints: BTreeSet<String>,
    /// `HostConfig.LogConfig.Type`
    pub(crate) fields: BTreeSet<String>,
}

/// What a request to create a container is made of.
const OBJECTS: [(&str, &str); 3] =
    [("Config", "ContainerConfig"), ("HostConfig", "HostConfig"), ("NetworkingConfig", "NetworkingConfig")];

impl Specification {
    pub(crate) fn read(path: &Path) -> Specification {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let whole: Value = serde_saphyr::from_str(&text).expect("the specification is YAML");
        let mut fields = BTreeSet::new();
        for (name, definition) in OBJECTS {
            let definition = &whole["definitions"][definition];
            assert!(definition.is_object(), "no definition of {name}");
            walk(&whole, definition, name, &mut fields);
        }
        Specification {
            version: whole["info"]["version"].as_str().unwrap_or_default().to_owned(),
            endpoints: endpoints(&whole),
            fields,
        }
    }
}

fn endpoints(whole: &Value) -> BTreeSet<String> {
    let mut endpoints = BTreeSet::new();
    for (path, operations) in whole["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys().filter(|key| *key != "parameters") {
            endpoints.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    endpoints
}

/// The leaves below a definition. A map of anything, and a list of plain values, is a leaf itself.
fn walk(whole: &Value, definition: &Value, path: &str, fields: &mut BTreeSet<String>) {
    if let Some(reference) = definition["$ref"].as_str() {
        let name = reference.strip_prefix("#/definitions/").expect("a definition of this file");
        return walk(whole, &whole["definitions"][name], path, fields);
    }
    if let Some(parts) = definition["allOf"].as_array() {
        return parts.iter().for_each(|part| walk(whole, part, path, fields));
    }
    if let Some(properties) = definition["properties"].as_object() {
        for (name, property) in properties {
            walk(whole, property, &format!("{path}.{name}"), fields);
        }
        return;
    }
    for inner in [&definition["items"], &definition["additionalProperties"]] {
        if is_object(whole, inner) {
            return walk(whole, inner, path, fields);
        }
    }
    fields.insert(path.to_owned());
}

/// Whether something below has fields of its own.
fn is_object(whole: &Value, definition: &Value) -> bool {
    match definition["$ref"].as_str() {
        Some(reference) => {
            let name = reference.strip_prefix("#/definitions/").expect("a definition of this file");
            is_object(whole, &whole["definitions"][name])
        }
        None => {
            definition["properties"].is_object()
                || definition["allOf"].is_array()
                || [&definition["items"], &definition["additionalProperties"]]
                    .iter()
                    .any(|inner| inner.is_object() && is_object(whole, inner))
        }
    }
}
