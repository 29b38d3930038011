//! Containers: made, run, waited for, removed.

use anyhow::ensure;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptions, StartContainerOptions};

use super::{connect, on_a_runtime};
use crate::trial::{Ground, IMAGE};

pub(crate) fn run(ground: &Ground<'_>) -> anyhow::Result<()> {
    on_a_runtime(async {
        let docker = connect(ground)?;
        let options = CreateContainerOptionsBuilder::default().name(&format!("{}a", ground.prefix)).build();
        let body =
            ContainerCreateBody { image: Some(IMAGE.into()), cmd: Some(vec!["true".into()]), ..Default::default() };
        let made = docker.create_container(Some(options), body).await?;
        docker.start_container(&made.id, None::<StartContainerOptions>).await?;
        docker.stop_container(&made.id, None::<bollard::query_parameters::StopContainerOptions>).await?;
        let found =
            docker.inspect_container(&made.id, None::<bollard::query_parameters::InspectContainerOptions>).await?;
        ensure!(found.state.and_then(|state| state.exit_code).is_some());
        docker.remove_container(&made.id, None::<RemoveContainerOptions>).await?;
        Ok(())
    })
}
