//! What the hooks let requests meet: containers, a network, a volume, images. Requests remove and rename them; they are made again.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::docker::Docker;
use tests::http::{self, Answer};

/// What is always there when a request begins, unless it was only stopped or changed.
pub(super) struct There {
    host: String,
    /// The id of the image that has all names; containers keep it.
    image: String,
}

impl There {
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(docker: &Docker) -> anyhow::Result<There> {
        let image = docker.ok(&["image", "inspect", "--format", "{{.Id}}", "busybox"])?;
        // Nothing keeps an image as safely as a container that runs; this one has a name that nobody thinks of.
        docker.ok(&["run", "-d", "--name", "keeper-of-the-image", "busybox", "sleep", "100000"])?;
        let there = There { host: docker.host().to_owned(), image };
        there.make()?;
        Ok(there)
    }

    /// Makes again what this request may have taken away.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn after(&self, method: &str, path: &str) -> anyhow::Result<()> {
        let takes = method == "DELETE" || path.ends_with("/rename") || path.ends_with("/prune");
        if takes { self.make() } else { Ok(()) }
    }

    fn make(&self) -> anyhow::Result<()> {
        for name in ["busybox:latest", "fuzz:1"] {
            let (repository, tag) = name.split_once(':').context("a tag")?;
            self.post(&format!("/images/{}/tag?repo={repository}&tag={tag}", self.image), &Value::Null, &[201])?;
        }
        for number in 0..4 {
            let body = json!({"Image": self.image, "Cmd": ["sleep", "100000"]});
            let made = self.post(&format!("/containers/create?name=fuzz-{number}"), &body, &[201, 409])?;
            if made.status == 201 {
                self.post(&format!("/containers/fuzz-{number}/start"), &Value::Null, &[204])?;
            }
        }
        self.post("/networks/create", &json!({"Name": "fuzz-net"}), &[201, 409])?;
        self.post("/volumes/create", &json!({"Name": "fuzz-volume"}), &[201])?;
        Ok(())
    }

    fn post(&self, path: &str, body: &Value, expect: &[u16]) -> anyhow::Result<Answer> {
        let answer = http::post(&self.host, path, body)?;
        ensure!(expect.contains(&answer.status), "POST {path} {body}: {} {}", answer.status, answer.body);
        Ok(answer)
    }
}
