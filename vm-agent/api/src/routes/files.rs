//! A container's files: `cp`, `export`, `diff`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use containers::ArchivePut;
use engine_api::PathStat;
use hyper::header::{HeaderName, HeaderValue};

use super::Call;
use crate::body::Body;
use crate::failure::Failure;
use crate::reply::{self, Answer, Outcome};

const PATH_STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

pub(super) async fn stat(call: Call) -> Answer {
    let stat = call.services.containers.archive_stat(&call.name, path(&call)?).await?;
    with_stat(reply::ok()?, &stat)
}

pub(super) async fn get(call: Call) -> Answer {
    let (stat, pieces) = call.services.containers.archive_get(&call.name, path(&call)?).await?;
    with_stat(reply::stream("application/x-tar", Body::stream(pieces))?, &stat)
}

pub(super) async fn put(call: Call) -> Answer {
    let options = ArchivePut {
        no_overwrite_dir_non_dir: call.query.flag("noOverwriteDirNonDir"),
        copy_uid_gid: call.query.flag("copyUIDGID"),
    };
    let path = path(&call)?.to_owned();
    let (containers, name) = (call.services.containers.clone(), call.name.clone());
    containers.archive_put(&name, &path, call.pieces(), options).await?;
    reply::ok()
}

pub(super) async fn export(call: Call) -> Answer {
    let pieces = call.services.containers.export(&call.name).await?;
    reply::stream("application/octet-stream", Body::stream(pieces))
}

pub(super) async fn changes(call: Call) -> Answer {
    let changes = call.services.containers.changes(&call.name).await?;
    // dockerd says `null` when there are none.
    if changes.is_empty() { reply::json(&serde_json::Value::Null) } else { reply::json(&changes) }
}

fn path(call: &Call) -> Result<&str, Failure> {
    call.query.filled("path").ok_or_else(|| Failure::bad_request("bad parameter: path cannot be empty"))
}

fn with_stat(mut outcome: Outcome, stat: &PathStat) -> Answer {
    let json = serde_json::to_vec(stat).expect("a struct of plain fields");
    let value = HeaderValue::from_str(&STANDARD.encode(json)).expect("base64 is ASCII");
    if let Outcome::Reply(response) = &mut outcome {
        response.headers_mut().insert(PATH_STAT, value);
    }
    Ok(outcome)
}
