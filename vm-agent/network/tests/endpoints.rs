//! Many endpoints, several networks for one container, names, and restarts of the engine.

mod support;

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use network::{Attachment, EndpointRequest, NetworkCreate, Protocol, Sandbox};
use support::{Engine, ask_tcp, id, isolated, network, publish, request, run, run_within, serve_tcp, within};

#[test]
fn two_hundred_endpoints_come_and_go() {
    isolated("two_hundred_endpoints_come_and_go", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let links = run("ip -o link | wc -l");
        let (mut made, mut attached, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..2 {
            let mut tasks = Vec::new();
            let mut addresses = BTreeSet::new();
            for n in 0..100 {
                let start = Instant::now();
                let sandbox = Sandbox::create().await.unwrap();
                made.push(start.elapsed());
                let start = Instant::now();
                let name = format!("c{round}-{n}");
                let endpoint = engine.networks.attach(request(&name, "bridge", &sandbox, vec![])).await.unwrap();
                attached.push(start.elapsed());
                assert!(addresses.insert(endpoint.ipv4.unwrap().0), "an address given twice");
                tasks.push((name, sandbox));
            }
            assert_eq!(addresses.last().unwrap().to_string(), "172.17.0.101");
            assert_eq!(engine.networks.inspect("bridge").unwrap().containers.len(), 100);
            for (name, sandbox) in tasks {
                let start = Instant::now();
                engine.networks.detach_all(&id(&name)).await;
                drop(sandbox);
                released.push(start.elapsed());
            }
        }
        // On a network with names the sandbox gets two sockets and a table of its own.
        engine.networks.create(network("app", &[], &[])).await.unwrap();
        let mut with_names = Vec::new();
        for n in 0..40 {
            let sandbox = Sandbox::create().await.unwrap();
            let start = Instant::now();
            engine.networks.attach(request(&format!("n{n}"), "app", &sandbox, vec![])).await.unwrap();
            with_names.push(start.elapsed());
            engine.networks.detach_all(&id(&format!("n{n}"))).await;
        }
        engine.networks.remove("app").await.unwrap();

        // Thirty at once, as `docker compose up` does.
        let start = Instant::now();
        let tasks: Vec<_> = (0..30)
            .map(|n| {
                let networks = engine.networks.clone();
                tokio::spawn(async move {
                    let sandbox = Sandbox::create().await.unwrap();
                    networks.attach(request(&format!("p{n}"), "bridge", &sandbox, vec![])).await.unwrap();
                    sandbox
                })
            })
            .collect();
        let mut sandboxes = Vec::new();
        for task in tasks {
            sandboxes.push(task.await.unwrap());
        }
        println!("30 at once: {:?}", start.elapsed());
        for n in 0..30 {
            engine.networks.detach_all(&id(&format!("p{n}"))).await;
        }
        drop(sandboxes);
        for (what, mut times) in
            [("sandbox", made), ("attach", attached), ("attach with names", with_names), ("detach", released)]
        {
            times.sort();
            println!("{what}: min {:?} median {:?} max {:?}", times[0], times[times.len() / 2], times[times.len() - 1]);
        }
        assert!(engine.networks.inspect("bridge").unwrap().containers.is_empty());
        let end = Instant::now() + Duration::from_secs(120);
        while run("ip -o link | wc -l") != links {
            assert!(Instant::now() < end, "links were left: {}", run("ip -o link"));
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_container_on_several_networks() {
    isolated("a_container_on_several_networks", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("alpha", &["10.1.0.0/24"], &[])).await.unwrap();
        engine.networks.create(network("beta", &["10.2.0.0/24"], &[])).await.unwrap();
        let sandbox = Sandbox::create().await.unwrap();
        let routes = |sandbox: &Sandbox| run_within(sandbox.as_fd(), "ip -o route show default");
        let beta = engine.networks.attach(request("c", "beta", &sandbox, vec![])).await.unwrap();
        assert!(routes(&sandbox).contains("via 10.2.0.1 dev eth0"));
        let alpha = engine.networks.attach(request("c", "alpha", &sandbox, vec![])).await.unwrap();
        assert_eq!((beta.interface.as_str(), alpha.interface.as_str()), ("eth0", "eth1"));
        assert!(routes(&sandbox).contains("via 10.1.0.1 dev eth1"), "the first name wins: {}", routes(&sandbox));
        let mut first = request("c", "bridge", &sandbox, vec![]);
        first.gateway_priority = 1;
        engine.networks.attach(first).await.unwrap();
        assert!(routes(&sandbox).contains("via 172.17.0.1 dev eth2"), "priority before name: {}", routes(&sandbox));
        let error = engine.networks.attach(request("c", "beta", &sandbox, vec![])).await.unwrap_err();
        assert_eq!(error.to_string(), "endpoint with name c already exists in network beta");

        engine.networks.detach(&id("c"), "bridge", Some(&sandbox)).await.unwrap();
        assert!(routes(&sandbox).contains("via 10.1.0.1 dev eth1"));
        assert!(!run_within(sandbox.as_fd(), "ip -o link").contains("eth2"));
        engine.networks.detach(&id("c"), "alpha", Some(&sandbox)).await.unwrap();
        assert!(routes(&sandbox).contains("via 10.2.0.1 dev eth0"));
        let error = engine.networks.detach(&id("c"), "alpha", None).await.unwrap_err().to_string();
        assert_eq!(error, format!("container {} is not connected to network alpha", id("c")));

        let host = engine.networks.attach(request("c", "host", &sandbox, vec![])).await.unwrap_err();
        assert!(host.to_string().starts_with("cannot connect container to host network"), "{host}");
        let mut plain = request("h", "host", &sandbox, vec![]);
        plain.sandbox = None;
        let endpoint = engine.networks.attach(plain).await.unwrap();
        assert_eq!((endpoint.interface.as_str(), endpoint.ipv4), ("", None));
        engine.networks.detach_all(&id("h")).await;
    });
}

#[test]
fn refusals_are_worded_as_dockerd_words_them() {
    isolated("refusals_are_worded_as_dockerd_words_them", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let networks = &engine.networks;
        networks.create(network("given", &["10.1.0.0/24"], &[])).await.unwrap();
        networks.create(network("chosen", &[], &[])).await.unwrap();
        let (_first, endpoint) = engine.container("first", "given", vec![]).await;
        let sandbox = Sandbox::create().await.unwrap();
        let attach = async |network: &str, ip: &str| {
            let mut wanted = request("bad", network, &sandbox, vec![]);
            wanted.ipv4 = Some(ip.parse().unwrap());
            networks.attach(wanted).await.unwrap_err().to_string()
        };
        assert_eq!(attach("given", "10.1.0.2").await, "Address already in use");
        assert_eq!(attach("given", "10.1.0.1").await, "Address already in use");
        assert_eq!(
            attach("given", "10.9.0.1").await,
            "invalid endpoint settings:\n\
             no configured subnet or ip-range contain the IP address 10.9.0.1"
        );
        let needs =
            "user specified IP address is supported only when connecting to networks with user configured subnets";
        assert_eq!(attach("chosen", "172.18.0.9").await, format!("invalid endpoint settings:\n{needs}"));
        assert_eq!(
            attach("bridge", "172.17.0.9").await,
            format!(
                "invalid endpoint settings:\n\
                 * user specified IP address is supported on user defined networks only\n* {needs}"
            )
        );
        assert_eq!(attach("nosuch", "10.0.0.1").await, "network nosuch not found");
        assert!(networks.endpoints(&id("bad")).is_empty());

        let refused = async |request| networks.create(request).await.unwrap_err().to_string();
        assert_eq!(refused(network("given", &[], &[])).await, "network with name given already exists");
        assert_eq!(
            refused(network("bridge", &[], &[])).await,
            "operation is not permitted on predefined bridge network"
        );
        assert_eq!(refused(network(" ", &[], &[])).await, "invalid name: name is empty");
        assert_eq!(
            refused(network("x", &["10.1.0.0/25"], &[])).await,
            "invalid pool request: Pool overlaps with other one on this address space"
        );
        let driver = |driver: &str| NetworkCreate { driver: driver.into(), ..network("x", &[], &[]) };
        assert_eq!(refused(driver("foo")).await, "plugin \"foo\" not found");
        assert_eq!(refused(driver("host")).await, "only one instance of \"host\" network is allowed");
        assert_eq!(
            networks.remove("bridge").await.unwrap_err().to_string(),
            "bridge is a pre-defined network and cannot be removed"
        );
        assert_eq!(networks.remove("nosuch").await.unwrap_err().to_string(), "network nosuch not found");
        assert_eq!(
            networks.remove("given").await.unwrap_err().to_string(),
            format!(
                "error while removing network: network given has active endpoints (name:\"first\" id:\"{}\")",
                &endpoint.id[..12]
            )
        );
        networks.detach_all(&id("first")).await;
        assert_eq!(networks.prune(|n| n.name != "chosen").await.unwrap(), ["given"]);
        let id = networks.inspect("chosen").unwrap().id;
        networks.remove(&id[..8]).await.unwrap();
        let names: Vec<String> = networks.list().into_iter().map(|n| n.name).collect();
        assert_eq!(names, ["bridge", "host", "none"]);
        assert!(!run("ip -o link").contains("br-"));
        assert!(!run("nft list ruleset").contains("br-"));
    });
}

#[test]
fn names_reach_the_name_service() {
    isolated("names_reach_the_name_service", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("app", &[], &[])).await.unwrap();
        let app = engine.networks.inspect("app").unwrap().id;
        let sandbox = Sandbox::create().await.unwrap();
        let mut wanted = request("db", "app", &sandbox, vec![]);
        wanted.aliases = vec!["database".into()];
        wanted.hostname = "db.local".into();
        wanted.dns = vec!["9.9.9.9".parse().unwrap()];
        let endpoint = engine.networks.attach(wanted).await.unwrap();
        assert_eq!(endpoint.dns_names, ["db", "database", &id("db")[..12], "db.local"]);
        {
            let records = engine.names.records.lock().unwrap();
            assert_eq!(records[&endpoint.id].names, endpoint.dns_names);
            assert_eq!(records[&endpoint.id].addresses[0].to_string(), "172.18.0.2");
            let served = engine.names.served.lock().unwrap();
            let (resolver, sockets) = &served[&id("db")];
            assert_eq!((resolver.networks.as_slice(), resolver.external), ([app].as_slice(), true));
            assert_eq!(resolver.upstream, ["9.9.9.9:53".parse().unwrap()]);

            // What the container sends to 127.0.0.11:53 arrives on the socket, and the answer seems to come from there.
            let socket: UdpSocket = sockets.as_ref().unwrap().udp.try_clone().unwrap().into();
            let tcp: std::net::TcpListener = sockets.as_ref().unwrap().tcp.try_clone().unwrap().into();
            let asked = within(&sandbox, move || {
                // The container may use port 53 itself.
                let _own = UdpSocket::bind("0.0.0.0:53").unwrap();
                let client = UdpSocket::bind("0.0.0.0:0").unwrap();
                client.connect("127.0.0.11:53").unwrap();
                client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                client.send(b"question").unwrap();
                let mut buffer = [0; 16];
                let (length, peer) = socket.recv_from(&mut buffer).unwrap();
                socket.send_to(&buffer[..length], peer).unwrap();
                let length = client.recv(&mut buffer).unwrap();
                let stream = std::net::TcpStream::connect("127.0.0.11:53").unwrap();
                let (_, from) = tcp.accept().unwrap();
                assert_eq!(from, stream.local_addr().unwrap());
                buffer[..length].to_vec()
            });
            assert_eq!(asked, b"question");
        }
        engine.networks.rename(&id("db"), "store").await.unwrap();
        assert_eq!(engine.names.records.lock().unwrap()[&endpoint.id].names[0], "store");
        // A second network: the same sockets, more names.
        engine.networks.create(network("back", &[], &[])).await.unwrap();
        engine.networks.attach(request("db", "back", &sandbox, vec![])).await.unwrap();
        assert_eq!(engine.names.served.lock().unwrap()[&id("db")].0.networks.len(), 2);
        engine.networks.detach(&id("db"), "app", Some(&sandbox)).await.unwrap();
        assert_eq!(engine.names.served.lock().unwrap()[&id("db")].0.networks.len(), 1);
        assert!(engine.names.served.lock().unwrap()[&id("db")].1.is_some());
        engine.networks.detach_all(&id("db")).await;
        assert!(engine.names.served.lock().unwrap().is_empty());
        assert!(engine.names.records.lock().unwrap().is_empty());
        // The default bridge has no names.
        let (_plain, endpoint) = engine.container("plain", "bridge", vec![]).await;
        assert!(endpoint.dns_names.is_empty() && engine.names.served.lock().unwrap().is_empty());
    });
}

#[test]
fn a_restarted_engine_keeps_the_living_and_collects_the_dead() {
    isolated("a_restarted_engine_keeps_the_living_and_collects_the_dead", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = support::outside();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("app", &[], &[])).await.unwrap();
        let (alive, at) = engine.container("alive", "app", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        let (_dead, _) = engine.container("dead", "app", vec![publish(Protocol::Tcp, 8081, 80)]).await;
        serve_tcp(&alive, "0.0.0.0:80");
        let before = engine.networks.list();
        run("ip link add veth-stray type veth peer name stray; ip link set veth-stray master docker0");
        run("ip link add br-stray type bridge; ip link set br-stray alias berth:0000");
        run("ip link add br-theirs type bridge");
        // One that runs, but of whose endpoint nothing is known any more.
        let (unknown, lost) = engine.container("unknown", "app", vec![]).await;
        let Engine { networks, listeners, names, .. } = engine;
        drop(networks);
        let store = store::Store::open(&dir.path().join("store.redb")).unwrap();
        store.table::<String>("endpoints").remove(&lost.id, store::Durability::Durable).await.unwrap();
        drop(store);

        let engine = Engine::open_with(dir.path(), listeners, names).await;
        assert_eq!(ask_tcp(&outside, "10.50.0.1:8080").as_deref(), Some("10.50.0.2"), "ports stay open all the time");
        let running = || {
            let attachment = |name, sandbox| Attachment { container_id: id(name), sandbox: Some(sandbox) };
            vec![attachment("alive", &alive), attachment("unknown", &unknown)]
        };
        engine.networks.adopt(running()).await.unwrap();
        let after = engine.networks.list();
        assert_eq!(before.iter().map(|n| &n.id).collect::<Vec<_>>(), after.iter().map(|n| &n.id).collect::<Vec<_>>());
        let containers = &after.iter().find(|n| n.name == "app").unwrap().containers;
        assert_eq!(containers.keys().collect::<Vec<_>>(), [&id("alive")]);
        assert_eq!(engine.networks.endpoints(&id("alive")), std::slice::from_ref(&at));
        assert_eq!(engine.listeners.ports().len(), 2, "only the living container's listeners");
        assert_eq!(engine.names.records.lock().unwrap().keys().collect::<Vec<_>>(), [&at.id]);
        let links = run("ip -o link");
        assert!(!links.contains("stray") && links.contains("br-theirs"), "{links}");
        assert!(links.contains(&lost.host_interface), "{links}");
        assert_eq!(ask_tcp(&outside, "10.50.0.1:8080").as_deref(), Some("10.50.0.2"));
        let (_next, endpoint) = engine.container("next", "app", vec![]).await;
        assert_eq!(endpoint.ipv4.unwrap().0.to_string(), "172.18.0.3", "the dead container's address");

        // After a boot of the machine nothing of the kernel's state is left.
        let Engine { networks, .. } = engine;
        networks.detach_all(&id("next")).await;
        drop(networks);
        run("nft flush ruleset; ip link del docker0");
        for link in run("ip -o link | grep -o 'br-[0-9a-f]*' | sort -u").lines() {
            run(&format!("ip link del {link} || true"));
        }
        let engine = Engine::open_with(dir.path(), Default::default(), Default::default()).await;
        engine.networks.adopt(vec![]).await.unwrap();
        assert!(engine.networks.inspect("app").unwrap().containers.is_empty());
        let (fresh, _) = engine.container("fresh", "app", vec![]).await;
        serve_tcp(&outside, "0.0.0.0:80");
        assert!(ask_tcp(&fresh, "10.50.0.2:80").is_some());
    });
}

/// Neighbours know the next container with an address at once, be it that the last one had a MAC address of its own.
#[test]
fn neighbours_know_the_next_owner() {
    isolated("neighbours_know_the_next_owner", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let (peer, _) = engine.container("peer", "bridge", vec![]).await;
        let first = Sandbox::create().await.unwrap();
        let mac = Some([0x02, 0, 0, 0, 0, 0x99]);
        let at = engine.networks.attach(EndpointRequest { mac, ..request("first", "bridge", &first, vec![]) }).await;
        assert_eq!(at.unwrap().ipv4.unwrap().0.to_string(), "172.17.0.3");
        serve_tcp(&first, "0.0.0.0:80");
        assert!(ask_tcp(&peer, "172.17.0.3:80").is_some());
        let known = || run_within(peer.as_fd(), "ip neigh show 172.17.0.3");
        assert!(known().contains("02:00:00:00:00:99"), "{}", known());
        engine.networks.detach_all(&id("first")).await;
        let (_second, at) = engine.container("second", "bridge", vec![]).await;
        assert_eq!(at.ipv4.unwrap().0.to_string(), "172.17.0.3");
        assert!(known().contains("02:42:ac:11:00:03"), "{}", known());
    });
}

/// One container that cannot be looked into keeps none of the others from what is theirs.
#[test]
fn a_failure_does_not_end_the_adoption() {
    isolated("a_failure_does_not_end_the_adoption", || async {
        let dir = tempfile::tempdir().unwrap();
        run("ip link add card0 type veth peer name card1; ip link set card0 up");
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("app", &[], &[])).await.unwrap();
        let lan = network("lan", &[], &[("parent", "card0")]);
        engine.networks.create(NetworkCreate { driver: "macvlan".into(), ..lan }).await.unwrap();
        let (_odd, _) = engine.container("odd", "lan", vec![]).await;
        let (alive, at) = engine.container("alive", "app", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        let (_dead, _) = engine.container("dead", "app", vec![publish(Protocol::Tcp, 8081, 80)]).await;
        drop(engine);

        let engine = Engine::open(dir.path()).await;
        // No process: entering it fails, and not as with one that has ended.
        let odd = Sandbox::of_process(std::sync::Arc::new(std::fs::File::open("/dev/null").unwrap().into()));
        let running = [("odd", &odd), ("alive", &alive)];
        let running = running.map(|(name, sandbox)| Attachment { container_id: id(name), sandbox: Some(sandbox) });
        let error = engine.networks.adopt(running.into()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot enter a network namespace: Invalid argument (os error 22)");
        assert_eq!(engine.networks.endpoints(&id("dead")), []);
        assert!(engine.listeners.ports().iter().all(|(_, port)| *port == 8080), "{:?}", engine.listeners.ports());
        assert_eq!(engine.listeners.ports().len(), 2);
        assert_eq!(engine.names.records.lock().unwrap().keys().filter(|endpoint| **endpoint == at.id).count(), 1);
        assert!(engine.names.served.lock().unwrap().contains_key(&id("alive")));
    });
}

#[test]
fn both_families_on_one_network() {
    isolated("both_families_on_one_network", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = support::outside();
        let engine = Engine::open(dir.path()).await;
        let dual = NetworkCreate { enable_ipv4: Some(true), ..network("dual", &["fd99:1::/64"], &[]) };
        engine.networks.create(dual).await.unwrap();
        let (a, at) = engine.container("a", "dual", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        let (b, _) = engine.container("b", "dual", vec![]).await;
        assert_eq!(at.ipv4.unwrap().0.to_string(), "172.18.0.2");
        assert_eq!(at.ipv6.unwrap().0.to_string(), "fd99:1::2");
        serve_tcp(&a, "[::]:80");
        serve_tcp(&outside, "[::]:80");
        assert_eq!(ask_tcp(&b, "[fd99:1::2]:80").as_deref(), Some("fd99:1::3"));
        assert!(ask_tcp(&b, "172.18.0.2:80").is_some());
        assert_eq!(ask_tcp(&a, "[fd50::2]:80").as_deref(), Some("fd50::1"), "masqueraded");
        assert_eq!(ask_tcp(&outside, "[fd50::1]:8080").as_deref(), Some("fd50::2"), "published");
        // The kernel routes no packet from a link-local address: a listener of the machine serves it.
        let index = |text: String| text.split(':').next().unwrap().to_owned();
        let here = index(run("ip -6 addr add fe80::50 dev wire0 nodad; ip -o link show wire0"));
        let there =
            index(run_within(outside.as_fd(), "ip -6 addr add fe80::51 dev wire1 nodad; ip -o link show wire1"));
        serve_tcp(support::here(), &format!("[fe80::50%{here}]:8080"));
        assert_eq!(ask_tcp(&outside, &format!("[fe80::50%{there}]:8080")).as_deref(), Some("fe80::51"));
        assert_eq!(ask_tcp(&outside, "[fd50::1]:8080").as_deref(), Some("fd50::2"), "published as before");
        run_within(outside.as_fd(), "ip -6 route add fd99:1::/64 via fd50::1");
        assert!(support::unreachable(&outside, "[fd99:1::2]:80"));
        let only6 = NetworkCreate { enable_ipv4: Some(false), enable_ipv6: Some(true), ..network("six", &[], &[]) };
        engine.networks.create(only6).await.unwrap();
        let (_six, at) = engine.container("six", "six", vec![]).await;
        assert!(at.ipv4.is_none() && at.ipv6.is_some() && at.gateway_ipv6.is_some(), "{at:?}");
    });
}

#[test]
fn the_next_owner_of_an_address_is_reached_at_once() {
    isolated("the_next_owner_of_an_address_is_reached_at_once", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let only6 = NetworkCreate { enable_ipv4: Some(false), enable_ipv6: Some(true), ..network("six", &[], &[]) };
        engine.networks.create(only6).await.unwrap();
        let (peer, _) = engine.container("peer", "six", vec![]).await;
        let mut before = None;
        for name in ["first", "second"] {
            let (sandbox, at) = engine.container(name, "six", vec![]).await;
            let (address, mac) = (at.ipv6.unwrap().0, at.mac.unwrap());
            serve_tcp(&sandbox, "[::]:80");
            for from in [&peer.as_fd(), &support::here().as_fd()] {
                assert!(ask_tcp(from, &format!("[{address}]:80")).is_some(), "{name}");
            }
            if let Some((earlier, its_mac)) = before.replace((address, mac)) {
                assert!(earlier == address && its_mac != mac, "{at:?}");
            }
            engine.networks.detach_all(&id(name)).await;
        }
    });
}

#[test]
fn options_reach_the_links() {
    isolated("options_reach_the_links", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        let options = [
            ("com.docker.network.bridge.name", "mybridge"),
            ("com.docker.network.driver.mtu", "1400"),
            ("com.docker.network.container_iface_prefix", "net"),
            ("com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"),
        ];
        engine.networks.create(network("special", &[], &options)).await.unwrap();
        let (sandbox, at) = engine.container("c", "special", vec![publish(Protocol::Tcp, 8080, 80)]).await;
        assert_eq!(at.interface, "net0");
        assert_eq!(at.ports[0].host_ip.to_string(), "127.0.0.1");
        assert!(run("ip -o link show mybridge").contains("mtu 1400"));
        assert!(run_within(sandbox.as_fd(), "ip -o link show net0").contains("mtu 1400"));
        let taken = network("x", &[], &[("com.docker.network.bridge.name", "docker0")]);
        let error = engine.networks.create(taken).await.unwrap_err();
        assert!(error.to_string().contains("docker0"), "{error}");
        assert!(run("ip -o link").contains("docker0"));
    });
}
