//! Containers, their streams and commands, files, volumes, networks, events; and what is refused.

use anyhow::{Context, bail, ensure};
use bollard::Docker;
use bollard::body_full;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, NetworkConnectRequest, NetworkCreateRequest, VolumeCreateRequest,
};
use bollard::query_parameters as query;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{connect, on_a_runtime};
use crate::trial::{Ground, IMAGE};

/// What a stream says, standard output and error, to its end.
async fn split(stream: impl Stream<Item = Result<LogOutput, Error>>) -> anyhow::Result<(String, String)> {
    let parts: Vec<LogOutput> = stream.try_collect().await?;
    let (mut out, mut err) = (String::new(), String::new());
    for part in parts {
        match part {
            LogOutput::StdErr { message } => err.push_str(&String::from_utf8_lossy(&message)),
            other => out.push_str(&String::from_utf8_lossy(&other.into_bytes())),
        }
    }
    Ok((out, err))
}

/// The engine refuses with this status and these words.
fn refused<T>(result: Result<T, Error>, status: u16, words: &str) -> anyhow::Result<()> {
    match result {
        Err(Error::DockerResponseServerError { status_code, message }) => {
            ensure!(status_code == status && message.contains(words), "{status_code} {message}: no {status} <{words}>");
            Ok(())
        }
        Err(other) => bail!("{other}: no {status} <{words}>"),
        Ok(_) => bail!("not refused: {words}"),
    }
}

async fn make(docker: &Docker, name: &str, command: &[&str], host: HostConfig) -> Result<String, Error> {
    let options = query::CreateContainerOptionsBuilder::default().name(name).build();
    let body = ContainerCreateBody {
        image: Some(IMAGE.into()),
        cmd: Some(command.iter().map(|&word| word.into()).collect()),
        host_config: Some(host),
        ..Default::default()
    };
    Ok(docker.create_container(Some(options), body).await?.id)
}

async fn idle(docker: &Docker, name: &str, host: HostConfig) -> Result<String, Error> {
    let made = make(docker, name, &["sleep", "600"], HostConfig { init: Some(true), ..host }).await?;
    docker.start_container(&made, None::<query::StartContainerOptions>).await?;
    Ok(made)
}

async fn run_in(docker: &Docker, container: &str, command: &[&str]) -> anyhow::Result<(String, String)> {
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.to_vec()),
        ..Default::default()
    };
    let made = docker.create_exec(container, options).await?.id;
    match docker.start_exec(&made, None).await? {
        StartExecResults::Attached { output, .. } => split(output).await,
        StartExecResults::Detached => bail!("detached"),
    }
}

pub(crate) fn run(ground: &Ground<'_>) -> anyhow::Result<()> {
    on_a_runtime(async {
        let docker = connect(ground)?;
        ensure!(docker.version().await?.api_version.as_deref() == Some("1.51"));
        ensure!(docker.ping().await? == "OK");
        let one = idle(&docker, &format!("{}one", ground.prefix), HostConfig::default()).await?;
        let found = docker.inspect_container(&one, None::<query::InspectContainerOptions>).await?;
        ensure!(found.state.and_then(|state| state.running) == Some(true));
        docker.pause_container(&one).await?;
        refused(docker.pause_container(&one).await, 409, "is already paused")?;
        docker.unpause_container(&one).await?;
        refused(
            docker.remove_container(&one, None::<query::RemoveContainerOptions>).await,
            409,
            "container is running",
        )?;
        let mut ends = std::pin::pin!(docker.wait_container(&one, None::<query::WaitContainerOptions>));
        docker
            .kill_container(&one, Some(query::KillContainerOptionsBuilder::default().signal("SIGTERM").build()))
            .await?;
        // The client makes an error of a status that is not 0.
        match ends.next().await.context("an end")? {
            Err(Error::DockerContainerWaitError { code: 143, .. }) => {}
            other => bail!("{other:?}"),
        }
        docker.remove_container(&one, None::<query::RemoveContainerOptions>).await?;
        let lost = docker.inspect_container(&one, None::<query::InspectContainerOptions>).await;
        refused(lost, 404, "No such container")?;
        let broken =
            make(&docker, &format!("{}broken", ground.prefix), &["no-such-program"], HostConfig::default()).await?;
        let start = docker.start_container(&broken, None::<query::StartContainerOptions>).await;
        refused(start, 400, "executable file not found in $PATH")
    })
}

pub(crate) fn streams(ground: &Ground<'_>) -> anyhow::Result<()> {
    on_a_runtime(async {
        let docker = connect(ground)?;
        let script = "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.1; done; echo three";
        let talker =
            make(&docker, &format!("{}a", ground.prefix), &["sh", "-c", script], HostConfig::default()).await?;
        docker.start_container(&talker, None::<query::StartContainerOptions>).await?;
        let options = query::LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
        let mut followed = Box::pin(docker.logs(&talker, Some(options)));
        let first = followed.next().await.context("a line")??;
        run_in(&docker, &talker, &["touch", "/go"]).await?;
        let (out, err) = split(futures_util::stream::once(async { Ok(first) }).chain(followed)).await?;
        ensure!((out.as_str(), err.as_str()) == ("one\nthree\n", "two\n"), "{out:?} {err:?}");

        let doer = idle(&docker, &format!("{}i", ground.prefix), HostConfig::default()).await?;
        let said = run_in(&docker, &doer, &["sh", "-c", "echo out; echo err >&2"]).await?;
        ensure!(said == ("out\n".to_owned(), "err\n".to_owned()), "{said:?}");
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            cmd: Some(vec!["cat"]),
            ..Default::default()
        };
        let made = docker.create_exec(&doer, options).await?.id;
        let StartExecResults::Attached { output, mut input } = docker.start_exec(&made, None).await? else {
            bail!("detached")
        };
        tokio::io::AsyncWriteExt::write_all(&mut input, b"typed\n").await?;
        tokio::io::AsyncWriteExt::shutdown(&mut input).await?;
        let said = split(output).await?;
        ensure!(said.0 == "typed\n", "{said:?}");
        ensure!(docker.inspect_exec(&made).await?.exit_code == Some(0));
        refused(docker.inspect_exec("none").await, 404, "No such exec instance: none")
    })
}

pub(crate) fn things(ground: &Ground<'_>) -> anyhow::Result<()> {
    on_a_runtime(async {
        let docker = connect(ground)?;
        let (volume, network) = (format!("{}v", ground.prefix), format!("{}n", ground.prefix));
        docker.create_volume(VolumeCreateRequest { name: Some(volume.clone()), ..Default::default() }).await?;
        docker.create_network(NetworkCreateRequest { name: network.clone(), ..Default::default() }).await?;
        let host = HostConfig { binds: Some(vec![format!("{volume}:/data")]), ..Default::default() };
        let one = idle(&docker, &format!("{}one", ground.prefix), host).await?;
        let endpoint = EndpointSettings { aliases: Some(vec!["site".into()]), ..Default::default() };
        let request = NetworkConnectRequest { container: one.clone(), endpoint_config: Some(endpoint) };
        docker.connect_network(&network, request).await?;
        refused(docker.remove_network(&network).await, 403, "has active endpoints")?;
        refused(docker.remove_volume(&volume, None::<query::RemoveVolumeOptions>).await, 409, "volume is in use")?;
        refused(docker.inspect_volume(&format!("{volume}-none")).await, 404, "no such volume")?;

        let mut archive = tar::Builder::new(Vec::new());
        tests::archive::append(&mut archive, "file", b"content")?;
        let options = query::UploadToContainerOptionsBuilder::default().path("/data").build();
        docker.upload_to_container(&one, Some(options), body_full(archive.into_inner()?.into())).await?;
        let said = run_in(&docker, &one, &["cat", "/data/file"]).await?;
        ensure!(said.0 == "content", "{said:?}");
        let options = query::DownloadFromContainerOptionsBuilder::default().path("/data/file").build();
        let parts: Vec<_> = docker.download_from_container(&one, Some(options)).try_collect().await?;
        ensure!(parts.concat().windows(7).any(|bytes| bytes == b"content"));

        let filters = std::collections::HashMap::from([("container", vec![one.as_str()])]);
        let options = query::EventsOptionsBuilder::default().since("1").filters(&filters).build();
        let mut events = Box::pin(docker.events(Some(options)));
        let force = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        docker.remove_container(&one, Some(force)).await?;
        let mut actions = Vec::new();
        while actions.last().map(String::as_str) != Some("destroy") {
            actions.push(events.next().await.context("an event")??.action.unwrap_or_default());
        }
        for action in ["create", "start", "kill", "die", "destroy"] {
            ensure!(actions.iter().any(|found| found == action), "{action}: {actions:?}");
        }
        docker.remove_volume(&volume, None::<query::RemoveVolumeOptions>).await?;
        docker.remove_network(&network).await?;

        let (repository, tag) = (format!("{}/{}image", ground.registry.address(), ground.prefix), "1");
        let options = query::TagImageOptionsBuilder::default().repo(&repository).tag(tag).build();
        docker.tag_image(IMAGE, Some(options)).await?;
        let options = query::PushImageOptionsBuilder::default().tag(tag).build();
        docker.push_image(&repository, Some(options), None).try_collect::<Vec<_>>().await?;
        let name = format!("{repository}:{tag}");
        docker.remove_image(&name, None::<query::RemoveImageOptions>, None).await?;
        let options = query::CreateImageOptionsBuilder::default().from_image(&name).build();
        docker.create_image(Some(options), None, None).try_collect::<Vec<_>>().await?;
        ensure!(!docker.inspect_image(&name).await?.id.unwrap_or_default().is_empty());
        docker.remove_image(&name, None::<query::RemoveImageOptions>, None).await?;
        refused(docker.inspect_image(&name).await, 404, "No such image")
    })
}
