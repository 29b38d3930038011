//! Docker's configuration file, as far as it is about credentials (docker/cli, `cli/config/configfile`). What else is in it stays.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use host::locks::Patience;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::server::host_of;
use super::{Login, Secret, unreadable};
use crate::{Failure, waiting};

/// The file, as it was when it was last read, and written as a whole.
#[derive(Debug)]
pub(super) struct Config {
    file: PathBuf,
    fields: Map<String, Value>,
}

impl Config {
    /// Without a file it is empty.
    pub(super) fn load(file: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{}".to_owned(),
            Err(error) => return Err(unreadable(file, &error)),
        };
        // Docker takes an empty file for an empty configuration, too.
        let text = if text.trim().is_empty() { "{}" } else { &text };
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| unreadable(file, &error))?;
        if fields.get("auths").is_some_and(|auths| !auths.is_object() && !auths.is_null()) {
            return Err(unreadable(file, &"auths"));
        }
        Ok(Self { file: file.to_owned(), fields })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The helper for `server`, by the last part of its name.
    pub(super) fn helper(&self, server: &str) -> Option<&str> {
        let own = self.fields.get("credHelpers").and_then(|helpers| helpers[server].as_str());
        let helper = own.or_else(|| self.fields.get("credsStore").and_then(Value::as_str));
        helper.filter(|name| !name.is_empty())
    }

    /// Whether nothing in it is about credentials (docker/cli, `ContainsAuth` in `cli/config/configfile`).
    pub(super) fn is_bare(&self) -> bool {
        ["credsStore", "credHelpers", "auths"].into_iter().all(|field| match self.fields.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Object(entries)) => entries.is_empty(),
            Some(_) => false,
        })
    }

    /// The keys of all logins, those that helpers keep included.
    pub(super) fn logins(&self) -> impl Iterator<Item = &str> {
        self.keys("auths")
    }

    /// The servers that have a helper of their own.
    pub(super) fn helped(&self) -> impl Iterator<Item = &str> {
        self.keys("credHelpers")
    }

    fn keys(&self, field: &str) -> impl Iterator<Item = &str> {
        self.fields.get(field).and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
    }

    pub(super) fn login(&self, server: &str) -> Result<Option<Login>, Failure> {
        let Some(auths) = self.fields.get("auths").and_then(Value::as_object) else { return Ok(None) };
        // Old clients wrote whole addresses as keys.
        let old = || auths.iter().find(|(key, _)| host_of(key) == host_of(server)).map(|(_, entry)| entry);
        let Some(entry) = auths.get(server).or_else(old) else { return Ok(None) };
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        let (mut username, mut password) = (text("username"), text("password"));
        let pair;
        if let Some(auth) = text("auth") {
            pair = decoded(auth).ok_or_else(|| unreadable(&self.file, &format!("auths.\"{server}\".auth")))?;
            let (user, pass) = pair.split_once(':').unwrap_or((&pair, ""));
            (username, password) = (Some(user), Some(pass));
        }
        let username = username.unwrap_or_default().to_owned();
        let secret = match text("identitytoken") {
            Some(token) => Some(Secret::IdentityToken(token.to_owned())),
            None => password.filter(|_| !username.is_empty()).map(|password| Secret::Password(password.to_owned())),
        };
        Ok(secret.map(|secret| Login { username, secret }))
    }

    /// Writes `login`.
    pub(super) fn set(&mut self, server: &str, login: &Login) -> Result<(), Failure> {
        let name = &login.username;
        let entry = match &login.secret {
            Secret::Password(password) => json!({ "auth": STANDARD.encode(format!("{name}:{password}")) }),
            Secret::IdentityToken(token) => {
                json!({ "auth": STANDARD.encode(format!("{name}:")), "identitytoken": token })
            }
        };
        self.add(|config| drop(config.auths().insert(server.to_owned(), entry)))
    }

    /// Writes that `helper` has a login for `server`, and that it is the one to ask if none is named.
    pub(super) fn mark(&mut self, server: &str, helper: &str) -> Result<(), Failure> {
        self.add(|config| {
            if config.is_bare() {
                config.fields.insert("credsStore".to_owned(), helper.into());
            }
            config.auths().insert(server.to_owned(), json!({}));
        })
    }

    /// Names `helper` no more; `true` if it was named.
    pub(super) fn forget(&mut self, helper: &str) -> Result<bool, Failure> {
        let is = |value: &Value| value.as_str() == Some(helper);
        let mut named = false;
        self.change(|config| {
            if config.fields.get("credsStore").is_some_and(is) {
                config.fields.remove("credsStore");
                named = true;
            }
            if let Some(helpers) = config.fields.get_mut("credHelpers").and_then(Value::as_object_mut) {
                let before = helpers.len();
                helpers.retain(|_, value| !is(value));
                named |= helpers.len() < before;
            }
            named
        })?;
        Ok(named)
    }

    /// Erases the logins of these keys.
    pub(super) fn erase(&mut self, keys: &BTreeSet<String>) -> Result<(), Failure> {
        self.change(|config| {
            let auths = config.auths();
            let before = auths.len();
            auths.retain(|key, _| !keys.contains(key));
            auths.len() < before
        })
    }

    fn add(&mut self, add: impl FnOnce(&mut Self)) -> Result<(), Failure> {
        if let Some(folder) = self.file.parent().filter(|folder| !folder.exists()) {
            host::sys::create_private_dir(folder)?;
        }
        self.change(|config| {
            add(config);
            true
        })
    }

    /// Reads the file again: since it was read, a user was asked and a registry, and others may have changed it.
    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        *self = Self::load(&self.file)?;
        Ok(())
    }

    /// Changes the file as it is now, if `change` says that it did. Another berth that comes meanwhile waits.
    fn change(&mut self, change: impl FnOnce(&mut Self) -> bool) -> Result<(), Failure> {
        // A link to a file elsewhere stays one.
        let file = self.file.canonicalize().unwrap_or_else(|_| self.file.clone());
        // Where there are no such locks, a change may be lost in the moment between reading and writing, as docker's own may.
        let folder = file.parent().and_then(|folder| Some((host::sys::open_folder(folder).ok()?, folder)));
        let _held = match folder.map(|(lock, path)| Patience::telling(waiting::tell).lock(lock, path)) {
            Some(Err(error @ host::Error::Locked { .. })) => return Err(error.into()),
            held => held.and_then(Result::ok),
        };
        self.reload()?;
        if !change(self) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut bytes, tabs);
        self.fields.serialize(&mut writer).map_err(|error| unreadable(&file, &error))?;
        Ok(host::sys::write_private(&file, &bytes)?)
    }

    fn auths(&mut self) -> &mut Map<String, Value> {
        let auths = self.fields.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            // It was null: `load` lets nothing else pass.
            *auths = json!({});
        }
        auths.as_object_mut().expect("it was made one above")
    }
}

/// `user:password`, with padding or without.
fn decoded(auth: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(auth).ok()?;
    String::from_utf8(bytes).ok().filter(|pair| pair.contains(':'))
}
