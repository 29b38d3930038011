//! `berth tls env`: the lines that point docker at the engine over TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use host::paths::Paths;
use host::settings::Settings;
use host::tls::Certificates;
use rust_i18n::t;

use crate::args::TlsEnvArgs;
use crate::machine::{Variable, own_shell, shell_lines};
use crate::{Failure, print_json};

pub(super) fn env(paths: &Paths, args: &TlsEnvArgs) -> Result<i32, Failure> {
    let certificates = Certificates::of(paths);
    let folder = match &args.client {
        Some(name) => certificates.client_folder(name),
        None => certificates.folder(),
    };
    let settings = Settings::load(&paths.settings())?;
    let address = settings.listen.iter().find(|address| address.is_tls()).map(|address| reachable(address.socket()));
    let address = match (address, args.unset) {
        (Some(address), _) => address.to_string(),
        (None, true) => String::new(),
        (None, false) => return Err(Failure::new(1, t!("tls.not_offered"))),
    };
    if !args.unset && !folder.join("cert.pem").exists() {
        let error = match &args.client {
            Some(name) => t!("tls.no_client", name = name),
            None => return Err(host::Error::NoCertificates { folder }.into()),
        };
        return Err(Failure::new(1, error));
    }
    let variables = [
        Variable::new("DOCKER_HOST", format!("tcp://{address}")),
        Variable::new("DOCKER_TLS_VERIFY", "1".to_owned()),
        Variable::new("DOCKER_CERT_PATH", folder.display().to_string()),
    ];
    if args.json {
        let values: serde_json::Map<_, _> =
            variables.into_iter().map(|variable| (variable.name.to_owned(), variable.value.into())).collect();
        return print_json(&values);
    }
    print!("{}", shell_lines("berth tls env", args.shell.unwrap_or_else(own_shell), &variables, args.unset));
    Ok(0)
}

/// Where this computer itself reaches what is offered there.
fn reachable(socket: SocketAddr) -> SocketAddr {
    let ip = match socket.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, socket.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_reached_by_loopback() {
        for (offered, reached) in
            [("0.0.0.0:2376", "127.0.0.1:2376"), ("[::]:4000", "[::1]:4000"), ("192.0.2.7:1", "192.0.2.7:1")]
        {
            assert_eq!(reachable(offered.parse().unwrap()).to_string(), reached);
        }
    }
}
