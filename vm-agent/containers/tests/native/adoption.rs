//! The engine dies; the next one finds everything.

use crate::stage::{Stage, attach_all};
use bytes::Bytes;
use containers::StopOptions;
use serde_json::json;

pub(crate) fn resumed(stage: &Stage) -> bool {
    stage.directory.join("restarting").exists()
}

/// Leaves three containers behind and ends: one that talks on, one that ends unseen, and one with a restart policy.
pub(crate) async fn across_an_engine_restart(stage: &Stage) {
    let script = "for n in $(seq 1 2000); do echo line $n; done; printf 'half a '; read line; echo line: $line; \
                  for n in $(seq 1 2000); do echo more $n; done; exit 21";
    let talker = json!({"Cmd": ["sh", "-c", script], "OpenStdin": true});
    let talker = stage.create(Some("talker"), talker).await.expect("create");
    let mortal = json!({"Cmd": ["sh", "-c", "read line; exit 22"], "OpenStdin": true});
    let mortal = stage.create(Some("mortal"), mortal).await.expect("create");
    let server = json!({"Cmd": ["sleep", "100"], "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}});
    let server = stage.create(Some("server"), server).await.expect("create");
    for id in [&talker, &mortal, &server] {
        stage.containers.start(id).await.expect("start");
    }
    stage.await_log(&talker, "line 2000\n").await;
    let mut attached = stage.containers.attach(&mortal, attach_all()).await.expect("attach");
    attached.stdin.as_mut().expect("stdin").write(Bytes::from_static(b"end\n")).await.expect("written");
    // Starts reach the disk within the store's half second; a create takes everything before it along at once.
    stage.create(Some("barrier"), json!({"Cmd": ["true"]})).await.expect("create");
    std::fs::write(stage.directory.join("restarting"), "").expect("write");
    println!("the engine ends here");
    // Without any clean-up, as a crash would.
    std::process::exit(0);
}

pub(crate) async fn after_restart(stage: &Stage) {
    let state = async |name: &str| stage.containers.inspect(name, false).await.expect("inspect").state;
    assert_eq!(state("talker").await.status, "running");
    assert_eq!(state("server").await.status, "running");
    assert_eq!(stage.wait("mortal").await.code, 22);
    let address = stage.containers.inspect("server", false).await.expect("inspect").network_settings.ip_address;
    assert!(address.starts_with("172.17."), "{address}");
    let mut attached = stage.containers.attach("talker", attach_all()).await.expect("attach");
    attached.stdin.as_mut().expect("stdin").write(Bytes::from_static(b"again\n")).await.expect("written");
    while attached.output.recv().await.is_some() {}
    assert_eq!(stage.wait("talker").await.code, 21);
    let mut expected: String = (1..=2000).map(|n| format!("line {n}\n")).collect();
    expected.push_str("half a line: again\n");
    expected.extend((1..=2000).map(|n| format!("more {n}\n")));
    let log = stage.logs("talker").await;
    assert!(
        log == expected,
        "{} lines of {}: ...{}",
        log.lines().count(),
        4001,
        log.get(log.len().saturating_sub(80)..).unwrap_or("")
    );
    stage.containers.stop("server", StopOptions { timeout: Some(0), signal: None }).await.expect("stop");
    for name in ["talker", "mortal", "server", "barrier"] {
        stage.remove(name).await;
    }
    crate::report::passed();
}
