//! The options of a bridge that say who reaches its containers, and how they leave: on real packets.

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;

use network::{NetworkCreate, PortRequest, Protocol};
use support::{Engine, ask_tcp, here, isolated, network, outside, publish, run, run_within, serve_tcp, unreachable};

const MODE4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MODE6: &str = "com.docker.network.bridge.gateway_mode_ipv6";

fn at(ip: &str, host: u16, container: u16) -> PortRequest {
    PortRequest { host_ip: Some(ip.parse().unwrap()), ..publish(Protocol::Tcp, host, container) }
}

#[test]
fn routed_containers_are_reached_at_their_own_addresses() {
    isolated("routed_containers_are_reached_at_their_own_addresses", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run_within(outside.as_fd(), "ip route add 10.60.0.0/16 via 10.50.0.1; ip -6 route add fd60::/32 via fd50::1");
        let engine = Engine::open(dir.path()).await;
        let routed = [(MODE4, "routed"), (MODE6, "routed")];
        engine.networks.create(network("open", &["10.60.0.0/24", "fd60::/64"], &routed)).await.unwrap();
        engine.networks.create(network("nat", &["10.61.0.0/24"], &[])).await.unwrap();
        // The address and the port of the machine mean nothing here.
        let ports = vec![at("127.0.0.1", 8080, 80)];
        let (web, endpoint) = engine.container("web", "open", ports).await;
        let (peer, _) = engine.container("peer", "open", vec![]).await;
        let (other, _) = engine.container("other", "nat", vec![]).await;
        for port in ["80", "81"] {
            serve_tcp(&web, &format!("[::]:{port}"));
        }
        serve_tcp(&outside, "[::]:80");
        let bound: Vec<(String, u16)> = endpoint.ports.iter().map(|p| (p.host_ip.to_string(), p.host_port)).collect();
        assert_eq!(bound, [("0.0.0.0".to_owned(), 0)]);
        assert!(engine.listeners.ports().is_empty(), "nobody listens");

        let mapped = |ip: &str| Some(format!("::ffff:{ip}"));
        assert_eq!(ask_tcp(&outside, "10.60.0.2:80"), mapped("10.50.0.2"), "from outside");
        assert!(unreachable(&outside, "10.60.0.2:81"), "a port that is not published");
        assert!(unreachable(&outside, "[fd60::2]:80"), "published for IPv4 only");
        assert!(unreachable(&outside, "10.50.0.1:8080"), "there is no port of the machine");
        while run("ip -6 addr show tentative").contains("inet6") {
            std::thread::yield_now();
        }
        for address in ["10.60.0.2", "fd60::2"] {
            let ping = format!("busybox ping -c 1 -W 5 {address} && echo answers");
            assert!(run_within(outside.as_fd(), &ping).contains("answers"), "ICMP to {address}");
        }
        // Its own address is seen outside, and a container of another network leaves with the bridge's.
        assert_eq!(ask_tcp(&web, "10.50.0.2:80"), mapped("10.60.0.2"), "not masqueraded");
        assert_eq!(ask_tcp(&other, "10.60.0.2:80"), mapped("10.60.0.1"), "from another network");
        assert!(unreachable(&other, "10.60.0.2:81"), "another network, a port that is not published");
        assert!(ask_tcp(&peer, "10.60.0.2:81").is_some(), "the same network");

        engine.networks.detach_all(&support::id("web")).await;
        let (next, _) = engine.container("next", "open", vec![]).await;
        serve_tcp(&next, "[::]:80");
        assert!(unreachable(&outside, "10.60.0.2:80"), "what was open is shut for the next one");
    });
}

#[test]
fn a_routed_quiet_network_stays_quiet() {
    isolated("a_routed_quiet_network_stays_quiet", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run_within(outside.as_fd(), "ip route add 10.60.0.0/16 via 10.50.0.1");
        let engine = Engine::open(dir.path()).await;
        let options = [(MODE4, "routed"), ("com.docker.network.bridge.enable_icc", "false")];
        engine.networks.create(network("quiet", &["10.60.0.0/24"], &options)).await.unwrap();
        let (web, _) = engine.container("web", "quiet", vec![publish(Protocol::Tcp, 80, 80)]).await;
        let (peer, _) = engine.container("peer", "quiet", vec![]).await;
        serve_tcp(&web, "0.0.0.0:80");
        assert!(ask_tcp(&outside, "10.60.0.2:80").is_some());
        assert!(unreachable(&peer, "10.60.0.2:80"), "open to all but its neighbours");
    });
}

#[test]
fn each_family_has_its_own_mode() {
    isolated("each_family_has_its_own_mode", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run_within(outside.as_fd(), "ip route add 10.60.0.0/16 via 10.50.0.1; ip -6 route add fd60::/32 via fd50::1");
        let engine = Engine::open(dir.path()).await;
        let mixed = [(MODE4, "nat-unprotected"), (MODE6, "nat")];
        engine.networks.create(network("mixed", &["10.60.0.0/24", "fd60::/64"], &mixed)).await.unwrap();
        let (web, endpoint) = engine.container("web", "mixed", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        let (other, _) = engine.container("other", "bridge", vec![]).await;
        serve_tcp(&web, "[::]:80");
        serve_tcp(&web, "[::]:81");
        // The kernel looks for neighbours once it is sure that nobody else has the bridge's own address.
        while run("ip -6 addr show tentative").contains("inet6") {
            std::thread::yield_now();
        }
        let bound: Vec<(String, u16)> = endpoint.ports.iter().map(|p| (p.host_ip.to_string(), p.host_port)).collect();
        assert_eq!(bound, [("0.0.0.0".to_owned(), 8080), ("::".to_owned(), 8080)]);
        assert!(ask_tcp(&outside, "10.60.0.2:81").is_some(), "any port, at the container's address");
        assert!(ask_tcp(&outside, "10.50.0.1:8080").is_some(), "published, IPv4");
        assert!(ask_tcp(&outside, "[fd50::1]:8080").is_some(), "published, IPv6");
        assert!(unreachable(&outside, "[fd60::2]:81") && unreachable(&outside, "[fd60::2]:80"), "IPv6 is not open");
        assert!(unreachable(&other, "10.60.0.2:81"), "other networks stay apart");
    });
}

#[test]
fn an_isolated_network_has_no_gateway() {
    isolated("an_isolated_network_has_no_gateway", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let mode = [(MODE4, "isolated")];
        let refused = engine.networks.create(network("out", &["10.60.0.0/24"], &mode)).await.unwrap_err();
        assert_eq!(refused.to_string(), "gateway mode 'isolated' can only be used for an internal network");
        let request = NetworkCreate { internal: true, ..network("alone", &["10.60.0.0/24"], &mode) };
        engine.networks.create(request).await.unwrap();
        assert_eq!(engine.networks.inspect("alone").unwrap().ipam.config[0].gateway, None);
        let (a, at_a) = engine.container("a", "alone", vec![]).await;
        let (b, _) = engine.container("b", "alone", vec![]).await;
        assert_eq!(at_a.ipv4, Some(("10.60.0.1".parse().unwrap(), 24)), "no address goes to a gateway");
        serve_tcp(&a, "0.0.0.0:80");
        assert!(ask_tcp(&b, "10.60.0.1:80").is_some());
        assert!(!run("ip -4 addr").contains("10.60.0."), "the bridge has no address");
        let Engine { networks, listeners, names, .. } = engine;
        drop(networks);
        let engine = Engine::open_with(dir.path(), listeners, names).await;
        assert_eq!(engine.networks.inspect("alone").unwrap().ipam.config[0].gateway, None, "after a restart");
    });
}

#[test]
fn a_bridge_of_the_users_own() {
    isolated("a_bridge_of_the_users_own", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        run("ip link add lan type bridge; ip addr add 10.60.0.7/24 dev lan; ip link set lan up");
        let options = [("com.docker.network.bridge.name", "lan"), ("com.docker.network.bridge.inhibit_ipv4", "true")];
        engine.networks.create(network("lan", &["10.60.0.0/24"], &options)).await.unwrap();
        let addresses = run("ip -4 addr show lan");
        assert!(addresses.contains("10.60.0.7/24") && !addresses.contains("10.60.0.1/24"), "{addresses}");
        let (a, endpoint) = engine.container("a", "lan", vec![]).await;
        assert_eq!(endpoint.gateway_ipv4, Some("10.60.0.1".parse().unwrap()));
        assert!(run_within(a.as_fd(), "ip route").contains("default via 10.60.0.1 dev eth0"));
        serve_tcp(here(), "10.60.0.7:80");
        assert!(ask_tcp(&a, "10.60.0.7:80").is_some());
        engine.networks.detach_all(&support::id("a")).await;
        engine.networks.remove("lan").await.unwrap();
        assert!(run("ip -4 addr show lan").contains("10.60.0.7/24"), "it stays with its owner");
    });
}

#[test]
fn trusted_interfaces_reach_published_ports_directly() {
    isolated("trusted_interfaces_reach_published_ports_directly", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run_within(outside.as_fd(), "ip route add 10.60.0.0/15 via 10.50.0.1");
        let engine = Engine::open(dir.path()).await;
        let trust = |interface| [("com.docker.network.bridge.trusted_host_interfaces", interface)];
        engine.networks.create(network("trusting", &["10.60.0.0/24"], &trust("x:wire0"))).await.unwrap();
        engine.networks.create(network("another", &["10.61.0.0/24"], &trust("x"))).await.unwrap();
        // Twice published is one port at the container's own address.
        for (name, ports) in [("trusting", [8080, 8081]), ("another", [8082, 8083])] {
            let ports = ports.map(|port| at("127.0.0.1", port, 80)).to_vec();
            let (web, _) = engine.container(name, name, ports).await;
            serve_tcp(&web, "0.0.0.0:80");
            serve_tcp(&web, "0.0.0.0:81");
        }
        assert!(ask_tcp(&outside, "10.60.0.2:80").is_some(), "published, from a trusted interface");
        assert!(unreachable(&outside, "10.60.0.2:81"), "not published");
        assert!(unreachable(&outside, "10.61.0.2:80"), "not trusted there");
        engine.networks.detach_all(&support::id("trusting")).await;
        let (next, _) = engine.container("next", "trusting", vec![]).await;
        serve_tcp(&next, "0.0.0.0:80");
        assert!(unreachable(&outside, "10.60.0.2:80"), "what was open is shut for the next one");
    });
}

#[test]
fn containers_leave_with_the_address_that_is_asked_for() {
    isolated("containers_leave_with_the_address_that_is_asked_for", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run("ip addr add 10.50.0.9/24 dev wire0; ip -6 addr add fd50::9/64 dev wire0 nodad");
        let engine = Engine::open(dir.path()).await;
        let options = [("com.docker.network.host_ipv4", "10.50.0.9"), ("com.docker.network.host_ipv6", "fd50::9")];
        engine.networks.create(network("chosen", &["10.60.0.0/24", "fd60::/64"], &options)).await.unwrap();
        let (web, _) = engine.container("web", "chosen", vec![]).await;
        let (plain, _) = engine.container("plain", "bridge", vec![]).await;
        serve_tcp(&outside, "0.0.0.0:80");
        serve_tcp(&outside, "[fd50::2]:81");
        assert_eq!(ask_tcp(&web, "10.50.0.2:80").as_deref(), Some("10.50.0.9"));
        assert_eq!(ask_tcp(&web, "[fd50::2]:81").as_deref(), Some("fd50::9"));
        assert_eq!(ask_tcp(&plain, "10.50.0.2:80").as_deref(), Some("10.50.0.1"));
        engine.networks.detach_all(&support::id("web")).await;
        engine.networks.remove("chosen").await.unwrap();
        assert!(!run("nft list table inet berth").contains("10.50.0.9"));
    });
}

/// A neighbour that sends to 127.0.0.1 over the wire, to a machine that takes such packets from there.
#[test]
fn what_is_published_on_loopback_is_for_this_machine() {
    isolated("what_is_published_on_loopback_is_for_this_machine", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run("sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0");
        run_within(
            outside.as_fd(),
            "sysctl -qw net.ipv4.conf.all.route_localnet=1; ip addr del 127.0.0.1/8 dev lo; \
             ip route flush table local 127.0.0.0/8; ip route add 127.0.0.1 via 10.50.0.1 src 10.50.0.2",
        );
        let engine = Engine::open(dir.path()).await;
        serve_tcp(here(), "127.0.0.1:9000");
        assert!(ask_tcp(&outside, "127.0.0.1:9000").is_some(), "the way is open");
        let (_web, _) = engine.container("web", "bridge", vec![at("127.0.0.1", 8080, 80)]).await;
        // In place of the relay's.
        engine.listeners.take(8080);
        serve_tcp(here(), "127.0.0.1:8080");
        assert!(ask_tcp(here(), "127.0.0.1:8080").is_some());
        assert!(unreachable(&outside, "127.0.0.1:8080"), "a neighbour");
        engine.networks.detach_all(&support::id("web")).await;
        assert!(ask_tcp(&outside, "127.0.0.1:8080").is_some(), "nothing is left of it");
    });
}

#[test]
fn link_local_addresses_beside_the_networks_own() {
    isolated("link_local_addresses_beside_the_networks_own", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("both", &["10.60.0.0/24", "fd60::/64"], &[])).await.unwrap();
        let sandbox = network::Sandbox::create().await.unwrap();
        let wanted: [IpAddr; 2] = ["169.254.8.9".parse().unwrap(), "fe80::77".parse().unwrap()];
        let asked = |link_local: Vec<IpAddr>| network::EndpointRequest {
            link_local,
            ..support::request("a", "both", &sandbox, vec![])
        };
        let refused = engine.networks.attach(asked(vec!["10.1.2.3".parse().unwrap()])).await.unwrap_err();
        assert_eq!(refused.to_string(), "invalid link local IP address: 10.1.2.3");
        assert!(engine.networks.endpoints(&support::id("a")).is_empty());
        engine.networks.attach(asked(wanted.to_vec())).await.unwrap();
        let inside = run_within(sandbox.as_fd(), "ip addr show eth0");
        for expect in ["10.60.0.2/24", "169.254.8.9/16", "fe80::77/64"] {
            assert!(inside.contains(expect), "{expect} is not in:\n{inside}");
        }
    });
}

#[test]
fn families_are_switched_by_options_too() {
    isolated("families_are_switched_by_options_too", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let options: BTreeMap<String, String> =
            [("com.docker.network.enable_ipv4", "false"), ("com.docker.network.enable_ipv6", "true")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        let request = NetworkCreate { name: "six".into(), options, ..Default::default() };
        engine.networks.create(request).await.unwrap();
        let made = engine.networks.inspect("six").unwrap();
        assert!(!made.enable_ipv4 && made.enable_ipv6 && made.ipam.config.len() == 1);
        let (_web, at) = engine.container("web", "six", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        assert!(at.ipv4.is_none() && at.ipv6.is_some());
        // A container without IPv4 is not reached by it.
        assert_eq!(engine.listeners.ports(), [("::".parse().unwrap(), 8080)]);
        let none = NetworkCreate { name: "none-of-both".into(), enable_ipv4: Some(false), ..Default::default() };
        assert_eq!(engine.networks.create(none).await.unwrap_err().to_string(), "IPv4 or IPv6 must be enabled");
    });
}

/// Only a kernel that shows bridged packets to the packet filter can tell them apart.
#[test]
fn links_open_single_ports_of_a_quiet_bridge() {
    isolated("links_open_single_ports_of_a_quiet_bridge", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::quiet(dir.path()).await;
        let bridge = engine.networks.inspect("bridge").unwrap();
        assert_eq!(bridge.options["com.docker.network.bridge.enable_icc"], "false");
        let (child, at_child) = engine.container("child", "bridge", vec![]).await;
        let (parent, _) = engine.container("parent", "bridge", vec![]).await;
        let (stranger, _) = engine.container("stranger", "bridge", vec![]).await;
        serve_tcp(&child, "0.0.0.0:80");
        serve_tcp(&child, "0.0.0.0:81");
        serve_tcp(&parent, "0.0.0.0:80");
        let ip = at_child.ipv4.unwrap().0;
        assert!(unreachable(&parent, "172.17.0.2:80"), "quiet");
        let port = |of: &str| (support::id(of), Protocol::Tcp, 80);
        engine.networks.link(&support::id("parent"), vec![port("child"), port("child")]).await.unwrap();
        assert!(ask_tcp(&parent, "172.17.0.2:80").is_some(), "the port that the link opens");
        assert!(unreachable(&parent, "172.17.0.2:81"), "another port");
        assert!(unreachable(&stranger, "172.17.0.2:80"), "another container");
        assert!(unreachable(&child, "172.17.0.3:80"), "the other way");

        // The address of a container that left may be another's next.
        engine.networks.detach_all(&support::id("child")).await;
        let (next, at_next) = engine.container("next", "bridge", vec![]).await;
        assert_eq!(at_next.ipv4.unwrap().0, ip);
        serve_tcp(&next, "0.0.0.0:80");
        assert!(unreachable(&parent, "172.17.0.2:80"), "the next one there");
        engine.networks.link(&support::id("parent"), vec![port("child")]).await.unwrap();
        assert!(unreachable(&parent, "172.17.0.2:80"), "the one that left is not the next one there");
        engine.networks.link(&support::id("parent"), vec![port("next")]).await.unwrap();
        assert!(ask_tcp(&parent, "172.17.0.2:80").is_some());
        engine.networks.link(&support::id("parent"), vec![]).await.unwrap();
        assert!(unreachable(&parent, "172.17.0.2:80"), "the link is gone");
        let opened = || run("nft list set inet berth links4").contains("elements");
        engine.networks.link(&support::id("parent"), vec![port("nobody")]).await.unwrap();
        assert!(!opened(), "to one that is not there");
    });
}

#[test]
fn containers_are_apart_by_both_families() {
    isolated("containers_are_apart_by_both_families", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let switch = |name: &str, to: u8| {
            run(&format!("test ! -e /proc/sys/net/bridge || sysctl -qw net.bridge.bridge-nf-call-{name}={to}"));
        };
        let options = BTreeMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())]);
        for (four, six) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            switch("iptables", four);
            switch("ip6tables", six);
            let quiet = NetworkCreate {
                name: "quiet".into(),
                enable_ipv6: Some(true),
                options: options.clone(),
                ..NetworkCreate::default()
            };
            engine.networks.create(quiet).await.unwrap();
            let (one, _) = engine.container("one", "quiet", vec![]).await;
            let (two, at) = engine.container("two", "quiet", vec![]).await;
            serve_tcp(&two, "[::]:80");
            for address in [format!("{}:80", at.ipv4.unwrap().0), format!("[{}]:80", at.ipv6.unwrap().0)] {
                assert!(unreachable(&one, &address), "{address} with {four}, {six}");
            }
            engine.networks.detach_all(&support::id("one")).await;
            engine.networks.detach_all(&support::id("two")).await;
            engine.networks.remove("quiet").await.unwrap();
        }
    });
}

#[test]
fn links_of_containers_that_leave_together_are_shut() {
    isolated("links_of_containers_that_leave_together_are_shut", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::quiet(dir.path()).await;
        for _ in 0..20 {
            let names = ["one", "two", "three"];
            let mut children = Vec::new();
            for name in names {
                children.push(engine.container(name, "bridge", vec![]).await);
            }
            let (_parent, _) = engine.container("parent", "bridge", vec![]).await;
            let ports = names.map(|name| (support::id(name), Protocol::Tcp, 80)).to_vec();
            engine.networks.link(&support::id("parent"), ports.clone()).await.unwrap();
            let everybody = ["one", "parent", "two", "three"].map(|name| {
                let (networks, ports) = (engine.networks.clone(), ports.clone());
                tokio::spawn(async move {
                    let (id, parent) = (support::id(name), support::id("parent"));
                    let ((), linked) = tokio::join!(networks.detach_all(&id), networks.link(&parent, ports));
                    linked.unwrap();
                })
            });
            for one in everybody {
                one.await.unwrap();
            }
            assert!(!run("nft list set inet berth links4").contains("elements"));
        }
        let Engine { networks, .. } = engine;
        drop(networks);
        let store = store::Store::open(&dir.path().join("store.redb")).unwrap();
        assert_eq!(store.table::<serde_json::Value>("endpoints").all().unwrap().len(), 0);
    });
}
