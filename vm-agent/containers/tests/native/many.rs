//! Many at once.

use crate::stage::Stage;
use containers::{RemoveOptions, WaitCondition};
use serde_json::json;

pub(crate) async fn fifty_at_once(stage: &Stage) {
    let mut ids = Vec::new();
    for number in 0..50 {
        let script = format!("echo {number}; exit {number}");
        ids.push(
            stage.create(Some(&format!("many{number}")), json!({"Cmd": ["sh", "-c", script]})).await.expect("create"),
        );
    }
    let mut tasks = tokio::task::JoinSet::new();
    for id in ids.clone() {
        let containers = stage.containers.clone();
        tasks.spawn(async move {
            containers.start(&id).await.expect("start");
            containers.wait(&id, WaitCondition::NotRunning).expect("known").await
        });
    }
    let mut codes: Vec<i32> = tasks.join_all().await.into_iter().map(|waited| waited.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, (0..50).collect::<Vec<_>>());
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(stage.logs(id).await, format!("{number}\n"));
        stage.containers.remove(id, RemoveOptions::default()).await.expect("remove");
    }
}

/// An idle container costs each process of ours six descriptors at most: a thousand must not meet a limit.
pub(crate) async fn descriptors_of_the_idle(stage: &Stage) {
    const COUNT: usize = 20;
    let supervisor = std::os::unix::process::parent_id();
    let open = || {
        [std::process::id(), supervisor]
            .map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count())
    };
    let before = open();
    let mut ids = Vec::new();
    for network in ["bridge", "none"].into_iter().cycle().take(COUNT) {
        let request = json!({"Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": network}});
        ids.push(stage.create(None, request).await.expect("create"));
        stage.containers.start(ids.last().expect("just made")).await.expect("start");
    }
    for (before, now) in before.into_iter().zip(open()) {
        // Less than one a container more, for what comes and goes in the meantime.
        assert!(now <= before + COUNT * 6 + COUNT / 2, "{COUNT} containers: {before} descriptors before, {now} now");
    }
    for id in &ids {
        stage.remove(id).await;
    }
}
