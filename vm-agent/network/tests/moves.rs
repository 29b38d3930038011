//! A container that goes on running while its networks change: its published ports, its links, and what is told of it.

mod support;

use std::os::fd::AsFd;

use network::{Families, Protocol, Sandbox};
use support::{
    Engine, ask_tcp, generation, id, isolated, network, outside, publish, request, run, run_within, serve_tcp,
    unreachable,
};

const IPV4: Families = Families { ipv4: true, ipv6: false };
const IPV6: Families = Families { ipv4: false, ipv6: true };

fn port_of(name: &str) -> (String, Protocol, u16) {
    (id(name), Protocol::Tcp, 80)
}

#[test]
fn links_stay_when_the_ports_move() {
    isolated("links_stay_when_the_ports_move", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::quiet(dir.path()).await;
        engine.networks.create(network("app", &["10.60.0.0/24"], &[])).await.unwrap();
        let ports = || vec![publish(Protocol::Tcp, 8080, 80)];
        let (db, _) = engine.container("db", "bridge", vec![]).await;
        let (web, _) = engine.container("web", "bridge", ports()).await;
        serve_tcp(&db, "0.0.0.0:80");
        engine.networks.link(&id("web"), vec![port_of("db")]).await.unwrap();
        engine.networks.attach(request("web", "app", &web, vec![])).await.unwrap();
        engine.networks.publish(&id("web"), vec![("app".into(), Families::BOTH)], ports()).await.unwrap();
        assert_eq!(engine.listeners.ports().len(), 2);
        assert!(ask_tcp(&web, "172.17.0.2:80").is_some(), "the link is as it was");
        // And back again.
        engine.networks.publish(&id("web"), vec![("bridge".into(), Families::BOTH)], ports()).await.unwrap();
        assert!(ask_tcp(&web, "172.17.0.2:80").is_some());
        engine.networks.detach_all(&id("web")).await;
        assert!(!run("nft list set inet berth links4").contains("elements"));
    });
}

/// No packet meets half of a change: neither of two ports and a link that come and go, nor of ports that move.
#[test]
fn a_change_is_one_transaction() {
    isolated("a_change_is_one_transaction", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::quiet(dir.path()).await;
        engine.networks.create(network("app", &["10.60.0.0/24"], &[])).await.unwrap();
        let ports = || vec![publish(Protocol::Tcp, 8080, 80), publish(Protocol::Udp, 8081, 81)];
        let on = |network: &str| vec![(network.to_owned(), Families::BOTH)];
        let before = generation();
        let (web, at) = engine.container("web", "bridge", ports()).await;
        assert_eq!(generation(), before + 1, "two ports");
        let (db, _) = engine.container("db", "bridge", vec![]).await;
        let linked = vec![(id("db"), Protocol::Tcp, 80), (id("db"), Protocol::Tcp, 81)];
        engine.networks.link(&id("web"), linked).await.unwrap();
        assert_eq!(generation(), before + 2, "two links");
        engine.networks.attach(request("web", "app", &web, vec![])).await.unwrap();
        assert_eq!(generation(), before + 2, "nothing is published");
        engine.networks.publish(&id("web"), on("app"), ports()).await.unwrap();
        assert_eq!(generation(), before + 3, "the ports move");
        let published = || run("nft list map inet berth published4-any");
        let (ip, _) = at.ipv4.unwrap();
        assert!(!published().contains(&ip.to_string()) && published().matches("10.60.0.2").count() == 2);
        engine.networks.publish(&id("web"), on("bridge"), ports()).await.unwrap();
        assert_eq!(generation(), before + 4, "and back again");
        engine.networks.publish(&id("web"), on("bridge"), ports()).await.unwrap();
        assert_eq!(generation(), before + 4, "they are there");
        engine.networks.detach_all(&id("web")).await;
        assert!(!run("nft list table inet berth").contains(&ip.to_string()), "nothing is left");
        drop(db);
    });
}

#[test]
fn routed_ports_are_shut_and_opened_again() {
    isolated("routed_ports_are_shut_and_opened_again", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        run_within(outside.as_fd(), "ip route add 10.60.0.0/16 via 10.50.0.1");
        let engine = Engine::open(dir.path()).await;
        let routed = [("com.docker.network.bridge.gateway_mode_ipv4", "routed")];
        engine.networks.create(network("open", &["10.60.0.0/24"], &routed)).await.unwrap();
        engine.networks.create(network("app", &["10.61.0.0/24"], &[])).await.unwrap();
        let ports = || vec![publish(Protocol::Tcp, 8080, 80)];
        let (web, _) = engine.container("web", "open", ports()).await;
        serve_tcp(&web, "0.0.0.0:80");
        assert!(ask_tcp(&outside, "10.60.0.2:80").is_some());
        engine.networks.attach(request("web", "app", &web, vec![])).await.unwrap();
        let on = |network: &str| vec![(network.to_owned(), Families::BOTH)];
        let open = || engine.networks.endpoints(&id("web")).iter().map(|e| e.ports.len()).collect::<Vec<_>>();
        engine.networks.publish(&id("web"), on("app"), ports()).await.unwrap();
        assert!(unreachable(&outside, "10.60.0.2:80"), "shut");
        assert_eq!(open(), [0, 2]);
        engine.networks.publish(&id("web"), on("open"), ports()).await.unwrap();
        assert!(ask_tcp(&outside, "10.60.0.2:80").is_some(), "open again");
        // On `::` a listener leads to the IPv4 address.
        assert_eq!(open(), [2, 0]);
    });
}

#[test]
fn each_family_has_a_network_of_its_own() {
    isolated("each_family_has_a_network_of_its_own", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = outside();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("four", &["10.60.0.0/24"], &[])).await.unwrap();
        engine.networks.create(network("a-six", &["fd60::/64"], &[])).await.unwrap();
        let ports = || vec![publish(Protocol::Tcp, 8080, 80)];
        let (web, _) = engine.container("web", "four", ports()).await;
        serve_tcp(&web, "[::]:80");
        engine.networks.attach(request("web", "a-six", &web, vec![])).await.unwrap();
        let bound = || {
            let shown = |e: network::Endpoint| e.ports.into_iter().map(|p| p.host_ip.to_string()).collect::<Vec<_>>();
            engine.networks.endpoints(&id("web")).into_iter().map(shown).collect::<Vec<_>>()
        };
        let four = |families| ("four".to_owned(), families);
        assert_eq!(bound(), [vec!["0.0.0.0", "::"], vec![]]);
        engine.networks.publish(&id("web"), vec![four(IPV4), ("a-six".into(), IPV6)], ports()).await.unwrap();
        assert_eq!(bound(), [["0.0.0.0"], ["::"]]);
        assert!(ask_tcp(&outside, "10.50.0.1:8080").is_some());
        while run("ip -6 addr show tentative").contains("inet6") {
            std::thread::yield_now();
        }
        assert!(ask_tcp(&outside, "[fd50::1]:8080").is_some());
        engine.networks.detach(&id("web"), "a-six", Some(&web)).await.unwrap();
        engine.networks.publish(&id("web"), vec![four(Families::BOTH)], ports()).await.unwrap();
        assert_eq!(bound(), [["0.0.0.0", "::"]]);
        assert_eq!(engine.listeners.ports().len(), 2);
    });
}

/// A filter that cannot be changed: what it did not do is not so in the state either, and is done the next time.
#[test]
fn a_link_that_failed_is_opened_the_next_time() {
    isolated("a_link_that_failed_is_opened_the_next_time", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::quiet(dir.path()).await;
        let (db, _) = engine.container("db", "bridge", vec![]).await;
        let (web, _) = engine.container("web", "bridge", vec![]).await;
        serve_tcp(&db, "0.0.0.0:80");
        // A set of another kind in place of ours.
        run("nft 'delete table inet berth; add table inet berth; add set inet berth bridges { type inet_service; }'");
        engine.networks.link(&id("web"), vec![port_of("db")]).await.unwrap_err();
        run("nft delete table inet berth");
        engine.networks.link(&id("web"), vec![port_of("db")]).await.unwrap();
        assert!(ask_tcp(&web, "172.17.0.2:80").is_some());
    });
}

#[test]
fn a_connection_is_told_once_it_is_whole() {
    isolated("a_connection_is_told_once_it_is_whole", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(network("app", &["10.60.0.0/24"], &[])).await.unwrap();
        let (web, _) = engine.container("web", "bridge", vec![]).await;
        let mut events = engine.events.subscribe();
        // Rolled back.
        engine.networks.attach_untold(request("web", "app", &web, vec![])).await.unwrap();
        engine.networks.detach(&id("web"), "app", Some(&web)).await.unwrap();
        let endpoint = engine.networks.attach_untold(request("web", "app", &web, vec![])).await.unwrap();
        // Its end comes first.
        engine.networks.tell_leaving(&id("web"));
        engine.networks.tell_connected(&endpoint);
        engine.networks.detach_all(&id("web")).await;
        engine.networks.tell_connected(&endpoint);
        engine.networks.remove("app").await.unwrap();
        let mut told = Vec::new();
        while told.last().is_none_or(|(action, _)| action != "destroy") {
            let event = events.next().await.unwrap();
            told.push((event.action.clone(), event.attributes["name"].clone()));
        }
        let wanted = [("disconnect", "bridge"), ("connect", "app"), ("disconnect", "app"), ("destroy", "app")];
        assert_eq!(told, wanted.map(|(action, name)| (action.to_owned(), name.to_owned())));
    });
}

/// What the filter did not shut when a container left does not lead to the next one at its address.
#[test]
fn a_link_that_stayed_open_does_not_lead_to_the_next() {
    isolated("a_link_that_stayed_open_does_not_lead_to_the_next", || async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::quiet(dir.path()).await;
        let (_db, at_db) = engine.container("db", "bridge", vec![]).await;
        let (web, _) = engine.container("web", "bridge", vec![]).await;
        let (third, _) = engine.container("third", "bridge", vec![]).await;
        let (_other, _) = engine.container("other", "bridge", vec![]).await;
        for linked in ["web", "third"] {
            engine.networks.link(&id(linked), vec![port_of("db")]).await.unwrap();
        }
        run("nft 'delete table inet berth; add table inet berth; add set inet berth bridges { type inet_service; }'");
        engine.networks.detach_all(&id("db")).await;
        // While it can still not be shut nobody has the address.
        let next = Sandbox::create().await.unwrap();
        engine.networks.attach(request("next", "bridge", &next, vec![])).await.unwrap_err();
        assert!(engine.networks.endpoints(&id("next")).is_empty());
        run("nft delete table inet berth");
        // Puts back all that is to be in there.
        engine.networks.link(&id("other"), vec![port_of("web")]).await.unwrap();
        let at_next = engine.networks.attach(request("next", "bridge", &next, vec![])).await.unwrap();
        assert_eq!(at_next.ipv4, at_db.ipv4);
        serve_tcp(&next, "0.0.0.0:80");
        for linked in [&web, &third] {
            assert!(unreachable(linked, "172.17.0.2:80"), "it was never linked to this one");
        }
    });
}
