//! A build as the engine's own clients are told of it. Pure.

use super::record::{Counts, Record, State, time};
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use images::{Platform, Reference};
use std::collections::HashMap;
use std::time::SystemTime;

/// One build.
#[derive(Debug, Clone)]
pub struct Build {
    pub reference: String,
    /// What people call it.
    pub name: String,
    pub dockerfile: String,
    /// As its client named it; empty when it did not.
    pub context: String,
    pub target: String,
    pub platform: String,
    pub state: State,
    /// Why it failed; empty when it did not.
    pub error: String,
    pub created: SystemTime,
    pub completed: Option<SystemTime>,
    pub steps: Steps,
    /// The names that were asked for.
    pub tags: Vec<String>,
    /// The image's ID; empty when there is none.
    pub image: String,
}

/// How many steps it told of, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    pub total: usize,
    pub completed: usize,
    pub cached: usize,
    pub warnings: usize,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub digest: String,
    pub name: String,
    pub started: Option<SystemTime>,
    pub completed: Option<SystemTime>,
    pub cached: bool,
    pub error: String,
}

impl From<&api::Vertex> for Step {
    fn from(vertex: &api::Vertex) -> Step {
        Step {
            digest: vertex.digest.clone(),
            name: vertex.name.clone(),
            started: vertex.started.as_ref().map(time),
            completed: vertex.completed.as_ref().map(time),
            cached: vertex.cached,
            error: vertex.error.clone(),
        }
    }
}

/// The steps of a build, in the order in which they were first told, and how many they are.
#[derive(Debug, Default)]
pub(crate) struct Story {
    steps: Vec<Step>,
    numbers: HashMap<String, usize>,
    counts: Counts,
}

impl Story {
    pub(crate) fn add(&mut self, told: &api::StatusResponse) {
        self.counts.add(told);
        for vertex in &told.vertexes {
            let next = self.steps.len();
            let number = *self.numbers.entry(vertex.digest.clone()).or_insert(next);
            if number == next {
                self.steps.push(vertex.into());
            } else {
                self.steps[number] = vertex.into();
            }
        }
    }

    /// The record of a build that runs, with the numbers by now.
    pub(crate) fn counted(&self, record: &Record) -> Record {
        let mut record = record.clone();
        self.counts.put(&mut record.shown);
        record
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

impl From<&Record> for Build {
    fn from(record: &Record) -> Build {
        let shown = &record.shown;
        let attribute = |name: &str| shown.frontend_attrs.get(name).filter(|value| !value.is_empty()).cloned();
        let count = |count: i32| usize::try_from(count).unwrap_or_default();
        let dockerfile = attribute("filename").unwrap_or_else(|| "Dockerfile".to_owned());
        // What a client has itself has no address.
        let address = attribute("context").filter(|address| crate::upload::name(address).is_none());
        let context = address.or_else(|| attribute("vcs:localdir:context")).unwrap_or_default();
        let tags = tags(shown);
        let folder = Some(record.folder.as_str()).filter(|folder| !folder.is_empty() && *folder != ".");
        let folder = folder.or_else(|| last_part(&context)).or_else(|| tags.first().and_then(|tag| last_part(tag)));
        let name = match folder {
            Some(folder) if dockerfile == "Dockerfile" => folder.to_owned(),
            Some(folder) => format!("{folder}/{}", last_part(&dockerfile).unwrap_or(&dockerfile)),
            None => dockerfile.clone(),
        };
        Build {
            reference: shown.r#ref.clone(),
            name: attribute("build-arg:BUILDKIT_BUILD_NAME").unwrap_or(name),
            dockerfile,
            context,
            target: attribute("target").unwrap_or_default(),
            platform: attribute("platform").unwrap_or_else(|| Platform::host().to_string()),
            state: record.state(),
            error: shown.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
            created: record.created(),
            completed: record.completed(),
            steps: Steps {
                total: count(shown.num_total_steps),
                completed: count(shown.num_completed_steps),
                cached: count(shown.num_cached_steps),
                warnings: count(shown.num_warnings),
            },
            tags,
            image: shown.exporter_response.get("containerimage.config.digest").cloned().unwrap_or_default(),
        }
    }
}

/// What a path, an address or a name ends with.
fn last_part(text: &str) -> Option<&str> {
    text.rsplit(['/', '\\']).find(|part| !part.is_empty() && *part != ".")
}

/// The names that outputs were asked to have, each once.
fn tags(record: &api::BuildHistoryRecord) -> Vec<String> {
    let mut tags = Vec::new();
    for name in
        record.exporters.iter().filter_map(|exporter| exporter.attrs.get("name")).flat_map(|names| names.split(','))
    {
        let Ok(reference) = Reference::parse(name) else { continue };
        let tag = reference.or_latest().to_string();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::now;

    fn built(folder: &str, attributes: &[(&str, &str)], names: &str) -> Build {
        let mut record = Record { folder: folder.to_owned(), ..Record::default() };
        record.shown.frontend_attrs =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let attrs = HashMap::from([("name".to_owned(), names.to_owned())]);
        record.shown.exporters = vec![api::Exporter { r#type: "moby".to_owned(), attrs }];
        Build::from(&record)
    }

    #[test]
    fn a_build_is_called_what_its_folder_is() {
        for (folder, attributes, names, expect) in [
            ("app", &[][..], "", "app"),
            ("app", &[("filename", "docker/Dockerfile.dev")], "", "app/Dockerfile.dev"),
            ("app", &[("build-arg:BUILDKIT_BUILD_NAME", "mine")], "", "mine"),
            ("", &[("context", "https://example.org/x/y.git")], "", "y.git"),
            ("", &[("context", "http://buildkit-session/abc")], "a/b:2", "b:2"),
            ("", &[("filename", "Other")], "", "Other"),
            ("", &[], "", "Dockerfile"),
        ] {
            assert_eq!(built(folder, attributes, names).name, expect, "{folder} {attributes:?} {names}");
        }
    }

    #[test]
    fn names_are_told_whole_and_once() {
        let build =
            built("app", &[("target", "t"), ("platform", "linux/arm64")], "a,docker.io/library/a:latest,b/c:1,");
        assert_eq!(build.tags, ["docker.io/library/a:latest", "docker.io/b/c:1"]);
        assert_eq!((build.target.as_str(), build.platform.as_str(), build.state), ("t", "linux/arm64", State::Running));
    }

    #[test]
    fn steps_keep_the_order_in_which_they_came() {
        let vertex = |digest: &str, cached: bool| api::Vertex {
            digest: digest.to_owned(),
            cached,
            completed: cached.then(now),
            ..api::Vertex::default()
        };
        let mut story = Story::default();
        story.add(&api::StatusResponse {
            vertexes: vec![vertex("a", false), vertex("b", false), vertex("a", true)],
            ..api::StatusResponse::default()
        });
        let steps = Build::from(&story.counted(&Record::default())).steps;
        assert_eq!(steps, Steps { total: 2, completed: 1, cached: 1, warnings: 0 });
        let told: Vec<_> = story.into_steps().into_iter().map(|step| (step.digest, step.cached)).collect();
        assert_eq!(told, [("a".to_owned(), true), ("b".to_owned(), false)]);
    }
}
