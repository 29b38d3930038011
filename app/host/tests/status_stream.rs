//! What a client makes of the daemon's news of the machine, as they come and as they break off.

#![cfg(unix)]

mod support;

use host::client::Client;
use host::machine::{MachineStatus, Phase};
use support::{Home, PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

const VERSION: &str = r#"{"version":"0.0.0","pid":1,"program":{"path":"/berth","fingerprint":[0,0,0]}}"#;

/// A daemon that says of every machine what it is told to say, and ends its answer as it is told.
async fn daemon(home: &Home, phases: &[Phase], end: &'static str) -> Client {
    let listener = UnixListener::bind(home.paths.control_socket()).unwrap();
    let mut body = String::new();
    for phase in phases {
        let line = serde_json::to_string(&MachineStatus { phase: *phase, ..MachineStatus::stopped() }).unwrap();
        body.push_str(&format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
    }
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let answer = match head.starts_with(b"GET /version") {
                true => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{VERSION}", VERSION.len()),
                false => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}{end}"),
            };
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Client::connect(home.paths.clone()).await.unwrap()
}

const IN_ORDER: &str = "0\r\n\r\n";

#[tokio::test]
async fn news_that_end_before_the_machine_came_to_rest_are_no_success() {
    let home = Home::new("FAKE_KVM=boot");
    let client = daemon(&home, &[Phase::Starting, Phase::Starting], IN_ORDER).await;
    let mut news = client.up().await.unwrap();
    for _ in 0..2 {
        assert_eq!(news.next().await.unwrap().unwrap().phase, Phase::Starting);
    }
    let error = news.next().await.unwrap_err().to_string();
    assert!(error.contains("told no more of the machine before it had come to rest"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_takes_back_nothing_that_was_said() {
    for end in [IN_ORDER, ""] {
        let home = Home::new("FAKE_KVM=boot");
        let client = daemon(&home, &[Phase::Starting, Phase::Running], end).await;
        assert_eq!(client.up().await.unwrap().settled().await.unwrap().phase, Phase::Running, "{end:?}");
    }
    let home = Home::new("FAKE_KVM=boot");
    let client = daemon(&home, &[Phase::Starting], "").await;
    client.up().await.unwrap().settled().await.unwrap_err();
}

/// The next status; `None` when the news end.
async fn next(news: &mut host::client::StatusStream) -> Option<MachineStatus> {
    tokio::time::timeout(PATIENCE, news.next()).await.expect("news in time").unwrap()
}

#[tokio::test]
async fn whoever_watches_is_told_of_now_and_of_all_that_comes_until_the_daemon_ends() {
    let home = Home::new("FAKE_KVM=boot");
    let mut daemon = support::daemon(&home).await;
    let watcher = Client::connect(home.paths.clone()).await.unwrap();
    let mut news = watcher.watch().await.unwrap();
    assert_eq!(next(&mut news).await.unwrap().phase, Phase::Stopped);

    // Another one asks for it.
    let asker = Client::connect(home.paths.clone()).await.unwrap();
    let running = asker.up().await.unwrap().settled().await.unwrap();
    let mut seen = Vec::new();
    loop {
        let status = next(&mut news).await.unwrap();
        seen.push(status.phase);
        if status.phase.is_settled() {
            assert_eq!(status, running);
            break;
        }
    }
    assert!(seen.contains(&Phase::Starting), "{seen:?}");
    // Settled is no end: the stop is told, too.
    asker.down().await.unwrap().settled().await.unwrap();
    let stopped = loop {
        let status = next(&mut news).await.unwrap();
        if status.phase != Phase::Stopping {
            break status;
        }
    };
    assert_eq!(stopped.phase, Phase::Stopped);
    // A later watcher is told of it at once.
    assert_eq!(next(&mut watcher.watch().await.unwrap()).await.unwrap(), stopped);

    asker.quit().await.unwrap();
    daemon.wait().await.unwrap();
    assert_eq!(next(&mut news).await, None);
}
