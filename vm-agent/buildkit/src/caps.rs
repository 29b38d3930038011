//! What clients may ask for, in BuildKit's names, and who works for them.

use crate::Services;
use bollard_buildkit_proto::moby::buildkit::v1::apicaps::ApiCap;
use bollard_buildkit_proto::moby::buildkit::v1::types::{BuildkitVersion, WorkerRecord};
use bollard_buildkit_proto::pb;
use emulation::Processor;
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
pub(crate) async fn worker(services: &Services) -> WorkerRecord {
    let others = services.emulation.processors().await;
    WorkerRecord {
        id: services.worker.clone(),
        labels: HashMap::from([
            ("org.mobyproject.buildkit.worker.executor".to_owned(), "berth".to_owned()),
            // By this buildx knows the `docker` builders that write caches and archives, and push images themselves.
            ("org.mobyproject.buildkit.worker.snapshotter".to_owned(), "overlayfs".to_owned()),
            // buildx puts it in the place of `--add-host NAME:host-gateway` itself.
            ("org.mobyproject.buildkit.worker.moby.host-gateway-ip".to_owned(), services.host_gateway.to_string()),
        ]),
        platforms: platforms(&Platform::detected(), &others),
        buildkit_version: Some(version(&services.engine)),
        ..WorkerRecord::default()
    }
}

/// What steps can run for, as BuildKit lists it: first the plainest of this computer's own processor, which builds are for that say nothing,
/// then its newer forms as far as it has them, then the others.
fn platforms(own: &Platform, others: &[Processor]) -> Vec<pb::Platform> {
    let platform = |architecture: &str, variant: &str| pb::Platform {
        os: own.os.clone(),
        architecture: architecture.to_owned(),
        variant: variant.to_owned(),
        ..pb::Platform::default()
    };
    let newest = own.variant.as_deref().and_then(|variant| variant.strip_prefix('v')?.parse::<u8>().ok()).unwrap_or(1);
    let newer = (2..=newest).map(|level| platform(&own.architecture, &format!("v{level}")));
    let others = others.iter().flat_map(|other| match other.oci {
        // An emulator is of the newest that containers are made for, which runs the older one's programs.
        "arm" => vec![platform("arm", "v7"), platform("arm", "v6")],
        name => vec![platform(name, "")],
    });
    [platform(&own.architecture, "")].into_iter().chain(newer).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::platforms;
    use emulation::PROCESSORS;
    use images::Platform;

    #[test]
    fn platforms_are_listed_as_buildkit_lists_them() {
        let listed = |own: &str, others: &[&str]| {
            let others: Vec<_> = PROCESSORS.into_iter().filter(|processor| others.contains(&processor.oci)).collect();
            let platforms = platforms(&Platform::parse(own).expect("valid"), &others);
            let text = platforms.iter().map(|one| format!("{}/{} {}", one.os, one.architecture, one.variant));
            text.map(|text| text.trim_end().to_owned()).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(listed("linux/amd64", &[]), "linux/amd64");
        assert_eq!(
            listed("linux/amd64/v3", &["386", "arm64", "arm"]),
            "linux/amd64, linux/amd64 v2, linux/amd64 v3, linux/arm64, linux/386, linux/arm v7, linux/arm v6"
        );
        assert_eq!(listed("linux/arm64", &["amd64"]), "linux/arm64, linux/amd64");
    }
}
