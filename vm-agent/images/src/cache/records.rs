//! The list of steps that a cache is, in BuildKit's form (`application/vnd.buildkit.cacheconfig.v0`). Pure.
//!
//! A record is a step: its key, and by number the one that it was made on top of. What an image's own JSON says of the step beside that,
//! but not its words, is in a member of our own, which BuildKit skips.

use std::collections::HashMap;

use layers::Digest;
use serde::{Deserialize, Serialize};

use crate::image::LayerRecord;
use crate::manifest::Descriptor;

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

/// What makes a step's image the same everywhere.
#[derive(Debug, Serialize, Deserialize)]
struct Own {
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(default)]
    engine: String,
    /// The step's own layer, by its number; none when it changed no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<usize>,
}

/// A step that was made, with what its image says of it.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) key: Digest,
    pub(super) parent: Digest,
    pub(super) told: Told,
    pub(super) layer: Option<LayerRecord>,
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
}

/// A step that a list has.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) told: Told,
    pub(super) layer: Option<LayerRecord>,
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

    /// `top`: the layer that is on top; `own`: the step's.
    fn push(&mut self, step: &Made, parent: usize, top: Option<usize>, own: Option<usize>) {
        let Told { created, container, engine } = step.told.clone();
        let results = top.map(|layer| Outcome { layer, created_at: created.clone() });
        let own = Own { created, container, engine, layer: own };
        self.known.insert(step.key, (self.all.len(), top));
        self.all.push(Record {
            results: results.into_iter().collect(),
            digest: step.key.to_string(),
            inputs: vec![vec![Link { link: parent }]],
            berth: Some(serde_json::to_value(own).expect("strings and numbers only")),
        });
    }
}

impl Config {
    /// The steps, each behind the one that it was made on top of, with the layers that they made.
    pub(super) fn of(steps: &[Made]) -> Config {
        let (mut records, mut layers) = (Records::default(), Vec::new());
        for step in steps {
            let (parent, beneath) = records.parent(step.parent);
            if records.known.contains_key(&step.key) {
                continue;
            }
            let own = step.layer.as_ref().map(|layer| {
                layers.push(LayerEntry::new(layer, beneath, &step.told.created));
                layers.len() - 1
            });
            records.push(step, parent, own.or(beneath), own);
        }
        Config { layers, records: records.all }
    }

    /// The same for an image that has the layers itself, in its own order.
    pub(super) fn within(steps: &[Made]) -> Vec<Record> {
        let mut records = Records::default();
        for step in steps {
            let (parent, _) = records.parent(step.parent);
            if !records.known.contains_key(&step.key) {
                let top = step.depth.checked_sub(1);
                records.push(step, parent, top, top.filter(|_| step.layer.is_some()));
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
        let size = u64::try_from(annotations.size).ok()?;
        let blob = Descriptor::new(&annotations.media_type, self.blob.parse().ok()?, size);
        Some(LayerRecord { diff_id: annotations.diff_id.parse().ok()?, blob })
    }
}

/// The steps that records are, by key, and whether there are such as another builder made.
pub(super) fn steps(records: &[Record], layers: &[Option<LayerRecord>]) -> (HashMap<Digest, Found>, bool) {
    let (mut found, mut is_foreign) = (HashMap::new(), false);
    for record in records {
        let Some(own) = &record.berth else {
            is_foreign |= !record.results.is_empty();
            continue;
        };
        let (Ok(key), Ok(own)) = (record.digest.parse(), Own::deserialize(own)) else { continue };
        let layer = match own.layer.map(|number| layers.get(number)) {
            None => None,
            Some(Some(Some(layer))) => Some(layer.clone()),
            // What the step made is not there.
            Some(_) => continue,
        };
        let told = Told { created: own.created, container: own.container, engine: own.engine };
        found.insert(key, Found { told, layer });
    }
    (found, is_foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::media;

    fn layer(name: &str) -> LayerRecord {
        let blob = Descriptor::new(media::OCI_LAYER_GZIP, Digest::of(format!("blob {name}").as_bytes()), 7);
        LayerRecord { diff_id: Digest::of(name.as_bytes()), blob }
    }

    fn made(key: &str, parent: &str, layer: Option<LayerRecord>, depth: usize) -> Made {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let told = Told { created: "2024-05-01T10:20:30Z".to_owned(), engine: "1".to_owned(), container: None };
        Made { key: digest(key), parent: digest(parent), told, layer, depth }
    }

    /// Two lines of steps on one base, of which the second begins as the first does.
    fn lines() -> Vec<Made> {
        let (run, copy, other) = (layer("run"), layer("copy"), layer("other"));
        vec![
            made("run", "base", Some(run.clone()), 2),
            made("env", "run", None, 2),
            made("copy", "env", Some(copy), 3),
            made("run", "base", Some(run), 2),
            made("other", "run", Some(other), 3),
        ]
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
        let (found, is_foreign) = steps(&config.records, &config.layers());
        assert_eq!((found.len(), is_foreign), (4, false));
        for step in lines() {
            let found = &found[&step.key];
            assert_eq!(found.told, step.told);
            assert_eq!(found.layer.as_ref().map(LayerRecord::pair), step.layer.as_ref().map(LayerRecord::pair));
        }
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
        let (found, _) = steps(&records, &layers);
        assert_eq!(found[&line[2].key].layer.as_ref().map(LayerRecord::pair), Some(layer("copy").pair()));
        // An image that lost its last layer has not the step that made it.
        assert!(!steps(&records, &layers[..2]).0.contains_key(&line[2].key));
    }

    #[test]
    fn what_others_wrote_is_passed_over() {
        let text = r#"{"layers":[{"blob":"sha256:x","parent":-1},{"blob":"y"}],"records":[
            {"digest":"random:1","layers":[{"layer":0,"createdAt":"2024-05-01T10:20:30Z"}],"chains":[{"layers":[0]}]},
            {"digest":"z","berth":{"created":"","layer":7}},
            {"digest":"z","berth":[1]},{}]}"#;
        let config: Config = serde_json::from_str(text).expect("lenient");
        let (found, is_foreign) = steps(&config.records, &config.layers());
        assert!(found.is_empty() && is_foreign);
    }
}
