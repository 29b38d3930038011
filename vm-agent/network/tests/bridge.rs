//! Packets on real bridges: between containers, to the outside and back, to published ports, and not where they must not.

mod support;

use std::os::fd::AsFd;

use network::{NetworkCreate, PortRequest, Protocol};
use support::{
    Engine, ask_tcp, ask_udp, here, isolated, network, outside, publish, request, run, run_within, serve_tcp,
    serve_udp, unreachable,
};

#[test]
fn default_bridge_carries_traffic() {
    isolated("default_bridge_carries_traffic", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        let engine = Engine::open(dir.path()).await;
        let bridge = engine.networks.inspect("bridge").unwrap();
        assert_eq!(bridge.ipam.config[0].subnet.to_string(), "172.17.0.0/16");
        assert!(run("ip -4 addr show docker0").contains("inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0"));

        let (a, at_a) = engine.container("a", "bridge", vec![]).await;
        let (b, at_b) = engine.container("b", "bridge", vec![]).await;
        assert_eq!(at_a.ipv4, Some(("172.17.0.2".parse().unwrap(), 16)));
        assert_eq!(at_a.mac, Some([0x02, 0x42, 172, 17, 0, 2]));
        assert_eq!((at_a.interface.as_str(), at_b.interface.as_str()), ("eth0", "eth0"));
        let inside = run_within(a.as_fd(), "ip addr show eth0; ip route");
        for expect in ["172.17.0.2/16 brd 172.17.255.255", "02:42:ac:11:00:02", "default via 172.17.0.1 dev eth0"] {
            assert!(inside.contains(expect), "{expect} is not in:\n{inside}");
        }
        assert!(!inside.contains("inet6"), "no IPv6 without an IPv6 subnet:\n{inside}");
        assert!(run_within(a.as_fd(), "ip addr show lo").contains("::1/128"));

        serve_tcp(&a, "0.0.0.0:80");
        assert_eq!(ask_tcp(&b, "172.17.0.2:80").as_deref(), Some("172.17.0.3"), "container to container");
        assert_eq!(ask_tcp(here(), "172.17.0.2:80").as_deref(), Some("172.17.0.1"), "engine to container");
        serve_tcp(&outside, "0.0.0.0:80");
        assert_eq!(ask_tcp(&a, "10.50.0.2:80").as_deref(), Some("10.50.0.1"), "masqueraded to the outside");

        // Nothing gets in unasked, even with a route.
        run_within(outside.as_fd(), "ip route add 172.17.0.0/16 via 10.50.0.1");
        assert!(unreachable(&outside, "172.17.0.2:80"), "outside to a container's own address");

        let stats = engine.networks.stats(&a).await.unwrap();
        assert!(stats["eth0"].rx_bytes > 0 && stats["eth0"].tx_packets > 0 && !stats.contains_key("lo"));

        engine.networks.detach_all(&support::id("a")).await;
        assert!(unreachable(&b, "172.17.0.2:80"), "cut off at once");
        assert!(engine.networks.endpoints(&support::id("a")).is_empty());
        let (_c, at_c) = engine.container("c", "bridge", vec![]).await;
        assert_eq!(at_c.ipv4.unwrap().0.to_string(), "172.17.0.2", "the lowest free address is used again");
    });
}

#[test]
fn the_first_packet_arrives() {
    isolated("the_first_packet_arrives", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let mut lost = 0;
        for n in 0..40 {
            let network = format!("n{}", n % 4);
            if n < 4 {
                engine.networks.create(support::network(&network, &[], &[])).await.unwrap();
            }
            let (sandbox, at) = engine.container(&format!("c{n}"), &network, vec![]).await;
            let gateway = at.gateway_ipv4.unwrap();
            // Nobody listens there, so the machine answers at once that it refuses.
            let refused = support::within(&sandbox, move || {
                let wait = std::time::Duration::from_millis(500);
                std::net::TcpStream::connect_timeout(&(gateway, 9).into(), wait).unwrap_err().kind()
            });
            lost += usize::from(refused != std::io::ErrorKind::ConnectionRefused);
        }
        assert_eq!(lost, 0, "of 40 first packets");
    });
}

#[test]
fn published_ports_are_reached_from_everywhere() {
    isolated("published_ports_are_reached_from_everywhere", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        let engine = Engine::open(dir.path()).await;
        let ports = vec![publish(Protocol::Tcp, 8080, 80), publish(Protocol::Udp, 8080, 80)];
        let (web, endpoint) = engine.container("web", "bridge", ports).await;
        let (peer, _) = engine.container("peer", "bridge", vec![]).await;
        serve_tcp(&web, "0.0.0.0:80");
        serve_udp(&web, "0.0.0.0:80");
        let bound: Vec<String> =
            endpoint.ports.iter().map(|p| format!("{} {}:{}", p.protocol, p.host_ip, p.host_port)).collect();
        assert_eq!(bound, ["tcp 0.0.0.0:8080", "tcp :::8080", "udp 0.0.0.0:8080", "udp :::8080"]);

        assert_eq!(ask_tcp(&outside, "10.50.0.1:8080").as_deref(), Some("10.50.0.2"), "outside, its own address seen");
        assert_eq!(ask_udp(&outside, "10.50.0.1:8080").as_deref(), Some("10.50.0.2"));
        assert_eq!(ask_tcp(here(), "10.50.0.1:8080").as_deref(), Some("10.50.0.1"), "the machine itself");
        // With br_netfilter the kernel bridges such packets and needs no masquerading.
        assert!(ask_tcp(&peer, "172.17.0.1:8080").is_some(), "a neighbour by the gateway");
        without_bridge_filter();
        assert_eq!(ask_tcp(&peer, "172.17.0.1:8080").as_deref(), Some("172.17.0.1"), "a neighbour by the gateway");
        assert_eq!(ask_udp(&peer, "172.17.0.1:8080").as_deref(), Some("172.17.0.1"));
        assert_eq!(ask_tcp(&web, "10.50.0.1:8080").as_deref(), Some("172.17.0.1"), "itself, by the machine's address");
        engine.networks.create(network("other", &[], &[])).await.unwrap();
        let (other, _) = engine.container("other", "other", vec![]).await;
        assert_eq!(ask_tcp(&other, "10.50.0.1:8080").as_deref(), Some("172.17.0.1"), "another network");
        // The way in for direct access stays shut for published ports, too.
        run_within(outside.as_fd(), "ip route add 172.17.0.0/16 via 10.50.0.1");
        assert!(unreachable(&outside, "172.17.0.2:80"));

        // A client that keeps sending from one port is not stuck with what was decided for its first datagram.
        let client = support::within(&outside, || {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect("10.50.0.1:5353").unwrap();
            socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            socket.send(b"?").unwrap();
            // Nobody there: the machine says so.
            assert!(socket.recv(&mut [0; 64]).is_err());
            socket
        });
        let (late, _) = engine.container("late", "bridge", vec![publish(Protocol::Udp, 5353, 53)]).await;
        serve_udp(&late, "0.0.0.0:53");
        let mut buffer = [0; 64];
        // An error of the first datagram may still be due, and a datagram may be lost.
        let length = (0..12).find_map(|_| {
            client.send(b"?").ok()?;
            client.recv(&mut buffer).ok()
        });
        assert_eq!(&buffer[..length.expect("an answer")], b"10.50.0.2");
        engine.networks.detach_all(&support::id("late")).await;

        let only = PortRequest { host_ip: Some("10.50.0.1".parse().unwrap()), ..publish(Protocol::Tcp, 9090, 80) };
        let (second, _) = engine.container("second", "bridge", vec![only]).await;
        serve_tcp(&second, "0.0.0.0:80");
        assert_eq!(ask_tcp(&outside, "10.50.0.1:9090").as_deref(), Some("10.50.0.2"));
        assert!(unreachable(&peer, "172.17.0.1:9090"), "published on one address only");
        assert!(
            run("nft list ruleset").contains("10.50.0.1 . tcp . 9090 : 172.17.0.4 . 80"),
            "{}",
            run("nft list ruleset")
        );

        engine.networks.detach_all(&support::id("web")).await;
        assert!(unreachable(&outside, "10.50.0.1:8080"), "closed with its container");
        assert_eq!(engine.listeners.ports(), [("10.50.0.1".parse().unwrap(), 9090)]);
    });
}

#[test]
fn refused_ports_leave_nothing_behind() {
    isolated("refused_ports_leave_nothing_behind", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let (_web, _) = engine.container("web", "bridge", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        let before = (run("ip -o link | wc -l"), run("nft list ruleset"), engine.listeners.ports());
        let sandbox = network::Sandbox::create().await.unwrap();
        let busy = std::net::TcpListener::bind("0.0.0.0:9000").unwrap();
        *engine.listeners.broken.lock().unwrap() = Some(9001);
        for (port, expect) in [
            (8080, "Bind for 0.0.0.0:8080 failed: port is already allocated"),
            (9000, "failed to bind host port for 0.0.0.0:9000:172.17.0.3:80/tcp: address already in use"),
            (9001, "failed to bind host port for 0.0.0.0:9001:172.17.0.3:80/tcp: the host does not answer"),
        ] {
            let ports = vec![publish(Protocol::Tcp, 7000, 80), publish(Protocol::Tcp, port, 80)];
            let error =
                engine.networks.attach(request("bad", "bridge", &sandbox, ports)).await.unwrap_err().to_string();
            let (start, end) = error.split_once(" (").unwrap();
            assert_eq!(start, "driver failed programming external connectivity on endpoint bad");
            assert_eq!(&end[64..], format!("): {expect}"));
            assert_eq!((run("nft list ruleset"), engine.listeners.ports()), (before.1.clone(), before.2.clone()));
            assert!(engine.networks.endpoints(&support::id("bad")).is_empty());
        }
        eventually(|| run("ip -o link | wc -l") == before.0);
        drop(busy);
        // The interface's name is free again, so are ports and address.
        let ports = vec![publish(Protocol::Tcp, 7000, 80), publish(Protocol::Tcp, 9000, 80)];
        let endpoint = engine.networks.attach(request("good", "bridge", &sandbox, ports)).await.unwrap();
        assert_eq!((endpoint.interface.as_str(), endpoint.ipv4.unwrap().0.to_string()), ("eth0", "172.17.0.3".into()));

        // Ephemeral ports skip what others hold.
        let _taken = std::net::TcpListener::bind("0.0.0.0:32768").unwrap();
        let any = PortRequest { protocol: Protocol::Tcp, container_port: 80, host_ip: None, host_ports: None };
        let (_any, endpoint) = engine.container("any", "bridge", vec![any]).await;
        assert_eq!(endpoint.ports[0].host_port, 32769);
    });
}

#[test]
fn networks_are_apart() {
    isolated("networks_are_apart", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        let engine = Engine::open(dir.path()).await;
        for request in [
            network("one", &[], &[]),
            network("two", &[], &[]),
            NetworkCreate { internal: true, ..network("inner", &[], &[]) },
            network("quiet", &[], &[("com.docker.network.bridge.enable_icc", "false")]),
        ] {
            engine.networks.create(request).await.unwrap();
        }
        serve_tcp(&outside, "0.0.0.0:80");
        let mut hosts = Vec::new();
        for (network, ports) in
            [("one", vec![]), ("two", vec![]), ("inner", vec![]), ("quiet", vec![publish(Protocol::Tcp, 8080, 80)])]
        {
            let (first, at) = engine.container(&format!("{network}-1"), network, ports).await;
            let (second, _) = engine.container(&format!("{network}-2"), network, vec![]).await;
            serve_tcp(&first, "0.0.0.0:80");
            hosts.push((network, first, second, format!("{}:80", at.ipv4.unwrap().0)));
        }
        for (network, _, second, address) in &hosts {
            let answers = |open, address: &str| {
                if open { ask_tcp(second, address).is_some() } else { unreachable(second, address) }
            };
            assert!(answers(*network != "quiet", address), "within {network}");
            assert!(answers(*network != "inner", "10.50.0.2:80"), "{network} to the outside");
            for (other, _, _, address) in hosts.iter().filter(|(n, ..)| n != network) {
                assert!(unreachable(second, address), "{network} to {other}");
            }
        }
        let quiet = &hosts[3];
        assert!(ask_tcp(&quiet.2, "10.50.0.1:8080").is_some(), "published ports work on a quiet network");
        without_bridge_filter();
        let (third, at_third) = engine.container("third", "quiet", vec![publish(Protocol::Tcp, 8081, 80)]).await;
        let (fourth, _) = engine.container("fourth", "quiet", vec![]).await;
        serve_tcp(&third, "0.0.0.0:80");
        assert!(unreachable(&fourth, &format!("{}:80", at_third.ipv4.unwrap().0)), "quiet by isolated ports");
        assert!(ask_tcp(&fourth, "10.50.0.1:8081").is_some(), "published ports work beside isolated ports");
        let inside = run_within(hosts[2].1.as_fd(), "ip route");
        assert!(!inside.contains("default"), "an internal network has no way out:\n{inside}");
    });
}

#[test]
fn the_users_chain_comes_first_and_stays() {
    isolated("the_users_chain_comes_first_and_stays", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        serve_tcp(&outside, "0.0.0.0:80");
        let engine = Engine::open(dir.path()).await;
        let (a, _) = engine.container("a", "bridge", vec![]).await;
        assert!(ask_tcp(&a, "10.50.0.2:80").is_some());
        run("nft add rule inet berth user ip daddr 10.50.0.2 drop");
        assert!(unreachable(&a, "10.50.0.2:80"));
        let Engine { networks, listeners, names, .. } = engine;
        drop(networks);
        let engine = Engine::open_with(dir.path(), listeners, names).await;
        assert!(unreachable(&a, "10.50.0.2:80"), "kept over a restart");
        run("nft flush chain inet berth user");
        assert!(ask_tcp(&a, "10.50.0.2:80").is_some());

        // Whoever removes a bridge gets it back likewise.
        run("ip link del docker0");
        let (c, _) = engine.container("c", "bridge", vec![]).await;
        assert!(ask_tcp(&c, "10.50.0.2:80").is_some());
        let (a, _) = engine.container("a2", "bridge", vec![]).await;

        // Whoever flushes everything gets it back with the next change.
        run("nft flush ruleset");
        let (_b, _) = engine.container("b", "bridge", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        assert!(ask_tcp(&a, "10.50.0.2:80").is_some());
        assert!(engine.networks.warnings().await.is_empty());
        run(
            "nft 'add table ip theirs; add chain ip theirs FORWARD { type filter hook forward priority 0; policy drop; }'",
        );
        let warnings = engine.networks.warnings().await;
        assert!(warnings[0].contains("chain FORWARD of table ip theirs drops"), "{warnings:?}");
    });
}

/// The examples of `docs/networking.md`, word for word, but for the machine's interface and the subnet.
#[test]
fn the_documented_rules_of_the_user_hold() {
    isolated("the_documented_rules_of_the_user_hold", || async {
        let page = include_str!("../../../docs/networking.md");
        let rule = |part: &str| {
            let line = page.lines().find(|line| line.starts_with("nft add rule") && line.contains(part)).unwrap();
            line.replace("eth0", "wire0")
        };
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run_within(outside.as_fd(), "ip addr add 10.50.0.3/24 dev wire1");
        let engine = Engine::open(dir.path()).await;
        let ports = vec![publish(Protocol::Tcp, 8080, 80), publish(Protocol::Tcp, 8081, 80)];
        let (web, _) = engine.container("web", "bridge", ports).await;
        serve_tcp(&web, "0.0.0.0:80");
        serve_tcp(&outside, "0.0.0.0:80");
        run(&rule("proto-dst 8080"));
        assert!(unreachable(&outside, "10.50.0.1:8080"), "the port that is named");
        assert!(ask_tcp(&outside, "10.50.0.1:8081").is_some(), "another port of the same container's port");
        assert!(ask_tcp(here(), "10.50.0.1:8080").is_some(), "this machine itself");
        run("nft flush chain inet berth user");
        assert!(ask_tcp(&outside, "10.50.0.1:8080").is_some());

        run(&rule("ct state established,related return"));
        run(&rule("ip saddr != 192.0.2.0/24 drop").replace("192.0.2.0/24", "10.50.0.3/32"));
        assert!(unreachable(&outside, "10.50.0.1:8080"), "not of the subnet");
        assert!(ask_tcp(&web, "10.50.0.2:80").is_some(), "answers from outside come in");
        run_within(outside.as_fd(), "ip route replace 10.50.0.1 dev wire1 src 10.50.0.3");
        assert!(ask_tcp(&outside, "10.50.0.1:8080").is_some(), "of the subnet");
    });
}

/// As in a kernel without br_netfilter.
fn without_bridge_filter() {
    run(
        "test ! -e /proc/sys/net/bridge || sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0",
    );
}

/// Waits for what the kernel or a background thread does soon.
fn eventually(mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !holds() {
        assert!(std::time::Instant::now() < end, "did not come true within two minutes");
        std::thread::yield_now();
    }
}
