//! The three files that say who and where the container is: hostname, hosts, resolv.conf.

use super::Actor;
use crate::record::Record;
use crate::service::blocking;
use crate::spec::{SpecMount, SpecSource};
use crate::{Error, Invalid, Result};
use layers::Digest;
use network::{Endpoint, HostsFile, ResolvConf};
use std::io::{ErrorKind, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where a container's files are, in its own directory or that of the container whose network it shares.
#[derive(Debug, Clone)]
pub(crate) struct EtcFiles {
    pub(crate) hostname: PathBuf,
    pub(crate) hosts: PathBuf,
    pub(crate) resolv_conf: PathBuf,
    /// The digest of the resolv.conf that the engine itself wrote last: another one is the user's.
    written: PathBuf,
}

/// What the engine itself would have in the files.
#[derive(Debug)]
struct EtcTexts {
    hosts: String,
    resolv_conf: String,
}

/// The longest file that is edited, in bytes: a container may have made it as large as it likes.
const EDITED_MAX: u64 = 1 << 20;

impl EtcFiles {
    pub(crate) fn in_directory(directory: &Path) -> EtcFiles {
        EtcFiles {
            hostname: directory.join("hostname"),
            hosts: directory.join("hosts"),
            resolv_conf: directory.join("resolv.conf"),
            written: directory.join("resolv.conf.hash"),
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
    /// Writes the files for the container's endpoints as they are now.
    pub(super) async fn write_etc(&self, hostname: &str, endpoints: &[Endpoint]) -> Result<EtcFiles> {
        let files = EtcFiles::in_directory(&self.inner.directory(&self.record.id));
        let texts = self.etc_texts(hostname, endpoints).await?;
        let (hostname, written) = (format!("{hostname}\n"), files.clone());
        blocking(move || {
            let EtcTexts { hosts, resolv_conf } = texts;
            let digest = Digest::of(resolv_conf.as_bytes()).to_string();
            for (path, text) in [
                (&files.hostname, hostname),
                (&files.hosts, hosts),
                (&files.resolv_conf, resolv_conf),
                (&files.written, digest),
            ] {
                std::fs::write(path, text).map_err(Error::path("write", path))?;
            }
            Ok(written)
        })
        .await
    }

    /// Brings the files of a running container from one set of endpoints to another. What the container, or somebody in it, has
    /// written stays: in the hosts file everything but the engine's own lines, of a resolv.conf that is not the engine's all of it.
    /// What fails is logged: the networks have changed, whatever the container made of its files.
    pub(super) async fn renew_etc(&self, before: &[Endpoint], now: &[Endpoint]) {
        let hostname = self.record.config.hostname.clone();
        let texts = async { Ok((self.etc_texts(&hostname, before).await?, self.etc_texts(&hostname, now).await?)) };
        let (before, now) = match texts.await {
            Ok(texts) => texts,
            Err(error) => return self.outdated(&error),
        };
        let files = EtcFiles::in_directory(&self.inner.directory(&self.record.id));
        let (hosts, written, resolv_conf) = (files.hosts, files.written, files.resolv_conf);
        let hosts = edit(hosts, move |hosts| merged(hosts, before.hosts.as_bytes(), now.hosts.as_bytes())).await;
        let (old, new) = (before.resolv_conf, now.resolv_conf);
        let resolv_conf = blocking(move || replace_own(&resolv_conf, &written, &old, &new)).await;
        for error in hosts.err().into_iter().chain(resolv_conf.err()) {
            self.outdated(&error);
        }
    }

    fn outdated(&self, error: &Error) {
        tracing::warn!(container = self.record.id, %error, "a running container's files are not those of its networks");
    }

    async fn etc_texts(&self, hostname: &str, endpoints: &[Endpoint]) -> Result<EtcTexts> {
        let record = &self.record;
        let host_network = record.host.network_mode == "host";
        let servers = dns_servers(record)?;
        let engine_resolv = self.inner.settings.resolv_conf.clone();
        let addresses: Vec<IpAddr> = endpoints.iter().flat_map(addresses_of).collect();
        let mut extra = self.extra_hosts()?;
        if endpoints.iter().any(|endpoint| endpoint.network_name == network::DEFAULT_BRIDGE) {
            extra.extend(self.inner.link_hosts(&record.links));
        }
        let hosts = HostsFile {
            hostname,
            domainname: &record.config.domainname,
            ipv6: host_network || has_ipv6(record),
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
        blocking(move || {
            let host = std::fs::read_to_string(&engine_resolv).unwrap_or_default();
            let resolv_conf = if plain {
                host
            } else {
                ResolvConf { host: &host, embedded, ipv6, servers: &servers, search: &search, options: &options }
                    .render()
            };
            Ok(EtcTexts { hosts, resolv_conf })
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

/// Rewrites a file of a running container in place: it has it mounted.
pub(super) async fn edit(path: PathBuf, edit: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static) -> Result<()> {
    blocking(move || {
        let Some(text) = read(&path)? else {
            let large = std::io::Error::other("it is larger than any such file");
            return Err(Error::path("read", &path)(large));
        };
        let edited = edit(&text);
        if edited != text {
            std::fs::write(&path, edited).map_err(Error::path("write", path))?;
        }
        Ok(())
    })
    .await
}

/// A container's file; `None` if it is too long to be edited, be it that the container goes on writing to it.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = std::fs::File::open(path).map_err(Error::path("open", path))?;
    let mut text = Vec::new();
    let length = file.take(EDITED_MAX + 1).read_to_end(&mut text).map_err(Error::path("read", path))?;
    Ok((length as u64 <= EDITED_MAX).then_some(text))
}

/// Replaces a resolv.conf by `new`, if it is what the engine wrote last; one without a note of that, if it is `old`.
fn replace_own(path: &Path, written: &Path, old: &str, new: &str) -> Result<()> {
    // The engine writes no large ones.
    let Some(text) = read(path)? else { return Ok(()) };
    let own = match std::fs::read_to_string(written) {
        Ok(digest) => digest == Digest::of(&text).to_string(),
        Err(error) if error.kind() == ErrorKind::NotFound => text == old.as_bytes(),
        Err(error) => return Err(Error::path("read", written)(error)),
    };
    if own {
        std::fs::write(path, new).map_err(Error::path("write", path))?;
        std::fs::write(written, Digest::of(new.as_bytes()).to_string()).map_err(Error::path("write", written))?;
    }
    Ok(())
}

/// A file with the lines of `now` in place of those of `before`, and whatever else is in it.
fn merged(text: &[u8], before: &[u8], now: &[u8]) -> Vec<u8> {
    let has = |text, line: &&[u8]| lines(text).any(|other| other == *line);
    let kept = lines(text).filter(|line| !has(before, line) || has(now, line));
    let new = lines(now).filter(|line| !has(before, line) && !has(text, line));
    kept.chain(new).flat_map(|line| [line, b"\n"].concat()).collect()
}

/// The lines of a file that need not be text, without their ends.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
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

/// Whether the container's own loopback has an IPv6 address: on networks without it, too, as long as it is not switched off in its
/// network namespace, or the kernel has none.
fn has_ipv6(record: &Record) -> bool {
    let off = |(name, value): (&String, &String)| name == "net.ipv6.conf.all.disable_ipv6" && value == "1";
    !record.host.sysctls.iter().flatten().any(off) && Path::new("/proc/net/if_inet6").exists()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_own_lines_change() {
        let before = b"127.0.0.1\tlocalhost\n172.17.0.2\tweb\n";
        let now = b"127.0.0.1\tlocalhost\n172.18.0.2\tweb\n172.19.0.2\tweb\n";
        let text = b"10.1.2.3 mine\xff\r\n127.0.0.1\tlocalhost\n172.17.0.2\tweb\n172.19.0.2\tweb\n# the end";
        let expected = b"10.1.2.3 mine\xff\r\n127.0.0.1\tlocalhost\n172.19.0.2\tweb\n# the end\n172.18.0.2\tweb\n";
        assert_eq!(merged(text, before, now), expected);
        assert_eq!(merged(before, before, before), before);
        // A line that was taken out on purpose stays out.
        assert_eq!(merged(b"172.17.0.2\tweb\n", before, before), b"172.17.0.2\tweb\n");
    }

    #[test]
    fn only_the_engines_own_resolv_conf_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = EtcFiles::in_directory(directory.path());
        let replace = |old: &str, new: &str| {
            replace_own(&files.resolv_conf, &files.written, old, new).expect("it can be written");
            std::fs::read(&files.resolv_conf).expect("it is there")
        };
        let write = |text: &[u8]| std::fs::write(&files.resolv_conf, text).expect("it can be written");
        // Written before the engine noted it.
        write(b"nameserver 10.0.0.1\n");
        assert_eq!(replace("nameserver 10.0.0.9\n", "new"), b"nameserver 10.0.0.1\n");
        assert_eq!(replace("nameserver 10.0.0.1\n", "new"), b"new");
        // What it would write now is no matter, once it is noted.
        assert_eq!(replace("nameserver 10.0.0.9\n", "newer"), b"newer");
        let long = vec![b'#'; EDITED_MAX as usize + 1];
        for users in [&b"nameserver 10.0.0.\xff"[..], &long] {
            write(users);
            assert!(replace("newer", "newest") == users);
        }
    }
}
