//! What becomes of each endpoint and field.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole of `judgements.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Judgements {
    /// Why something may be refused, by the word that a refusal gives.
    pub(crate) reasons: BTreeMap<String, String>,
    /// Reasons of which the recorded reference had none: its kernel had what is missing here.
    pub(crate) unrecorded: Vec<String>,
    /// By method and path, as the specification writes them.
    pub(crate) endpoints: BTreeMap<String, Judgement>,
    /// By object and path, such as `HostConfig.LogConfig.Type`.
    pub(crate) fields: BTreeMap<String, Judgement>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Judgement {
    /// As the reference does.
    Done(Done),
    /// Accepted without effect, for a reason.
    Harmless { harmless: String },
    /// Refused with the reference's words; `because` is one of the reasons. `done`: but for these values.
    Refused {
        refused: String,
        because: String,
        #[serde(default)]
        done: Option<String>,
    },
    /// The reference does it and this engine does not yet. `done`: but for what is missing.
    Missing {
        missing: String,
        #[serde(default)]
        done: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Done {
    Done,
}

impl Judgements {
    pub(crate) fn read() -> Judgements {
        toml::from_str(include_str!("judgements.toml")).expect("judgements.toml")
    }
}
