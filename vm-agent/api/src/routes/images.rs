//! Images that are here: list, inspect, history, tag, remove, prune.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use engine_api::image::{ImageConfig, ImageDeleteItem, ImageHistoryItem, ImageMetadata, ImagePruneReport, RootFs};
use engine_api::inspect::DriverData;
use engine_api::{ContainerConfig, Filters, ImageInspect, ImageSummary, Timestamp, ZERO_TIME};
use events::{Event, Kind};
use hyper::StatusCode;
use images::{ImageId, Images, Reference, Removal, Removed, Summary};
use serde_json::{Value, json};

use super::Call;
use super::commit::repository_and_tag;
use super::pattern::{BadPattern, Pattern};
use super::transfer::{parse_platform, platform_since};
use crate::Services;
use crate::failure::Failure;
use crate::reply::{self, Answer};

pub(super) async fn list(call: Call) -> Answer {
    let mut filters = call.query.filters()?;
    filters.only(&["dangling", "label", "before", "since", "reference", "until"])?;
    if let Some(reference) = call.query.filled("filter").filter(|_| !call.since(1, 41)) {
        filters = filters.with("reference", reference);
    }
    let choice = Choice::new(&call.services, &filters)?;
    let users = users(&call.services).await?;
    let shared = call.since(1, 42) && call.query.flag("shared-size");
    let all = call.query.flag("all");
    let mut list = Vec::new();
    for image in call.services.images.list()? {
        if image.is_intermediate() && !all {
            continue;
        }
        let Some(image) = choice.apply(image) else { continue };
        let dangling = image.is_dangling();
        let mut summary = summarise(image, &users);
        if !shared {
            summary.shared_size = -1;
        }
        if !call.since(1, 51) {
            summary.containers = -1;
        }
        if !call.since(1, 44) {
            summary.virtual_size = summary.size;
        }
        if !call.since(1, 43) && dangling {
            summary.repo_tags = Some(vec!["<none>:<none>".to_owned()]);
            summary.repo_digests = Some(vec!["<none>@<none>".to_owned()]);
        }
        list.push(summary);
    }
    list.sort_by_key(|image| std::cmp::Reverse(image.created));
    reply::json(&list)
}

/// The filters of an image list.
struct Choice<'f> {
    filters: &'f Filters,
    /// Of the names; any will do.
    names: Option<Vec<Name>>,
    dangling: Option<bool>,
    /// Nanoseconds since the epoch; only images created before, and so on.
    before: Option<i64>,
    since: Option<i64>,
}

impl<'f> Choice<'f> {
    fn new(services: &Services, filters: &'f Filters) -> Result<Self, Failure> {
        let created = |name: &str| -> Result<Vec<i64>, Failure> {
            let times = filters.values(name).map(|image| created_of(services, image)).collect::<Result<Vec<_>, _>>()?;
            Ok(times.into_iter().flatten().collect())
        };
        let until = filters
            .values("until")
            .map(super::point_in_time)
            .collect::<Result<Vec<_>, _>>()
            .map_err(super::by_dockerd)?;
        let names = filters.values("reference").map(Name::parse).collect::<Result<Vec<_>, _>>()?;
        // Of several values the narrowest counts.
        Ok(Self {
            filters,
            names: filters.contains("reference").then_some(names),
            dangling: filters.flag("dangling")?,
            before: created("before")?.into_iter().chain(until).min(),
            since: created("since")?.into_iter().max(),
        })
    }

    /// The image with those of its names that were asked for, or nothing.
    fn apply(&self, mut image: Summary) -> Option<Summary> {
        let labels = image.labels.clone().unwrap_or_default();
        let dangling = match self.dangling {
            None => true,
            Some(true) => image.repo_tags.is_empty() && !image.has_children,
            // An image that only a digest names is neither.
            Some(false) => !image.is_dangling(),
        };
        let chosen = dangling
            && self.before.is_none_or(|before| image.created.is_some_and(|created| created < before))
            && self.since.is_none_or(|since| image.created.is_some_and(|created| created > since))
            && self.filters.labels_match("label", &labels);
        if !chosen {
            return None;
        }
        if let Some(names) = &self.names {
            image.repo_tags.retain(|name| names.iter().any(|wanted| wanted.fits(name)));
            image.repo_digests.retain(|name| names.iter().any(|wanted| wanted.fits(name)));
            if image.repo_tags.is_empty() && image.repo_digests.is_empty() {
                return None;
            }
        }
        Some(image)
    }
}

/// What names are asked for: a pattern, which may leave the tag or the digest out, or a name in full.
struct Name {
    pattern: Pattern,
    full: Option<String>,
}

impl Name {
    fn parse(text: &str) -> Result<Name, BadPattern> {
        let full = Reference::parse(text).map(|reference| reference.familiar()).ok();
        Ok(Name { pattern: Pattern::parse(text)?, full })
    }

    fn fits(&self, name: &str) -> bool {
        let repository = match name.split_once('@') {
            Some((repository, _)) => repository,
            None => name.rsplit_once(':').map_or(name, |(repository, _)| repository),
        };
        self.pattern.matches(name)
            || self.pattern.matches(repository)
            || self.full.as_deref().is_some_and(|full| full == name || full == repository)
    }
}

/// dockerd does not blame the request either.
impl From<BadPattern> for Failure {
    fn from(BadPattern: BadPattern) -> Self {
        Failure::internal("syntax error in pattern")
    }
}

fn created_of(services: &Services, image: &str) -> Result<Option<i64>, Failure> {
    let id = services.images.resolve(image)?;
    Ok(services.images.image(&id)?.created())
}

/// How many containers use each image, by image ID.
pub(super) async fn users(services: &Services) -> Result<HashMap<String, i64>, Failure> {
    let request = containers::ListRequest { all: true, ..containers::ListRequest::default() };
    let mut users = HashMap::new();
    for container in services.containers.list(request).await? {
        *users.entry(container.image_id).or_insert(0) += 1;
    }
    Ok(users)
}

pub(super) fn summarise(image: Summary, users: &HashMap<String, i64>) -> ImageSummary {
    let id = image.id.to_string();
    ImageSummary {
        containers: users.get(&id).copied().unwrap_or(0),
        created: image.created.map_or(0, |nanos| nanos.div_euclid(1_000_000_000)),
        id,
        labels: image.labels,
        parent_id: image.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        descriptor: None,
        repo_digests: Some(image.repo_digests),
        repo_tags: Some(image.repo_tags),
        shared_size: signed(image.shared_size),
        size: signed(image.size),
        virtual_size: 0,
    }
}

pub(super) async fn inspect(call: Call) -> Answer {
    let platform = platform_since(&call, 49)?;
    if platform.is_some() && call.since(1, 48) && call.query.flag("manifests") {
        return Err(Failure::bad_request("conflicting options: manifests and platform options cannot both be set"));
    }
    let found = call.services.images.inspect(&call.name, platform.as_ref())?;
    let raw = &found.image.raw;
    let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let config: ImageConfig =
        engine_api::decode::from_value(raw.get("config").cloned().unwrap_or_else(|| json!({})))
            .map_err(|error| Failure::internal(format!("the configuration of image {}: {error}", found.image.id)))?;
    let last_tagged = found.last_tagged.and_then(|nanos| Timestamp::from_nanosecond(i128::from(nanos)).ok());
    let size = signed(found.image.size);
    let mut inspect = ImageInspect {
        id: found.image.id.to_string(),
        repo_tags: found.repo_tags,
        repo_digests: found.repo_digests,
        parent: found.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        comment: comment(raw),
        created: text("created"),
        docker_version: text("docker_version"),
        author: text("author"),
        config: Some(config),
        architecture: text("architecture"),
        variant: text("variant"),
        os: text("os"),
        os_version: text("os.version"),
        size,
        virtual_size: if call.since(1, 44) { 0 } else { size },
        graph_driver: graph_driver(&found.directories),
        root_fs: RootFs {
            kind: "layers".to_owned(),
            layers: found.image.chain.iter().map(ToString::to_string).collect(),
        },
        metadata: ImageMetadata { last_tag_time: last_tagged.unwrap_or(ZERO_TIME) },
        descriptor: None,
    };
    if inspect.created.is_empty() && !call.since(1, 44) {
        inspect.created = ZERO_TIME.to_string();
    }
    if call.since(1, 50) {
        return reply::json(&inspect);
    }
    let mut value = serde_json::to_value(&inspect).expect("a struct of plain fields");
    add_legacy_config(&mut value);
    if !call.since(1, 45) {
        add_container(&mut value, raw);
    }
    reply::json(&value)
}

/// The directories of the layers under the names of dockerd's driver. `MergedDir` and `WorkDir`, which templates ask for too, are
/// names beside the topmost layer: nothing mounts an image there, here or in dockerd.
fn graph_driver(directories: &[PathBuf]) -> DriverData {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let data = directories.split_first().map(|(top, below)| {
        let mut data = engine_api::Map::from([
            ("MergedDir".to_owned(), text(&top.with_extension("merged"))),
            ("UpperDir".to_owned(), text(top)),
            ("WorkDir".to_owned(), text(&top.with_extension("work"))),
        ]);
        if !below.is_empty() {
            let below: Vec<String> = below.iter().map(|path| text(path)).collect();
            data.insert("LowerDir".to_owned(), below.join(":"));
        }
        data
    });
    DriverData { data, name: "overlay2".to_owned() }
}

/// The image's own, or else that of its last step: a commit puts it there.
fn comment(raw: &Value) -> String {
    let own = raw.get("comment").and_then(Value::as_str).filter(|comment| !comment.is_empty());
    let last = || raw.get("history")?.as_array()?.last()?.get("comment")?.as_str();
    own.or_else(last).unwrap_or_default().to_owned()
}

/// Members of the image's configuration that were sent before 1.50, though they mean nothing for an image.
fn add_legacy_config(inspect: &mut Value) {
    let Some(config) = inspect.get_mut("Config").and_then(Value::as_object_mut) else { return };
    for name in ["AttachStderr", "AttachStdin", "AttachStdout", "OpenStdin", "StdinOnce", "Tty"] {
        config.insert(name.to_owned(), Value::Bool(false));
    }
    for name in ["Domainname", "Hostname", "Image"] {
        config.insert(name.to_owned(), Value::String(String::new()));
    }
}

/// What a committed or built image says of the container that it was made of: sent before 1.45.
fn add_container(inspect: &mut Value, raw: &Value) {
    let made_from = raw.get("container_config").filter(|config| !config.is_null());
    let config: ContainerConfig =
        made_from.and_then(|config| engine_api::decode::from_value(config.clone()).ok()).unwrap_or_default();
    inspect["ContainerConfig"] = serde_json::to_value(config).expect("a struct of plain fields");
    if let Some(container) = raw.get("container").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        inspect["Container"] = json!(container);
    }
}

pub(super) async fn history(call: Call) -> Answer {
    let platform = platform_since(&call, 48)?;
    let history = call.services.images.history(&call.name, platform.as_ref())?;
    let items: Vec<_> = history
        .into_iter()
        .map(|entry| ImageHistoryItem {
            comment: entry.comment,
            created: entry.created,
            created_by: entry.created_by,
            id: entry.id.map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
            size: signed(entry.size),
            tags: (!entry.tags.is_empty()).then_some(entry.tags),
        })
        .collect();
    reply::json(&items)
}

pub(super) async fn tag(call: Call) -> Answer {
    // dockerd finds no words for a tag without a name.
    let Some(target) = repository_and_tag(&call)? else { return reply::ok() };
    if target.familiar_name() == "sha256" {
        return Err(Failure::bad_request("refusing to create an ambiguous tag using digest algorithm as name"));
    }
    let id = call.services.images.tag(&call.name, &target).await?;
    call.services.events.emit(event(&call.services.images, "tag", id.to_string(), target.familiar()));
    reply::empty(StatusCode::CREATED)
}

/// A repository with a tag or digest beside it, which replaces one in the name.
pub(super) fn reference(repo: &str, tag: Option<&str>) -> Result<Reference, Failure> {
    let Some(tag) = tag else { return Ok(Reference::parse(repo)?) };
    let name = Reference::parse(repo)?;
    let separator = if tag.contains(':') { '@' } else { ':' };
    let named = Reference::parse(&format!("{}{separator}{tag}", name.familiar_name()))?;
    // In one text with the name, a slash would make the tag a part of it.
    if named.name() != name.name() {
        return Err(Failure::bad_request("invalid tag format"));
    }
    Ok(named)
}

pub(super) async fn remove(call: Call) -> Answer {
    if call.name.is_empty() {
        return Err(Failure::bad_request("image name cannot be blank"));
    }
    let images = &call.services.images;
    let mut platforms = Vec::new();
    if call.since(1, 50) {
        platforms = call.query.all("platforms").map(parse_platform).collect::<Result<Vec<_>, _>>()?;
    }
    if platforms.len() > 1 {
        return Err(Failure::bad_request("multiple platforms are not supported"));
    }
    let id = images.resolve_for(&call.name, platforms.first())?;
    let by_id = id.to_string().starts_with(&call.name) || id.hex().starts_with(&call.name);
    let by = if by_id { By::Id } else { By::Reference };
    let before = labels_of_all(images)?;
    let removal = Removal { force: call.query.flag("force"), keep_parents: call.query.flag("noprune") };
    let removed = images.remove_as(&call.name, removal).await?;
    reply::json(&report(&call.services, &removed, &before, by))
}

/// How the images of a removal were named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Id,
    Reference,
}

/// What was removed, as clients see it; of images and references events tell, too. `before` has the labels of the images, by ID.
fn report(services: &Services, removed: &[Removed], before: &HashMap<String, Labels>, by: By) -> Vec<ImageDeleteItem> {
    let mut items = Vec::with_capacity(removed.len());
    // Of the last tag untagged, with its image.
    let mut repository = None;
    for item in removed {
        match item {
            Removed::Untagged(name, image) => {
                // Digests that go with the last tag of their repository go silently, as with dockerd.
                let silent = match name.split_once('@') {
                    Some((name, _)) => by == By::Reference && repository == Some((image, name)),
                    None => {
                        repository = name.rsplit_once(':').map(|(name, _)| (image, name));
                        false
                    }
                };
                if !silent {
                    let owner = image.to_string();
                    let labels = before.get(&owner).cloned().unwrap_or_default();
                    services
                        .events
                        .emit(Event::new(Kind::Image, "untag", owner.as_str()).with_all(labels).with("name", owner));
                }
                items.push(ImageDeleteItem { untagged: name.clone(), ..ImageDeleteItem::default() });
            }
            Removed::Deleted(id) => {
                let id = id.to_string();
                // Layers go silently; of an image that is gone the labels are, too.
                if before.contains_key(&id) {
                    services.events.emit(Event::new(Kind::Image, "delete", id.as_str()).with("name", id.as_str()));
                }
                items.push(ImageDeleteItem { deleted: id, ..ImageDeleteItem::default() });
            }
            Removed::Layer(id) => {
                items.push(ImageDeleteItem { deleted: id.to_string(), ..ImageDeleteItem::default() });
            }
        }
    }
    items
}

pub(super) async fn prune(call: Call) -> Answer {
    let filters = call.query.filters()?;
    filters.only(&["dangling", "label", "label!", "until"])?;
    let dangling_only = filters.flag("dangling")?.unwrap_or(true);
    let until = super::until(&filters).map_err(super::by_dockerd)?;
    let keep = move |image: &Summary| {
        let labels = image.labels.clone().unwrap_or_default();
        !super::labels_chosen(&filters, &labels)
            || until.is_some_and(|until| image.created.is_none_or(|created| created > until))
    };
    let images = &call.services.images;
    let before = labels_of_all(images)?;
    let pruned = images.prune(dangling_only, keep).await?;
    let items = report(&call.services, &pruned.removed, &before, By::Reference);
    call.services.events.emit(Event::new(Kind::Image, "prune", "").with("reclaimed", pruned.reclaimed.to_string()));
    reply::json(&ImagePruneReport {
        images_deleted: (!items.is_empty()).then_some(items),
        space_reclaimed: pruned.reclaimed,
    })
}

/// Something happened to an image that is here: `actor` is its reference or ID. Its labels are told, too.
pub(super) fn event(images: &Images, action: &str, actor: impl Into<String>, name: impl Into<String>) -> Event {
    let actor = actor.into();
    let labels = images.resolve(&actor).map(|id| labels(images, &id)).unwrap_or_default();
    Event::new(Kind::Image, action, actor).with_all(labels).with("name", name)
}

type Labels = BTreeMap<String, String>;

/// By image ID.
fn labels_of_all(images: &Images) -> Result<HashMap<String, Labels>, Failure> {
    let list = images.list()?.into_iter();
    Ok(list.map(|image| (image.id.to_string(), image.labels.unwrap_or_default())).collect())
}

/// None when it is not there.
fn labels(images: &Images, id: &ImageId) -> Labels {
    images.image(id).ok().and_then(|image| image.labels()).unwrap_or_default()
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_names() {
        let check = |pattern, name, expect| {
            let wanted = Name::parse(pattern).expect("a pattern");
            assert_eq!(wanted.fits(name), expect, "{pattern} {name}");
        };
        check("busybox", "busybox:latest", true);
        check("busy*", "busybox:latest", true);
        check("busybox:1.*", "busybox:latest", false);
        check("docker.io/library/busybox", "busybox:latest", true);
        check("localhost:5000/*/app", "localhost:5000/team/app:1", true);
        check("busybox", "busybox@sha256:00", true);
    }

    #[test]
    fn old_clients_get_empty_members() {
        let mut inspect = json!({ "Config": { "Cmd": ["sh"] } });
        add_legacy_config(&mut inspect);
        assert_eq!(inspect["Config"]["Tty"], json!(false));
        assert_eq!(inspect["Config"]["Cmd"], json!(["sh"]));
    }
}
