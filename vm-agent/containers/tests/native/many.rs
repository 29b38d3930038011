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
