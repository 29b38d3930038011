//! The certificates of the engine over TCP: an authority of this user's own, what it signed, and what the daemon serves with.
//!
//! Files are named as docker-machine named them, so that a folder of `ca.pem`, `cert.pem` and `key.pem` is what docker's clients take
//! as `DOCKER_CERT_PATH`: [`Certificates::folder`] itself for this computer, one below `clients/` for each other client.

mod authority;
mod certificates;
mod known;
mod serve;
mod warnings;

pub use certificates::{Certificates, Lifetime};
pub use known::{Known, Role};
pub(crate) use serve::Security;
pub use warnings::warnings;

use std::path::Path;

use crate::Error;

/// The authority's certificate, which both sides check the other by.
const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
const SERVER_CERTIFICATE: &str = "server-cert.pem";
const SERVER_KEY: &str = "server-key.pem";
const CLIENT_CERTIFICATE: &str = "cert.pem";
const CLIENT_KEY: &str = "key.pem";

/// [`Error::BadCertificate`], with what makes that file anew.
fn bad(path: &Path, reason: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::BadCertificate { path: path.to_path_buf(), reason: reason.to_string(), remedy: remedy(path) }
}

/// What makes one of the files anew.
fn remedy(path: &Path) -> String {
    let folder = path.parent();
    let client = folder.filter(|folder| folder.parent().is_some_and(|above| above.ends_with("clients")));
    match client.and_then(|folder| folder.file_name()) {
        Some(name) => format!("`berth tls client {} --force` makes a new one", name.display()),
        None if [CA, CA_KEY].iter().any(|name| path.ends_with(name)) => {
            "`berth tls create --force` makes a new authority, of which all clients need new files".to_owned()
        }
        None => "`berth tls renew` makes a new one".to_owned(),
    }
}
