//! The arguments of mount(2) that a volume's options make: pure but for the lookup of a server's name.
//!
//! As the `local` driver of dockerd 28.5 reads them: options that are flags of mount(2) become flags, the rest is the file
//! system's, in order.

use std::net::{IpAddr, ToSocketAddrs as _};

use rustix::mount::{MountFlags, MountPropagationFlags};

/// One mount(2), and the change of propagation behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) device: String,
    pub(crate) kind: String,
    pub(crate) flags: MountFlags,
    pub(crate) propagation: Option<MountPropagationFlags>,
    /// Comma-separated, for the file system.
    pub(crate) data: String,
}

impl Call {
    /// `kind`, `device` and `options` of a volume, with `lookup` for the names of servers, which the kernel does not look up.
    ///
    /// # Errors
    ///
    /// The text of a lookup that failed.
    pub(crate) fn new(
        kind: &str,
        device: &str,
        options: &str,
        lookup: impl Fn(&str) -> Result<IpAddr, String>,
    ) -> Result<Call, String> {
        let mut flags = MountFlags::empty();
        let mut propagation = None;
        let mut data: Vec<String> = Vec::new();
        for word in options.split(',').filter(|word| !word.is_empty()) {
            if let Some((set, bits)) = flag(word) {
                flags.set(bits, set);
            } else if let Some(change) = propagates(word) {
                propagation = Some(change);
            } else {
                data.push(word.to_owned());
            }
        }
        let mut device = device.to_owned();
        if matches!(kind, "nfs" | "cifs") {
            let address = data.iter_mut().find_map(|word| match word.strip_prefix("addr=") {
                Some(name) if !is_address(name) => Some((name.to_owned(), word)),
                Some(_) | None => None,
            });
            if let Some((name, word)) = address {
                *word = format!("addr={}", lookup(&name)?);
            } else if kind == "cifs"
                && let Some((before, host, after)) = split_host(&device)
                && !is_address(host)
            {
                device = format!("{before}{}{after}", lookup(host)?);
            }
        }
        Ok(Call { device, kind: kind.to_owned(), flags, propagation, data: data.join(",") })
    }

    /// What was tried, in the words of dockerd: `mount DEVICE:TARGET, flags: 0x1, data: …`, without a password.
    pub(crate) fn describe(&self, target: &str) -> String {
        let mut text = format!("mount {}:{target}", self.device);
        if !self.flags.is_empty() {
            text.push_str(&format!(", flags: 0x{:x}", self.flags.bits()));
        }
        if !self.data.is_empty() {
            let hidden = |word: &str| match word.split_once('=') {
                Some((key @ ("password" | "password2" | "pass"), _)) => format!("{key}=********"),
                Some(_) | None => word.to_owned(),
            };
            let data: Vec<String> = self.data.split(',').map(hidden).collect();
            text.push_str(&format!(", data: {}", data.join(",")));
        }
        text
    }
}

/// The system's own lookup; IPv4 first, as both file systems prefer it.
pub(crate) fn look_up(name: &str) -> Result<IpAddr, String> {
    let found: Vec<IpAddr> = (name, 0)
        .to_socket_addrs()
        .map_err(|error| format!("lookup {name}: {error}"))?
        .map(|address| address.ip())
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("lookup {name}: no such host"))
}

/// (before the host, host, after it) of `//host/share` or `smb://user@host/share`; the host without a port.
pub(crate) fn split_host(device: &str) -> Option<(&str, &str, &str)> {
    let start = device.find("//")? + 2;
    let end = device[start..].find('/').map_or(device.len(), |at| start + at);
    let start = device[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let host = &device[start..end];
    let length = if host.starts_with('[') { host.find(']').map_or(host.len(), |at| at + 1) } else { host.len() };
    let length = host[..length].rfind(':').filter(|_| !host.starts_with('[')).unwrap_or(length);
    (length > 0).then(|| (&device[..start], &device[start..start + length], &device[start + length..]))
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

/// A word of mount(8) that sets or clears flags of mount(2).
fn flag(word: &str) -> Option<(bool, MountFlags)> {
    // linux/mount.h; rustix names them by what they mean for a mount of its own.
    const RELATIME: MountFlags = MountFlags::RELATIME;
    const STRICTATIME: MountFlags = MountFlags::STRICTATIME;
    Some(match word {
        "defaults" => (false, MountFlags::empty()),
        "ro" => (true, MountFlags::RDONLY),
        "rw" => (false, MountFlags::RDONLY),
        "nosuid" => (true, MountFlags::NOSUID),
        "suid" => (false, MountFlags::NOSUID),
        "nodev" => (true, MountFlags::NODEV),
        "dev" => (false, MountFlags::NODEV),
        "noexec" => (true, MountFlags::NOEXEC),
        "exec" => (false, MountFlags::NOEXEC),
        "sync" => (true, MountFlags::SYNCHRONOUS),
        "async" => (false, MountFlags::SYNCHRONOUS),
        "dirsync" => (true, MountFlags::DIRSYNC),
        "mand" => (true, MountFlags::PERMIT_MANDATORY_FILE_LOCKING),
        "nomand" => (false, MountFlags::PERMIT_MANDATORY_FILE_LOCKING),
        "noatime" => (true, MountFlags::NOATIME),
        "atime" => (false, MountFlags::NOATIME),
        "nodiratime" => (true, MountFlags::NODIRATIME),
        "diratime" => (false, MountFlags::NODIRATIME),
        "relatime" => (true, RELATIME),
        "norelatime" => (false, RELATIME),
        "strictatime" => (true, STRICTATIME),
        "nostrictatime" => (false, STRICTATIME),
        "bind" => (true, BIND),
        "rbind" => (true, BIND.union(RECURSIVE)),
        "remount" => (true, MountFlags::from_bits_retain(0x20)),
        _ => return None,
    })
}

/// `MS_BIND` and `MS_REC`, which rustix keeps for calls of their own.
pub(crate) const BIND: MountFlags = MountFlags::from_bits_retain(0x1000);
const RECURSIVE: MountFlags = MountFlags::from_bits_retain(0x4000);

fn propagates(word: &str) -> Option<MountPropagationFlags> {
    let (recursive, word) = match word.strip_prefix('r') {
        Some(rest) if !rest.is_empty() => (true, rest),
        Some(_) | None => (false, word),
    };
    let change = match word {
        "private" => MountPropagationFlags::PRIVATE,
        "shared" => MountPropagationFlags::SHARED,
        "slave" => MountPropagationFlags::DOWNSTREAM,
        "unbindable" => MountPropagationFlags::UNBINDABLE,
        _ => return None,
    };
    Some(if recursive { change | MountPropagationFlags::REC } else { change })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(kind: &str, device: &str, options: &str) -> Call {
        let lookup = |name: &str| match name {
            "server" => Ok("192.0.2.7".parse().unwrap()),
            other => Err(format!("lookup {other}: no such host")),
        };
        Call::new(kind, device, options, lookup).unwrap()
    }

    #[test]
    fn words_are_flags_or_the_file_systems_own() {
        let read = call("tmpfs", "tmpfs", "size=1m,ro,nosuid,uid=1000,rw,rshared");
        assert_eq!((read.flags, read.data.as_str()), (MountFlags::NOSUID, "size=1m,uid=1000"));
        assert_eq!(read.propagation, Some(MountPropagationFlags::SHARED | MountPropagationFlags::REC));
        assert_eq!(call("none", "/x", "bind").describe("/v"), "mount /x:/v, flags: 0x1000");
        assert_eq!(call("none", "/x", "rbind,ro").describe("/v"), "mount /x:/v, flags: 0x5001");
        assert_eq!(call("nosuchfs", "x", "").describe("/v"), "mount x:/v");
        let secret = call("cifs", "//192.0.2.1/x", "password=secret,user=a");
        assert_eq!(secret.describe("/v"), "mount //192.0.2.1/x:/v, data: password=********,user=a");
    }

    #[test]
    fn servers_are_looked_up() {
        assert_eq!(call("nfs", ":/export", "addr=server,rw,vers=4").data, "addr=192.0.2.7,vers=4");
        assert_eq!(call("nfs", ":/export", "addr=192.0.2.1").data, "addr=192.0.2.1");
        assert_eq!(call("ext4", "/dev/x", "addr=server").data, "addr=server");
        assert_eq!(call("cifs", "//server/share", "user=a").device, "//192.0.2.7/share");
        assert_eq!(call("cifs", "//other/share", "addr=server").device, "//other/share");
        let fails = Call::new("nfs", ":/x", "addr=nowhere", |_| Err("no such host".to_owned()));
        assert_eq!(fails, Err("no such host".to_owned()));
        assert!(look_up("localhost").unwrap().is_loopback());
    }

    #[test]
    fn hosts_of_shares() {
        assert_eq!(split_host("//server/share"), Some(("//", "server", "/share")));
        assert_eq!(split_host("smb://me@server:44/share"), Some(("smb://me@", "server", ":44/share")));
        assert_eq!(split_host("//[::1]/x"), Some(("//", "[::1]", "/x")));
        assert_eq!(split_host("/dev/sda"), None);
        assert_eq!(split_host("///x"), None);
    }
}
