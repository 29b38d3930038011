//! What an image that is made here says of itself: its JSON, as dockerd writes it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::image::LayerRecord;
use crate::{Keeper, Platform, Reference};

/// What a new image says about itself, beside its layers.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub author: String,
    pub comment: String,
    /// The command that made it, for the history.
    pub created_by: String,
    /// The engine's version.
    pub engine: String,
    /// How its containers run: `config` of the image's JSON.
    pub config: Value,
    /// The container that it was made from: its ID.
    pub container: Option<String>,
    /// That container's configuration.
    pub container_config: Value,
    /// What it runs on, when it is made of nothing; this machine unless told otherwise.
    pub platform: Option<Platform>,
    /// Who keeps it from the moment that it is there.
    pub keeper: Option<Arc<Keeper>>,
    /// The name that it gets, `:latest` without a tag, in the step that records it: one without could be pruned in between.
    pub reference: Option<Reference>,
}

/// An entry of the history.
pub(crate) fn step(created: &str, draft: &Draft) -> Map<String, Value> {
    let mut step = Map::new();
    step.insert("created".to_owned(), created.into());
    for (key, text) in [("created_by", &draft.created_by), ("author", &draft.author), ("comment", &draft.comment)] {
        if !text.is_empty() {
            step.insert(key.to_owned(), text.as_str().into());
        }
    }
    step
}

/// The JSON of an image with one step more than `raw`.
pub(crate) fn on_top(
    raw: &Value,
    created: &str,
    draft: &Draft,
    chain: &[LayerRecord],
    step: Value,
) -> Map<String, Value> {
    let mut history = match raw.get("history") {
        Some(Value::Array(steps)) => steps.clone(),
        _ => Vec::new(),
    };
    history.push(step);
    let text = |key| raw.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let platform = match raw {
        Value::Null => draft.platform.clone().unwrap_or_else(Platform::host),
        // As the base says it, not as it is understood.
        _ => Platform {
            os: text("os").unwrap_or_else(|| "linux".to_owned()),
            architecture: text("architecture").unwrap_or_else(|| Platform::host().architecture),
            variant: text("variant"),
        },
    };
    let mut config = describe(created, draft, &platform, chain, history);
    for key in ["os.version", "os.features"] {
        if let Some(value) = raw.get(key) {
            config.insert(key.to_owned(), value.clone());
        }
    }
    config
}

/// The image's JSON, with the members that dockerd writes.
pub(crate) fn describe(
    created: &str,
    draft: &Draft,
    platform: &Platform,
    layers: &[LayerRecord],
    history: Vec<Value>,
) -> Map<String, Value> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let mut rootfs = json!({ "type": "layers" });
    if !diff_ids.is_empty() {
        rootfs["diff_ids"] = json!(diff_ids);
    }
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
    set("architecture", platform.architecture.as_str().into());
    if !draft.author.is_empty() {
        set("author", draft.author.as_str().into());
    }
    set("config", draft.config.clone());
    if let Some(container) = &draft.container {
        set("container", container.as_str().into());
    }
    set("container_config", draft.container_config.clone());
    set("created", created.into());
    set("docker_version", draft.engine.as_str().into());
    set("history", history.into());
    set("os", platform.os.as_str().into());
    set("rootfs", rootfs);
    if let Some(variant) = &platform.variant {
        set("variant", variant.as_str().into());
    }
    config
}
