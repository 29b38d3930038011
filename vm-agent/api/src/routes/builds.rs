//! The builds that are remembered, for the engine's own clients. Docker's API has nothing like it; BuildKit's own clients use gRPC.

use super::Call;
use crate::body::Body;
use crate::failure::Failure;
use crate::reply::{self, Answer};
use ::buildkit::{Build, BuildState, LogOptions, Step};
use engine_api::Timestamp;
use futures_util::StreamExt as _;
use serde_json::{Value, json as value};
use std::time::SystemTime;
use tokio::sync::mpsc;

/// Newest first.
pub(super) async fn list(call: Call) -> Answer {
    reply::json(&call.services.buildkit.builds().iter().map(described).collect::<Vec<_>>())
}

/// One, with its steps.
pub(super) async fn inspect(call: Call) -> Answer {
    let (build, steps) = call.services.buildkit.build(&call.name).await.ok_or_else(|| unknown(&call.name))?;
    let mut told = described(&build);
    told["Vertices"] = steps.iter().map(step).collect();
    reply::json(&told)
}

/// What it told, as text.
pub(super) async fn logs(call: Call) -> Answer {
    let step = call.query.filled("vertex").map(str::to_owned);
    let follow = call.query.flag("follow");
    let options = LogOptions { step, follow };
    let mut pieces = call.services.buildkit.build_log(&call.name, options).ok_or_else(|| unknown(&call.name))?;
    let (sender, receiver) = mpsc::channel(16);
    let producer = tokio::spawn(async move {
        while let Some(piece) = pieces.next().await {
            if sender.send(Ok(piece)).await.is_err() {
                return;
            }
        }
    });
    let answer = reply::stream("text/plain; charset=utf-8", Body::produced(receiver, producer.abort_handle()));
    reply::ends_with_client(answer, follow)
}

pub(super) async fn remove(call: Call) -> Answer {
    call.services.buildkit.forget_build(&call.name).await?;
    reply::no_content()
}

fn unknown(reference: &str) -> Failure {
    ::buildkit::NotForgotten::Unknown(reference.to_owned()).into()
}

fn time(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

fn described(build: &Build) -> Value {
    value!({
        "Ref": build.reference,
        "Name": build.name,
        "Dockerfile": build.dockerfile,
        "Context": build.context,
        "Target": build.target,
        "Platform": build.platform,
        "Status": build.state.word(),
        // What was given up did not fail.
        "Error": if build.state == BuildState::Canceled { "" } else { build.error.as_str() },
        "CreatedAt": time(build.created),
        "CompletedAt": build.completed.map(time),
        "Steps": {
            "Total": build.steps.total,
            "Completed": build.steps.completed,
            "Cached": build.steps.cached,
            "Warnings": build.steps.warnings,
        },
        "Tags": build.tags,
        "ImageID": build.image,
    })
}

fn step(step: &Step) -> Value {
    value!({
        "Digest": step.digest,
        "Name": step.name,
        "StartedAt": step.started.map(time),
        "CompletedAt": step.completed.map(time),
        "Cached": step.cached,
        "Error": step.error,
    })
}
