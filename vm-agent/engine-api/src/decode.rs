//! Request bodies: from bytes to types, with errors that name the field.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::names;
use crate::syntax::{self, Fault};

/// Why a request body was refused; `api` answers 400 to each.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("invalid JSON: got EOF while reading request body")]
    Empty,
    #[error("invalid JSON: {0}")]
    Syntax(String),
    #[error(transparent)]
    Text(Fault),
    #[error("unexpected content after JSON")]
    Trailing,
    #[error("invalid JSON: cannot unmarshal into field {path}: {cause}")]
    Field { path: String, cause: String },
    #[error("config cannot be empty in order to create a container")]
    EmptyConfig,
}

/// Parses one JSON value into `T`. As in Go's decoder nulls in objects count as absent, and members may be in any case.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    let value = parse_object(body)?;
    // serde would take a list for the members in their order.
    if value.is_array() && !names::members::<T>().is_empty() {
        return Err(DecodeError::Field {
            path: ".".to_owned(),
            cause: "invalid type: sequence, expected an object".to_owned(),
        });
    }
    decode_value(value)
}

/// [`decode`] for a text that is a whole, such as a parameter or a header.
pub fn decode_text<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    syntax::whole(text.as_bytes()).map_err(DecodeError::Text)?;
    decode(text.as_bytes())
}

/// [`decode`] for a value that is parsed already.
pub fn from_value<T: DeserializeOwned>(mut value: Value) -> Result<T, DecodeError> {
    tidy(&mut value);
    decode_value(value)
}

/// Parses the body, drops the nulls and spells the members as the types do.
pub(crate) fn parse_object(body: &[u8]) -> Result<Value, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError::Empty);
    }
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let mut value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => return Err(DecodeError::Syntax(words(body, &error))),
        None => return Err(DecodeError::Empty),
    };
    if values.next().is_some() {
        return Err(DecodeError::Trailing);
    }
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    tidy(&mut value);
    Ok(value)
}

/// dockerd reads a stream, whose end it did not expect; what only this engine's parser refuses (bytes that are no UTF-8) has its words.
fn words(body: &[u8], error: &serde_json::Error) -> String {
    match syntax::first_value(body) {
        Err(Fault::End) => "unexpected EOF".to_owned(),
        Err(fault) => fault.to_string(),
        Ok(()) => error.to_string(),
    }
}

pub(crate) fn decode_value<T: DeserializeOwned>(value: Value) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(value).map_err(|error| field(&[], &error))
}

/// Whether the part of `value` under `path` fits `T`; an absent part fits.
pub(crate) fn check_at<T: DeserializeOwned>(value: &Value, path: &[&str]) -> Result<(), DecodeError> {
    let mut part = value;
    for key in path {
        match part.get(key) {
            Some(inner) => part = inner,
            None => return Ok(()),
        }
    }
    match serde_path_to_error::deserialize::<_, T>(part) {
        Ok(_) => Ok(()),
        Err(error) => Err(field(path, &error)),
    }
}

fn field(prefix: &[&str], error: &serde_path_to_error::Error<serde_json::Error>) -> DecodeError {
    let inner = error.path().to_string();
    let mut path = prefix.join(".");
    if inner != "." || path.is_empty() {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&inner);
    }
    DecodeError::Field { path, cause: error.inner().to_string() }
}

/// Members whose own keys are the user's: Go's decoder keeps such a key and gives it the zero value of its type.
const USER_KEYS: [(&str, Zero); 13] = [
    ("Annotations", Zero::Text),
    ("AuxiliaryAddresses", Zero::Text),
    ("Config", Zero::Text),
    ("DriverOpts", Zero::Text),
    ("EndpointsConfig", Zero::Null),
    ("ExposedPorts", Zero::Object),
    ("Labels", Zero::Text),
    ("Options", Zero::Text),
    ("PortBindings", Zero::Null),
    ("StorageOpt", Zero::Text),
    ("Sysctls", Zero::Text),
    ("Tmpfs", Zero::Text),
    ("Volumes", Zero::Object),
];

/// What `null` means as the value of a user's key.
#[derive(Debug, Clone, Copy)]
enum Zero {
    Text,
    Object,
    /// A pointer or a list: the type itself knows null.
    Null,
}

/// Fields that are null count as absent, and have one spelling; keys of the user's own keep their place and spelling.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            spell(members);
            members.retain(|_, member| !member.is_null());
            for (name, member) in members {
                let zero = USER_KEYS.iter().find(|(known, _)| known == name).map(|(_, zero)| *zero);
                match (zero, member) {
                    (Some(zero), Value::Object(map)) => map.values_mut().for_each(|value| fill(value, zero)),
                    (_, member) => tidy(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Of two spellings in one object the exact one counts.
fn spell(members: &mut serde_json::Map<String, Value>) {
    let other: Vec<(String, &str)> =
        members.keys().filter_map(|name| Some((name.clone(), names::canonical(name)?))).collect();
    for (name, known) in other {
        if let Some(value) = members.remove(&name)
            && !members.contains_key(known)
        {
            members.insert(known.to_owned(), value);
        }
    }
}

fn fill(value: &mut Value, zero: Zero) {
    match (&*value, zero) {
        (Value::Null, Zero::Text) => *value = Value::String(String::new()),
        (Value::Null, Zero::Object) => *value = Value::Object(serde_json::Map::new()),
        (Value::Null, Zero::Null) => {}
        _ => tidy(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerCreateRequest, VolumeCreateRequest};

    #[test]
    fn bad_bodies_are_told_apart() {
        let check = |body: &str, expect: &str| {
            let error = decode::<VolumeCreateRequest>(body.as_bytes()).expect_err(body).to_string();
            assert!(error.contains(expect), "{body}: {error}");
        };
        check("", "EOF");
        check("  \n", "EOF");
        check("{", "invalid JSON: unexpected EOF");
        check("{Name: 1}", "invalid JSON: invalid character 'N' looking for beginning of object key string");
        check("{}{}", "unexpected content after JSON");
        check("[]", "invalid type: sequence");
        check(r#"["a"]"#, "invalid type: sequence");
        check(r#"{"Name": 3}"#, "field Name: invalid type: integer `3`, expected a string");
        check(r#"{"Labels": {"a": 1}}"#, "field Labels.a");
    }

    #[test]
    fn null_is_absent() {
        let request: VolumeCreateRequest = decode(br#"{"Name": null, "Labels": null}"#).expect("decodes");
        assert_eq!(request, VolumeCreateRequest::default());
    }

    #[test]
    fn members_are_known_in_any_case() {
        let request = ContainerCreateRequest::decode(
            br#"{"image": "a", "labels": {"memory": "x", "Image": "y", "image": "z"}, "exposedports": {"80/TCP": {}},
                "hostconfig": {"memory": 7, "NANOCPUS": 8, "CpuShares": 9, "cpushares": 10, "sysctls": {"memory": "s"},
                    "portBindings": {"80/tcp": [{"hostport": "81"}]}, "logconfig": {"type": "local", "config": {"type": "t"}}},
                "networkingConfig": {"endpointsConfig": {"labels": {"ipamconfig": {"ipv4address": "i"}}}}}"#,
        )
        .expect("decodes");
        let labels: Vec<String> = request.config.labels.expect("labels").into_keys().collect();
        assert_eq!((request.config.image.as_str(), labels.join(" ").as_str()), ("a", "Image image memory"));
        assert!(request.config.exposed_ports.expect("ports").contains_key("80/TCP"));
        let host = request.host_config.expect("a host configuration");
        assert_eq!((host.resources.memory, host.resources.nano_cpus, host.resources.cpu_shares), (7, 8, 9));
        assert_eq!(host.sysctls.expect("sysctls")["memory"], "s");
        assert_eq!(host.port_bindings.expect("bindings")["80/tcp"].as_ref().expect("a list")[0].host_port, "81");
        assert_eq!(
            (host.log_config.driver.as_str(), &host.log_config.config.expect("options")["type"][..]),
            ("local", "t")
        );
        let endpoints = request.networking_config.and_then(|config| config.endpoints_config).expect("endpoints");
        let settings = endpoints["labels"].as_ref().expect("settings");
        assert_eq!(settings.ipam_config.as_ref().expect("addresses").ipv4_address, "i");
    }

    #[test]
    fn the_users_keys_outlive_their_nulls() {
        let request = ContainerCreateRequest::decode(
            br#"{"Image": "a", "Cmd": null, "Volumes": {"/data": null}, "ExposedPorts": {"80/tcp": null},
                "Labels": {"empty": null, "Labels": "x"},
                "HostConfig": {"Memory": null, "PortBindings": {"80/tcp": null}, "Sysctls": {"a.b": null},
                    "LogConfig": {"Type": null, "Config": {"tag": null}}},
                "NetworkingConfig": {"EndpointsConfig": {"net": null, "Labels": {"Aliases": null, "MacAddress": "m"}}}}"#,
        )
        .expect("decodes");
        let keys =
            |map: Option<&crate::Set>| map.map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(keys(request.config.volumes.as_ref()), ["/data"]);
        assert_eq!(keys(request.config.exposed_ports.as_ref()), ["80/tcp"]);
        let labels = request.config.labels.expect("labels");
        assert_eq!((labels["empty"].as_str(), labels["Labels"].as_str()), ("", "x"));
        let host = request.host_config.expect("a host configuration");
        assert_eq!(host.port_bindings.expect("bindings").get("80/tcp"), Some(&None));
        assert_eq!(host.sysctls.expect("sysctls")["a.b"], "");
        assert_eq!(host.log_config.config.expect("options")["tag"], "");
        let endpoints = request.networking_config.and_then(|config| config.endpoints_config).expect("endpoints");
        assert_eq!(endpoints.get("net"), Some(&None));
        assert_eq!(endpoints["Labels"].as_ref().expect("settings").mac_address, "m");
    }
}
