//! `RUN --mount`: what the words mean, purely; [`prepare`] makes what they need, [`caches`] keeps what stays,
//! [`secrets`] what must not, and [`agents`] lets commands ask the client's SSH agent.

mod agents;
mod caches;
mod prepare;
mod secrets;

use crate::error::{Error, Result};
use containers::changes;
use layers::Digest;

pub(crate) use caches::Caches;
pub use caches::MountCache;
pub(crate) use prepare::Prepared;
pub(crate) use secrets::Secrets;

/// A mount of a RUN, its words expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) what: What,
    /// As written; empty for what needs none.
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

impl Mount {
    /// Where its files are from, if it has any: a stage, an image or a directory by name; `None` for the context.
    pub(crate) fn taken_from(&self) -> Option<&Option<String>> {
        match &self.what {
            What::Bind { from, .. } => Some(from),
            _ => None,
        }
    }

    /// The path in the context that it shows, if it does.
    pub(crate) fn source_in_context(&self) -> Option<&str> {
        match &self.what {
            What::Bind { from: None, source } => Some(source),
            _ => None,
        }
    }

    /// The cache that nobody else may have meanwhile.
    fn taken_alone(&self) -> Option<Digest> {
        match &self.what {
            What::Cache { id, alone: true, owner } => Some(caches::key(id, *owner)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Files of a stage or an image, or of the context.
    Bind {
        from: Option<String>,
        source: String,
    },
    /// A directory that is there for the next build again.
    Cache {
        id: String,
        alone: bool,
        /// If something is said of it: that is another cache then.
        owner: Option<Owner>,
    },
    /// Bytes; 0: as much as there is.
    Tmpfs {
        size: i64,
    },
    Secret {
        id: String,
        required: bool,
        variable: Option<String>,
        owner: Owner,
    },
    /// A socket of the client's SSH agent.
    Agent {
        /// As written: empty for the agent that has no name.
        id: String,
        required: bool,
        owner: Owner,
    },
}

/// Of what is made for the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

fn invalid(text: &str, reason: impl std::fmt::Display) -> Error {
    Error::Mount { text: text.to_owned(), reason: reason.to_string() }
}

/// The stage or image that a mount takes files from, its variables not substituted.
pub(crate) fn from(text: &str) -> Option<&str> {
    field(text, "from")
}

fn field<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let fields = text.split(',').filter_map(|field| field.split_once('='));
    fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).next()
}

const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// What can be said of some kind.
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "destination",
    "dst",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// The part of a mount's text that has a key, as it was written.
fn written<'a>(text: &'a str, key: &str) -> &'a str {
    let has = |field: &&str| field.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(key));
    text.split(',').find(has).unwrap_or_default()
}

/// Reads the value of one `--mount`; `expand` substitutes the variables of each of its values.
pub(crate) fn parse(text: &str, expand: impl Fn(&str) -> Result<String>) -> Result<Mount> {
    let mut fields = Vec::new();
    for field in text.split(',').filter(|field| !field.is_empty()) {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(expand(value)?)),
            None => (field, None),
        };
        fields.push((name.to_ascii_lowercase(), value));
    }
    let kind = fields.iter().find(|(name, _)| name == "type").and_then(|(_, value)| value.clone());
    let kind = kind.unwrap_or_else(|| "bind".to_owned());
    if !KINDS.contains(&kind.as_str()) {
        return Err(invalid(text, format_args!("unsupported mount type {kind:?}{}", changes::suggest(&kind, KINDS))));
    }
    let mut target = String::new();
    let (mut from, mut source, mut id, mut variable) = (None, String::new(), String::new(), None);
    let (mut alone, mut required, mut size) = (false, false, 0);
    let mut read_only = kind == "bind";
    let mut owner = match kind.as_str() {
        "secret" => Owner { mode: 0o400, uid: 0, gid: 0 },
        "ssh" => Owner { mode: 0o600, uid: 0, gid: 0 },
        _ => Owner { mode: 0o755, uid: 0, gid: 0 },
    };
    for (name, value) in &fields {
        let filled = || value.clone().ok_or_else(|| invalid(text, format_args!("{name} needs a value")));
        let truth = || match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(invalid(text, format_args!("{name} is true or false, not {other}"))),
        };
        let number = |radix: u32| {
            let value = filled()?;
            u32::from_str_radix(&value, radix).map_err(|_| invalid(text, format_args!("{name}={value} is no number")))
        };
        let unknown = || {
            invalid(
                text,
                format_args!("unexpected key '{name}' in '{}'{}", written(text, name), changes::suggest(name, KEYS)),
            )
        };
        match (name.as_str(), kind.as_str()) {
            ("type", _) => {}
            ("target" | "dst" | "destination", _) => target = filled()?,
            ("source" | "src", "bind") => source = filled()?,
            ("from", "bind") => from = Some(filled()?).filter(|from| !from.is_empty()),
            ("source" | "src", "ssh") => return Err(invalid(text, "ssh does not support source")),
            ("sharing", "ssh") => return Err(invalid(text, "invalid cache sharing set for ssh mount")),
            ("readonly" | "ro", "bind" | "cache" | "ssh") => read_only = truth()?,
            ("readwrite" | "rw", "bind" | "cache" | "ssh") => read_only = !truth()?,
            ("id", "cache" | "secret" | "ssh") => id = filled()?,
            ("sharing", "cache") => match filled()?.as_str() {
                "shared" => alone = false,
                "locked" => alone = true,
                other => return Err(not_yet(format_args!("sharing={other} of a cache mount"))),
            },
            ("from" | "source" | "src", "cache") => return Err(not_yet("a cache mount with first contents (from)")),
            ("mode", "cache" | "secret" | "ssh") => owner.mode = number(8)? & 0o777,
            ("uid", "cache" | "secret" | "ssh") => owner.uid = number(10)?,
            ("gid", "cache" | "secret" | "ssh") => owner.gid = number(10)?,
            ("size", "tmpfs") => size = bytes(&filled()?).ok_or_else(|| invalid(text, "size is no number of bytes"))?,
            ("required", "secret" | "ssh") => required = truth()?,
            ("env", "secret") => match filled()? {
                name if name.contains(['=', '\0']) => return Err(invalid(text, "env is no variable's name")),
                name => variable = Some(name).filter(|name| !name.is_empty()),
            },
            _ => return Err(unknown()),
        }
    }
    let is_said = fields.iter().any(|(name, _)| matches!(name.as_str(), "mode" | "uid" | "gid"));
    let cache_owner = Some(owner).filter(|_| is_said);
    let what = match kind.as_str() {
        "bind" if !read_only => return Err(not_yet("a bind mount that can be written to (rw)")),
        "bind" => What::Bind { from, source },
        "cache" if id.is_empty() => {
            // However its path is written.
            let id = if target.len() > 1 { target.trim_end_matches('/').to_owned() } else { target.clone() };
            What::Cache { id, alone, owner: cache_owner }
        }
        "cache" => What::Cache { id, alone, owner: cache_owner },
        "tmpfs" => What::Tmpfs { size },
        "secret" => {
            if id.is_empty() {
                id = target.rsplit('/').next().unwrap_or_default().to_owned();
            }
            if id.is_empty() {
                return Err(invalid(text, "a secret needs an id"));
            }
            if target.is_empty() && variable.is_none() {
                target = format!("/run/secrets/{id}");
            }
            What::Secret { id, required, variable, owner }
        }
        _ => What::Agent { id, required, owner },
    };
    if target.starts_with('/') && target.trim_matches('/').is_empty() {
        return Err(invalid(text, "the root is no target"));
    }
    if target.is_empty() && !matches!(what, What::Secret { .. } | What::Agent { .. }) {
        return Err(invalid(text, "target is required"));
    }
    Ok(Mount { what, target, read_only })
}

fn not_yet(what: impl std::fmt::Display) -> Error {
    Error::NotYet(format!("{what}: this builder does not have it yet"))
}

/// `64m`, `1GB`, `1024`.
fn bytes(text: &str) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Mount, String> {
        parse(text, |word| Ok(word.replace("$X", "x"))).map_err(|error| error.to_string())
    }

    #[test]
    fn words_are_mounts() {
        let mount = |what, target: &str, read_only| Ok(Mount { what, target: target.to_owned(), read_only });
        let bind =
            |from: Option<&str>, source: &str| What::Bind { from: from.map(str::to_owned), source: source.to_owned() };
        assert_eq!(of("target=/a"), mount(bind(None, ""), "/a", true));
        assert_eq!(of("type=bind,from=$X,src=/b,dst=a"), mount(bind(Some("x"), "/b"), "a", true));
        let cache = |id: &str, alone, owner| What::Cache { id: id.to_owned(), alone, owner };
        assert_eq!(of("type=cache,target=/c"), mount(cache("/c", false, None), "/c", false));
        let own = Some(Owner { mode: 0o700, uid: 1, gid: 2 });
        let text = "type=cache,id=i$X,target=/c,sharing=locked,mode=0700,uid=1,gid=2,ro";
        assert_eq!(of(text), mount(cache("ix", true, own), "/c", true));
        assert_eq!(of("type=tmpfs,target=/t,size=2m"), mount(What::Tmpfs { size: 2 << 20 }, "/t", false));
        let owner = Owner { mode: 0o400, uid: 0, gid: 0 };
        let secret = |required, variable: Option<&str>| What::Secret {
            id: "s".to_owned(),
            required,
            variable: variable.map(str::to_owned),
            owner,
        };
        assert_eq!(of("type=secret,id=s"), mount(secret(false, None), "/run/secrets/s", false));
        assert_eq!(of("type=secret,target=/x/s,required"), mount(secret(true, None), "/x/s", false));
        assert_eq!(of("type=secret,id=s,env=S"), mount(secret(false, Some("S")), "", false));
        assert_eq!(of("type=cache,target=/c/"), mount(cache("/c", false, None), "/c/", false));
        let agent = |id: &str, required, owner| What::Agent { id: id.to_owned(), required, owner };
        assert_eq!(of("type=ssh"), mount(agent("", false, Owner { mode: 0o600, uid: 0, gid: 0 }), "", false));
        let text = "type=ssh,id=$X,target=/s,required,uid=1,gid=2,mode=660,ro";
        assert_eq!(of(text), mount(agent("x", true, Owner { mode: 0o660, uid: 1, gid: 2 }), "/s", true));
        assert_eq!(from("type=bind,from=a,target=/x"), Some("a"));
        assert_eq!(from("type=bind,FROM=a,target=/x"), Some("a"));
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "type=bind",
            "type=new,target=/x",
            "type=ssh,source=/x",
            "type=ssh,sharing=locked",
            "type=ssh,required=maybe",
            "type=ssh,target=/",
            "target=/a,rw",
            "type=cache,target=/",
            "type=tmpfs,target=//",
            "type=cache,target=/c,sharing=private",
            "type=cache,target=/c,from=x",
            "type=tmpfs,target=/t,size=x",
            "type=secret",
            "type=secret,id=s,env=A=B",
            "type=tmpfs,target=/t,id=x",
            "target=/a,ro=maybe",
            "type=cache,target=/c,mode=9",
            "target",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
