//! A container and its own published ports, by the addresses of the machine: on real packets, with bridged packets shown to
//! the packet filter and without.

mod support;

use network::{Attachment, Families, PortRequest, Protocol, Sandbox, Settings};
use support::{
    Engine, ask_tcp, ask_udp, id, isolated, network, publish, request, run, serve_tcp, serve_udp, unreachable,
};

/// Port 8080 of the machine to port 80 of the container, by both protocols.
fn both() -> Vec<PortRequest> {
    vec![publish(Protocol::Tcp, 8080, 80), publish(Protocol::Udp, 8080, 80)]
}

fn serve(sandbox: &Sandbox) {
    serve_tcp(sandbox, "[::]:80");
    serve_udp(sandbox, "[::]:80");
}

/// Who asks according to the server, by TCP and UDP; IPv4 addresses in the form of a socket of both families.
fn ask(sandbox: &Sandbox, address: &str) -> [Option<String>; 2] {
    [ask_tcp(sandbox, address), ask_udp(sandbox, address)]
}

fn twice(peer: &str) -> [Option<String>; 2] {
    [Some(peer.to_owned()), Some(peer.to_owned())]
}

/// Shows bridged packets to the packet filter, or does not; where the kernel has no such thing it does not either way.
fn filter_bridges(on: bool) {
    let number = u8::from(on);
    run(&format!(
        "test ! -e /proc/sys/net/bridge || \
         sysctl -qw net.bridge.bridge-nf-call-iptables={number} net.bridge.bridge-nf-call-ip6tables={number}"
    ));
}

/// Addresses of the machine that are no bridge's, and addresses of bridges that the kernel uses from now on.
fn settle() {
    run("ip link add wide type bridge; ip addr add 10.50.0.1/24 dev wide; ip -6 addr add fd50::1/64 dev wide nodad");
    run("ip link set wide up");
    while run("ip -6 addr show tentative").contains("inet6") {
        std::thread::yield_now();
    }
}

#[test]
fn a_container_reaches_its_own_ports() {
    isolated("a_container_reaches_its_own_ports", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("app", &["10.60.0.0/24", "fd60::/64"], &[])).await.unwrap();
        let (web, _) = engine.container("web", "app", both()).await;
        let (peer, _) = engine.container("peer", "app", vec![]).await;
        serve(&web);
        settle();
        for filtered in [false, true] {
            filter_bridges(filtered);
            for address in ["10.60.0.1:8080", "10.50.0.1:8080"] {
                assert_eq!(ask(&web, address), twice("::ffff:10.60.0.1"), "{address}, filtered: {filtered}");
            }
            for address in ["[fd60::1]:8080", "[fd50::1]:8080"] {
                assert_eq!(ask(&web, address), twice("fd60::1"), "{address}, filtered: {filtered}");
            }
        }
        // A neighbour is seen as itself where the kernel bridges its packets.
        if std::path::Path::new("/proc/sys/net/bridge").exists() {
            assert_eq!(ask(&peer, "10.60.0.1:8080"), twice("::ffff:10.60.0.3"), "a neighbour");
            assert_eq!(ask(&peer, "[fd60::1]:8080"), twice("fd60::3"), "a neighbour");
        }
        assert!(run("nft list set inet berth hairpin4").contains("10.60.0.2 . 10.60.0.2"));

        engine.networks.detach_all(&id("web")).await;
        for set in ["hairpin4", "hairpin6"] {
            assert!(!run(&format!("nft list set inet berth {set}")).contains("elements"), "{set} holds what is gone");
        }
        let (next, endpoint) = engine.container("next", "app", vec![]).await;
        assert_eq!(endpoint.ipv4.unwrap().0.to_string(), "10.60.0.2");
        serve(&next);
        assert!(unreachable(&next, "10.60.0.1:8080"), "of the next one nothing is published");
    });
}

#[test]
fn by_every_network_that_the_container_is_on() {
    isolated("by_every_network_that_the_container_is_on", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("app", &["10.60.0.0/24", "fd60::/64"], &[])).await.unwrap();
        engine.networks.create(network("back", &["10.61.0.0/24", "fd61::/64"], &[])).await.unwrap();
        let (web, _) = engine.container("web", "app", both()).await;
        engine.networks.attach(request("web", "back", &web, vec![])).await.unwrap();
        serve(&web);
        settle();
        for filtered in [false, true] {
            filter_bridges(filtered);
            for address in ["10.60.0.1:8080", "10.61.0.1:8080", "10.50.0.1:8080"] {
                assert_eq!(ask(&web, address), twice("::ffff:10.60.0.1"), "{address}, filtered: {filtered}");
            }
            for address in ["[fd60::1]:8080", "[fd61::1]:8080", "[fd50::1]:8080"] {
                assert_eq!(ask(&web, address), twice("fd60::1"), "{address}, filtered: {filtered}");
            }
        }
        // Without the network that had them, the ports are published on the other.
        engine.networks.detach(&id("web"), "app", Some(&web)).await.unwrap();
        engine.networks.publish(&id("web"), vec![("back".into(), Families::BOTH)], both()).await.unwrap();
        for filtered in [false, true] {
            filter_bridges(filtered);
            for (address, seen) in [("10.61.0.1:8080", "::ffff:10.61.0.1"), ("[fd50::1]:8080", "fd61::1")] {
                assert_eq!(ask(&web, address), twice(seen), "{address}, filtered: {filtered}");
            }
        }
    });
}

#[test]
fn whatever_the_networks_options() {
    isolated("whatever_the_networks_options", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let subnets = ["10.60.0.0/24", "fd60::/64"];
        let options: [&[(&str, &str)]; 3] = [
            &[("com.docker.network.bridge.enable_icc", "false")],
            &[("com.docker.network.bridge.enable_ip_masquerade", "false")],
            &[
                ("com.docker.network.bridge.gateway_mode_ipv4", "nat-unprotected"),
                ("com.docker.network.bridge.gateway_mode_ipv6", "nat-unprotected"),
            ],
        ];
        settle();
        for options in options {
            // Links are made for the kernel as it is.
            for filtered in [false, true] {
                filter_bridges(filtered);
                engine.networks.create(network("app", &subnets, options)).await.unwrap();
                let (web, _) = engine.container("web", "app", both()).await;
                serve(&web);
                while run("ip -6 addr show tentative scope global").contains("inet6") {
                    std::thread::yield_now();
                }
                for (address, seen) in [("10.60.0.1:8080", "::ffff:10.60.0.1"), ("[fd50::1]:8080", "fd60::1")] {
                    assert_eq!(ask(&web, address), twice(seen), "{options:?}, {address}, filtered: {filtered}");
                }
                engine.networks.detach_all(&id("web")).await;
                engine.networks.remove("app").await.unwrap();
            }
        }
    });
}

#[test]
fn nothing_more_is_open_where_nothing_is_translated() {
    isolated("nothing_more_is_open_where_nothing_is_translated", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let routed = [("com.docker.network.bridge.gateway_mode_ipv4", "routed")];
        engine.networks.create(network("open", &["10.60.0.0/24"], &routed)).await.unwrap();
        let (web, _) = engine.container("web", "open", both()).await;
        let loopback = PortRequest { host_ip: Some("127.0.0.1".parse().unwrap()), ..publish(Protocol::Tcp, 8081, 80) };
        let (local, _) = engine.container("local", "bridge", vec![loopback]).await;
        serve(&web);
        serve(&local);
        settle();
        filter_bridges(true);
        assert!(unreachable(&web, "10.60.0.1:8080"), "there is no port of the machine");
        assert!(unreachable(&local, "172.17.0.1:8081"), "published for the machine itself");
        assert!(!run("nft list set inet berth hairpin4").contains("elements"));
    });
}

/// An engine that starts finds containers whose links an earlier one made.
#[test]
fn after_a_restart_of_the_engine() {
    isolated("after_a_restart_of_the_engine", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let (web, endpoint) = engine.container("web", "bridge", both()).await;
        serve(&web);
        filter_bridges(true);
        assert_eq!(ask(&web, "172.17.0.1:8080"), twice("::ffff:172.17.0.1"));
        let Engine { networks, listeners, names, .. } = engine;
        drop(networks);
        run(&format!("bridge link set dev {} hairpin off", endpoint.host_interface));

        let engine = Engine::open_as(dir.path(), listeners, names, Settings::default()).await;
        engine.networks.adopt(vec![Attachment { container_id: id("web"), sandbox: Some(&web) }]).await.unwrap();
        assert_eq!(ask(&web, "172.17.0.1:8080"), twice("::ffff:172.17.0.1"));
        engine.networks.detach_all(&id("web")).await;
        assert!(!run("nft list set inet berth hairpin4").contains("elements"));
    });
}
