//! `berth ps` and `berth images`.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerSummary, ImageSummary, PortSummary};
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions};

use super::args::{Images, Ps};
use super::format;
use crate::{Failure, print_json};

pub(crate) async fn ps(docker: &Docker, ps: Ps) -> Result<i32, Failure> {
    let mut filters: HashMap<String, Vec<String>> = HashMap::new();
    for filter in &ps.filter {
        let (key, value) = filter
            .split_once('=')
            .ok_or_else(|| Failure::new(1, format!("--filter {filter}: expected KEY=VALUE, such as status=exited")))?;
        filters.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    // A filter on the status asks for more than what runs.
    let all = ps.all || filters.contains_key("status");
    let options = ListContainersOptions { all, filters: Some(filters), ..ListContainersOptions::default() };
    let containers = docker.list_containers(Some(options)).await?;
    if ps.json {
        return print_json(&containers);
    }
    if ps.quiet {
        for container in &containers {
            let id = container.id.as_deref().unwrap_or_default();
            println!("{}", if ps.no_trunc { id.to_owned() } else { format::short(id) });
        }
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = containers.iter().map(|container| row(container, ps.no_trunc)).collect();
    print!("{}", format::table(&["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"], &rows));
    Ok(0)
}

fn row(container: &ContainerSummary, whole: bool) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let command = text(&container.command);
    let age = format::now() - container.created.unwrap_or_default();
    let names = container.names.iter().flatten().map(|name| name.trim_start_matches('/')).collect::<Vec<_>>();
    vec![
        if whole { text(&container.id) } else { format::short(&text(&container.id)) },
        text(&container.image),
        format!("\"{}\"", if whole { command } else { format::cut(&command, 20) }),
        format::ago(u64::try_from(age).unwrap_or_default()),
        text(&container.status),
        container.ports.iter().flatten().map(port).collect::<Vec<_>>().join(", "),
        names.join(","),
    ]
}

fn port(port: &PortSummary) -> String {
    let protocol = port.typ.map(|typ| typ.to_string()).unwrap_or_default();
    match (&port.ip, port.public_port) {
        (Some(ip), Some(public)) => format!("{ip}:{public}->{}/{protocol}", port.private_port),
        _ => format!("{}/{protocol}", port.private_port),
    }
}

pub(crate) async fn images(docker: &Docker, images: Images) -> Result<i32, Failure> {
    let list = docker.list_images(Some(ListImagesOptions::default())).await?;
    if images.json {
        return print_json(&list);
    }
    let id = |image: &ImageSummary| if images.no_trunc { image.id.clone() } else { format::short(&image.id) };
    if images.quiet {
        list.iter().for_each(|image| println!("{}", id(image)));
        return Ok(0);
    }
    let mut rows = Vec::new();
    for image in &list {
        let none = ["<none>:<none>".to_owned()];
        let tags = if image.repo_tags.is_empty() { &none[..] } else { &image.repo_tags };
        for tag in tags {
            let (repository, tag) = tag.rsplit_once(':').unwrap_or((tag, "<none>"));
            let age = u64::try_from(format::now() - image.created).unwrap_or_default();
            let bytes = u64::try_from(image.size).unwrap_or_default();
            rows.push(vec![repository.to_owned(), tag.to_owned(), id(image), format::ago(age), format::size(bytes)]);
        }
    }
    print!("{}", format::table(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], &rows));
    Ok(0)
}
