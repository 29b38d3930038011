//! The image's configuration fills what the request left open. Pure; the rules are dockerd's.

use engine_api::{ContainerConfig, Healthcheck, StrSlice};

/// Completes `config` from the image's own configuration.
pub(crate) fn merge(config: &mut ContainerConfig, image: ContainerConfig) {
    if config.user.is_empty() {
        config.user = image.user;
    }
    match (&mut config.exposed_ports, image.exposed_ports) {
        (Some(ports), Some(more)) => {
            for (port, empty) in more {
                ports.entry(port).or_insert(empty);
            }
        }
        (ports @ None, more) => *ports = more,
        (Some(_), None) => {}
    }
    let env = config.env.get_or_insert_default();
    for variable in image.env.unwrap_or_default() {
        if !env.iter().any(|given| name(given) == name(&variable)) {
            env.push(variable);
        }
    }
    let labels = config.labels.get_or_insert_default();
    for (key, value) in image.labels.unwrap_or_default() {
        labels.entry(key).or_insert(value);
    }
    if is_empty(&config.entrypoint) {
        if is_empty(&config.cmd) {
            config.cmd = image.cmd;
        }
        // `--entrypoint ""` sends an empty list, which means "none at all"; an absent one means "the image's".
        if config.entrypoint.is_none() {
            config.entrypoint = image.entrypoint;
        }
    }
    if config.entrypoint.as_ref().is_some_and(|words| matches!(&words[..], [word] if word.is_empty())) {
        config.entrypoint = None;
    }
    merge_healthcheck(&mut config.healthcheck, image.healthcheck);
    if config.working_dir.is_empty() {
        config.working_dir = image.working_dir;
    }
    match (&mut config.volumes, image.volumes) {
        (Some(volumes), Some(more)) => volumes.extend(more),
        // As in Go, where an empty map is as good as none: it is no longer there afterwards.
        (volumes, more) => {
            if volumes.as_ref().is_none_or(|volumes| volumes.is_empty()) {
                *volumes = more;
            }
        }
    }
    if config.stop_signal.is_empty() {
        config.stop_signal = image.stop_signal;
    }
}

fn merge_healthcheck(check: &mut Option<Healthcheck>, image: Option<Healthcheck>) {
    let Some(image) = image else { return };
    let Some(check) = check else {
        *check = Some(image);
        return;
    };
    if check.test.as_ref().is_none_or(Vec::is_empty) {
        check.test = image.test;
    }
    for (value, default) in [
        (&mut check.interval, image.interval),
        (&mut check.timeout, image.timeout),
        (&mut check.start_period, image.start_period),
        (&mut check.start_interval, image.start_interval),
        (&mut check.retries, image.retries),
    ] {
        if *value == 0 {
            *value = default;
        }
    }
}

/// What is executed: entry point and command as one list.
pub(crate) fn command(config: &ContainerConfig) -> Vec<String> {
    [&config.entrypoint, &config.cmd].into_iter().flatten().flat_map(|words| words.iter().cloned()).collect()
}

fn is_empty(words: &Option<StrSlice>) -> bool {
    words.as_ref().is_none_or(|words| words.is_empty())
}

fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> ContainerConfig {
        serde_json::from_str(json).expect("valid configuration")
    }

    fn check(request: &str, image: &str, expected: &str) {
        let mut merged = config(request);
        merge(&mut merged, config(image));
        let mut wanted = config(expected);
        wanted.env.get_or_insert_default();
        wanted.labels.get_or_insert_default();
        assert_eq!(merged, wanted, "{request} on {image}");
    }

    #[test]
    fn commands() {
        let image = r#"{"Entrypoint": ["/e"], "Cmd": ["a", "b"]}"#;
        check("{}", image, image);
        check(r#"{"Cmd": ["x"]}"#, image, r#"{"Entrypoint": ["/e"], "Cmd": ["x"]}"#);
        check(r#"{"Entrypoint": ["/x"]}"#, image, r#"{"Entrypoint": ["/x"]}"#);
        check(r#"{"Entrypoint": [""], "Cmd": ["c"]}"#, image, r#"{"Cmd": ["c"]}"#);
        check(r#"{"Entrypoint": [], "Cmd": ["c"]}"#, image, r#"{"Entrypoint": [], "Cmd": ["c"]}"#);
    }

    #[test]
    fn everything_else() {
        check(
            r#"{"Env": ["A=1"], "Labels": {"l": "mine"}, "ExposedPorts": {"1/tcp": {}}}"#,
            r#"{"Env": ["A=2", "B=3"], "Labels": {"l": "image", "m": "image"}, "ExposedPorts": {"2/tcp": {}},
                "User": "u", "WorkingDir": "/w", "StopSignal": "SIGINT", "Volumes": {"/v": {}}}"#,
            r#"{"Env": ["A=1", "B=3"], "Labels": {"l": "mine", "m": "image"}, "ExposedPorts": {"1/tcp": {}, "2/tcp": {}},
                "User": "u", "WorkingDir": "/w", "StopSignal": "SIGINT", "Volumes": {"/v": {}}}"#,
        );
        check(
            r#"{"Healthcheck": {"Interval": 5}}"#,
            r#"{"Healthcheck": {"Test": ["CMD", "true"], "Interval": 9, "Retries": 2}}"#,
            r#"{"Healthcheck": {"Test": ["CMD", "true"], "Interval": 5, "Retries": 2}}"#,
        );
    }
}
