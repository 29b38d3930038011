//! What goes in and comes out.

use crate::stage::{Stage, attach_all};
use bytes::Bytes;
use containers::{AttachRequest, LogsRequest, Stream, Tail, WaitCondition, Written};
use serde_json::json;

pub(crate) async fn stdin_to_the_end(stage: &Stage) {
    let request = json!({"Cmd": ["sh", "-c", "cat; echo done >&2"], "OpenStdin": true, "StdinOnce": true});
    let id = stage.create(None, request).await.expect("create");
    let mut attached = stage.containers.attach(&id, attach_all()).await.expect("attach");
    stage.containers.start(&id).await.expect("start");
    let mut stdin = attached.stdin.take().expect("stdin");
    let text: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    let input = Bytes::from(text.clone());
    let writing = tokio::spawn(async move { stdin.write(input).await });
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(frame) = attached.output.recv().await {
        match frame.stream {
            Stream::Stdout => out.extend_from_slice(&frame.bytes),
            Stream::Stderr => err.extend_from_slice(&frame.bytes),
            Stream::Stdin => {}
        }
    }
    assert_eq!(writing.await.expect("task").expect("written"), Written::All);
    assert!(out == text.as_bytes(), "{} bytes of {}", out.len(), text.len());
    assert_eq!(err, b"done\n");
    assert_eq!(stage.wait(&id).await.code, 0);
    stage.remove(&id).await;
}

pub(crate) async fn a_terminal(stage: &Stage) {
    let request = json!({"Cmd": ["sh"], "Tty": true, "OpenStdin": true});
    let id = stage.create(None, request).await.expect("create");
    let mut attached = stage.containers.attach(&id, attach_all()).await.expect("attach");
    assert!(attached.tty);
    stage.containers.start(&id).await.expect("start");
    stage.containers.resize(&id, 40, 111).await.expect("resize");
    let mut stdin = attached.stdin.take().expect("stdin");
    stdin.write(Bytes::from_static(b"stty size; tty; echo $TERM\n")).await.expect("written");
    let mut seen = String::new();
    while !seen.contains("xterm") {
        let frame = attached.output.recv().await.expect("more output");
        seen.push_str(&String::from_utf8_lossy(&frame.bytes));
    }
    assert!(seen.contains("40 111") && seen.contains("/dev/pts/0"), "{seen}");
    assert_eq!(stdin.write(Bytes::from_static(b"\x10\x11")).await.expect("written"), Written::Detached);
    while attached.output.recv().await.is_some() {}
    assert!(stage.containers.inspect(&id, false).await.expect("inspect").state.running);
    let mut again = stage.containers.attach(&id, attach_all()).await.expect("attach");
    let mut stdin = again.stdin.take().expect("stdin");
    stdin.write(Bytes::from_static(b"exit 5\n")).await.expect("written");
    while again.output.recv().await.is_some() {}
    assert_eq!(stage.wait(&id).await.code, 5);
    stage.remove(&id).await;
}

pub(crate) async fn follow_logs(stage: &Stage) {
    let request = json!({"Cmd": ["sh", "-c", "echo one; read line; echo $line; echo three >&2"], "OpenStdin": true});
    let id = stage.create(None, request).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    stage.await_log(&id, "one\n").await;
    let request = LogsRequest { stdout: true, stderr: true, follow: true, tail: Tail::All, ..LogsRequest::default() };
    let mut logs = stage.containers.logs(&id, request).await.expect("logs");
    assert_eq!(logs.frames.recv().await.expect("a frame").expect("read").bytes, "one\n");
    let attach = AttachRequest { stdin: true, stream: true, ..AttachRequest::default() };
    let mut attached = stage.containers.attach(&id, attach).await.expect("attach");
    attached.stdin.as_mut().expect("stdin").write(Bytes::from_static(b"two\n")).await.expect("written");
    let mut rest = Vec::new();
    while let Some(frame) = logs.frames.recv().await {
        let frame = frame.expect("read");
        rest.push((frame.stream, String::from_utf8_lossy(&frame.bytes).into_owned()));
    }
    rest.sort_by_key(|(stream, _)| *stream as u8);
    assert_eq!(rest, [(Stream::Stdout, "two\n".to_owned()), (Stream::Stderr, "three\n".to_owned())]);
    let tail = LogsRequest { stdout: true, tail: Tail::Last(1), ..LogsRequest::default() };
    let mut logs = stage.containers.logs(&id, tail).await.expect("logs");
    let mut last = String::new();
    while let Some(frame) = logs.frames.recv().await {
        last.push_str(&String::from_utf8_lossy(&frame.expect("read").bytes));
    }
    // The last record is of the other stream, or of this one: the two pipes have no common order.
    assert!(last.is_empty() || last == "two\n", "{last}");
    stage.remove(&id).await;
}

pub(crate) async fn auto_remove(stage: &Stage) {
    let request = json!({"Cmd": ["sh", "-c", "echo bye; exit 4"], "HostConfig": {"AutoRemove": true}});
    let id = stage.create(Some("fleeting"), request).await.expect("create");
    let mut attached =
        stage.containers.attach(&id, AttachRequest { stdin: false, ..attach_all() }).await.expect("attach");
    let removed = stage.containers.wait(&id, WaitCondition::Removed).expect("known");
    stage.containers.start(&id).await.expect("start");
    assert_eq!(attached.output.recv().await.expect("output").bytes, "bye\n");
    assert_eq!(removed.await.code, 4);
    assert!(stage.containers.resolve("fleeting").is_err());
    let id = stage.create(Some("fleeting"), json!({"Cmd": ["true"]})).await.expect("the name is free");
    stage.remove(&id).await;
}
