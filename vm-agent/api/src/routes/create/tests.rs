//! What requests mean in the versions of the API; dockerd 28.5.2's answers are the measure.

use engine_api::ContainerCreateRequest;

use super::adapt::adapt;
use super::endpoint::{mac_address, sysctls};
use super::environment;
use crate::failure::Failure;
use crate::version::ApiVersion;

fn adapted(body: &str, minor: u32) -> Result<ContainerCreateRequest, Failure> {
    let mut request = ContainerCreateRequest::decode(body.as_bytes()).expect(body);
    adapt(&mut request, ApiVersion::new(1, minor)).map(|_| request)
}

#[test]
fn old_clients_get_what_they_mean() {
    let body = r#"{"Image": "a", "HostConfig": {"AutoRemove": true, "Annotations": {"k": "v"}, "PidsLimit": -1}}"#;
    let host = |minor| adapted(body, minor).expect("accepted").host_config.expect("there");
    assert!(!host(24).auto_remove);
    assert!(host(25).auto_remove);
    assert_eq!(host(39).ipc_mode, "shareable");
    assert_eq!(host(51).ipc_mode, "");
    assert_eq!(host(42).annotations, None);
    assert!(host(43).annotations.is_some());
    assert_eq!(host(51).resources.pids_limit, None);
}

#[test]
fn options_of_another_mount_type_are_refused() {
    let body = r#"{"Image": "a", "HostConfig": {"Mounts": [{"Type": "bind", "VolumeOptions": {"NoCopy": true}}]}}"#;
    assert!(adapted(body, 41).is_ok());
    let refused = adapted(body, 42).expect_err("refused");
    assert_eq!(refused.message, "VolumeOptions must not be specified on mount type \"bind\"");
}

#[test]
fn a_mac_address_of_the_container_is_its_main_endpoints() {
    let moved = |body: &str, minor| {
        let mut request = ContainerCreateRequest::decode(body.as_bytes()).expect(body);
        let warning = mac_address(&mut request, ApiVersion::new(1, minor)).map_err(|failure| failure.message)?;
        assert_eq!(request.config.mac_address, "", "{body}");
        let endpoints = request.networking_config.and_then(|config| config.endpoints_config).expect("endpoints");
        let macs: Vec<String> = endpoints
            .iter()
            .map(|(name, settings)| format!("{name}={}", settings.as_ref().map_or("", |s| &s.mac_address)))
            .collect();
        Ok::<_, String>((macs.join(" "), warning.is_some()))
    };
    let body = |mode: &str, endpoints: &str| {
        format!(
            r#"{{"Image":"a","MacAddress":"02:00:00:00:00:09","HostConfig":{{"NetworkMode":"{mode}"}},
                "NetworkingConfig":{{"EndpointsConfig":{endpoints}}}}}"#
        )
    };
    let set = |text: &str, warns| Ok((text.to_owned(), warns));
    assert_eq!(moved(&body("", "{}"), 51), set("bridge=02:00:00:00:00:09", true));
    assert_eq!(moved(&body("net", r#"{"net":{},"x":{}}"#), 51), set("net=02:00:00:00:00:09 x=", true));
    assert_eq!(moved(&body("net", r#"{"other":{}}"#), 43), set("other=02:00:00:00:00:09", false));
    assert_eq!(moved(&body("host", "{}"), 51), set("", true));
    assert!(moved(&body("host", "{}"), 43).is_err());
    assert!(moved(&body("net", r#"{"other":{}}"#), 51).is_err_and(|text| text.contains("must match the identity")));
    assert!(
        moved(&body("net", r#"{"net":{"MacAddress":"02:00:00:00:00:08"}}"#), 51)
            .is_err_and(|text| text.starts_with("the container-wide MAC address must match"))
    );
}

#[test]
fn several_networks_need_a_new_client() {
    let body = r#"{"Image": "a", "NetworkingConfig": {"EndpointsConfig": {"x": {}, "y": {}}}}"#;
    assert!(adapted(body, 44).is_ok());
    assert_eq!(
        adapted(body, 43).expect_err("refused").message,
        "Container cannot be created with multiple network endpoints: x, y"
    );
}

/// The answer to a body in every version, where it changes: the refusal, or what `show` makes of what is left of the request.
fn by_version(body: &str, show: impl Fn(&ContainerCreateRequest) -> String) -> Vec<(u32, String)> {
    let mut answers: Vec<(u32, String)> = Vec::new();
    for minor in 24..=51 {
        let version = ApiVersion::new(1, minor);
        let mut request = ContainerCreateRequest::decode(body.as_bytes()).expect(body);
        let adapted = adapt(&mut request, version).and_then(|mut warnings| {
            warnings.extend(mac_address(&mut request, version)?);
            warnings.extend(sysctls(&mut request, version)?);
            Ok(warnings)
        });
        let answer = match adapted {
            Ok(warnings) => [show(&request), warnings.join(" ")].join("|"),
            Err(failure) => format!("{} {}", failure.status.as_u16(), failure.message),
        };
        if answers.last().is_none_or(|(_, last)| *last != answer) {
            answers.push((minor, answer));
        }
    }
    answers
}

fn check(body: &str, show: impl Fn(&ContainerCreateRequest) -> String, expect: &[(u32, &str)]) {
    let answers = by_version(body, show);
    let answers: Vec<(u32, &str)> = answers.iter().map(|(minor, text)| (*minor, text.as_str())).collect();
    assert_eq!(answers, expect, "{body}");
}

fn mount(mount: &str, more: &str) -> String {
    format!(r#"{{"Image":"a","HostConfig":{{"Mounts":[{{"Target":"/x",{mount}}}]{more}}}}}"#)
}

#[test]
fn mounts_have_the_options_of_their_version() {
    let nothing = |_: &ContainerCreateRequest| String::new();
    let first = |request: &ContainerCreateRequest| {
        let mounts = request.host_config.as_ref().and_then(|host| host.mounts.clone()).expect("mounts");
        let recursive = mounts[0].bind_options.as_ref().is_some_and(|options| !options.non_recursive);
        format!("{recursive} {}", request.read_only_non_recursive)
    };
    let bind = |options: &str| mount(&format!(r#""Type":"bind","Source":"/s","BindOptions":{options}"#), "");
    let expect = [(24, "true true|"), (40, "false true|"), (44, "false false|")];
    check(&bind(r#"{"NonRecursive":true}"#), first, &expect);
    let forced = bind(r#"{"ReadOnlyForceRecursive":true}"#);
    check(&forced, nothing, &[(24, "400 BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer"), (44, "|")]);
    let beneath = mount(r#""Type":"volume","Source":"v","VolumeOptions":{"Subpath":"a"}"#, "");
    check(&beneath, nothing, &[(24, "400 VolumeOptions.Subpath needs API v1.45 or newer"), (45, "|")]);
    let image = mount(r#""Type":"image","Source":"a""#, "");
    check(&image, nothing, &[(24, "400 Mount type \"Image\" needs API v1.48 or newer"), (48, "|")]);
    let warning = "|WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. \
                   Use '--mount type=volume,volume-driver=...' instead";
    let driver = r#","VolumeDriver":"local""#;
    check(&mount(r#""Type":"volume","Source":"v""#, driver), nothing, &[(24, "|"), (48, warning)]);
    let named = r#""Type":"volume","Source":"v","VolumeOptions":{"DriverConfig":{"Name":"local"}}"#;
    check(&mount(named, driver), nothing, &[(24, "|")]);
    check(&mount(r#""Type":"tmpfs""#, driver), nothing, &[(24, "|")]);
}

#[test]
fn the_newer_limits_are_unknown_to_older_clients() {
    let tcp = |request: &ContainerCreateRequest| {
        request.host_config.as_ref().map_or(0, |host| host.resources.kernel_memory_tcp).to_string()
    };
    check(r#"{"Image":"a","HostConfig":{"KernelMemoryTCP":1}}"#, tcp, &[(24, "0|"), (40, "1|")]);
}

fn endpoints(request: &ContainerCreateRequest) -> String {
    let endpoints = request.networking_config.as_ref().and_then(|config| config.endpoints_config.clone());
    let describe = |(name, settings): (String, Option<engine_api::EndpointSettings>)| {
        let settings = settings.unwrap_or_default();
        let options = settings.driver_opts.unwrap_or_default().into_values().collect::<Vec<_>>().join(" ");
        format!("{name}:{}:{options}", settings.gw_priority)
    };
    endpoints.unwrap_or_default().into_iter().map(describe).collect::<Vec<_>>().join(" ")
}

#[test]
fn endpoints_are_of_their_version() {
    let body = |name: &str| {
        format!(r#"{{"Image":"a","NetworkingConfig":{{"EndpointsConfig":{{"{name}":{{"GwPriority":5}}}}}}}}"#)
    };
    for name in ["bridge", "default"] {
        check(&body(name), endpoints, &[(24, "bridge:0:|"), (48, "bridge:5:|")]);
    }
}

#[test]
fn sysctls_of_an_interface_are_its_endpoints() {
    let body = |sysctls: &str, host: &str, networks: &str| {
        format!(
            r#"{{"Image":"a","HostConfig":{{"Sysctls":{{{sysctls}}}{host}}},"NetworkingConfig":{{"EndpointsConfig":{{{networks}}}}}}}"#
        )
    };
    let show = |request: &ContainerCreateRequest| {
        let left = request.host_config.as_ref().and_then(|host| host.sysctls.clone());
        let left = left.map_or("none".to_owned(), |left| left.into_keys().collect::<Vec<_>>().join(" "));
        format!("{left} {}", endpoints(request))
    };
    let eth0 = r#""net.ipv4.conf.eth0.forwarding":"1""#;
    let option = "com.docker.network.endpoint.sysctls";
    let newer = |name: &str| {
        format!(
            "500 interface specific sysctl setting \"net.ipv4.conf.{name}.forwarding\" must be supplied using driver option '{option}'"
        )
    };
    let moved = "net.ipv4.conf.IFNAME.forwarding=1";
    let warning =
        format!("Migrated sysctl \"net.ipv4.conf.eth0.forwarding\" to DriverOpts{{\"{option}\":\"{moved}\"}}.");
    let migrated = format!("net.ipv4.ip_forward bridge:0:{moved}|{warning}");
    let two = format!(r#"{eth0},"net.ipv4.ip_forward":"1""#);
    check(&body(&two, "", ""), show, &[(24, &migrated), (48, &newer("eth0"))]);
    let own = format!(r#""bridge":{{"DriverOpts":{{"{option}":"own=1"}}}}"#);
    let migrated = format!("none bridge:0:{moved},own=1|{warning}");
    check(&body(eth0, "", &own), show, &[(24, &migrated), (48, &newer("eth0"))]);
    let other = format!(
        "500 unable to determine network endpoint for sysctl net.ipv4.conf.eth1.forwarding, use driver option '{option}' to set \
         per-interface sysctls"
    );
    let eth1 = r#""net.ipv4.conf.eth1.forwarding":"1""#;
    check(&body(eth1, "", ""), show, &[(24, &other), (48, &newer("eth1"))]);
    // Before 1.44 there is one endpoint, which must be meant.
    let elsewhere = format!("none x:0:{moved}|{warning}");
    let lost = "400 unable to find a network for sysctl net.ipv4.conf.eth0.forwarding: HostConfig.NetworkMode must match the \
                identity of a network in NetworkSettings.Networks";
    check(&body(eth0, "", r#""x":{}"#), show, &[(24, &elsewhere), (44, lost), (48, &newer("eth0"))]);
    let kept = "net.ipv4.conf.eth0.forwarding |";
    check(&body(eth0, r#","NetworkMode":"host""#, ""), show, &[(24, kept)]);
}

#[test]
fn variables_of_the_settings_are_for_who_sets_none() {
    let settings =
        [("HTTP_PROXY", "h"), ("http_proxy", "h"), ("NO_PROXY", "n")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let env = |body: &str, settings: &[(String, String)]| {
        let mut request = ContainerCreateRequest::decode(body.as_bytes()).expect(body);
        environment(&mut request, settings);
        request.config.env
    };
    let list = |variables: &[&str]| Some(variables.iter().map(|variable| (*variable).to_owned()).collect::<Vec<_>>());
    assert_eq!(env(r#"{"Image": "a"}"#, &settings), list(&["HTTP_PROXY=h", "http_proxy=h", "NO_PROXY=n"]));
    assert_eq!(env(r#"{"Env": ["http_proxy=mine"]}"#, &settings), list(&["http_proxy=mine", "NO_PROXY=n"]));
    // Taken away, and empty.
    assert_eq!(env(r#"{"Env": ["Http_Proxy", "no_proxy="]}"#, &settings), list(&["Http_Proxy", "no_proxy="]));
    assert_eq!(env(r#"{"Image": "a"}"#, &[]), None);
}
