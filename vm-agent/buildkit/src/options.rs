//! A frontend's attributes as a request to the builder. Pure. An attribute that is not carried out is refused, never left out.

use crate::cache::{self, Import};
use crate::elsewhere::Elsewhere;
use crate::subrequests::Subrequest;
use build::Request;
use engine_api::HostConfig;
use engine_api::host_config::Ulimit;
use images::Platform;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use tonic::Status;

/// What a Dockerfile's frontend is asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The Dockerfile's path in its directory.
    pub(crate) dockerfile: String,
    /// The client's names of the two directories.
    pub(crate) dockerfile_in: String,
    pub(crate) context_in: String,
    /// Sessions that have directories, by the names of these, where it is not the build's own.
    pub(crate) sessions: BTreeMap<String, String>,
    /// What `--build-context` says, by name.
    pub(crate) contexts: BTreeMap<String, String>,
    /// Where the context is that the client has no directory of, with the Dockerfile in it.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// The Dockerfile is in a directory of the client's all the same.
    pub(crate) has_dockerfile: bool,
    /// Caches that steps may be taken from, beside the builder's own.
    pub(crate) imports: Vec<Import>,
    /// What is asked about the Dockerfile instead of a build.
    pub(crate) subrequest: Option<Subrequest>,
    /// Which checks are wanted, instead of what the Dockerfile says.
    pub(crate) checks: Option<String>,
    pub(crate) request: Request,
}

fn not_yet(what: impl std::fmt::Display) -> Status {
    Status::unimplemented(format!("{what}: this builder does not have it yet"))
}

fn invalid(name: &str, value: &str) -> Status {
    Status::invalid_argument(format!("invalid {name}: {value}"))
}

fn foreign(frontend: &str) -> Status {
    let words = "this builder reads Dockerfiles itself and runs no other frontend";
    Status::unimplemented(format!("the frontend {frontend:?}: {words}"))
}

/// A frontend is this builder's own, or Docker's by another name.
pub(crate) fn check_frontend(frontend: &str, attributes: &HashMap<String, String>) -> Result<(), Status> {
    match frontend {
        "dockerfile.v0" => Ok(()),
        "gateway.v0" => {
            let source = attributes.get("source").map(String::as_str).unwrap_or_default();
            if build::is_own_frontend(source) { Ok(()) } else { Err(foreign(source)) }
        }
        other => Err(Status::not_found(format!("invalid frontend: {other}"))),
    }
}

/// Reads the attributes of a Dockerfile's frontend. `engine` is the version that images tell.
pub(crate) fn read(attributes: &HashMap<String, String>, engine: &str) -> Result<Options, Status> {
    let host = HostConfig::default();
    let request = Request { remove: true, force_remove: true, host, engine: engine.to_owned(), ..Request::default() };
    let mut options = Options {
        dockerfile: "Dockerfile".to_owned(),
        dockerfile_in: "dockerfile".to_owned(),
        context_in: "context".to_owned(),
        request,
        ..Options::default()
    };
    "none".clone_into(&mut options.request.host.log_config.driver);
    // In an order, so that of several mistakes the same one is told each time.
    for (name, value) in attributes.iter().collect::<BTreeMap<_, _>>() {
        match name.split_once(':') {
            Some((kind, rest)) => options.put_named(kind, rest, value)?,
            None => options.put(name, value)?,
        }
    }
    if let Some(Elsewhere::Repository(address)) = &mut options.elsewhere {
        let said = |name: &str| options.request.arguments.get(name).cloned().flatten();
        if said("BUILDKIT_CONTEXT_KEEP_GIT_DIR").is_some_and(|value| build::is_true(&value)) {
            address.keep_git_dir = Some(true);
        }
        address.commit_time |= said("SOURCE_DATE_EPOCH").is_some_and(|value| !value.is_empty());
    }
    Ok(options)
}

impl Options {
    fn put(&mut self, name: &str, value: &str) -> Result<(), Status> {
        let request = &mut self.request;
        let resources = &mut request.host.resources;
        let number = || value.parse::<i64>().map_err(|_| invalid(name, value));
        match name {
            "filename" if !value.is_empty() => value.clone_into(&mut self.dockerfile),
            "dockerfilekey" => {
                self.has_dockerfile = true;
                value.clone_into(&mut self.dockerfile_in);
            }
            "contextkey" => value.clone_into(&mut self.context_in),
            "target" => value.clone_into(&mut request.target),
            "no-cache" if value.is_empty() => request.no_cache = true,
            "no-cache" => request.no_cache_stages = value.split(',').map(str::to_lowercase).collect(),
            "image-resolve-mode" => match value {
                "" | "default" | "local" => {}
                "pull" => request.pull = true,
                _ => return Err(invalid(name, value)),
            },
            "platform" => request.platform = platform(value)?,
            "multi-platform" => match value {
                "false" | "0" => {}
                _ => return Err(not_yet("images for several platforms at once (--platform)")),
            },
            "add-hosts" => request.host.extra_hosts = Some(hosts(value)?),
            "force-network-mode" => match value {
                "" => {}
                "host" | "none" => value.clone_into(&mut request.host.network_mode),
                _ => return Err(invalid(name, value)),
            },
            "shm-size" if !value.is_empty() => request.host.shm_size = number()?,
            "ulimit" => resources.ulimits = Some(value.split(',').map(ulimit).collect::<Result<_, _>>()?),
            "cgroup-parent" => value.clone_into(&mut resources.cgroup_parent),
            "memory" => resources.memory = number()?,
            "memswap" => resources.memory_swap = number()?,
            "cpushares" => resources.cpu_shares = number()?,
            "cpuperiod" => resources.cpu_period = number()?,
            "cpuquota" => resources.cpu_quota = number()?,
            "cpusetcpus" => value.clone_into(&mut resources.cpuset_cpus),
            "cpusetmems" => value.clone_into(&mut resources.cpuset_mems),
            // Empty is as good as not said.
            "filename" | "shm-size" => {}
            "cache-imports" => self.imports.extend(cache::imports(value)?),
            "cache-from" => {
                self.imports.extend(value.split(',').filter(|name| !name.is_empty()).map(Import::in_registry));
            }
            "context" => {
                let elsewhere = Elsewhere::parse(value)?;
                let unknown = || {
                    let words =
                        format!("the build context {value} is no address of a repository, an archive or a Dockerfile");
                    Status::invalid_argument(words)
                };
                self.elsewhere = Some(elsewhere.ok_or_else(unknown)?);
            }
            // They say what the frontend is, which was checked before.
            "source" | "cmdline" => {}
            "frontend.caps" => check_caps(value)?,
            "requestid" => {
                let unknown = || Status::unimplemented(format!("unsupported request {value}"));
                self.subrequest = Some(Subrequest::parse(value).ok_or_else(unknown)?);
            }
            other => return Err(not_yet(format_args!("the build option {other}={value}"))),
        }
        Ok(())
    }

    /// An attribute with a name of the user's own in it.
    fn put_named(&mut self, kind: &str, name: &str, value: &str) -> Result<(), Status> {
        match kind {
            "build-arg" => {
                check_argument(name, value)?;
                if name == "SOURCE_DATE_EPOCH" {
                    self.request.time = time(value)?;
                }
                if name == "BUILDKIT_DOCKERFILE_CHECK" {
                    self.checks = Some(value.to_owned());
                }
                self.request.arguments.insert(name.to_owned(), Some(value.to_owned()));
            }
            "label" => {
                self.request.labels.insert(name.to_owned(), value.to_owned());
            }
            "context" => {
                if name.contains("::") {
                    return Err(not_yet(format_args!("the build context {name}, for one platform alone")));
                }
                self.contexts.insert(name.to_owned(), value.to_owned());
            }
            "local-sessionid" => {
                self.sessions.insert(name.to_owned(), value.to_owned());
            }
            // The directories' names over several builds: the session says the same of all of them.
            "sharedkey" => {}
            // Where the files are from, for attestations, of which there are none.
            "vcs" => {}
            "attest" => return Err(not_yet(format_args!("attestations (--attest type={name}, --{name})"))),
            other => return Err(not_yet(format_args!("the build option {other}:{name}={value}"))),
        }
        Ok(())
    }
}

/// Build arguments that are addressed to the builder.
fn check_argument(name: &str, value: &str) -> Result<(), Status> {
    match name {
        "BUILDKIT_SANDBOX_HOSTNAME" | "BUILDKIT_CACHE_MOUNT_NS" => {
            Err(not_yet(format_args!("the build argument {name}")))
        }
        "BUILDKIT_SYNTAX" if !build::is_own_frontend(value) => Err(foreign(value)),
        "BUILDKIT_MULTI_PLATFORM" if build::is_true(value) => Err(not_yet("images for several platforms at once")),
        _ => Ok(()),
    }
}

/// What a client needs of a frontend; one that may be left to another frontend has no weight.
fn check_caps(value: &str) -> Result<(), Status> {
    for cap in value.split(',').filter(|cap| !cap.is_empty()) {
        let known = ["contexts", "subrequests", "gitquerystring"].map(|name| format!("moby.buildkit.frontend.{name}"));
        if !cap.ends_with("+forward") && !known.iter().any(|known| known == cap) {
            return Err(Status::unimplemented(format!("unsupported frontend capability {cap}")));
        }
    }
    Ok(())
}

/// Seconds since 1970; nothing when it is empty.
fn time(value: &str) -> Result<Option<Timestamp>, Status> {
    if value.is_empty() {
        return Ok(None);
    }
    let refused = |reason: &dyn std::fmt::Display| {
        Status::invalid_argument(format!("invalid SOURCE_DATE_EPOCH: {value}: {reason}"))
    };
    let seconds = value.parse().map_err(|error: std::num::ParseIntError| refused(&error))?;
    Timestamp::from_second(seconds).map(Some).map_err(|error| refused(&error))
}

fn platform(value: &str) -> Result<Option<Platform>, Status> {
    if value.is_empty() {
        return Ok(None);
    }
    if value.contains(',') {
        return Err(not_yet("images for several platforms at once (--platform)"));
    }
    let platform = Platform::parse(value).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if platform.os != "linux" {
        return Err(Status::invalid_argument(format!("{value}: this builder makes images for Linux only")));
    }
    Ok(Some(platform))
}

/// `name=address,…`
fn hosts(value: &str) -> Result<Vec<String>, Status> {
    let fields = value.split(',').map(|field| field.trim_matches('"')).filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (host, address) = field.split_once('=').ok_or_else(|| invalid("key-value pair", field))?;
            let address: IpAddr = address.parse().map_err(|_| invalid("address", address))?;
            Ok(format!("{}:{address}", host.to_lowercase()))
        })
        .collect()
}

/// `name=soft[:hard]`
fn ulimit(field: &str) -> Result<Ulimit, Status> {
    let refused = || invalid("ulimit", field);
    let (name, values) = field.trim_matches('"').split_once('=').ok_or_else(refused)?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |text: &str| text.parse::<i64>().map_err(|_| refused());
    Ok(Ulimit { name: name.to_owned(), soft: number(soft)?, hard: number(hard)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attributes: &[(&str, &str)]) -> Result<Options, String> {
        let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&map, "1").map_err(|status| status.message().to_owned())
    }

    #[test]
    fn attributes_are_a_request() {
        let options = of(&[
            ("filename", "d/Other"),
            ("target", "x"),
            ("build-arg:A:B", "c=d"),
            ("label:l", "m"),
            ("no-cache", "One,two"),
            ("image-resolve-mode", "pull"),
            ("platform", "linux/arm64"),
            ("add-hosts", "Db=1.2.3.4,v6=::1"),
            ("force-network-mode", "none"),
            ("shm-size", "5"),
            ("ulimit", "nofile=1:2,core=3"),
            ("context:base", "docker-image://busybox"),
            ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
            ("vcs:revision", "abc"),
        ]);
        let options = options.expect("known");
        let request = &options.request;
        assert_eq!((options.dockerfile.as_str(), request.target.as_str()), ("d/Other", "x"));
        assert_eq!(request.arguments["A:B"].as_deref(), Some("c=d"));
        assert_eq!(
            (request.no_cache, &request.no_cache_stages[..]),
            (false, &["one".to_owned(), "two".to_owned()][..])
        );
        assert!(request.pull && request.platform.as_ref().is_some_and(|platform| platform.architecture == "arm64"));
        assert_eq!(request.host.extra_hosts.as_deref(), Some(&["db:1.2.3.4".to_owned(), "v6:::1".to_owned()][..]));
        assert_eq!((request.host.network_mode.as_str(), request.host.shm_size), ("none", 5));
        let limits = request.host.resources.ulimits.as_ref().expect("some");
        assert_eq!((limits[0].soft, limits[0].hard, limits[1].hard), (1, 2, 3));
        assert_eq!(options.contexts["base"], "docker-image://busybox");
        assert!(of(&[("no-cache", "")]).expect("known").request.no_cache);
        assert_eq!(of(&[("cache-from", "a,,b")]).expect("known").imports, ["a", "b"].map(Import::in_registry));
        assert_eq!(
            of(&[("context", "http://buildkit-session/a")]).expect("known").elsewhere,
            Some(Elsewhere::Archive("a".to_owned()))
        );
        let unknown = of(&[("context", "ftp://example.org/x")]).err();
        assert!(unknown.is_some_and(|words| words.contains("is no address of a repository")));
        assert!(of(&[("build-arg:BUILDKIT_SYNTAX", "docker/dockerfile:1")]).is_ok());
        assert_eq!(of(&[("filename", "")]).expect("known").dockerfile, "Dockerfile");
    }

    #[test]
    fn questions_and_times_are_read() {
        let options = of(&[
            ("requestid", "frontend.lint"),
            ("build-arg:BUILDKIT_DOCKERFILE_CHECK", "skip=all"),
            ("build-arg:SOURCE_DATE_EPOCH", "5"),
        ]);
        let options = options.expect("known");
        assert_eq!(options.subrequest, Some(Subrequest::Lint));
        assert_eq!(options.checks.as_deref(), Some("skip=all"));
        assert_eq!(options.request.time.map(Timestamp::as_second), Some(5));
        assert_eq!(of(&[("build-arg:SOURCE_DATE_EPOCH", "")]).expect("known").request.time, None);
    }

    #[test]
    fn a_repository_is_as_arguments_say() {
        let of = |attributes: &[(&str, &str)]| of(attributes).expect("known").elsewhere;
        let url = "https://example.org/x.git#v1:d";
        for (kept, time, expect) in [("1", "5", (Some(true), true)), ("x", "", (None, false))] {
            let kept = ("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", kept);
            let Some(Elsewhere::Repository(address)) =
                of(&[("context", url), kept, ("build-arg:SOURCE_DATE_EPOCH", time)])
            else {
                panic!("{url} is a repository")
            };
            assert_eq!((address.keep_git_dir, address.commit_time), expect);
        }
    }

    #[test]
    fn what_is_not_carried_out_is_refused() {
        for attribute in [
            ("attest:provenance", "mode=max"),
            ("multi-platform", "true"),
            ("platform", "linux/amd64,linux/arm64"),
            ("platform", "windows/amd64"),
            ("cache-imports", "x"),
            ("context", "ftp://example.org/x"),
            ("context", "https://example.org/x.git?nope"),
            ("requestid", "frontend.other"),
            ("hostname", "x"),
            ("frontend.caps", "moby.new"),
            ("build-arg:SOURCE_DATE_EPOCH", "now"),
            ("build-arg:BUILDKIT_SYNTAX", "example.org/frontend"),
            ("context:base::linux/arm64", "docker-image://busybox"),
            ("add-hosts", "x=y"),
            ("ulimit", "nofile"),
            ("shm-size", "x"),
            ("new:thing", "1"),
        ] {
            assert!(of(&[attribute]).is_err(), "{attribute:?}");
        }
        let check = |frontend: &str, source: &str| {
            check_frontend(frontend, &HashMap::from([("source".to_owned(), source.to_owned())])).is_ok()
        };
        assert!(check("dockerfile.v0", "") && check("gateway.v0", "docker.io/docker/dockerfile:1@sha256:x"));
        assert!(!check("gateway.v0", "tonistiigi/x") && !check("other", "") && !check("", ""));
    }
}
