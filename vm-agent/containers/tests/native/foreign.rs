//! Containers for other processors, whose emulators are registered late.

use crate::stage::Stage;
use containers::RemoveOptions;
use emulation::Emulation;
use serde_json::json;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

/// As [`crate::stage::IMAGE`], and said to be for another processor.
pub(crate) const IMAGE: &str = "foreign:test";
/// What its configuration says. Its programs are this processor's all the same: the kernel has no part in this.
pub(crate) const PROCESSOR: &str = "s390x";

/// What has not been asked for by then is not.
const LIMIT: Duration = Duration::from_secs(60);

/// Whoever registers emulators, which takes until somebody lets it.
pub(crate) struct Registrar {
    begun: Mutex<mpsc::Receiver<()>>,
    gate: mpsc::Sender<()>,
}

pub(crate) fn registrar() -> (Registrar, Emulation) {
    let (begin, begun) = mpsc::channel();
    let (gate, held) = mpsc::channel();
    let held = Mutex::new(held);
    let emulation = Emulation::prepared_by(move || {
        let _ = begin.send(());
        let _ = held.lock().expect("nobody else registers").recv();
    });
    (Registrar { begun: Mutex::new(begun), gate }, emulation)
}

pub(crate) async fn start_once_the_emulators_are_there(stage: &Stage) {
    // One for this processor asks for none.
    assert_eq!(stage.run("echo own", json!(null)).await, (0, "own\n".to_owned()));
    assert!(stage.registrar.begun.lock().expect("nobody else looks").try_recv().is_err());
    let id = stage.create(None, json!({"Image": IMAGE, "Cmd": ["true"]})).await.expect("create");
    let (containers, started) = (stage.containers.clone(), id.clone());
    let starting = tokio::spawn(async move { containers.start(&started).await });
    tokio::task::block_in_place(|| stage.registrar.begun.lock().expect("nobody else looks").recv_timeout(LIMIT))
        .expect("it wants them");
    assert_eq!(stage.status(&id).await, "created");
    stage.registrar.gate.send(()).expect("it waits");
    starting.await.expect("no panic").expect("start");
    assert_eq!(stage.wait(&id).await.code, 0);
    stage.containers.remove(&id, RemoveOptions { force: false, volumes: true }).await.expect("remove");
}
