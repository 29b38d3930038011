//! Images from Dockerfiles.

use anyhow::{Context, ensure};
use bollard::models::BuildInfo;
use bollard::query_parameters as query;
use bollard::{Docker, body_full};
use futures_util::TryStreamExt;
use std::collections::HashMap;

use super::{connect, on_a_runtime};
use crate::trial::{Ground, IMAGE};

async fn build(
    docker: &Docker,
    options: query::BuildImageOptions,
    files: &[(&str, &str)],
) -> anyhow::Result<(String, Vec<BuildInfo>)> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        tests::archive::append(&mut archive, name, text.as_bytes())?;
    }
    let body = body_full(archive.into_inner()?.into());
    let steps: Vec<BuildInfo> = docker.build_image(options, None, Some(body)).try_collect().await?;
    Ok((steps.iter().filter_map(|step| step.stream.clone()).collect(), steps))
}

pub(crate) fn run(ground: &Ground<'_>) -> anyhow::Result<()> {
    on_a_runtime(async {
        let docker = connect(ground)?;
        let name = format!("{}built:1", ground.prefix);
        let arguments = HashMap::from([("WHO", "me")]);
        let options = || query::BuildImageOptionsBuilder::default().t(&name).buildargs(&arguments).rm(true).build();
        let dockerfile = format!("FROM {IMAGE}\nARG WHO=nobody\nCOPY file /file\nRUN echo $WHO >/who\nENV A=b\n");
        let files = [("Dockerfile", dockerfile.as_str()), ("file", "content")];
        let (said, steps) = build(&docker, options(), &files).await?;
        ensure!(said.contains("Step 1/5 : FROM ") && said.contains(&format!("Successfully tagged {name}\n")), "{said}");
        let id = steps.iter().filter_map(|step| step.aux.as_ref()?.id.clone()).next_back().context("an image")?;
        let found = docker.inspect_image(&name).await?;
        ensure!(found.id.as_deref() == Some(id.as_str()), "{found:?}");
        let env = found.config.and_then(|config| config.env).unwrap_or_default();
        ensure!(env.iter().any(|variable| variable == "A=b"), "{env:?}");
        let (again, _) = build(&docker, options(), &files).await?;
        ensure!(again.matches(" ---> Using cache\n").count() == 4, "{again}");
        docker.remove_image(&name, None::<query::RemoveImageOptions>, None).await?;
        let force = query::BuildImageOptionsBuilder::default().forcerm(true).build();
        let failing = format!("FROM {IMAGE}\nRUN exit 3\n");
        let failed = build(&docker, force, &[("Dockerfile", &failing)]).await;
        let error = failed.err().context("it has to fail")?.to_string();
        ensure!(error.contains("returned a non-zero code: 3"), "{error}");
        Ok(())
    })
}
