//! Credentials for a registry, as the docker CLI keeps them: `auths` and credential helpers of its config file.

use bollard::auth::DockerCredentials;
use docker_credential::DockerCredential;

/// Docker Hub's key in the config file.
const HUB: &str = "https://index.docker.io/v1/";

/// The credentials that the user has stored for the registry of `reference`; `None` when there are none.
pub(super) fn for_reference(reference: &str) -> Option<DockerCredentials> {
    let registry = registry(reference);
    match docker_credential::get_credential(registry).ok()? {
        DockerCredential::UsernamePassword(username, password) => Some(DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }),
        DockerCredential::IdentityToken(token) => Some(DockerCredentials {
            identitytoken: Some(token),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }),
    }
}

/// The first part of a reference when it names a host (has a dot or a port, or is localhost), else Docker Hub.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_reference() {
        let check = |reference, expect| assert_eq!(registry(reference), expect, "{reference}");
        check("busybox", HUB);
        check("library/busybox:1", HUB);
        check("localhost/x", "localhost");
        check("localhost:5000/x", "localhost:5000");
        check("registry.example/a/b@sha256:0", "registry.example");
    }
}
