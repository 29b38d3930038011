//! `docker import`: an image from the archive of a whole tree.

use containers::change;
use engine_api::ContainerConfig;
use images::{Draft, Platform, Progress, Source, redact};

use super::Call;
use super::commit::repository_and_tag;
use super::images::event;
use super::transfer::{everything, progress};
use crate::failure::Failure;
use crate::reply::Answer;

/// The archive is the request's body (`fromSrc=-`), or what a URL gives.
pub(super) async fn import(call: Call, platform: Option<Platform>) -> Answer {
    let reference = repository_and_tag(&call)?;
    let from = call.query.get("fromSrc").unwrap_or_default().to_owned();
    let comment = call
        .query
        .filled("message")
        .map_or_else(|| format!("Imported from {}", redact::web_address(&from)), str::to_owned);
    let changes: Vec<String> = call.query.all("changes").map(str::to_owned).collect();
    let client = call.client.clone();
    let (services, body) = call.reader();
    progress(client, everything, move |sink| async move {
        let source = if from == "-" { Source::stream(body) } else { services.images.download(&from, &sink).await? };
        if platform.as_ref().is_some_and(|platform| platform.os != "linux") {
            return Err(Failure::bad_request("operating system is not supported"));
        }
        let changed = move || {
            let mut config = ContainerConfig::default();
            change(&mut config, &changes).map(|()| config)
        };
        // The client's changes take as long as they are complicated.
        let config =
            tokio::task::spawn_blocking(changed).await.map_err(|error| Failure::internal(error.to_string()))?;
        let config = config.map_err(|error| Failure::bad_request(error.to_string()))?;
        let json = |config: &ContainerConfig| serde_json::to_value(config).expect("a struct of plain fields");
        let draft = Draft {
            comment,
            engine: services.facts.version.clone(),
            config: json(&config),
            container_config: json(&ContainerConfig::default()),
            reference: reference.clone(),
            ..Draft::default()
        };
        let id = services.images.import(source, platform.as_ref(), draft).await?.to_string();
        let happened = |action: &str, name: &str| event(&services.images, action, id.as_str(), name);
        if let Some(reference) = reference {
            services.events.emit(happened("tag", &reference.familiar()));
        }
        services.events.emit(happened("import", &id));
        sink.send(Progress::Status { id: None, status: id, detail: None });
        Ok(())
    })
    .await
}
