//! The table of settings: name, description, parser, and how the value is shown.

use std::path::PathBuf;
use std::time::Duration;

use control::NetworkKind;
use control::address::{is_mirror, is_registry};
use control::proxy::{Proxy, mask_credentials};

use super::{Accelerator, Address, Folder, Follows, LinkChoice, Values};
use crate::sys::HostFacts;

type Parse = fn(&mut Values, &str, &HostFacts) -> Result<(), String>;

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) follows: Follows,
    /// Whether an empty text is a value of its own; else it means the default.
    pub(super) may_be_empty: bool,
    kind: Kind,
    /// Puts the value into its field; the error says what is expected.
    pub(super) parse: Parse,
    pub(super) show: fn(&Values) -> String,
}

/// How the value is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Switch,
    Text,
    List,
}

impl Key {
    /// `text`, which the key's parser accepted, as a TOML value.
    pub(super) fn to_toml(&self, text: &str) -> toml::Value {
        match self.kind {
            Kind::Number => text.parse().map_or_else(|_| toml::Value::from(text), toml::Value::Integer),
            Kind::Switch => toml::Value::Boolean(text == "true"),
            Kind::Text => toml::Value::from(text),
            Kind::List => toml::Value::Array(items(text).map(toml::Value::from).collect()),
        }
    }
}

/// A TOML value as the text that the parsers take.
pub(super) fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "cpus",
        description: "Processors that the machine sees.",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Number,
        parse: |values, text, host| number(text, 1, u64::from(host.cpus.max(1))).map(|n| values.cpus = n as u32),
        show: |values| values.cpus.to_string(),
    },
    Key {
        name: "memory_mib",
        description: "Memory that the machine may use, in MiB; what its containers free goes back to the host.",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Number,
        parse: |values, text, host| number(text, 512, host.memory_mib.max(1024)).map(|n| values.memory_mib = n),
        show: |values| values.memory_mib.to_string(),
    },
    Key {
        name: "disk_gib",
        description: "Size of the data disk in GiB; the file grows as it fills. It can be raised, not lowered.",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Number,
        parse: |values, text, _| number(text, 1, 16 * 1024).map(|n| values.disk_gib = n),
        show: |values| values.disk_gib.to_string(),
    },
    Key {
        name: "link",
        description: "How host and machine are joined: auto, vsock (needs vhost-device-vsock) or serial.",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.link = match text {
                "auto" => LinkChoice::Auto,
                "vsock" => LinkChoice::Vsock,
                "serial" => LinkChoice::Serial,
                _ => return Err("one of auto, vsock, serial".to_owned()),
            };
            Ok(())
        },
        show: |values| {
            match values.link {
                LinkChoice::Auto => "auto",
                LinkChoice::Vsock => "vsock",
                LinkChoice::Serial => "serial",
            }
            .to_owned()
        },
    },
    Key {
        name: "network",
        description: "How packets of containers leave the machine: link (each connection by a socket of this computer, with its routes, \
                      VPN and resolver) or nic (a network card of QEMU's user-mode network).",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.network = match text {
                "link" => NetworkKind::Link,
                "nic" => NetworkKind::Nic,
                _ => return Err("one of link, nic".to_owned()),
            };
            Ok(())
        },
        show: |values| values.network.to_string(),
    },
    Key {
        name: "accelerator",
        description: "What runs the machine's instructions: auto (what works here, found by trying), kvm (Linux), vz (macOS), hvf (macOS, with QEMU), hyperv (Windows), whpx (of no use yet) or tcg.",
        follows: Follows::Accelerators,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.accelerator = match text {
                "auto" => None,
                _ => Some(accelerator(text).ok_or("one of auto, kvm, tcg, hvf, whpx, hyperv, vz")?),
            };
            Ok(())
        },
        show: |values| values.accelerator.map_or("auto", Accelerator::name).to_owned(),
    },
    Key {
        name: "accelerator_order",
        description: "The accelerators to try, the first one first, separated by commas; empty: what this host offers.",
        follows: Follows::Accelerators,
        may_be_empty: true,
        kind: Kind::List,
        parse: |values, text, _| {
            let order: Option<Vec<Accelerator>> = items(text).map(|item| accelerator(&item)).collect();
            values.accelerator_order = order.ok_or("a list of kvm, tcg, hvf, whpx, hyperv, vz")?;
            Ok(())
        },
        show: |values| values.accelerator_order.iter().map(|a| a.name()).collect::<Vec<_>>().join(","),
    },
    Key {
        name: "qemu",
        description: "Path of the QEMU program; empty: found in PATH.",
        follows: Follows::NextStart,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.qemu = (!text.is_empty()).then(|| PathBuf::from(text));
            match &values.qemu {
                Some(path) if !path.is_absolute() => Err("an absolute path".to_owned()),
                _ => Ok(()),
            }
        },
        show: |values| values.qemu.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    },
    Key {
        name: "boot_deadline",
        description: "Longest time from the start of QEMU to the guest's first word, such as 20s; auto: 20s with \
                      hardware help, 120s without. A boot that takes longer is tried with the next accelerator.",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.boot_deadline = match text {
                "auto" => None,
                _ => Some(duration(text).ok_or("a time such as 500ms, 20s or 2m, or auto")?),
            };
            Ok(())
        },
        show: |values| values.boot_deadline.map_or("auto".to_owned(), show_duration),
    },
    Key {
        name: "engine_deadline",
        description: "Longest time from the guest's first word to the engine's first answer, such as 60s.",
        follows: Follows::NextStart,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.engine_deadline = duration(text).ok_or("a time such as 500ms, 20s or 2m")?;
            Ok(())
        },
        show: |values| show_duration(values.engine_deadline),
    },
    Key {
        name: "registry_mirrors",
        description: "Mirrors of Docker Hub, asked before it, as URLs separated by commas.",
        follows: Follows::Registries,
        may_be_empty: true,
        kind: Kind::List,
        parse: |values, text, _| {
            let mirrors: Vec<String> = items(text).collect();
            if let Some(bad) = mirrors.iter().find(|mirror| !is_mirror(mirror)) {
                return Err(format!(
                    "`{}` is no mirror: it must look like https://mirror.example or http://mirror.example:5000/path, \
                     without ?, # or @",
                    mask_credentials(bad)
                ));
            }
            values.registry_mirrors = mirrors;
            Ok(())
        },
        show: |values| values.registry_mirrors.join(","),
    },
    Key {
        name: "insecure_registries",
        description: "Registries that may be spoken to without TLS or with an unknown certificate, as HOST[:PORT] or \
                      CIDR, separated by commas. 127.0.0.0/8 always is one.",
        follows: Follows::Registries,
        may_be_empty: true,
        kind: Kind::List,
        parse: |values, text, _| {
            let registries: Vec<String> = items(text).collect();
            if let Some(bad) = registries.iter().find(|registry| !is_registry(registry)) {
                return Err(format!(
                    "`{bad}` is no registry: it must look like reg.example, reg.example:5000 or 10.0.0.0/8, without a \
                     scheme or a path"
                ));
            }
            values.insecure_registries = registries;
            Ok(())
        },
        show: |values| values.insecure_registries.join(","),
    },
    Key {
        name: "proxy",
        description: "Where proxies for registries are taken from. system: http_proxy, https_proxy and no_proxy below; where these \
                      name none, the environment of the berth daemon; where that names none, this computer's desktop. manual: those \
                      below alone. none: no proxy at all.",
        follows: Follows::Proxies,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| text.parse().map(|choice| values.proxy = choice),
        show: |values| values.proxy.to_string(),
    },
    Key {
        name: "http_proxy",
        description: "Proxy for the registries' port 80, as http://[USER:PASSWORD@]HOST:PORT; empty: what http_proxy, \
                      HTTP_PROXY or ALL_PROXY says in the environment of the berth daemon, which it has from the command \
                      that started it (`berth machine quit` ends it).",
        follows: Follows::Proxies,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| proxy(text).map(|proxy| values.http_proxy = proxy),
        show: |values| values.http_proxy.clone(),
    },
    Key {
        name: "https_proxy",
        description: "Proxy for the registries' other ports, 443 and 5000 included, as http://[USER:PASSWORD@]HOST:PORT; \
                      empty: https_proxy, HTTPS_PROXY or ALL_PROXY in the environment of the berth daemon.",
        follows: Follows::Proxies,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| proxy(text).map(|proxy| values.https_proxy = proxy),
        show: |values| values.https_proxy.clone(),
    },
    Key {
        name: "no_proxy",
        description: "What is reached without a proxy, separated by commas: example.com with all below it, .example.com \
                      only below it, addresses, CIDR, each perhaps with :PORT, or *; loopback always is. Empty: no_proxy or \
                      NO_PROXY in the environment of the berth daemon.",
        follows: Follows::Proxies,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.no_proxy = items(text).collect::<Vec<_>>().join(",");
            Ok(())
        },
        show: |values| values.no_proxy.clone(),
    },
    Key {
        name: "container_http_proxy",
        description: "Proxy that containers and the steps of builds get as HTTP_PROXY and http_proxy, as \
                      http://[USER:PASSWORD@]HOST:PORT, unless they set one; on this computer's loopback it is reached as \
                      host.docker.internal. Empty: none.",
        follows: Follows::NextStart,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| proxy(text).map(|proxy| values.container_http_proxy = proxy),
        show: |values| values.container_http_proxy.clone(),
    },
    Key {
        name: "container_https_proxy",
        description: "The same for HTTPS_PROXY and https_proxy.",
        follows: Follows::NextStart,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| proxy(text).map(|proxy| values.container_https_proxy = proxy),
        show: |values| values.container_https_proxy.clone(),
    },
    Key {
        name: "container_no_proxy",
        description: "What programs in containers are to reach without a proxy, separated by commas: they get it as NO_PROXY \
                      and no_proxy, unless they set one. Empty: nothing is said.",
        follows: Follows::NextStart,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| {
            values.container_no_proxy = items(text).collect::<Vec<_>>().join(",");
            Ok(())
        },
        show: |values| values.container_no_proxy.clone(),
    },
    Key {
        name: "agent_log",
        description: "What the agent in the machine writes to the console log, as [PART=]LEVEL separated by commas, such as \
                      info,containers=debug; empty: info.",
        follows: Follows::NextStart,
        may_be_empty: true,
        kind: Kind::Text,
        parse: |values, text, _| {
            let parts: Vec<String> = items(text).collect();
            if !parts.iter().all(|part| is_log_filter(part)) {
                return Err(
                    "[PART=]LEVEL separated by commas, such as info,containers=debug; LEVEL is off, error, warn, \
                            info, debug or trace"
                        .to_owned(),
                );
            }
            values.agent_log = parts.join(",");
            Ok(())
        },
        show: |values| values.agent_log.clone(),
    },
    Key {
        name: "docker_context",
        description: "Keep a docker context named `berth`; the current context is never switched.",
        follows: Follows::DockerContext,
        may_be_empty: false,
        kind: Kind::Switch,
        parse: |values, text, _| switch(text).map(|on| values.docker_context = on),
        show: |values| values.docker_context.to_string(),
    },
    Key {
        name: "var_run_docker_sock",
        description: "Also answer at /var/run/docker.sock, by a link, when nothing else is there and its folder may be written.",
        follows: Follows::WellKnownSocket,
        may_be_empty: false,
        kind: Kind::Switch,
        parse: |values, text, _| switch(text).map(|on| values.var_run_docker_sock = on),
        show: |values| values.var_run_docker_sock.to_string(),
    },
    Key {
        name: "listen",
        description: "Where the engine is offered besides its socket, as tcp://ADDRESS[:PORT] separated by commas; clients need a \
                      certificate of `berth tls create`, and the port is 2376 when none is given. Without TLS it can only be \
                      tcp://127.0.0.1:2375. Empty: nowhere.",
        follows: Follows::Listen,
        may_be_empty: true,
        kind: Kind::List,
        parse: |values, text, _| {
            values.listen = items(text).map(|item| item.parse()).collect::<Result<_, String>>()?;
            Ok(())
        },
        show: |values| values.listen.iter().map(Address::to_string).collect::<Vec<_>>().join(","),
    },
    Key {
        name: "updates",
        description: "Look once a day whether there is a newer Berth, and tell; it is never fetched nor installed by itself. \
                      `berth version --check` looks when it is asked.",
        follows: Follows::Reader,
        may_be_empty: false,
        kind: Kind::Switch,
        parse: |values, text, _| switch(text).map(|on| values.updates = on),
        show: |values| values.updates.to_string(),
    },
    Key {
        name: "shares",
        description: "Folders and files of this computer that containers may mount, with all that is in them, separated by commas; \
                      ~ is your home folder, and :ro behind one lets containers read it only. Empty: none.",
        follows: Follows::Reader,
        may_be_empty: true,
        kind: Kind::List,
        parse: |values, text, _| {
            values.shares = items(text).map(|item| item.parse()).collect::<Result<_, String>>()?;
            Ok(())
        },
        show: |values| values.shares.iter().map(Folder::to_string).collect::<Vec<_>>().join(","),
    },
    Key {
        name: "web_port",
        description: "Port of 127.0.0.1 at which running containers are found as http://NAME.berth.localhost: auto (80 where it can \
                      be had, else 8880), a number, or off.",
        follows: Follows::WebPort,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| text.parse().map(|port| values.web_port = port),
        show: |values| values.web_port.to_string(),
    },
    Key {
        name: "auto_pause",
        description: "After how long without running containers and without requests the machine stands still, such as 10m; it goes on \
                      for whoever comes. off: never.",
        follows: Follows::Reader,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| text.parse().map(|after| values.auto_pause = after),
        show: |values| values.auto_pause.to_string(),
    },
    Key {
        name: "locale",
        description: "Language of messages: auto (the system's), en or zh-CN.",
        follows: Follows::Reader,
        may_be_empty: false,
        kind: Kind::Text,
        parse: |values, text, _| match text {
            "auto" | "en" | "zh-CN" => {
                values.locale = text.to_owned();
                Ok(())
            }
            _ => Err("one of auto, en, zh-CN".to_owned()),
        },
        show: |values| values.locale.clone(),
    },
];

fn items(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned)
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("a number from {least} to {most}")),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

fn accelerator(text: &str) -> Option<Accelerator> {
    use Accelerator::{Hvf, HyperV, Kvm, Tcg, Vz, Whpx};
    [Kvm, Tcg, Hvf, Whpx, HyperV, Vz].into_iter().find(|a| a.name() == text)
}

fn proxy(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        _ if !text.contains("://") => Err("the URL of an HTTP proxy, such as http://proxy.example:3128".to_owned()),
        _ => Proxy::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string()),
    }
}

/// A part of what `tracing`'s filters take.
fn is_log_filter(text: &str) -> bool {
    let (part, level) = text.split_once('=').unwrap_or(("all", text));
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let is_level = ["off", "error", "warn", "info", "debug", "trace"].contains(&level);
    is_level && !part.is_empty() && part.chars().all(named)
}

fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..split].parse().ok().filter(|number| *number > 0)?;
    match &text[split..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

fn show_duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}
