//! The three files that say who and where the container is: hostname, hosts, resolv.conf.

use super::Actor;
use crate::record::Record;
use crate::service::blocking;
use crate::spec::{SpecMount, SpecSource};
use crate::{Error, Invalid, Result};
use network::{Endpoint, HostsFile, ResolvConf};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where a container's files are, in its own directory or that of the container whose network it shares.
#[derive(Debug, Clone)]
pub(crate) struct EtcFiles {
    pub(crate) hostname: PathBuf,
    pub(crate) hosts: PathBuf,
    pub(crate) resolv_conf: PathBuf,
}

impl EtcFiles {
    pub(crate) fn in_directory(directory: &Path) -> EtcFiles {
        EtcFiles {
            hostname: directory.join("hostname"),
            hosts: directory.join("hosts"),
            resolv_conf: directory.join("resolv.conf"),
        }
    }

    /// Bind mounts of the files, but for those that the user mounts something else on.
    pub(super) fn mounts(&self, record: &Record) -> Vec<SpecMount> {
        [("/etc/resolv.conf", &self.resolv_conf), ("/etc/hostname", &self.hostname), ("/etc/hosts", &self.hosts)]
            .into_iter()
            .filter(|(destination, _)| !record.mounts.iter().any(|mount| mount.destination == *destination))
            .map(|(destination, path)| SpecMount {
                destination: destination.to_owned(),
                what: SpecSource::Path { path: path.to_string_lossy().into_owned(), recursive: true },
                rw: !record.host.readonly_rootfs,
                propagation: "rprivate".to_owned(),
                recursive_read_only: false,
            })
            .collect()
    }
}

impl Actor {
    /// Writes the files for the container's endpoints as they are now. Files are rewritten in place: a running
    /// container has them mounted.
    pub(super) async fn write_etc(&self, hostname: &str, endpoints: &[Endpoint]) -> Result<EtcFiles> {
        let record = &self.record;
        let files = EtcFiles::in_directory(&self.inner.directory(&record.id));
        let host_network = record.host.network_mode == "host";
        let servers = dns_servers(record)?;
        let engine_resolv = self.inner.settings.resolv_conf.clone();
        let addresses: Vec<IpAddr> = endpoints.iter().flat_map(addresses_of).collect();
        let mut extra = self.extra_hosts()?;
        extra.extend(self.inner.link_hosts(record));
        let hosts = HostsFile {
            hostname,
            domainname: &record.config.domainname,
            ipv6: host_network || endpoints.iter().any(|endpoint| endpoint.ipv6.is_some()),
            addresses,
            extra,
        }
        .render();
        // As dockerd: a container in the machine's own network sees the machine's own file, plus what it asked for.
        let hosts = if host_network { with_machine_hosts(hosts) } else { hosts };
        let search = record.host.dns_search.clone().unwrap_or_default();
        let options = record.host.dns_options.clone().unwrap_or_default();
        let embedded = endpoints.iter().any(|endpoint| {
            !matches!(endpoint.network_name.as_str(), "bridge" | "host" | "none") && !endpoint.interface.is_empty()
        });
        let plain = host_network && servers.is_empty() && search.is_empty() && options.is_empty();
        let ipv6 = endpoints.iter().any(|endpoint| endpoint.ipv6.is_some());
        let (hostname, written) = (hostname.to_owned(), files.clone());
        blocking(move || {
            let host = std::fs::read_to_string(&engine_resolv).unwrap_or_default();
            let resolv = if plain {
                host
            } else {
                ResolvConf { host: &host, embedded, ipv6, servers: &servers, search: &search, options: &options }
                    .render()
            };
            for (path, text) in
                [(&files.hostname, format!("{hostname}\n")), (&files.hosts, hosts), (&files.resolv_conf, resolv)]
            {
                std::fs::write(path, text).map_err(Error::path("write", path))?;
            }
            Ok(written)
        })
        .await
    }

    /// `--add-host`, with `host-gateway` replaced.
    fn extra_hosts(&self) -> Result<Vec<(String, IpAddr)>> {
        let list = self.record.host.extra_hosts.as_deref().unwrap_or_default();
        list.iter()
            .map(|entry| {
                let (name, address) = extra_host(entry)?;
                let address = address.unwrap_or_else(|| self.inner.services.networks.host_gateway());
                Ok((name.to_owned(), address))
            })
            .collect()
    }
}

/// `name:address` of `--add-host`; `None` for `host-gateway`.
pub(crate) fn extra_host(entry: &str) -> Result<(&str, Option<IpAddr>), Invalid> {
    // Only the docker CLI writes `name=[address]` in the one form that dockerd takes.
    let parts = entry.split_once([':', '=']).filter(|(name, _)| !name.is_empty());
    let (name, address) = parts.ok_or_else(|| Invalid::ExtraHost(entry.to_owned()))?;
    let bare = address.trim().trim_start_matches('[').trim_end_matches(']');
    if bare == "host-gateway" {
        return Ok((name, None));
    }
    let parsed = bare.parse().map_err(|_| Invalid::ExtraHostAddress(address.to_owned()))?;
    Ok((name, Some(parsed)))
}

/// `--dns`.
pub(super) fn dns_servers(record: &Record) -> Result<Vec<IpAddr>> {
    let list = record.host.dns.as_deref().unwrap_or_default();
    list.iter().map(|text| text.parse().map_err(|_| Invalid::Dns(text.clone()).into())).collect()
}

fn addresses_of(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> {
    let four = endpoint.ipv4.map(|(address, _)| IpAddr::V4(address));
    let six = endpoint.ipv6.map(|(address, _)| IpAddr::V6(address));
    four.into_iter().chain(six)
}

fn with_machine_hosts(ours: String) -> String {
    match std::fs::read_to_string("/etc/hosts") {
        Ok(machine) => {
            let extra: String = ours
                .lines()
                .filter(|line| !machine.lines().any(|known| known == *line) && !line.contains("localhost"))
                .map(|line| format!("{line}\n"))
                .collect();
            format!("{machine}{extra}")
        }
        Err(_) => ours,
    }
}
