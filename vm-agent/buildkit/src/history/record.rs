//! What is remembered of a build, as BuildKit's clients are told of it. Pure.

use super::redact;
use crate::progress::{now, timestamp};
use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::google::rpc;
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use layers::Digest;
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};
use tonic::{Code, Status};

/// What BuildKit says of a build that was given up, by which its clients know one.
pub(crate) const CANCELED: &str = "context canceled";

/// Whether a build or a step was given up, by its code, where it is known, and its text. A command that failed may have these words in it.
pub(crate) fn is_canceled(code: Option<Code>, text: &str) -> bool {
    let before = || text.strip_suffix(CANCELED).is_some_and(|before| before.is_empty() || before.ends_with(": "));
    code == Some(Code::Cancelled) || before()
}

/// One build.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(message, required, tag = "1")]
    pub(crate) shown: api::BuildHistoryRecord,
    /// The name of the folder that was built, if its client says so.
    #[prost(string, tag = "2")]
    pub(crate) folder: String,
}

/// What becomes of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Completed,
    Failed,
    Canceled,
}

impl State {
    /// BuildKit's word for it, by which clients filter.
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Completed => "completed",
            State::Failed => "error",
            State::Canceled => "canceled",
        }
    }
}

/// How a build ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With what clients are told of the outputs.
    Built(HashMap<String, String>),
    Failed(Status),
}

impl Record {
    /// What a request says, now that it begins, without passwords of addresses.
    pub(crate) fn begin(request: &api::SolveRequest) -> Record {
        let mut exporters = request.exporters.clone();
        if exporters.is_empty() && !request.exporter_deprecated.is_empty() {
            let attrs = request.exporter_attrs_deprecated.clone();
            exporters.push(api::Exporter { r#type: request.exporter_deprecated.clone(), attrs });
        }
        let attributes = request.frontend_attrs.iter();
        let shown = api::BuildHistoryRecord {
            r#ref: request.r#ref.clone(),
            frontend: request.frontend.clone(),
            frontend_attrs: attributes.map(|(name, value)| (name.clone(), redact::attribute(name, value))).collect(),
            exporters,
            created_at: Some(now()),
            ..api::BuildHistoryRecord::default()
        };
        Record { shown, folder: String::new() }
    }

    /// Takes down how it ended, and how many steps it had. Answers what is to be readable beside the record: all of the failure.
    pub(crate) fn end(&mut self, end: End, counts: &Counts) -> Option<Vec<u8>> {
        self.shown.completed_at = Some(now());
        counts.put(&mut self.shown);
        match end {
            End::Built(response) => {
                self.shown.exporter_response = response;
                None
            }
            End::Failed(status) => {
                let error = rpc::Status {
                    code: status.code() as i32,
                    message: images::redact::addresses(status.message()),
                    ..rpc::Status::default()
                };
                let whole = match status.details() {
                    [] => error.encode_to_vec(),
                    details => match rpc::Status::decode(details) {
                        Ok(whole) => {
                            let message = images::redact::addresses(&whole.message);
                            rpc::Status { message, ..whole }.encode_to_vec()
                        }
                        Err(_) => details.to_vec(),
                    },
                };
                self.shown.external_error = Some(api::Descriptor {
                    // Their spelling.
                    media_type: "application/vnd.googeapis.google.rpc.status+proto".to_owned(),
                    digest: Digest::of(&whole).to_string(),
                    size: i64::try_from(whole.len()).unwrap_or(i64::MAX),
                    annotations: HashMap::new(),
                });
                self.shown.error = Some(error);
                Some(whole)
            }
        }
    }

    /// The engine ended before the build did; `when` it was last known to run.
    pub(crate) fn cut_off(&mut self, when: SystemTime, counts: &Counts) {
        self.shown.completed_at = Some(timestamp(when));
        counts.put(&mut self.shown);
        let message = "the engine ended while this build ran".to_owned();
        self.shown.error = Some(rpc::Status { code: Code::Aborted as i32, message, ..rpc::Status::default() });
    }

    pub(crate) fn created(&self) -> SystemTime {
        self.shown.created_at.as_ref().map_or(SystemTime::UNIX_EPOCH, time)
    }

    pub(crate) fn completed(&self) -> Option<SystemTime> {
        self.shown.completed_at.as_ref().map(time)
    }

    pub(crate) fn state(&self) -> State {
        match &self.shown.error {
            _ if self.shown.completed_at.is_none() => State::Running,
            None => State::Completed,
            Some(error) if is_canceled(Some(Code::from_i32(error.code)), &error.message) => State::Canceled,
            Some(_) => State::Failed,
        }
    }
}

pub(crate) fn time(time: &Timestamp) -> SystemTime {
    let nanos = u32::try_from(time.nanos).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(time.seconds).unwrap_or_default(), nanos)
}

/// How many steps a build told of, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    steps: HashSet<String>,
    completed: HashSet<String>,
    cached: HashSet<String>,
    warnings: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, told: &api::StatusResponse) {
        self.warnings += told.warnings.len();
        for vertex in &told.vertexes {
            self.steps.insert(vertex.digest.clone());
            if vertex.cached {
                self.cached.insert(vertex.digest.clone());
            }
            if vertex.completed.is_some() {
                self.completed.insert(vertex.digest.clone());
            }
        }
    }

    pub(crate) fn put(&self, record: &mut api::BuildHistoryRecord) {
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        record.num_total_steps = count(self.steps.len());
        record.num_completed_steps = count(self.completed.len());
        record.num_cached_steps = count(self.cached.len());
        record.num_warnings = count(self.warnings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure;

    fn vertex(digest: &str, cached: bool, is_completed: bool) -> api::Vertex {
        api::Vertex { digest: digest.to_owned(), cached, completed: is_completed.then(now), ..api::Vertex::default() }
    }

    #[test]
    fn steps_are_counted_once() {
        let mut counts = Counts::default();
        counts.add(&api::StatusResponse {
            vertexes: vec![vertex("a", false, false), vertex("b", false, false), vertex("a", true, true)],
            ..api::StatusResponse::default()
        });
        counts.add(&api::StatusResponse {
            vertexes: vec![vertex("a", true, true), vertex("c", false, true)],
            warnings: vec![api::VertexWarning::default()],
            ..api::StatusResponse::default()
        });
        let mut record = api::BuildHistoryRecord::default();
        counts.put(&mut record);
        let counted =
            (record.num_total_steps, record.num_completed_steps, record.num_cached_steps, record.num_warnings);
        assert_eq!(counted, (3, 2, 1, 1));
    }

    #[test]
    fn an_end_is_told_by_its_words() {
        let begun = Record::begin(&api::SolveRequest { r#ref: "r".to_owned(), ..Default::default() });
        assert_eq!(begun.state(), State::Running);
        let ended = |end: End| {
            let mut record = begun.clone();
            let failure = record.end(end, &Counts::default());
            let kept = record.shown.external_error.as_ref().map(|error| error.digest.clone());
            assert_eq!(failure.map(|failure| Digest::of(&failure).to_string()), kept);
            record.state()
        };
        assert_eq!(ended(End::Built(HashMap::new())), State::Completed);
        assert_eq!(ended(End::Failed(Status::cancelled(CANCELED))), State::Canceled);
        assert_eq!(ended(End::Failed(Status::cancelled("the client is gone"))), State::Canceled);
        assert_eq!(ended(End::Failed(Status::unknown(format!("failed to solve: {CANCELED}")))), State::Canceled);
        assert_eq!(ended(End::Failed(Status::unknown("no"))), State::Failed);
        let command = format!("./t || (echo \"{CANCELED}\"; exit 1): {CANCELED}");
        let error = build::Error::Command { command, code: 1 };
        assert_eq!(ended(End::Failed(failure::status(&error, None, None, None))), State::Failed);
        let whole = rpc::Status { message: "all of it".to_owned(), ..Default::default() }.encode_to_vec();
        let mut record = begun.clone();
        let status = Status::with_details(Code::Unknown, "short", whole.clone().into());
        assert_eq!(record.end(End::Failed(status), &Counts::default()), Some(whole));
        let mut record = begun.clone();
        record.cut_off(SystemTime::now(), &Counts::default());
        assert_eq!(record.state(), State::Failed);
        let bytes = record.encode_to_vec();
        assert_eq!(Record::decode(&bytes[..]).expect("a record"), record);
    }

    #[test]
    fn words_of_a_command_give_nothing_up() {
        for (code, text, expect) in [
            (None, CANCELED, true),
            (None, "rpc error: context canceled", true),
            (None, "not context canceled", false),
            (None, "process \"echo: context canceled\" did not complete successfully: exit code: 1", false),
            (Some(Code::Cancelled), "", true),
            (Some(Code::Unknown), CANCELED, true),
            (Some(Code::Unknown), "context canceled by hand", false),
        ] {
            assert_eq!(is_canceled(code, text), expect, "{code:?} {text}");
        }
    }

    #[test]
    fn passwords_of_addresses_are_not_remembered() {
        let attributes = HashMap::from([("context".to_owned(), "https://user:hidden@example.org/x".to_owned())]);
        let mut record = Record::begin(&api::SolveRequest { frontend_attrs: attributes, ..Default::default() });
        let message = "error downloading remote context https://user:hidden@example.org/x: no".to_owned();
        let whole = rpc::Status { message: message.clone(), ..Default::default() }.encode_to_vec();
        let status = Status::with_details(Code::Unknown, message, whole.into());
        let failure = record.end(End::Failed(status), &Counts::default()).expect("a failure");
        let has_it = |bytes: &[u8]| bytes.windows(6).any(|word| word == b"hidden");
        assert!(!has_it(&failure) && !has_it(&record.encode_to_vec()), "{record:?}");
    }

    #[test]
    fn an_output_may_be_named_in_the_old_way() {
        let request = api::SolveRequest {
            exporter_deprecated: "moby".to_owned(),
            exporter_attrs_deprecated: HashMap::from([("name".to_owned(), "a".to_owned())]),
            ..api::SolveRequest::default()
        };
        let record = Record::begin(&request);
        assert_eq!(
            (record.shown.exporters[0].r#type.as_str(), record.shown.exporters[0].attrs["name"].as_str()),
            ("moby", "a")
        );
    }
}
