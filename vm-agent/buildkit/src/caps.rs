//! What clients may ask for, in BuildKit's names, and who works for them.

use crate::Services;
use bollard_buildkit_proto::moby::buildkit::v1::apicaps::ApiCap;
use bollard_buildkit_proto::moby::buildkit::v1::types::{BuildkitVersion, WorkerRecord};
use bollard_buildkit_proto::pb;
use images::Platform;
use std::collections::HashMap;

/// Of the gateway.
const GATEWAY: [&str; 10] = [
    "solve.base",
    "return",
    "returnmap",
    "proto.refarray",
    "gateway.solve.metadata",
    "gateway.solve.evaluate",
    "gateway.evaluate",
    "frontend.caps",
    "frontend.inputs",
    "reference.output",
];

/// Of the graph that a client may have solved: nothing, since Dockerfiles are read here, but what frontends and clients look for
/// before they send one. And what outputs can be.
const GRAPH: [&str; 5] = ["source.image", "source.local", "file.base", "constraints", "exporter.multiple"];

fn enabled(names: &[&str]) -> Vec<ApiCap> {
    names.iter().map(|name| ApiCap { id: (*name).to_owned(), enabled: true, ..ApiCap::default() }).collect()
}

pub(crate) fn of_gateway() -> Vec<ApiCap> {
    enabled(&GATEWAY)
}

pub(crate) fn of_graphs() -> Vec<ApiCap> {
    enabled(&GRAPH)
}

/// The BuildKit whose protocol this is, which clients compare with what they need.
pub(crate) fn version(engine: &str) -> BuildkitVersion {
    BuildkitVersion { package: "berth".to_owned(), version: "v0.22.0".to_owned(), revision: engine.to_owned() }
}

/// The engine is its own only worker.
pub(crate) fn worker(services: &Services) -> WorkerRecord {
    let host = Platform::host();
    let platform = pb::Platform { architecture: host.architecture, os: host.os, ..pb::Platform::default() };
    WorkerRecord {
        id: services.worker.clone(),
        labels: HashMap::from([
            ("org.mobyproject.buildkit.worker.executor".to_owned(), "berth".to_owned()),
            // By this buildx knows the `docker` builders that write caches and archives, and push images themselves.
            ("org.mobyproject.buildkit.worker.snapshotter".to_owned(), "overlayfs".to_owned()),
            // buildx puts it in the place of `--add-host NAME:host-gateway` itself.
            ("org.mobyproject.buildkit.worker.moby.host-gateway-ip".to_owned(), services.host_gateway.to_string()),
        ]),
        platforms: vec![platform],
        buildkit_version: Some(version(&services.engine)),
        ..WorkerRecord::default()
    }
}
