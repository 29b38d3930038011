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

/// The authority's certificate, which both sides check the other by.
const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
const SERVER_CERTIFICATE: &str = "server-cert.pem";
const SERVER_KEY: &str = "server-key.pem";
const CLIENT_CERTIFICATE: &str = "cert.pem";
const CLIENT_KEY: &str = "key.pem";
