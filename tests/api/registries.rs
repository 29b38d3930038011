//! What the engine asks registries without pulling: searches, descriptions, plugins. The answers are dockerd 28.5.2's.

use anyhow::ensure;
use serde_json::{Value, json};
use tests::case::Case;
use tests::engine::Kind;
use tests::http::{Answer, post, request, request_with};
use tests::index::{Index, Repository};
use tests::registry::{Access, Registry};

use crate::suite::{Entry, cases, everywhere, on_this_machine};

type Result = anyhow::Result<()>;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_PLUGIN: &str = "application/vnd.docker.plugin.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// `{"username":"berth","password":"secret"}`
const SECRET: &str = "eyJ1c2VybmFtZSI6ImJlcnRoIiwicGFzc3dvcmQiOiJzZWNyZXQifQ==";
/// `{"username":"berth","password":"wrong"}`
const WRONG: &str = "eyJ1c2VybmFtZSI6ImJlcnRoIiwicGFzc3dvcmQiOiJ3cm9uZyJ9";

pub(crate) fn cases() -> Vec<Entry> {
    [
        cases![everywhere; searches, searches_with_a_password, describes, describes_with_a_password, logs_in, looks_for_plugins],
        cases![on_this_machine; searches_docker_hub],
    ]
    .concat()
}

pub(crate) fn index() -> anyhow::Result<Index> {
    let repository = |name, description, stars, official| Repository { name, description, stars, official };
    Index::start(vec![
        repository("ship", "Sails & <oars>, é", 10, true),
        repository("me/ship", "", 3, false),
        repository("you/ship", "another ship", 0, false),
    ])
}

/// One that knows berth, whose password is secret.
pub(super) fn private() -> anyhow::Result<Registry> {
    // htpasswd -nbB berth secret
    Registry::start(Access::Password("berth:$2y$05$5DwD8mnG2Bn4GOVTh5aV8.qSBVmeArIpt74ZYCS0dKOtfOGnYZMXq"))
}

/// References of an image and of a list of images.
pub(super) fn images(registry: &Registry, repository: &str) -> anyhow::Result<[String; 2]> {
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers" } });
    let mut entry = put(registry, repository, "image", (DOCKER_MANIFEST, DOCKER_CONFIG), &config)?;
    entry["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
    registry.put_manifest(repository, "list", OCI_INDEX, &list)?;
    Ok(["image", "list"].map(|tag| format!("{}/{repository}:{tag}", registry.address())))
}

fn ask(case: &Case<'_>, path: &str) -> anyhow::Result<Answer> {
    request(case.host(), "GET", &format!("/v1.51{path}"), "")
}

pub(crate) fn searches(case: &Case<'_>) -> Result {
    let index = index()?;
    let host = index.address();
    let ship = json!({
        "star_count": 10, "is_official": true, "name": "ship", "is_automated": false, "description": "Sails & <oars>, é",
    });
    let mine = json!({
        "star_count": 3, "is_official": false, "name": "me/ship", "is_automated": false, "description": "",
    });
    let yours = json!({
        "star_count": 0, "is_official": false, "name": "you/ship", "is_automated": false, "description": "another ship",
    });
    for (query, expect) in [
        ("ship", json!([ship, mine, yours])),
        ("ship&limit=2", json!([ship, mine])),
        ("ship&limit=0", json!([ship, mine, yours])),
        ("nothing", json!([])),
        ("ship&filters={%22stars%22:[%223%22,%221%22]}", json!([ship, mine])),
        ("ship&filters={%22stars%22:[%22-1%22]}", json!([ship, mine, yours])),
        ("ship&filters={%22is-official%22:[%22true%22]}", json!([ship])),
        ("ship&filters={%22is-official%22:[%22false%22]}", json!([mine, yours])),
        ("ship&filters={%22is-automated%22:[%22false%22]}", json!([ship, mine, yours])),
        ("ship&filters={%22is-automated%22:[%22true%22]}", json!([])),
    ] {
        let answer = ask(case, &format!("/images/search?term={host}/{query}"))?;
        let found: Value = serde_json::from_str(&answer.body)?;
        ensure!(answer.status == 200 && found == expect, "{query}: {} {}", answer.status, answer.body);
    }
    ask(case, &format!("/images/search?term={host}/a%20b/%26c%3D"))?;
    let asked: Vec<String> = index.asked().into_iter().map(|asked| asked.query).collect();
    for wanted in ["q=ship&n=25", "q=ship&n=2", "q=a+b%2F%26c%3D&n=25"] {
        ensure!(asked.iter().any(|query| query == wanted), "{wanted}: {asked:?}");
    }
    for (query, status, words) in [
        ("ship&limit=101", 400, "limit 101 is outside the range of [1, 100]"),
        ("down", 500, "Unexpected status code 503"),
        ("broken", 500, "error decoding registry search results: "),
    ] {
        let answer = ask(case, &format!("/images/search?term={host}/{query}"))?;
        ensure!(answer.status == status && answer.message().starts_with(words), "{query}: {}", answer.body);
    }
    // A registry of today has no index; one that is down is told of both ways in which it was asked.
    let answer = ask(case, &format!("/images/search?term={}/ship", case.registry.address()))?;
    ensure!(answer.status == 500 && answer.message() == "Unexpected status code 404", "{}", answer.body);
    let answer = ask(case, "/images/search?term=127.0.0.1:9/ship")?;
    let words = "invalid registry endpoint \"http://127.0.0.1:9/v1/\". HTTPS attempt: Get \"https://127.0.0.1:9/v1/_ping\": dial \
                 tcp 127.0.0.1:9: connect: connection refused";
    ensure!(answer.status == 400 && answer.message().starts_with(words), "{}", answer.body);
    Ok(())
}

pub(crate) fn searches_with_a_password(case: &Case<'_>) -> Result {
    let index = index()?;
    let path = format!("/v1.51/images/search?term={}/ship", index.address());
    for headers in [&[][..], &[("X-Registry-Auth", SECRET)]] {
        let answer = request_with(case.host(), "GET", &path, headers, "")?;
        ensure!(answer.status == 200, "{}", answer.body);
    }
    let sent: Vec<_> = index.asked().into_iter().map(|asked| asked.authorization).collect();
    // berth:secret
    ensure!(sent == [None, Some("Basic YmVydGg6c2VjcmV0".to_owned())], "{sent:?}");
    Ok(())
}

/// An image's manifest without layers in a repository of the case's own, under a tag.
fn put(
    registry: &Registry,
    repository: &str,
    tag: &str,
    (media_type, config_type): (&str, &str),
    config: &Value,
) -> anyhow::Result<Value> {
    let config = config.to_string();
    let config_digest = registry.put_blob(repository, config.as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "layers": [],
        "config": { "mediaType": config_type, "size": config.len(), "digest": config_digest },
    });
    let digest = registry.put_manifest(repository, tag, media_type, &manifest)?;
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": manifest.to_string().len() }))
}

pub(crate) fn describes(case: &Case<'_>) -> Result {
    let (registry, repository) = (case.registry, format!("described{}", case.number()));
    let config = json!({ "architecture": "arm", "os": "linux", "variant": "v7", "os.version": "1", "rootfs": { "type": "layers" } });
    let platform = json!({ "architecture": "arm", "os": "linux", "os.version": "1", "variant": "v7" });
    let plain = put(registry, &repository, "docker", (DOCKER_MANIFEST, DOCKER_CONFIG), &config)?;
    let oci = put(registry, &repository, "oci", (OCI_MANIFEST, OCI_CONFIG), &config)?;
    let silent = put(registry, &repository, "silent", (DOCKER_MANIFEST, DOCKER_CONFIG), &json!({ "a": 1 }))?;
    let host = format!("{}/{repository}", registry.address());
    let check = |name: &str, descriptor: &Value, platforms: &Value| {
        let answer = ask(case, &format!("/distribution/{host}{name}/json"))?;
        let found: Value = serde_json::from_str(&answer.body)?;
        let expect = json!({ "Descriptor": descriptor, "Platforms": platforms });
        ensure!(answer.status == 200 && found == expect, "{name}: {} {}\n{expect}", answer.status, answer.body);
        Ok(())
    };
    check(":docker", &plain, &json!([platform]))?;
    let digest = plain["digest"].as_str().unwrap_or_default();
    check(&format!("@{digest}"), &plain, &json!([platform]))?;
    // The tag does not count then.
    check(&format!(":absent@{digest}"), &plain, &json!([platform]))?;
    check(":oci", &oci, &Value::Null)?;
    check(":silent", &silent, &Value::Null)?;
    let entry = |platform: Option<Value>| {
        let mut entry = plain.clone();
        if let Some(platform) = platform {
            entry["platform"] = platform;
        }
        entry
    };
    let other = json!({ "architecture": "s390x", "os": "linux", "os.features": ["x"] });
    for (tag, media_type) in [("list", DOCKER_LIST), ("index", OCI_INDEX), ("latest", OCI_INDEX)] {
        let entries = [entry(Some(platform.clone())), entry(Some(other.clone())), entry(None)];
        let list = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
        let digest = registry.put_manifest(&repository, tag, media_type, &list)?;
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": list.to_string().len() });
        let nobody = json!({ "architecture": "", "os": "" });
        check(&format!(":{tag}"), &descriptor, &json!([platform, other, nobody]))?;
        if tag == "latest" {
            check("", &descriptor, &json!([platform, other, nobody]))?;
        }
    }
    for (name, status, words) in [
        (format!("{host}:absent"), 404, "manifest unknown: manifest unknown"),
        (format!("{host}@sha256:{}", "a".repeat(64)), 404, "manifest unknown: manifest unknown"),
        (
            "127.0.0.1:9/x".to_owned(),
            500,
            "Get \"http://127.0.0.1:9/v2/\": dial tcp 127.0.0.1:9: connect: connection refused",
        ),
    ] {
        let answer = ask(case, &format!("/distribution/{name}/json"))?;
        ensure!(
            answer.status == status && answer.message().starts_with(words),
            "{name}: {} {}",
            answer.status,
            answer.body
        );
    }
    Ok(())
}

pub(crate) fn describes_with_a_password(case: &Case<'_>) -> Result {
    let registry = private()?;
    let path = format!("/v1.51/distribution/{}/absent:1/json", registry.address());
    for (headers, status, words) in [
        (&[][..], 500, "no basic auth credentials"),
        (&[("X-Registry-Auth", WRONG)], 401, "unauthorized: authentication required"),
        (&[("X-Registry-Auth", SECRET)], 404, "manifest unknown: manifest unknown"),
    ] {
        let answer = request_with(case.host(), "GET", &path, headers, "")?;
        ensure!(
            answer.status == status && answer.body.contains(words),
            "{headers:?}: {} {}",
            answer.status,
            answer.body
        );
    }
    Ok(())
}

/// `docker login` before the client keeps anything.
pub(crate) fn logs_in(case: &Case<'_>) -> Result {
    let registry = private()?;
    let (host, open) = (registry.address(), case.registry.address());
    let port = registry.socket().port();
    let with = |address: &str| json!({ "username": "berth", "password": "secret", "serveraddress": address });
    for address in [host.as_str(), &format!("localhost:{port}"), &format!("http://{host}/v1/"), &open] {
        let answer = post(case.host(), "/v1.51/auth", &with(address))?;
        let expect = "{\"IdentityToken\":\"\",\"Status\":\"Login Succeeded\"}\n";
        ensure!(answer.status == 200 && answer.body == expect, "{address}: {} {}", answer.status, answer.body);
    }
    let none = format!("Get \"http://{host}/v2/\": no basic auth credentials");
    let refused = "Get \"http://127.0.0.1:9/v2/\": dial tcp 127.0.0.1:9: connect: connection refused";
    for (login, status, words) in [
        (
            json!({ "username": "berth", "password": "wrong", "serveraddress": host }),
            500,
            format!("login attempt to http://{host}/v2/ failed with status: 401 Unauthorized").as_str(),
        ),
        (json!({ "username": "berth", "serveraddress": host }), 500, &none),
        (json!({ "serveraddress": host }), 500, &none),
        (json!({ "identitytoken": "x", "serveraddress": host }), 500, &none),
        (with("127.0.0.1:9"), 500, refused),
        (with("two words/x"), 400, "unable to parse server address: parse \"https://two words/x\": "),
    ] {
        let answer = post(case.host(), "/v1.51/auth", &login)?;
        ensure!(
            answer.status == status && answer.message().starts_with(words),
            "{login}: {} {}",
            answer.status,
            answer.body
        );
    }
    Ok(())
}

/// Without a host the index is Docker Hub's, which the suite's network has no way to.
pub(crate) fn searches_docker_hub(case: &Case<'_>) -> Result {
    for term in ["busybox", "docker.io/busybox"] {
        let answer = ask(case, &format!("/images/search?term={term}"))?;
        let words = "Get \"https://index.docker.io/v1/search?q=busybox&n=25\": ";
        ensure!(
            answer.status == 500 && answer.message().starts_with(words),
            "{term}: {} {}",
            answer.status,
            answer.body
        );
    }
    Ok(())
}

pub(crate) fn looks_for_plugins(case: &Case<'_>) -> Result {
    let (registry, repository) = (case.registry, format!("plugin{}", case.number()));
    let image = put(registry, &repository, "image", (DOCKER_MANIFEST, DOCKER_CONFIG), &json!({ "os": "linux" }))?;
    let plugin = json!({ "Network": { "Type": "host" }, "Entrypoint": ["/x"] });
    put(registry, &repository, "plugin", (DOCKER_MANIFEST, DOCKER_PLUGIN), &plugin)?;
    let host = format!("{}/{repository}", registry.address());
    let digest = image["digest"].as_str().unwrap_or_default();

    for (name, named) in [
        (format!("{host}:image"), format!("{host}:image")),
        (format!("{host}:image@{digest}"), format!("{host}@{digest}")),
    ] {
        let answer = ask(case, &format!("/plugins/privileges?remote={name}"))?;
        let words = format!("did not find plugin config for specified reference {named}");
        ensure!(answer.status == 500 && answer.message() == words, "{name}: {} {}", answer.status, answer.body);
    }
    for absent in [format!("{host}:absent"), "127.0.0.1:9/x".to_owned()] {
        let answer = ask(case, &format!("/plugins/privileges?remote={absent}"))?;
        ensure!(answer.status == 200 && answer.body.trim() == "[]", "{absent}: {}", answer.body);
    }

    let pull = |query: &str| request(case.host(), "POST", &format!("/v1.51/plugins/pull?remote={query}"), "[]");
    let answer = pull(&format!("{host}:image&name=mine"))?;
    let lines: Vec<&str> = answer.body.lines().collect();
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    ensure!(answer.head.to_lowercase().contains("docker-plugin-name: mine:latest"), "{}", answer.head);
    ensure!(lines[0] == format!(r#"{{"status":"Pulling from {host}","id":"image"}}"#), "{lines:?}");
    ensure!(lines[1] == format!(r#"{{"status":"Digest: {digest}"}}"#), "{lines:?}");
    let words = "fetched plugin image but plugin config is missing";
    let last = format!(r#"{{"errorDetail":{{"message":"{words}"}},"error":"{words}"}}"#);
    ensure!(lines.last() == Some(&last.as_str()), "{lines:?}");
    let answer = pull(&format!("{host}:absent"))?;
    let words = format!("error resolving plugin reference: {host}:absent: not found");
    ensure!(answer.status == 404 && answer.message() == words, "{} {}", answer.status, answer.body);
    let answer = pull("127.0.0.1:9/x")?;
    ensure!(
        answer.status == 500 && answer.message().starts_with("error resolving plugin reference: "),
        "{}",
        answer.body
    );

    // Nothing runs plugins here: docs/decisions/0015-no-plugins.md.
    if case.kind != Kind::Reference {
        let words = "plugins are not supported on this platform";
        let name = format!("{host}:plugin");
        for answer in [ask(case, &format!("/plugins/privileges?remote={name}"))?, pull(&name)?] {
            ensure!(answer.status == 500 && answer.message() == words, "{} {}", answer.status, answer.body);
        }
        let answer = request(case.host(), "POST", "/v1.51/plugins/create?name=x", "")?;
        ensure!(answer.status == 500 && answer.message() == words, "{} {}", answer.status, answer.body);
    }
    Ok(())
}
