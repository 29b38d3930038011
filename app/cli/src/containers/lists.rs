//! `berth ps` and `berth images`.

use bollard::Docker;
use bollard::models::{ContainerSummary, ImageSummary, PortSummary};
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions};
use serde_json::{Value, json};

use super::args::{Images, Ps};
use super::template::Template;
use super::{format, options, times};
use crate::busy::answered;
use crate::{Failure, print_json};

/// Fields of a container in a list and their headings, as docker names them.
const CONTAINER: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];

/// Fields of an image in a list and their headings.
const IMAGE: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
];

const NONE: &str = "<none>";

pub(crate) async fn ps(docker: &Docker, ps: Ps) -> Result<i32, Failure> {
    let wrong = |text| Failure::new(1, text);
    let filters = options::filters(&ps.filter).map_err(wrong)?;
    let plain = match (ps.quiet, ps.size) {
        (true, _) => "{{.ID}}".to_owned(),
        (false, sized) => {
            let size = if sized { r"\t{{.Size}}" } else { "" };
            format!(
                r"table {{{{.ID}}}}\t{{{{.Image}}}}\t{{{{.Command}}}}\t{{{{.RunningFor}}}}\t{{{{.Status}}}}\t{{{{.Ports}}}}\t{{{{.Names}}}}{size}"
            )
        }
    };
    let template = Template::parse(ps.format.as_deref().unwrap_or(&plain)).map_err(wrong)?;
    let last = if ps.latest { Some(1) } else { ps.last.filter(|last| *last >= 0) };
    // A filter on the status asks for more than what runs, as do those who want the last.
    let all = ps.all || filters.contains_key("status") || last.is_some();
    let options = ListContainersOptions { all, limit: last, size: ps.size, filters: Some(filters) };
    let containers = answered(docker.list_containers(Some(options))).await?;
    if ps.json {
        return print_json(&containers);
    }
    let rows: Vec<Value> = containers.iter().map(|container| container_row(container, ps.no_trunc)).collect();
    print!("{}", template.lines(&rows, CONTAINER).map_err(wrong)?);
    Ok(0)
}

fn container_row(container: &ContainerSummary, whole: bool) -> Value {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let command = text(&container.command);
    let created = container.created.unwrap_or_default();
    let age = u64::try_from(times::now() - created).unwrap_or_default();
    let names = container.names.iter().flatten().map(|name| name.trim_start_matches('/')).collect::<Vec<_>>();
    let mut labels: Vec<_> = container.labels.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    let mounts: Vec<String> = container
        .mounts
        .iter()
        .flatten()
        .map(|mount| mount.name.clone().or_else(|| mount.source.clone()).unwrap_or_default())
        .map(|name| if whole { name } else { format::cut(&name, 15) })
        .collect();
    let volumes = container.mounts.iter().flatten().filter(|mount| mount.name.is_some()).count();
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<&str> = networks.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    networks.sort_unstable();
    let bytes = |value: Option<i64>| u64::try_from(value.unwrap_or_default()).unwrap_or_default();
    let mut size = format::size(bytes(container.size_rw));
    if container.size_root_fs.is_some_and(|bytes| bytes > 0) {
        size = format!("{size} (virtual {})", format::size(bytes(container.size_root_fs)));
    }
    json!({
        "ID": if whole { text(&container.id) } else { format::short(&text(&container.id)) },
        "Image": container.image.clone().filter(|image| !image.is_empty()).unwrap_or_else(|| "<no image>".to_owned()),
        "Command": format!("\"{}\"", if whole { command } else { format::cut(&command, 20) }),
        "CreatedAt": times::created_at(created),
        "RunningFor": format!("{} ago", times::span(age)),
        "State": container.state.map(|state| state.to_string()).unwrap_or_default(),
        "Status": text(&container.status),
        "Ports": ports(container.ports.as_deref().unwrap_or_default()),
        "Size": size,
        "Names": names.join(","),
        "Labels": labels.join(","),
        "Mounts": mounts.join(","),
        "LocalVolumes": volumes.to_string(),
        "Networks": networks.join(","),
    })
}

/// Published ports first, by number, as docker prints them.
fn ports(ports: &[PortSummary]) -> String {
    let mut sorted: Vec<&PortSummary> = ports.iter().collect();
    sorted.sort_by_key(|port| {
        (port.private_port, port.public_port, port.ip.clone(), port.typ.map(|typ| typ.to_string()))
    });
    let shown = sorted.into_iter().map(|port| {
        let protocol = port.typ.map(|typ| typ.to_string()).unwrap_or_default();
        match (&port.ip, port.public_port) {
            (Some(ip), Some(public)) if ip.contains(':') => {
                format!("[{ip}]:{public}->{}/{protocol}", port.private_port)
            }
            (Some(ip), Some(public)) => format!("{ip}:{public}->{}/{protocol}", port.private_port),
            _ => format!("{}/{protocol}", port.private_port),
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

pub(crate) async fn images(docker: &Docker, images: Images) -> Result<i32, Failure> {
    let wrong = |text| Failure::new(1, text);
    let mut filters = options::filters(&images.filter).map_err(wrong)?;
    if let Some(repository) = &images.repository {
        filters.entry("reference".to_owned()).or_default().push(repository.clone());
    }
    let plain = match (images.quiet, images.digests) {
        (true, _) => r"{{.ID}}",
        (false, true) => r"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
        (false, false) => r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    };
    let template = Template::parse(images.format.as_deref().unwrap_or(plain)).map_err(wrong)?;
    let options = ListImagesOptions { all: images.all, filters: Some(filters), ..ListImagesOptions::default() };
    let list = answered(docker.list_images(Some(options))).await?;
    if images.json {
        return print_json(&list);
    }
    let rows: Vec<Value> = list.iter().flat_map(|image| image_rows(image, &images)).collect();
    print!("{}", template.lines(&rows, IMAGE).map_err(wrong)?);
    Ok(0)
}

/// One row for each name of the image; with digests, for each digest of it too.
fn image_rows(image: &ImageSummary, images: &Images) -> Vec<Value> {
    let mut names: Vec<(String, String, String)> = Vec::new();
    for tag in &image.repo_tags {
        let (repository, tag) = tag.rsplit_once(':').unwrap_or((tag, NONE));
        let digests = image.repo_digests.iter().filter_map(|digest| digest.split_once('@'));
        let mut digests = digests.filter(|(name, _)| *name == repository).map(|(_, digest)| digest).peekable();
        if !images.digests || digests.peek().is_none() {
            names.push((repository.to_owned(), tag.to_owned(), NONE.to_owned()));
        } else {
            names.extend(digests.map(|digest| (repository.to_owned(), tag.to_owned(), digest.to_owned())));
        }
    }
    if names.is_empty() {
        let digest = image.repo_digests.iter().find_map(|digest| digest.split_once('@'));
        let (repository, digest) = digest.unwrap_or((NONE, NONE));
        names.push((repository.to_owned(), NONE.to_owned(), digest.to_owned()));
    }
    let age = u64::try_from(times::now() - image.created).unwrap_or_default();
    let bytes = format::size(u64::try_from(image.size).unwrap_or_default());
    let count = |number: i64| if number < 0 { "N/A".to_owned() } else { number.to_string() };
    let row = |(repository, tag, digest)| {
        json!({
            "Repository": repository,
            "Tag": tag,
            "Digest": digest,
            "ID": if images.no_trunc { image.id.clone() } else { format::short(&image.id) },
            "CreatedSince": format!("{} ago", times::span(age)),
            "CreatedAt": times::created_at(image.created),
            "Size": bytes,
            "Containers": count(image.containers),
            "SharedSize": count(image.shared_size),
            "UniqueSize": "N/A",
            "VirtualSize": bytes,
        })
    };
    names.into_iter().map(row).collect()
}
