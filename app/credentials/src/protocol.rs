//! What clients ask: one action, its request as text, its answer as text.

use std::collections::BTreeMap;
use std::io::Read;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub(crate) const USAGE: &str = "Usage: docker-credential-berth <store|get|erase|list|version>";

/// Where credentials are kept: one for each server.
pub(crate) trait Keep {
    /// Overwrites what is there.
    fn put(&mut self, server: &str, login: &Login) -> Result<()>;

    /// # Errors
    /// [`Error::NotFound`] among others.
    fn get(&self, server: &str) -> Result<Login>;

    /// # Errors
    /// [`Error::NotFound`] among others.
    fn remove(&mut self, server: &str) -> Result<()>;

    fn servers(&self) -> Result<Vec<String>>;
}

/// A user's name with a registry, and the password or token that goes with it.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Login {
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) secret: String,
}

/// What `store` takes and `get` answers.
#[derive(Deserialize, Serialize)]
struct Credentials {
    #[serde(rename = "ServerURL", default)]
    server: String,
    #[serde(flatten)]
    login: Login,
}

/// A word of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Store,
    Get,
    Erase,
    List,
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "store" => Ok(Action::Store),
            "get" => Ok(Action::Get),
            "erase" => Ok(Action::Erase),
            "list" => Ok(Action::List),
            other => Err(Error::Action(other.to_owned())),
        }
    }
}

impl Action {
    /// Reads the request, carries it out, and says the answer: empty if there is nothing to say.
    pub(crate) fn run(self, keep: &mut impl Keep, mut input: impl Read) -> Result<String> {
        let mut request = String::new();
        if self != Action::List {
            input.read_to_string(&mut request)?;
        }
        match self {
            Action::Store => {
                let Credentials { server, login } = serde_json::from_str(&request).map_err(Error::Request)?;
                if login.username.is_empty() {
                    return Err(if server.is_empty() { Error::NoServer } else { Error::NoUser });
                }
                keep.put(named(&server)?, &login)?;
                Ok(String::new())
            }
            Action::Get => {
                let server = named(&request)?;
                let login = keep.get(server)?;
                Ok(json(&Credentials { server: server.to_owned(), login }))
            }
            // Clients erase all the ways to write a server, and most of them are not there.
            Action::Erase => match keep.remove(named(&request)?) {
                Ok(()) | Err(Error::NotFound) => Ok(String::new()),
                Err(error) => Err(error),
            },
            Action::List => {
                let mut users = BTreeMap::new();
                for server in keep.servers()? {
                    match keep.get(&server) {
                        Ok(login) => users.insert(server, login.username),
                        // It went in between, or is nothing that anybody could log in with: the others are wanted all the same.
                        Err(Error::NotFound | Error::Foreign { .. }) => None,
                        Err(error) => return Err(error),
                    };
                }
                Ok(json(&users))
            }
        }
    }
}

fn named(server: &str) -> Result<&str> {
    let server = server.trim();
    if server.is_empty() { Err(Error::NoServer) } else { Ok(server) }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with text for keys")
}

#[cfg(test)]
mod tests;
