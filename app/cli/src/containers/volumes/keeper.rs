//! A way to a volume's content. The Engine API has none without a container, so one is created with the volume in it, and never
//! started: the archive requests work on it all the same. It is the window's way, too, with the same label (`ui/src/features/volumes`).

use std::collections::HashMap;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, ListImagesOptions, RemoveContainerOptions, RemoveImageOptions,
};
use futures_util::TryStreamExt;

use crate::Failure;

/// Where the volume is in the container.
pub(super) const ROOT: &str = "/volume";
/// Marks what is only there to read a volume: no list of the window shows it.
const HELPER: &str = "berth.helper";
/// A command made it: the window does not take it for its own.
const COMMAND: &str = "berth.command";
/// An archive without members is two empty blocks.
const EMPTY: [u8; 1024] = [0; 1024];
/// How often it is tried when the image goes meanwhile.
const TRIES: usize = 3;

/// A container that was never started; [`Keeper::close`] it whatever comes of the work.
pub(super) struct Keeper {
    pub(super) id: String,
    /// An image that was made for it.
    scratch: Option<String>,
}

impl Keeper {
    pub(super) async fn open(docker: &Docker, volume: &str, writes: bool) -> Result<Self, Failure> {
        let mut tries = 1;
        loop {
            // A container with a volume that is not there would make one of that name.
            docker.inspect_volume(&super::super::engine::encoded(volume)).await?;
            match Self::make(docker, volume, writes).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) if tries < TRIES => tries += 1,
                made => return Ok(made?),
            }
        }
    }

    async fn make(docker: &Docker, volume: &str, writes: bool) -> Result<Self, Error> {
        let (image, made) = ground(docker).await?;
        let scratch = made.then(|| image.clone());
        let mount = Mount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.to_owned()),
            target: Some(ROOT.to_owned()),
            read_only: Some(!writes),
            // Nothing of the image may get into an empty volume.
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        };
        let body = ContainerCreateBody {
            image: Some(image),
            // Never run; an image without a command of its own would be refused without one.
            cmd: Some(vec!["berth-keeper".to_owned()]),
            labels: Some(HashMap::from([HELPER, COMMAND].map(|label| (label.to_owned(), "volume".to_owned())))),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                mounts: Some(vec![mount]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        match docker.create_container(None::<CreateContainerOptions>, body).await {
            Ok(created) => Ok(Self { id: created.id, scratch }),
            Err(error) => {
                remove_image(docker, scratch).await;
                Err(error)
            }
        }
    }

    /// What cannot be removed is told and fails nothing: the work is done by now.
    pub(super) async fn close(self, docker: &Docker) {
        // With the nameless volumes that the image asks for; the one that was named stays.
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        if let Err(error) = docker.remove_container(&self.id, Some(options)).await {
            eprintln!("{}", Failure::from(error));
        }
        remove_image(docker, self.scratch).await;
    }
}

/// The id of what a keeper is made from: the smallest image there is; or, and then true, an empty one made for it.
async fn ground(docker: &Docker) -> Result<(String, bool), Error> {
    let images = docker.list_images(None::<ListImagesOptions>).await?;
    if let Some(smallest) = images.into_iter().min_by_key(|image| image.size) {
        return Ok((smallest.id, false));
    }
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        changes: vec![format!("LABEL {HELPER}=scratch {COMMAND}=volume")],
        ..CreateImageOptions::default()
    };
    let body = bollard::body_full(bytes::Bytes::from_static(&EMPTY));
    let said: Vec<_> = docker.create_image(Some(options), Some(body), None).try_collect().await?;
    let id = said.into_iter().filter_map(|info| info.status).find(|status| status.starts_with("sha256:"));
    id.map(|id| (id, true))
        .ok_or_else(|| Error::DockerStreamError { error: "the engine did not say which image it made".to_owned() })
}

/// Not by force: it stays as long as somebody else's container stands on it.
async fn remove_image(docker: &Docker, id: Option<String>) {
    if let Some(id) = id {
        let _ = docker.remove_image(&id, None::<RemoveImageOptions>, None).await;
    }
}
