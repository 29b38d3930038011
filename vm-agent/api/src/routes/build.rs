//! Making images here: the endpoint of the classic builder, and of BuildKit for who asks for it there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::buildkit::{Room, Which};
use build::{Address, Output, Request};
use engine_api::registry::AuthConfig;
use engine_api::{HostConfig, Timestamp, decode_text};
use events::{Event, Kind};
use images::{Platform, Progress, Reference, Sink};
use serde::de::DeserializeOwned;
use serde_json::{Value, json as value};

use super::Call;
use super::transfer::{everything, from_base64, tell, translate};
use crate::Services;
use crate::failure::Failure;
use crate::reply::{self, Answer};
use crate::strconv;

/// Works as long as the client is there.
pub(super) async fn build(call: Call) -> Answer {
    let mut request = request(&call)?;
    match call.query.filled("version") {
        None | Some("1") => request.remote = call.query.filled("remote").map(remote).transpose()?,
        Some("2") => return super::posted::build(call, request).await,
        Some(other) => return Err(Failure::bad_request(format!("invalid version {other:?}"))),
    }
    let quiet = call.query.flag("q");
    let client = call.client.clone();
    let (services, context) = call.reader();
    tell(client, everything, move |sink, backlog| async move {
        let room = move || {
            let backlog = Arc::clone(&backlog);
            Box::pin(async move { backlog.room().await }) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        };
        let remembered = services.buildkit.remember(&request);
        let words = remembered.words();
        let sink = Sink::new(move |progress| {
            if let Progress::Stream(text) = &progress {
                words.hear(text);
            }
            sink.send(progress);
        });
        let result = services.builds.build(request, context, Output::new(sink, Arc::new(room), quiet)).await;
        services.buildkit.collect_later();
        remembered.finish(result.as_ref()).await;
        result?;
        Ok(())
    })
    .await
}

fn request(call: &Call) -> Result<Request, Failure> {
    let query = &call.query;
    if query.flag("squash") {
        return Err(Failure::bad_request("squash is only supported with experimental mode"));
    }
    if query.get("securityopt").is_some() {
        return Err(Failure::bad_request("security options are not supported on linux"));
    }
    if let Some(isolation) = query.filled("isolation").filter(|isolation| *isolation != "default") {
        return Err(Failure::bad_request(format!("unsupported isolation: {isolation:?}")));
    }
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let tags = query.all("t").filter(|tag| !tag.is_empty()).map(|tag| {
        let reference = Reference::parse(tag).map_err(Failure::from)?;
        match reference.digest {
            None => Ok(reference),
            Some(_) => Err(Failure::bad_request("build tag cannot contain a digest")),
        }
    });
    let platform = query.filled("platform").filter(|_| call.since(1, 32)).map(Platform::parse).transpose()?;
    if platform.as_ref().is_some_and(|platform| platform.os != "linux") {
        return Err(Failure::bad_request("operating system is not supported"));
    }
    let credentials: BTreeMap<String, AuthConfig> = from_base64(&call.headers, "x-registry-config").unwrap_or_default();
    let force_remove = query.flag("forcerm");
    Ok(Request {
        remote: None,
        dockerfile: text("dockerfile"),
        target: text("target"),
        arguments: json(call, "buildargs", "build args")?.unwrap_or_default(),
        labels: json(call, "labels", "labels")?.unwrap_or_default(),
        tags: tags.collect::<Result<_, _>>()?,
        no_cache: query.flag("nocache"),
        no_cache_stages: Vec::new(),
        cache_from: json(call, "cachefrom", "cache-from")?.unwrap_or_default(),
        pull: query.flag("pull"),
        remove: force_remove || query.filled("rm").is_none() || query.flag("rm"),
        force_remove,
        platform,
        host: host(call)?,
        host_network: true,
        // No client of it can ask for that.
        insecure: false,
        // As in dockerd, the classic builder knows no such argument.
        time: None,
        // By its protocol all are built in any case.
        whole: true,
        credentials: credentials.iter().map(|(registry, config)| (registry.clone(), translate(config))).collect(),
        engine: call.services.facts.version.clone(),
    })
}

/// Where a context is downloaded from.
fn remote(text: &str) -> Result<String, Failure> {
    if Address::parse(text).map_err(|error| Failure::bad_request(error.to_string()))?.is_some() {
        return Ok(text.to_owned());
    }
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    if text == "client-session" {
        let words =
            "experimental session with v1 builder is no longer supported, use builder version v2 (BuildKit) instead";
        return Err(Failure::bad_request(words));
    }
    if !is_url {
        let words = format!("remoteURL ({text}) could not be recognized as URL");
        return Err(Failure::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, words));
    }
    Ok(text.to_owned())
}

/// A parameter that is JSON; absent when it is empty or `null`.
fn json<T: DeserializeOwned>(call: &Call, name: &'static str, what: &str) -> Result<Option<T>, Failure> {
    let Some(text) = call.query.filled(name) else { return Ok(None) };
    decode_text(text).map_err(|error| Failure::bad_request(format!("error reading {what}: {error}")))
}

/// Network and limits of the steps' containers. A number that is none counts as 0, as in dockerd.
fn host(call: &Call) -> Result<HostConfig, Failure> {
    let query = &call.query;
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let mut host = HostConfig {
        network_mode: text("networkmode"),
        extra_hosts: Some(query.all("extrahosts").filter(|host| !host.is_empty()).map(str::to_owned).collect()),
        shm_size: match query.filled("shmsize") {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                let words = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
                Failure::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, words)
            })?,
        },
        ..HostConfig::default()
    };
    host.log_config.driver = "none".to_owned();
    let resources = &mut host.resources;
    resources.memory = number("memory");
    resources.memory_swap = number("memswap");
    resources.cpu_shares = number("cpushares");
    resources.cpu_period = number("cpuperiod");
    resources.cpu_quota = number("cpuquota");
    resources.cpuset_cpus = text("cpusetcpus");
    resources.cpuset_mems = text("cpusetmems");
    resources.cgroup_parent = text("cgroupparent");
    resources.ulimits = json(call, "ulimits", "ulimit settings")?;
    Ok(host)
}

/// What builds keep beside images goes; the cache of their steps is images, which have a prune of their own.
pub(super) async fn prune(call: Call) -> Answer {
    let services = &call.services;
    let which = which(&call)?;
    // `docker system prune` passes labels on, which nothing here has.
    let is_labelled = call.query.filters()?.values("label").next().is_some();
    let gone = if is_labelled { Vec::new() } else { services.buildkit.prune(&which).await? };
    let reclaimed: u64 = gone.iter().map(|item| item.size).sum();
    services.events.emit(Event::new(Kind::Builder, "prune", "").with("reclaimed", reclaimed.to_string()));
    let ids: Vec<String> = gone.into_iter().map(|item| item.id).collect();
    reply::json(&value!({ "CachesDeleted": (!ids.is_empty()).then_some(ids), "SpaceReclaimed": reclaimed }))
}

/// What a prune means.
fn which(call: &Call) -> Result<Which, Failure> {
    const FIELDS: [&str; 7] = ["id", "parent", "type", "description", "inuse", "shared", "private"];
    let query = &call.query;
    let bytes = |name: &str| match query.filled(name) {
        None => Ok(0),
        // A number below 0 says nothing.
        Some(text) => strconv::atoi(text).map(|bytes| u64::try_from(bytes).unwrap_or_default()).map_err(|error| {
            Failure::bad_request(format!("{name} is in bytes and expects an integer, got {text}: {error}"))
        }),
    };
    // The first one is what the second one was called before 1.48.
    let reserved = bytes("keep-storage")?.max(bytes("reserved-space")?);
    let room = Room { reserved, max_used: bytes("max-used-space")?, min_free: bytes("min-free-space")? };
    let filters = query.filters()?;
    let refused = |words: String| Failure::bad_request(format!("failed to prune build cache: {words}"));
    let known = [&FIELDS[..], &["until", "unused-for", "label", "label!"]].concat();
    filters.only(&known).map_err(|error| refused(error.to_string()))?;
    let several = || refused("filters expect only one value".to_owned());
    let mut which = Which::default().within(room);
    let mut ages = filters.values("until").chain(filters.values("unused-for"));
    let age = ages.next();
    if ages.next().is_some() {
        return Err(several());
    }
    if let Some(age) = age {
        let until = super::point_in_time(age).map_err(|failure| {
            let expected = "\"until\" filter expects a duration (e.g., '24h') or a timestamp";
            refused(format!("{expected}: {}", failure.message))
        })?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let until = Duration::from_nanos(u64::try_from(until).unwrap_or_default());
        which = which.unused_for(now.saturating_sub(until));
    }
    for field in FIELDS.iter().filter(|field| filters.contains(field)) {
        let mut values = filters.values(field);
        let value = values.next();
        if values.next().is_some() {
            return Err(several());
        }
        which = which.with(field, value).map_err(|error| refused(error.to_string()))?;
    }
    Ok(which)
}

/// What builds keep, as `GET /system/df` tells of it.
pub(super) async fn usage(services: &Services, since_1_42: bool) -> Result<Vec<Value>, Failure> {
    let time = |time: SystemTime| Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    let all = services.buildkit.stock().await?.into_iter().map(|item| {
        let mut described = value!({
            "ID": item.id,
            "Type": item.kind,
            "Description": item.description,
            "InUse": item.in_use,
            "Shared": false,
            "Size": item.size,
            "CreatedAt": time(item.used),
            "LastUsedAt": time(item.used),
            "UsageCount": 1,
        });
        if !since_1_42 {
            described["Parent"] = Value::from("");
        }
        described
    });
    Ok(all.collect())
}

pub(super) async fn cancel(call: Call) -> Answer {
    let id = call.query.filled("id").ok_or_else(|| Failure::bad_request("build ID not provided"))?;
    call.services.buildkit.cancel(id);
    reply::empty(hyper::StatusCode::OK)
}
