//! A client's secrets, asked for when a step needs them.

use crate::sessions::Session;
use crate::transport::origin;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::GetSecretRequest;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_client::SecretsClient;
use tonic::{Code, Status};

const METHOD: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";

/// The secret of that name; none if the client has none of it.
pub(crate) async fn secret(session: &Session, id: &str) -> Result<Option<Vec<u8>>, Status> {
    if !session.has(METHOD) {
        return Ok(None);
    }
    let mut client = SecretsClient::with_origin(session.channel.clone(), origin());
    match client.get_secret(GetSecretRequest { id: id.to_owned(), ..GetSecretRequest::default() }).await {
        Ok(answer) => Ok(Some(answer.into_inner().data)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}
