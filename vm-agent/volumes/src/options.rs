//! The options of the `local` driver (docs.docker.com, "docker volume create": driver-specific options).

use std::collections::BTreeMap;

use crate::call::split_host;
use crate::{Error, Result};

/// Refuses what the driver does not know, and options without the ones they need.
pub(crate) fn check(volume: &str, options: &BTreeMap<String, String>) -> Result<()> {
    if let Some(option) = options.keys().find(|name| !["type", "o", "device", "size"].contains(&name.as_str())) {
        return Err(Error::InvalidOption { volume: volume.to_owned(), option: option.clone() });
    }
    if options.get("type").is_some_and(|kind| kind == "cifs")
        && let Some((_, _, after)) = options.get("device").and_then(|device| split_host(device))
        && after.starts_with(':')
    {
        return Err(Error::CifsPort { volume: volume.to_owned() });
    }
    if options.get("size").is_some_and(|size| size != "0") {
        return Err(Error::NoQuota { volume: volume.to_owned() });
    }
    let needs = |option: &str, others: &[&'static str]| match others.iter().find(|other| !options.contains_key(**other))
    {
        Some(missing) if options.contains_key(option) => {
            Err(Error::MissingOption { volume: volume.to_owned(), option: missing })
        }
        Some(_) | None => Ok(()),
    };
    needs("device", &["type"])?;
    needs("type", &["device"])?;
    needs("o", &["device", "type"])
}

#[cfg(test)]
mod tests {
    #[test]
    fn options_are_checked_as_a_whole() {
        let check = |options: &[(&str, &str)], expect: Option<&str>| {
            let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let error = super::check("v1", &options).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expect, "{options:?}");
        };
        check(&[], None);
        check(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=10m")], None);
        check(&[("type", "nfs"), ("device", ":/export"), ("o", "addr=192.0.2.1,rw")], None);
        check(
            &[("type", "cifs"), ("device", "//192.0.2.1:44/x")],
            Some("create v1: port not allowed in CIFS device URL, include 'port' in 'o='"),
        );
        check(&[("color", "red")], Some("create v1: invalid option: \"color\""));
        check(&[("type", "tmpfs")], Some("create v1: missing required option: \"device\""));
        check(&[("o", "bind"), ("device", "/x")], Some("create v1: missing required option: \"type\""));
        check(&[("size", "10m")], Some("create v1: quota size requested but no quota support"));
    }
}
