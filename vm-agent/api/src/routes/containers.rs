//! The life of containers.

use containers::{ListRequest, Listing, RemoveOptions, Signal, StopOptions, WaitCondition};
use engine_api::{ContainerUpdateRequest, ContainerWaitResponse, container::WaitError};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::task::JoinSet;

use super::{Call, checkpoints};
use crate::failure::Failure;
use crate::reply::{self, Answer};
use crate::strconv;

/// Containers that are listed before other requests have their turn.
const PAUSE: usize = 64;

pub(super) async fn list(call: Call) -> Answer {
    let mut filters = call.query.filters()?;
    for name in ["since", "before"] {
        if let Some(container) = call.query.filled(name) {
            filters = filters.with(name, container);
        }
    }
    let limit = call.query.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
    let request = ListRequest { all: call.query.flag("all"), limit, size: call.query.flag("size"), filters };
    let annotated = call.since(1, 46);
    // A thousand containers are much memory to read: all threads of the engine read, each its part. This task only waits, for what is
    // spawned last begins on its own thread.
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    let parts = call.services.containers.listing(request)?.split(threads);
    let mut tasks = JoinSet::new();
    for (at, part) in parts.into_iter().enumerate() {
        tasks.spawn(async move { (at, written(part, annotated).await) });
    }
    let mut parts = tasks.join_all().await;
    parts.sort_by_key(|(at, _)| *at);
    let mut list = reply::List::of(0);
    for (_, part) in parts {
        list.append(part?);
    }
    Ok(list.reply())
}

/// A part of a list, as text.
async fn written(mut listing: Listing, annotated: bool) -> Result<reply::List, containers::Error> {
    let mut list = reply::List::of(listing.at_most());
    let mut since_pause = 0;
    while let Some(mut container) = listing.next().await? {
        if !annotated {
            container.host_config.annotations = None;
        }
        list.push(&container);
        since_pause += 1;
        if since_pause == PAUSE {
            since_pause = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(list)
}

pub(super) async fn inspect(call: Call) -> Answer {
    let mut inspect = call.services.containers.inspect(&call.name, call.query.flag("size")).await?;
    // Clients before 1.44 look for the address of their own container there too.
    if !call.since(1, 44) && inspect.config.mac_address.is_empty() {
        inspect.config.mac_address.clone_from(&inspect.network_settings.mac_address);
    }
    reply::json(&inspect)
}

pub(super) async fn start(call: Call) -> Answer {
    no_start_body(&call)?;
    checkpoints::refuse_start(&call).await?;
    call.services.containers.start(&call.name).await?;
    reply::no_content()
}

/// A host configuration came with the start before API 1.24. A small body is let through, as old clients send `{}` or `null`.
fn no_start_body(call: &Call) -> Result<(), Failure> {
    let length = call.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > 7) || call.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Failure::bad_request(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    Ok(())
}

pub(super) async fn stop(call: Call) -> Answer {
    call.services.containers.stop(&call.name, stop_options(&call)?).await?;
    reply::no_content()
}

pub(super) async fn restart(call: Call) -> Answer {
    call.services.containers.restart(&call.name, stop_options(&call)?).await?;
    reply::no_content()
}

fn stop_options(call: &Call) -> Result<StopOptions, Failure> {
    let signal = call.query.filled("signal").filter(|_| call.since(1, 42)).map(str::to_owned);
    Ok(StopOptions { timeout: call.query.number("t")?, signal })
}

fn signal(call: &Call) -> Result<Option<Signal>, Failure> {
    let Some(text) = call.query.filled("signal") else { return Ok(None) };
    containers::signal::parse(text).map(Some).map_err(|error| {
        Failure::bad_request(match strconv::atoi(text) {
            Ok(number) if number != 0 => format!("the linux daemon does not support signal {number}"),
            _ => error.to_string(),
        })
    })
}

pub(super) async fn kill(call: Call) -> Answer {
    let prefix = format!("cannot kill container: {}: ", call.name);
    let signal = signal(&call).map_err(|failure| failure.prefixed(&prefix))?;
    let killed = call.services.containers.kill(&call.name, signal).await;
    killed.map_err(|error| Failure::from(error).prefixed(&prefix))?;
    reply::no_content()
}

pub(super) async fn pause(call: Call) -> Answer {
    call.services.containers.pause(&call.name).await?;
    reply::no_content()
}

pub(super) async fn unpause(call: Call) -> Answer {
    call.services.containers.unpause(&call.name).await?;
    reply::no_content()
}

pub(super) async fn rename(call: Call) -> Answer {
    call.services.containers.rename(&call.name, call.query.get("name").unwrap_or_default()).await?;
    reply::no_content()
}

pub(super) async fn update(mut call: Call) -> Answer {
    let mut request = ContainerUpdateRequest::decode(&call.json_bytes().await?)?;
    let resources = &mut request.resources;
    if call.since(1, 42) {
        resources.kernel_memory = 0;
    }
    resources.pids_limit = match resources.pids_limit {
        _ if !call.since(1, 40) => None,
        Some(limit) if limit <= 0 => Some(0),
        limit => limit,
    };
    reply::json(&call.services.containers.update(&call.name, request).await?)
}

pub(super) async fn resize(call: Call) -> Answer {
    let (rows, columns) = terminal_size(&call)?;
    call.services.containers.resize(&call.name, rows, columns).await?;
    reply::ok()
}

/// Rows and columns.
pub(super) fn terminal_size(call: &Call) -> Result<(u32, u32), Failure> {
    let size = |name: &str, what: &str| {
        let text = call.query.get(name).unwrap_or_default();
        let number = text.parse::<i128>().map_err(|_| "invalid syntax");
        let size = number.and_then(|number| u32::try_from(number).map_err(|_| "value out of range"));
        size.map_err(|reason| Failure::bad_request(format!("invalid resize {what} \"{text}\": {reason}")))
    };
    Ok((size("h", "height")?, size("w", "width")?))
}

/// The head goes out at once, the body when the condition holds: clients wait before they start (since 1.30).
pub(super) async fn wait(call: Call) -> Answer {
    // Nobody knew of conditions before.
    let condition = call.query.get("condition").filter(|_| call.since(1, 30)).unwrap_or_default();
    let condition: WaitCondition = condition.parse()?;
    let waiting = call.services.containers.wait(&call.name, condition)?;
    let answer = reply::json_lines(move |sender| async move {
        let waited = waiting.await;
        // The other conditions are asked for by whoever is about to start it: the start itself tells them why it failed.
        let tells = condition == WaitCondition::NotRunning && !waited.error.is_empty();
        let error = tells.then_some(WaitError { message: waited.error });
        let response = ContainerWaitResponse { status_code: i64::from(waited.code), error };
        // An error means that the client has gone.
        let _ = sender.send(Ok(reply::line(&response))).await;
    });
    reply::ends_with_client(answer, true)
}

pub(super) async fn remove(call: Call) -> Answer {
    if call.name.is_empty() {
        return Err(Failure::bad_request("invalid name or ID supplied: \"\""));
    }
    if call.query.flag("link") {
        call.services.containers.remove_link(&call.name).await?;
        return reply::no_content();
    }
    let options = RemoveOptions { force: call.query.flag("force"), volumes: call.query.flag("v") };
    call.services.containers.remove(&call.name, options).await?;
    reply::no_content()
}

pub(super) async fn prune(call: Call) -> Answer {
    let filters = call.query.filters()?;
    filters.only(&["label", "label!", "until"])?;
    reply::json(&call.services.containers.prune(&filters).await?)
}
