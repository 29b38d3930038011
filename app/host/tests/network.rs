//! A change of this computer's network is noticed: by a daemon in a network of its own, where the test changes it.

#![cfg(target_os = "linux")]

mod support;

use host::client::Client;
use host::daemon::protocol::DaemonStatus;
use host::proxies::ProxySource;
use support::{Home, daemon_within, eventually, write_program};

/// RFC 5737: nobody's.
const ADDRESS: &str = "192.0.2.7";

/// Runs `ip` where the daemon is.
fn ip(daemon: &tokio::process::Child, arguments: &[&str]) {
    let pid = daemon.id().unwrap().to_string();
    let mut command = std::process::Command::new("nsenter");
    command.args(["--target", &pid, "--user", "--preserve-credentials", "--net", "--", "ip"]).args(arguments);
    let said = command.output().unwrap();
    assert!(said.status.success(), "{arguments:?}: {said:?}");
}

/// Prints what GNOME's settings are when the file `proxy` beside it names a host.
const GSETTINGS: &str = "#!/bin/sh\ncd \"${0%/*}\" && read -r host <proxy || exit 0\n\
                         echo \"org.gnome.system.proxy mode 'manual'\"\n\
                         echo \"org.gnome.system.proxy.https host '$host'\"\n\
                         echo \"org.gnome.system.proxy.https port 3128\"\n";

#[tokio::test]
async fn addresses_and_proxies_follow_the_network() {
    let home = Home::new("FAKE_KVM=boot");
    let address = format!("tcp://{ADDRESS}:2376");
    home.set(&[("listen", &address)]);
    write_program(&home.dir().join("gsettings"), GSETTINGS);
    // Before its first interface is up a network takes every address for its own.
    let up = "ip link set lo up && exec \"$@\"";
    let within = ["unshare", "--user", "--map-root-user", "--net", "--", "sh", "-c", up, "sh"];
    let daemon = daemon_within(&home, &within).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let until = async |what: &str, is_so: &dyn Fn(&DaemonStatus) -> bool| {
        eventually(what, async || is_so(&client.status().await.unwrap())).await;
    };
    let before = client.status().await.unwrap();
    assert!(before.listening.is_empty(), "{:?}", before.listening);
    assert_eq!(before.proxies.unwrap().source, ProxySource::None);

    std::fs::write(home.dir().join("proxy"), "office.example\n").unwrap();
    ip(&daemon, &["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"]);
    until("the engine at the new address", &|status| status.listening.contains(&address)).await;
    let is_office = |status: &DaemonStatus| {
        let proxies = status.proxies.as_ref().unwrap();
        proxies.source == ProxySource::Desktop && proxies.https.as_deref() == Some("http://office.example:3128")
    };
    until("the office's proxy", &is_office).await;

    std::fs::remove_file(home.dir().join("proxy")).unwrap();
    ip(&daemon, &["route", "add", "198.51.100.0/24", "dev", "lo"]);
    until("no proxy", &|status| status.proxies.as_ref().unwrap().source == ProxySource::None).await;
    client.down().await.unwrap().settled().await.unwrap();
}
