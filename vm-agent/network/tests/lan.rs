//! macvlan networks over restarts of the engine. A kernel without dummies and VLANs has the user's parents only.

mod support;

use network::{Attachment, NetworkCreate, Sandbox};
use std::os::fd::AsFd;
use support::{Engine, ask_tcp, id, isolated, network, request, run, run_within, serve_tcp};

fn macvlan(name: &str, parent: &str, options: &[(&str, &str)]) -> NetworkCreate {
    let options = [options, &[("parent", parent)]].concat();
    let options: Vec<_> = options.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    NetworkCreate { driver: "macvlan".into(), ..network(name, &["10.60.0.0/24"], &options) }
}

/// A card that is wired to another machine, 10.60.0.1.
fn card() -> Sandbox {
    let outside = Sandbox::create_blocking().unwrap();
    run("ip link add card0 type veth peer name card1");
    let fd = std::os::fd::AsRawFd::as_raw_fd(&outside.as_fd());
    run(&format!("ip link set card1 netns /proc/{}/fd/{fd}; ip link set card0 up", std::process::id()));
    run_within(outside.as_fd(), "ip addr add 10.60.0.1/24 dev card1; ip link set card1 up");
    outside
}

#[test]
fn containers_live_through_a_restart() {
    isolated("containers_live_through_a_restart", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = card();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(macvlan("lan", "card0", &[("macvlan_mode", "passthru")])).await.unwrap();
        let (alive, at) = engine.container("alive", "lan", vec![]).await;
        assert_eq!(at.gateway_ipv4.unwrap().to_string(), "10.60.0.1");
        assert!(at.host_interface.is_empty());
        serve_tcp(&alive, "0.0.0.0:80");
        serve_tcp(&outside, "0.0.0.0:80");
        assert_eq!(ask_tcp(&outside, "10.60.0.2:80").as_deref(), Some("10.60.0.1"), "its own address, no translation");
        assert_eq!(ask_tcp(&alive, "10.60.0.1:80").as_deref(), Some("10.60.0.2"));

        let Engine { networks, listeners, names, .. } = engine;
        drop(networks);
        let engine = Engine::open_with(dir.path(), listeners, names).await;
        let running = vec![Attachment { container_id: id("alive"), sandbox: Some(&alive) }];
        engine.networks.adopt(running).await.unwrap();
        assert_eq!(engine.networks.endpoints(&id("alive")), std::slice::from_ref(&at));
        assert!(ask_tcp(&outside, "10.60.0.2:80").is_some());

        // Passthru takes one container: the adopted one's link goes when it leaves, though its namespace stays.
        let sandbox = Sandbox::create().await.unwrap();
        let error = engine.networks.attach(request("next", "lan", &sandbox, vec![])).await.unwrap_err();
        assert_eq!(error.to_string(), "failed to create the macvlan port: invalid argument");
        engine.networks.detach_all(&id("alive")).await;
        assert!(!run_within(alive.as_fd(), "ip -o link").contains("eth0"));
        let next = engine.networks.attach(request("next", "lan", &sandbox, vec![])).await.unwrap();
        assert_eq!(next.ipv4.unwrap().0.to_string(), "10.60.0.2");
        engine.networks.detach_all(&id("next")).await;
        engine.networks.remove("lan").await.unwrap();
        assert!(run("ip -o link").contains("card0"), "the user's");
    });
}

/// A card that is not there at a start keeps the engine from nothing else.
#[test]
fn a_parent_may_be_missing() {
    isolated("a_parent_may_be_missing", || async {
        let dir = tempfile::tempdir().unwrap();
        let outside = card();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(macvlan("lan", "card0", &[])).await.unwrap();
        let Engine { networks, .. } = engine;
        drop(networks);
        run("ip link del card0");
        drop(outside);
        let engine = Engine::open(dir.path()).await;
        engine.networks.adopt(vec![]).await.unwrap();
        let sandbox = Sandbox::create().await.unwrap();
        let error = engine.networks.attach(request("c", "lan", &sandbox, vec![])).await.unwrap_err();
        assert_eq!(error.to_string(), "the requested parent interface card0 was not found on the Docker host");
        let _outside = card();
        engine.networks.attach(request("c", "lan", &sandbox, vec![])).await.unwrap();
    });
}

/// VLAN sub-interfaces and dummies are made again after a boot, and collected when no network has them. A kernel that has
/// neither says so.
#[test]
fn made_parents_are_remade_and_collected() {
    isolated("made_parents_are_remade_and_collected", || async {
        let dir = tempfile::tempdir().unwrap();
        let _outside = card();
        let engine = Engine::open(dir.path()).await;
        for (parent, refusal) in [
            ("", "operation not supported"),
            ("card0.7", "failed to create card0.7 vlan link: operation not supported"),
        ] {
            let made = match engine.networks.create(macvlan("lan", parent, &[])).await {
                Ok(made) => made,
                Err(error) => {
                    assert_eq!(error.to_string(), refusal);
                    assert!(engine.networks.inspect("lan").is_err());
                    continue;
                }
            };
            let link = if parent.is_empty() { format!("dm-{:.12}", made.id) } else { parent.to_owned() };
            assert!(run("ip -o link").contains(&link));
            engine.networks.remove("lan").await.unwrap();
            assert!(!run("ip -o link").contains(&link));
        }
    });
}

/// The container's own link stays when the engine's cannot have its name.
#[test]
fn a_name_may_be_taken_inside() {
    isolated("a_name_may_be_taken_inside", || async {
        let dir = tempfile::tempdir().unwrap();
        let _outside = card();
        let engine = Engine::open(dir.path()).await;
        engine.networks.create(macvlan("lan", "card0", &[])).await.unwrap();
        let sandbox = Sandbox::create().await.unwrap();
        run_within(sandbox.as_fd(), "ip link add eth0 type veth peer name own");
        let error = engine.networks.attach(request("c", "lan", &sandbox, vec![])).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot name the container's interface: File exists (os error 17)");
        let links = run_within(sandbox.as_fd(), "ip -o link");
        assert!(links.contains("eth0@own") && !links.contains("lan"), "{links}");
    });
}
