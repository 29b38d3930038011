//! Builds by BuildKit in one request: `POST /build?version=2`. What the classic builder's parameters say becomes attributes of the frontend.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ::buildkit::{Posted, Refused, Source};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use build::Request;
use engine_api::decode_text;
use hyper::StatusCode;
use images::Progress;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::Call;
use super::transfer::{everything, tell};
use crate::failure::Failure;
use crate::reply::{self, Answer};

/// What a client calls a build whose context it brings.
const UPLOAD: &str = "upload-request:";

/// What builds tell that waits for room.
const TOLD: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
struct Output {
    r#type: String,
    attrs: Option<HashMap<String, String>>,
}

/// Works as long as the client is there.
pub(super) async fn build(call: Call, request: Request) -> Answer {
    let name = call.query.get("buildid").unwrap_or_default().to_owned();
    if let Some(name) = name.strip_prefix(UPLOAD) {
        let (services, context) = call.reader();
        services.buildkit.lend(name, Box::new(context)).await?;
        return reply::empty(StatusCode::OK);
    }
    let posted = posted(&call, &request, name)?;
    let is_quiet = call.query.flag("q");
    let client = call.client.clone();
    let (services, context) = call.reader();
    tell(client, everything, move |sink, backlog| async move {
        let (sender, mut traces) = mpsc::channel(TOLD);
        let telling = async {
            while let Some(trace) = traces.recv().await {
                if !is_quiet {
                    backlog.room().await;
                    sink.send(Progress::Aux { id: "moby.buildkit.trace", value: STANDARD.encode(trace).into() });
                }
            }
        };
        let (image, ()) = tokio::join!(services.buildkit.post(posted, Box::new(context), sender), telling);
        match image? {
            Some(image) if is_quiet => sink.send(Progress::Stream(format!("{image}\n"))),
            Some(image) => sink.send(Progress::Aux { id: "moby.image.id", value: json!({ "ID": image }) }),
            None => {}
        }
        Ok(())
    })
    .await
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        let status = match refused.kind {
            build::Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            build::Kind::Invalid => StatusCode::BAD_REQUEST,
            build::Kind::System => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, refused.message)
    }
}

fn posted(call: &Call, request: &Request, name: String) -> Result<Posted, Failure> {
    let query = &call.query;
    let mut attributes = attributes(request, call.services.buildkit.host_gateway())?;
    let context = match query.filled("remote") {
        None => Source::Body,
        Some("upload-request") => Source::OtherRequest,
        Some("client-session") => Source::Elsewhere,
        Some(address) => {
            attributes.insert("context".to_owned(), address.to_owned());
            Source::Elsewhere
        }
    };
    let names: Vec<String> = request.tags.iter().map(|tag| tag.clone().or_latest().to_string()).collect();
    let argument = request.arguments.get("BUILDKIT_INLINE_CACHE").cloned().flatten();
    Ok(Posted {
        session: query.get("session").unwrap_or_default().to_owned(),
        attributes,
        output: output(call, &names)?,
        name,
        context,
        host_network: request.host.network_mode == "host",
        inline_cache: argument
            .is_some_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True")),
    })
}

/// An output's type and attributes.
type Exporter = (String, HashMap<String, String>);

/// What becomes of the result; nothing when it is only for the cache.
fn output(call: &Call, names: &[String]) -> Result<Option<Exporter>, Failure> {
    let all: Vec<Output> = match call.query.filled("outputs").filter(|_| call.since(1, 40)) {
        None => Vec::new(),
        Some(text) => decode_text::<Option<Vec<Output>>>(text)
            .map_err(|error| Failure::bad_request(format!("invalid outputs specified: {error}")))?
            .unwrap_or_default(),
    };
    let mut all = all.into_iter();
    let (kind, mut attributes) = match (all.next(), all.next()) {
        (_, Some(_)) => return Err(Failure::internal("multiple outputs not supported")),
        (None, None) => ("moby".to_owned(), HashMap::new()),
        (Some(output), None) if output.r#type == "cacheonly" => return Ok(None),
        (Some(output), None) => (output.r#type, output.attrs.unwrap_or_default()),
    };
    if matches!(kind.as_str(), "moby" | "image") && !names.is_empty() {
        attributes.insert("name".to_owned(), names.join(","));
    }
    Ok(Some((kind, attributes)))
}

/// The frontend's, as dockerd makes them. What BuildKit has no word for (limits of memory and processors) is left out there, too.
fn attributes(request: &Request, host_gateway: IpAddr) -> Result<HashMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: String| all.insert(name.to_owned(), value);
    let host = &request.host;
    if !matches!(request.dockerfile.as_str(), "" | ".") {
        put("filename", request.dockerfile.clone());
    }
    if !request.target.is_empty() {
        put("target", request.target.clone());
    }
    for (name, value) in &request.arguments {
        if let Some(value) = value {
            put(&format!("build-arg:{name}"), value.clone());
        }
    }
    for (name, value) in &request.labels {
        put(&format!("label:{name}"), value.clone());
    }
    if !request.cache_from.is_empty() {
        put("cache-from", request.cache_from.join(","));
    }
    if request.no_cache {
        put("no-cache", String::new());
    }
    put("image-resolve-mode", if request.pull { "pull" } else { "default" }.to_owned());
    if let Some(platform) = &request.platform {
        put("platform", platform.to_string());
    }
    match host.network_mode.as_str() {
        "" | "default" => {}
        mode @ ("host" | "none") => drop(put("force-network-mode", mode.to_owned())),
        mode => return Err(Failure::internal(format!("network mode {mode:?} not supported by buildkit"))),
    }
    let hosts = host.extra_hosts.iter().flatten().map(|host| extra_host(host, host_gateway));
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    if !hosts.is_empty() {
        put("add-hosts", hosts.join(","));
    }
    if host.shm_size > 0 {
        put("shm-size", host.shm_size.to_string());
    }
    let limits = host.resources.ulimits.iter().flatten();
    let limits: Vec<String> = limits.map(|limit| format!("{}={}:{}", limit.name, limit.soft, limit.hard)).collect();
    if !limits.is_empty() {
        put("ulimit", limits.join(","));
    }
    Ok(all.into_iter().collect())
}

/// `name:address` as `name=address`.
fn extra_host(text: &str, host_gateway: IpAddr) -> Result<String, Failure> {
    let invalid = || Failure::internal(format!("invalid host {text}"));
    let (name, address) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(invalid)?;
    let address: IpAddr = match address {
        "host-gateway" => host_gateway,
        address => address.trim_matches(['[', ']']).parse().map_err(|_| invalid())?,
    };
    Ok(format!("{name}={address}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_api::HostConfig;
    use engine_api::host_config::Ulimit;

    fn of(request: &Request) -> Result<Vec<String>, String> {
        let gateway = IpAddr::from([192, 0, 2, 1]);
        let all = attributes(request, gateway).map_err(|failure| failure.message)?;
        let mut all: Vec<String> = all.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.sort();
        Ok(all)
    }

    #[test]
    fn parameters_are_attributes() {
        assert_eq!(of(&Request::default()), Ok(vec!["image-resolve-mode=default".to_owned()]));
        let mut host = HostConfig { network_mode: "none".to_owned(), shm_size: 5, ..HostConfig::default() };
        host.extra_hosts = Some(vec!["a:1.2.3.4".to_owned(), "b:host-gateway".to_owned(), "c:[::1]".to_owned()]);
        host.resources.ulimits = Some(vec![Ulimit { name: "nofile".to_owned(), soft: 1, hard: 2 }]);
        let request = Request {
            dockerfile: "d/Other".to_owned(),
            target: "x".to_owned(),
            arguments: [("A".to_owned(), Some("b".to_owned())), ("NONE".to_owned(), None)].into(),
            labels: [("l".to_owned(), "m".to_owned())].into(),
            cache_from: vec!["one".to_owned(), "two".to_owned()],
            no_cache: true,
            pull: true,
            platform: images::Platform::parse("linux/arm64").ok(),
            host,
            ..Request::default()
        };
        let wanted = [
            "add-hosts=a=1.2.3.4,b=192.0.2.1,c=::1",
            "build-arg:A=b",
            "cache-from=one,two",
            "filename=d/Other",
            "force-network-mode=none",
            "image-resolve-mode=pull",
            "label:l=m",
            "no-cache=",
            "platform=linux/arm64",
            "shm-size=5",
            "target=x",
            "ulimit=nofile=1:2",
        ];
        assert_eq!(of(&request), Ok(wanted.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_buildkit_does_not_know_is_refused() {
        let network = |mode: &str| HostConfig { network_mode: mode.to_owned(), ..HostConfig::default() };
        let hosts = |host: &str| HostConfig { extra_hosts: Some(vec![host.to_owned()]), ..HostConfig::default() };
        for (host, words) in [
            (network("mine"), "network mode \"mine\" not supported by buildkit"),
            (hosts("x"), "invalid host x"),
            (hosts(":1.2.3.4"), "invalid host :1.2.3.4"),
            (hosts("x:y"), "invalid host x:y"),
        ] {
            assert_eq!(of(&Request { host, ..Request::default() }), Err(words.to_owned()));
        }
    }
}
