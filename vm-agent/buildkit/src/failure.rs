//! Why a build failed, as BuildKit's clients read it: a text, and beside it which lines of which file, and which step.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::google::protobuf::Any;
use bollard_buildkit_proto::google::rpc;
use build::{Error, Invalid, Reason};
use prost::Message as _;
use std::ops::RangeInclusive;
use tonic::{Code, Status};

/// A Dockerfile, for people to look at.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What BuildKit says of the same failure, where it says it otherwise than the classic builder.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::Command { command, code } => {
            format!("process {command:?} did not complete successfully: exit code: {code}")
        }
        Error::NotInContext { path, .. } => {
            format!(
                "failed to compute cache key: failed to calculate checksum of the build context: {:?}: not found",
                rooted(path)
            )
        }
        Error::NotInImage { path, .. } => {
            format!("failed to compute cache key: failed to calculate checksum: {:?}: not found", rooted(path))
        }
        Error::Step { error, .. } => words(error),
        Error::Mount { reason, .. } => reason.clone(),
        Error::Destination { path, reason } if reason.starts_with("Not a directory") => {
            format!("cannot copy to non-directory: {path}")
        }
        Error::Invalid(Invalid { reason: Reason::NoStage, lines: None }) => {
            "dockerfile contains no stages to build".to_owned()
        }
        Error::Invalid(Invalid { reason: Reason::Text { mistake, .. }, .. }) => mistake.to_string(),
        other => other.to_string(),
    }
}

fn rooted(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}

fn code(error: &Error) -> Code {
    match error.kind() {
        build::Kind::NotImplemented => Code::Unimplemented,
        // As BuildKit has it; clients show any other beside the text.
        build::Kind::Invalid | build::Kind::System => Code::Unknown,
    }
}

/// The status that tells of a build's failure. `step`: the digest of the step that failed.
pub(crate) fn status(
    error: &Error,
    source: Option<&Source>,
    lines: Option<&RangeInclusive<usize>>,
    step: Option<&str>,
) -> Status {
    let message = words(error);
    let mut details = Vec::new();
    if let (Some(source), Some(lines)) = (source, lines) {
        let position = |line: usize| serde_json::json!({ "line": line });
        let value = serde_json::json!({
            "info": { "filename": source.name, "data": STANDARD.encode(&source.text), "language": "Dockerfile" },
            "ranges": [{ "start": position(*lines.start()), "end": position(*lines.end()) }],
        });
        details.push(detail("Source", &value));
    }
    if let Some(digest) = step {
        details.push(detail("Vertex", &serde_json::json!({ "digest": digest })));
    }
    let status = rpc::Status { code: code(error) as i32, message: message.clone(), details };
    Status::with_details(code(error), message, status.encode_to_vec().into())
}

/// BuildKit's own types travel as JSON beside a status.
fn detail(name: &str, value: &serde_json::Value) -> Any {
    Any {
        type_url: format!("github.com/moby/buildkit/errdefs.{name}+json"),
        value: serde_json::to_vec(value).expect("string keys only"),
    }
}

/// What a client that drives its build answers in place of a result.
pub(crate) fn returned(status: rpc::Status) -> Status {
    let code = match Code::from_i32(status.code) {
        Code::Ok => Code::Unknown,
        other => other,
    };
    Status::with_details(code, status.message.clone(), status.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_where() {
        let source = Source { name: "Dockerfile".to_owned(), text: "FROM a\nRUN b\n".to_owned() };
        let error = Error::Command { command: "/bin/sh -c b".to_owned(), code: 3 };
        let status = status(&error, Some(&source), Some(&(2..=2)), Some("sha256:x"));
        assert_eq!(status.message(), "process \"/bin/sh -c b\" did not complete successfully: exit code: 3");
        let told = rpc::Status::decode(status.details()).expect("a status");
        assert_eq!((told.code, told.message.as_str()), (Code::Unknown as i32, status.message()));
        let [source, vertex] = &told.details[..] else { panic!("{:?}", told.details) };
        assert_eq!(source.type_url, "github.com/moby/buildkit/errdefs.Source+json");
        let value: serde_json::Value = serde_json::from_slice(&source.value).expect("JSON");
        assert_eq!(value["ranges"][0]["start"]["line"], 2);
        assert_eq!(value["info"]["data"], "RlJPTSBhClJVTiBiCg==");
        assert_eq!(vertex.value, br#"{"digest":"sha256:x"}"#);
        assert_eq!(returned(told).code(), Code::Unknown);
    }
}
