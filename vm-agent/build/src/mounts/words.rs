//! The words of a `RUN --mount`. Pure.

use super::caches::Sharing;
use super::{Mount, NOTHING, Owner, What};
use crate::error::{Error, Result};
use containers::changes;

fn invalid(text: &str, reason: impl std::fmt::Display) -> Error {
    Error::Mount { text: text.to_owned(), reason: reason.to_string() }
}

const SHARING: [(&str, Sharing); 3] =
    [("shared", Sharing::Shared), ("private", Sharing::Private), ("locked", Sharing::Locked)];

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
    let (mut sharing, mut required, mut size) = (Sharing::Shared, false, 0);
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
            ("source" | "src", "bind" | "cache") => source = filled()?,
            ("from", "bind" | "cache") => from = Some(filled()?).filter(|from| !from.is_empty()),
            ("source" | "src", "ssh") => return Err(invalid(text, "ssh does not support source")),
            ("readonly" | "ro", "bind" | "cache" | "ssh") => read_only = truth()?,
            ("readwrite" | "rw", "bind" | "cache" | "ssh") => read_only = !truth()?,
            ("id", "cache" | "secret" | "ssh") => id = filled()?,
            ("sharing", "cache") => {
                let value = filled()?;
                let known = SHARING.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
                let unsupported = || {
                    let likely = changes::suggest(&value, SHARING.map(|(name, _)| name));
                    invalid(text, format_args!("unsupported sharing value {value:?}{likely}"))
                };
                sharing = known.ok_or_else(unsupported)?.1;
            }
            ("sharing", "secret") => return Err(invalid(text, "secret mount should not define sharing")),
            ("sharing", other) => {
                return Err(invalid(text, format_args!("invalid cache sharing set for {other} mount")));
            }
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
    let what = match kind.as_str() {
        "bind" => What::Bind { from, source },
        "cache" => {
            if id.is_empty() {
                // However its path is written.
                id = if target.len() > 1 { target.trim_end_matches('/').to_owned() } else { target.clone() };
            }
            // A part of something has its owner already, as in BuildKit.
            let is_part = !source.trim_matches('/').is_empty();
            let from = from.filter(|from| from != NOTHING);
            What::Cache { id, sharing, owner: Some(owner).filter(|_| is_said && !is_part), from, source }
        }
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

pub(super) fn not_yet(what: impl std::fmt::Display) -> Error {
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
    use super::super::from;
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
        let cache = |id: &str, sharing, owner| What::Cache {
            id: id.to_owned(),
            sharing,
            owner,
            from: None,
            source: String::new(),
        };
        assert_eq!(of("type=cache,target=/c"), mount(cache("/c", Sharing::Shared, None), "/c", false));
        let own = Some(Owner { mode: 0o700, uid: 1, gid: 2 });
        let text = "type=cache,id=i$X,target=/c,sharing=locked,mode=0700,uid=1,gid=2,ro";
        assert_eq!(of(text), mount(cache("ix", Sharing::Locked, own), "/c", true));
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
        assert_eq!(of("type=cache,target=/c/"), mount(cache("/c", Sharing::Shared, None), "/c/", false));
        let agent = |id: &str, required, owner| What::Agent { id: id.to_owned(), required, owner };
        assert_eq!(of("type=ssh"), mount(agent("", false, Owner { mode: 0o600, uid: 0, gid: 0 }), "", false));
        let text = "type=ssh,id=$X,target=/s,required,uid=1,gid=2,mode=660,ro";
        assert_eq!(of(text), mount(agent("x", true, Owner { mode: 0o660, uid: 1, gid: 2 }), "/s", true));
        assert_eq!(of("target=/a,rw"), mount(bind(None, ""), "/a", false));
        let first = |from: Option<&str>, source: &str, owner| What::Cache {
            id: "i".to_owned(),
            sharing: Sharing::Private,
            owner,
            from: from.map(str::to_owned),
            source: source.to_owned(),
        };
        let text = "type=cache,id=i,target=/c,sharing=Private,uid=1,gid=2,mode=0700";
        assert_eq!(of(text), mount(first(None, "", own), "/c", false));
        assert_eq!(of(&format!("{text},from=scratch")), mount(first(None, "", own), "/c", false));
        assert_eq!(of(&format!("{text},from=$X")), mount(first(Some("x"), "", own), "/c", false));
        assert_eq!(of(&format!("{text},from=x,source=/d")), mount(first(Some("x"), "/d", None), "/c", false));
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
            "type=cache,target=/",
            "type=tmpfs,target=//",
            "type=cache,target=/c,sharing=other",
            "target=/c,sharing=locked",
            "type=secret,id=s,sharing=locked",
            "type=tmpfs,target=/c,from=x",
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
