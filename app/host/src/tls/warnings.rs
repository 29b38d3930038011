//! Certificates that will be refused soon.

use std::time::{SystemTime, UNIX_EPOCH};

use super::certificates::Certificates;
use super::known::{Known, Role};
use super::remedy;
use crate::Error;
use crate::paths::Paths;
use crate::settings::{Address, Settings};

const DAY: i64 = 24 * 60 * 60;
/// Time enough to give every client a new file.
const SOON_DAYS: i64 = 30;

/// One line for each certificate that expires within a month, or why they cannot be read. Empty when there are none. Blocks.
pub fn warnings(paths: &Paths) -> Vec<String> {
    let certificates = Certificates::of(paths);
    if !certificates.exist() {
        return Vec::new();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    match certificates.list() {
        Ok(all) => {
            let listen = Settings::load_or_default(&paths.settings()).listen.clone();
            all.iter().filter_map(|known| warning(known, now)).chain(unnamed(&all, &listen)).collect()
        }
        Err(error) => vec![Error::chain(&error)],
    }
}

/// An address at which clients would find a certificate that is not for it.
fn unnamed(all: &[Known], listen: &[Address]) -> Option<String> {
    let names = &all.iter().find(|known| known.role == Role::Server)?.names;
    let tls = listen.iter().filter(|address| address.is_tls()).map(|address| address.socket().ip());
    let ip = tls.filter(|ip| !ip.is_unspecified()).find(|ip| !names.contains(&ip.to_string()))?;
    Some(format!(
        "the server's certificate is not for {ip}, where `listen` offers the engine: `berth tls renew` makes one that is"
    ))
}

fn warning(known: &Known, now: i64) -> Option<String> {
    let left = (known.expires_at - now).div_euclid(DAY);
    if left >= SOON_DAYS {
        return None;
    }
    let file = known.file.display();
    let remedy = remedy(&known.file);
    Some(match left {
        ..0 => format!("the certificate {file} has expired: {remedy}"),
        0 => format!("the certificate {file} expires today: {remedy}"),
        _ => format!("the certificate {file} expires within {} days: {remedy}", left + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_certificate_is_not_for_is_told() {
        let server = Known {
            role: Role::Server,
            name: "box".to_owned(),
            file: "/t/server-cert.pem".into(),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            expires_at: 0,
            sha256: String::new(),
        };
        let told = |listen: &str| unnamed(std::slice::from_ref(&server), &[listen.parse().unwrap()]);
        assert_eq!(told("tcp://0.0.0.0:2376"), None);
        assert_eq!(told("tcp://127.0.0.1:2376"), None);
        assert_eq!(told("tcp://[::1]:2375"), None, "no certificate is shown there");
        let said = told("tcp://10.0.0.7:2376").unwrap();
        assert!(said.contains("not for 10.0.0.7") && said.contains("`berth tls renew`"), "{said}");
    }

    #[test]
    fn what_expires_within_a_month_is_told_with_the_way_out() {
        let known = |role, file: &str| Known {
            role,
            name: "laptop".to_owned(),
            file: file.into(),
            names: Vec::new(),
            expires_at: 100 * DAY,
            sha256: String::new(),
        };
        let at = |role, file, day| warning(&known(role, file), day * DAY);
        assert_eq!(at(Role::Server, "/t/server-cert.pem", 70), None);
        let said = at(Role::Server, "/t/server-cert.pem", 71).unwrap();
        assert_eq!(
            said,
            "the certificate /t/server-cert.pem expires within 30 days: `berth tls renew` makes a new one"
        );
        assert!(at(Role::Client, "/t/cert.pem", 100).unwrap().contains("expires today: `berth tls renew`"));
        let said = at(Role::Client, "/t/clients/laptop/cert.pem", 101).unwrap();
        assert!(said.contains("has expired: `berth tls client laptop --force`"), "{said}");
        assert!(at(Role::Authority, "/t/ca.pem", 99).unwrap().contains("`berth tls create --force`"));
    }
}
