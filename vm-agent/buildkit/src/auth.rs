//! A client's credentials for registries, asked for when an image is fetched.

use crate::sessions::Session;
use crate::transport::origin;
use bollard_buildkit_proto::moby::filesync::v1::CredentialsRequest;
use bollard_buildkit_proto::moby::filesync::v1::auth_client::AuthClient;
use images::{Auth, DOCKER_HUB};

const METHOD: &str = "/moby.filesync.v1.Auth/Credentials";

/// How clients expect Docker Hub to be called.
const HUB: &str = "registry-1.docker.io";

/// The client's credentials for a registry; it may have none, or fail to find them, and then the registry decides.
pub(crate) async fn credentials(session: &Session, registry: &str) -> Auth {
    if !session.has(METHOD) {
        return Auth::Anonymous;
    }
    let host = if registry == DOCKER_HUB { HUB } else { registry };
    let mut client = AuthClient::with_origin(session.channel.clone(), origin());
    match client.credentials(CredentialsRequest { host: host.to_owned() }).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            match (answer.username.is_empty(), answer.secret.is_empty()) {
                (_, true) => Auth::Anonymous,
                (true, false) => Auth::IdentityToken(answer.secret),
                (false, false) => Auth::Basic { username: answer.username, password: answer.secret },
            }
        }
        Err(status) => {
            tracing::debug!(registry, "a client gave no credentials: {status}");
            Auth::Anonymous
        }
    }
}
