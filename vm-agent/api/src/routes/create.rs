//! Container create, and what older clients mean by the same request.

mod adapt;
mod endpoint;

use engine_api::ContainerCreateRequest;

use super::Call;
use crate::reply::{self, Answer};

pub(super) async fn create(mut call: Call) -> Answer {
    let mut request = call.create_request().await?;
    let mut warnings = adapt::adapt(&mut request, call.version)?;
    warnings.extend(endpoint::mac_address(&mut request, call.version)?);
    warnings.extend(endpoint::sysctls(&mut request, call.version)?);
    environment(&mut request, &call.services.facts.container_env);
    let platform = call.query.filled("platform").filter(|_| call.since(1, 41));
    let name = call.query.filled("name");
    let mut created = call.services.containers.create(name, request, platform).await?;
    created.warnings.extend(warnings);
    reply::created(&created)
}

/// What the engine's settings have containers know, as a client's `proxies` would: unless the request has a variable of that name, in
/// whichever letters.
fn environment(request: &mut ContainerCreateRequest, settings: &[(String, String)]) {
    if settings.is_empty() {
        return;
    }
    let given = request.config.env.get_or_insert_default();
    let is_given =
        |name: &str| given.iter().any(|known| known.split('=').next().unwrap_or(known).eq_ignore_ascii_case(name));
    let further: Vec<String> =
        settings.iter().filter(|(name, _)| !is_given(name)).map(|(name, value)| format!("{name}={value}")).collect();
    given.extend(further);
}

#[cfg(test)]
mod tests;
