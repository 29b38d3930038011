//! The short verbs: start, stop, rm, logs, inspect.

use bollard::Docker;
use bollard::query_parameters::{LogsOptions, RemoveContainerOptions, StopContainerOptions};
use futures_util::StreamExt;

use super::args::{Inspect, Logs, Rm, Start, Stop};
use super::{format, streams};
use crate::Failure;

pub(crate) async fn start(docker: &Docker, start: Start) -> Result<i32, Failure> {
    each(&start.containers, async |name| Ok(docker.start_container(name, None).await?)).await
}

pub(crate) async fn stop(docker: &Docker, stop: Stop) -> Result<i32, Failure> {
    let options = StopContainerOptions { t: stop.time, ..StopContainerOptions::default() };
    each(&stop.containers, async |name| Ok(docker.stop_container(name, Some(options.clone())).await?)).await
}

pub(crate) async fn rm(docker: &Docker, rm: Rm) -> Result<i32, Failure> {
    let options = RemoveContainerOptions { force: rm.force, v: rm.volumes, ..RemoveContainerOptions::default() };
    each(&rm.containers, async |name| Ok(docker.remove_container(name, Some(options.clone())).await?)).await
}

/// Does `verb` to each, prints the names of those it worked for and says why for the rest.
async fn each(names: &[String], verb: impl AsyncFn(&str) -> Result<(), Failure>) -> Result<i32, Failure> {
    let mut code = 0;
    for name in names {
        match verb(name).await {
            Ok(()) => println!("{name}"),
            Err(failure) => {
                eprintln!("{failure}");
                code = 1;
            }
        }
    }
    Ok(code)
}

pub(crate) async fn logs(docker: &Docker, logs: Logs) -> Result<i32, Failure> {
    let since = logs.since.as_deref().map(format::since).transpose().map_err(|text| Failure::new(1, text))?;
    let options = LogsOptions {
        follow: logs.follow,
        stdout: true,
        stderr: true,
        since: since.unwrap_or(0),
        timestamps: logs.timestamps,
        tail: logs.tail,
        ..LogsOptions::default()
    };
    let mut output = docker.logs(&logs.container, Some(options));
    while let Some(piece) = output.next().await {
        streams::write(piece?)?;
    }
    Ok(0)
}

/// Containers first, then images, as docker looks names up.
pub(crate) async fn inspect(docker: &Docker, inspect: Inspect) -> Result<i32, Failure> {
    let mut found = Vec::new();
    let mut code = 0;
    for name in &inspect.names {
        if let Ok(container) = docker.inspect_container(name, None).await {
            found.push(serde_json::to_value(container).map_err(|error| Failure::new(1, error.to_string()))?);
        } else {
            match docker.inspect_image(name).await {
                Ok(image) => {
                    found.push(serde_json::to_value(image).map_err(|error| Failure::new(1, error.to_string()))?)
                }
                Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {
                    eprintln!("{}", rust_i18n::t!("inspect.unknown", name = name));
                    code = 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    println!("{:#}", serde_json::Value::Array(found));
    Ok(code)
}
