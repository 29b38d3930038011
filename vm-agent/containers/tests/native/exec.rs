//! Further processes.

use crate::stage::Stage;
use bytes::Bytes;
use containers::Kind;
use engine_api::{ExecConfig, ExecStartRequest};
use serde_json::{Value, json};

fn config(json: &Value) -> ExecConfig {
    engine_api::decode(json.to_string().as_bytes()).expect("valid")
}

/// Runs a command: (exit code, output).
async fn run(stage: &Stage, id: &str, mut request: Value) -> (i64, String) {
    request["AttachStdout"] = json!(true);
    request["AttachStderr"] = json!(true);
    let exec = stage.containers.exec_create(id, config(&request)).await.expect("exec create");
    let attached = stage.containers.exec_start(&exec, ExecStartRequest::default()).await.expect("exec start");
    let mut attached = attached.expect("attached");
    let mut output = String::new();
    while let Some(frame) = attached.output.recv().await {
        output.push_str(&String::from_utf8_lossy(&frame.bytes));
    }
    let inspect = stage.containers.exec_inspect(&exec).expect("inspect");
    assert!(!inspect.running);
    (inspect.exit_code.expect("ended"), output)
}

pub(crate) async fn output_and_exit_codes(stage: &Stage) {
    let request = json!({"Cmd": ["sleep", "100"], "Env": ["A=1"]});
    let id = stage.create(None, request).await.expect("create");
    let error = stage.containers.exec_create(&id, config(&json!({"Cmd": ["true"]}))).await.expect_err("not running");
    assert_eq!(error.to_string(), format!("container {id} is not running"));
    stage.containers.start(&id).await.expect("start");
    let script = json!({
        "Cmd": ["sh", "-c", "echo $A$B; id -un; pwd; cat /proc/1/comm; exit 6"], "Env": ["B=2"], "User": "user", "WorkingDir": "/tmp",
    });
    assert_eq!(run(stage, &id, script).await, (6, "12\nuser\n/tmp\nsleep\n".to_owned()));
    for (command, code, text) in [
        (
            "nope",
            127,
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH",
        ),
        ("/etc/plain", 126, "permission denied"),
    ] {
        let exec = stage.containers.exec_create(&id, config(&json!({"Cmd": [command]}))).await.expect("exec create");
        let error = stage.containers.exec_start(&exec, ExecStartRequest::default()).await.expect_err(command);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(stage.containers.exec_inspect(&exec).expect("inspect").exit_code, Some(code));
        let error = stage.containers.exec_start(&exec, ExecStartRequest::default()).await.expect_err("has run");
        assert_eq!(error.to_string(), format!("exec command {exec} has already run"));
    }
    // A command ends with its container, and so does the client's stream.
    let forever = config(&json!({"Cmd": ["sleep", "100"], "AttachStdout": true}));
    let exec = stage.containers.exec_create(&id, forever).await.expect("exec create");
    let mut attached =
        stage.containers.exec_start(&exec, ExecStartRequest::default()).await.expect("exec start").expect("attached");
    stage.remove(&id).await;
    assert_eq!(attached.output.recv().await, None);
}

pub(crate) async fn with_a_terminal(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    let request = config(&json!({"Cmd": ["sh"], "Tty": true, "AttachStdin": true, "AttachStdout": true}));
    let exec = stage.containers.exec_create(&id, request).await.expect("exec create");
    let start = ExecStartRequest { tty: true, console_size: Some([33, 99]), ..Default::default() };
    let mut attached = stage.containers.exec_start(&exec, start).await.expect("exec start").expect("attached");
    let mut stdin = attached.stdin.take().expect("stdin");
    stdin.write(Bytes::from_static(b"stty size; exit 3\n")).await.expect("written");
    let mut output = String::new();
    while let Some(frame) = attached.output.recv().await {
        output.push_str(&String::from_utf8_lossy(&frame.bytes));
    }
    assert!(output.contains("33 99"), "{output}");
    assert_eq!(stage.containers.exec_inspect(&exec).expect("inspect").exit_code, Some(3));
    // Without a terminal, the end of the client's input is the end of the command's.
    let request = config(&json!({"Cmd": ["cat"], "AttachStdin": true, "AttachStdout": true}));
    let exec = stage.containers.exec_create(&id, request).await.expect("exec create");
    let mut attached =
        stage.containers.exec_start(&exec, ExecStartRequest::default()).await.expect("exec start").expect("attached");
    let mut stdin = attached.stdin.take().expect("stdin");
    stdin.write(Bytes::from_static(b"through")).await.expect("written");
    drop(stdin);
    assert_eq!(attached.output.recv().await.expect("output").bytes, "through");
    assert_eq!(attached.output.recv().await, None);
    stage.remove(&id).await;
}
