//! Watching containers: logs, processes, resource use.

use containers::{LogsRequest, StatsRequest, Tail};

use super::Call;
use crate::failure::Failure;
use crate::reply::{self, Answer};

pub(super) async fn logs(call: Call) -> Answer {
    let query = &call.query;
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(Failure::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let request = LogsRequest {
        stdout,
        stderr,
        follow: query.flag("follow"),
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
        since: query.time("since")?,
        until: query.time("until")?.filter(|until| *until != 0),
        tail: Tail::parse(query.get("tail").unwrap_or_default()),
    };
    let follow = request.follow;
    let logs = call.services.containers.logs(&call.name, request).await?;
    reply::ends_with_client(reply::frames(call.stream_type(logs.tty), logs.tty, logs.frames), follow)
}

pub(super) async fn top(call: Call) -> Answer {
    let arguments = call.query.filled("ps_args").unwrap_or("-ef");
    reply::json(&call.services.containers.top(&call.name, arguments).await?)
}

pub(super) async fn stats(call: Call) -> Answer {
    let request = StatsRequest {
        stream: call.query.flag_or("stream", true),
        one_shot: call.since(1, 41) && call.query.flag("one-shot"),
    };
    if request.stream && request.one_shot {
        return Err(Failure::bad_request("cannot have stream=true and one-shot=true"));
    }
    let endless = request.stream;
    let mut samples = call.services.containers.stats(&call.name, request).await?;
    let stream = reply::json_lines(move |sender| async move {
        while let Some(sample) = samples.recv().await {
            if sender.send(Ok(reply::line(&sample))).await.is_err() {
                return;
            }
        }
    });
    reply::ends_with_client(stream, endless)
}
