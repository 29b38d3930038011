//! Certificates that will be refused soon.

use std::time::{SystemTime, UNIX_EPOCH};

use super::certificates::Certificates;
use super::known::{Known, Role};
use crate::Error;
use crate::paths::Paths;

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
        Ok(all) => all.iter().filter_map(|known| warning(known, now)).collect(),
        Err(error) => vec![Error::chain(&error)],
    }
}

fn warning(known: &Known, now: i64) -> Option<String> {
    let left = (known.expires_at - now).div_euclid(DAY);
    if left >= SOON_DAYS {
        return None;
    }
    let file = known.file.display();
    let remedy = match known.role {
        Role::Authority => {
            "`berth tls create --force` makes a new authority, of which all clients need new files".to_owned()
        }
        Role::Client
            if known.file.parent().and_then(|folder| folder.parent()).is_some_and(|dir| dir.ends_with("clients")) =>
        {
            format!("`berth tls client {} --force` makes a new one", known.name)
        }
        Role::Server | Role::Client => "`berth tls renew` makes a new one".to_owned(),
    };
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
