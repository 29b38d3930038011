//! The short verbs: start, stop, rm, logs.

use bollard::Docker;
use bollard::query_parameters::{LogsOptions, RemoveContainerOptions, StartContainerOptions, StopContainerOptions};
use futures_util::StreamExt;
use rust_i18n::t;

use super::args::{Logs, Rm, Start, Stop};
use super::detach::DetachKeys;
use super::run::Session;
use super::{options, streams, times};
use crate::Failure;
use crate::busy::{Busy, answered};

pub(crate) async fn start(docker: &Docker, start: Start) -> Result<i32, Failure> {
    let keys = DetachKeys::parse(start.detach_keys.as_deref()).map_err(|text| Failure::new(1, text))?;
    if !start.attach && !start.interactive {
        let options = StartContainerOptions { detach_keys: start.detach_keys };
        return each(&start.containers, "busy.start", async |name| {
            Ok(docker.start_container(name, Some(options.clone())).await?)
        })
        .await;
    }
    let [name] = &start.containers[..] else {
        return Err(Failure::new(1, t!("start.one_at_a_time").into_owned()));
    };
    let container = answered(docker.inspect_container(name, None)).await?;
    let config = container.config.unwrap_or_default();
    let tty = config.tty.unwrap_or_default();
    let session = Session {
        id: container.id.unwrap_or_else(|| name.clone()),
        tty,
        interactive: start.interactive && config.open_stdin.unwrap_or_default(),
        keys,
        key_text: start.detach_keys,
        removed: container.host_config.and_then(|config| config.auto_remove).unwrap_or_default(),
    };
    session.run(docker).await
}

pub(crate) async fn stop(docker: &Docker, stop: Stop) -> Result<i32, Failure> {
    let options = StopContainerOptions { t: stop.time, signal: stop.signal };
    each(&stop.containers, "busy.stop", async |name| Ok(docker.stop_container(name, Some(options.clone())).await?))
        .await
}

pub(crate) async fn rm(docker: &Docker, rm: Rm) -> Result<i32, Failure> {
    let options = RemoveContainerOptions { force: rm.force, v: rm.volumes, ..RemoveContainerOptions::default() };
    let remove = async |name: &str| match docker.remove_container(name, Some(options.clone())).await {
        // `rm -f` is content when there is nothing to remove, as docker's is.
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, message }) if rm.force => {
            eprintln!("{message}");
            Ok(())
        }
        other => Ok(other?),
    };
    each(&rm.containers, "busy.rm", remove).await
}

/// Does `verb` to each, prints the names of those it worked for and says why for the rest.
async fn each(names: &[String], doing: &str, verb: impl AsyncFn(&str) -> Result<(), Failure>) -> Result<i32, Failure> {
    let mut code = 0;
    for name in names {
        let busy = Busy::begin(t!(doing, name = name));
        let done = verb(name).await;
        drop(busy);
        match done {
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
    let now = times::now();
    let moment = |option: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match times::moment(text, now) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(Failure::new(1, options::wrong(option, text, "moment"))),
        },
    };
    let (since, until) = (moment("--since", &logs.since)?, moment("--until", &logs.until)?);
    let options = LogsOptions {
        follow: logs.follow,
        stdout: true,
        stderr: true,
        // The engine's client knows whole seconds: rather a line too many than one too few.
        since: since.map_or(0, |seconds| seconds.floor() as i32),
        until: until.map_or(0, |seconds| seconds.ceil() as i32),
        timestamps: logs.timestamps,
        tail: logs.tail,
    };
    let mut output = docker.logs(&logs.container, Some(options));
    let mut busy = Some(Busy::begin(t!("busy.logs", name = logs.container)));
    while let Some(piece) = output.next().await {
        // From now on the log itself says that something comes.
        drop(busy.take());
        streams::write(piece?)?;
    }
    Ok(0)
}
