//! The list of steps that a cache is, in BuildKit's form (`application/vnd.buildkit.cacheconfig.v0`). Pure.
//!
//! A record is a step: its key, and by number the one that it was made on top of. What an image's own JSON says of the step beside that,
//! but not its words, is in a member of our own, which BuildKit skips.

use std::collections::HashMap;

use layers::Digest;
use serde::{Deserialize, Serialize};

use crate::image::LayerRecord;
use crate::manifest::{Descriptor, media};

/// How layers are packed that can be unpacked here.
const LAYERS: [&str; 5] = [
    media::OCI_LAYER,
    media::OCI_LAYER_GZIP,
    "application/vnd.oci.image.layer.v1.tar+zstd",
    media::DOCKER_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Config {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) layers: Vec<LayerEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) records: Vec<Record>,
}

/// A layer, and by number the one beneath it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LayerEntry {
    #[serde(default)]
    blob: String,
    /// -1 for none; BuildKit leaves 0 out.
    #[serde(default)]
    parent: i64,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    #[serde(default)]
    media_type: String,
    #[serde(default, rename = "diffID")]
    diff_id: String,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    created_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The layer that is on top when the step is done.
    #[serde(default, rename = "layers", skip_serializing_if = "Vec::is_empty")]
    results: Vec<Outcome>,
    #[serde(default)]
    digest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Vec<Link>>,
    /// [`Own`], or what another version had there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    berth: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    #[serde(default)]
    layer: usize,
    #[serde(default, rename = "createdAt")]
    created_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Link {
    #[serde(default)]
    link: usize,
}

/// What makes a step's image the same everywhere. Without a time it is only said that there is such a step.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Own {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    engine: String,
    /// What was copied, as the step's words have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// It is the step of that key, by another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    same: Option<Digest>,
    /// The step's own layer, by its number; none when it changed no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<usize>,
    /// What that layer was made on ([`beneath`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<Digest>,
}

/// What stands for layers, the lowest first, that something was made on: what is the same step by its words may be another on others.
pub(super) fn beneath(layers: &[LayerRecord]) -> Digest {
    let ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    Digest::of(ids.join(" ").as_bytes())
}

/// A step, and what it came to, unless that is not to be in the list.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) key: Digest,
    pub(super) parent: Digest,
    /// What it goes by, too.
    pub(super) alias: Option<Digest>,
    pub(super) made: Option<Made>,
}

/// What a step came to, with what its image says of it.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) told: Told,
    pub(super) layer: Option<LayerRecord>,
    /// What that was made on ([`beneath`]).
    pub(super) on: Digest,
    /// Layers that its image has.
    pub(super) depth: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// RFC 3339.
    pub(super) created: String,
    /// The ID of the container that it was made in.
    pub(super) container: Option<String>,
    /// The version of the engine that made it.
    pub(super) engine: String,
    /// What was copied, as its words have it.
    pub(super) name: Option<String>,
}

/// The steps that a list has.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// None where it is only said that there is such a step.
    pub(super) all: HashMap<Digest, Option<Found>>,
    /// What else they go by.
    pub(super) same: HashMap<Digest, Digest>,
    /// There are such as another builder made.
    pub(super) is_foreign: bool,
}

/// What a step came to, as a list has it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) told: Told,
    pub(super) layer: Option<LayerRecord>,
    /// What that was made on ([`beneath`]).
    pub(super) on: Option<Digest>,
}

/// Records under way, each behind the one that it was made on top of.
#[derive(Default)]
struct Records {
    all: Vec<Record>,
    /// By key: the record, and the layer that is on top then.
    known: HashMap<Digest, (usize, Option<usize>)>,
}

impl Records {
    /// The record of that key, which without a step is where the steps begin.
    fn parent(&mut self, key: Digest) -> (usize, Option<usize>) {
        let all = &mut self.all;
        *self.known.entry(key).or_insert_with(|| {
            all.push(Record { results: Vec::new(), digest: key.to_string(), inputs: Vec::new(), berth: None });
            (all.len() - 1, None)
        })
    }

    /// `top`: the layer that is on top; `layer`: the step's own.
    fn push(&mut self, step: &Listed, parent: usize, top: Option<usize>, layer: Option<usize>) {
        let told = step.made.as_ref().map(|made| made.told.clone());
        let Told { created, container, engine, name } = told.unwrap_or_default();
        // Without a time nothing is told of what is on top.
        let results = top.filter(|_| step.made.is_some()).map(|layer| Outcome { layer, created_at: created.clone() });
        self.known.insert(step.key, (self.all.len(), top));
        let on = layer.and(step.made.as_ref()).map(|made| made.on);
        let own = Own { created, container, engine, name, same: None, layer, on };
        self.put(step.key, parent, results, &own);
        if let Some(alias) = step.alias {
            self.put(alias, parent, None, &Own { same: Some(step.key), ..Own::default() });
        }
    }

    fn put(&mut self, key: Digest, parent: usize, results: Option<Outcome>, own: &Own) {
        self.all.push(Record {
            results: results.into_iter().collect(),
            digest: key.to_string(),
            inputs: vec![vec![Link { link: parent }]],
            berth: Some(serde_json::to_value(own).expect("strings and numbers only")),
        });
    }
}

impl Config {
    /// The steps, each behind the one that it was made on top of, with the layers that they made.
    pub(super) fn of(steps: &[Listed]) -> Config {
        let (mut records, mut layers) = (Records::default(), Vec::new());
        for step in steps {
            let (parent, beneath) = records.parent(step.parent);
            if records.known.contains_key(&step.key) {
                continue;
            }
            let own = step.made.as_ref().and_then(|made| {
                layers.push(LayerEntry::new(made.layer.as_ref()?, beneath, &made.told.created));
                Some(layers.len() - 1)
            });
            records.push(step, parent, own.or(beneath), own);
        }
        Config { layers, records: records.all }
    }

    /// The same for an image that has the layers itself, in its own order.
    pub(super) fn within(steps: &[Listed]) -> Vec<Record> {
        let mut records = Records::default();
        for step in steps {
            let (parent, _) = records.parent(step.parent);
            if !records.known.contains_key(&step.key) {
                let top = step.made.as_ref().and_then(|made| made.depth.checked_sub(1));
                let is_own = step.made.as_ref().is_some_and(|made| made.layer.is_some());
                records.push(step, parent, top, top.filter(|_| is_own));
            }
        }
        records.all
    }

    /// What it says of its layers; none where it does not say enough.
    pub(super) fn layers(&self) -> Vec<Option<LayerRecord>> {
        self.layers.iter().map(LayerEntry::read).collect()
    }
}

impl LayerEntry {
    fn new(layer: &LayerRecord, beneath: Option<usize>, created: &str) -> LayerEntry {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        LayerEntry {
            blob: layer.blob.digest.to_string(),
            parent: beneath.map_or(-1, number),
            annotations: Some(Annotations {
                media_type: layer.blob.media_type.clone(),
                diff_id: layer.diff_id.to_string(),
                size: i64::try_from(layer.blob.size).unwrap_or(i64::MAX),
                created_at: created.to_owned(),
            }),
        }
    }

    fn read(&self) -> Option<LayerRecord> {
        let annotations = self.annotations.as_ref()?;
        if !LAYERS.contains(&annotations.media_type.as_str()) {
            return None;
        }
        let size = u64::try_from(annotations.size).ok()?;
        let blob = Descriptor::new(&annotations.media_type, self.blob.parse().ok()?, size);
        Some(LayerRecord { diff_id: annotations.diff_id.parse().ok()?, blob })
    }
}

/// Whether it may be an engine's version, which goes into images.
fn is_version(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether it may be what was copied (`file:` and a digest's digits), which goes into a step's words.
fn is_name(text: &str) -> bool {
    let parts = text.split_once(':');
    parts.is_some_and(|(kind, hash)| matches!(kind, "file" | "dir" | "multi") && Digest::from_hex(hash).is_some())
}

/// Bytes of an engine's version.
const LONGEST: usize = 128;

/// The steps that records are. One that says what cannot be is passed over.
pub(super) fn steps(records: &[Record], layers: &[Option<LayerRecord>]) -> Steps {
    let mut steps = Steps::default();
    for record in records {
        let Some(own) = &record.berth else {
            steps.is_foreign |= !record.results.is_empty();
            continue;
        };
        let (Ok(key), Ok(own)) = (record.digest.parse(), Own::deserialize(own)) else { continue };
        if let Some(same) = own.same {
            steps.same.insert(key, same);
            continue;
        }
        let layer = match own.layer.map(|number| layers.get(number)) {
            None => None,
            Some(Some(Some(layer))) => Some(layer.clone()),
            // What the step made is not there.
            Some(_) => continue,
        };
        let Own { created, container, engine, name, on, .. } = own;
        let is_sound = container.as_deref().is_none_or(|id| Digest::from_hex(id).is_some())
            && is_version(&engine)
            && name.as_deref().is_none_or(is_name);
        if !is_sound {
            continue;
        }
        let is_told = !created.is_empty();
        let found = Found { told: Told { created, container, engine, name }, layer, on };
        steps.all.insert(key, is_told.then_some(found));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::media;

    fn layer(name: &str) -> LayerRecord {
        let blob = Descriptor::new(media::OCI_LAYER_GZIP, Digest::of(format!("blob {name}").as_bytes()), 7);
        LayerRecord { diff_id: Digest::of(name.as_bytes()), blob }
    }

    fn made(key: &str, parent: &str, layer: Option<LayerRecord>, depth: usize) -> Listed {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let name = layer.as_ref().map(|_| format!("file:{}", digest("x").hex()));
        let told = Told { created: "2024-05-01T10:20:30Z".to_owned(), engine: "1".to_owned(), container: None, name };
        Listed {
            key: digest(key),
            parent: digest(parent),
            alias: None,
            made: Some(Made { told, layer, on: beneath(&[]), depth }),
        }
    }

    /// Two lines of steps on one base, of which the second begins as the first does.
    fn lines() -> Vec<Listed> {
        let (run, copy, other) = (layer("run"), layer("copy"), layer("other"));
        vec![
            made("run", "base", Some(run.clone()), 2),
            made("env", "run", None, 2),
            made("copy", "env", Some(copy), 3),
            made("run", "base", Some(run), 2),
            made("other", "run", Some(other), 3),
        ]
    }

    fn pair(found: &Steps, step: &Listed) -> Option<(Digest, Digest)> {
        found.all[&step.key].as_ref().expect("made").layer.as_ref().map(LayerRecord::pair)
    }

    #[test]
    fn what_was_written_is_read() {
        let written = serde_json::to_value(Config::of(&lines())).expect("plain");
        // As BuildKit reads it: numbers of records and of layers that are there, each behind what it needs.
        let parents: Vec<_> =
            written["layers"].as_array().expect("some").iter().map(|layer| &layer["parent"]).collect();
        assert_eq!(parents, [-1, 0, 0]);
        let records = written["records"].as_array().expect("some");
        let links: Vec<_> = records.iter().map(|record| record["inputs"][0][0]["link"].as_u64()).collect();
        assert_eq!(links, [None, Some(0), Some(1), Some(2), Some(1)]);
        let tops: Vec<_> = records.iter().map(|record| record["layers"][0]["layer"].as_u64()).collect();
        assert_eq!(tops, [None, Some(0), Some(0), Some(1), Some(2)]);
        let config: Config = serde_json::from_value(written).expect("the same");
        let found = steps(&config.records, &config.layers());
        assert_eq!((found.all.len(), found.is_foreign), (4, false));
        for step in lines() {
            let made = step.made.as_ref().expect("made");
            assert_eq!(found.all[&step.key].as_ref().expect("made").told, made.told);
            assert_eq!(pair(&found, &step), made.layer.as_ref().map(LayerRecord::pair));
        }
    }

    #[test]
    fn steps_may_go_by_two_keys_and_be_known_alone() {
        let alias = Digest::of(b"alias");
        let mut line = lines();
        line.truncate(3);
        line[0].made = None;
        line[2].alias = Some(alias);
        let written = serde_json::to_value(Config::of(&line)).expect("plain");
        // What is only known has nothing that is on top.
        assert_eq!(written["records"][1]["layers"], serde_json::Value::Null);
        let config: Config = serde_json::from_value(written).expect("the same");
        let found = steps(&config.records, &config.layers());
        assert!(found.all[&line[0].key].is_none() && found.all[&line[2].key].is_some());
        assert_eq!(found.same[&alias], line[2].key);
    }

    #[test]
    fn within_an_image_its_own_layers_are_meant() {
        let line = &lines()[..3];
        let written = serde_json::to_value(Config::within(line)).expect("plain");
        let own: Vec<_> =
            written.as_array().expect("some").iter().map(|record| record["berth"]["layer"].as_u64()).collect();
        assert_eq!(own, [None, Some(1), None, Some(2)]);
        let records: Vec<Record> = serde_json::from_value(written).expect("the same");
        let layers = ["base", "run", "copy"].map(|name| Some(layer(name)));
        assert_eq!(pair(&steps(&records, &layers), &line[2]), Some(layer("copy").pair()));
        // An image that lost its last layer has not the step that made it.
        assert!(!steps(&records, &layers[..2]).all.contains_key(&line[2].key));
    }

    #[test]
    fn what_cannot_be_is_passed_over() {
        let line = &lines()[2..3];
        let whole = serde_json::to_value(Config::of(line)).expect("plain");
        let read = |written: serde_json::Value| {
            let config: Config = serde_json::from_value(written).expect("the same");
            steps(&config.records, &config.layers()).all.len()
        };
        assert_eq!(read(whole.clone()), 1);
        for (member, value) in [
            ("container", "x".repeat(64)),
            ("engine", "1\n2".to_owned()),
            ("engine", "1".repeat(LONGEST + 1)),
            ("name", "file:x in /etc".to_owned()),
            ("name", format!("other:{}", Digest::of(b"x").hex())),
        ] {
            let mut written = whole.clone();
            written["records"][1]["berth"][member] = value.into();
            assert_eq!(read(written), 0, "{member}");
        }
        let mut written = whole;
        written["layers"][0]["annotations"]["mediaType"] = "text/plain".into();
        assert_eq!(read(written), 0);
    }

    #[test]
    fn what_others_wrote_is_passed_over() {
        let text = r#"{"layers":[{"blob":"sha256:x","parent":-1},{"blob":"y"}],"records":[
            {"digest":"random:1","layers":[{"layer":0,"createdAt":"2024-05-01T10:20:30Z"}],"chains":[{"layers":[0]}]},
            {"digest":"z","berth":{"created":"","layer":7}},
            {"digest":"z","berth":[1]},{}]}"#;
        let config: Config = serde_json::from_str(text).expect("lenient");
        let found = steps(&config.records, &config.layers());
        assert!(found.all.is_empty() && found.is_foreign);
    }
}
