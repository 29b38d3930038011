//! Which registry is meant: by an image's reference, by an address that a user types, by a key of the configuration.

/// Docker Hub's key in the configuration.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";

/// The registry of an image: the first part of its reference when that names a host (has a dot, a port or a capital letter, or is
/// localhost), else Docker Hub (distribution/reference, `splitDockerDomain`).
pub(super) fn of_reference(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" || host != host.to_lowercase() => {
            server_of(host)
        }
        _ => HUB,
    }
}

/// The key of an address: its host, or Docker Hub's, which also an empty one means.
pub(crate) fn server_of(address: &str) -> &str {
    match host_of(address) {
        "docker.io" | "index.docker.io" => HUB,
        _ if address.is_empty() => HUB,
        host => host,
    }
}

/// The host of a registry's address, without a scheme and a path.
pub(super) fn host_of(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.split('/').next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_reference() {
        let check = |reference, expect| assert_eq!(of_reference(reference), expect, "{reference}");
        check("busybox", HUB);
        check("library/busybox:1", HUB);
        check("docker.io/library/busybox", HUB);
        check("index.docker.io/library/busybox", HUB);
        check("localhost/x", "localhost");
        check("localhost:5000/x", "localhost:5000");
        check("registry.example/a/b@sha256:0", "registry.example");
        // No name on Docker Hub has a capital letter.
        check("Registry/x", "Registry");
        check("Registry", HUB);
    }

    #[test]
    fn the_server_is_a_host_or_the_hub() {
        for address in ["", "docker.io", HUB, "index.docker.io", "https://index.docker.io/v1"] {
            assert_eq!(server_of(address), HUB, "{address}");
        }
        for address in ["r.example:5000", "https://r.example:5000", "http://r.example:5000/v2/", "r.example:5000/team"]
        {
            assert_eq!(server_of(address), "r.example:5000", "{address}");
        }
    }
}
