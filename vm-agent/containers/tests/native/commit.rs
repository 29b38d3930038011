//! Images from containers.

use crate::stage::Stage;
use containers::{CommitRequest, Kind, RemoveOptions};
use engine_api::ContainerCreateRequest;
use serde_json::json;

/// A container that is removed meanwhile gives a whole image or none.
pub(crate) async fn removed_meanwhile(stage: &Stage) {
    // The large file comes first in the archive: the others go while it is read.
    let script =
        "dd if=/dev/null of=/a bs=1M seek=32 count=0 && mkdir /z && for n in $(seq 1 20); do echo $n >/z/$n; done";
    let id = stage.create(None, json!({"Cmd": ["sh", "-c", script]})).await.expect("create");
    stage.containers.start(&id).await.expect("start");
    assert_eq!(stage.wait(&id).await.code, 0);
    let options = RemoveOptions { force: true, volumes: true };
    let (made, removed) =
        tokio::join!(stage.containers.commit(&id, CommitRequest::default()), stage.containers.remove(&id, options),);
    removed.expect("remove");
    let image = match made {
        Ok(image) => image.to_string(),
        Err(error) => return assert_eq!(error.kind(), Kind::Conflict, "{error}"),
    };
    let request = json!({"Image": image, "Cmd": ["sh", "-c", "exit $(ls /z | wc -l)"]});
    let request = ContainerCreateRequest::decode(request.to_string().as_bytes()).expect("a valid request");
    let id = stage.containers.create(None, request, None).await.expect("create").id;
    stage.containers.start(&id).await.expect("start");
    assert_eq!(stage.wait(&id).await.code, 20, "the image has all files");
    stage.remove(&id).await;
}
