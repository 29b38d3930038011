//! Container create, and what older clients mean by the same request.

mod adapt;
mod endpoint;

use super::Call;
use crate::reply::{self, Answer};

pub(super) async fn create(mut call: Call) -> Answer {
    let mut request = call.create_request().await?;
    let mut warnings = adapt::adapt(&mut request, call.version)?;
    warnings.extend(endpoint::mac_address(&mut request, call.version)?);
    warnings.extend(endpoint::sysctls(&mut request, call.version)?);
    let platform = call.query.filled("platform").filter(|_| call.since(1, 41));
    let name = call.query.filled("name");
    let mut created = call.services.containers.create(name, request, platform).await?;
    created.warnings.extend(warnings);
    reply::created(&created)
}

#[cfg(test)]
mod tests;
