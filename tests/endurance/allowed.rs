//! Server's errors that are dockerd's own for the same requests, asked of dockerd 28.5.2 unless it says otherwise; and those of the
//! engine's own.

/// One of them.
struct Own {
    /// What the path has.
    path: &'static str,
    status: u16,
    /// What the text has.
    words: &'static str,
}

const fn own(path: &'static str, status: u16, words: &'static str) -> Own {
    Own { path, status, words }
}

const OWN: &[Own] = &[
    // dockerd gives these errors no kind, so that they come out as the server's.
    own("/unpause", 500, "is not paused"),
    own("/stop", 500, "invalid signal: "),
    own("/restart", 500, "invalid signal: "),
    own("/disconnect", 500, "is not connected to "),
    own("/containers/", 500, "Conflict, cannot remove the default link name of the container"),
    own("/plugins/", 500, "invalid reference format"),
    own("/plugins/", 500, "invalid repository name "),
    own("/plugins/", 500, "strconv.Atoi: parsing"),
    own("/plugins/", 500, "error resolving plugin reference"),
    own("/logs", 500, "Bad parameters: you must choose at least one stream"),
    own("/containers/create", 500, "invalid --security-opt 1:"),
    own("/plugins/create", 500, "failed to parse reference "),
    // A dockerd whose containers outlive it, which was not to be asked: by its source.
    own("/swarm/", 500, "--live-restore daemon configuration is incompatible with swarm mode"),
    // A time that is none.
    own("/events", 500, "strconv.ParseInt: parsing"),
    own("/logs", 500, "strconv.ParseInt: parsing"),
    own("/images/", 500, "failed to parse value as time or duration"),
    own("/images/prune", 500, "more than one until filter specified"),
    // A number that is none: of containers in a list, of seconds.
    own("/containers/", 500, "strconv.Atoi: parsing"),
    // An image to save whose name cannot be one.
    own("/get", 500, "invalid reference format"),
    // Neither `fromImage` nor `fromSrc`, or a source that is no address; a registry that cannot be reached, or cannot be one.
    own("/images/create", 500, r#"Get \"http"#),
    own("/auth", 500, r#"Get \"http"#),
    own("/images/search", 500, r#"Get \"http"#),
    own("/distribution/", 500, r#"Get \"http"#),
    own("/distribution/", 500, "no manifest found for full image ID"),
    // A dockerd without plugins, which was not to be asked: by its source.
    own("/plugins/", 500, "plugins are not supported on this platform"),
    // An archive that is none. The status is dockerd's, the words are not.
    own("/archive", 500, "cannot read the archive"),
    // A context that is none, or has no Dockerfile of that name, and a tag that is none.
    own("/build", 500, "cannot read the build context"),
    own("/build", 500, "Cannot locate specified Dockerfile"),
    // A context's address that is none, or that nobody answers at; a size that is no number.
    own("/build", 500, "remoteURL ("),
    own("/build", 500, "error downloading remote context"),
    own("/build", 500, "failed to fetch remote"),
    own("/build", 500, "strconv.ParseInt: parsing"),
    // A zero byte in its path.
    own("/archive", 500, "invalid argument"),
    // A limit that the kernel, or the runtime for it, does not take.
    own("/update", 500, "Cannot update container"),
    // Swarm is off.
    own("/", 503, "This node is not a swarm manager"),
    own("/swarm/leave", 503, "This node is not part of a swarm"),
    own("/volumes/", 503, "volume update only valid for cluster volumes, but swarm is unavailable"),
    // Not dockerd's: what docs/api-coverage.md says is missing of it.
    own("/build", 501, "this engine fetches repositories by https:// and http://"),
    // It wants to become another protocol.
    own("/session", 500, "no upgrade proto in request"),
    own("/grpc", 500, "no upgrade proto in request"),
];

/// Whether it is one of these.
pub(crate) fn is_dockerds(path: &str, status: u16, text: &str) -> bool {
    OWN.iter().any(|own| path.contains(own.path) && status == own.status && text.contains(own.words))
}
