//! Volumes.

use engine_api::volume::{VolumeList, VolumePruneReport};
use engine_api::{Filters, Timestamp, Volume, VolumeCreateRequest};
use events::{Event, Kind};
use hyper::StatusCode;
use volumes::{Create, LOCAL, Prune};

use super::{Call, names};
use crate::Services;
use crate::failure::Failure;
use crate::reply::{self, Answer};
use crate::strconv;

pub(super) async fn list(call: Call) -> Answer {
    let filters = call.query.filters().map_err(|failure| Failure {
        message: format!("error reading volume filters: {}", failure.message),
        ..failure
    })?;
    filters.only(&["dangling", "name", "driver", "label"])?;
    let dangling = filters.flag("dangling")?;
    let mut volumes = Vec::new();
    for volume in call.services.volumes.list()? {
        let unused = dangling.is_none() || holders(&call.services, &volume.name).is_empty();
        if chosen(&filters, &volume) && dangling.is_none_or(|wanted| wanted == unused) {
            volumes.push(describe(&call.services, volume));
        }
    }
    reply::json(&VolumeList { volumes, warnings: None })
}

fn chosen(filters: &Filters, volume: &volumes::Volume) -> bool {
    filters.any("name", |wanted| names::matches(wanted, &volume.name))
        && filters.accepts("driver", LOCAL)
        && filters.labels_match("label", &volume.labels)
}

pub(super) async fn inspect(call: Call) -> Answer {
    let volume = call.services.volumes.inspect(&call.name)?;
    reply::json(&describe(&call.services, volume))
}

pub(super) async fn create(mut call: Call) -> Answer {
    let request: VolumeCreateRequest = call.json().await?;
    // Older clients know of no clusters of volumes.
    if request.cluster_volume_spec.is_some() && call.since(1, 42) {
        return super::swarm::inactive(call).await;
    }
    let created = call
        .services
        .volumes
        .create(Create {
            name: request.name,
            driver: request.driver,
            options: request.driver_opts.unwrap_or_default(),
            labels: request.labels.unwrap_or_default(),
            holder: None,
        })
        .await?;
    if created.new {
        call.services.events.emit(event("create", &created.volume.name));
    }
    reply::created(&describe(&call.services, created.volume))
}

pub(super) async fn update(_call: Call) -> Answer {
    Err(Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "volume update only valid for cluster volumes, but swarm is unavailable",
    ))
}

pub(super) async fn remove(call: Call) -> Answer {
    let removed = call.services.volumes.remove(&call.name, call.query.flag("force")).await?;
    if let Some(volume) = removed {
        call.services.events.emit(event("destroy", &volume.name));
    }
    reply::no_content()
}

/// Since 1.42 only anonymous volumes are pruned, unless the filter `all` asks for the others too.
pub(super) async fn prune(call: Call) -> Answer {
    let filters = call.query.filters()?;
    filters.only(&["label", "label!", "all"])?;
    let all = match &filters.values("all").collect::<Vec<_>>()[..] {
        [] => !call.since(1, 42),
        [text] => {
            strconv::parse_bool(text).map_err(|error| Failure::bad_request(format!("invalid filter 'all': {error}")))?
        }
        several => {
            let words = format!("invalid filter 'all=[{}]': only one value is expected", several.join(" "));
            return Err(Failure::bad_request(words));
        }
    };
    let texts = |name: &str| filters.values(name).map(str::to_owned).collect();
    let prune = Prune { all, labels: texts("label"), without_labels: texts("label!") };
    let pruned = call.services.volumes.prune(&prune).await?;
    for volume in &pruned.volumes {
        call.services.events.emit(event("destroy", &volume.name));
    }
    call.services.events.emit(Event::new(Kind::Volume, "prune", "").with("reclaimed", pruned.reclaimed.to_string()));
    let names = pruned.volumes.into_iter().map(|volume| volume.name).collect();
    reply::json(&VolumePruneReport { volumes_deleted: Some(names), space_reclaimed: pruned.reclaimed })
}

fn event(action: &str, name: &str) -> Event {
    Event::new(Kind::Volume, action, name).with("driver", LOCAL)
}

/// The containers that use the volume, whether they run or not.
pub(super) fn holders(services: &Services, name: &str) -> Vec<String> {
    services.volumes.holders_of(name)
}

/// The volume as clients see it.
pub(super) fn describe(services: &Services, volume: volumes::Volume) -> Volume {
    let created = Timestamp::from_second(volume.created).unwrap_or(Timestamp::UNIX_EPOCH);
    Volume {
        created_at: created.to_string(),
        driver: LOCAL.to_owned(),
        mountpoint: services.volumes.mountpoint(&volume.name).to_string_lossy().into_owned(),
        labels: (!volume.labels.is_empty()).then_some(volume.labels),
        options: (!volume.options.is_empty()).then_some(volume.options),
        name: volume.name,
        scope: "local".to_owned(),
        status: None,
        usage_data: None,
    }
}
