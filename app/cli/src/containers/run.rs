//! `berth run`.

use bollard::Docker;
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, RemoveContainerOptions, ResizeContainerTTYOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt;

use super::args::Run;
use super::streams::{Attached, Raw, copy, follow_size};
use super::{create, images};
use crate::Failure;

/// Exit code for what goes wrong before the container's own program runs, as docker uses it.
const ENGINE_REFUSED: i32 = 125;

pub(crate) async fn run(docker: &Docker, run: Run) -> Result<i32, Failure> {
    let body = create::body(&run).map_err(|text| Failure::new(ENGINE_REFUSED, text))?;
    let tty = run.tty && run.interactive;
    if tty && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(Failure::new(1, rust_i18n::t!("run.no_terminal").into_owned()));
    }
    let id = created(docker, &run, body).await.map_err(|failure| failure.with_code(ENGINE_REFUSED))?;
    if run.detach {
        started(docker, &run, &id).await?;
        println!("{id}");
        return Ok(0);
    }
    let options = AttachContainerOptions {
        stream: true,
        stdin: run.interactive,
        stdout: true,
        stderr: true,
        ..AttachContainerOptions::default()
    };
    let attached = docker.attach_container(&id, Some(options)).await.map_err(Failure::from)?;
    // Asked before the start, so that the exit of a short program is not missed; removal comes after it.
    let condition = if run.rm { "removed" } else { "next-exit" };
    let mut exit = docker.wait_container(&id, Some(WaitContainerOptions { condition: condition.to_owned() }));
    let first = async { exit.next().await };
    let (raw, work) = (Raw::enter(tty)?, async {
        started(docker, &run, &id).await?;
        let resize = |columns: u16, lines: u16| {
            let options = ResizeContainerTTYOptions { h: i32::from(lines), w: i32::from(columns) };
            let id = id.clone();
            // A container that has just ended cannot be resized, and need not be.
            async move { drop(docker.resize_container_tty(&id, options).await) }
        };
        let attached = Attached { output: attached.output, input: attached.input };
        if run.tty {
            tokio::select! {
                result = copy(attached, run.interactive) => result,
                () = follow_size(resize) => Ok(()),
            }
        } else {
            tokio::select! {
                result = copy(attached, run.interactive) => result,
                () = forward_signals(docker, &id) => Ok(()),
            }
        }
    });
    let (status, worked) = tokio::join!(first, work);
    drop(raw);
    worked?;
    match status {
        Some(Ok(answer)) => Ok(i32::try_from(answer.status_code).unwrap_or(1)),
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => {
            Ok(i32::try_from(code).unwrap_or(1))
        }
        Some(Err(error)) => Err(Failure::from(error)),
        None => Err(Failure::new(ENGINE_REFUSED, rust_i18n::t!("run.no_status").into_owned())),
    }
}

/// Creates the container, pulling the image when it is missing or always, as `--pull` says.
async fn created(docker: &Docker, run: &Run, body: bollard::models::ContainerCreateBody) -> Result<String, Failure> {
    let platform = run.platform.clone().unwrap_or_default();
    if run.pull == "always" {
        images::fetch(docker, &run.image, &platform, false).await?;
    }
    let options = CreateContainerOptions { name: run.name.clone(), platform: platform.clone() };
    let create = || docker.create_container(Some(options.clone()), body.clone());
    let answer = match create().await {
        Err(error) if is_not_found(&error) && run.pull == "missing" => {
            eprintln!("{}", rust_i18n::t!("run.not_here", image = run.image));
            images::fetch(docker, &run.image, &platform, false).await?;
            create().await
        }
        other => other,
    };
    let answer = answer.map_err(Failure::from)?;
    for warning in &answer.warnings {
        eprintln!("WARNING: {warning}");
    }
    Ok(answer.id)
}

fn is_not_found(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, message } if message.to_lowercase().contains("image"))
}

/// Starts the container; a program that is missing or not executable gives docker's exit codes 127 and 126.
async fn started(docker: &Docker, run: &Run, id: &str) -> Result<(), Failure> {
    let Err(error) = docker.start_container(id, None).await else { return Ok(()) };
    if run.rm {
        // What could not start is of no use; that it cannot be removed either adds nothing to the first error.
        let _ = docker.remove_container(id, Some(RemoveContainerOptions { force: true, ..Default::default() })).await;
    }
    let failure = Failure::from(error);
    let text = failure.to_string();
    let code = if text.contains("executable file not found") || text.contains("no such file or directory") {
        127
    } else if text.contains("permission denied") || text.contains("is a directory") {
        126
    } else {
        ENGINE_REFUSED
    };
    Err(failure.with_code(code))
}

/// Passes Ctrl-C and a polite end on to the container, as docker does for a container without a terminal.
async fn forward_signals(docker: &Docker, id: &str) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            kill(docker, id, name).await;
        }
    }
    #[cfg(not(unix))]
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        kill(docker, id, "SIGINT").await;
    }
}

async fn kill(docker: &Docker, id: &str, signal: &str) {
    let options = bollard::query_parameters::KillContainerOptions { signal: signal.to_owned() };
    // It may have ended in the same moment.
    let _ = docker.kill_container(id, Some(options)).await;
}
